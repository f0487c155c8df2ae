"""The contract of the registered structures: each structure, every width, every pipeline; and their choice."""

import random
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from signum.golden.reference.units import processing_element
from signum.hdl.array.pe import ProcessingElement, takes_sums_early
from signum.hdl.array.popcount.registry import STRUCTURES, structure_of, structures_for
from signum.hdl.array.popcount.structure import Structure
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.lib.emit import Target, to_verilog
from signum.verif.bench.cells import simulate_cells
from signum.verif.bench.trace import play

Word = tuple[int, int, bool]
BINARY, EIGHT_BITS = (*range(1, 71), 127, 128), (*range(1, 10), 16)


def config_of(structure: type[Structure], lanes: int, pipeline: int = 0, spare: int = 0) -> ArrayConfig:
    """An element of this size, with ``spare`` bits more in its accumulator than a count needs."""
    least = ArrayConfig(rows=1, cols=1, lanes=lanes, element_bits=structure.element_bits, acc_bits=32, sum_bits=32)
    return least.replace(pipeline=pipeline, acc_bits=least.count_bits + spare)


def target_of(structure: type[Structure]) -> Target:
    return Target(min(structure.families, default=""), structure.name)


def draw(rng: random.Random, config: ArrayConfig, cycles: int) -> list[Word]:
    """Words equal in all bits, in none, in all but one, in one, and random words; sums of any length."""
    bits = config.word_bits
    ones = (1 << bits) - 1
    edges = [ones, 0, *(1 << bit for bit in range(bits)), *(ones ^ 1 << bit for bit in range(bits))]
    equal = rng.choices(edges, k=cycles // 2) + [rng.getrandbits(bits) for _ in range(cycles - cycles // 2)]
    rng.shuffle(equal)
    return [(a, a ^ ones ^ alike, cycle == 0 or rng.random() < 0.3)
            for cycle, alike in enumerate(equal) for a in (rng.getrandbits(bits),)]


def rtl(words: list[Word], config: ArrayConfig, target: Target, shifts: Sequence[bool] = ()) -> list[int]:
    """The sum after each pair of words, from an element that loads a sum in every cycle."""
    early = takes_sums_early(target, config)
    firsts = [False] * (config.pipeline + 1 - early) + [first for _, _, first in words]
    pairs = [(0, 0), *((a, w) for a, w, _ in words), *[(0, 0)] * (config.pipeline + 2)]
    steps = [{"a": a, "w": w, "first": first, "load": 1}
             for (a, w), first in zip(pairs, [*firsts, *[False] * len(pairs)], strict=False)]
    for step, shift in zip(steps[config.pipeline + 1:], shifts, strict=False):
        step["shift"] = int(shift)
    trace = play(ProcessingElement(config=config), steps, platform=target)
    start = config.pipeline + 3 - early
    return [outputs["result"] for outputs in trace[start:start + len(words)]]


@pytest.fixture(params=STRUCTURES, ids=lambda structure: structure.name)
def structure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Structure]:
    simulate_cells(sys.modules[request.param.__module__], monkeypatch)
    return request.param


# every eighth width, with powers of two and 128 lanes among them, and in a slow run more: verif/formal has all up to 64
@pytest.mark.sweep(4)
@pytest.mark.parametrize("number", [*(pytest.param(number, marks=pytest.mark.slow) for number in (0, 4)), 7])
def test_every_width_and_pipeline(structure: type[Structure], number: int, seed: int) -> None:
    widths = BINARY if structure.element_bits == 1 else EIGHT_BITS
    for lanes in [lanes for lanes in widths if lanes >= structure.least_lanes][number::8]:
        for pipeline in range(structure.stages(lanes) + 1):
            rng = random.Random(f"{seed} {lanes} {pipeline}")
            config = config_of(structure, lanes, pipeline, rng.randrange(5))
            words = draw(rng, config, 40)
            assert rtl(words, config, target_of(structure)) == processing_element(config, words), (lanes, pipeline)


@pytest.mark.parametrize("lanes", [5, 7, 12, 32, 33])
def test_accumulators_that_double(structure: type[Structure], lanes: int, seed: int) -> None:
    if structure.element_bits > 1:
        lanes = 2
    for pipeline in range(structure.stages(lanes) + 1):
        rng = random.Random(f"{seed} {lanes} {pipeline}")
        config = config_of(structure, lanes, pipeline, rng.randrange(7))
        if structure.element_bits > 1:
            with pytest.raises(ConfigError, match="accumulator_shift must be 0 where element_bits is 8, not 1"):
                config.replace(accumulator_shift=1)
            continue
        config = config.replace(accumulator_shift=1)
        words = draw(rng, config, 60)
        shifts = [rng.random() < 0.4 for _ in words]
        assert rtl(words, config, target_of(structure), shifts) == processing_element(config, words, shifts), pipeline


@pytest.mark.parametrize("structure", [pytest.param(each, marks=pytest.mark.slow if each.element_bits > 1 else ())
                                       for each in STRUCTURES], indirect=True, ids=lambda each: each.name)
def test_all_pairs_of_words(structure: type[Structure]) -> None:
    """Of five lanes, or of the structure's fewest; of 8 bits, all pairs of one lane."""
    lanes = max(structure.least_lanes, 5) if structure.element_bits == 1 else 1
    config = config_of(structure, lanes)
    size = 1 << config.word_bits
    words = [(a, w, True) for a in range(size) for w in range(size)]
    assert rtl(words, config, target_of(structure)) == processing_element(config, words)


def sizes(lanes: int, pipeline: int) -> Any:
    """Sizes invalid in an `ArrayConfig`."""
    return SimpleNamespace(lanes=lanes, pipeline=pipeline, acc_bits=32, accumulator_shift=0)


def test_out_of_range(structure: type[Structure]) -> None:
    lanes = structure.least_lanes + 3
    stages = structure.stages(lanes)
    for pipeline in (-1, stages + 1):
        with pytest.raises(ConfigError) as refusal:
            structure.create(sizes(lanes, pipeline))
        assert str(refusal.value) == f"pipeline must be from 0 to {stages} for {lanes} lanes, not {pipeline}"
    rule = f"at least {structure.least_lanes}" if structure.least_lanes > 1 else "a positive integer"
    with pytest.raises(ConfigError) as refusal:
        structure.create(sizes(structure.least_lanes - 1, 0))
    assert str(refusal.value) == f"lanes must be {rule}, not {structure.least_lanes - 1}"


def test_names_are_those_of_one_structure() -> None:
    names = [structure.name for structure in STRUCTURES]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.islower() for name in names)


@pytest.mark.parametrize(("family", "lanes", "element_bits", "preferred"), [
    ("", 64, 1, "tree"), ("ice40", 64, 1, "tree"), ("gowin", 64, 1, "tree"), ("ecp5", 64, 1, "carry"),
    ("ecp5", 4, 1, "tree"), ("ecp5", 8, 8, "multiply"),
])
def test_the_choice(family: str, lanes: int, element_bits: int, preferred: str) -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=lanes, element_bits=element_bits, acc_bits=32, sum_bits=32)
    suitable = structures_for(family, config)
    assert all(structure.element_bits == element_bits and structure.least_lanes <= lanes for structure in suitable)
    assert all(family in structure.families for structure in suitable if structure.families)
    assert structure_of(Target(family), config) is suitable[0]
    assert suitable[0].name == preferred
    for structure in suitable:
        assert structure_of(Target(family, structure.name), config) is structure


@pytest.mark.parametrize(("family", "name"), [("", "carry"), ("ecp5", "trees")])
def test_a_choice_that_cannot_be(family: str, name: str) -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=8)
    names = ", ".join(structure.name for structure in structures_for(family, config))
    assert names.startswith("carry, tree, table" if family else "tree, table")
    with pytest.raises(ConfigError) as refusal:
        to_verilog(ProcessingElement(config=config), "unit", Target(family, name))
    assert str(refusal.value) == f"popcount must be one of {names} for this array and these cells, not {name}"
