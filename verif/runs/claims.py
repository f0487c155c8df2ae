"""The paper's claims in cycles, counted on this generator's own arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from math import ceil
from typing import Any

import numpy as np
import torch

from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph, Layer, MapShape, Requantize
from signum.golden.compiler.int8_graph import convolution_segment
from signum.golden.compiler.stages import plan_stages
from signum.golden.layers.blocks import Network, Style
from signum.golden.layers.int8 import Int8Conv2d
from signum.golden.networks.geometry import reactnet_a, resnet18
from signum.golden.training.contest import trained_network
from signum.golden.training.tasks import Task
from signum.golden.training.trainer import evaluate
from signum.hdl.array.pe import ProcessingElement
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cell_counts import lut4
from signum.verif.runs.task import body_graph

__all__ = ["BINARY_ARRAY", "Comparison", "Convolution", "Machine", "binary_array", "convolutions", "graph_cycles",
           "int8_array", "is_end", "machines", "network_rows", "reactnet_rows", "resnet_rows"]

DEEP = {"weight_depth": 65536, "activation_depth": 65536, "threshold_depth": 65536, "program_depth": 4096,
        "requantize_depth": 4096}

BINARY_ARRAY = ArrayConfig(rows=32, cols=8, lanes=16, tile=8, acc_bits=14, sum_bits=22, fetch_width=8, **DEEP)
"""The binary array of all comparisons: 4096 binary operations a cycle, with memories of sufficient depth."""

FAMILY = "ice40"
AREA_SLACK = 1.1    # largest excess over the binary array's area by rounding up
ELEMENT = 8

VECTOR = 32
"""Elements in parallel in the vector unit of ReActNet's array."""

VECTOR_CYCLES = 4
"""Cycles of the vector unit: batch norm, sum with the trunk, RPReLU, RSign."""


def binary_array(style: Style) -> ArrayConfig:
    """`BINARY_ARRAY`, with a threshold for each sign of an activation of the style."""
    return BINARY_ARRAY.replace(threshold_levels=style.most_levels if style.most_levels > 1 else 0)


def int8_array(lanes: int, *, rows: int = BINARY_ARRAY.rows) -> ArrayConfig:
    """An array of 8-bit elements with the same dataflow."""
    return ArrayConfig(rows=rows, cols=BINARY_ARRAY.cols, lanes=lanes, tile=8, element_bits=ELEMENT, acc_bits=30,
                       sum_bits=32, fetch_width=8, **DEEP)


@dataclass(frozen=True)
class Machine:
    """An 8-bit array for comparison with the binary array.

    ``equal`` names the quantity in which both are equal, ``size`` its amount in the binary and the 8-bit array.
    """

    equal: str
    config: ArrayConfig
    size: tuple[float, float]


@cache
def machines() -> tuple[Machine, ...]:
    """Arrays of equal operand bandwidth, equal numbers of processing elements, and equal LUT4s.

    At equal bandwidth a word has the same number of bits. At equal numbers of elements, each element does one 8-bit
    multiplication, as in the textbook. At equal LUT4s (Yosys, iCE40, no multiplier blocks, elements alone) the 8-bit
    array has as many rows of elements as fit into the binary array's, rounded up, of elements with the most
    multiplications for the area, among 1, 2, 4 and 8 lanes.
    """
    binary = BINARY_ARRAY
    elements = binary.rows * binary.cols
    bits = binary.rows + binary.cols
    area = elements * lut4(ProcessingElement(config=binary), FAMILY)
    sizes = {lanes: lut4(ProcessingElement(config=int8_array(lanes)), FAMILY) for lanes in (1, 2, 4, 8)}
    rows = {lanes: ceil(area / (binary.cols * size)) for lanes, size in sizes.items()}
    lanes = min(sizes, key=lambda lanes: (rows[lanes] * sizes[lanes] * binary.cols > AREA_SLACK * area,
                                          sizes[lanes] / lanes))
    return (
        Machine("operand bandwidth", int8_array(binary.lanes // ELEMENT),
                (bits * binary.lanes, bits * binary.lanes // ELEMENT * ELEMENT)),
        Machine("processing elements", int8_array(1), (elements, elements)),
        Machine("LUT4", int8_array(lanes, rows=rows[lanes]), (area, rows[lanes] * binary.cols * sizes[lanes])),
    )


def graph_cycles(graph: Graph, config: ArrayConfig) -> dict[str, float]:
    """Cycles of each layer for an image of a batch, one image a row, by the model that equals the RTL's counter."""
    cycles: dict[str, float] = {}
    for stage in plan_stages(graph, config):
        spent = predict_cycles(stage.program.config, stage.program.records) / config.rows
        cycles[stage.layer.name] = cycles.get(stage.layer.name, 0) + spent
    return cycles


@dataclass(frozen=True)
class Comparison:
    """Cycles of a network in its 8-bit and its binary form.

    ``ends`` are those of the binary network's layers of 8-bit weights, in bit planes on the binary array, and
    ``int8_ends`` those of the same layers of the 8-bit network; they are in ``binary`` and ``int8``.
    """

    network: str
    multiplier: float
    equal: str
    int8: float
    int8_ends: float
    binary: float
    ends: float

    @property
    def ratio(self) -> float:
        """Ratio of the 8-bit network's cycles to the binary network's."""
        return self.int8 / self.binary

    @property
    def ratio_inner(self) -> float:
        """The same ratio for the layers of binary weights."""
        return (self.int8 - self.int8_ends) / (self.binary - self.ends)

    def row(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "ratio_inner": self.ratio_inner}


def resnet_rows(multipliers: Iterable[float] = (1.0, 1.5)) -> list[Comparison]:
    """ResNet-18 at 224x224: the 8-bit network against BiNeal's, without the classifier."""
    rows = []
    binary = {m: sum(graph_cycles(resnet18(1, m), BINARY_ARRAY).values()) for m in multipliers}
    for machine in machines():
        int8 = sum(graph_cycles(resnet18(8), machine.config).values())
        rows += [Comparison("resnet18", m, machine.equal, int8, 0, cycles, 0) for m, cycles in binary.items()]
    return rows


@dataclass(frozen=True, eq=False)
class Convolution:
    """An 8-bit convolution with the shape of its input map, (C, H, W)."""

    name: str
    conv: Int8Conv2d
    shape: tuple[int, int, int]

    @property
    def free(self) -> bool:
        """A skip path that would be an identity in an 8-bit network: counted as free."""
        outputs, inputs = self.conv.weight.shape[:2]
        return ".skip." in self.name and inputs == outputs and self.conv.stride == (1, 1)

    def graph(self) -> Graph:
        """The convolution alone, requantised to 8 bits."""
        channels, height, width = self.shape
        outputs = len(self.conv.weight)
        blank = Requantize(np.ones(outputs, dtype=np.int64), np.zeros(outputs, dtype=np.int64), 0)
        segment = convolution_segment("input", self.conv, blank)
        return Graph(inputs={"input": MapShape(height, width, channels)},
                     layers=(Layer(name=self.name, segments=(segment,), combine="residual"),))


def convolutions(network: Network, images: np.ndarray) -> list[Convolution]:
    """All 8-bit convolutions of a network, in the order of their first use."""
    found: dict[str, Convolution] = {}
    names = {module: name for name, module in network.named_modules() if isinstance(module, Int8Conv2d)}

    def note(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        assert isinstance(module, Int8Conv2d)
        channels, height, width = given[0].shape[1:]
        found.setdefault(names[module], Convolution(names[module], module, (channels, height, width)))

    hooks = [module.register_forward_pre_hook(note) for module in names]
    evaluate(network, images[:1])
    for hook in hooks:
        hook.remove()
    return list(found.values())


def network_rows(task: Task) -> list[Comparison]:
    """A task's kept networks, on one of its test images."""
    images, _ = task.split("test")
    real = convolutions(trained_network(task, "int8"), images)
    rows = []
    for multiplier in (1.0, 2.0):
        graph = body_graph(trained_network(task, f"binary_m{multiplier:g}"), images)
        binary = graph_cycles(graph, binary_array(task.style))
        planes = [layer for layer in graph.layers if any(segment.double for segment in layer.segments)]
        of_planes = sum(binary[layer.name] for layer in planes)
        for machine in machines():
            costs = {layer: sum(graph_cycles(layer.graph(), machine.config).values()) for layer in real
                     if not layer.free}
            ends = sum(cost for layer, cost in costs.items() if is_end(layer, graph, planes))
            rows.append(Comparison(task.name, multiplier, machine.equal, sum(costs.values()), ends,
                                   sum(binary.values()), of_planes))
    return rows


def is_end(convolution: Convolution, graph: Graph, planes: Sequence[Layer]) -> bool:
    """Whether a binary network has bit planes in this convolution's place: it reads the image, or gives the results."""
    outputs, inputs = convolution.conv.weight.shape[:2]
    first, last = graph.layers[0], graph.layers[-1]
    return ((first in planes and inputs == next(iter(graph.inputs.values())).channels) or
            (last in planes and outputs == last.channels))


def reactnet_rows() -> list[dict[str, Any]]:
    """BiNeal's ResNet-18 against ReActNet-A on the same binary array, both first layers on bit planes.

    ReActNet's trunk of real values costs cycles outside of the array. Under "vector unit" it takes `VECTOR_CYCLES` for
    `VECTOR` elements after each convolution; under "traffic" the arithmetic is free, and an element of 16 bits is
    read and written through the ports of the activation banks; under "nothing" it is free.
    """
    graph, updates = reactnet_a()
    array = sum(graph_cycles(graph, BINARY_ARRAY).values())
    elements = sum(update.elements for update in updates)
    port = BINARY_ARRAY.rows * BINARY_ARRAY.lanes
    trunks = {
        "vector unit": sum(ceil(update.elements / VECTOR) for update in updates) * VECTOR_CYCLES,
        "traffic": ceil(elements * 2 * 16 / port),
        "nothing": 0,
    }
    rows = []
    for multiplier in (1.0, 1.5):
        ours = sum(graph_cycles(resnet18(1, multiplier), BINARY_ARRAY).values())
        rows += [{"multiplier": multiplier, "trunk": name, "reactnet_array": array, "reactnet_trunk": trunk,
                  "binary": ours, "ratio": (array + trunk) / ours} for name, trunk in trunks.items()]
    return rows
