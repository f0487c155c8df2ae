"""The report of an import: layers, absorbed nodes, cycles on an array, and a picture of the graph."""

import io
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from signum.golden.compiler.compile import CapacityError
from signum.golden.compiler.program import Program
from signum.golden.compiler.sizing import compile_fitted
from signum.golden.compiler.utilization import layer_uses
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import write_whole

from .imported import Imported

__all__ = ["LayerReport", "layer_reports", "picture_network", "program_for"]

matplotlib.use("Agg")


@dataclass(frozen=True)
class LayerReport:
    """A layer on an array.

    Members
    -------
    name : str
    shape : (H, W, N)
        Of its sums' map, after pooling.
    bits : int
        Of a channel; 0 for sums.
    taps : int
        Of a dot product of the network.
    planes : int
        Segments, one for each pair of planes of weights and codes.
    weight_bits : int
        In the weight memory, without repetitions for several bits of a channel.
    cycles : int, or None
        For a run of ``Program.images`` images; None where the network does not fit the array as one program.
    """

    name: str
    shape: tuple[int, int, int]
    bits: int
    taps: int
    planes: int
    weight_bits: int
    cycles: int | None

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def program_for(network: Imported, config: ArrayConfig) -> Program | CapacityError:
    """The network as one program of an array of this size, with the least memories; or why there is none."""
    try:
        return compile_fitted(network.graph, config)
    except CapacityError as error:
        return error


def layer_reports(network: Imported, program: Program | CapacityError) -> list[LayerReport]:
    """A report for each layer."""
    cycles = {use.name: use.cycles for use in layer_uses(program)} if isinstance(program, Program) else {}
    shapes = network.graph.shapes
    found = []
    for layer in network.graph.layers:
        shape = shapes[layer.name]
        bits = 0 if layer.raw else network.bits.get(layer.name, 1)
        channels = shape.channels // max(1, bits)
        kernel = layer.segments[0].weights[0].size // max(1, network.bits.get(layer.segments[0].source, 1))
        found.append(LayerReport(
            layer.name, (shape.height, shape.width, channels), bits, kernel, len(layer.segments),
            sum(segment.weights[0].size for segment in layer.segments) * channels, cycles.get(layer.name)))
    return found


def picture_network(network: Imported, path: Path) -> None:
    """Draw the layers from the input to the result, with the nodes that each has absorbed, as a PNG file."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for name, (operator, place) in network.absorbed.items():
        nodes[place].append(f"{operator} {name}")
    layers = list(network.graph.layers)
    rows = len(layers) + 2
    figure = Figure(figsize=(11, 0.95 * rows + 0.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlim(0, 10)
    axes.set_ylim(-rows, 0.4)
    axes.set_axis_off()
    shapes = network.graph.shapes
    at = dict.fromkeys(network.graph.inputs, 0) | {layer.name: i + 1 for i, layer in enumerate(layers)}
    channels, height, width = network.input_shape

    def box(row: int, title: str, detail: str, absorbed: list[str], colour: str) -> None:
        axes.add_patch(FancyBboxPatch((0.9, -row - 0.32), 3.3, 0.64, facecolor=colour,
                                                          edgecolor="#39424e", boxstyle="round,pad=0.02"))
        axes.text(2.55, -row + 0.11, title, ha="center", va="center", fontsize=9, weight="bold")
        axes.text(2.55, -row - 0.15, detail, ha="center", va="center", fontsize=7.5)
        text = ", ".join(absorbed[:6]) + (f" and {len(absorbed) - 6} more" if len(absorbed) > 6 else "")
        axes.text(4.45, -row, text, va="center", fontsize=6.5, color="#39424e", wrap=True)

    box(0, "pixels", f"{height} x {width} x {channels}, 8 bits", nodes["input"], "#dfe9f5")
    for number, layer in enumerate(layers, start=1):
        shape = shapes[layer.name]
        bits = 0 if layer.raw else network.bits.get(layer.name, 1)
        detail = f"{shape.height} x {shape.width} x {shape.channels // max(1, bits)}, " + (
            f"{bits} bits of a channel" if bits > 1 else "bits" if bits else "sums")
        box(number, layer.name, detail, nodes[layer.name], "#ffffff")
        for source in dict.fromkeys(at[segment.source] for segment in layer.segments):
            if source == number - 1:
                axes.annotate("", (2.55, -number + 0.34), (2.55, -source - 0.34), arrowprops={"arrowstyle": "->"})
            else:
                axes.annotate("", (0.88, -number), (0.88, -source), arrowprops={
                    "arrowstyle": "->", "connectionstyle": "arc3,rad=0.35", "color": "#d1662f"})
    box(rows - 1, "result", "top " + str(network.ranks) if network.ranks else "numbers of the last layer",
        nodes["result"], "#e6f0e2")
    axes.annotate("", (2.55, -rows + 1.34), (2.55, -rows + 1.66), arrowprops={"arrowstyle": "->"})
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=110)
    write_whole(path, whole.getvalue())
