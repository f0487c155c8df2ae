"""The waiver file of an emitted Verilog file for Verilator's linter, with the reason of each waiver."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

__all__ = ["OPEN_PINS", "REASONS", "bits_of", "message_of", "reason_of", "waivers"]

ONE_FILE = "The modules of a design are in one file, which has the name of the top module."
DATA_REGISTERS = "Each module has clk and rst. Registers that hold data alone are not reset, and here are no others."
ONE_WORD = "A memory of one word has no address."

REASONS = (
    *((module, r"s_axi__a.addr\[1:0\]",
       "AXI addresses bytes, and the accelerator words: the lowest two bits select none.") for module in ("", "lite")),
    ("", "s_axi__a.prot", "AXI4-Lite has the signal; all accesses to the accelerator have the same rights."),
    ("", "s_axis__tlast", "AXI4-Stream has the signal; WRITE_COUNT ends a run of words."),
    *((module, "rst", DATA_REGISTERS) for module in (
        "bank", "pool", "thresholds", "processingelement", "processingelement_[a-z]+")),
    *((module, r"layer\[.*\]", "The record of a layer goes to each unit whole, and this one takes some of its fields.")
      for module in ("border", "drain", "writebackunit")),
    *((module, r"geometry\[.*\]", "The geometry goes to each unit whole, and this one takes some of its fields.")
      for module in ("receiver", "reader", "answer")),
    ("receiver", r"pixels__payload\[7:0\]", "Here the marks of a value count; the value passes into the line buffer."),
    ("raster", r"port_\w+\[.*\]", "Neighbouring fields of a layer come as one port, and not all of them count here."),
    ("sequencer", r"program_data\[.*\]", "A word of the program has room for the widest fields, which few words fill."),
    ("epilogue", r"host\[.*\]", "The host's word is as wide as the bus, and the memories here are narrower."),
    *((module, r"\w+_address", ONE_WORD) for module in ("bank", "thresholds")),
    *(("thresholdunit", port, ONE_WORD) for port in ("beat", r"combine\[0\]")),
)
"""Inputs that a module may leave unread: a regular expression for the last parts of the module's name (empty for the
top), a regular expression for the port, with the unread bits in brackets unless all are unread, and the reason. The
linter reports an input without a row."""

OPEN_PINS = {("CCU2C", "CIN"): "The first cell of a carry chain has no carry in."}
"""Pins of a family's cells that may be left open, by cell and pin."""


def reason_of(module: str, unread: str, top: str) -> str:
    """The reason for which a module may leave an input, or bits of it, unread; empty without a row of `REASONS`."""
    parts = module.removeprefix(top).rstrip("_0123456789")
    return next((reason for name, pattern, reason in REASONS
                 if re.fullmatch(f".*_{name}" if name else "", parts) and re.fullmatch(pattern, unread)), "")


def bits_of(port: str, places: Sequence[int], width: int) -> str:
    """An input, with its unread bits in brackets unless all are unread: ``port[7:4,2]``."""
    if len(places) == width:
        return port
    runs = [[place for _, place in run] for _, run in groupby(enumerate(places), lambda pair: pair[1] - pair[0])]
    bits = ",".join(f"{run[-1]}:{run[0]}" if len(run) > 1 else str(run[0]) for run in reversed(runs))
    return f"{port}[{bits}]"


def message_of(unread: str) -> str:
    """Verilator's message for an unread input, or unread bits of an input."""
    port, bracket, bits = unread.partition("[")
    return f"Bits of signal are not used: '{port}'[{bits}" if bracket else f"Signal is not used: '{port}'"


def waivers(name: str, modules: int, unread: Mapping[tuple[str, str], tuple[list[int], int]],
            open_pins: Iterable[tuple[str, str]]) -> str:
    """Verilator's configuration for a Verilog file, with entries for the messages about this file alone.

    A message names the input, not the module: a message that also comes from an input without a reason is not waived.

    Parameters
    ----------
    name : str
        Name of the file and of its top module.
    modules : int
        Modules in the file.
    unread, open_pins : mapping, pairs
        See `hdl.lib.emit.Converted`.
    """
    entries: dict[str, set[str]] = {}
    inputs = [(module, bits_of(port, *bits)) for (module, port), bits in unread.items()]
    messages = [(reason_of(module, bits, name), message_of(bits)) for module, bits in inputs]
    reported = {message for reason, message in messages if not reason}
    if modules > 1:
        entries[ONE_FILE] = {f'-rule DECLFILENAME -file "*{name}.v" -match "*MODULE name: \'{name}_*\'"'}
    for pin in open_pins:
        if pin in OPEN_PINS:
            message = f"Instance has missing pin: '{pin[1]}'"
            entries.setdefault(OPEN_PINS[pin], set()).add(f'-rule PINMISSING -file "*{name}.v" -match "{message}"')
    for reason, message in messages:
        if message not in reported:
            entries.setdefault(reason, set()).add(f'-rule UNUSEDSIGNAL -file "*{name}.v" -match "{message}"')
    lines = [f"// {name}.v: messages of Verilator's linter that are waived, and why", "`verilator_config"]
    for reason in sorted(entries):
        lines += ["", f"// {reason}", *(f"lint_off {entry}" for entry in sorted(entries[reason]))]
    return "\n".join(lines) + "\n"
