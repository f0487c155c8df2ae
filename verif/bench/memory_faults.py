"""Flipped bits in the memories of a Verilated accelerator."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from signum.hdl.host.bus import Region

__all__ = ["Memory", "open_memories"]

MODULE = re.compile(r"^module (\w+)\(.*?^endmodule", re.MULTILINE | re.DOTALL)
INSTANCE = re.compile(r"^  (\w+) (\w+) \($", re.MULTILINE)
SLICE = re.compile(r"^  reg (?:\[(\d+):0\] )?(slice_\d+) \[(\d+):0\];", re.MULTILINE)
PORTION = re.compile(r"ends_\d+")
REGIONS = {"program_?": Region.PROGRAM, r"weights_(?P<unit>\d+)": Region.WEIGHTS,
           r"activations_(?P<unit>\d+)": Region.ACTIVATIONS,
           r"threshold_(?P<unit>\d+)_(?P<lane>\d+)\.thresholds": Region.THRESHOLDS,
           r"thresholds\.thresholds_(?P<lane>\d+)": Region.ALL_THRESHOLDS,
           r"(?P<kind>scales|offsets)_(?P<lane>\d+)": Region.COEFFICIENTS}


@dataclass(frozen=True)
class Memory:
    """A slice of a bank.

    Members
    -------
    region, unit, part : Region, int, int
        Its place in the address map: see `hdl.host.bus.AddressMap.decode`.
    scope, name : str
        Its place, for `Model.flip`.
    depth, bits : int
        Words, and bits of a word with their parity.
    """

    region: Region
    unit: int
    part: int
    scope: str
    name: str
    depth: int
    bits: int


def scopes(verilog: str, top: str) -> Iterator[tuple[str, int, str]]:
    """The instances from the top on: path, number of the first row, and text of the module."""
    texts = {found[1]: found[0] for found in MODULE.finditer(verilog)}
    instances = {module: [(kind, name) for kind, name in INSTANCE.findall(text) if kind in texts]
                 for module, text in texts.items()}

    # the portions of a stack; the stack itself may have a number, too
    stacked = {module for module, entries in instances.items() if any(name == "ends_0" for _, name in entries)}

    def rows_of(module: str) -> int:
        return sum(name.startswith("activations_") or rows_of(kind) for kind, name in instances[module])

    def below(module: str, path: str, row: int) -> Iterator[tuple[str, int, str]]:
        yield path, row, texts[module]
        for kind, name in sorted(instances[module], key=lambda entry: natural(entry[1])):
            yield from below(kind, f"{path}.{name}", row)
            if module in stacked and PORTION.fullmatch(name):       # of a stack
                row += rows_of(kind)

    return below(top, top, 0)


def natural(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def memories(verilog: str, top: str) -> Iterator[Memory]:
    for path, row, text in scopes(verilog, top):
        for bits, name, last in SLICE.findall(text):
            for pattern, region in REGIONS.items():
                if found := re.search(rf"\.{pattern}$", path):
                    numbers = found.groupdict()
                    unit, lane = int(numbers.get("unit", 0)) + row, int(numbers.get("lane", 0))
                    if region == Region.COEFFICIENTS:
                        unit, lane = 2 * lane + (numbers["kind"] == "offsets"), 0
                    part = (lane if region in (Region.THRESHOLDS, Region.ALL_THRESHOLDS)
                            else int(name.removeprefix("slice_")))
                    yield Memory(region, unit, part, path, name, int(last) + 1, int(bits or 0) + 1)


def open_memories(verilog: str, top: str) -> tuple[str, list[Memory]]:
    """Verilog of an accelerator, or of what has one, such that `Model.flip` may change its memories; and these."""
    public = SLICE.sub(lambda found: found[0].replace(";", " /*verilator public_flat_rw*/;"), verilog)
    return public, list(memories(verilog, top))
