"""Layers of several bits on the binary array: cycles in RTL, the bound by the array's operations, and mismatches.

`make bench-precision`. Each layer has random weights and runs on random images in batch mode, on RTL, against PyTorch
in evaluation mode. The bound is the number of steps without any pause: ``ceil(taps / L)`` words for each pair of a
weight plane and an activation plane, for each output pixel and each block of C channels.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.fold import fold
from signum.golden.layers.binary import BatchNorm, Sign
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder
from signum.golden.layers.gated import GatedConv2d
from signum.golden.layers.quant import QuantConv2d
from signum.hdl.config import ArrayConfig
from signum.verif.bench.programs import program_job
from signum.verif.benchmarks.record import Row, save, versions

__all__ = ["ARRAY", "LAYERS", "QuantLayer", "bound", "measure", "precision_row"]

ARRAY = ArrayConfig(rows=4, cols=16, lanes=32, tile=16, drain_width=8, fetch_width=8, acc_bits=12, sum_bits=24,
                    weight_depth=4096, activation_depth=4096, threshold_depth=4096, program_depth=512)


@dataclass(frozen=True)
class QuantLayer:
    """A convolution with a norm and a sign: ``a_bits`` of 1 reads signs, more read the planes of pixels.

    With ``gated`` the second plane of 2 bits is behind a gate (FracBNN), on an array with ``gate``.
    """

    name: str
    a_bits: int
    w_bits: int
    inputs: int
    outputs: int
    size: int = 12
    gated: bool = False

    @property
    def encoder(self) -> Encoder:
        return SignEncoder() if self.a_bits == 1 else BitPlanes(self.a_bits)

    def images(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Random images, int64 (count, inputs, size, size)."""
        low, high = (-1, 1) if self.a_bits == 1 else (0, 2**self.a_bits)
        return rng.integers(low, high, (count, self.inputs, self.size, self.size))

    def network(self, inputs: Tensor) -> nn.Sequential:
        """The layer, in evaluation mode, its norm's statistics those of the sums of ``inputs``."""
        norm = BatchNorm(self.outputs, momentum=1.0)
        convolution = (GatedConv2d(self.inputs, self.outputs, 3, padding=1, unsigned=True) if self.gated else
                       QuantConv2d(self.inputs, self.outputs, 3, weight_bits=self.w_bits, padding=1, pad=0))
        network = nn.Sequential(convolution, norm, Sign())
        with torch.no_grad():
            network(inputs)
            norm.weight[::3] = -1           # every third sign falls
        return network.eval()


LAYERS = (
    *(QuantLayer("first", 8, w_bits, 3, 64) for w_bits in (1, 2, 4, 8)),
    *(QuantLayer("hidden", 1, w_bits, 64, 64) for w_bits in (1, 2, 4, 8)),
    QuantLayer("hidden", 2, 1, 64, 64),
    QuantLayer("gated", 2, 1, 64, 64, gated=True),
    QuantLayer("hidden", 2, 2, 64, 64),
)


def bound(layer: QuantLayer, config: ArrayConfig) -> int:
    """Steps of a batch without any pause."""
    words = -(-9 * layer.inputs // config.lanes)
    return layer.a_bits * layer.w_bits * words * layer.size**2 * -(-layer.outputs // config.cols)


def precision_row(layer: QuantLayer, config: ArrayConfig = ARRAY) -> Row:
    """Cycles and mismatches of one batch, an image a row of the array."""
    torch.manual_seed(layer.a_bits * 10 + layer.w_bits)
    images = layer.images(np.random.default_rng(1), config.rows)
    inputs = layer.encoder.tensor(images)
    network = layer.network(inputs)
    graph = fold(network, layer.encoder, images.shape[1:])
    config = config.replace(gate=int(layer.gated))
    program = compile_graph(graph, config)
    maps = layer.encoder.bits(images)
    model = AcceleratorModel(config)
    try:
        [cycles], [words] = model.do(program_job(program, [maps]))
    finally:
        model.close()
    found = program.results(len(images), words)
    with torch.no_grad():
        wanted = (network(inputs).numpy() > 0).transpose(0, 2, 3, 1)
    least = bound(layer, config)
    return {"layer": layer.name, "taps": 9 * layer.inputs, "channels": layer.outputs, "a_bits": layer.a_bits,
            "w_bits": layer.w_bits, "cycles": cycles, "lower_bound": least, "ratio": round(cycles / least, 4),
            "mismatches": int((found != wanted).sum()), "results": wanted.size}


def measure(console: Console, layers: Iterable[QuantLayer] = LAYERS) -> Path:
    """Measure all layers into ``precision.json``."""
    rows = []
    for layer in layers:
        rows.append(precision_row(layer))
        console.print(", ".join(f"{name} {value}" for name, value in rows[-1].items()), highlight=False)
    return save("precision", rows, versions("verilator"), array=ARRAY.to_dict())
