"""The contract of a family: its record is whole, its tools accept its cells, and its cells behave as the hardware."""

import json
import random
from pathlib import Path

import pytest
from amaranth.lib import wiring

import signum.fpga.flow.families
from signum.fpga.flow.build import AFTER_READ, AFTER_SYNTHESIS
from signum.fpga.flow.estimate import mapped
from signum.fpga.flow.families import BOARD_FAMILIES, FAMILIES
from signum.fpga.flow.families.family import BoardFamily, Family
from signum.fpga.flow.families.pll import PLLError
from signum.fpga.flow.tools import TOOLS, ToolError, tool
from signum.fpga.host.model import Model
from signum.fpga.host.netlist_board import cell_models, drop_contents, drop_open_outputs
from signum.golden.reference.encoding import words_per
from signum.golden.reference.units import processing_element
from signum.hdl.array.pe import ProcessingElement, takes_sums_early
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import DATA_BITS
from signum.hdl.lib.emit import Target, run_yosys, to_rtlil
from signum.hdl.lib.family import CELLS
from signum.hdl.lib.memory import Bank
from signum.verif.benchmarks.area import packed

CONFIG = ArrayConfig(rows=1, cols=1, lanes=12, pipeline=1, acc_bits=8)
FOLDER = Path(signum.fpga.flow.families.__file__).parent


@pytest.fixture(params=FAMILIES.values(), ids=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(params=BOARD_FAMILIES.values(), ids=list(BOARD_FAMILIES))
def board_family(request: pytest.FixtureRequest) -> BoardFamily:
    return request.param


def cells_of(unit: wiring.Component, family: Family, folder: Path) -> dict[str, int]:
    """Cells of each type that synthesis for a family makes of a unit."""
    (folder / "unit.il").write_text(to_rtlil(unit, "unit", Target(family.name))[0])
    run_yosys(f"read_rtlil unit.il\n{AFTER_READ}\n{family.synthesis} -top unit\n{AFTER_SYNTHESIS}\n"
              "tee -q -o stat.json stat -json\n", folder)
    return json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]


def test_each_file_holds_the_family_of_its_name() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "clock", "family", "pll"}
    assert set(FAMILIES) == files
    assert set(CELLS) <= files


def test_the_record_is_whole(family: Family) -> None:
    assert FAMILIES[family.name] is family
    assert family.delay > 0
    assert len({words * bits // 9 if bits % 9 == 0 else words * bits // 8 for words, bits in family.ram_shapes}) == 1
    assert cell_models(family)


def test_the_flow_is_whole(board_family: BoardFamily) -> None:
    assert {board_family.place, board_family.pack} <= {tool.name for tool in TOOLS}
    assert board_family.netlist in board_family.place_options
    assert board_family.routed in board_family.place_options
    assert board_family.routed in board_family.pack_options
    assert board_family.bitstream in board_family.pack_options
    assert set(board_family.resources) == {"lut", "ram", "dsp", "pll"}
    assert all(board_family.resources.values())
    assert not board_family.counts_packed or board_family.pack_only
    assert 0 < board_family.fill <= 1
    assert board_family.devices
    assert all(device.luts > 0 and device.rams > 0 for device in board_family.devices.values())


def test_a_device_is_found_by_its_first_letters(board_family: BoardFamily) -> None:
    for name, device in board_family.devices.items():
        assert board_family.device(f"{name}-X1") is device
    with pytest.raises(KeyError):
        board_family.device("XC7A35T")


def test_an_exploration_may_begin_with_each_value(board_family: BoardFamily) -> None:
    for name, values in board_family.axes.items():
        for value in values:
            config = ArrayConfig(rows=2, cols=4, **{"lanes": 64, **board_family.common, name: value})
            assert config.to_dict() | dict(board_family.common) == config.to_dict()
    assert board_family.axes or ArrayConfig(rows=2, cols=4, lanes=64, **board_family.common)


@pytest.mark.parametrize("reference", [12, 25, 27, 50])
def test_every_megahertz_is_near(board_family: BoardFamily, reference: int) -> None:
    """A setting is in its ranges, and off by no more than one step of the slowest phase detector, or of the output's
    divisor where that is a power of two."""
    for wanted in range(20, 301, 7):
        if not board_family.pll.OUTPUT[0] <= wanted * 1e6 <= board_family.pll.OUTPUT[1]:
            continue
        pll = board_family.pll.nearest(reference * 1_000_000, wanted * 1e6)
        assert pll.allowed
        assert abs(pll.frequency / 1e6 - wanted) <= max(0.03 * wanted, reference / (
            reference * 1e6 // board_family.pll.DETECTOR[0]))
        assert pll.settings()["reference_hz"] == reference * 1_000_000
        assert pll.parameters()


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_frequency_that_there_is_not(board_family: BoardFamily, beyond: int) -> None:
    pll = board_family.pll
    reference, output = (limits[beyond] * (0.99, 1.01)[beyond] for limits in (pll.REFERENCE, pll.OUTPUT))
    with pytest.raises(PLLError, match=r"^reference must be .* MHz to .* MHz, not .* MHz$"):
        pll.nearest(round(reference), sum(pll.OUTPUT) / 2)
    with pytest.raises(PLLError, match=r"^frequency must be .* MHz to .* MHz, not .* MHz$"):
        pll.nearest(25_000_000, output)


def test_every_cell_of_an_element_is_counted(family: Family, tmp_path: Path) -> None:
    kinds = cells_of(ProcessingElement(config=CONFIG), family, tmp_path)
    unknown = {kind for kind in kinds if kind not in {*family.luts, *family.carries, *family.free}
               and not kind.startswith(family.flop)}
    assert not unknown
    counts = mapped(ProcessingElement(config=CONFIG), CONFIG, family, tmp_path)
    assert counts["ff"] >= 2 * CONFIG.acc_bits
    assert CONFIG.lanes <= counts["lut4_equivalents"] <= 6 * CONFIG.lanes


def test_a_memory_takes_the_block_rams_that_its_shapes_say(family: Family, tmp_path: Path) -> None:
    words, bits = family.ram_shapes[0][0], min(family.ram_shapes[0][1], DATA_BITS)     # a bank's slices are no wider
    for depth, width in ((words, bits), (2 * words, bits), (words, 2 * bits), (words // 2, bits // 2)):
        kinds = cells_of(Bank(width=width, depth=depth), family, tmp_path)
        found = sum(count for kind, count in kinds.items() if kind.startswith(family.rams))
        least = min(words_per(depth, w) * words_per(width, b) for w, b in family.ram_shapes)
        assert found == least, (depth, width)
    if family.lut_memory_bits:
        kinds = cells_of(Bank(width=8, depth=family.lut_memory_bits // 16), family, tmp_path)
        assert not any(kind.startswith(family.rams) for kind in kinds)


def test_packing_counts_or_says_how_to_get_the_tool(board_family: BoardFamily, tmp_path: Path) -> None:
    counts = mapped(ProcessingElement(config=CONFIG), CONFIG, board_family, tmp_path)
    if not tool(board_family.place).available:
        with pytest.raises(ToolError, match=rf"^{board_family.place} is missing \(place and route\): ."):
            tool(board_family.place).find()
    elif board_family.pack_only:
        assert counts["lut4"] <= packed(board_family, tmp_path) <= 2 * counts["lut4_equivalents"]


@pytest.mark.slow
def test_the_cells_of_an_element_do_what_it_does(family: Family, tmp_path: Path, seed: int) -> None:
    """The netlist after the passes before placement, in Verilator, against the golden element."""
    mapped(ProcessingElement(config=CONFIG), CONFIG, family, tmp_path)
    netlist = json.loads((tmp_path / "unit.json").read_text())
    family.finish(netlist)
    drop_contents(netlist)
    drop_open_outputs(netlist)
    (tmp_path / "unit.json").write_text(json.dumps(netlist))
    run_yosys("read_json unit.json\nwrite_verilog -noattr unit.v\n", tmp_path)
    rng = random.Random(seed)
    pairs = [(rng.getrandbits(CONFIG.lanes), rng.getrandbits(CONFIG.lanes), cycle % 40 == 0 or rng.random() < 0.1)
             for cycle in range(300)]
    expected = processing_element(CONFIG, pairs)
    late = CONFIG.pipeline + 1 - takes_sums_early(Target(family.name), CONFIG)
    found = []
    with Model(cell_models(family) + (tmp_path / "unit.v").read_text(), "unit") as model:
        model["rst"], model["load"] = 0, 1
        firsts = [first for *_, first in pairs]
        shift = CONFIG.pipeline - takes_sums_early(Target(family.name), CONFIG)
        for cycle in range(len(pairs) + late):
            a, w, _ = pairs[min(cycle, len(pairs) - 1)]
            model["a"], model["w"] = a, w
            model["first"] = firsts[cycle - shift] if 0 <= cycle - shift < len(firsts) else 0
            model.run(1)
            found.append(model["result"])
    assert found[late:] == expected[:len(found) - late]
