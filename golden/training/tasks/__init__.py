"""The five vision tasks: data from installed packages, networks, losses, metrics, baselines and pictures.

A task of a user is one more subclass of `Task`, in a Python file of its own.
"""

import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType

from .task import Task

__all__ = ["TASKS", "Task", "TaskError", "named"]

TASKS = {
    "classification": "Classification", "detection": "Detection", "segmentation": "Segmentation",
    "super_resolution": "SuperResolution", "matching": "Matching",
}
"""Class of each task, in the module of the task's name."""


ATTRIBUTES = ("name", "metric", "input_shape", "outputs", "stride", "encoder", "recipe")
"""Members of `Task` without a default."""


class TaskError(ValueError):
    """A task that does not exist, or a file without one."""


def named(name: str) -> Task:
    """A task by its name, or the task of a Python file, whose name ends with ``.py``.

    The file is run. It defines one subclass of `Task`, with a name of lower-case letters, digits and underscores.

    Raises
    ------
    TaskError
        If there is no such task or file, the file does not run, or its class is no complete task.
    """
    if name in TASKS:
        return getattr(importlib.import_module(f".{name}", __name__), TASKS[name])()
    if not name.endswith(".py"):
        raise TaskError(f"task must be one of {', '.join(TASKS)}, or a Python file, not {name}")
    path = Path(name)
    if not path.is_file():
        raise TaskError(f"task must be a file that exists, not {name}")
    return _of_module(path, _run(path))


def _run(path: Path) -> ModuleType:
    name = f"signum_task_{re.sub(r'[^A-Za-z0-9]', '_', path.stem)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = error.lineno if isinstance(error, SyntaxError) else next(
            (frame.lineno for frame in reversed(traceback.extract_tb(error.__traceback__))
             if Path(frame.filename).resolve() == path.resolve()), None)
        raise TaskError(f"{path} must be Python that runs, not raise {type(error).__name__} in line {line}: "
                        f"{error}") from None
    return module


def _of_module(path: Path, module: ModuleType) -> Task:
    classes = [value for value in vars(module).values()
               if inspect.isclass(value) and issubclass(value, Task) and value.__module__ == module.__name__]
    if len(classes) != 1:
        raise TaskError(f"{path} must define one subclass of Task, not "
                        f"{', '.join(found.__name__ for found in classes) or 'none'}")
    (kind,) = classes
    missing = sorted(kind.__abstractmethods__) + [member for member in ATTRIBUTES if not hasattr(kind, member)]
    if missing:
        raise TaskError(f"{kind.__name__} of {path} must define {', '.join(missing)}")
    if not isinstance(kind.name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", kind.name) or kind.name in TASKS:
        raise TaskError(f"name of {kind.__name__} must be lower-case letters, digits and underscores, and none of "
                        f"{', '.join(TASKS)}, not {kind.name!r}")
    return kind()
