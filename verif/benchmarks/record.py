"""A benchmark's rows as JSON, with the versions of the tools that made them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from signum.fpga.flow.tools import tool
from signum.hdl.lib.folders import REPOSITORY

__all__ = ["BUILD", "RECORDED", "Row", "load", "save", "versions"]

Row = dict[str, Any]

BUILD = Path("build/bench")
"""Where `make bench` writes."""

RECORDED = REPOSITORY / "docs" / "performance"
"""What docs/performance.md tells, and what areas and cycles are held against."""


def versions(*names: str) -> dict[str, str]:
    """Versions of tools of `fpga.flow.tools`."""
    return {name: tool(name).version for name in names}


def save(name: str, rows: Sequence[Row], tools: Mapping[str, str], folder: Path = BUILD, **further: Any) -> Path:
    """Write ``NAME.json``: an object with ``rows``, ``tools`` and whatever else (such as ``seeds``) is given."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {"benchmark": name, "tools": dict(tools), **further, "rows": list(rows)}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def load(name: str, folder: Path = RECORDED) -> dict[str, Any]:
    """What `save` wrote."""
    return json.loads((folder / f"{name}.json").read_text())
