"""Imported networks on the simulated accelerator, and images for them."""

from collections.abc import Sequence

import numpy as np

from signum.golden.compiler.compile import compile_graph
from signum.golden.importers.imported import Imported
from signum.golden.importers.qonnx import QonnxNetwork
from signum.hdl.config import ArrayConfig
from signum.verif.bench.programs import program_job, run_programs

__all__ = ["ARRAY", "check_imported", "images_of"]

ARRAY = ArrayConfig(rows=2, cols=8, lanes=16, tile=4, acc_bits=10, sum_bits=22, weight_depth=8192,
                    activation_depth=8192, threshold_depth=4096, program_depth=2048, access_patterns=4,
                    threshold_levels=3, weight_repeats=1)
"""An array for small networks of any kind."""


def images_of(network: Imported, count: int, seed: int = 0) -> np.ndarray:
    """Noise, smooth gradients, and both ends: int (count, C, H, W) of 0..255."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (count, *network.input_shape))
    ramp = np.linspace(0, 255, noise[0].size).reshape(network.input_shape)
    noise[::3] = np.rint(ramp * rng.random((len(noise[::3]), 1, 1, 1)))
    if count > 1:
        noise[0], noise[-1] = 0, 255
    return noise


def check_imported(networks: Sequence[QonnxNetwork]) -> None:
    """Run a batch of each network on `ARRAY`, in batch and split mode in turn, in one simulation.

    Raises
    ------
    AssertionError
        If cycles differ from the prediction, or outputs from those of the integers or of the network itself.
    """
    programs = [compile_graph(network.graph, ARRAY, split=number % 2 == 1) for number, network in enumerate(networks)]
    images = [images_of(network, program.images, seed=5) for network, program in zip(networks, programs, strict=True)]
    jobs = [program_job(program, [network.encoder.bits(some)])
            for network, program, some in zip(networks, programs, images, strict=True)]
    cycles, values = run_programs(ARRAY, jobs)
    assert cycles == [job["cycles"] for job in jobs]
    for network, program, some, words in zip(networks, programs, images, values, strict=True):
        found = program.results(len(some), words)
        height, width = network.graph.sums_size(network.graph.layers[-1])
        outputs = network.outputs(found.reshape(len(some), height, width, -1))
        assert np.array_equal(outputs, network.run(some)), network.name
        assert network.differences(some) == 0
