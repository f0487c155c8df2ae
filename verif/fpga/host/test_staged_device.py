"""Networks in stages from a board's loader: the maps of the graph, refusals, and boards that lose their memories."""

import contextlib
import re

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.fpga.flow.boards import board_named
from signum.fpga.host.device import DeviceError
from signum.fpga.host.link import Link, LinkError
from signum.fpga.host.model import Model
from signum.fpga.host.netlist_board import netlist_verilog, synthesize_without_pll
from signum.fpga.host.staged_device import StagedDevice
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.compile import CapacityError
from signum.golden.compiler.weight_streaming import loader_costs, loader_image, plan_streamed
from signum.golden.networks.geometry import fully_connected, with_random_weights
from signum.hdl.accelerator import Accelerator
from signum.hdl.host.bus import AddressMap, Region, bus_signature
from signum.hdl.host.write_list_dma import LoaderMap, LoaderRegister, WriteListDMA
from signum.hdl.lib.emit import to_verilog
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.bench.cases import draw_case, draw_maps
from signum.verif.golden.compiler.test_stages import expected_maps
from signum.verif.golden.compiler.test_weight_streaming import CONFIG, draw_plan
from signum.verif.runs.faults import TIMEOUT, FaultyLine, expected_results

DEPTH = 1 << 14
BEGIN = LoaderMap.register(LoaderRegister.BEGIN)


@pytest.fixture(scope="module")
def boards():
    made = {depth: VirtualBoard(CONFIG, loader=depth) for depth in (0, DEPTH)}
    yield made
    for board in made.values():
        board.close()


@pytest.fixture
def board(boards):
    boards[DEPTH].power_cycle()
    return boards[DEPTH]


def device_of(board):
    return StagedDevice(Link(board, timeout=TIMEOUT))


def same(found, graph, maps):
    expected = expected_maps(graph, maps)
    assert found
    for name, elements in found.items():
        assert np.array_equal(elements.reshape(expected[name].shape), expected[name])
    return True


@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_maps_of_the_graph(board, number, seed):
    rng = np.random.default_rng([seed, number])
    device = device_of(board)
    assert device.depth == DEPTH
    for _ in range(2):
        graph, stages = draw_plan(rng, 3)
        device.load_stages(graph, stages)
        maps = draw_maps(rng, graph, 2 * stages[0].program.images + 1)
        assert same(device.infer_stages(maps), graph, maps)
        assert same(device.infer_stages(maps), graph, maps)
    assert device.read_counters().reloads == 0


def test_a_program_and_a_network_in_turn(board, seed):
    rng = np.random.default_rng(seed)
    device = device_of(board)
    case = draw_case(rng, CONFIG)
    graph, stages = draw_plan(rng, 3)
    maps = draw_maps(rng, graph, 2)
    for _ in range(2):
        device.load(case.program)
        expected = expected_results(case)
        assert (device.infer(case.maps).reshape(expected.shape) == expected).all()
        device.load_stages(graph, stages)
        assert same(device.infer_stages(maps), graph, maps)


@pytest.mark.parametrize("happens", ["reset", "power_cycle"])
def test_a_board_that_was_reset_is_loaded_again(board, happens, seed):
    rng = np.random.default_rng(seed)
    device = device_of(board)
    graph, stages = draw_plan(rng, 3)
    device.load_stages(graph, stages)
    maps = draw_maps(rng, graph, 2)
    device.infer_stages(maps)
    getattr(board, happens)()
    assert same(device.infer_stages(maps), graph, maps)
    assert device.read_counters().reloads == 1


@pytest.mark.parametrize("after", [1, 2])
def test_a_board_that_is_reset_between_stages(board, after, seed, monkeypatch):
    rng = np.random.default_rng(seed)
    device = device_of(board)
    graph, stages = draw_plan(rng, 3)
    device.load_stages(graph, stages)
    maps = draw_maps(rng, graph, 2)
    original, done = device._infer_stage, []

    def stage(number, inputs):
        done.append(number)
        if len(done) == after + 1:
            board.reset()
        return original(number, inputs)

    monkeypatch.setattr(device, "_infer_stage", stage)
    assert same(device.infer_stages(maps), graph, maps)
    assert device.read_counters().reloads == 1
    assert done[:after + 2] == [*range(after + 1), 0]


def test_a_loader_that_still_sends_is_stopped(board, seed):
    rng = np.random.default_rng(seed)
    device = device_of(board)
    graph, stages = draw_plan(rng, 3)
    weights = AddressMap(CONFIG).address(Region.WEIGHTS)
    device.link.write((LoaderMap.word(i), DEPTH - 1 if i == 0 else weights) for i in range(DEPTH))
    device.link.write([(BEGIN, 0)])
    assert device.link.read([BEGIN]) == [1]
    device.load_stages(graph, stages)
    maps = draw_maps(rng, graph, 2)
    assert same(device.infer_stages(maps), graph, maps)


@pytest.mark.parametrize("number", [0, 2, 3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4, 5))])
def test_a_bad_line_and_a_forgetful_board_give_no_wrong_answer(board, number, seed):
    rng = np.random.default_rng([seed, number])
    graph, stages = draw_plan(rng, 3)
    maps = draw_maps(rng, graph, 2)
    line = FaultyLine(board, rng, 1e-3, ["", "reset", "power"][number % 3], within=20_000)
    answers = 0
    try:
        device = StagedDevice(Link(line, timeout=TIMEOUT))
        device.load_stages(graph, stages)
        for _ in range(3):
            line.begin()
            assert same(device.infer_stages(maps), graph, maps)
            answers += 1
    except (LinkError, DeviceError):
        pass
    assert line.injected.total() > 5
    assert answers or number


def test_a_program_takes_the_place_of_a_network(board, seed):
    device = device_of(board)
    graph, stages = draw_plan(np.random.default_rng(seed), 2)
    device.load_stages(graph, stages)
    device.load(stages[0].program)
    with pytest.raises(DeviceError, match=r"^a network must be loaded before infer_stages is called$"):
        device.infer_stages({})


def test_refusals(board, boards, seed):
    rng = np.random.default_rng(seed)
    graph, stages = draw_plan(rng, 3)
    with pytest.raises(DeviceError, match=r"^2 x 4 elements on the board must have a loader: build its bitstream "):
        device_of(boards[0])
    device = device_of(board)
    with pytest.raises(DeviceError, match=r"^a network must be loaded before infer_stages is called$"):
        device.infer_stages({})
    with pytest.raises(DeviceError, match=r"^the stages must be at least one, not none$"):
        device.load_stages(graph, ())
    with pytest.raises(DeviceError, match=r"which has lanes = 8 and not 16"):
        device.load_stages(graph, plan_streamed(graph, CONFIG.replace(lanes=16)))
    with pytest.raises(CapacityError, match=r"^the loader must have \d+ words for \d+ stages, not 10$"):
        loader_image(stages, 10)
    device.load_stages(graph, stages)
    with pytest.raises(DeviceError, match=r"^the input maps must be .*, not other$"):
        device.infer_stages({"other": np.zeros((1, 1, 1, 1))})


class Loaded(wiring.Component):
    """An accelerator behind a loader."""

    def __init__(self):
        super().__init__({"bus": In(bus_signature(LoaderMap.address_bits)), "busy": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader = loader = WriteListDMA(config=CONFIG, depth=DEPTH)
        m.submodules.accelerator = accelerator = Accelerator(config=CONFIG)
        wiring.connect(m, wiring.flipped(self.bus), loader.bus)
        wiring.connect(m, loader.target, accelerator.bus)
        m.d.comb += [loader.target_busy.eq(accelerator.busy), self.busy.eq(loader.busy)]
        return m


def test_a_stage_takes_the_cycles_of_its_costs(seed):
    _, stages = draw_plan(np.random.default_rng(seed), 4)
    image = loader_image(stages, DEPTH)
    costs = loader_costs(stages, 1)
    bound = set()
    with Model(to_verilog(Loaded(), "loaded")[0], "loaded") as model:
        model.reset()

        def write(writes):
            model.bus(np.array([(*pair, 1) for pair in writes], dtype=np.uint32), LoaderMap.address_bits, 10_000)

        write((LoaderMap.word(i), word) for i, word in enumerate(image.words))
        for stage in stages:
            write(stage.program.load_writes())
        for _ in range(2):
            for stage, cost, at, fresh in zip(stages, costs, image.begins, image.fresh, strict=True):
                maps = (stage.input_words if fresh else 0) + len(stage.program.result_reads(stage.program.images))
                before = model.cycles
                write([(BEGIN, at)])
                model.until("busy", 0, 100_000)
                # the wait of a threshold may overlap with the next words
                assert model.cycles - before == pytest.approx(float(cost.cycles - maps), rel=0.02, abs=8)
                bound.add(cost.bound)
    assert bound == {"array", "link"}


@pytest.mark.slow
def test_the_page_runs_a_network_larger_than_the_banks(seed):
    """Three layers with five times the weights of the smallest board's memory."""
    page = (REPOSITORY / "docs" / "board.md").read_text()
    code = page.split("```python\n")[2].split("```")[0]
    graph = with_random_weights(fully_connected(256), seed)
    maps = draw_maps(np.random.default_rng(seed), graph, 3)
    names = {"graph": graph, "maps": maps}
    exec(code, names)
    assert same(names["made"], graph, maps)


@pytest.mark.slow
def test_a_netlist_with_single_port_rams(seed, tmp_path):
    """The loader's memory as cells of an UP5K, after synthesis, through the serial pins."""
    rng = np.random.default_rng(seed)
    graph, stages = draw_plan(rng, 3)
    synthesize_without_pll(board_named("icebreaker"), CONFIG, tmp_path, loader=True)
    verilog = netlist_verilog(board_named("icebreaker"), tmp_path)
    assert len(re.findall(r"^ *SB_SPRAM256KA ", verilog, re.MULTILINE)) == 4
    netlist = VirtualBoard(CONFIG, verilog=verilog)
    with contextlib.closing(netlist):
        device = device_of(netlist)
        assert device.depth == board_named("icebreaker").spram
        device.load_stages(graph, stages)
        maps = draw_maps(rng, graph, 2)
        assert same(device.infer_stages(maps), graph, maps)
