"""Tables of the input unit beside lists: each value's entry a cycle later, padded values and addresses as they are."""

import random
from typing import Any

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.input.pixel_table import PixelTable
from signum.verif.bench.trace import play

Write = dict[str, int]


def writes_of(rng: random.Random, count: int) -> list[Write]:
    return [{"enable": int(rng.random() < 0.7), "address": rng.randrange(64), "value": rng.randrange(256),
             "pad": int(rng.random() < 0.3)} for _ in range(count)]


SIZES = [(1, 1), (2, 1), (3, 3), (8, 5), (8, 8)]


def config_of(tables: int) -> ArrayConfig:
    return ArrayConfig(rows=1, cols=1, lanes=8, input_depth=64, input_planes=8, input_tables=tables, answer_ranks=1)


def entries_of(tables: int, rng: random.Random) -> list[list[int]]:
    return [[rng.randrange(256) for _ in range(256)] for _ in range(tables)]


def loads_of(entries: list[list[int]], rng: random.Random) -> list[dict[str, Any]]:
    """The writes of all entries, in any order within a table."""
    return [{"load": 1, "load_address": number * 256 + value, "load_data": table[value]}
            for number, table in enumerate(entries) for value in rng.sample(range(256), 256)]


def check(tables: int, used: int, steps: list[dict[str, Any]], entries: list[list[int]]) -> None:
    """Play steps behind the loads of the entries, and compare each output with lists; ``rst`` is a reset."""
    trace = play(PixelTable(config=config_of(tables)), [
        step | ({"last": used - 1} if tables > 1 else {}) for step in [*steps, {}]])
    channel = 0
    enabled: Write | None = None
    for step, before, outputs in zip([*steps, {}], [{}, *steps], trace, strict=True):
        out, write = outputs["o"], before.get("i", {"enable": 0})
        assert out["enable"] == (0 if before.get("rst") else write["enable"])
        if out["enable"]:
            assert (out["address"], out["pad"]) == (write["address"], write["pad"])
        if enabled is not None:
            assert out == enabled
        enabled = None
        write = step.get("i", {"enable": 0})
        if write["enable"] and not write["pad"]:
            if not step.get("rst"):
                enabled = write | {"value": entries[channel][write["value"]]}
            channel = (channel + 1) % used
        if step.get("restart") or step.get("rst"):
            channel = 0
        if step.get("load"):
            entries[step["load_address"] // 256][step["load_address"] % 256] = step["load_data"]


@pytest.mark.parametrize(("tables", "used"), SIZES)
def test_entries(tables: int, used: int) -> None:
    rng = random.Random(tables * 10 + used)
    entries = entries_of(tables, rng)
    # behind the loads there is an address and data without a strobe
    steps = [{"i": write, "restart": int(rng.random() < 0.05), "load_data": 255 - entries[0][0]}
             for write in writes_of(rng, 600)]
    check(tables, used, [*loads_of(entries, rng), *steps], [[0] * 256 for _ in entries])


@pytest.mark.parametrize(("tables", "used"), SIZES)
def test_loads_between_values_and_resets(tables: int, used: int) -> None:
    """A load may come with any value; a reset restarts the pixel, and keeps the entries."""
    rng = random.Random(tables * 20 + used)
    entries = entries_of(tables, rng)
    steps = loads_of(entries, rng)
    for write in writes_of(rng, 600):
        address = rng.randrange(tables * 256)
        # an entry that is read and written in one cycle is not specified
        loads = int(rng.random() < 0.3 and address % 256 != write["value"])
        steps.append({"i": write, "restart": int(rng.random() < 0.02), "rst": int(rng.random() < 0.03),
                      "load": loads, "load_address": address, "load_data": rng.randrange(256)})
    check(tables, used, steps, [[0] * 256 for _ in entries])
