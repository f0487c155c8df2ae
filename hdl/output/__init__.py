"""The epilogue of each row: results to requantization, threshold, pooling, packing and writeback."""
