"""The report of coverage: lines and toggles by file of `hdl`, and the lines that nothing covers."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from signum.hdl.lib.folders import REPOSITORY

from .points import Coverage

__all__ = ["report", "share"]


def share(part: int, whole: int) -> float:
    """Part of a whole, rounded down to 0.01 %; 1 of nothing."""
    return part * 10000 // whole / 10000 if whole else 1.0


def report(coverage: Coverage, statements: Mapping[str, Iterable[int]], folder: Path = REPOSITORY) -> dict[str, Any]:
    """The report of what was covered.

    Parameters
    ----------
    coverage : Coverage
    statements : mapping
        Lines by file that must be told of even where they are not in ``coverage``: they are missed then.
    folder : Path
        Where the files are.

    Returns
    -------
    dict
        ``lines``, ``covered`` and ``share``; ``toggles``, ``toggled`` and ``toggled_share``; ``rows`` with the same of
        each file; ``missed``, with file, line, source text, and whether the line was ``emitted``.
    """
    lines = {(name, line): False for name, numbers in statements.items() for line in numbers} | coverage.lines
    rows, missed = list[dict[str, Any]](), list[dict[str, Any]]()
    for name in sorted({name for name, _ in [*lines, *coverage.toggles]}):
        hits = {line: hit for (file, line), hit in lines.items() if file == name}
        toggles = [hit for (file, _), hit in coverage.toggles.items() if file == name]
        rows.append({"unit": name.removeprefix("hdl/").removesuffix(".py"),
                     "lines": len(hits), "covered": sum(hits.values()), "share": share(sum(hits.values()), len(hits)),
                     "toggles": len(toggles), "toggled": sum(toggles), "toggled_share": share(sum(toggles),
                                                                                               len(toggles))})
        text = (folder / name).read_text().splitlines()
        missed += [{"file": name, "line": line, "source": text[line - 1].strip(),
                    "emitted": (name, line) in coverage.lines}
                   for line, hit in sorted(hits.items()) if not hit]
    sums = {key: sum(row[key] for row in rows) for key in ("lines", "covered", "toggles", "toggled")}
    return {"lines": sums["lines"], "covered": sums["covered"], "share": share(sums["covered"], sums["lines"]),
            "missed_lines": len(missed),
            "toggles": sums["toggles"], "toggled": sums["toggled"],
            "toggled_share": share(sums["toggled"], sums["toggles"]), "rows": rows, "missed": missed}
