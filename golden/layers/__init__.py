"""PyTorch modules: binary and 8-bit layers, gains, residuals, blocks, input encoders."""
