"""Every board: its defaults, its pins, its clock, and an array that fits."""

import json

import pytest
from amaranth.hdl import Module

from signum.fpga.flow.board_record import Board
from signum.fpga.flow.boards import BOARDS, board_named
from signum.fpga.flow.lines.board_line import BoardError
from signum.fpga.flow.lines.ethernet_line import Ethernet
from signum.fpga.flow.lines.serial_line import SerialPort, baud_divisor
from signum.fpga.flow.lines.usb_line import Transceiver
from signum.fpga.flow.report import RECORDED_BOARDS
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.stream_cycles import interval_cycles
from signum.golden.networks.geometry import cnv, with_random_weights
from signum.hdl.config import ArrayConfig

PINS = "pcf", "lpf", "cst"
"""How the names of files with pins end."""

LINE_PINS = {SerialPort: {"uart_0__rx", "uart_0__tx"}, Ethernet: {"eth_rgmii_0__rx_clk", "eth_rgmii_0__tx_data"},
             Transceiver.PINS: {"usb_0__d_p", "usb_0__d_n"}, Transceiver.ULPI: {"{}_0__data", "{}_0__clk"}}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_board_has_what_it_promises(board: Board) -> None:
    assert board_named(board.name) is board
    config = ArrayConfig.preset(board.preset)
    assert config.binops_per_cycle >= 512
    pll = board.pll(board.frequency)
    assert pll.frequency >= 30e6
    assert abs(pll.frequency / baud_divisor(pll.frequency, board.baud) / board.baud - 1) < 0.02


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_memories_of_the_preset_fit(board: Board) -> None:
    """Banks in words of a block RAM; the small memories that go into LUTs on some families are left out."""
    config = ArrayConfig.preset(board.preset)
    depth, width = board.family.ram_shapes[0]
    slices = -(-config.word_bits // width)
    blocks = (config.cols * slices * -(-config.weight_depth // depth)
              + config.rows * slices * -(-config.activation_depth // depth)
              + config.rows * -(-config.threshold_depth // depth) + 1)
    if not board.family.lut_memory_bits:
        blocks += config.rows * config.drain_width
    capacity = board.capacity.rams
    assert blocks <= capacity
    # larger ones have not been routed on an ECP5 or a GW2A-18
    assert blocks >= 0.4 * capacity or board.preset in ("ecp5_2k", "gowin_9k")


@pytest.mark.parametrize("board", [board for board in BOARDS.values() if "-85F" in board.device],
                         ids=lambda board: board.name)
def test_the_largest_boards_hold_cnv_whole(board: Board) -> None:
    """By their default preset, from pixels to classes; the weights alone are more than an LFE5U-45F has."""
    program = compile_graph(with_random_weights(cnv(), 1), ArrayConfig.preset(board.preset), answers=Answers())
    assert interval_cycles(program) <= 34_000


@pytest.mark.sweep(6)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:luna")
@pytest.mark.parametrize(("board", "line"), [(board, line) for board in BOARDS.values() for line in board.line_names],
                         ids=lambda part: getattr(part, "name", part))
def test_a_plan(board: Board, line: str) -> None:
    """The platform takes the design, with a PLL, one more for the clocks of a line, and pins for crystal and line."""
    chosen = board.line(line)
    plan = board.platform().build(
        board.design(ArrayConfig.preset("small"), board.pll(board.frequency), chosen), name="signum",
        do_build=False, debug_verilog=False)
    pins = next(text for name, text in plan.files.items() if name.endswith(PINS))
    kind = getattr(chosen, "transceiver", type(chosen))
    for name in (board.crystal, *LINE_PINS[kind], *([board.led] if board.led else [])):
        assert name.format(getattr(chosen, "resource", "")) in pins
    plls = plan.files["signum.il"].count(f"cell \\{(board.clock or board.family.clock).CELL} ")
    assert plls == 1 + bool(chosen.unit(board.frequency).clocks)
    assert board.family.command in plan.files["signum.ys"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:luna")
def test_the_transceiver_of_the_butterstick_has_its_supply() -> None:
    """Its pins have the level of the bank, whose regulator the design sets; the FPGA gives the clock of the port."""
    board = board_named("butterstick")
    plan = board.platform().build(board.design(ArrayConfig.preset("small"), board.pll(board.frequency),
                                               board.line("usb")), name="signum", do_build=False, debug_verilog=False)
    pins = plan.files["signum.lpf"]
    for number in range(3):
        assert f'LOCATE COMP "vccio_ctrl_0__pdm__io[{number}]"' in pins
    assert 'LOCATE COMP "vccio_ctrl_0__en__io"' in pins
    levels = [line for line in pins.splitlines() if line.startswith('IOBUF PORT "usb_0__')]
    assert len(levels) == 8 + 5
    assert all("IO_TYPE=LVCMOS33" in line for line in levels)
    clock = next(line for line in plan.files["signum.il"].splitlines() if "ODDRX1F" in line)
    assert clock.strip().startswith("cell")
    ethernet = board.platform().build(board.design(ArrayConfig.preset("small"), board.pll(board.frequency),
                                                   board.line("ethernet")), name="signum", do_build=False,
                                      debug_verilog=False)
    assert "vccio_ctrl" not in ethernet.files["signum.lpf"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_tools_are_told_the_device_of_the_platform(board: Board) -> None:
    """As in the script of the platform's own build, where ``--family`` stands for ``--vopt family``."""
    script = board.platform().build(Module(), name="signum", do_build=False).files["build_signum.sh"]
    options = " ".join(script.split())
    for words in (board.chip.place, board.chip.pack[:2]):
        assert " ".join(words).replace("--vopt family=", "--family ") in options
    assert list(board.chip.pack[2:]) == [word for word in script.split() if word.endswith("_as_gpio")]


def test_no_such_board() -> None:
    with pytest.raises(BoardError, match=r"^board must be one of butterstick, .*, not nothing$"):
        board_named("nothing")


def test_recorded_builds_are_of_boards_and_presets_that_there_are() -> None:
    rows = json.loads(RECORDED_BOARDS.read_text())["rows"]
    assert len({(row["board"], row["preset"]) for row in rows}) == len(rows)
    assert {row["family"] for row in rows} == {board.family.name for board in BOARDS.values()}
    for row in rows:
        board, config = board_named(row["board"]), ArrayConfig.preset(row["preset"])
        assert (row["family"], row["device"]) == (board.family.name, board.device)
        assert row["binops_per_cycle"] == config.binops_per_cycle
        assert row["clock_mhz"] <= row["fmax_mhz"]
        assert row["lut"] <= row["lut_capacity"]
        assert row["ram"] <= row["ram_capacity"]
