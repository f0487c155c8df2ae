"""Networks larger than the banks from a board's flash: power-up to answers, refusals, boards that are reset."""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log2

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.fpga.flow.board_top import BLINK
from signum.fpga.flow.boot import Boot
from signum.fpga.flow.boot_image import joined, list_depth, list_image
from signum.fpga.flow.flash_contents import INSTANT
from signum.fpga.host.device import Device, DeviceError
from signum.fpga.host.flash_staged_device import FlashStagedDevice
from signum.fpga.host.link import Link
from signum.fpga.host.model import Model
from signum.fpga.host.staged_device import StagedDevice
from signum.fpga.host.virtual_board import CLOCK, VirtualBoard
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.stages import Stage
from signum.golden.compiler.weight_streaming import flash_words, loader_costs
from signum.hdl.accelerator import Accelerator
from signum.hdl.boot.blinker import PERIOD_BITS
from signum.hdl.boot.boot_loader import BootStatus
from signum.hdl.boot.flash_reader import FlashTiming
from signum.hdl.boot.flash_write_list import FlashWriteListDMA
from signum.hdl.host.bus import bus_signature
from signum.hdl.host.write_list_dma import LoaderMap, LoaderRegister
from signum.hdl.lib.emit import to_verilog
from signum.verif.bench.cases import draw_maps
from signum.verif.fpga.host.test_staged_device import same
from signum.verif.golden.compiler.test_weight_streaming import CONFIG, draw_plan
from signum.verif.runs.faults import TIMEOUT

ADDRESS = 5000          # behind a bitstream of any length
STEP = 1024             # cycles between two looks at the light
PERIOD = (1 << ceil(log2(BLINK * CLOCK))) * (1 << PERIOD_BITS) // STEP


@dataclass
class Network:
    """A network in a flash."""

    graph: Graph
    stages: tuple[Stage, ...]
    image: bytes
    depth: int


@pytest.fixture(scope="module")
def network() -> Network:
    graph, stages = draw_plan(np.random.default_rng(7), 4)
    lists, _ = flash_words(stages)
    return Network(graph, stages, list_image(lists.words, CONFIG), list_depth(lists.words))


@contextlib.contextmanager
def board_with(network: Network, image: bytes, lines: int = 1) -> Iterator[VirtualBoard]:
    boot = Boot(address=ADDRESS, lines=lines, depth=network.depth)
    flash = joined(bytes(ADDRESS), image, boot.image_address)
    with contextlib.closing(VirtualBoard(CONFIG, boot=boot, flash=flash)) as board:
        yield board


@pytest.mark.parametrize("lines", [1, 4])
def test_from_power_up_to_answers(network: Network, lines: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = draw_maps(rng, network.graph, 2 * network.stages[0].program.images + 1)
    with board_with(network, network.image, lines) as board:
        device = FlashStagedDevice(Link(board, timeout=TIMEOUT))
        assert device.depth == network.depth
        device.load_stages(network.graph, network.stages)
        for _ in range(2):
            assert same(device.infer_stages(maps), network.graph, maps)
        assert device.read_counters().reloads == 0


@pytest.mark.parametrize("happens", ["reset", "power_cycle"])
def test_a_board_that_was_reset_loads_its_flash_again(network: Network, happens: str, seed: int) -> None:
    maps = draw_maps(np.random.default_rng(seed), network.graph, 2)
    with board_with(network, network.image) as board:
        device = FlashStagedDevice(Link(board, timeout=TIMEOUT))
        device.load_stages(network.graph, network.stages)
        device.infer_stages(maps)
        getattr(board, happens)()
        assert same(device.infer_stages(maps), network.graph, maps)
        assert device.read_counters().reloads == 1


def test_a_host_that_stopped_between_two_stages(network: Network, seed: int) -> None:
    """The next one finds memories of a stage in the middle, and loads all of them."""
    maps = draw_maps(np.random.default_rng(seed), network.graph, 1)
    with board_with(network, network.image) as board:
        first = FlashStagedDevice(Link(board, timeout=TIMEOUT))
        first.load_stages(network.graph, network.stages)
        first._select(1)
        first._start()
        second = FlashStagedDevice(Link(board, timeout=TIMEOUT))
        second.load_stages(network.graph, network.stages)
        assert same(second.infer_stages(maps), network.graph, maps)


@pytest.mark.parametrize(("byte", "status"), [(3, BootStatus.FOREIGN), (-1, BootStatus.DAMAGED),
                                              (100, BootStatus.DAMAGED)])
def test_a_damaged_flash_is_refused(network: Network, byte: int, status: BootStatus) -> None:
    """Its light blinks as often as the status says; a host that knew it whole before the reset is refused, too."""
    image = bytearray(network.image)
    image[byte] ^= 4
    with board_with(network, bytes(image)) as board:
        lit: list[int] = []
        while len(lit) < 2 * PERIOD:
            board.run(STEP)
            lit.append(board.output("busy"))
        rises = sum(before < after for before, after in itertools.pairwise(lit[-PERIOD:] + lit[-PERIOD:][:1]))
        assert rises == status
        link = Link(board, timeout=TIMEOUT)
        with pytest.raises(DeviceError, match=r"must have a loader: .*; a light that blinks tells of damage$"):
            FlashStagedDevice(link)
        assert Device(link).config == CONFIG


def test_a_flash_that_is_damaged_behind_the_first_boot(network: Network, seed: int, monkeypatch) -> None:
    maps = draw_maps(np.random.default_rng(seed), network.graph, 1)
    image = bytearray(network.image)
    image[100] ^= 4
    with board_with(network, network.image) as board:
        device = FlashStagedDevice(Link(board, timeout=TIMEOUT))
        device.load_stages(network.graph, network.stages)
        assert same(device.infer_stages(maps), network.graph, maps)
        monkeypatch.setattr(board, "_flash", board._flash[:-len(image)] + bytes(image))
        board.power_cycle()
        with pytest.raises(DeviceError, match=r"^the flash must hold this network whole: "):
            device.infer_stages(maps)


def test_refusals(network: Network, seed: int) -> None:
    rng = np.random.default_rng(seed)
    other, stages = draw_plan(rng, 3)
    with board_with(network, network.image) as board:
        device = FlashStagedDevice(Link(board, timeout=TIMEOUT))
        with pytest.raises(DeviceError, match=r"^the stages must be at least one, not none$"):
            device.load_stages(other, ())
        with pytest.raises(DeviceError, match=r"^the flash must hold this network whole: build its bitstream "):
            device.load_stages(other, stages)


class Streaming(wiring.Component):
    """An accelerator behind a loader with a flash."""

    def __init__(self, depth: int, lines: int) -> None:
        self.loader = FlashWriteListDMA(config=CONFIG, depth=depth, address=0, wake_cycles=1, lines=lines)
        pins = {f"flash_{name}": self.loader.signature.members[name] for name in self.loader.flash.pins}
        super().__init__({"bus": In(bus_signature(LoaderMap.address_bits)), "busy": Out(1), **pins})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = self.loader
        m.submodules.accelerator = accelerator = Accelerator(config=CONFIG)
        wiring.connect(m, wiring.flipped(self.bus), loader.bus)
        wiring.connect(m, loader.target, accelerator.bus)
        m.d.comb += [loader.whole.eq(1), loader.target_busy.eq(accelerator.busy), self.busy.eq(loader.busy),
                     loader.cipo.eq(self.flash_cipo)]
        m.d.comb += [getattr(self, f"flash_{name}").eq(getattr(loader, name)) for name in loader.flash.pins
                     if name != "cipo"]
        return m


@pytest.mark.parametrize("lines", [1, 4])
def test_a_stage_takes_the_cycles_of_its_costs(network: Network, lines: int) -> None:
    """Those that the time to the first answer in the report of a build is made of, and of the sequence that loads."""
    image, load = flash_words(network.stages)
    timing = FlashTiming.of(wake_cycles=1, divisor=1, lines=lines)
    costs = loader_costs(network.stages, INSTANT, word=timing.word, begin=timing.begin)
    expected = [timing.read(len(image.words) - load), *(float(cost.cycles) for cost in costs)]
    begin = LoaderMap.register(LoaderRegister.BEGIN)
    with Model(to_verilog(Streaming(network.depth, lines), "streaming")[0], "streaming") as model:
        model.flash(b"".join(word.to_bytes(4, "big") for word in image.words), 1)
        model.reset()
        model.run(200)                      # the flash is awake
        for at, cycles in zip([load, *image.begins], expected, strict=True):
            before = model.cycles
            model.bus(np.array([(begin, at, 1)], dtype=np.uint32), LoaderMap.address_bits, 1000)
            model.until("busy", 0, 1_000_000)
            assert model.cycles - before == pytest.approx(cycles, rel=0.02, abs=40)


def test_a_host_cannot_write_the_flash(network: Network, seed: int) -> None:
    with board_with(network, network.image) as board:
        device = StagedDevice(Link(board, timeout=TIMEOUT))
        words = flash_words(network.stages)[0].words
        device.link.write([(LoaderMap.word(0), words[0] ^ 1)])
        assert device.link.read([LoaderMap.word(i) for i in range(5)]) == words[:5]
