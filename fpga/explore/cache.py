"""Cache of the results of slow functions, by function, arguments and a hash of the sources."""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import joblib

from signum import fpga, golden, hdl

__all__ = ["Cache", "sources"]


@functools.cache
def sources() -> str:
    """A hash of the packages ``hdl``, ``golden`` and ``fpga``, and of the versions of their tools."""
    found = hashlib.sha256()
    for package in (hdl, golden, fpga):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            found.update(f"{package.__name__}/{path.relative_to(root)}\n".encode())
            found.update(path.read_bytes())
    for name in ("amaranth", "pyosys", "numpy"):
        found.update(f"{name} {version(name)}\n".encode())
    return found.hexdigest()


def result(key: str, compute: Callable[[], Any]) -> Any:
    """The function that joblib keeps results of, by the key alone."""
    return compute()


def absent() -> NoReturn:
    raise KeyError("no result is kept")


class Cache:
    """A folder of results, kept by joblib.

    A result may come from another process or machine, so joblib gets the result instead of computing it.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._result = joblib.Memory(folder, verbose=0).cache(result, ignore=["compute"])

    @staticmethod
    def _key(function: str, arguments: Sequence[Any]) -> str:
        return json.dumps([sources(), function, arguments], sort_keys=True)

    def get(self, function: str, arguments: Sequence[Any]) -> Any:
        """The kept result of a function with these arguments, as JSON values; KeyError without one."""
        return self._result(self._key(function, arguments), absent)

    def put(self, function: str, arguments: Sequence[Any], value: Any) -> None:
        self._result(self._key(function, arguments), lambda: value)
