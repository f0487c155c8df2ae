"""The thresholds of all rows: the entries of some sums of a beat are written, and all of one address are read."""

import random
from typing import Any

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.output.threshold_memory import ThresholdMemory
from signum.verif.bench.trace import play


def config_of(width: int, register: int, **values: int) -> ArrayConfig:
    return ArrayConfig(rows=3, cols=2 * width, lanes=4, tile=width, drain_width=width, sum_bits=13, zero_padding=0,
                       threshold_depth=24, raw_depth=8, memory_registers=register, **values)


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("register", [0, 1, 2])
def test_entries(width: int, register: int, seed: int) -> None:
    config = config_of(width, register)
    rng = random.Random(f"{seed} {width} {register}")
    entries = [[0] * width for _ in range(config.shared_thresholds)]
    steps: list[dict[str, Any]] = []
    expected: list[tuple[int, list[int]]] = []
    for _ in range(200):
        address, write, value = rng.randrange(len(entries)), rng.getrandbits(width), rng.getrandbits(config.sum_bits)
        steps.append({"address": address, "write": write, "data": value})
        entries[address] = [value if write >> k & 1 else old for k, old in enumerate(entries[address])]
        steps += [{}] * config.memory_latency           # the word is written
        address = rng.randrange(len(entries))
        expected.append((len(steps) + config.memory_latency, list(entries[address])))
        steps += [{"address": address}, *[{}] * config.memory_latency]
    trace = play(ThresholdMemory(config=config), steps)
    assert [trace[cycle]["thresholds"] for cycle, _ in expected] == [found for _, found in expected]


def test_parity() -> None:
    """An entry that was written has the right parity."""
    config = config_of(2, 1, parity=1)
    steps: list[dict[str, Any]] = [{"address": i, "write": 3, "data": 77 * i} for i in range(config.shared_thresholds)]
    steps += [{}] * config.memory_latency
    first = len(steps)
    steps += [{"address": i} for i in range(config.shared_thresholds)] + [{}] * config.memory_latency
    trace = play(ThresholdMemory(config=config), steps)
    for i in range(config.shared_thresholds):
        found = trace[first + i + config.memory_latency]
        assert found["thresholds"] == [77 * i % (1 << config.sum_bits)] * 2
        assert not found["wrong"]
