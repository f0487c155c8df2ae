"""What is done to a netlist between synthesis and placement."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["absorb_registers", "part_doubled_inputs"]

Cell = dict[str, Any]


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
        for port in "AB":
            pins = cell["connections"]
            outputs = [pin for pin in pins if pin.startswith(f"DO{port}") and any(bit in users for bit in pins[pin])]
            registers = {pin: users[pins[pin][0]] for pin in outputs}
            if not registers or not all(_plain_register(cells, found, pins[f"CLK{port}"])
                                        for found in registers.values()):
                continue
            for pin, [(name, _)] in registers.items():
                pins[pin] = cells.pop(name)["connections"]["Q"]
            cell["parameters"][f"REGMODE_{port}"] = "OUTREG"
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
