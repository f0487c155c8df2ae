"""Programs that take pixels and give answers, on the simulated accelerator, beside the golden model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from signum.golden.compiler.answers import Answers, answer_size, ranked
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.input_tables import host_tables, looked_up
from signum.golden.compiler.program import Program
from signum.golden.compiler.stream_cycles import interval_cycles, latency_cycles, stream_cycles
from signum.golden.layers.encoder import BitPlanes, Encoder, Thermometer
from signum.golden.reference.encoding import words_to_ints
from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind
from signum.hdl.host.bus import DATA_BITS
from signum.verif.bench.programs import CyclesError
from signum.verif.bench.simulate import simulate

__all__ = ["StreamCase", "check_streams", "expected_answers", "measure_streams", "stream_values", "with_streams_for",
           "word_numbers"]

Value = tuple[int, int, int]
"""A value of an image, and whether it is marked as the first and as the last."""


def stream_values(image: np.ndarray) -> list[Value]:
    """The stream of an image (C, H, W): pixels in raster order, channels interleaved."""
    values = image.transpose(1, 2, 0).reshape(-1).tolist()
    return [(value, int(i == 0), int(i == len(values) - 1)) for i, value in enumerate(values)]


@dataclass(frozen=True, kw_only=True)
class StreamCase:
    """A program of a graph, and images (B, C, H, W) for it; ``broken`` has values in front of some images, by number,
    and the number of broken frames that they are."""

    program: Program
    graph: Graph
    encoder: Encoder
    answers: Answers
    images: np.ndarray
    broken: dict[int, tuple[list[Value], int]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.program.config}, split {self.program.split}, {self.answers}, {self.program.input_fields}"


def expected_answers(case: StreamCase) -> list[list[int]]:
    """The numbers of the answer to each image, by the graph's own evaluation."""
    layer = case.graph.layers[-1]
    result = case.graph.run(case.encoder.bits(case.images))[layer.name]
    if case.answers.kind == AnswerKind.WORDS:
        return word_numbers(case.program, result)
    values = layer.values(result)
    if case.answers.side > 1:
        maps = torch.from_numpy(values.transpose(0, 3, 1, 2))
        side = case.answers.side
        maps = (functional.pixel_shuffle(maps, side) if case.answers.shuffle > 1 else
                maps.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3))
        values = maps.permute(0, 2, 3, 1).numpy()
    if case.answers.kind == AnswerKind.RANKS:
        values = ranked(values, case.answers.ranks)
    return [[int(value) & (1 << DATA_BITS) - 1 for value in image.reshape(-1)] for image in values]


def word_numbers(program: Program, elements: np.ndarray) -> list[list[int]]:
    """The numbers of answers of words, of the elements (B, H, W, C) of the last map in the network's order."""
    words = program.maps[program.output.name].to_words(program.output.placed(elements))
    return [[word >> DATA_BITS * part & (1 << DATA_BITS) - 1 for word in words_to_ints(image)
             for part in range(program.address_map.slices)] for image in words]


def job(case: StreamCase) -> dict[str, Any]:
    pixels = looked_up(host_tables(case.program, case.encoder), case.encoder.pixels(case.images))
    values = [value for number, image in enumerate(pixels)
              for value in (*case.broken.get(number, ([], 0))[0], *stream_values(image))]
    return {"writes": list(case.program.load_writes()), "values": values,
            "count": sum(map(len, expected_answers(case))), "flush": len(case.images) % case.program.images != 0,
            "timeout": 4 * predict_cycles(case.program.config, case.program.records) + 20 * len(values) + 10_000}


def check_streams(cases: Sequence[StreamCase], *, stall_pixels: float = 0.0, stall_answers: float = 0.0,
                  **options: Any) -> list[dict[str, Any]]:
    """Stream the images of cases of one array, in one simulation; returns the cycles of each.

    Raises
    ------
    AssertionError
        If an answer differs from the graph's, the number of dropped frames from ``broken``, or, without stalls and
        broken frames, the cycles from the prediction; the message names the case.
    """
    config = cases[0].program.config
    result = simulate(Accelerator(config=config), "signum.verif.bench.bench_streams", test="stream_images", parameters={
        "config": config.to_dict(), "jobs": [job(case) for case in cases], "seed": 1, "stall_pixels": stall_pixels,
        "stall_answers": stall_answers}, **options)
    for case, found in zip(cases, result.values["jobs"], strict=True):
        expected = [{"value": value, "first": int(i == 0), "last": int(i == len(answer) - 1)}
                    for answer in expected_answers(case) for i, value in enumerate(answer)]
        differing = sum(part != wanted for part, wanted in zip(found["parts"], expected, strict=True))
        assert not differing, f"{differing} of {len(expected)} numbers differ: {case}"
        assert found["dropped"] == sum(count for _, count in case.broken.values()), str(case)
        assert found["received"] == len(case.images), str(case)
        if not (stall_pixels or stall_answers or case.broken):
            _check_cycles(case, found)
    return result.values["jobs"]


def _check_cycles(case: StreamCase, found: dict[str, list[int]]) -> None:
    program = case.program
    batches = len(case.images) // program.images
    wanted = stream_cycles(program, batches)
    zero = found["pixels"][0]
    runs, answers = ([cycle - zero for cycle in found[name]][:count]
                     for name, count in (("runs", batches), ("answers", batches * program.images)))
    for name, found_cycles, predicted in (("runs", runs, wanted.runs), ("answers", answers, wanted.answers)):
        if found_cycles != predicted:
            raise CyclesError(f"{name} at the cycles {found_cycles}, not at the predicted {predicted}: {case}")


def with_streams_for(config: ArrayConfig, encoder: Thermometer | BitPlanes, depth: int = 4096, shuffle: int = 1,
                     requantized: bool = False) -> ArrayConfig:
    """The array with an input unit for an encoder, and an answer unit for any answer, of 8 bits where so wanted."""
    if isinstance(encoder, BitPlanes):
        code = {"input_planes": max(2, encoder.count)}
    else:
        code = {"input_planes": 1, "input_levels": encoder.levels, "input_maximum": encoder.maximum}
    return config.replace(input_depth=depth, input_places=2, answer_ranks=1, answer_values=1,
                          answer_bytes=int(requantized), answer_shuffle=shuffle if shuffle > 1 else 0, **code)


def measure_streams(case: StreamCase) -> dict[str, Any]:
    """Bytes and cycles of the images of a case, at least two batches, in RTL and predicted: entries of a report.

    Raises
    ------
    AssertionError
        See `check_streams`.
    """
    program = case.program
    (found,) = check_streams([case])
    interval = (found["runs"][-1] - found["runs"][-2]) / program.images
    return {
        "bytes_in": int(case.images[0].size), "bytes_out": 4 * answer_size(program),
        "interval_cycles": interval, "interval_cycles_predicted": interval_cycles(program),
        "latency_cycles": found["answers"][program.images - 1] - found["pixels"][0] + 1,
        "latency_cycles_predicted": latency_cycles(program), "images_streamed": len(case.images),
    }
