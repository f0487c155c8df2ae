"""The line over Ethernet, from the pins of RGMII: liteeth's core, the buffers of datagrams, and models of the cells."""

from dataclasses import asdict
from pathlib import Path

import pytest

from signum.fpga.flow.lines.board_line import verilog_with
from signum.fpga.flow.lines.ethernet_line import Ethernet
from signum.verif.bench.simulate import simulate

BENCH = "signum.verif.bench.bench_ethernet"
CLOCK = 100e6
TOP = "ethernet"


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Path:
    line = Ethernet()
    path = tmp_path_factory.mktemp("ethernet") / f"{TOP}.v"
    path.write_text(verilog_with({**line.sources(), **line.models()}, line.unit(CLOCK), TOP))
    return path


@pytest.mark.parametrize("test", ["datagrams_in_and_frames_out", "both_ways_without_pause", "a_host_finds_the_board",
                                  "datagrams_that_are_dropped", "a_window_of_frames_waits", "frames_that_are_dropped"])
def test_at_the_pins(design: Path, test: str) -> None:
    line = asdict(Ethernet())
    simulate(design, BENCH, test=test, parameters={name: line[name] for name in ("address", "port", "mac")})
