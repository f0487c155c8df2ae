"""Known networks: digits for the boards, ResNet-18, and others by their geometry."""
