"""The memory between a writer and a reader beside a dictionary, of block RAM and of a single-port RAM."""

import random
import re
from typing import Any

import pytest

from signum.fpga.host.model import Model
from signum.hdl.lib.buffer_memory import BufferMemory
from signum.verif.bench.cells import verilog_with_spram
from signum.verif.bench.trace import play


def steps_of(rng: random.Random, depth: int, bits: int, cycles: int = 600) -> list[dict[str, int]]:
    """Random writes and reads, of few places, the first and the last among them."""
    places = [0, depth - 1, *(rng.randrange(depth) for _ in range(10))]
    steps = []
    for _ in range(cycles):
        write = rng.random() < 0.4
        steps.append({"write": write, "write_address": rng.choice(places), "write_data": rng.getrandbits(bits),
                      "read_address": rng.choice(places)})
    return steps


def compare(steps: list[dict[str, int]], outputs: list[dict[str, Any]], *, single_port: bool) -> None:
    """Each word that was written before it was read, in each cycle in which the reader was not blocked."""
    held: dict[int, int] = {}
    wanted: int | None = None           # nothing is known of a word that was never written, or is being written
    compared = 0
    for step, output in zip(steps, outputs, strict=True):
        if wanted is not None:
            assert output["read_data"] == wanted
            compared += 1
        assert output["blocked"] == (step["write"] and single_port)
        collides = step["write"] and (single_port or step["read_address"] == step["write_address"])
        wanted = None if collides else held.get(step["read_address"])
        if step["write"]:
            held[step["write_address"]] = step["write_data"]
    assert compared > len(steps) / 3


@pytest.mark.parametrize(("depth", "bits"), [(2, 1), (3, 9), (64, 16), (1000, 33)])
def test_block_ram(depth: int, bits: int, seed: int) -> None:
    steps = steps_of(random.Random(seed), depth, bits)
    compare(steps, play(BufferMemory(depth=depth, bits=bits), steps), single_port=False)


@pytest.mark.parametrize(("depth", "bits"), [(2, 1), (1 << 14, 16)])
def test_single_port_ram(depth: int, bits: int, seed: int) -> None:
    """The cell as Yosys models it; a write has the only port."""
    steps = steps_of(random.Random(seed), depth, bits)
    outputs = []
    with Model(verilog_with_spram(BufferMemory(depth=depth, bits=bits, spram=True), "memory"), "memory") as model:
        for step in steps:
            for name, value in step.items():
                model[name] = value
            model.settle()
            outputs.append({name: model[name] for name in ("read_data", "blocked")})
            model.run(1)
    compare(steps, outputs, single_port=True)


@pytest.mark.parametrize(("values", "message"), [
    ({"depth": 1}, "depth must be at least 2, not 1"),
    ({"bits": 0}, "bits must be at least 1, not 0"),
    ({"depth": 16385, "spram": True}, "a single-port RAM must have at most 16384 words of 16 bits, not 16385 of 8"),
    ({"bits": 17, "spram": True}, "a single-port RAM must have at most 16384 words of 16 bits, not 4 of 17"),
])
def test_parameters_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        BufferMemory(**{"depth": 4, "bits": 8, **values})
