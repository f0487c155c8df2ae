"""From a PyTorch module to a program: folding, lowering, allocation, packing, cycles."""
