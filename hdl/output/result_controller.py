"""Tags of the sums that leave the rows: the loop nest of the sequencer, repeated at the end of the array."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.control.combine import addends, combines_of
from signum.hdl.control.isa import Isa, LayerFlag, flag_of
from signum.hdl.control.loop import Nest

__all__ = ["ResultController", "beat_layout"]


def beat_layout(config: ArrayConfig) -> data.StructLayout:
    """A beat: the sums of ``drain_width`` neighbouring columns, of every row.

    Fields
    ------
    enable
        The beat has sums; one beat for every ``drain_width`` columns.
    valid
        The first of its columns has an output channel.
    number
        Number of the beat in its drain.
    address
        Address of its thresholds (of border class 0), or of its raw sums.
    keep
        Selects its addend in `hdl.control.combine.addends`; none for the first segment.
    double
        The sum of the earlier segments is doubled first.
    gated : only with ``config.gate``
        Its sums count only where the gate is open; its address is that of the threshold where the gate is closed.
    out
        The sum is complete, and compared with its first or, after a further drain, with its next threshold.
    first_window, last_window
        Position of the pooling window.
    end
        The last beat of its pixel.
    layer_end
        The last beat of its layer.
    raw
        The sum itself is the result.
    """
    return data.StructLayout({
        "enable": 1,
        "valid": 1,
        "number": bits_to_hold(config.beats - 1),
        "address": config.threshold_bits,
        **dict.fromkeys(addends(config), 1),
        "double": 1,
        **({"gated": 1} if config.gate else {}),
        "out": 1,
        "first_window": 1,
        "last_window": 1,
        "end": 1,
        "layer_end": 1,
        "raw": 1,
    })


class ResultController(wiring.Component):
    """Counts drains and columns in step with the array.

    The first beat of a drain comes in the cycle after ``strobe``; the others follow in the order of the
    columns, with one idle cycle between tiles, as the sums leave a row of the array.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    layer : In(Isa.back_layout)
    restart : In(1)
        A layer begins; the first drain comes two cycles later or more.
    strobe : In(1)
        A drain begins; at least ``config.drain_cycles`` apart.
    ends : In(1)
        With ``strobe``: the layer's last drain.
    doubles : In(1)
        With ``strobe``: its sums are added to twice the sums of the earlier drains.
    beat : Out(beat_layout)
    group : Out(1)
        With the first beat of a group of pixels.
    coefficient : Out(coefficient_bits), only with ``config.requantize_depth``
        Word of the beat's scales and offsets.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "layer": In(Isa(config).back_layout),
            "restart": In(1),
            "strobe": In(1),
            "ends": In(1),
            "doubles": In(1),
            "beat": Out(beat_layout(config)),
            "group": Out(1),
            **({"coefficient": Out(config.coefficient_bits)} if config.requantize_depth else {}),
        })
        # signals apart from the beat, whose other fields follow from them: no field depends on its own vector
        self.enable = Signal()
        self.number = Signal.like(self.beat.number)
        # the address of the next block is registered, unless drains come in successive cycles
        self.early = "sync" if config.drain_cycles > 1 else "comb"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._columns(m)
        self._loops(m)
        return m

    def _columns(self, m: Module) -> None:
        config, enable, number = self.config, self.enable, self.number
        size = config.tile_beats
        in_tile = Signal(range(size + 1), init=1)       # beats of the tile
        more = Signal()
        m.d.comb += [
            more.eq(number != config.beats - 1),
            self.beat.enable.eq(enable),
            self.beat.number.eq(number),
        ]
        with m.If(self.strobe):
            m.d.sync += [enable.eq(1), number.eq(0), in_tile.eq(1)]
        with m.Elif(enable & more & (in_tile == size)):
            m.d.sync += [enable.eq(0), in_tile.eq(0)]
        with m.Elif(more & (enable | (in_tile == 0))):
            m.d.sync += [enable.eq(1), number.eq(number + 1), in_tile.eq(in_tile + 1)]
        with m.Else():
            m.d.sync += [enable.eq(0), in_tile.eq(1)]

    def _loops(self, m: Module) -> None:
        layer, beat, enable, number = self.layer, self.beat, self.enable, self.number
        raw = flag_of(layer, LayerFlag.RAW)
        (default, _), *others = addends(self.config).items()
        flagged = {name: Cat(flag_of(layer, flag) for flag in flags).any() for name, (_, flags) in others}
        chosen = {default: ~Cat(flagged.values()).any(), **flagged}
        address = Signal(self.config.threshold_bits)    # of the next drain
        block_address = Signal.like(address)             # of the block at the window's first position
        next_block = Signal.like(address)
        last_number = Signal.like(number)
        counted, ends, final = Signal(), Signal(), Signal()
        several = self.config.threshold_levels > 1
        gates = Cat(flag_of(layer, row.flag) for row in combines_of(self.config) if row.gates).any()
        # drains of a window position, positions of a channel block, blocks of a pixel
        nest = Nest(m, {name: layer[name] for name in ("drains", "windows", "channel_blocks")},
                    restart=self.restart, step=self.strobe)
        drains, windows, blocks = nest.loops.values()
        last_drain, last_window, last_block = drains.at_end, windows.at_end, blocks.at_end
        columns = Signal.like(last_number)
        # with gates a beat has three words: the gate, and the thresholds where it is closed and open
        more = Mux(gates, columns + 1 << 1, 0)
        out = Signal()
        m.d.comb += [
            columns.eq(Mux(last_block, layer.last_channel_block, layer.channel_block)),
            beat.valid.eq(enable & counted),
            beat.end.eq(ends & (number == last_number)),
            beat.layer_end.eq(final & enable & counted & (number == last_number)),
        ]
        with m.If(enable):
            m.d.sync += beat.address.eq(beat.address + (Cat(1, gates) if self.config.gate else 1))
            with m.If(number == last_number):
                m.d.sync += counted.eq(0)
        m.d.sync += self.group.eq(self.strobe & drains.first & windows.first & blocks.first)
        with m.If(self.restart):
            m.d.sync += [address.eq(layer.thresholds), block_address.eq(layer.thresholds)]
        with m.If(self.strobe):
            m.d.sync += [
                counted.eq(1), ends.eq(last_block & (last_drain if several else 1)), last_number.eq(columns),
                beat.address.eq(address),
                *(beat[name].eq(~drains.first & value) for name, value in chosen.items()),
                beat.out.eq(out), beat.first_window.eq(windows.first), beat.last_window.eq(last_window),
                beat.raw.eq(raw), final.eq(self.ends), beat.double.eq(self.doubles),
            ]
        if several:
            self._several(m, out, address, block_address, last_drain, last_window, last_block & ~raw,
                          columns + 1 + more if self.config.gate else columns + 1)
        else:
            m.d.comb += out.eq(last_drain)
            with m.If(self.strobe & last_drain):
                m.d.sync += address.eq(Mux(last_window, next_block, address + layer.thresholds_window))
            with m.If(self.strobe & last_drain & last_window):
                m.d.sync += block_address.eq(next_block)
            after = block_address + columns + 1
            m.d[self.early] += next_block.eq(Mux(last_block & ~raw, layer.thresholds,
                                                 after + more if self.config.gate else after))
        if self.config.gate:
            self._gated(m, address, last_drain)
        if self.config.requantize_depth:
            self._coefficients(m, columns, last_drain, last_drain & last_window, last_block)

    def _gated(self, m: Module, address: Signal, last_drain: Value) -> None:
        """The last drains of a window position are gated; thresholds stand behind the gate."""
        layer, beat = self.layer, self.beat
        left = Signal.like(layer.drains)                # drains left of the window position
        gated = left < layer.gated
        with m.If(self.restart):
            m.d.sync += left.eq(layer.drains)
        with m.Elif(self.strobe):
            m.d.sync += [left.eq(Mux(last_drain, layer.drains, left - 1)), beat.gated.eq(gated),
                         beat.address.eq(address + gated)]

    def _several(self, m: Module, out: Signal, address: Signal, block_address: Signal, last_drain: Value,
                 last_window: Value, wraps: Value, beats: Value) -> None:
        """The addresses of several thresholds of a sum: in a block those of a level behind those of the level before.

        The last drains of a window position are out, as many as levels. ``block_address`` moves on to the next block
        during the last window position.
        """
        layer = self.layer
        left = Signal.like(layer.drains)                # drains left of the window position
        window_address = Signal.like(address)           # of the window position's first level
        begin = Mux(last_window, Mux(wraps, layer.thresholds, block_address + beats),
                    window_address + layer.thresholds_window)
        m.d.comb += out.eq(left <= layer.levels)
        with m.If(self.restart):
            m.d.sync += [left.eq(layer.drains), window_address.eq(layer.thresholds)]
        with m.Elif(self.strobe):
            m.d.sync += left.eq(Mux(last_drain, layer.drains, left - 1))
            with m.If(last_drain):
                m.d.sync += [address.eq(begin), window_address.eq(begin)]
            with m.Elif(out):
                m.d.sync += address.eq(address + beats)
            with m.If(last_window & out):
                m.d.sync += block_address.eq(Mux(last_drain, begin, block_address + beats))

    def _coefficients(self, m: Module, columns: Value, last_drain: Value, block_ends: Value, last_block: Value) -> None:
        """Address the entry of each beat: channels in order, ``coefficients_step`` further for each segment."""
        layer = self.layer
        entry = Signal.like(self.coefficient)           # of the next drain
        block_entry = Signal.like(entry)                 # of the block's first drain
        next_block = Signal.like(entry)
        m.d[self.early] += next_block.eq(Mux(last_block, layer.coefficients, block_entry + columns + 1))
        with m.If(self.enable):
            m.d.sync += self.coefficient.eq(self.coefficient + 1)
        with m.If(self.restart):
            m.d.sync += [entry.eq(layer.coefficients), block_entry.eq(layer.coefficients)]
        with m.If(self.strobe):
            m.d.sync += [self.coefficient.eq(entry), entry.eq(entry + layer.coefficients_step)]
            with m.If(last_drain):
                m.d.sync += entry.eq(Mux(block_ends, next_block, block_entry))
            with m.If(block_ends):
                m.d.sync += block_entry.eq(next_block)
