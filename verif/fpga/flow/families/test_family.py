"""The contract of a family: its record is whole, its tools take its cells, and its cells do what the hardware says."""

import json
import random
from pathlib import Path

import pytest
from amaranth.lib import wiring

import signum.fpga.flow.families
from signum.fpga.flow.build import AFTER_READ, AFTER_SYNTHESIS
from signum.fpga.flow.estimate import mapped
from signum.fpga.flow.families import FAMILIES, Family
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
from signum.hdl.lib.memory import Bank
from signum.verif.benchmarks.area import packed

CONFIG = ArrayConfig(rows=1, cols=1, lanes=12, pipeline=1, acc_bits=8)
SUPPLIES = {"GND", "VCC", "VLO", "VHI"}
PADS = {"IBUF", "OBUF"}         # which Gowin's synthesis puts around any top


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


def cells_of(unit: wiring.Component, family: Family, folder: Path) -> dict[str, int]:
    """Cells of each type that synthesis for a family makes of a unit."""
    (folder / "unit.il").write_text(to_rtlil(unit, "unit", Target(family.name))[0])
    run_yosys(f"read_rtlil unit.il\n{AFTER_READ}\n{family.synthesis} -top unit\n{AFTER_SYNTHESIS}\n"
              "tee -q -o stat.json stat -json\n", folder)
    return json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]


def test_the_record_is_whole(family: Family) -> None:
    folder = Path(signum.fpga.flow.families.__file__).parent
    assert FAMILIES[family.name] is family
    assert (folder / f"{family.name}.py").exists()
    assert {family.place, family.pack} <= {tool.name for tool in TOOLS}
    assert family.netlist in family.place_options
    assert family.routed in family.place_options
    assert family.routed in family.pack_options
    assert family.bitstream in family.pack_options
    assert set(family.resources) == {"lut", "ram", "dsp", "pll"}
    assert all(family.resources.values())
    assert not family.counts_packed or family.pack_only
    assert family.delay > 0
    assert 0 < family.fill <= 1
    assert family.devices
    assert all(device.luts > 0 and device.rams > 0 for device in family.devices.values())
    assert len({words * bits // 9 if bits % 9 == 0 else words * bits // 8 for words, bits in family.ram_shapes}) == 1
    assert cell_models(family)


def test_a_device_is_found_by_its_first_letters(family: Family) -> None:
    for name, device in family.devices.items():
        assert family.device(f"{name}-X1") is device
    with pytest.raises(KeyError):
        family.device("XC7A35T")


def test_an_exploration_may_begin_with_each_value(family: Family) -> None:
    for name, values in family.axes.items():
        for value in values:
            config = ArrayConfig(rows=2, cols=4, **{"lanes": 64, **family.common, name: value})
            assert config.to_dict() | family.common == config.to_dict()
    assert family.axes or ArrayConfig(rows=2, cols=4, lanes=64, **family.common)


@pytest.mark.parametrize("reference", [12, 25, 27, 50])
def test_every_megahertz_is_near(family: Family, reference: int) -> None:
    """A setting is in its ranges, and off by no more than one step of the slowest phase detector, or of the output's
    divisor where that is a power of two."""
    for wanted in range(20, 301, 7):
        if not family.pll.OUTPUT[0] <= wanted * 1e6 <= family.pll.OUTPUT[1]:
            continue
        pll = family.pll.nearest(reference * 1_000_000, wanted * 1e6)
        assert pll.allowed
        assert abs(pll.frequency / 1e6 - wanted) <= max(0.03 * wanted, reference / (
            reference * 1e6 // family.pll.DETECTOR[0]))
        assert pll.settings()["reference_hz"] == reference * 1_000_000
        assert pll.parameters()


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_frequency_that_there_is_not(family: Family, beyond: int) -> None:
    reference, output = (limits[beyond] * (0.99, 1.01)[beyond] for limits in (family.pll.REFERENCE, family.pll.OUTPUT))
    with pytest.raises(PLLError, match=r"^reference must be .* MHz to .* MHz, not .* MHz$"):
        family.pll.nearest(round(reference), sum(family.pll.OUTPUT) / 2)
    with pytest.raises(PLLError, match=r"^frequency must be .* MHz to .* MHz, not .* MHz$"):
        family.pll.nearest(25_000_000, output)


def test_every_cell_of_an_element_is_counted(family: Family, tmp_path: Path) -> None:
    kinds = cells_of(ProcessingElement(config=CONFIG), family, tmp_path)
    unknown = {kind for kind in kinds if kind not in family.luts and kind not in family.carries
               and not kind.startswith(family.flop)}
    assert unknown <= SUPPLIES | PADS
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


def test_packing_counts_or_says_how_to_get_the_tool(family: Family, tmp_path: Path) -> None:
    counts = mapped(ProcessingElement(config=CONFIG), CONFIG, family, tmp_path)
    if not tool(family.place).available:
        with pytest.raises(ToolError, match=rf"^{family.place} is missing \(place and route\): ."):
            tool(family.place).find()
    elif family.pack_only:
        assert counts["lut4"] <= packed(family, tmp_path) <= 2 * counts["lut4_equivalents"]


@pytest.mark.slow
def test_the_cells_of_an_element_do_what_it_does(family: Family, tmp_path: Path, seed: int) -> None:
    """The netlist with what is done to it before placement, in Verilator, against the golden element."""
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
    late = CONFIG.pipeline + 1 - takes_sums_early(Target(family.name))
    found = []
    with Model(cell_models(family) + (tmp_path / "unit.v").read_text(), "unit") as model:
        model["rst"], model["load"] = 0, 1
        firsts = [first for *_, first in pairs]
        shift = CONFIG.pipeline - takes_sums_early(Target(family.name))
        for cycle in range(len(pairs) + late):
            a, w, _ = pairs[min(cycle, len(pairs) - 1)]
            model["a"], model["w"] = a, w
            model["first"] = firsts[cycle - shift] if 0 <= cycle - shift < len(firsts) else 0
            model.run(1)
            found.append(model["result"])
    assert found[late:] == expected[:len(found) - late]
