"""The epilogue of the rows: activation banks with their addresses, requantization, threshold units."""

from amaranth.hdl import Cat, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.control.address_generator import AddressGenerator
from signum.hdl.host.bus import DATA_BITS, AddressMap, Region
from signum.hdl.host.fault_recorder import fault, fault_layout, first_of
from signum.hdl.lib.delay import behind_registers, delay
from signum.hdl.lib.memory import Bank
from signum.hdl.lib.share import Vector, add_shared, portions

from .requantize import Requantize
from .threshold import ThresholdUnit, combine_layout

__all__ = ["Epilogue", "control_layout", "host_layout"]


def fill_layout(config: ArrayConfig, **value: data.ShapeLike) -> data.StructLayout:
    """A value for row ``fill_row``, or for all rows, with the strobes that store, take and clear it."""
    return data.StructLayout({"take": 1, "clear": 1, "fill": 1, "fill_all": 1,
                              "fill_row": bits_to_hold(config.rows - 1), **value})


def control_layout(config: ArrayConfig) -> data.StructLayout:
    """Control signals that pass down the tile rows, a tile row a cycle.

    Fields
    ------
    pixel
        Addresses of the rows' pixels; see `AddressGenerator`.
    offset, pattern
        See `AddressGenerator`.
    beat, combine
        See `ThresholdUnit`.
    scale, bias : only with ``config.requantize_depth``
        Scales and offsets of the sums of a beat; see `Requantize`.
    border : only with ``config.zero_padding``
        Border classes of the rows' pixels; see `ThresholdUnit`.
    thresholds : only with ``config.raw_depth``
        Entries of all rows at the address in ``combine``, ``config.memory_latency`` later; see `ThresholdUnit`.
    steps, compares : only with ``config.parity``
        The word at ``offset`` and ``pattern`` is used, and the thresholds at the address in ``combine`` are; the
        latter only where a row has all its thresholds.
    """
    fields: dict[str, data.ShapeLike] = {
        "pixel": fill_layout(config, next=data.ArrayLayout(config.activation_bits, config.access_patterns)),
        "offset": config.activation_bits,
        "pattern": bits_to_hold(config.access_patterns - 1),
        "beat": bits_to_hold(config.beats - 1),
        "combine": combine_layout(config),
    }
    if config.requantize_depth:
        fields |= {"scale": Vector(config.scale_bits, config.drain_width),
                   "bias": Vector(config.offset_bits, config.drain_width)}
    if config.zero_padding:
        fields["border"] = fill_layout(config, offset=config.threshold_bits)
    if config.raw_depth:
        fields["thresholds"] = Vector(config.sum_bits, config.drain_width)
    if config.parity:
        fields |= {"steps": 1, **({} if config.raw_depth else {"compares": 1})}
    return data.StructLayout(fields)


def host_layout(config: ArrayConfig) -> data.StructLayout:
    """A write of the host, broadcast to all rows.

    Fields
    ------
    unit
        Number of a row.
    thresholds, activations
        Write the memory of this row.
    all_thresholds, all_activations
        Write the memories of all rows.
    slices, columns
        Write enables of the slices of an activation word, and of the thresholds of a beat.
    data
        Threshold; activation words come through the writeback unit.
    """
    layout = AddressMap(config)
    return data.StructLayout({
        "unit": max(1, layout.unit_bits), "thresholds": 1, "all_thresholds": 1, "activations": 1, "all_activations": 1,
        "slices": layout.slices, "columns": config.drain_width, "data": DATA_BITS})


class Epilogue(wiring.Component):
    """For each row the address generator and the activation bank; for each sum of a beat the requantization and the
    threshold unit; for each tile row the registers that pass the control on. Stacked as the `Rows` of the array.

    Parameters
    ----------
    config : ArrayConfig
    rows : int
        Number of rows; a multiple of ``config.rows_per_tile``, except at the end of the array.

    Members
    -------
    first_row : In
        Number of the first row; a constant.
    control : In(control_layout), control_next : Out(control_layout)
        The control, a cycle later for each tile row.
    residual : In(1), only with ``config.requantize_depth``
        See `Requantize.enable`.
    host : In(host_layout)
    write : In(1), write_address : In(activation_bits), words : In(word_bits), one for each row
        Write to all banks; see `WritebackUnit`. Writes of the host use this address and these words.
    activations : Out(word_bits), one for each row
        See `Bank.read_data`.
    sums : In(drain_bits), one for each row
    elements : Out(drain_width * element_bits), results : Out(drain_width * sum_bits), one for each row
        ``element`` and ``host_read`` of each `ThresholdUnit`.
    fault : In(fault_layout), fault_next : Out(fault_layout), only with ``config.parity``
        The first fault of the rows, a cycle later for each tile row; see `hdl.host.fault_recorder`.
    wrong : Out(1 + drain_width), one for each row, only with ``config.parity``
        `Bank.wrong` of ``activations``, and of each of ``results``.
    """

    def __init__(self, *, config: ArrayConfig, rows: int) -> None:
        self.config = config
        self.rows = rows
        self.share_key = (config, rows)
        super().__init__({
            "first_row": In(bits_to_hold(config.rows - 1)),
            "control": In(control_layout(config)),
            "control_next": Out(control_layout(config)),
            **({"residual": In(1)} if config.requantize_depth else {}),
            "host": In(host_layout(config)),
            "write": In(1),
            "write_address": In(config.activation_bits),
            "words": In(Vector(config.word_bits, rows)),
            "activations": Out(Vector(config.word_bits, rows)),
            "sums": In(Vector(config.drain_bits, rows)),
            "elements": Out(Vector(config.drain_width * config.element_bits, rows)),
            "results": Out(Vector(config.drain_width * config.sum_bits, rows)),
            **({"fault": In(fault_layout(config)), "fault_next": Out(fault_layout(config)),
                "wrong": Out(Vector(1 + config.drain_width, rows))} if config.parity else {}),
        })
        self.faults: list[Value] = []

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.rows <= self.config.rows_per_tile:
            for r in range(self.rows):
                self._row(m, r)
            m.d.sync += self.control_next.eq(self.control)
            if self.config.parity:
                m.d.sync += self.fault_next.eq(first_of([self.fault.as_value(), *self.faults]))
        else:
            self._stack(m)
        return m

    def _stack(self, m: Module) -> None:
        control = self.control
        fault_before = self.fault if self.config.parity else None
        for number, rows in enumerate(portions(self.rows, self.config.rows_per_tile)):
            part = Epilogue(config=self.config, rows=rows.stop - rows.start)
            add_shared(m, f"ends_{number}", part)
            m.d.comb += [
                part.first_row.eq(self.first_row + rows.start),
                part.control.eq(control),
                part.host.eq(self.host),
                part.write.eq(self.write),
                part.write_address.eq(self.write_address),
                part.words.eq(self.words[rows]),
                part.sums.eq(self.sums[rows]),
                self.activations[rows].eq(part.activations),
                self.elements[rows].eq(part.elements),
                self.results[rows].eq(part.results),
            ]
            if self.config.requantize_depth:
                m.d.comb += part.residual.eq(self.residual)
            if self.config.parity:
                m.d.comb += [part.fault.eq(fault_before), self.wrong[rows].eq(part.wrong)]
                fault_before = part.fault_next
            control = part.control_next
        m.d.comb += self.control_next.eq(control)
        if self.config.parity:
            m.d.comb += self.fault_next.eq(fault_before)

    def _row(self, m: Module, r: int) -> None:
        config, control, host = self.config, self.control, self.host
        number = self.first_row + r
        mine = host.unit == number
        bank = Bank(width=config.word_bits, depth=config.activation_depth, registers=config.memory_registers,
                    parity=bool(config.parity))
        address = AddressGenerator(config=config)
        add_shared(m, f"activations_{r}", bank)
        add_shared(m, f"address_{r}", address)
        m.d.comb += [
            address.take.eq(control.pixel.take),
            address.clear.eq(control.pixel.clear),
            address.fill.eq(fills(control.pixel, number)),
            Cat(address.next).eq(control.pixel.next),
            address.offset.eq(control.offset),
            address.pattern.eq(control.pattern),
            bank.read_address.eq(address.address),
            bank.write_address.eq(self.write_address),
            bank.write_data.eq(self.words[r]),
            bank.write.eq(self.write.replicate(len(host.slices))
                          | Mux(host.all_activations | host.activations & mine, host.slices, 0)),
            self.activations[r].eq(bank.read_data),
        ]
        units = [self._threshold(m, r, k, number, mine) for k in range(config.drain_width)]
        m.d.comb += [
            self.elements[r].eq(Cat(unit.element for unit in units)),
            self.results[r].eq(Cat(unit.host_read for unit in units)),
        ]
        if config.parity:
            self._check(m, r, number, bank.wrong, address.address, units)

    def _check(self, m: Module, r: int, number: Value, wrong: Value, address: Value,
               units: list[ThresholdUnit]) -> None:
        """The faults of a row: a word of a step, and thresholds that are compared."""
        config, control, latency = self.config, self.control, self.config.memory_latency
        wrong_thresholds = Cat(unit.wrong for unit in units)
        # the units read one address, but behind gates; then it is that of the first wrong entry
        places = [behind_registers(m, unit.address, latency, f"address_{Region.THRESHOLDS.name.lower()}_{r}_{k}")
                  for k, unit in enumerate(units if config.gate else [])]
        m.d.comb += self.wrong[r].eq(Cat(wrong, wrong_thresholds))
        used = [(Region.ACTIVATIONS, control.steps, wrong, address)]
        if not config.raw_depth:        # else the thresholds are of all rows
            used.append((Region.THRESHOLDS, control.compares, wrong_thresholds.any(), units[0].address))
        for region, strobe, bad, place in used:
            name = f"{region.name.lower()}_{r}"
            word = (first_of([Cat(unit.wrong, at) for unit, at in zip(units, places, strict=True)])[1:]
                    if config.gate and region == Region.THRESHOLDS else
                    behind_registers(m, place, latency, f"address_{name}"))
            self.faults.append(fault(config, wrong=bad & delay(m, strobe, latency, f"use_{name}"), region=region,
                                     unit=number, word=word))

    def _threshold(self, m: Module, r: int, k: int, number: Value, mine: Value) -> ThresholdUnit:
        """The threshold unit of the ``k``-th sum of a beat."""
        config, control, host = self.config, self.control, self.host
        threshold = ThresholdUnit(config=config)
        add_shared(m, f"threshold_{r}_{k}", threshold)
        m.d.comb += [
            threshold.beat.eq(control.beat),
            threshold.combine.eq(control.combine),
            threshold.sum.eq(self._operand(m, r, k)),
            threshold.host_write.eq((host.all_thresholds | host.thresholds & mine) & host.columns[k]),
            threshold.host_data.eq(host.data),
        ]
        if config.raw_depth:
            m.d.comb += threshold.threshold.eq(control.thresholds[k])
        if config.zero_padding:
            m.d.comb += [
                threshold.take.eq(control.border.take),
                threshold.clear.eq(control.border.clear),
                threshold.fill.eq(fills(control.border, number)),
                threshold.offset.eq(control.border.offset),
            ]
        return threshold

    def _operand(self, m: Module, r: int, k: int) -> Value:
        """The operand of the threshold unit: the row's sum, or the level of a residual layer."""
        value = self.sums[r].word_select(k, self.config.acc_bits)
        if not self.config.requantize_depth:
            return value
        unit = Requantize(config=self.config)
        add_shared(m, f"requantize_{r}_{k}", unit)
        m.d.comb += [
            unit.sum.eq(value),
            unit.scale.eq(self.control.scale[k]),
            unit.offset.eq(self.control.bias[k]),
            unit.enable.eq(self.residual),
        ]
        return unit.operand


def fills(values: data.View, row: Value) -> Value:
    return values.fill & (values.fill_all | (values.fill_row == row))
