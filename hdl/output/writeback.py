"""Writeback of the rows' words: each to the bank of its row, or all to all banks."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, flag_of
from signum.hdl.control.pixel_counter import PixelCounter, follow
from signum.hdl.lib.share import Vector

__all__ = ["WritebackUnit"]


class WritebackUnit(wiring.Component):
    """Takes the rows' words from the packer and writes them, one address a cycle.

    In batch mode the word of each row goes to its own bank, at the address of the current pixel. In split mode the
    words of the rows go to all banks, one after the other, at the addresses of successive pixels; rows past the last
    pixel write nothing. The first write comes in the cycle after the words were taken. Words that arrive during writes
    wait in the packer.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    layer : In(Isa.back_layout)
    restart : In(1)
        A layer begins.
    words : In(word_bits), one for each row
    flush, flush_end : In(1)
        The words are complete; they are the last of their pixels. See `Packer`.
    flush_layer_end : In(1)
        The words are the last of the layer; with raw results, the last result is stored.
    done : Out(1)
        The layer's last write, if any, comes in the next cycle.
    host : In(1), host_address : In(activation_bits), host_data : In(word_bits)
        Address and data of the host instead; only while no layer runs.
    address : Out(activation_bits)
    data : Out(word_bits), one for each row
    write : Out(1)
        For all rows.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = self.share_key = config
        super().__init__({
            "layer": In(Isa(config).back_layout),
            "restart": In(1),
            "words": In(Vector(config.word_bits, config.rows)),
            "flush": In(1),
            "flush_end": In(1),
            "flush_layer_end": In(1),
            "done": Out(1),
            "host": In(1),
            "host_address": In(config.activation_bits),
            "host_data": In(config.word_bits),
            "address": Out(config.activation_bits),
            "data": Out(Vector(config.word_bits, config.rows)),
            "write": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, layer = self.config, self.layer
        split = flag_of(layer, LayerFlag.SPLIT)
        pixel = Signal(config.activation_bits)
        word = Signal(config.activation_bits)           # of the pixel
        left = Signal(range(max(config.rows, 2) + 1))   # writes still to do
        writing, last = Signal(), Signal(init=1)        # left > 0; left <= 1: registers, for timing
        waiting, waiting_end = Signal(), Signal()       # complete words wait in the packer
        final = Signal()                                # the words that wait or are being written are the layer's last
        one_by_one = Signal()                           # the words being written go to all banks
        ends = Signal()
        new_pixel = Signal(init=1)                      # the next words are the first of their pixels
        first_write = Signal()                          # this cycle writes the first word of a pixel
        take = Signal()
        held = Signal(Vector(config.word_bits, config.rows), reset_less=True)

        m.submodules.raster = raster = PixelCounter(bits=config.activation_bits)
        follow(m, raster, pixel, start=layer.out_start, step=layer.out_step, line=layer.out_line)
        m.d.comb += [
            take.eq((self.flush | waiting) & last),
            ends.eq(Mux(waiting, waiting_end, self.flush_end)),
            raster.x_last.eq(layer.x),
            raster.y_last.eq(layer.y),
            raster.restart.eq(self.restart),
            raster.back.eq(take & ~new_pixel),
            raster.mark.eq(first_write),
            raster.step.eq(writing),
            self.write.eq(writing & ~raster.past),
            self.address.eq(Mux(self.host, self.host_address, pixel + word)),
            # with several writes, the last but one announces the end
            self.done.eq(Mux(split & ~flag_of(layer, LayerFlag.RAW) & (config.rows > 1),
                             final & writing & ~waiting & (left == 2), self.flush_layer_end)),
        ]
        m.d.sync += first_write.eq(take & new_pixel)
        with m.If(take):
            m.d.sync += [left.eq(Mux(split, config.rows, 1)), writing.eq(1), last.eq(~split | (config.rows == 1)),
                         waiting.eq(0), new_pixel.eq(ends), word.eq(Mux(new_pixel, 0, word + 1)), one_by_one.eq(split)]
            m.d.sync += held.eq(self.words)
        with m.Else():
            m.d.sync += [writing.eq(~last), last.eq(left <= 2)]
            with m.If(writing):
                m.d.sync += left.eq(left - 1)
                m.d.sync += held[:-1].eq(held[1:])
            with m.If(self.flush):
                m.d.sync += [waiting.eq(1), waiting_end.eq(self.flush_end)]
        with m.If(self.restart):
            m.d.sync += [new_pixel.eq(1), final.eq(0)]
        with m.Elif(self.flush_layer_end):
            m.d.sync += final.eq(1)

        shared = Mux(self.host, self.host_data, held[0])
        m.d.comb += self.data.eq(Cat(shared, Mux(self.host | one_by_one, shared.replicate(config.rows - 1), held[1:])))
        return m
