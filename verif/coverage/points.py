"""The points that Verilator counts, and the lines of the sources in `hdl` that they stand for."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .emission import PLACE

__all__ = ["Coverage", "Point", "PointsError", "fold", "merge", "read_counts", "read_point", "write_counts"]

HEAD = "# SystemC::Coverage-3\n"
ESCAPED = re.compile(r"__0([0-9A-F]{2})")
TOGGLE = re.compile(r"(?P<signal>.*?)(?P<bits>(?:\[\d+\])*):(?P<edge>0->1|1->0)")
OPERAND = "cond_"           # of a choice within an expression
GENERATED = ("$", "_")      # how the names begin that Yosys gives


class PointsError(ValueError):
    """Coverage data that is not as Verilator writes it; in one line."""


@dataclass(frozen=True)
class Point:
    """A point.

    Members
    -------
    kind : str
        "line", "branch" or "toggle"; "" for others.
    line : int
        Of the Verilog, from 1.
    lines : range list
        Of the block, for a point of lines.
    comment : str
        Kind of the block, or the bit and the edge of a toggle, such as ``shift[3]:0->1``.
    """

    kind: str
    line: int
    lines: tuple[range, ...]
    comment: str


@dataclass
class Coverage:
    """What was covered; by place, whether at least one instance, of any size, was.

    Members
    -------
    lines : dict
        By file of `hdl` and line.
    toggles : dict
        By file, and signal, bit and edge: of signals of the modules that the file describes.
    """

    lines: dict[tuple[str, int], bool] = field(default_factory=dict)
    toggles: dict[tuple[str, str], bool] = field(default_factory=dict)

    def plain(self) -> dict[str, list[Any]]:
        """Lists for JSON, which `from_plain` reads."""
        return {"lines": [[*place, hit] for place, hit in sorted(self.lines.items())],
                "toggles": [[*name, hit] for name, hit in sorted(self.toggles.items())]}

    @classmethod
    def from_plain(cls, value: Mapping[str, list[Any]]) -> "Coverage":
        """The coverage of `plain`."""
        return cls({(file, line): hit for file, line, hit in value["lines"]},
                   {(file, name): hit for file, name, hit in value["toggles"]})

    def __ior__(self, other: "Coverage") -> "Coverage":
        for place, hit in other.lines.items():
            self.lines[place] = hit or self.lines.get(place, False)
        for name, hit in other.toggles.items():
            self.toggles[name] = hit or self.toggles.get(name, False)
        return self


def read_counts(text: str) -> dict[str, int]:
    """Counts by the key of a point, from a file of Verilator.

    Raises
    ------
    PointsError
        If a line is not as Verilator writes it.
    """
    lines = text.splitlines()
    if not lines or not lines[0].startswith("# SystemC::Coverage"):
        raise PointsError(f"coverage data must begin with '# SystemC::Coverage', not {''.join(lines[:1])[:40]!r}")
    counts: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        key, quote, count = line.rpartition("' ")
        if not (quote and key.startswith("C '") and count.isdecimal()):
            raise PointsError(f"line {number} of coverage data must be C '...' COUNT, not {line[:40]!r}")
        counts[key[3:]] = counts.get(key[3:], 0) + int(count)
    return counts


def write_counts(counts: Mapping[str, int]) -> str:
    """The text of counts that `read_counts` and ``verilator_coverage`` read."""
    return HEAD + "".join(f"C '{key}' {count}\n" for key, count in sorted(counts.items()))


def merge(into: dict[str, int], counts: Mapping[str, int]) -> None:
    """Add counts."""
    for key, count in counts.items():
        into[key] = into.get(key, 0) + count


def read_point(key: str) -> Point:
    """The point of a key; PointsError where a field is missing."""
    fields = dict(part.split("\x02", 1) for part in key.split("\x01") if "\x02" in part)
    try:
        kind = fields["page"].partition("/")[0].removeprefix("v_")
        ranges = []
        for part in filter(None, fields.get("S", "").split(",")):
            first, _, last = part.partition("-")
            ranges.append(range(int(first), int(last or first) + 1))
        return Point(kind if kind in ("line", "branch", "toggle") else "", int(fields["l"]), tuple(ranges),
                     ESCAPED.sub(lambda found: chr(int(found[1], 16)), fields["o"]))
    except (KeyError, ValueError):
        raise PointsError(f"a point must have a page, a line and a comment, not {key[:80]!r}") from None


def modules(verilog: str) -> list[str]:
    """By line of the Verilog, from 0, the file of `hdl` that describes its module, or nothing."""
    found, file, waiting = [], "", ""
    for line in verilog.splitlines():
        if line.startswith("// in "):
            waiting = line.removeprefix("// in ").rpartition(":")[0]
        elif line.startswith("module "):
            file, waiting = waiting, ""
        found.append(file)
        if line.startswith("endmodule"):
            file = ""
    return found


def fold(verilog: str, counts: Mapping[str, int]) -> Coverage:
    """The coverage of sources, from the Verilog of `emission.convert` and the counts of a module built from it.

    A line of the Verilog is covered if the smallest block around it was entered. A place without any point counts as
    missed. Toggles are of signals that have a name in the source.

    Raises
    ------
    PointsError
        If a point is in a line that the Verilog does not have.
    """
    text = verilog.splitlines()
    files = modules(verilog)
    covered, result = set[int](), Coverage()
    blocks: list[tuple[Iterable[int], bool]] = []
    for key, count in counts.items():
        point = read_point(key)
        if not 0 < point.line <= len(text):
            raise PointsError(f"a point must be in the {len(text)} lines of the Verilog, not in {point.line}")
        if point.kind in ("line", "branch") and not point.comment.startswith(OPERAND):
            blocks.extend((lines, count > 0) for lines in point.lines)
        elif point.kind == "toggle" and (file := files[point.line - 1]):
            found = TOGGLE.fullmatch(point.comment)
            if found and not found["signal"].startswith(GENERATED):
                result.toggles[file, point.comment] = result.toggles.get((file, point.comment), False) or count > 0
    for lines, hit in blocks:
        if hit:
            covered.update(lines)
    for number, line in enumerate(text, 1):
        if found := PLACE.search(line):
            place = found[1], int(found[2])
            result.lines[place] = result.lines.get(place, False) or number in covered
    return result
