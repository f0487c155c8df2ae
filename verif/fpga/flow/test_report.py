"""The results of a build: what nextpnr and Yosys say, reports that say nothing, and the clock that is missed."""

import re

import pytest

from signum.fpga.flow.families.ecp5 import ECP5
from signum.fpga.flow.families.gowin import GOWIN
from signum.fpga.flow.families.ice40 import ICE40
from signum.fpga.flow.report import ReportError, TimingError, cells, check_clock, critical_path, fmax_mhz, utilization

# the shape of nextpnr-ice40's report
PLACED = {
    "utilization": {
        "ICESTORM_LC": {"used": 4171, "available": 5280},
        "ICESTORM_RAM": {"used": 29, "available": 30},
        "ICESTORM_PLL": {"used": 1, "available": 1},
    },
    "fmax": {
        "clk": {"achieved": 29.712385, "constraint": 24.0},
        "slow": {"achieved": 50.0, "constraint": 12.0},
    },
    "critical_paths": [
        {"from": "posedge slow", "to": "posedge slow", "path": []},
        {"from": "<async>", "to": "posedge clk", "path": []},
        {"from": "posedge clk", "to": "posedge clk", "path": [
            {"type": "clk-to-q", "delay": 1.1781, "from": {"cell": "a", "port": "CLK"},
             "to": {"cell": "a", "port": "Q"}},
            {"type": "routing", "delay": 4.79, "net": "n", "from": {"cell": "a", "port": "Q"},
             "to": {"cell": "b", "port": "I0"}}]},
    ],
}


def test_what_nextpnr_says():
    assert utilization(PLACED, ICE40) == {"lut": 4171, "lut_capacity": 5280, "ram": 29, "ram_capacity": 30,
                                   "dsp": 0, "dsp_capacity": 0, "pll": 1, "pll_capacity": 1}
    assert fmax_mhz(PLACED, 24) == 29.712385
    assert critical_path(PLACED, 24) == [
        {"kind": "clk-to-q", "ns": 1.178, "from": "a", "to": "a", "net": ""},
        {"kind": "routing", "ns": 4.79, "from": "a", "to": "b", "net": "n"}]


def test_the_clock_that_limits_a_design() -> None:
    """That of the design, unless a line's clock of its own frequency is too slow: no clock of the design will do."""
    clocks = {"design": {"achieved": 56.0, "constraint": 50.0}, "line": {"achieved": 139.0, "constraint": 125.0},
              "sender": {"achieved": 64.0, "constraint": 50.0}}
    assert fmax_mhz({"fmax": clocks}, 50) == 56.0
    clocks["line"]["achieved"] = 100.0
    assert fmax_mhz({"fmax": clocks}, 50) == pytest.approx(40)
    clocks["design"]["achieved"] = 30.0
    assert fmax_mhz({"fmax": clocks}, 50) == 30.0


def test_what_yosys_says():
    counts = {"SB_LUT4": 100, "SB_CARRY": 20, "SB_DFF": 3, "SB_DFFESR": 4, "SB_RAM40_4K": 1}
    statistics = {"design": {"num_cells_by_type": counts}}
    assert cells(statistics, ICE40) == {"ff": 7, "carry": 20, "lut4": 100, "lut4_equivalents": 100}
    counts = {"LUT4": 100, "CCU2C": 20, "TRELLIS_FF": 3, "TRELLIS_DPR16X4": 2, "DP16KD": 1}
    statistics = {"design": {"num_cells_by_type": counts}}
    assert cells(statistics, ECP5) == {"ff": 3, "carry": 20, "lut4": 108, "lut4_equivalents": 148}
    counts = {"LUT1": 1, "LUT4": 100, "ALU": 20, "DFF": 3, "DFFRE": 4, "SDPX9B": 1}
    statistics = {"design": {"num_cells_by_type": counts}}
    assert cells(statistics, GOWIN) == {"ff": 7, "carry": 20, "lut4": 101, "lut4_equivalents": 121}


def test_reports_that_say_nothing():
    with pytest.raises(ReportError, match="ICESTORM_LC"):
        utilization({"utilization": {}}, ICE40)
    with pytest.raises(ReportError, match="frequency of a clock"):
        fmax_mhz({"fmax": {}}, 12)
    with pytest.raises(ReportError, match="number of cells"):
        cells({}, ICE40)


def test_a_missed_clock_says_by_how_much():
    check_clock(24.0, 24.0)
    message = "the clock must be at most 22.10 MHz, not 24.00: misses by 1.90 MHz"
    with pytest.raises(TimingError, match=f"^{re.escape(message)}$"):
        check_clock(22.1, 24.0)
