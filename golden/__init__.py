"""The reference: PyTorch layers, training, folding, the integer graph, compilation, the reference interpreter."""
