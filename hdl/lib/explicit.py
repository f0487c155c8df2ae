"""Netlists without a message of strict linters: equal operand widths, no unread bits, plain names.

Verilog extends and truncates operands implicitly, and linters warn of each case. Yosys writes a cell as an operator of
its signals, so the signals are given the width of the operation. The widths follow from the cells' parameters, no
value changes, and synthesis strips the added bits again.
"""

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping

from .keywords import is_reserved
from .rtlil import Bit, Cell, Netlist, Signal, format_signal, parse_signal

__all__ = ["equal_widths", "explicit", "open_pins", "plain", "read_bits_alone", "unread_inputs"]

ARITHMETIC = {"$add", "$sub", "$and", "$or", "$xor", "$xnor"}
AS_WIDE_AS_RESULT = {"$not", "$neg", "$pos", "$shl", "$sshl"}
COMPARISON = {"$eq", "$ne", "$eqx", "$nex", "$lt", "$le", "$gt", "$ge"}
LOW_BITS = {"$add", "$sub", "$mul", "$neg"}         # the low bits of a result follow from the low bits of operands
BITWISE = {"$and": "AB", "$or": "AB", "$xor": "AB", "$xnor": "AB", "$not": "A", "$mux": "AB", "$dff": "D"}
RESULTS = {"\\Y", "\\Q", "\\RD_DATA"}               # outputs of Yosys's cells


def of_library(netlist: Netlist) -> bool:
    """Whether a module is a library cell of a family, neither changed nor written."""
    return not {"\\blackbox", "\\whitebox"}.isdisjoint(netlist.attributes)


def extend(signal: Signal, width: int, signed: bool) -> Signal:
    """The signal truncated to a width, or extended by its sign or by zeros."""
    above: Bit = signal[-1] if signed and signal else "0"
    return signal[:width] + [above] * (width - len(signal))


def set_port(cell: Cell, port: str, signal: Signal) -> None:
    cell.ports[f"\\{port}"] = signal
    width = f"\\{port}_WIDTH"
    if width in cell.parameters:
        cell.parameters[width] = str(len(signal))


def equal_widths(netlist: Netlist) -> None:
    """Extend or truncate the operands of each cell to the width of its operation.

    A sum is as wide as its result, a comparison as its wider operand. Operands of a multiplication stay narrower than
    the product, since multiplier blocks are inferred from their widths, and linters know that products are wider.
    ``!`` of several bits becomes a comparison with zero.
    """
    for cell in netlist.cells.values():
        a, b, y = (cell.ports.get(f"\\{port}", []) for port in "ABY")
        signed = cell.parameters.get("\\A_SIGNED", "0").endswith("1")
        if cell.kind in ARITHMETIC:
            set_port(cell, "A", extend(a, len(y), signed))
            set_port(cell, "B", extend(b, len(y), signed))
        elif cell.kind in COMPARISON:
            width = max(len(a), len(b))
            set_port(cell, "A", extend(a, width, signed))
            set_port(cell, "B", extend(b, width, signed))
        elif cell.kind == "$mul":
            set_port(cell, "A", a[:len(y)])
            set_port(cell, "B", b[:len(y)])
        elif cell.kind in AS_WIDE_AS_RESULT:
            set_port(cell, "A", extend(a, len(y), signed))
        elif cell.kind in ("$shr", "$sshr"):
            width = max(len(a), len(y))
            set_port(cell, "A", extend(a, width, signed))
            if width > len(y):
                rest = netlist.add_wire("\\unused", width - len(y))
                set_port(cell, "Y", y + [(rest.name, i) for i in range(rest.width)])
        elif cell.kind == "$logic_not" and len(a) > 1:
            cell.kind = "$eq"
            cell.parameters |= {"\\B_SIGNED": "0", "\\B_WIDTH": "0", "\\A_SIGNED": "0"}
            set_port(cell, "B", ["0"] * len(a))


def inputs_of(cell: Cell, outputs: Iterable[str]) -> Signal:
    return [bit for port, signal in cell.ports.items() if port not in outputs for bit in signal]


def outputs_of(cell: Cell, modules: Mapping[str, Netlist]) -> list[str]:
    """Names of the ports at which a cell drives bits."""
    if cell.kind in modules:
        ports = modules[cell.kind].ports()
        return [port for port in cell.ports if ports[port].port == "output"]
    return [port for port in cell.ports if port in RESULTS]


def dependencies(cell: Cell, modules: Mapping[str, Netlist]) -> Iterator[tuple[Bit, Signal]]:
    """Each bit driven by a cell, and the bits that determine it."""
    outputs = outputs_of(cell, modules)
    everything = inputs_of(cell, outputs)
    for output in outputs:
        for place, bit in enumerate(cell.ports[output]):
            if cell.kind in BITWISE:
                operands = [f"\\{port}" for port in BITWISE[cell.kind]]
                yield bit, [cell.ports[port][place] for port in operands] + inputs_of(cell, [output, *operands])
            elif cell.kind in LOW_BITS:
                yield bit, [bit for port in "AB" for bit in cell.ports.get(f"\\{port}", [])[:place + 1]]
            else:
                yield bit, everything


def stays(cell: Cell) -> bool:
    """Whether a cell with unread outputs stays: an instance, a memory, a cell with ``keep``."""
    return not cell.kind.startswith("$") or cell.kind.startswith("$mem") or "\\keep" in cell.attributes


def read_bits(netlist: Netlist, modules: Mapping[str, Netlist]) -> set[Bit]:
    """The bits of a module that determine its outputs, instances and memories."""
    follows: dict[Bit, Signal] = defaultdict(list)
    waiting: Signal = [(wire.name, i) for wire in netlist.wires.values() for i in range(wire.width)
                       if wire.port in ("output", "inout") or "\\keep" in wire.attributes]
    for cell in netlist.cells.values():
        if stays(cell):
            waiting += inputs_of(cell, outputs_of(cell, modules))
        else:
            for bit, sources in dependencies(cell, modules):
                follows[bit] += sources
    for left, right in netlist.connections:
        for bit, source in zip(left, right, strict=True):
            follows[bit].append(source)
    read: set[Bit] = set()
    while waiting:
        bit = waiting.pop()
        if bit not in read and not isinstance(bit, str):
            read.add(bit)
            waiting += follows[bit]
    return read


def operation(cell: Cell) -> tuple[Bit | str, ...]:
    """The kind of a cell and its operands."""
    return cell.kind, *cell.parameters.values(), *inputs_of(cell, ["\\Y"])


def runs(left: Signal, right: Signal, read: Container[Bit]) -> Iterator[tuple[Signal, Signal]]:
    """The read part of a connection, one connection for each run of consecutive bits of a wire on its left."""
    run: list[tuple[Bit, Bit]] = []
    for driven, source in zip(left, right, strict=True):
        if driven in read:
            if run and driven != next_bit(run[-1][0]):
                yield [bit for bit, _ in run], [bit for _, bit in run]
                run = []
            run.append((driven, source))
    if run:
        yield [bit for bit, _ in run], [bit for _, bit in run]


def next_bit(bit: Bit) -> Bit:
    return bit if isinstance(bit, str) else (bit[0], bit[1] + 1)


def read_bits_alone(netlist: Netlist, modules: Mapping[str, Netlist]) -> None:
    """Remove the unread bits of wires, registers and operations.

    A partly read wire becomes a wire for each run of read bits, which keep their numbers. An unread bit that comes with
    read ones, of a difference or of an instance's output, is driven to the wire ``unused``.
    """
    read = read_bits(netlist, modules)
    beside: Signal = []
    name = netlist.add_wire("\\unused", 0).name

    def aside(signal: Signal) -> Signal:
        kept: Signal = []
        for bit in signal:
            if bit in read:
                kept.append(bit)
            else:
                kept.append((name, len(beside)))
                beside.append(bit)
        return kept

    # equal operations stay equal, for synthesis to merge them
    widths: dict[tuple[Bit | str, ...], int] = defaultdict(int)
    for cell in netlist.cells.values():
        if cell.kind in LOW_BITS:
            top = max((i + 1 for i, bit in enumerate(cell.ports["\\Y"]) if bit in read), default=0)
            widths[operation(cell)] = max(widths[operation(cell)], top)

    for cell in list(netlist.cells.values()):
        outputs = outputs_of(cell, modules)
        places = [place for port in outputs for place, bit in enumerate(cell.ports[port]) if bit in read]
        if not places and not stays(cell):
            del netlist.cells[cell.name]
        elif cell.kind in BITWISE:
            for port in (*BITWISE[cell.kind], outputs[0][1:]):
                set_port(cell, port, [cell.ports[f"\\{port}"][place] for place in places])
            if "\\WIDTH" in cell.parameters:
                cell.parameters["\\WIDTH"] = str(len(places))
        else:
            if cell.kind in LOW_BITS:
                width = widths[operation(cell)]
                for port in cell.ports:
                    set_port(cell, port[1:], cell.ports[port][:width])
            for port in outputs:
                cell.ports[port] = aside(cell.ports[port])
    netlist.connections = [run for left, right in netlist.connections for run in runs(left, right, read)]
    netlist.wires[name].width = len(beside)
    cut_wires(netlist, read | {(name, i) for i in range(len(beside))})


def cut_wires(netlist: Netlist, kept: set[Bit]) -> None:
    """Reduce the wires, ports excepted, to the bits of ``kept``."""
    new: dict[Bit, Bit] = {}
    for wire in list(netlist.wires.values()):
        places = [i for i in range(wire.width) if (wire.name, i) in kept]
        if wire.port or (wire.width and len(places) == wire.width):
            continue
        del netlist.wires[wire.name]
        starts = [place for place in places if place - 1 not in places]
        for low in starts:
            width = next(i for i in range(1, wire.width + 1) if low + i not in places)
            part = netlist.add_wire(wire.name if len(starts) == 1 else f"{wire.name}_{low}", width)
            part.offset = wire.offset + low if width > 1 else 0
            part.attributes = dict(wire.attributes)
            if "\\init" in part.attributes:
                bits = parse_signal(part.attributes["\\init"], {})[low:low + width]
                part.attributes["\\init"] = format_signal(bits, {})
            new |= {(wire.name, low + i): (part.name, i) for i in range(width)}
    if new:
        for cell in netlist.cells.values():
            cell.ports = {port: [new.get(bit, bit) for bit in signal] for port, signal in cell.ports.items()}
        netlist.connections = [([new.get(bit, bit) for bit in left], [new.get(bit, bit) for bit in right])
                               for left, right in netlist.connections]


def unread_inputs(netlists: Iterable[Netlist]) -> dict[tuple[str, str], tuple[list[int], int]]:
    """Indices of the unread bits of each input, and the input's width, by module and port."""
    netlists = list(netlists)
    modules = {netlist.name: netlist for netlist in netlists}
    found = {}
    for netlist in netlists:
        if not of_library(netlist):
            read = read_bits(netlist, modules)
            for name, wire in netlist.ports().items():
                places = [i for i in range(wire.width) if (name, i) not in read]
                if wire.port == "input" and places:
                    found[netlist.name[1:], name[1:]] = places, wire.width
    return found


def open_pins(netlists: Iterable[Netlist]) -> list[tuple[str, str]]:
    """Library cells and their pins that some instance leaves open."""
    netlists = list(netlists)
    library = {netlist.name: netlist.ports() for netlist in netlists if of_library(netlist)}
    return sorted({(cell.kind[1:], port[1:]) for netlist in netlists for cell in netlist.cells.values()
                   for port in library.get(cell.kind, ()) if port not in cell.ports})


def plain_name(name: str, taken: Container[str]) -> str:
    """An unreserved Verilog identifier without escapes, derived from ``name`` and not in ``taken``."""
    base = re.sub(r"\W+", "_", name.removeprefix("\\")).strip("_") or "unnamed"
    if base[0].isdigit() or is_reserved(base):
        base = f"{base}_" if is_reserved(base) else f"n{base}"
    new, number = f"\\{base}", 1
    while new in taken:
        number += 1
        new = f"\\{base}_{number}"
    return new


def plain(netlists: Iterable[Netlist], top: str) -> None:
    """Rename wires, instances, memories, and ports of all modules but ``top``, to names without escapes."""
    netlists = list(netlists)
    renamed: dict[str, dict[str, str]] = {}
    for netlist in netlists:
        names = [*netlist.ports(), *netlist.wires, *netlist.cells]
        fixed = netlist.name == top or of_library(netlist)
        new = renamed[netlist.name] = {name: name for name in netlist.ports()} if fixed else {}
        taken = set(new.values())
        public = [name for name in dict.fromkeys(names) if name.startswith("\\") and name not in new]
        # plain names go first, and keep their names
        for name in sorted(public, key=lambda name: plain_name(name, ()) != name):
            new[name] = plain_name(name, taken)
            taken.add(new[name])
    for netlist in netlists:
        new = renamed[netlist.name]

        def moved(signal: Signal, new: dict[str, str] = new) -> Signal:
            return [bit if isinstance(bit, str) else (new.get(bit[0], bit[0]), bit[1]) for bit in signal]

        for wire in netlist.wires.values():
            wire.name = new.get(wire.name, wire.name)
        for cell in netlist.cells.values():
            cell.name = new.get(cell.name, cell.name)
            ports = renamed.get(cell.kind, {})
            cell.ports = {ports.get(port, port): moved(signal) for port, signal in cell.ports.items()}
            if "\\MEMID" in cell.parameters:              # the memory's name in Verilog
                cell.parameters["\\MEMID"] = '"' + cell.name.replace("\\", "\\\\") + '"'
        netlist.wires = {wire.name: wire for wire in netlist.wires.values()}
        netlist.cells = {cell.name: cell for cell in netlist.cells.values()}
        netlist.connections = [(moved(left), moved(right)) for left, right in netlist.connections]


def explicit(netlists: Iterable[Netlist], top: str) -> list[Netlist]:
    """Apply all passes to the modules of a design, in their order; ``top`` keeps the names of its ports."""
    netlists = list(netlists)
    modules = {netlist.name: netlist for netlist in netlists}
    for netlist in netlists:
        if not of_library(netlist):
            equal_widths(netlist)
            read_bits_alone(netlist, modules)
    plain(netlists, f"\\{top}")
    return netlists
