"""`python -m signum.verif.benchmarks NAME...`: measure, and write build/bench/NAME.json; without names, everything."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from signum.verif.benchmarks.record import BENCHMARKS, BUILD, RECORDED, keep, load, value_text


def recorded_table(name: str) -> Table:
    """All recorded rows of a benchmark."""
    content = load(name)
    columns = list(dict.fromkeys(column for row in content["rows"] for column in row))
    versions = ", ".join(f"{tool} {version}" for tool, version in content["tools"].items())
    table = Table(*(column.replace("_", " ") for column in columns), title=name, caption=versions)
    for row in content["rows"]:
        table.add_row(*(value_text(row.get(column)) for column in columns))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m signum.verif.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--record", action="store_true", help="copy the results to docs/performance")
    ways.add_argument("--table", action="store_true", help="print the recorded rows instead of measuring")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in BENCHMARKS:
            parser.error(f"NAME must be one of {', '.join(BENCHMARKS)}, not {name}")
    console = Console()
    for name in options.names or BENCHMARKS:
        if options.table:
            console.print(recorded_table(name))
            continue
        console.rule(name)
        path = importlib.import_module(f"{__package__}.{name}").measure(console)
        if options.record:
            keep(name, path)
        console.print(f"see {path}")
    if not options.table:
        console.print(f"all records are in {RECORDED}" if options.record else f"all results are in {BUILD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
