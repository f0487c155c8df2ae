"""The input unit: the same words as the host's packing, whatever the stream, with broken frames between the frames."""

import random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import SimulatorContext

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.graph import MapShape, Segment
from signum.golden.compiler.input_geometry import input_geometry
from signum.golden.compiler.packing import pack_segment
from signum.golden.compiler.program import InputAllocation, MapAllocation
from signum.golden.layers.encoder import BitPlanes, Encoder, Thermometer
from signum.golden.reference.encoding import words_to_ints
from signum.hdl.config import ArrayConfig
from signum.hdl.input.input_unit import InputUnit
from signum.verif.bench.amaranth_simulation import run_testbenches

BASE = ArrayConfig(rows=3, cols=4, lanes=8, activation_depth=4096)


class Case:
    """An encoder, a window over its maps, and their places in a bank."""

    def __init__(self, rng: random.Random, encoder: Encoder, lanes: int, depth: int = 64) -> None:
        self.encoder = encoder
        code = {"input_planes": 8}
        self.maximum = 255
        if isinstance(encoder, Thermometer):
            self.maximum = encoder.maximum
            code = {"input_planes": 1, "input_levels": encoder.levels, "input_maximum": encoder.maximum}
        elif isinstance(encoder, BitPlanes):
            self.maximum = (1 << encoder.count) - 1
        self.config = BASE.replace(lanes=lanes, input_depth=depth, answer_ranks=1, memory_registers=rng.randint(0, 2),
                                   **code)
        while True:
            kernel = rng.randint(1, 4), rng.randint(1, 4)
            dilation = rng.randint(1, 2), 1
            span = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
            self.channels = rng.randint(1, 3)
            width, height = rng.randint(span[1], span[1] + 6), rng.randint(span[0], span[0] + 7)
            if (width + 4) * self.channels * span[0] <= depth:
                break
        padding = (rng.randint(0, 2), rng.randint(0, 2), rng.randint(0, 2), rng.randint(0, 2))
        self.split = bool(rng.randrange(2))
        self.image = (self.channels, height, width)
        map_shape = encoder.shape(self.image)
        one = rng.random() < 0.5
        self.inputs: dict[str, InputAllocation] = {}
        place = rng.randrange(64)
        both = rng.choice([None, False, True])
        border = (rng.randint(0, 2), rng.randint(0, 2), rng.randint(0, 2), rng.randint(0, 2))
        stride = (rng.randint(1, 3), rng.randint(1, 3))
        for name in encoder.names:
            bit = one and (not encoder.planes or name == encoder.names[-1])
            segment = Segment(source=name, weights=np.zeros((1, map_shape.channels, *kernel), dtype=bool),
                              dilation=dilation, stride=stride, padding=padding,
                              pad=np.full(map_shape.channels, bit))
            packing = None
            stored = map_shape
            if both is not None:
                packing, _ = pack_segment(segment, both)
                shape = packing.apply(np.zeros((1, height, width, map_shape.channels), dtype=bool)).shape
                stored = MapShape(*shape[1:])
            allocation = MapAllocation(stored, place, border, lanes)
            self.inputs[name] = InputAllocation(map_shape, packing, allocation)
            place += allocation.size

    def words(self, images: np.ndarray) -> list[dict[int, int]]:
        """Words by address, of each image, as the host packs them."""
        found: list[dict[int, int]] = [{} for _ in images]
        for name, bits in self.encoder.bits(images).items():
            entry = self.inputs[name]
            for image, words in zip(found, entry.to_words(bits), strict=True):
                image |= dict(zip(entry.place.addresses.tolist(), words_to_ints(words), strict=True))
        return found


def values_of(image: np.ndarray) -> list[dict[str, int]]:
    """The stream of an image (C, H, W)."""
    values = image.transpose(1, 2, 0).reshape(-1).tolist()
    return [{"value": value, "first": int(i == 0), "last": int(i == len(values) - 1)}
            for i, value in enumerate(values)]


def broken(rng: random.Random, values: list[dict[str, int]]) -> list[dict[str, int]]:
    """A frame of a wrong length, or without one of its marks."""
    kind = rng.randrange(4)
    if kind == 0 and len(values) > 1:                       # cut
        return values[:rng.randrange(1, len(values))]
    if kind == 1 and len(values) > 1:                       # too short, and marked so
        return [*values[:rng.randrange(1, len(values))][:-1], {"value": 7, "first": int(len(values) == 2), "last": 1}]
    if kind == 2:                                           # too long
        return [*({**value, "last": 0} for value in values), *[{"value": 3, "first": 0, "last": 0}] * rng.randint(0, 9),
                {"value": 1, "first": 0, "last": 1}]
    return [{**value, "first": 0} for value in values]      # without a begin


def broken_frames(rng: random.Random, values: list[dict[str, int]]) -> list[list[dict[str, int]]]:
    """Any number of them; only a first value can follow a cut frame, whose rest would else be taken for the same."""
    found: list[list[dict[str, int]]] = []
    while rng.random() < 0.5:
        frame = broken(rng, values)
        if not found or found[-1][-1]["last"] or frame[0]["first"]:
            found.append(frame)
    return found


def run(case: Case, stream: list[dict[str, int]], batches: int, rng: random.Random, stall: float,
        ) -> tuple[list[list[dict[int, int]]], int]:
    """The words of each batch by row and address, and the number of dropped frames."""
    unit = InputUnit(config=case.config)
    geometry = input_geometry(case.config, case.inputs, case.split)
    found: list[list[dict[int, int]]] = []

    async def source(ctx: SimulatorContext) -> None:
        for value in stream:
            while rng.random() < stall:
                await ctx.tick()
            ctx.set(unit.pixels.payload, value)
            ctx.set(unit.pixels.valid, 1)
            await ctx.tick().until(unit.pixels.ready)
            ctx.set(unit.pixels.valid, 0)

    async def bank(ctx: SimulatorContext) -> None:
        ctx.set(unit.geometry, geometry)
        await ctx.tick()
        ctx.set(unit.enable, 1)
        while len(found) < batches:
            rows: list[dict[int, int]] = [{} for _ in range(1 if case.split else case.config.rows)]
            while not ctx.get(unit.full):
                accept = ctx.get(unit.write) and rng.random() >= stall
                ctx.set(unit.accept, accept)
                if accept:
                    row = 0 if case.split else ctx.get(unit.row)
                    rows[row][ctx.get(unit.address)] = ctx.get(unit.data)
                await ctx.tick()
            ctx.set(unit.accept, 0)
            assert ctx.get(unit.count) == len(rows)
            found.append(rows)
            ctx.set(unit.taken, 1)
            await ctx.tick()
            ctx.set(unit.taken, 0)
            for _ in range(rng.randrange(200)):         # while the run reads, nothing is written
                assert not ctx.get(unit.write)
                await ctx.tick()
            ctx.set(unit.released, 1)
            await ctx.tick()
            ctx.set(unit.released, 0)

    dropped: Any = None

    async def count(ctx: SimulatorContext) -> None:
        nonlocal dropped
        while len(found) < batches:
            await ctx.tick()
        dropped = ctx.get(unit.dropped)

    run_testbenches(unit, bank, count, background=[source])
    return found, dropped


ENCODERS = [(Thermometer(4, 255), 8), (Thermometer(3, 9), 8), (Thermometer(7, 255), 32), (Thermometer(1, 100), 5),
            (Thermometer(8, 200), 8), (BitPlanes(8), 8), (BitPlanes(3), 7)]


@pytest.mark.parametrize(("encoder", "lanes"), ENCODERS)
@pytest.mark.parametrize("number", range(4))
def test_the_words_are_those_of_the_host(encoder: Encoder, lanes: int, number: int, seed: int) -> None:
    rng = random.Random(f"{seed} {encoder} {number}")
    case = Case(rng, encoder, lanes)
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    rows = 1 if case.split else case.config.rows
    images = numbers.integers(0, case.maximum + 1, (2, rows, *case.image))
    stream, faults = [], 0
    for image in images.reshape(-1, *case.image):
        thrown = broken_frames(rng, values_of(image))
        faults += len(thrown)
        stream += [value for frame in [*thrown, values_of(image)] for value in frame]
    found, dropped = run(case, stream, len(images), rng, rng.choice([0.0, 0.3]))
    for batch, expected in zip(found, images, strict=True):
        assert batch == case.words(expected)
    assert dropped == faults


def test_a_window_that_is_too_high_is_refused(seed: int) -> None:
    case = Case(random.Random(seed), Thermometer(4, 255), 8)
    (entry,) = case.inputs.values()
    small = case.config.replace(input_depth=2)
    with pytest.raises(CapacityError, match="lines of a window must have at most 2 values"):
        input_geometry(small, case.inputs, case.split)
    with pytest.raises(CapacityError, match="needs an input unit"):
        input_geometry(BASE, case.inputs, False)
    with pytest.raises(CapacityError, match="not 2 maps: input_planes of 2"):
        input_geometry(case.config, {"a": entry, "b": entry}, False)
