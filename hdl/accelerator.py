"""The accelerator: array, banks, epilogues and sequencer on one bus."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.array.array import Array
from signum.hdl.control.combine import addends, combines_of
from signum.hdl.control.isa import Isa, flag_of
from signum.hdl.control.sequencer import Sequencer
from signum.hdl.host.bus import (
    DATA_BITS,
    MAGIC,
    VERSION,
    AddressMap,
    Region,
    Register,
    bus_signature,
    config_registers,
)
from signum.hdl.host.bus_interface import BusInterface, choose_row
from signum.hdl.lib.delay import delay, skew
from signum.hdl.lib.memory import Bank
from signum.hdl.lib.share import add_shared
from signum.hdl.output.border import Border
from signum.hdl.output.epilogue import Epilogue
from signum.hdl.output.packer import Packer
from signum.hdl.output.pool import Pool
from signum.hdl.output.result_controller import ResultController
from signum.hdl.output.writeback import WritebackUnit

from .config import ArrayConfig

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """A systolic array of binary or 8-bit elements that runs a program autonomously.

    The host writes program, weights, thresholds and input maps over the bus (see `hdl.host.bus`), sets `Control.START`,
    waits until `Status.BUSY` is clear and reads the results. While a program runs, registers may be accessed, and
    weights that the run does not use may be written; other requests wait.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    bus : In(bus_signature)
    busy : Out(1)
        A program runs or starts.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.map = AddressMap(config)
        super().__init__({"bus": In(bus_signature(self.map.address_bits)), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        isa = Isa(config)
        m.submodules.decoder = self.decoder = BusInterface(config=config)
        m.submodules.sequencer = self.sequencer = Sequencer(config=config)
        self.array = Array(config=config)
        m.submodules.drain = self.drain = ResultController(config=config)
        self.pool = Pool(rows=config.rows, cols=config.cols, bits=config.element_bits, width=config.drain_width)
        self.packer = Packer(rows=config.rows, lanes=config.lanes, bits=config.element_bits, width=config.drain_width)
        self.writer = WritebackUnit(config=config)
        self.program = Bank(width=isa.word_bits, depth=config.program_depth, registers=config.memory_registers)
        self.weights = [Bank(width=config.word_bits, depth=config.weight_depth, registers=config.memory_registers)
                        for _ in range(config.cols)]
        self.ends = Epilogue(config=config, rows=config.rows)
        # shared modules: their ports, as wide as the array, stay whole signals
        for name in ("array", "ends", "pool", "packer", "writer", "program"):
            add_shared(m, name, getattr(self, name))
        for c in range(config.cols):
            add_shared(m, f"weights_{c}", self.weights[c])
        if config.requantize_depth:
            # scales and offsets in turn, for each sum of a beat
            self.coefficients = [Bank(width=width, depth=config.requantize_depth)
                                 for width in (config.scale_bits, config.offset_bits) * config.drain_width]
            for k, bank in enumerate(self.coefficients):
                add_shared(m, f"{('scales', 'offsets')[k % 2]}_{k // 2}", bank)
        self._front(m)
        self._back(m)
        self._host(m)
        return m

    def _front(self, m: Module) -> None:
        """From the sequencer through the banks into the array, tile row by tile row and tile column by tile column."""
        config, sequencer, array, control = self.config, self.sequencer, self.array, self.ends.control
        m.d.comb += [
            control.pixel.take.eq(sequencer.take),
            control.pixel.clear.eq(~sequencer.busy),
            control.pixel.fill.eq(sequencer.fill),
            control.pixel.fill_all.eq(sequencer.fill_all),
            control.pixel.fill_row.eq(sequencer.fill_row),
            Cat(control.pixel.next[i] for i in range(config.access_patterns)).eq(Cat(sequencer.fill_next)),
            control.offset.eq(Mux(sequencer.busy, sequencer.offset, self.decoder.word)),
            control.pattern.eq(sequencer.pattern),
            array.a.eq(self.ends.activations),
        ]
        counted_after = config.memory_latency + config.pipeline
        weights = skew(m, sequencer.weight, config.tile_cols, "weight")
        for c, bank in enumerate(self.weights):
            m.d.comb += [bank.read_address.eq(weights[c // config.tile]), array.w[c].eq(bank.read_data)]
        m.d.comb += [
            self.program.read_address.eq(sequencer.program_address),
            sequencer.program_data.eq(self.program.read_data),
            array.first.eq(delay(m, sequencer.first, counted_after - 1, "first")),
        ]
        marks = Cat(sequencer.last, sequencer.ends, sequencer.doubles)
        counted, ended, doubled = delay(m, marks, counted_after, "last")
        m.d.comb += [array.load.eq(counted), self.drain.strobe.eq(counted), self.drain.ends.eq(ended),
                     self.drain.doubles.eq(doubled)]

    def _back(self, m: Module) -> None:
        """From the array through the threshold units to the writeback unit, all rows in step again."""
        config, sequencer, layer, restart = self.config, self.sequencer, self.sequencer.layer, self.sequencer.restart
        drain, control = self.drain, self.ends.control
        beat = delay(m, drain.beat, config.requantize_cycles, "beat")
        later = delay(m, beat, 1, "combine")
        m.d.comb += [
            drain.layer.eq(layer), drain.restart.eq(restart),
            self.writer.layer.eq(layer), self.writer.restart.eq(restart), self.packer.restart.eq(restart),
            control.beat.eq(beat.number),
            control.combine.beat.eq(later.number),
            control.combine.address.eq(Mux(sequencer.busy, later.address, self.decoder.word)),
            *(control.combine[name].eq(later[name]) for name in addends(config)),
            control.combine.double.eq(later.double),
            control.combine.enable.eq(later.enable),
            control.combine.store.eq(later.valid & later.out & later.raw),
        ]
        if config.requantize_depth:
            self._requantization(m)
        if config.zero_padding:
            self._borders(m)
        self._ends(m)
        enable, first, insert, end, final = delay(m, Cat(
            later.enable & later.out, later.first_window, later.valid & later.out & later.last_window & ~later.raw,
            later.end, later.layer_end), config.memory_latency + config.tile_rows, "out")
        m.d.comb += [
            self.pool.enable.eq(enable),
            self.pool.first.eq(first),
            self.packer.insert.eq(insert),
            self.packer.pixel_end.eq(end),
            self.packer.layer_end.eq(final),
            self.writer.flush.eq(self.packer.flush),
            self.writer.flush_end.eq(self.packer.flush_end),
            self.writer.flush_layer_end.eq(self.packer.flush_layer_end),
            sequencer.done.eq(self.writer.done),
        ]

    def _ends(self, m: Module) -> None:
        """Connect the epilogues; the elements of all rows are brought in step."""
        config, ends, writer = self.config, self.ends, self.writer
        tile_rows = [ends.elements[first:first + config.tile] for first in range(0, config.rows, config.tile)]
        m.d.comb += [
            ends.sums.eq(self.array.sums),
            ends.write.eq(writer.write),
            ends.write_address.eq(writer.address),
            ends.words.eq(writer.data),
            self.pool.i.eq(Cat(delay(m, elements, config.tile_rows - 1 - i, f"elements_{i}")
                               for i, elements in enumerate(tile_rows))),
            self.packer.elements.as_value().eq(self.pool.o.as_value()),
            writer.words.eq(self.packer.words),
        ]

    def _requantization(self, m: Module) -> None:
        scales, offsets = self.coefficients[::2], self.coefficients[1::2]
        m.d.comb += [bank.read_address.eq(self.drain.coefficient) for bank in self.coefficients]
        m.d.comb += [
            self.ends.control.scale.eq(Cat(bank.read_data for bank in scales)),
            self.ends.control.bias.eq(Cat(bank.read_data for bank in offsets)),
            self.ends.residual.eq(Cat(flag_of(self.sequencer.layer, row.flag)
                                       for row in combines_of(self.config) if row.requantized).any()),
        ]

    def _borders(self, m: Module) -> None:
        """The border classes of the pixels."""
        config, sequencer, pixel = self.config, self.sequencer, self.ends.control.border
        group = delay(m, self.drain.group, config.requantize_cycles, "group")
        m.submodules.border = border = Border(config=config)
        m.d.comb += [
            border.layer.eq(sequencer.layer),
            border.restart.eq(sequencer.restart),
            border.take.eq(group),
            pixel.take.eq(group),
            pixel.clear.eq(sequencer.restart | ~sequencer.busy),
            pixel.fill.eq(border.fill),
            pixel.fill_all.eq(border.fill_all),
            pixel.fill_row.eq(border.fill_row),
            pixel.offset.eq(border.offset),
        ]

    def _host(self, m: Module) -> None:
        """Connect the bus to the memories and the registers."""
        config, decoder = self.config, self.decoder
        m.d.comb += [
            self.busy.eq(self.sequencer.busy | decoder.starting),
            decoder.busy.eq(self.sequencer.busy),
            self.writer.host.eq(~self.sequencer.busy),
            self.writer.host_address.eq(decoder.word),
            self.writer.host_data.eq(self._wide),
        ]
        wiring.connect(m, wiring.flipped(self.bus), decoder.bus)
        self._host_writes(m)
        rows = [Cat(result, word) for result, word in zip(self.ends.results, self.ends.activations, strict=True)]
        row = choose_row(m, rows, decoder.unit)
        results, activations = row[:len(self.ends.results[0])], row[len(self.ends.results[0]):]
        slices = Choice(activations[s * DATA_BITS:][:DATA_BITS] for s in range(self.map.slices))
        columns = Choice(results.word_select(k, config.sum_bits) for k in range(config.drain_width))
        register = self._registers(m)
        with m.Switch(decoder.region):
            with m.Case(Region.ACTIVATIONS):
                m.d.comb += decoder.answer.eq(slices[decoder.part])
            with m.Case(Region.THRESHOLDS):
                m.d.comb += decoder.answer.eq(columns[decoder.part])
            with m.Default():
                m.d.comb += decoder.answer.eq(register)

    @property
    def _wide(self) -> Value:
        """The bus's data in every slice of a word."""
        return Cat([self.decoder.data] * self.map.slices)[:self.config.word_bits]

    def _host_writes(self, m: Module) -> None:
        config, decoder = self.config, self.decoder
        m.d.comb += [
            self.program.write_address.eq(decoder.word),
            self.program.write_data.eq(Cat([decoder.data] * self.map.program_slices)),
            self.program.write.eq(Mux(decoder.write[Region.PROGRAM], decoder.parts, 0)),
        ]
        slices = decoder.parts[:self.map.slices]
        for c, bank in enumerate(self.weights):
            m.d.comb += [bank.write_address.eq(decoder.word), bank.write_data.eq(self._wide),
                         bank.write.eq(Mux(decoder.write[Region.WEIGHTS] & (decoder.unit == c), slices, 0))]
        for i, bank in enumerate(self.coefficients if config.requantize_depth else ()):
            m.d.comb += [bank.write_address.eq(decoder.word), bank.write_data.eq(decoder.data),
                         bank.write.eq(decoder.write[Region.COEFFICIENTS] & (decoder.unit == i))]
        host = self.ends.host
        m.d.comb += [
            host.unit.eq(decoder.unit),
            host.thresholds.eq(decoder.write[Region.THRESHOLDS]),
            host.all_thresholds.eq(decoder.write[Region.ALL_THRESHOLDS]),
            host.activations.eq(decoder.write[Region.ACTIVATIONS]),
            host.all_activations.eq(decoder.write[Region.ALL_ACTIVATIONS]),
            host.slices.eq(slices),
            host.columns.eq(decoder.parts if config.drain_width > 1 else 1),
            host.data.eq(decoder.data),
        ]

    def _registers(self, m: Module) -> Value:
        """The value of the addressed register; starts runs, and counts runs and cycles."""
        cycles, runs = Signal(32), Signal(8)
        word, busy = self.decoder.word, self.sequencer.busy
        start = self.decoder.write[Region.REGISTERS] & self.decoder.starting
        m.d.comb += self.sequencer.start.eq(start)
        with m.If(start & ~busy):
            m.d.sync += [cycles.eq(0), runs.eq(runs + 1)]
        with m.Elif(busy):
            m.d.sync += cycles.eq(cycles + 1)
        fixed: dict[int, int] = {Register.MAGIC: MAGIC, Register.VERSION: VERSION}
        values = self.config.to_dict()
        fixed |= {place: values[name] for name, place in config_registers(self.config).items()}
        # in four steps, while the bus interface waits: address in range, one-hot select, constant value, value
        live = {Register.STATUS: busy, Register.CYCLES: cycles, Register.RUNS: runs}
        low = max(fixed).bit_length()
        known, which, chosen = Signal(), Signal(1 << low), Signal(len(live))
        constant, read = Signal(DATA_BITS), Signal(DATA_BITS)
        m.d.sync += [
            known.eq(word[low:] == 0),
            which.eq(Cat(known & (word[:low] == at) for at in range(len(which)))),
            constant.eq(Cat(Cat(which[at] for at, value in fixed.items() if value >> bit & 1).any()
                            for bit in range(DATA_BITS))),
            chosen.eq(Cat(which[at] for at in live)),
        ]
        value: Value = constant
        for use, signal in zip(chosen, live.values(), strict=True):
            value = value | Mux(use, signal, 0)
        m.d.sync += read.eq(value)
        return read
