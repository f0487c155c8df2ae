"""Results of slow functions, kept by content: what the function was given, and the sources that it is made of."""

import functools
import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from signum import fpga, golden, hdl
from signum.hdl.lib.emit import write_whole

__all__ = ["Cache", "sources"]


@functools.cache
def sources() -> str:
    """A hash of the packages ``hdl``, ``golden`` and ``fpga``, and of the versions of the tools in them."""
    found = hashlib.sha256()
    for package in (hdl, golden, fpga):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            found.update(f"{package.__name__}/{path.relative_to(root)}\n".encode())
            found.update(path.read_bytes())
    for name in ("amaranth", "pyosys", "numpy"):
        found.update(f"{name} {version(name)}\n".encode())
    return found.hexdigest()


class Cache:
    """A folder of results, one JSON file each; values must be what JSON holds.

    Parameters
    ----------
    folder : Path
        Made when the first result is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, function: str, arguments: Sequence[Any]) -> Path:
        key = json.dumps([sources(), function, arguments], sort_keys=True)
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"

    def get(self, function: str, arguments: Sequence[Any]) -> Any:
        """What was kept of a function with these arguments; KeyError where nothing was, or no whole file is there."""
        try:
            return json.loads(self._path(function, arguments).read_text())["result"]
        except (FileNotFoundError, json.JSONDecodeError):
            raise KeyError(function) from None

    def put(self, function: str, arguments: Sequence[Any], result: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"function": function, "arguments": arguments, "result": result}
        write_whole(self._path(function, arguments), json.dumps(content) + "\n")
