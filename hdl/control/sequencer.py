"""The sequencer: fetches layers and issues the addresses of weights and activations, a word of each a cycle.

For every pixel group, channel block, position of the pooling window and segment, the sequencer issues the steps of one
dot product. A dot product is never interrupted; before the next, the sequencer waits until the gap of the segment is
over, the rows have their next pixels and the next segment has been fetched.
"""

from itertools import accumulate

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.lib.delay import delay

from .isa import PATTERN_BIT, SEGMENTS_BITS, Isa, LayerFlag, SegmentFlag, flag_of
from .loop import Nest
from .pixel_counter import follow
from .pixel_dispatcher import PixelDispatcher

__all__ = ["Sequencer"]

STEP_LOOPS = ("words", "runs", "lines")
"""The loops of a segment's steps, the innermost first."""


class Sequencer(wiring.Component):
    """Runs the program from its first layer to the layer with `LayerFlag.LAST`.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    start : In(1)
        Begin; ignored while busy.
    begin : In(program_bits), only with two ``input_places``
        The first word of the program.
    busy : Out(1)
        From the cycle after ``start`` until all results are stored.
    program_address : Out(program_bits), program_data : In
        The program memory; data come ``config.memory_latency`` after the address.
    layer : Out(Isa.back_layout)
        Drain fields of the current layer, until it has drained its last sums, and store fields, until all
        is stored.
    restart : Out(1)
        All fields of a layer are fetched, and all results of the previous layer are stored in this cycle at the latest;
        the units downstream of the array restart.
    take, fill, fill_row, fill_next : Out
        Pixel addresses for the rows, see `AddressGenerator` and `PixelDispatcher`; ``take`` is one cycle before the
        first step.
    fill_all : Out(1)
        The fill is for all rows.
    offset, pattern : Out
        Activation address of this step, relative to the pixel's address.
    weight : Out(weight_bits)
        Weight address of this step.
    first, last : Out(1)
        This step begins a dot product; this step ends it, and the sum is drained.
    ends : Out(1)
        With ``last``: the layer's last step.
    doubles : Out(1)
        With ``last``: the sum of the earlier drains is doubled first.
    shifts : Out(1), only with ``config.accumulator_shift``
        The count of this step is added to twice the accumulator.
    released : Out(1), only with ``config.streams``
        With ``ends``: no later layer reads the inputs.
    steps, fetches : Out(1), only with ``config.parity``
        ``offset`` and ``weight`` are those of a step; ``program_data`` is a word of a record.
    done : In(1)
        The layer's last result is being stored, or will be in the next cycle.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.isa = Isa(config)
        bits = config.activation_bits
        super().__init__({
            "start": In(1),
            **({"begin": In(config.program_bits)} if config.input_places > 1 else {}),
            "busy": Out(1),
            "program_address": Out(config.program_bits),
            "program_data": In(self.isa.word_bits),
            "layer": Out(self.isa.back_layout),
            "restart": Out(1),
            "take": Out(1),
            "fill": Out(1),
            "fill_all": Out(1),
            "fill_row": Out(bits_to_hold(config.rows - 1)),
            "fill_next": Out(bits).array(config.access_patterns),
            "offset": Out(bits),
            "pattern": Out(bits_to_hold(config.access_patterns - 1)),
            "weight": Out(config.weight_bits),
            "first": Out(1),
            "last": Out(1),
            "ends": Out(1),
            "doubles": Out(1),
            **({"shifts": Out(1)} if config.accumulator_shift else {}),
            **({"released": Out(1)} if config.streams else {}),
            **({"steps": Out(1), "fetches": Out(1)} if config.parity else {}),
            "done": In(1),
        })

        self.registers = {field.name: Signal(field.bits, name=f"layer_{field.name}") for field in self.isa.front}
        self.registers |= {field.name: self.layer[field.name] for field in self.isa.drain}
        self.next_store = {field.name: Signal(field.bits, name=f"next_store_{field.name}") for field in self.isa.store}
        self.fetched = {field.name: Signal(field.bits, name=f"next_{field.name}") for field in self.isa.segment}
        # whether a fetched field is 0, is 1: a segment may begin in the first cycle after its fetch
        self.none, self.one = ({name: Signal(name=f"next_{name}_{what}") for name in (*STEP_LOOPS, "gap")}
                               for what in ("none", "one"))
        self.prepare = Signal()         # the next layer's record is fetched, but for its drain fields
        # with zero padding, the first pixels are dispatched with their border classes, from ``restart`` on
        self.deal = self.restart if config.zero_padding else self.prepare
        self.segment_there = Signal()   # the next segment's record has been fetched
        self.proceed = Signal()         # a segment begins: its first step is issued in the next cycle
        self.final = Signal()           # ... and is the last of the layer
        self.stepping = Signal()        # a step is being issued
        self.repeating = Signal()       # ... the last of a run, and the next run has the same weights
        self.running = Signal()         # the layer has segments left to begin
        self.launch = Signal()          # the next layer begins in the next cycle
        self.window_offset = Signal(config.activation_bits)
        self.gap = Signal.like(self.fetched["gap"])     # of the segment being issued

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._fetch(m)
        filler = self._fill(m)
        step_ends = self._step(m)
        self._loops(m, filler, step_ends)
        return m

    def _fetch(self, m: Module) -> None:
        """Read records from the program memory, a word of fields a cycle, into their registers.

        A layer's record is read as its registers become free. Front fields and first segment are free from the layer's
        last segment on; store fields have a second set of registers, so the rows get their first pixels meanwhile.
        Drain fields wait for the layer's last drain.
        """
        isa, config = self.isa, self.config
        parts = [isa.words_of(fields) for fields in (isa.front, isa.segment, isa.store, isa.drain)]
        words = [word for part in parts for word in part]
        at_segment, at_store, at_drain, end = accumulate(map(len, parts))
        pc = Signal(config.program_bits)
        index = Signal(range(end))                      # the word at pc, within the record
        arriving = Signal.like(index)                   # the word at the memory's output
        arrived = Signal()
        reading = Signal()
        whole = Signal()                                # a layer's record is read, not just a segment's
        pause = Signal()
        first_segment = Signal.like(pc)
        rereading = Signal()                            # the layer's first segment is read again
        segments_left = Signal(SEGMENTS_BITS)
        ending = Signal()
        drained = Signal(init=1)                        # the previous layer no longer needs its drain fields
        stored = Signal(init=1)                         # all results of the previous layer are stored
        there, there_now = Signal(), Signal()           # the whole record has been read
        m.d.comb += [
            self.program_address.eq(pc),
            pause.eq(whole & (index == at_drain) & ~drained),
            there_now.eq(there | arrived & (arriving == end - 1)),
            self.launch.eq(there_now & (stored | self.done)),
        ]
        # delayed by the array's pipeline: a word read from here on replaces the old word just after the last drain
        with m.If(delay(m, self.ends, max(config.pipeline, 1) - 1, "ends")):
            m.d.sync += drained.eq(1)
        m.d.sync += [self.restart.eq(self.launch), there.eq(there_now & ~self.launch),
                     stored.eq((stored | self.done) & ~self.launch)]
        with m.If(self.launch):
            m.d.sync += [self.layer[name].eq(value) for name, value in self.next_store.items()]
            m.d.sync += drained.eq(0)

        m.d.comb += Cat(arrived, arriving).eq(
            delay(m, Cat(reading & ~pause, index), config.memory_latency, "fetch"))
        if config.parity:
            m.d.comb += self.fetches.eq(arrived)
        with m.If(arrived), m.Switch(arriving):
            for i, fields in enumerate(words):
                target = (self.registers if i < at_segment or i >= at_drain else
                          self.fetched if i < at_store else self.next_store)
                with m.Case(i):
                    for k, field in enumerate(fields):
                        value = self.program_data.word_select(k, isa.field_bits)
                        m.d.sync += target[field.name].eq(value)
                        if target is self.fetched and field.name in self.none:
                            value = value[:field.bits]
                            m.d.sync += [self.none[field.name].eq(value == 0), self.one[field.name].eq(value == 1)]
        with m.If(reading & ~pause):
            # the records of further segments follow the drain fields
            jump = rereading & (index == at_store - 1)
            m.d.sync += [index.eq(index + 1), pc.eq(pc + Mux(jump, end - at_store + 1, 1))]
            with m.If(whole & (index == at_segment)):
                m.d.sync += first_segment.eq(pc)
            with m.If(Mux(whole, index == end - 1, index == at_store - 1)):
                m.d.sync += [reading.eq(0), rereading.eq(0), whole.eq(0)]
        with m.If(arrived & (arriving == at_store - 1)):
            m.d.sync += self.segment_there.eq(1)
        m.d.sync += self.prepare.eq(arrived & (arriving == at_drain - 1))
        with m.If(self.prepare):
            m.d.sync += segments_left.eq(self.registers["segments"])

        with m.If(self.proceed & self.final):
            m.d.sync += self.segment_there.eq(0)
            with m.If(flag_of(self.next_store, LayerFlag.LAST)):
                m.d.sync += ending.eq(1)
            with m.Else():
                m.d.sync += [reading.eq(1), whole.eq(1), index.eq(0)]
        with m.Elif(self.proceed & (self.registers["segments"] != 0)):
            m.d.sync += [self.segment_there.eq(0), reading.eq(1), index.eq(at_segment)]
            with m.If(segments_left == 0):
                m.d.sync += [pc.eq(first_segment), rereading.eq(1), segments_left.eq(self.registers["segments"])]
            with m.Else():
                m.d.sync += segments_left.eq(segments_left - 1)

        with m.If(ending & stored):
            m.d.sync += [self.busy.eq(0), ending.eq(0)]
        with m.If(self.start & ~self.busy):
            m.d.sync += [self.busy.eq(1), reading.eq(1), whole.eq(1), index.eq(0),
                         pc.eq(self.begin if config.input_places > 1 else 0)]

    def _fill(self, m: Module) -> PixelDispatcher:
        """Give the rows their next pixels."""
        m.submodules.filler = filler = PixelDispatcher(rows=self.config.rows, bits=self.config.activation_bits)
        m.d.comb += [
            filler.split.eq(flag_of(self.next_store, LayerFlag.SPLIT)),
            filler.x_last.eq(self.next_store["x"]),
            filler.y_last.eq(self.next_store["y"]),
            filler.restart.eq(self.deal),
            filler.take.eq(self.take),
            self.fill.eq(filler.fill),
            self.fill_row.eq(filler.row),
            self.fill_all.eq(~filler.split),
        ]
        for i in range(self.config.access_patterns):
            address = Signal(self.config.activation_bits, name=f"pattern{i}")
            step, line = self.registers[f"pattern{i}_step"], self.registers[f"pattern{i}_line"]
            follow(m, filler.raster, address, start=C(0), step=step, line=line)
            m.d.comb += self.fill_next[i].eq(address)
        return filler

    def _step(self, m: Module) -> Value:
        """Issue the steps of a segment; returns whether this cycle's step is its last."""
        loops = STEP_LOOPS
        current = {name: Signal.like(self.fetched[name], name=name)
                   for name in (*loops, "run_step", "line_step", "flags", "gap")}
        # turns left of each loop; registers, for timing: none is left, one is left, the loop has one turn, two turns
        left = [Signal.like(current[name], name=f"{name}_left") for name in loops]
        at_end, one_left, once, twice = ([Signal(name=f"{name}_{what}") for name in loops]
                                         for what in ("at_end", "one_left", "once", "twice"))
        run_ends, line_ends = Signal(), Signal()
        ends = Signal()                                 # all three loops are at their ends; a register
        m.d.comb += [
            run_ends.eq(at_end[0]),
            line_ends.eq(run_ends & at_end[1]),
            self.pattern.eq(current["flags"][PATTERN_BIT:]),
            self.doubles.eq(flag_of(current, SegmentFlag.DOUBLE)),
            self.gap.eq(current["gap"]),
            self.last.eq(self.stepping & ends & ~flag_of(current, SegmentFlag.CONTINUE)),
            self.ends.eq(self.last & ~self.running),
        ]
        if self.config.weight_repeats:
            m.d.comb += self.repeating.eq(run_ends & flag_of(current, SegmentFlag.REPEAT))
        if self.config.accumulator_shift:
            now, then = (flag_of(fields, SegmentFlag.SHIFT) for fields in (current, self.fetched))
            m.d.sync += self.shifts.eq(Mux(self.proceed, then, line_ends & now))
        if self.config.streams:
            m.d.comb += self.released.eq(self.ends & flag_of(self.layer, LayerFlag.RELEASE))
        if self.config.parity:
            m.d.comb += self.steps.eq(self.stepping)
        with m.If(self.proceed):
            m.d.sync += [signal.eq(self.fetched[name]) for name, signal in current.items()]
            m.d.sync += [self.stepping.eq(1), self.offset.eq(self.fetched["start"] + self.window_offset)]
            m.d.sync += [rest.eq(self.fetched[name]) for name, rest in zip(loops, left, strict=True)]
            none, one = (Cat(flags[name] for name in loops) for flags in (self.none, self.one))
            m.d.sync += [Cat(at_end).eq(none), Cat(once).eq(none), Cat(one_left).eq(one), Cat(twice).eq(one),
                         ends.eq(none.all())]
        with m.Elif(self.stepping):
            m.d.sync += self.stepping.eq(~ends)
            steps = (C(1, 1), run_ends, line_ends)
            following = []
            for i, (name, step) in enumerate(zip(loops, steps, strict=True)):
                with m.If(step):
                    m.d.sync += [left[i].eq(Mux(at_end[i], current[name], left[i] - 1)),
                                 one_left[i].eq(Mux(at_end[i], twice[i], left[i] == 2))]
                following.append(Mux(step, Mux(at_end[i], once[i], one_left[i]), at_end[i]))
            m.d.sync += [Cat(at_end).eq(Cat(following)), ends.eq(Cat(following).all())]
            m.d.sync += self.offset.eq(
                self.offset + Mux(line_ends, current["line_step"], Mux(run_ends, current["run_step"], 1)))
        return ends

    def _loops(self, m: Module, filler: PixelDispatcher, step_ends: Value) -> None:
        """The loops around a segment: they choose the next segment and its start."""
        registers = self.registers
        running = self.running
        lasts = {name: registers[name] for name in ("segments", "window_x", "window_y")}
        lasts["channel_blocks"] = self.next_store["channel_blocks"]
        nest = Nest(m, lasts, restart=self.prepare, step=self.proceed)
        loops = nest.loops
        waiting = Signal.like(self.gap)                 # cycles left of the gap
        without_gap, short_gap = Signal(), Signal()     # the gap is 0, is 0 or 1
        continuing = Signal()                           # the previous segment left its sums in the accumulators
        gap_over = Signal(init=1)                       # continuing, or the gap is over, or will be after the last step
        # the next segment is the first of its channel block, of its pixel group
        block_begins, group_begins = Signal(init=1), Signal(init=1)
        last_segment, last_x, last_block = (loops[name].at_end for name in ("segments", "window_x", "channel_blocks"))
        last_window = last_x & loops["window_y"].at_end
        last_group, this_group_is_last, block_ends = Signal(), Signal(), Signal()
        block_weight = Signal(self.config.weight_bits)   # first weight of the block
        next_weight = Signal(self.config.weight_bits)
        following = Signal(self.config.weight_bits)     # the weight after the current
        m.d.comb += [
            last_group.eq(Mux(group_begins, filler.raster.past, this_group_is_last)),
            block_ends.eq(last_segment & last_window),
            # the fill of a group takes a cycle at least, and a layer's first segment begins after it
            self.final.eq(nest.ended & last_group),
            self.proceed.eq(running & self.segment_there & (~self.stepping | step_ends)
                            & gap_over & ~(group_begins & filler.busy)),
            self.take.eq(self.proceed & group_begins),
            next_weight.eq(Mux(group_begins, registers["weights"],
                               Mux(loops["segments"].first & ~block_begins, block_weight, following))),
            following.eq(self.weight + 1),
        ]
        m.d.sync += self.first.eq(self.proceed & ~continuing)
        with m.If(self.stepping):
            m.d.sync += waiting.eq(self.gap - (self.gap != 0))
        with m.Elif(waiting != 0):
            m.d.sync += waiting.eq(waiting - 1)
        no_gap = self.none["gap"]
        continues = flag_of(self.fetched, SegmentFlag.CONTINUE)
        m.d.sync += gap_over.eq(Mux(self.proceed, no_gap | continues,
                                    continuing | Mux(self.stepping, Mux(step_ends, short_gap, without_gap),
                                                     ~waiting[1:].any())))
        with m.If(self.restart if self.config.zero_padding else self.launch):
            m.d.sync += [running.eq(1), continuing.eq(0)]
        with m.If(self.proceed):
            m.d.sync += [running.eq(~self.final), continuing.eq(continues),
                         this_group_is_last.eq(last_group), self.weight.eq(next_weight),
                         without_gap.eq(no_gap), short_gap.eq(no_gap | self.one["gap"]),
                         block_begins.eq(block_ends), group_begins.eq(block_ends & last_block)]
            with m.If(block_begins):
                m.d.sync += block_weight.eq(next_weight)
            with m.If(last_segment):
                m.d.sync += self.window_offset.eq(Mux(last_window, 0, self.window_offset + Mux(
                    last_x, registers["window_line"], registers["window_step"])))
        with m.Elif(self.stepping & ~step_ends):
            m.d.sync += self.weight.eq(following)
        if self.config.weight_repeats:
            segment_weight = Signal.like(self.weight)   # first weight of the segment
            with m.If(self.proceed):
                m.d.sync += segment_weight.eq(next_weight)
            with m.Elif(self.stepping & ~step_ends & self.repeating):
                m.d.sync += self.weight.eq(segment_weight)
