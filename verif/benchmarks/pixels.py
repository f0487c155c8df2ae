"""Networks from pixels to answers: cycles at the pins in RTL beside those of a host that packs, and the units' cells.

`make bench-pixels`. The interval is the time from an image to the next in a steady stream, with a source that always
offers a value and a sink that always takes an answer; the latency is that of an idle array, from the first value of a
batch to its last answer. The host's cycles are those of a run, without the words of images and results on the bus.
Cells are LUT4s after synthesis, on ECP5 with 2 for a CCU2C, on Gowin with 1 for an ALU; on iCE40 packed logic cells.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from amaranth.lib import wiring
from rich.console import Console

from signum.fpga.flow.families import BOARD_FAMILIES
from signum.golden.compiler.answers import Answers, answer_size
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.stream_cycles import interval_cycles, latency_cycles
from signum.golden.layers.blocks import Style
from signum.golden.layers.encoder import BitPlanes, Encoder, Thermometer
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.networks.geometry import cnv, fully_connected, with_random_weights
from signum.golden.networks.resnet import random_resnet18
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus_interface import choices
from signum.hdl.input.input_unit import InputUnit
from signum.hdl.output.answer_unit import AnswerUnit
from signum.verif.bench.stream_runs import StreamCase, check_streams
from signum.verif.benchmarks.area import size
from signum.verif.benchmarks.record import Row, save, versions

__all__ = ["CASES", "PixelCase", "measure", "pixel_row", "unit_rows"]


@dataclass(frozen=True)
class PixelCase:
    """A network on the array of a preset, alone on all rows or in batches."""

    network: str
    preset: str
    split: bool
    graph: Callable[[], Graph]
    encoder: Encoder
    values: int
    """Values of an image."""
    options: Mapping[str, int] = field(default_factory=dict)
    """Parameters in which the array differs from the preset."""

    @property
    def config(self) -> ArrayConfig:
        return ArrayConfig.preset(self.preset).replace(**self.options)


RESNET_SIZE = 64


def small_resnet18() -> Graph:
    """The paper's ResNet-18 with all its channels and its 1000 classes, on smaller images."""
    network = random_resnet18(Style(), RESNET_SIZE)
    return fold(network.body, network.blocks.encoder, (3, RESNET_SIZE, RESNET_SIZE))


CASES = (
    *(PixelCase("digits", "icebreaker_pixels", split, lambda: digits_graph_untrained(0), digits_encoder(), 64)
      for split in (False, True)),
    PixelCase("cnv", "ecp5_cnv", False, lambda: with_random_weights(cnv(), 1), Thermometer(7, 255), 3 * 32 * 32),
    PixelCase("cnv_rows", "ecp5_cnv_16k", False, lambda: with_random_weights(cnv(8), 1), Thermometer(8, 255),
              3 * 32 * 32),
    PixelCase("cnv_planes", "ecp5_cnv_planes", False, lambda: with_random_weights(cnv(planes=8), 1), BitPlanes(),
              3 * 32 * 32),
    PixelCase("lfc", "ecp5_cnv", False, lambda: with_random_weights(fully_connected(1024), 1), Thermometer(1, 1), 784,
              {"input_levels": 1, "input_maximum": 1, "weight_depth": 2048}),
    PixelCase("resnet18", "ecp5_cnv", False, small_resnet18, BitPlanes(), 3 * RESNET_SIZE**2, {
        "input_planes": 8, "input_levels": 0, "input_maximum": 0, "input_depth": 2048, "weight_depth": 8192,
        "activation_depth": 32768, "threshold_depth": 2048, "requantize_depth": 1024, "acc_bits": 13, "sum_bits": 20,
        "program_depth": 1024, "weight_repeats": 1}),
)


def pixel_row(case: PixelCase, confirm: bool = True) -> Row:
    """The cycles of a case; with ``confirm`` those of three batches in RTL must be the predicted ones."""
    config = case.config
    graph = case.graph()
    program = compile_graph(graph, config, split=case.split, answers=Answers())
    host = compile_graph(graph, config, split=case.split)
    if confirm:
        shape = next(iter(graph.inputs.values()))
        maximum = config.input_maximum or (1 << config.input_planes) - 1
        images = np.random.default_rng(1).integers(0, maximum + 1, (
            3 * program.images, shape.channels // case.encoder.bits_per_channel, shape.height, shape.width))
        check_streams([StreamCase(program=program, graph=graph, encoder=case.encoder, answers=Answers(),
                                  images=images)])
    return {"network": case.network, "preset": case.preset, "mode": "split" if case.split else "batch",
            "binops_per_cycle": config.binops_per_cycle, "bytes_in": case.values, "bytes_out": 4 * answer_size(program),
            "host_words_in": sum(1 for _ in host.input_writes({name: np.zeros(
                (1, shape.height, shape.width, shape.channels), dtype=bool) for name, shape in graph.inputs.items()})),
            "host_cycles": predict_cycles(config, host.records) / host.images,
            "interval_cycles": interval_cycles(program), "latency_cycles": latency_cycles(program),
            "confirmed_in_rtl": confirm}


UNITS: Mapping[str, Callable[[ArrayConfig], wiring.Component]] = {
    "input": lambda config: InputUnit(config=config),
    "answer": lambda config: AnswerUnit(config=config, levels=choices(config.rows))}


def unit_rows(presets: Iterable[str] = ("icebreaker_pixels", "ecp5_cnv")) -> Iterable[Row]:
    """Cells of each unit of the presets, a column for each family."""
    for preset in presets:
        config = ArrayConfig.preset(preset)
        for name, make in UNITS.items():
            row: Row = {"preset": preset, "unit": name}
            for family in BOARD_FAMILIES.values():
                with tempfile.TemporaryDirectory() as place:
                    row[family.name] = size(make(config), config, family, Path(place))
            yield row


def measure(console: Console) -> Path:
    """Measure everything into ``pixels.json``."""
    rows = []
    for case in CASES:
        rows.append(pixel_row(case))
        console.print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), highlight=False)
    areas = list(unit_rows())
    for row in areas:
        console.print(", ".join(f"{name} {value}" for name, value in row.items()), highlight=False)
    tools = versions("verilator", "yosys", *(family.place for family in BOARD_FAMILIES.values() if family.pack_only))
    return save("pixels", rows, tools, units=areas)
