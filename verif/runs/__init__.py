"""Runs of the whole system: the demo, tasks, soak, fuzz, faults, the ladder, the paper."""
