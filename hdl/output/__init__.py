"""The path of the sums from the array: requantization, threshold, pooling, packing and writeback, answers."""
