"""The waiver file: each entry has a reason, is needed, and waives no other message."""

import re
from pathlib import Path

import pytest

from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.hdl.host.axi import AxiAccelerator, AxisAccelerator
from signum.hdl.lib.emit import Converted, Target, convert, emit
from signum.hdl.lib.waivers import ONE_FILE, OPEN_PINS, REASONS, bits_of, reason_of, waivers
from signum.verif.hdl.lib.test_emit import verilator

HEAD = ["// top.v: messages of Verilator's linter that are waived, and why", "`verilator_config"]


def lines(unread: dict[tuple[str, str], tuple[list[int], int]], modules: int = 1,
          open_pins: list[tuple[str, str]] | None = None) -> list[str]:
    """Lines of a waiver file after its head, without empty ones."""
    text = waivers("top", modules, unread, open_pins or []).splitlines()
    assert text[:2] == HEAD
    return [line for line in text[2:] if line]


def test_entries() -> None:
    reason = reason_of("top_bank_2", "rst", "top")
    assert lines({("top_bank", "rst"): ([0], 1), ("top_bank_2", "rst"): ([0], 1)}) == [
        f"// {reason}", """lint_off -rule UNUSEDSIGNAL -file "*top.v" -match "Signal is not used: 'rst'\""""]
    assert lines({("top_border", "layer"): ([0, 2, 3, 4, 9], 12)})[1].endswith(
        """-match "Bits of signal are not used: 'layer'[9,4:2,0]\"""")
    assert lines({}, modules=2) == [
        f"// {ONE_FILE}", """lint_off -rule DECLFILENAME -file "*top.v" -match "*MODULE name: 'top_*'\""""]
    assert lines({}, open_pins=[("CCU2C", "CIN"), ("CCU2C", "A0")]) == [
        f"// {OPEN_PINS['CCU2C', 'CIN']}",
        """lint_off -rule PINMISSING -file "*top.v" -match "Instance has missing pin: 'CIN'\""""]


@pytest.mark.parametrize(("module", "port"), [
    ("top_bank", "write_data"), ("top_sequencer", "rst"), ("top", "rst"), ("top_unit", "s_axi__awprot"),
    ("top_riverbank", "rst")])
def test_what_has_no_reason_is_not_waived(module: str, port: str) -> None:
    assert lines({(module, port): ([0], 1)}) == []
    assert lines({(module, port): ([0], 1), ("top_bank", port): ([0], 1)}) == []


@pytest.mark.parametrize(("module", "port"), [
    ("top_bank", "rst"), ("top_thresholdunit", "beat"), ("top_pool", "rst")])
def test_a_reason_for_all_of_an_input_is_none_for_a_part(module: str, port: str) -> None:
    assert lines({(module, port): ([0], 1)}) != []
    assert lines({(module, port): ([0], 2)}) == []


def designs() -> list[Converted]:
    """Designs that together use every row of the table."""
    small = ArrayConfig(rows=1, cols=2, lanes=2, pipeline=0, fetch_width=32)
    wide = ArrayConfig(rows=2, cols=2, lanes=6, pipeline=2, drain_width=2, weight_depth=1, threshold_depth=1)
    return [convert(AxiAccelerator(config=small), "top"), convert(Accelerator(config=wide), "top"),
            convert(Accelerator(config=wide), "top", Target("ecp5")),
            convert(AxisAccelerator(config=small.replace(input_depth=16, input_planes=2, answer_ranks=1)), "top")]


def test_each_row_is_needed() -> None:
    unread = [(module.removeprefix("top").rstrip("_0123456789"), bits_of(port, *bits))
              for design in designs() for (module, port), bits in design.unread.items()]
    for module, pattern, _ in REASONS:
        parts = f".*_{module}" if module else ""
        found = [part for part, bits in unread if re.fullmatch(parts, part) and re.fullmatch(pattern, bits)]
        assert found, (module, pattern)


def test_each_entry_is_needed(tmp_path: Path) -> None:
    """Verilator has a message for each omitted entry, and no other message."""
    path = emit(AxiAccelerator(config=ArrayConfig(rows=1, cols=2, lanes=2)), name="top", directory=tmp_path)
    file = path.with_suffix(".vlt")
    text = file.read_text().splitlines()
    entries = [line for line in text if line.startswith("lint_off")]
    assert len(entries) > 10
    assert verilator(path, "top") == ""
    for entry in entries:
        file.write_text("\n".join(line for line in text if line != entry) + "\n")
        said = verilator(path, "top")
        assert set(re.findall(r"%Warning-(\w+)", said)) == {entry.split()[2]}, entry
