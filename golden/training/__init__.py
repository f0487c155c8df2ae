"""Training: loops, checkpoints, contests between networks, data and tasks."""
