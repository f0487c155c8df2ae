"""A row's addresses: the next pixel's addresses are held until taken; the step's offset is added in the same cycle."""

import random
from typing import Any

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.control.address_generator import AddressGenerator
from signum.verif.bench.trace import AMARANTH, play


def rtl(steps: list[dict[str, Any]], config: ArrayConfig, simulator: str = AMARANTH) -> list[int | None]:
    return [outputs["address"] for outputs in play(AddressGenerator(config=config), steps, simulator)]


def ref(steps: list[dict[str, Any]], config: ArrayConfig) -> list[int]:
    held, used = [0] * config.access_patterns, [0] * config.access_patterns
    addresses = []
    for step in steps:
        addresses.append((used[step["pattern"]] + step["offset"]) % (1 << config.activation_bits))
        if step["rst"]:
            held, used = [0] * config.access_patterns, [0] * config.access_patterns
            continue
        if step["clear"]:
            used = [0] * config.access_patterns
        elif step["take"]:
            used = held
        if step["fill"]:
            held = step["next"]
    return addresses


def draw_steps(rng: random.Random, config: ArrayConfig, count: int) -> list[dict[str, Any]]:
    bits = config.activation_bits
    return [{"fill": int(rng.random() < 0.3), "take": int(rng.random() < 0.3),
             "clear": int(rng.random() < 0.1), "rst": int(rng.random() < 0.03),
             "next": [rng.getrandbits(bits) for _ in range(config.access_patterns)],
             "offset": rng.getrandbits(bits), "pattern": rng.randrange(config.access_patterns)} for _ in range(count)]


@pytest.mark.parametrize("patterns", [1, 2, 3, 8])
@pytest.mark.parametrize("depth", [1, 5, 1024])
def test_sizes(patterns: int, depth: int, seed: int) -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=1, access_patterns=patterns, activation_depth=depth)
    steps = draw_steps(random.Random(f"{seed} {patterns} {depth}"), config, 200)
    assert rtl(steps, config) == ref(steps, config)


def test_simulators(simulator: str, seed: int) -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=1, access_patterns=3, activation_depth=100)
    steps = draw_steps(random.Random(seed), config, 400)
    assert rtl(steps, config, simulator) == ref(steps, config)
