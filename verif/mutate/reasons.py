"""Why mutants survive: by unit, change and line, of those that a run has drawn."""

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["NONE", "REASONS", "Reason", "reason_of"]

NONE = "none was found"


class Reason(NamedTuple):
    """The unit, or "" for any, patterns of the change and of its line, and the reason."""

    unit: str
    change: str
    line: str
    text: str


REASONS = (
    Reason("", r"-port [BS] ", r"= rst \? ",
           "the value of a register in a reset, which is replaced, or not used, before it has an effect"),
    Reason("threshold", r"-mode cnot\d .*-port Y ", r"^assign address = (combine|_01_ \+)",
           "it permutes the entries of the memory, for writes and reads alike"),
    Reason("threshold", r"-mode const1 .* \$procmux\$236 -port S ", r"^$",
           "the data of a write of the gates, which has an effect only with its enable"),
    Reason("packer", r"-mode const0 .*-port Y ", r"= lane\[0\] \? .* : words;",
           "the lanes of a word's last elements are 0 before these come"),
    Reason("lane_packer", r"-port B ", r"= restart \? reading_\d\[\d+:\d+\] : ",
           "the place of a code that the restart forgets"),
    Reason("array", r"\\pe_\S+\$ternary.*-port S ", r"= load \? acc : neighbour;",
           "the last column has no neighbour: its register may take its own sum in every cycle"),
    Reason("flash_reader", r"-mode const0 .*\$eq\$.*-port Y ", r"^assign _089_ = fsm_state == 2'h2;",
           "the SPI clock is low already while a word waits, so that a start need not lower it"),
    Reason("flash_reader", r"-mode const1 .*\$eq\$.*-port Y ", r"^assign _087_ = fsm_state == 2'h1;",
           "no bits of words come in a pause, in which the clock stands"),
    Reason("flash_reader", r"-port B ", r"^assign _113_ = _010_ \? left : ",
           "the clocks to come are set again before the next read"),
    Reason("answer_text", r"\$add\$.*-port Y -portbit 1[0-5]", r"= count \+ 16'h0001;",
           "the tests send fewer answers than reach the bit"),
)


def reason_of(survivor: Mapping[str, str]) -> str:
    """The reason why a mutant survives, or that none was found; a survivor as in the report."""
    for reason in REASONS:
        if (reason.unit in ("", survivor["unit"]) and re.search(reason.change, survivor["change"])
                and re.search(reason.line, survivor.get("line", ""))):
            return reason.text
    return NONE
