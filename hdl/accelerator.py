"""The accelerator: array, banks, epilogues and sequencer on one bus."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.array.array import Array
from signum.hdl.control.combine import addends, combines_of
from signum.hdl.control.isa import Isa, flag_of
from signum.hdl.control.run_controller import RunController
from signum.hdl.control.sequencer import Sequencer
from signum.hdl.host.bus import (
    DATA_BITS,
    DROPPED_AT,
    MAGIC,
    TABLE_AT,
    VERSION,
    AddressMap,
    Control,
    Region,
    Register,
    RegisterField,
    Status,
    bus_signature,
    config_words,
    stream_registers,
    told_wrong,
)
from signum.hdl.host.bus_interface import BusInterface, choices, choose_row
from signum.hdl.host.fault_recorder import FaultRecorder, fault, first_of
from signum.hdl.input.frame_receiver import pixel_layout
from signum.hdl.input.input_unit import InputUnit
from signum.hdl.lib.delay import behind_registers, delay, skew
from signum.hdl.lib.memory import Bank
from signum.hdl.lib.share import add_shared
from signum.hdl.output.answer_unit import AnswerUnit, answer_layout
from signum.hdl.output.border import Border
from signum.hdl.output.epilogue import Epilogue
from signum.hdl.output.packer import Packer
from signum.hdl.output.pool import Pool
from signum.hdl.output.result_controller import ResultController
from signum.hdl.output.threshold_memory import ThresholdMemory
from signum.hdl.output.writeback import WritebackUnit

from .config import ArrayConfig, bits_to_hold

__all__ = ["Accelerator"]

TABLE_BITS = TABLE_AT.bit_length() - 1
"""Bits of the number of an entry in its table, of which `TABLE_AT` is a multiple."""


class Accelerator(wiring.Component):
    """A systolic array of binary or 8-bit elements that runs a program autonomously.

    The host writes program, weights, thresholds and input maps over the bus (see `hdl.host.bus`), sets `Control.START`,
    waits until `Status.BUSY` is clear and reads the results. While a program runs, registers may be accessed, and
    weights that the run does not use may be written; other requests wait.

    With an input unit the accelerator also runs by itself: the host writes the geometry of input and answers with the
    program, and sets `Control.STREAM`. From then on a run begins when its images have come in, and its answers leave,
    in the order of the images, while the next images come in.

    Parameters
    ----------
    config : ArrayConfig
    polled : bool
        Answers can be taken by `Register.ANSWER`, and `Register.STATUS` tells of them and counts frames.

    Members
    -------
    bus : In(bus_signature)
    busy : Out(1)
        A program runs or starts.
    pixels : In(stream.Signature(pixel_layout)), answers : Out(stream.Signature(answer_layout))
        Images and their answers; only with ``config.streams``. See `InputUnit` and `AnswerUnit`. Answers leave here,
        or by `Register.ANSWER` where ``ready`` stays low.
        With ``config.parity`` no answer leaves between a fault and its clearing (see `Status.FAULT`).
    expects_first, expects_last : Out(1), only with ``config.streams``
        The marks of the next value, for a source that has none; see `FrameReceiver`.
    """

    def __init__(self, *, config: ArrayConfig, polled: bool = True) -> None:
        self.config = config
        self.polled = polled
        self.map = AddressMap(config)
        streams = {"pixels": In(stream.Signature(pixel_layout)), "answers": Out(stream.Signature(answer_layout)),
                   "expects_first": Out(1), "expects_last": Out(1)}
        super().__init__({"bus": In(bus_signature(self.map.address_bits)), "busy": Out(1),
                          **(streams if config.streams else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        isa = Isa(config)
        m.submodules.decoder = self.decoder = BusInterface(config=config)
        m.submodules.sequencer = self.sequencer = Sequencer(config=config)
        self.array = Array(config=config)
        m.submodules.drain = self.drain = ResultController(config=config)
        self.pool = Pool(rows=config.rows, cols=config.cols, bits=config.element_bits, width=config.drain_width,
                         levels=max(1, config.threshold_levels))
        self.packer = Packer(rows=config.rows, lanes=config.lanes, bits=config.element_bits, width=config.drain_width)
        self.writer = WritebackUnit(config=config)
        parity = bool(config.parity)
        self.program = Bank(width=isa.word_bits, depth=config.program_depth, registers=config.memory_registers,
                            parity=parity)
        self.weights = [Bank(width=config.word_bits, depth=config.weight_depth, registers=config.memory_registers,
                             parity=parity) for _ in range(config.cols)]
        self.ends = Epilogue(config=config, rows=config.rows)
        # shared modules: their ports, as wide as the array, stay whole signals
        for name in ("array", "ends", "pool", "packer", "writer", "program"):
            add_shared(m, name, getattr(self, name))
        for c in range(config.cols):
            add_shared(m, f"weights_{c}", self.weights[c])
        if config.requantize_depth:
            # scales and offsets in turn, for each sum of a beat
            self.coefficients = [Bank(width=width, depth=config.requantize_depth, parity=parity)
                                 for width in (config.scale_bits, config.offset_bits) * config.drain_width]
            for k, bank in enumerate(self.coefficients):
                add_shared(m, f"{('scales', 'offsets')[k % 2]}_{k // 2}", bank)
        if config.raw_depth:
            m.submodules.thresholds = self.thresholds = ThresholdMemory(config=config)
        if config.streams:
            m.submodules.input = self.input = InputUnit(config=config)
            m.submodules.answer = self.answer = AnswerUnit(config=config, levels=choices(config.rows))
            m.submodules.controller = self.controller = RunController(config=config)
            self.streaming = Signal()
            self.number = Signal(8)             # of the part of an answer that waits, for the host
        if config.parity:
            # program, weights, rows, reads, coefficients, thresholds of all rows
            m.submodules.recorder = self.recorder = FaultRecorder(
                config=config, sources=4 + bool(config.requantize_depth) + bool(config.raw_depth))
            self.wrong: Value = Signal()        # the row that is read: its word, and each of its results
            self.late = Signal()                # a run has ended, and words that it used are still to be checked
        if config.streams:
            self.passed = self._passed_answers(m)
        self._front(m)
        self._back(m)
        self._host(m)
        if config.parity:
            self._faults(m)
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
            control.offset.eq(Mux(sequencer.busy, sequencer.offset, self._read_word("activation_address"))),
            control.pattern.eq(sequencer.pattern),
            array.a.eq(self.ends.activations),
        ]
        counted_after = config.memory_latency + config.pipeline
        self.weight_addresses = weights = skew(m, sequencer.weight, config.tile_cols, "weight")
        for c, bank in enumerate(self.weights):
            m.d.comb += [bank.read_address.eq(weights[c // config.tile]), array.w[c].eq(bank.read_data)]
        m.d.comb += [
            self.program.read_address.eq(sequencer.program_address),
            sequencer.program_data.eq(self.program.read_data),
            array.first.eq(delay(m, sequencer.first, counted_after - 1, "first")),
        ]
        if config.accumulator_shift:
            m.d.comb += array.shift.eq(delay(m, sequencer.shifts, counted_after - 1, "shift"))
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
            control.combine.address.eq(self._threshold_address(later.address)),
            *(control.combine[name].eq(later[name]) for name in addends(config)),
            control.combine.double.eq(later.double),
            *([control.combine.gated.eq(later.enable & later.gated)] if config.gate else []),
            control.combine.enable.eq(later.enable),
            control.combine.store.eq(later.valid & later.out & later.raw),
        ]
        compared = later.valid & self._compared(later) & ~later.raw
        self.compares: Value = Value.cast(C(0, 1)) if config.signed else compared
        if config.parity:
            m.d.comb += control.steps.eq(sequencer.steps)
        if config.parity and not config.raw_depth:
            m.d.comb += control.compares.eq(self.compares)
        if config.raw_depth:
            m.d.comb += [self.thresholds.address.eq(control.combine.address),
                         control.thresholds.eq(self.thresholds.thresholds)]
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
            *([self.pool.level.eq(sequencer.layer.levels)] if config.threshold_levels > 1 else []),
            self.packer.insert.eq(insert),
            self.packer.pixel_end.eq(end),
            self.packer.layer_end.eq(final),
            self.writer.flush.eq(self.packer.flush),
            self.writer.flush_end.eq(self.packer.flush_end),
            self.writer.flush_layer_end.eq(self.packer.flush_layer_end),
            sequencer.done.eq(self.writer.done),
        ]

    def _compared(self, beat: data.View) -> Value:
        """The sums of a beat are compared: with a threshold, or with a gate."""
        if not self.config.gate:
            return beat.out
        gates = Cat(flag_of(self.sequencer.layer, row.flag) for row in combines_of(self.config) if row.gates).any()
        return beat.out | (gates & ~beat.gated)

    def _ends(self, m: Module) -> None:
        """Connect the epilogues; the elements of all rows are brought in step."""
        config, ends, writer = self.config, self.ends, self.writer
        height = config.rows_per_tile
        tile_rows = [ends.elements[first:first + height] for first in range(0, config.rows, height)]
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
            self.busy.eq(self._running | decoder.starting),
            decoder.busy.eq(self._running | (self.answer.busy if config.streams else 0)),
        ]
        if config.streams:
            self._streams(m)
        else:
            m.d.comb += [
                self.writer.host.eq(~self.sequencer.busy),
                self.writer.host_address.eq(decoder.word),
                self.writer.host_data.eq(self._wide),
            ]
        wiring.connect(m, wiring.flipped(self.bus), decoder.bus)
        self._host_writes(m)
        rows = [Cat(result, word) for result, word in zip(self.ends.results, self.ends.activations, strict=True)]
        if config.parity:
            rows = [Cat(row, wrong) for row, wrong in zip(rows, self.ends.wrong, strict=True)]
        unit: Value = decoder.unit
        if config.streams:
            unit = Mux(self.answer.busy, self.answer.row, unit)
        row = choose_row(m, rows, unit)
        results, activations = row[:len(self.ends.results[0])], row[len(self.ends.results[0]):]
        if config.parity:
            activations, self.wrong = activations[:config.word_bits], activations[config.word_bits:]
        slices = Choice(activations[s * DATA_BITS:][:DATA_BITS] for s in range(self.map.slices))
        columns = Choice(results.word_select(k, config.sum_bits) for k in range(config.drain_width))
        if config.streams:
            m.d.comb += [self.answer.sum.eq(columns[self.answer.lane]), self.answer.map_word.eq(activations)]
        register = self._registers(m)
        with m.Switch(decoder.region):
            with m.Case(Region.ACTIVATIONS):
                m.d.comb += decoder.answer.eq(slices[decoder.part])
            with m.Case(Region.THRESHOLDS):
                m.d.comb += decoder.answer.eq(columns[decoder.part])
            with m.Default():
                m.d.comb += decoder.answer.eq(register)

    def _read_word(self, name: str) -> Value:
        """The address of a read between two runs, of the host or of the answer unit."""
        if not self.config.streams:
            return self.decoder.word
        return Mux(self.answer.busy, getattr(self.answer, name), self.decoder.word)

    def _threshold_address(self, later: Value) -> Value:
        """The address of thresholds; the answer unit may still read while a run begins."""
        address = Mux(self.sequencer.busy, later, self.decoder.word)
        return Mux(self.answer.reading, self.answer.threshold_address, address) if self.config.streams else address

    def _streams(self, m: Module) -> None:
        """Pixels to the activation banks, results to the answers, and runs between them.

        Words of the input use the path of the host's, in cycles in which neither a layer nor the host writes.
        """
        config, decoder, writer = self.config, self.decoder, self.writer
        pixels, answer, controller = self.input, self.answer, self.controller
        wiring.connect(m, wiring.flipped(self.pixels), pixels.pixels)
        host = decoder.write[Region.ACTIVATIONS] | decoder.write[Region.ALL_ACTIVATIONS]
        released = delay(m, self.sequencer.released, config.tile_rows, "released")      # past the last tile row
        m.d.comb += [
            self.expects_first.eq(pixels.expects_first),
            self.expects_last.eq(pixels.expects_last),
            pixels.enable.eq(self.streaming),
            pixels.taken.eq(controller.start),
            pixels.released.eq(released),
            pixels.accept.eq(pixels.write & ~writer.write & ~host),
            writer.host.eq(~self.sequencer.busy | pixels.accept),
            writer.host_address.eq(Mux(pixels.accept, pixels.address, decoder.word)),
            writer.host_data.eq(Mux(pixels.accept, pixels.data, self._wide)),
            controller.enable.eq(self.streaming),
            controller.full.eq(pixels.full),
            controller.quiet.eq(pixels.quiet),
            controller.count.eq(pixels.count),
            controller.busy.eq(self.sequencer.busy),
            controller.reading.eq(answer.busy),
            controller.leaving.eq(answer.leaving),
            answer.enable.eq(self.streaming),
            answer.start.eq(controller.read),
            answer.images.eq(controller.images),
            answer.split.eq(pixels.geometry.split),
        ]
        if config.input_places > 1:
            m.d.comb += self.sequencer.begin.eq(Mux(pixels.turn, pixels.geometry.begin, 0))

    @property
    def _running(self) -> Value:
        """A program runs, or the words that it used are still to be checked."""
        return self.sequencer.busy | self.late if self.config.parity else self.sequencer.busy

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
                         bank.write.eq(Mux(decoder.write[Region.WEIGHTS] & self._chosen(c), slices, 0))]
        for i, bank in enumerate(self.coefficients if config.requantize_depth else ()):
            m.d.comb += [bank.write_address.eq(decoder.word), bank.write_data.eq(decoder.data),
                         bank.write.eq(decoder.write[Region.COEFFICIENTS] & self._chosen(i))]
        host = self.ends.host
        unit, row, rows = decoder.unit, decoder.write[Region.ACTIVATIONS], decoder.write[Region.ALL_ACTIVATIONS]
        if config.streams:
            pixels = self.input
            unit = Mux(pixels.accept, pixels.row, unit)
            row |= pixels.accept & ~pixels.geometry.split
            rows |= pixels.accept & pixels.geometry.split
            slices |= pixels.accept.replicate(self.map.slices)
        one, every = decoder.write[Region.THRESHOLDS], decoder.write[Region.ALL_THRESHOLDS]
        columns = decoder.parts[:config.drain_width] if config.drain_width > 1 else C(1, 1)
        if config.raw_depth:
            own = decoder.word >= config.shared_thresholds
            m.d.comb += [self.thresholds.write.eq(Mux(every & ~own, columns, 0)),
                         self.thresholds.data.eq(decoder.data)]
            one, every = one & own, every & own
        m.d.comb += [
            host.unit.eq(unit),
            host.thresholds.eq(one),
            host.all_thresholds.eq(every),
            host.activations.eq(row),
            host.all_activations.eq(rows),
            host.slices.eq(slices),
            host.columns.eq(columns),
            host.data.eq(decoder.data),
        ]

    def _chosen(self, unit: int) -> Value:
        """A write of the host is for this unit."""
        chosen = self.decoder.unit == unit
        return chosen | self.decoder.clearing if self.config.parity else chosen

    def _registers(self, m: Module) -> Value:
        """The value of the addressed register; starts runs, and counts runs and cycles."""
        cycles, runs = Signal(32), Signal(8)
        word, busy = self.decoder.word, self.sequencer.busy
        start = self.decoder.write[Region.REGISTERS] & self.decoder.starting
        if self.config.streams:
            start = start & ~self.streaming | self.controller.start
        m.d.comb += self.sequencer.start.eq(start)
        with m.If(start & ~busy):
            m.d.sync += [cycles.eq(0), runs.eq(runs + 1)]
        with m.Elif(busy):
            m.d.sync += cycles.eq(cycles + 1)
        fixed: dict[int, int] = {Register.MAGIC: MAGIC, Register.VERSION: VERSION}
        fixed |= config_words(self.config)
        places = stream_registers(self.config)
        # in three steps, while the bus interface waits: one-hot select, constant value, value; a write needs the first
        live: dict[int, Value] = {Register.STATUS: self._status(), Register.CYCLES: cycles, Register.RUNS: runs}
        if self.config.parity:
            held = self.recorder.held
            live[Register.PARITY] = told_wrong(held.wrong, held.region, held.unit, held.word)
        if places and self.polled:
            live[Register.ANSWER] = self.passed.p.value
        low = max(*fixed, *(place.word for place in places.values())).bit_length()
        which, chosen = Signal(1 << low), Signal(len(live))
        constant, read = Signal(DATA_BITS), Signal(DATA_BITS)
        m.d.sync += [
            which.eq(Cat(word == at for at in range(len(which)))),
            constant.eq(Cat(Cat(which[at] for at, value in fixed.items() if value >> bit & 1).any()
                            for bit in range(DATA_BITS))),
            chosen.eq(Cat(which[at] for at in live)),
        ]
        if self.config.parity:
            m.d.comb += self.recorder.clear.eq(self.decoder.write[Region.REGISTERS] & which[Register.CONTROL] & ~busy
                                               & ~(self.decoder.data & Control.STREAM).any())
        if places:
            self._stream_registers(m, which, places)
        value: Value = constant
        for use, signal in zip(chosen, live.values(), strict=True):
            value = value | Mux(use, signal, 0)
        m.d.sync += read.eq(value)
        return read

    def _stream_registers(self, m: Module, which: Value, places: dict[str, RegisterField]) -> None:
        """Registers of the streams, written where ``which`` has the bit of the register."""
        decoder = self.decoder
        for unit, name in ((self.input, "input"), (self.answer, "answer")):
            geometry = Signal(unit.geometry.shape(), name=f"{name}_geometry", reset_less=True)
            m.d.comb += unit.geometry.eq(geometry)
            for field, _ in geometry.shape():
                place = places[f"{name}_{field}"]
                with m.If(decoder.write[Region.REGISTERS] & which[place.word]):
                    m.d.sync += geometry[field].eq(decoder.data[place.offset:])
        written = decoder.write[Region.REGISTERS]
        if self.config.input_tables:
            number = (decoder.word >> TABLE_BITS) - (TABLE_AT >> TABLE_BITS)
            m.d.comb += [self.input.load.eq(written & (decoder.word >= TABLE_AT)),
                         self.input.load_address.eq(Cat(decoder.word[:TABLE_BITS], number)),
                         self.input.load_data.eq(decoder.data)]
        taken = Signal()
        answers = self.passed
        m.d.comb += [
            self.controller.flush.eq(written & which[Register.CONTROL] & (decoder.data & Control.FLUSH).any()),
            taken.eq(self.polled & written & which[Register.ANSWER] & answers.valid
                     & (decoder.data[:len(self.number)] == self.number)),
            self.answers.valid.eq(answers.valid),
            self.answers.payload.eq(answers.payload),
            answers.ready.eq(self.answers.ready | taken),
        ]
        with m.If(taken):
            m.d.sync += self.number.eq(self.number + 1)
        with m.If(written & which[Register.CONTROL]):
            m.d.sync += self.streaming.eq((decoder.data & Control.STREAM).any())

    def _passed_answers(self, m: Module) -> stream.Interface:
        """The answers; after a fault, none but a number that is already offered."""
        answers: stream.Interface = self.answer.answers
        if not self.config.parity:
            return answers
        passed = stream.Signature(answer_layout).create(path=("passed",))
        blocked = Signal()
        m.d.comb += [passed.payload.eq(answers.payload), passed.valid.eq(answers.valid & ~blocked),
                     answers.ready.eq(passed.ready & ~blocked)]
        with m.If(~passed.valid | passed.ready):
            m.d.sync += blocked.eq(self.recorder.held.wrong | self.late)
        return passed

    def _faults(self, m: Module) -> None:
        """The words with a wrong parity that are used: of the run, each kind of memory with its address, and of reads.

        Those of a tile column pass on to the right, with the weights' addresses, and arrive in step with the last.
        """
        config, sequencer, latency = self.config, self.sequencer, self.config.memory_latency
        used = skew(m, delay(m, sequencer.steps, latency, "weight_use"), config.tile_cols, "weight_use")
        wrong, column = Value.cast(C(0, 1)), Value.cast(C(0, 1))
        for j, strobe in enumerate(used):
            banks = range(j * config.tile, min((j + 1) * config.tile, config.cols))
            found = first_of([Cat(wrong, column), *(
                Cat(self.weights[c].wrong & strobe, C(c, bits_to_hold(config.cols - 1))) for c in banks)])
            passed = Signal(1 + bits_to_hold(config.cols - 1), name=f"weight_fault_{j}")
            m.d.sync += passed.eq(found)
            wrong, column = passed[0], passed[1:]
        sources = [
            fault(config, wrong=self.program.wrong & sequencer.fetches, region=Region.PROGRAM, unit=0,
                  word=behind_registers(m, sequencer.program_address, latency, "program_place")),
            fault(config, wrong=wrong, region=Region.WEIGHTS, unit=column,
                  word=behind_registers(m, self.weight_addresses[-1], latency + 1, "weight_at")),
            self.ends.fault_next.as_value(),
            self._read_fault(),
        ]
        if config.requantize_depth:
            bad = Cat(bank.wrong for bank in self.coefficients)
            unit = first_of([Cat(one, C(i, bits_to_hold(len(bad) - 1))) for i, one in enumerate(bad)])[1:]
            use = delay(m, self.drain.beat.valid, 1, "coefficient_use") & self.ends.residual
            sources.append(fault(config, wrong=bad.any() & use, region=Region.COEFFICIENTS, unit=unit,
                                 word=behind_registers(m, self.drain.coefficient, 1, "coefficient_place")))
        if config.raw_depth:
            sources.append(fault(
                config, wrong=self.thresholds.wrong & delay(m, self.compares, latency, "threshold_use"),
                region=Region.ALL_THRESHOLDS, unit=0,
                word=behind_registers(m, self.thresholds.address, latency, "threshold_place")))
        m.d.comb += [place.eq(source) for place, source in zip(self.recorder.faults, sources, strict=True)]
        # a run ends so many cycles after its last step, at least: the faults of few tile columns have arrived
        ends = 2 * latency + config.pipeline + config.requantize_cycles + config.tile_rows + 5
        cycles = max(0, config.tile_cols + latency + 1 - ends)
        if cycles:
            ended = Signal(cycles)
            m.d.sync += ended.eq(Cat(sequencer.busy, ended))
            m.d.comb += self.late.eq(ended.any())

    def _read_fault(self) -> Value:
        """The fault of a word that the host reads, or an answer."""
        config, decoder = self.config, self.decoder
        results = Choice(self.wrong[1:])
        reads = decoder.region == Region.ACTIVATIONS, decoder.region == Region.THRESHOLDS
        host = fault(config, wrong=decoder.read & Mux(reads[0], self.wrong[0], reads[1] & results[decoder.part]),
                     region=decoder.region, unit=decoder.unit, word=decoder.word)
        if not config.streams:
            return host
        answer = self.answer
        return first_of([
            fault(config, wrong=answer.sum_used & results[answer.lane], region=Region.THRESHOLDS, unit=answer.row,
                  word=answer.sum_address),
            fault(config, wrong=answer.word_used & self.wrong[0], region=Region.ACTIVATIONS, unit=answer.row,
                  word=answer.activation_address),
            host])

    def _status(self) -> Value:
        """The value of `Register.STATUS`."""
        streams = self.config.streams
        bits = [self._running, *([self.streaming] if streams else [])]
        if not streams or not self.polled:
            if self.config.parity:
                bits += [C(0, Status.FAULT.bit_length() - 1 - len(bits)), self.recorder.held.wrong]
            return Cat(*bits)
        answers = self.passed
        bits += [answers.valid, answers.p.last, self.input.waits]
        if self.config.parity:
            bits.append(self.recorder.held.wrong)
        return Cat(*bits, C(0, DROPPED_AT - len(bits)), self.input.dropped, self.input.received, self.number)
