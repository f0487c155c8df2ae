"""The five vision tasks: data from installed packages, networks, losses, metrics, baselines and pictures."""

import importlib

from .task import Task

__all__ = ["TASKS", "Task", "TaskError", "named"]

TASKS = {
    "classification": "Classification", "detection": "Detection", "segmentation": "Segmentation",
    "super_resolution": "SuperResolution", "matching": "Matching",
}
"""Class of each task, in the module of the task's name."""


class TaskError(ValueError):
    """A task that does not exist."""


def named(name: str) -> Task:
    """A task by its name."""
    if name not in TASKS:
        raise TaskError(f"task must be one of {', '.join(TASKS)}, not {name}")
    return getattr(importlib.import_module(f".{name}", __name__), TASKS[name])()
