"""A bank against a list of words: partial writes, reads during writes, one word, one bit, parity."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from amaranth.sim import SimulatorContext
from hypothesis import given
from hypothesis import strategies as st

from signum.fpga.flow.build import AFTER_READ
from signum.fpga.flow.families import FAMILIES
from signum.fpga.flow.families.ecp5 import absorb_registers
from signum.hdl.config import DATA_BITS
from signum.hdl.lib.emit import emit, run_yosys, to_rtlil
from signum.hdl.lib.memory import Bank, depths
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.trace import AMARANTH, play

Access = dict[str, int]


def rtl(accesses: list[Access], width: int, depth: int, simulator: str = AMARANTH, registers: int = 0) -> list[Any]:
    cycles = 1 + 2 * registers
    trace = play(Bank(width=width, depth=depth, registers=registers), [*accesses, *[{}] * cycles], simulator)
    return [outputs["read_data"] for outputs in trace[cycles:]]


def ref(accesses: list[Access], width: int, depth: int, registers: int = 0) -> list[int]:
    words = [0] * depth
    history = []
    for access in accesses:
        history.append(words.copy())
        mask = sum(0xFFFF_FFFF << 32 * i for i in range(-(-width // 32)) if access["write"] >> i & 1)
        at, value = access["write_address"], access["write_data"]
        words[at] = (words[at] & ~mask | value & mask) & (1 << width) - 1
    history += [words]
    return [history[i + bool(registers)][access["read_address"]] for i, access in enumerate(accesses)]


def draw_accesses(rng: random.Random, width: int, depth: int, count: int) -> list[Access]:
    """Reads in every cycle; resets, which keep the words."""
    accesses = []
    for _ in range(count):
        write, read = rng.randrange(depth), rng.randrange(depth)
        accesses.append({
            "write_address": write, "write_data": rng.getrandbits(width), "rst": int(rng.random() < 0.05),
            "write": rng.choice([0, rng.getrandbits(-(-width // 32))]),
            "read_address": rng.choice([write, read])})
    return accesses


@pytest.mark.parametrize("width", [1, 31, 32, 33, 64, 70])
@pytest.mark.parametrize("depth", [1, 2, 5, 16])
def test_sizes(width: int, depth: int, seed: int) -> None:
    accesses = draw_accesses(random.Random(f"{seed} {width} {depth}"), width, depth, 150)
    for access in accesses:
        access["rst"] = 0
    for registers in (0, 1, 2):
        assert rtl(accesses, width, depth, registers=registers) == ref(accesses, width, depth, registers)


@pytest.mark.parametrize(("width", "depth"), [(1, 513), (33, 1000), (32, 1540), (5, 3072), (70, 600)])
def test_depths_that_are_no_power_of_two(width: int, depth: int, simulator: str, seed: int) -> None:
    """Words at the edges of the parts, and all over them."""
    rng = random.Random(f"{seed} {width} {depth}")
    edges = sorted({depth - 1, *(at for start in (512, 1024, 1536, 2048) for at in (start - 1, start) if at < depth)})
    accesses = draw_accesses(rng, width, depth, 300)
    for access in accesses[:200]:
        access["write_address"], access["read_address"] = rng.choice(edges), rng.choice(edges)
    accesses += [{"write_address": 0, "write_data": 0, "write": 0, "rst": 0, "read_address": at} for at in edges]
    for registers in (1, 2):
        assert rtl(accesses, width, depth, simulator, registers) == ref(accesses, width, depth, registers)


@given(depth=st.integers(1, 65536))
def test_parts_of_a_depth(depth: int) -> None:
    parts = depths(depth)
    assert sum(parts) == depth
    assert parts == sorted(set(parts), reverse=True)
    assert all(part & part - 1 == 0 for part in parts[:-1])
    assert parts[-1] & parts[-1] - 1 == 0 or parts[-1] < 512


def test_each_part_of_a_depth_has_the_registers_of_its_block_rams(tmp_path: Path) -> None:
    """ECP5: 3584 words of 32 bits take 7 block RAMs, and each has its own register behind it."""
    (tmp_path / "bank.il").write_text(to_rtlil(Bank(width=32, depth=3584, registers=2), "bank")[0])
    run_yosys(f"read_rtlil bank.il\n{AFTER_READ}\n{FAMILIES['ecp5'].synthesis} -top bank\nwrite_json bank.json\n",
              tmp_path)
    netlist = json.loads((tmp_path / "bank.json").read_text())
    assert absorb_registers(netlist) == 3 * 32
    rams = [cell for cell in netlist["modules"]["bank"]["cells"].values() if cell["type"] == "DP16KD"]
    assert len(rams) == 7
    assert all("OUTREG" in (ram["parameters"].get("REGMODE_A"), ram["parameters"].get("REGMODE_B")) for ram in rams)


def parity_rtl(accesses: list[Access], width: int, depth: int, registers: int,
               flips: list[tuple[int, int]]) -> tuple[list[int], list[list[bool]]]:
    """A bank with parity: the words that are read, and after each flip of (word, bit), which words are wrong. The bits
    of parity follow those of the word; each flip is undone."""
    bank = Bank(width=width, depth=depth, registers=registers, parity=True)
    latency = 1 + 2 * registers
    design = bank.elaborate(None)
    words: list[int] = []
    wrong: list[list[bool]] = []

    async def drive(ctx: SimulatorContext) -> None:
        for access in [*accesses, *[{"write": 0}] * latency]:
            for name in access.keys() - {"rst"}:
                ctx.set(getattr(bank, name), access[name])
            words.append(ctx.get(bank.read_data))
            await ctx.tick()
        for word, bit in flips:
            number, place = (bit // DATA_BITS, bit % DATA_BITS) if bit < width else (bit - width, -1)
            memory = getattr(design.submodules, f"slice_{number}").data
            flip = 1 << (place if place >= 0 else memory.shape - 1)
            ctx.set(memory[word], ctx.get(memory[word]) ^ flip)
            found = []
            for address in range(depth):
                ctx.set(bank.read_address, address)
                await ctx.tick().repeat(latency)
                found.append(bool(ctx.get(bank.wrong)))
            wrong.append(found)
            ctx.set(memory[word], ctx.get(memory[word]) ^ flip)

    run_testbenches(design, drive)
    return words[latency:], wrong


@pytest.mark.parametrize("width", [1, 31, 32, 33, 64, 70])
@pytest.mark.parametrize("registers", [0, 1, 2])
def test_parity(width: int, registers: int, seed: int) -> None:
    """With parity the words are the same; each flipped bit makes its word wrong, and no other one."""
    rng = random.Random(f"{seed} {width} {registers}")
    depth, slices = 3, -(-width // DATA_BITS)
    accesses = draw_accesses(rng, width, depth, 60)
    bits = [*range(width), *range(width, width + slices)]
    flips = [(word, bit) for word in range(depth) for bit in rng.sample(bits, min(12, len(bits)))]
    flips += [(0, bit) for bit in range(width, width + slices)]
    words, wrong = parity_rtl(accesses, width, depth, registers, flips)
    assert words == ref(accesses, width, depth, registers)
    assert wrong == [[at == word for at in range(depth)] for word, _ in flips]


def test_simulators(simulator: str, seed: int) -> None:
    accesses = draw_accesses(random.Random(seed), 70, 5, 400)
    assert rtl(accesses, 70, 5, simulator) == ref(accesses, 70, 5)


@pytest.mark.parametrize(("registers", "depth", "block"), [
    (1, 64, True), (2, 64, True), (1, 32, False), (0, 64, False)])
def test_registered_words_are_in_block_ram(registers: int, depth: int, block: bool) -> None:
    text, _ = to_rtlil(Bank(width=33, depth=depth, registers=registers), "bank")
    assert text.count('attribute \\ram_style "block"') == 2 * block       # a slice of 32 bits, and a slice of a bit


@pytest.mark.parametrize(("family", "block"), [("ice40", "SB_RAM40_4K"), ("ecp5", "DP16KD"), ("gowin", "SDPX9B|SDPB")])
@pytest.mark.parametrize("registers", [0, 1])
def test_the_verilog_is_read_as_block_ram(family: str, block: str, registers: int, tmp_path: Path) -> None:
    """An array with a clocked read: the same RAMs and flip-flops as from the RTLIL of board builds."""
    path = emit(Bank(width=32, depth=512, registers=registers), name="bank", directory=tmp_path)
    assert re.search(r"reg \[31:0\] \w+ \[511:0\];", path.read_text())
    assert re.search(r"always @\(posedge clk\)( begin)?\s+(if \(\w+\)\s+)?\w+ <= \w+\[\w+\];", path.read_text())
    (tmp_path / "bank.il").write_text(to_rtlil(Bank(width=32, depth=512, registers=registers), "bank")[0])
    counts = []
    for read in ("read_verilog bank.v", "read_rtlil bank.il"):
        run_yosys(f"{read}\n{FAMILIES[family].synthesis} -top bank\ntee -q -o stat.json stat -json\n", tmp_path)
        cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
        counts.append({kind: count for kind, count in cells.items()
                       if re.fullmatch(rf"({block})|.*DFF|TRELLIS_FF", kind)})
    rams = sum(count for kind, count in counts[0].items() if re.fullmatch(block, kind))
    assert rams == (4 if family == "ice40" else 1)
    assert counts[0] == counts[1]
