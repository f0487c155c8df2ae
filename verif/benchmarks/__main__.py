"""`python -m signum.verif.benchmarks NAME...`: measure, and write build/bench/NAME.json; without names, everything."""

import argparse
import importlib
import shutil
import sys
from collections.abc import Sequence

from rich.console import Console

from signum.verif.benchmarks.page import write
from signum.verif.benchmarks.record import BUILD, RECORDED

BENCHMARKS = ("generator", "area", "clock", "networks", "streaming", "simulation")
"""Modules of this package; each has ``measure(console) -> Path`` of the JSON file that it wrote."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m signum.verif.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--record", action="store_true", help="copy the results to docs/performance and write its page")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"NAME must be one of {', '.join(BENCHMARKS)}, not {name}")
    console = Console()
    for name in options.names or BENCHMARKS:
        console.rule(name)
        path = importlib.import_module(f"{__package__}.{name}").measure(console)
        if options.record:
            RECORDED.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, RECORDED / path.name)
        console.print(f"see {path}")
    console.print(f"see {write()}" if options.record else f"all results are in {BUILD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
