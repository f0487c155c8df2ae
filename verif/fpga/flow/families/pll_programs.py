"""The programs of the makers of the flows that choose the settings of a PLL."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from amaranth.hdl import Const

__all__ = ["SWEEP", "chosen", "number", "plain", "written"]

SWEEP = [(reference, wanted) for reference in (12, 25, 27, 50, 100) for wanted in (33, 49, 77, 108)]
"""Megahertz of a crystal and of the output that is wanted."""


def chosen(program: str, reference: int, wanted: float, *options: str, folder: Path | None = None) -> str:
    """The text that a program beside Python prints of its choice; both frequencies in MHz. It runs in the folder."""
    run = subprocess.run([Path(sys.executable).with_name(program), "-i", str(reference), "-o", str(wanted), *options],
                         text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, cwd=folder)
    return run.stdout


def number(pattern: str, text: str) -> float:
    """The number in a group of the first match."""
    found = re.search(pattern, text)
    assert found, f"{pattern} must be in the program's text:\n{text}"
    return float(found[1])


def value(text: str) -> float | str:
    """A value as Verilog or `PLL.parameters` writes it: a number if it is one."""
    text = text.strip('"')
    bits = re.fullmatch(r"\d+'b([01]+)", text)
    try:
        return float(int(bits[1], 2) if bits else text)
    except ValueError:
        return text


def written(verilog: str) -> dict[str, float | str]:
    """Parameters and attributes of the PLL's cell in the Verilog of a program."""
    attributes = re.findall(r'\(\* (\w+)=("[^"]*") \*\)', verilog)
    cell = re.search(r"#\((.*?)\n\s*\) \w+ \(", verilog, re.DOTALL)
    assert cell, f"a cell with parameters must be in the Verilog:\n{verilog}"
    return {name: value(text) for name, text in attributes + re.findall(r"\.(\w+)\(([^)]+)\)", cell[1])}


def plain(parameters: Mapping[str, Const | str | int]) -> dict[str, float | str]:
    """Parameters of `PLL.parameters` by the names of the cell, for a comparison with `written`."""
    return {name[2:]: value(str(each.value if isinstance(each, Const) else each)) for name, each in parameters.items()}
