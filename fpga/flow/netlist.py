"""What is done to a netlist between synthesis and placement."""

import copy
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["absorb_registers", "open_chains", "part_doubled_inputs"]

Cell = dict[str, Any]
WIDEST_WORD = 36        # bits of a word of an ECP5's block RAM


def part_doubled_inputs(netlist: dict[str, Any]) -> int:
    """Give every iCE40 carry cell two different signals, in place; returns how many drivers were added.

    Where the popcount passes a lane on to the next adder of a carry chain, both operands are that lane. If one signal
    goes to both inputs, nextpnr's routers may rip up its two arcs in turn for ever. So what drives the signal is there
    twice: a LUT, or a flip-flop and the LUT before it. That costs one logic cell, as much as taking the signal off the
    sum's LUT, which no longer fits into the carry's cell then.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    return sum(Parting(module).part() for module in netlist["modules"].values())


def absorb_registers(netlist: dict[str, Any]) -> int:
    """Use the output registers of ECP5's block RAMs, in place; returns how many flip-flops were taken away.

    Yosys leaves a register behind a memory in flip-flops. A word comes 5.8 ns after the clock without the memory's own
    register, and much sooner with it. It takes a port's flip-flops where each bit that is used goes to one of them and
    nowhere else, and they share the port's clock and have neither an enable nor a reset.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    return sum(_absorb(module) for module in netlist["modules"].values())


def open_chains(netlist: dict[str, Any]) -> int:
    """Leave the ends of ECP5's carry chains open where nothing depends on them, in place; returns how many ends.

    nextpnr puts a cell before a carry in that is a constant, and one behind a carry out that has a net, even if nobody
    reads it. Nothing depends on the carry in of a half that never hands it on, and whose sum nobody reads: such halves
    begin the chains of `hdl.array.popcount.carry`, and those of `hdl.array.popcount.tree`, where both operands are the
    same signal.

    Parameters
    ----------
    netlist : dict
        As Yosys writes it in JSON.
    """
    return sum(_open(module) for module in netlist["modules"].values())


def _open(module: dict[str, Any]) -> int:
    chains = [cell for cell in module["cells"].values() if cell["type"] == "CCU2C"]
    if not chains:
        return 0
    readers = Counter(bit for cell in module["cells"].values() for pin, bits in cell["connections"].items()
                      if cell["port_directions"].get(pin) == "input" for bit in bits)
    readers.update(bit for port in module.get("ports", {}).values() for bit in port["bits"])
    opened = 0
    for cell in chains:
        pins = cell["connections"]
        if (pins["CIN"] in (["0"], ["1"]) and not any(readers[bit] for bit in pins.get("S0", ()))
                and not _may_pass(cell)):
            pins["CIN"] = ["x"]
            opened += 1
        if not any(readers[bit] for bit in pins.get("COUT", ())) and pins.get("COUT", ["x"]) != ["x"]:
            pins["COUT"] = ["x"]
            opened += 1
    return opened


def _may_pass(cell: Cell) -> bool:
    """Whether the lower half of a CCU2C may hand its carry on: whether what it looks up is 1 for any inputs."""
    table = int(cell["parameters"]["INIT0"], 2)
    inputs = [cell["connections"].get(pin, ["0"])[0] for pin in ("A0", "B0", "C0", "D0")]
    signals = sorted({bit for bit in inputs if isinstance(bit, int)})
    for bits in itertools.product((0, 1), repeat=len(signals)):
        known = dict(zip(signals, bits, strict=True)) | {"0": 0, "1": 1, "x": 0}
        if table >> sum(known[bit] << place for place, bit in enumerate(inputs)) & 1:
            return True
    return False


def _absorb(module: dict[str, Any]) -> int:
    cells: dict[str, Cell] = module["cells"]
    users: dict[int, list[tuple[str, str]]] = {}
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"].get(pin) == "input":
                for bit in bits:
                    users.setdefault(bit, []).append((name, pin))
    for port in module.get("ports", {}).values():
        for bit in port["bits"]:
            users.setdefault(bit, []).append(("", ""))
    taken = 0
    for cell in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        # a word of 36 bits leaves by both ports
        whole = int(cell["parameters"]["DATA_WIDTH_B"], 2) == WIDEST_WORD
        for ports in ("AB",) if whole else ("A", "B"):
            pins = cell["connections"]
            registers = {pin: users[bit] for pin, (bit, *_) in pins.items()
                         if pin[:-1].rstrip("0123456789") in {f"DO{port}" for port in ports} and bit in users}
            if not registers or not all(_plain_register(cells, found, pins[f"CLK{ports[-1]}"])
                                        for found in registers.values()):
                continue
            for pin, [(name, _)] in registers.items():
                pins[pin] = cells.pop(name)["connections"]["Q"]
            for port in ports:
                cell["parameters"][f"REGMODE_{port}"] = "OUTREG"
                pins[f"OCE{port}"] = ["1"]
            taken += len(registers)
    return taken


def _plain_register(cells: Mapping[str, Cell], users: list[tuple[str, str]], clock: list[Any]) -> bool:
    """Whether the one user of a bit is a flip-flop that does nothing but hold it, with this clock."""
    if len(users) != 1 or users[0][1] != "DI":
        return False
    cell = cells[users[0][0]]
    pins = cell["connections"]
    return (cell["type"] == "TRELLIS_FF" and pins["CLK"] == clock and cell["parameters"]["CLKMUX"] == "CLK"
            and all(pins.get(pin, [idle]) == [idle] for pin, idle in (("CE", "1"), ("LSR", "0")))
            and cell["parameters"].get("CEMUX", "1").strip() in ("1", "CE"))


def doubled(pins: dict[str, list[Any]], one: str, other: str) -> bool:
    return pins[one] == pins[other] and isinstance(pins[one][0], int)


class Parting:
    """The work on one module."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.cells: dict[str, Cell] = module["cells"]
        self.bits = self._largest(module)
        self.drivers = {cell["connections"][pin][0]: name for name, cell in self.cells.items()
                        for pin in self._outputs(cell)}
        self.copies: dict[int, int] = {}

    def part(self) -> int:
        for cell in list(self.cells.values()):
            pins = cell["connections"]
            if cell["type"] == "SB_CARRY" and doubled(pins, "I0", "I1"):
                pins["I1"] = [self._copy(pins["I0"][0])]
        for cell in list(self.cells.values()):
            pins = cell["connections"]
            if cell["type"] == "SB_LUT4" and doubled(pins, "I1", "I2") and pins["I1"][0] in self.copies:
                pins["I2"] = [self.copies[pins["I1"][0]]]
        return len(self.copies)

    @staticmethod
    def _outputs(cell: Cell) -> Iterator[str]:
        """The output pin of a LUT or flip-flop; other cells are not copied."""
        if cell["type"] == "SB_LUT4":
            yield "O"
        elif cell["type"].startswith("SB_DFF"):
            yield "Q"

    @staticmethod
    def _largest(module: dict[str, Any]) -> int:
        nets = [*(pins for cell in module["cells"].values() for pins in cell["connections"].values()),
                *(port["bits"] for port in module.get("ports", {}).values())]
        return max((bit for pins in nets for bit in pins if isinstance(bit, int)), default=1)

    def _new(self, name: str, cell: Cell, pin: str) -> int:
        self.bits += 1
        cell["connections"][pin] = [self.bits]
        self.cells[name] = cell
        return self.bits

    def _copy(self, bit: int) -> int:
        """A second signal with the value of ``bit``."""
        if bit not in self.copies:
            self.copies[bit] = self._drive_again(bit)
        return self.copies[bit]

    def _drive_again(self, bit: int) -> int:
        name = self.drivers.get(bit)
        if name is None:            # a port, a memory, a carry: a LUT that passes it on
            cell: Cell = {"hide_name": 0, "type": "SB_LUT4", "parameters": {"LUT_INIT": f"{0xAAAA:016b}"},
                    "attributes": {},
                    "port_directions": {"I0": "input", "I1": "input", "I2": "input", "I3": "input", "O": "output"},
                    "connections": {"I0": [bit], "I1": ["0"], "I2": ["0"], "I3": ["0"]}}
            return self._new(f"passed_on_{bit}", cell, "O")
        cell = copy.deepcopy(self.cells[name])
        if cell["type"] == "SB_LUT4":
            return self._new(f"{name}_again", cell, "O")
        before = self.drivers.get(cell["connections"]["D"][0])
        if before is not None and self.cells[before]["type"] == "SB_LUT4":
            lut = copy.deepcopy(self.cells[before])
            cell["connections"]["D"] = [self._new(f"{before}_again", lut, "O")]
        return self._new(f"{name}_again", cell, "Q")
