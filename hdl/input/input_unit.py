"""The input unit: from a stream of pixels to the words of the first map in the activation banks."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.control.input_geometry import geometry_layout

from .encoder import code_of
from .frame_receiver import COUNT_BITS, FrameReceiver, pixel_layout
from .lane_packer import LanePacker
from .pixel_table import PixelTable, table_bits, write_layout
from .window_reader import WindowReader

__all__ = ["InputUnit"]


class InputUnit(wiring.Component):
    """Fills the place of the input maps, an image for each row in batch mode, and one for all rows in split mode.

    Values are encoded and stored in a line buffer; the windows of the first layer are gathered from it and packed in
    words, the same bits as `golden.compiler.packing` makes. Words are written while the place is free: until a run
    takes the images, and again from the cycle on in which the run has read them.

    With tables each value is looked up first (see `PixelTable`).

    With two places a batch goes to the place that the batch before did not take, and the place is always free.

    Parameters
    ----------
    config : ArrayConfig
        With ``input_depth`` above 0.

    Members
    -------
    pixels : In(stream.Signature(pixel_layout))
        See `FrameReceiver`.
    geometry : In(geometry_layout)
        Constant while ``enable`` is set.
    enable : In(1)
        Low: no value is taken, and all images that wait are forgotten.
    taken : In(1)
        A run begins with the images that wait; only while ``count`` is above 0.
    released : In(1)
        The run has read its input maps.
    turn : Out(1), only with two places
        The images that wait are in the second place.
    count : Out
        Whole images in the place.
    full : Out(1)
        All images of a batch are in the place.
    quiet : Out(1)
        No further image has begun.
    write : Out(1), accept : In(1)
        A word is there; it is written in this cycle.
    address : Out(activation_bits), data : Out(word_bits)
    row : Out
        The row of the word; see ``geometry.split``.
    waits : Out(1)
        The place is full, or a run reads it: of further images only what fits into the line buffer is taken.
    load : In(1), load_address : In(table_bits), load_data : In(8), only with tables
        Write of an entry of a table.
    expects_first, expects_last : Out(1)
    received, dropped : Out(COUNT_BITS)
        See `FrameReceiver`.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "pixels": In(stream.Signature(pixel_layout)),
            "geometry": In(geometry_layout(config)),
            "enable": In(1),
            "taken": In(1),
            "released": In(1),
            **({"turn": Out(1)} if config.input_places > 1 else {}),
            "count": Out(bits_to_hold(config.rows)),
            "full": Out(1),
            "quiet": Out(1),
            **({"load": In(1), "load_address": In(table_bits(config)), "load_data": In(8)}
               if config.input_tables else {}),
            "write": Out(1),
            "accept": In(1),
            "address": Out(config.activation_bits),
            "data": Out(config.word_bits),
            "row": Out(bits_to_hold(config.rows - 1)),
            "waits": Out(1),
            "expects_first": Out(1),
            "expects_last": Out(1),
            "received": Out(COUNT_BITS),
            "dropped": Out(COUNT_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.receiver = receiver = FrameReceiver(config=config)
        m.submodules.reader = reader = WindowReader(config=config)
        m.submodules.packer = packer = LanePacker(config=config)
        m.submodules.buffer = buffer = Memory(shape=config.input_code_bits, depth=config.input_depth, init=[])
        into, out = buffer.write_port(), buffer.read_port()
        wiring.connect(m, wiring.flipped(self.pixels), receiver.pixels)
        pixel = self._looked_up(m, receiver)
        free = Signal(init=1)                               # the place may be written
        code: Value = out.data
        for _ in range(config.code_latency - 1):
            following = Signal.like(code, reset_less=True)
            with m.If(packer.advance):
                m.d.sync += following.eq(code)
            code = following
        m.d.comb += [
            receiver.geometry.eq(self.geometry),
            receiver.enable.eq(self.enable),
            receiver.freed.eq(reader.issue & reader.line_end),
            into.en.eq(pixel.enable),
            into.addr.eq(pixel.address),
            into.data.eq(code_of(config, pixel.value, pixel.pad, self.geometry.pad)),
            reader.geometry.eq(self.geometry),
            reader.restart.eq(receiver.restart),
            reader.readable.eq(receiver.readable),
            reader.ready.eq(packer.ready & free & ~self.full),
            out.addr.eq(reader.address),
            out.en.eq(packer.advance),
            packer.restart.eq(receiver.restart),
            packer.issue.eq(reader.issue),
            packer.window_end.eq(reader.window_end),
            packer.line_end.eq(reader.line_end),
            packer.frame_end.eq(reader.frame_end),
            packer.code.eq(code),
            self.received.eq(receiver.received),
            self.dropped.eq(receiver.dropped),
            self.expects_first.eq(receiver.expects_first),
            self.expects_last.eq(receiver.expects_last),
            self.waits.eq(self.full | ~free),
        ]
        written = self._writes(m, packer, receiver.restart)
        all_written = Signal()                              # all words of the frame
        m.d.comb += [receiver.done.eq(all_written & receiver.complete), self.quiet.eq(receiver.quiet)]
        with m.If(receiver.restart):
            m.d.sync += all_written.eq(0)
        with m.Elif(written & packer.o.p.frame_end):
            m.d.sync += all_written.eq(1)
        self._places(m, receiver.done, free)
        return m

    def _looked_up(self, m: Module, receiver: FrameReceiver) -> data.View:
        """The writes of the receiver, with tables a cycle later: a line of windows is read two cycles later or more."""
        written = Signal(write_layout(self.config))
        m.d.comb += [written.enable.eq(receiver.write), written.address.eq(receiver.address),
                     written.value.eq(receiver.value), written.pad.eq(receiver.pad)]
        if not self.config.input_tables:
            return written
        m.submodules.tables = table = PixelTable(config=self.config)
        m.d.comb += [table.i.eq(written), table.restart.eq(receiver.restart), table.load.eq(self.load),
                     table.load_address.eq(self.load_address), table.load_data.eq(self.load_data)]
        if self.config.input_tables > 1:
            m.d.comb += table.last.eq(self.geometry.table)
        return table.o

    def _writes(self, m: Module, packer: LanePacker, restart: Value) -> Signal:
        """Write the word of each plane; returns whether the last one is written in this cycle."""
        config, geometry, word = self.config, self.geometry, packer.o.p
        written = Signal()
        following = Signal.like(self.address)
        base: Signal = self.address                         # of the word in the plane of 2**0
        m.d.comb += [self.write.eq(packer.o.valid), packer.o.ready.eq(written)]
        if config.input_planes > 1:
            plane = Signal(3)
            base = Signal.like(self.address)
            m.d.comb += [self.data.eq(Choice(word.words)[plane]), written.eq(self.accept & (plane == geometry.planes))]
            with m.If(restart | written):
                m.d.sync += plane.eq(0)
            with m.Elif(self.accept):
                m.d.sync += [plane.eq(plane + 1), self.address.eq(self.address + geometry.plane_step)]
        else:
            m.d.comb += [self.data.eq(word.words[0]), written.eq(self.accept)]
        start: Value = geometry.start
        if config.input_places > 1:
            turn = Signal()
            m.d.comb += turn.eq(self.turn ^ (self.taken & geometry.two))
            m.d.sync += self.turn.eq(turn & self.enable)
            start, restart = Mux(turn, geometry.second, start), restart | self.taken
        m.d.comb += following.eq(base + 1 + Mux(word.line_end, geometry.line_gap, 0))
        places = [self.address] if base is self.address else [self.address, base]
        with m.If(restart):
            m.d.sync += [place.eq(start) for place in places]
        with m.Elif(written):
            m.d.sync += [place.eq(following) for place in places]
        return written

    def _places(self, m: Module, done: Signal, free: Signal) -> None:
        """Count the images; the place is free until a run takes it, and again when the run has read it."""
        rows = self.config.rows
        with m.If(~self.enable):
            m.d.sync += [free.eq(1), self.full.eq(0), self.count.eq(0), self.row.eq(0)]
        with m.Else():
            with m.If(self.released):
                m.d.sync += free.eq(1)
            with m.If(done):
                m.d.sync += [self.count.eq(self.count + 1), self.row.eq(self.row + 1),
                             self.full.eq(self.geometry.split | (self.row == rows - 1))]
            with m.If(self.taken):
                two = self.geometry.two if self.config.input_places > 1 else 0
                m.d.sync += [free.eq(two), self.full.eq(0), self.count.eq(0), self.row.eq(0)]
