"""The programs of the makers of the flows that choose the settings of a PLL."""

import subprocess
import sys
from pathlib import Path

__all__ = ["SWEEP", "chosen"]

SWEEP = [(reference, wanted) for reference in (12, 25, 27, 50, 100) for wanted in (33, 49, 77, 108)]
"""Megahertz of a crystal and of the output that is wanted."""


def chosen(program: str, reference: int, wanted: float, *options: str) -> str:
    """What a program beside Python prints of its choice; both frequencies in MHz."""
    run = subprocess.run([Path(sys.executable).with_name(program), "-i", str(reference), "-o", str(wanted), *options],
                         text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return run.stdout
