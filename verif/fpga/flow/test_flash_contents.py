"""Contents of a flash: programs whole and in stages, their places, the time to the first answer, and refusals."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from signum.fpga.flow.boards import board_named
from signum.fpga.flow.boot import Boot
from signum.fpga.flow.boot_image import BootImageError, boot_image
from signum.fpga.flow.flash_contents import FlashContents, flash_contents, flash_program
from signum.fpga.flow.lines.board_line import BoardError
from signum.fpga.host.virtual_board import CLOCK, VirtualBoard
from signum.golden.compiler.compile import CapacityError, compile_graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.weight_streaming import Streamed
from signum.golden.networks.digits import digits_graph_untrained
from signum.golden.networks.geometry import fully_connected, with_random_weights
from signum.hdl.config import ArrayConfig
from signum.verif.golden.compiler.test_weight_streaming import CONFIG, draw_plan

PIXELS = ArrayConfig.preset("icebreaker_camera")


def test_a_network_that_fits_is_whole_and_a_larger_one_in_stages():
    digits = digits_graph_untrained(0)
    assert isinstance(flash_program(digits, PIXELS), Program)
    with pytest.raises(CapacityError, match=r"^a program that takes pixels needs an input unit: "):
        flash_program(digits, ArrayConfig.preset("icebreaker"))         # it fits, but the array takes no pixels
    large = with_random_weights(fully_connected(256), 1)
    found = flash_program(large, ArrayConfig.preset("icebreaker"))
    assert isinstance(found, Streamed)
    assert len(found.stages) > len(large.layers)
    with pytest.raises(CapacityError):
        flash_program(large, CONFIG.replace(threshold_depth=2, weight_depth=2))


@pytest.mark.parametrize("quad", [False, True])
def test_the_place_of_a_program_and_of_write_lists(quad, seed):
    board = board_named("icebreaker")
    program = flash_program(digits_graph_untrained(0), PIXELS)
    assert isinstance(program, Program)
    whole = flash_contents(board, program, quad=quad)
    assert (whole.image, whole.place) == (boot_image(program), Boot(address=1 << 17, lines=4 if quad else 1))
    graph, stages = draw_plan(np.random.default_rng(seed), 3)
    lists = flash_contents(board, Streamed(graph, stages), quad=quad)
    place = lists.place
    assert place.lines == (4 if quad else 1)
    assert len(lists.image) // 4 - 3 < place.depth <= 2 * (len(lists.image) // 4 - 2)
    assert place.list_address % (4 * place.depth) == 0
    assert (1 << 17) + 8 <= place.list_address < (1 << 17) + 8 + 4 * place.depth
    assert place.image_address == place.list_address - 8


@pytest.mark.parametrize("lines", [1, 4])
def test_the_time_to_check_write_lists(lines, seed):
    """A board is busy until it has checked them; then it waits for its host."""
    graph, stages = draw_plan(np.random.default_rng(seed), 3)
    board = board_named("icebreaker")
    made = flash_contents(board, Streamed(graph, stages))
    place = replace(made.place, lines=lines, wake=2e-3)
    flash = bytes(place.image_address) + made.image
    with contextlib.closing(VirtualBoard(CONFIG, boot=place, flash=flash)) as virtual:
        while virtual.busy:
            virtual.run(50)
        checked = virtual.cycles
    whole = FlashContents(made.image, place, made.program).power_up_cycles(CLOCK)
    one_pass = 200 + len(made.image) // 4 * (65 if lines == 1 else 17)
    assert 0 <= checked - one_pass < 250
    assert whole > 1.5 * checked


def test_refusals(seed):
    graph, stages = draw_plan(np.random.default_rng(seed), 3)
    streamed = Streamed(graph, stages)
    with pytest.raises(BoardError, match=r"^network must be left out on icesugar, whose flash holds no program$"):
        flash_contents(board_named("icesugar"), streamed)
    with pytest.raises(BootImageError, match=r"^a program must take pixels to run without a host, not maps: "):
        flash_contents(board_named("icebreaker"), compile_graph(digits_graph_untrained(0), PIXELS))
