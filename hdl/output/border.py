"""Border classes of the pixels: the threshold offset of each row where padding counts as zero."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig, bits_to_hold
from signum.hdl.control.isa import Isa, LayerFlag, flag_of
from signum.hdl.control.pixel_dispatcher import PixelDispatcher

__all__ = ["Border"]


class Border(wiring.Component):
    """Dispatches the threshold offsets of the next pixels to the rows, as `PixelDispatcher` dispatches pixels.

    Along a line the offset grows by ``class_x_step`` after each pixel with x below ``class_x_low`` or from
    ``class_x_high`` on; likewise from line to line with y.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    layer : In(Isa.back_layout)
    restart, take : In(1)
        See `PixelDispatcher`.
    fill, fill_all, fill_row : Out
        In this cycle the offset is for one row, or for all rows.
    offset : Out(threshold_bits)
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "layer": In(Isa(config).back_layout),
            "restart": In(1),
            "take": In(1),
            "fill": Out(1),
            "fill_all": Out(1),
            "fill_row": Out(bits_to_hold(config.rows - 1)),
            "offset": Out(config.threshold_bits),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer = self.layer
        m.submodules.filler = filler = PixelDispatcher(rows=self.config.rows, bits=self.config.activation_bits)
        raster = filler.raster
        line_offset, next_line = Signal.like(self.offset), Signal.like(self.offset)
        x_rises, y_rises = Signal(), Signal()
        m.d.comb += [
            filler.split.eq(flag_of(layer, LayerFlag.SPLIT)),
            filler.x_last.eq(layer.x),
            filler.y_last.eq(layer.y),
            filler.restart.eq(self.restart),
            filler.take.eq(self.take),
            self.fill.eq(filler.fill),
            self.fill_all.eq(~filler.split),
            self.fill_row.eq(filler.row),
            x_rises.eq((raster.x < layer.class_x_low) | (raster.x >= layer.class_x_high)),
            y_rises.eq((raster.y < layer.class_y_low) | (raster.y >= layer.class_y_high)),
            next_line.eq(line_offset + Mux(y_rises, layer.class_y_step, 0)),
        ]
        with m.If(self.restart):
            m.d.sync += [self.offset.eq(0), line_offset.eq(0)]
        with m.Elif(raster.step & raster.wrap):
            m.d.sync += [self.offset.eq(next_line), line_offset.eq(next_line)]
        with m.Elif(raster.step & x_rises):
            m.d.sync += self.offset.eq(self.offset + layer.class_x_step)
        return m
