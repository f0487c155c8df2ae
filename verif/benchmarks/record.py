"""Records of benchmarks: rows as JSON, with the versions of the tools, and as text."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from signum.fpga.flow.tools import tool
from signum.hdl.lib.folders import REPOSITORY

__all__ = ["BENCHMARKS", "BUILD", "RECORDED", "Row", "keep", "load", "markdown", "save", "value_text", "versions"]

Row = dict[str, Any]

BENCHMARKS = ("generator", "area", "elements", "clock", "loader", "networks", "precision", "pixels", "pins",
              "streaming", "exploration", "session", "simulation")
"""Modules of this package; each has ``measure(console) -> Path``, which writes a JSON file."""

BUILD = Path("build/bench")
"""Output folder of `make bench`."""

RECORDED = REPOSITORY / "docs" / "performance"
"""The records: the source of the pages' figures, and the reference of the tests for areas and cycles."""


def versions(*names: str) -> dict[str, str]:
    """Versions of tools of `fpga.flow.tools`."""
    return {name: tool(name).version for name in names}


def save(name: str, rows: Sequence[Row], tools: Mapping[str, str], folder: Path = BUILD, **further: Any) -> Path:
    """Write ``NAME.json``: an object with ``rows``, ``tools`` and further entries such as ``seeds``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = {"benchmark": name, "tools": dict(tools), **further, "rows": list(rows)}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def keep(name: str, report: Path) -> Path:
    """Copy a report to the records, as ``NAME.json``."""
    return Path(shutil.copy(report, RECORDED / f"{name}.json"))


def load(name: str, folder: Path = RECORDED) -> dict[str, Any]:
    """The contents of a file of `save`."""
    return json.loads((folder / f"{name}.json").read_text())


def markdown(header: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: bool = False) -> str:
    """A table in Markdown, in which a bar of a cell ends no column; ``numbers`` behind the first one align right."""
    lines = [header, ["---", *["---:" if numbers else "---"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def value_text(value: Any) -> str:
    """A value of a row as text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in value.items() if share >= 0.0005) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"
    return "" if value is None else str(value).replace("_", " ")
