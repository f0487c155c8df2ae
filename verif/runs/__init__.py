"""Runs of the whole system: the demo, tasks, soak, faults, the ladder, the paper."""
