"""Reader and writer of RTLIL netlists without processes: wires, cells and connections, bit by bit."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Bit", "Cell", "Netlist", "Signal", "Wire", "format_netlists", "format_signal", "parse_netlists",
           "parse_signal"]

Bit = tuple[str, int] | str
"""A bit of a wire, by the wire's name and the bit's index from 0, or a constant: "0", "1", "x" or "z"."""
Signal = list[Bit]
"""Bits, the lowest first."""

TOKEN = re.compile(r"[{}]|\[(?P<high>\d+)(?::(?P<low>\d+))?\]|(?P<width>\d+)'s?(?P<bits>[01xzm-]*)|(?P<integer>-?\d+)"
                   r"|(?P<name>[\\$]\S+)")
PARAMETER = re.compile(r"((?:signed |real )?\S+) (.*)")


@dataclass
class Wire:
    """A wire; ``port`` is "input", "output", "inout" or "", ``order`` the position among the ports.

    ``offset`` is the number of its lowest bit in Verilog; signals count from 0. Signedness is dropped: cells have it as
    a parameter.
    """

    name: str
    width: int = 1
    port: str = ""
    order: int = 0
    offset: int = 0
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass
class Cell:
    """A cell of Yosys (its kind begins with ``$``) or an instance of a module; parameters as text."""

    kind: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    ports: dict[str, Signal] = field(default_factory=dict)


@dataclass
class Netlist:
    """A module.

    Members
    -------
    wires, cells : dict by name
    connections : list of pairs
        The driven signal and its driver.
    """

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    parameters: list[str] = field(default_factory=list)
    wires: dict[str, Wire] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    connections: list[tuple[Signal, Signal]] = field(default_factory=list)

    def ports(self) -> dict[str, Wire]:
        """The wires that are ports, in their order."""
        return {wire.name: wire for wire in sorted(self.wires.values(), key=lambda wire: wire.order) if wire.port}

    def add_wire(self, base: str, width: int) -> Wire:
        """A new wire named ``base``, or ``base_2`` and so on where the name is taken."""
        name, number = base, 1
        while name in self.wires or name in self.cells:
            number += 1
            name = f"{base}_{number}"
        wire = self.wires[name] = Wire(name, width)
        return wire


def parse_signal(text: str, wires: Mapping[str, Wire]) -> Signal:
    """The bits of a signal in RTLIL."""
    parts: list[Signal] = []
    for token in TOKEN.finditer(text):
        if token["name"]:
            parts.append([(token["name"], i) for i in range(wires[token["name"]].width)])
        elif token["high"]:
            low = int(token["low"] or token["high"])
            parts[-1] = parts[-1][low:int(token["high"]) + 1]
        elif token["width"]:
            bits = token["bits"].replace("-", "x")
            above = bits[0] if bits[:1] in ("x", "z") else "0"      # omitted by Yosys
            parts.append(list(reversed(bits.rjust(int(token["width"]), above))))
        elif token["integer"]:
            parts.append([str(int(token["integer"]) >> i & 1) for i in range(32)])
    return [bit for part in reversed(parts) for bit in part]


def parse_netlists(text: str) -> list[Netlist]:
    """The modules of RTLIL written by Yosys after ``proc`` and ``memory_collect``.

    Raises
    ------
    ValueError
        If a line does not belong to a netlist: a line of a process, for example.
    """
    netlists: list[Netlist] = []
    attributes: dict[str, str] = {}
    cell: Cell | None = None
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        if word == "attribute":
            name, _, value = rest.partition(" ")
            attributes[name] = value
        elif word == "module":
            netlists.append(Netlist(rest, attributes))
            attributes = {}
        elif word == "wire":
            *options, name = rest.split()
            wire = Wire(name, attributes=attributes)
            while options:
                option = options.pop(0)
                if option in ("input", "output", "inout"):
                    wire.port, wire.order = option, int(options.pop(0))
                elif option in ("width", "offset"):
                    setattr(wire, option, int(options.pop(0)))
                elif option != "signed":
                    raise ValueError(f"line {number} of RTLIL must be of a netlist, not {line.strip()!r}")
            netlists[-1].wires[name] = wire
            attributes = {}
        elif word == "cell":
            kind, name = rest.split()
            cell = netlists[-1].cells[name] = Cell(kind, name, attributes)
            attributes = {}
        elif word == "parameter":
            found = PARAMETER.fullmatch(rest)
            if cell and found:
                cell.parameters[found[1]] = found[2]
            else:
                netlists[-1].parameters.append(rest)
        elif word == "connect":
            wires = netlists[-1].wires
            if cell:
                name, _, value = rest.partition(" ")
                cell.ports[name] = parse_signal(value, wires)
            else:
                left, right = split_connection(rest)
                netlists[-1].connections.append((parse_signal(left, wires), parse_signal(right, wires)))
        elif word == "end":
            cell = None
        elif word and word != "autoidx" and not word.startswith("#"):
            raise ValueError(f"line {number} of RTLIL must be of a netlist, not {line.strip()!r}")
    return netlists


def split_connection(text: str) -> tuple[str, str]:
    """The two signals of a connection."""
    depth = 0
    words = text.split(" ")
    for place, word in enumerate(words):
        depth += (word == "{") - (word == "}")
        if depth == 0 and not (place + 1 < len(words) and words[place + 1].startswith("[")):
            return " ".join(words[:place + 1]), " ".join(words[place + 1:])
    raise ValueError(f"a connection of RTLIL must be of two signals, not {text!r}")


def format_signal(signal: Signal, wires: Mapping[str, Wire]) -> str:
    """The RTLIL text of a signal."""
    parts: list[str] = []
    place = 0
    while place < len(signal):
        end, bit = place + 1, signal[place]
        if isinstance(bit, str):
            while end < len(signal) and isinstance(signal[end], str):
                end += 1
            parts.append(f"{end - place}'{''.join(map(str, reversed(signal[place:end])))}")
        else:
            name, low = bit
            while end < len(signal) and signal[end] == (name, low + end - place):
                end += 1
            width = end - place
            whole = width == wires[name].width
            bits = "" if whole else f" [{low}]" if width == 1 else f" [{low + width - 1}:{low}]"
            parts.append(name + bits)
        place = end
    return parts[0] if len(parts) == 1 else f"{{ {' '.join(reversed(parts))} }}"


def format_netlists(netlists: Iterable[Netlist]) -> str:
    """RTLIL of modules."""
    lines: list[str] = []

    def attribute(attributes: Mapping[str, str], blanks: str) -> None:
        lines.extend(f"{blanks}attribute {name} {value}" for name, value in attributes.items())

    for netlist in netlists:
        attribute(netlist.attributes, "")
        lines.append(f"module {netlist.name}")
        lines.extend(f"  parameter {parameter}" for parameter in netlist.parameters)
        for wire in netlist.wires.values():
            attribute(wire.attributes, "  ")
            options = [f"width {wire.width}"] * (wire.width != 1) + [f"offset {wire.offset}"] * (wire.offset != 0)
            options += [f"{wire.port} {wire.order}"] * bool(wire.port)
            lines.append(" ".join(["  wire", *options, wire.name]))
        for cell in netlist.cells.values():
            attribute(cell.attributes, "  ")
            lines.append(f"  cell {cell.kind} {cell.name}")
            lines.extend(f"    parameter {name} {value}" for name, value in cell.parameters.items())
            lines.extend(f"    connect {port} {format_signal(signal, netlist.wires)}"
                         for port, signal in cell.ports.items())
            lines.append("  end")
        lines.extend(f"  connect {format_signal(left, netlist.wires)} {format_signal(right, netlist.wires)}"
                     for left, right in netlist.connections)
        lines.append("end")
    return "\n".join(lines) + "\n"
