"""All pages from their records (`make pages`): generated pages as a whole, figures and tables in written pages.

A written page quotes a figure between two invisible comments: ``<!--=demo/cycles_measured:,.0f-->2,839<!--/-->``, with
a name of `signum.verif.benchmarks.figures` and an optional format. A table is between ``<!--table NAME-->`` and
``<!--/table-->``, each on its own line.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from signum.hdl.lib.command import Command
from signum.hdl.lib.emit import write_whole
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.benchmarks import page as performance
from signum.verif.benchmarks.figures import TABLES, FigureError, figure
from signum.verif.runs import map as house
from signum.verif.runs import paper

__all__ = ["GENERATED", "command", "filled", "quoted", "rendered", "unmarked", "write_pages", "written_by_hand"]

GENERATED = (performance.PAGE, paper.PAGE, house.PAGE)

FIGURE = re.compile(r"<!--=(.+?)-->(.*?)<!--/-->", re.DOTALL)
TABLE = re.compile(r"<!--table (.+?)-->\n(.*?)<!--/table-->", re.DOTALL)

UNITS = (r"cycles?", r"LUT4s?", r"LUTs?", r"(?:logic )?cells", r"flip-flops", r"block RAMs?", r"tiles of", r"bytes",
         r"MHz", r"ns", r"%", r"mIoU", r"dB", r"images/s", r"images", r"times", r"seconds?", r"minutes?", r"hours?")
WORDS = "half an?|a quarter of an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty"
MEASURED = re.compile(rf"\b\d[\d,.]*(?:\s+(?:to|of|and)\s+\d[\d,.]*)?\s+(?:{'|'.join(UNITS)})(?!\w)"
                      rf"|\b(?:{WORDS}) (?:seconds?|minutes?|hours?)\b", re.IGNORECASE)


def written_by_hand() -> list[Path]:
    """README.md and the written pages of docs."""
    return [REPOSITORY / "README.md",
            *(path for path in sorted((REPOSITORY / "docs").glob("*.md")) if path not in GENERATED)]


def filled(text: str) -> str:
    """A page with every figure and table from the records.

    Raises
    ------
    FigureError
        If a figure or a table is unknown, or a comment of this kind is not closed.
    """
    def table(found: re.Match[str]) -> str:
        if found[1] not in TABLES:
            raise FigureError(f"a table must be one of {', '.join(TABLES)}, not {found[1]}")
        return f"<!--table {found[1]}-->\n{TABLES[found[1]].make()}<!--/table-->"

    text = TABLE.sub(table, FIGURE.sub(lambda found: f"<!--={found[1]}-->{figure(found[1])}<!--/-->", text))
    rest = FIGURE.sub("", TABLE.sub("", text))
    for mark in ("<!--=", "<!--/-->", "<!--table ", "<!--/table-->"):
        if mark in rest:
            raise FigureError(f"a figure or a table must have both of its comments, not {mark} alone")
    return text


def quoted(text: str) -> set[str]:
    """The records of a page's figures and tables."""
    return {found[1].split("/")[0] for found in FIGURE.finditer(text)} | {
        TABLES[found[1]].source for found in TABLE.finditer(text)}


def unmarked(text: str, allowed: Mapping[str, str]) -> Iterator[str]:
    """Typed numbers with a unit in a page's prose, with some words around each.

    Code, quoted figures and tables, and the phrases of ``allowed`` are excluded.
    """
    text = re.sub(r"^( *```).*?^\1", "", TABLE.sub("", text), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    text = " ".join(re.sub(r"`[^`]*`", "`", FIGURE.sub("#", text)).split())
    for phrase in allowed:
        text = text.replace(phrase, "#")
    for found in MEASURED.finditer(text):
        yield text[max(0, found.start() - 30):found.end() + 20]


def rendered() -> Iterator[tuple[Path, str]]:
    """Every page with generated parts, and its expected text.

    The map comes last: it contains the titles of the others.
    """
    for path in written_by_hand():
        yield path, filled(path.read_text())
    yield performance.PAGE, performance.recorded_page()
    yield paper.PAGE, paper.page(json.loads(paper.REPORTS.read_text()))
    yield house.PAGE, house.map_page()


def write_pages() -> list[Path]:
    """Write all pages; returns the paths of changed pages."""
    changed = []
    for path, text in rendered():
        if not path.exists() or path.read_text() != text:
            write_whole(path, text)
            changed.append(path)
    return changed


@click.command("pages", cls=Command, failed=(FigureError,), repository=True)
def command() -> None:
    """Fill the records into README.md and docs, and draw docs/map.md."""
    click.echo("\n".join(f"see {path}" for path in write_pages()) or "all pages are those of the records")
