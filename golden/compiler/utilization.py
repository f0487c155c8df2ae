"""Utilisation of an array by a program: the share of the network's operations, and the losses by cause."""

from dataclasses import dataclass

from signum.hdl.control.isa import LayerFlag, LayerRecord

from .cycles import dot_products, group_count, layer_cycles
from .program import Program

__all__ = ["LOSSES", "LayerUse", "layer_uses", "utilization"]

LOSSES = ("lanes", "cols", "rows", "drain", "fill")


@dataclass(frozen=True)
class LayerUse:
    """Shares of a layer's capacity, ``cycles * rows * cols * lanes`` binary operations; together they make 1.

    Members
    -------
    name : str
    cycles : int
        Cycles of a run of ``Program.images`` images.
    useful : float
        Operations of the network.
    lanes, cols, rows : float
        Lost in lanes without a tap, columns without a channel, rows without a pixel.
    drain : float
        Lost in gaps between dot products, while sums drain or words are written.
    fill : float
        Lost at the layer's ends: fetching its record, filling and emptying the array.
    """

    name: str
    cycles: int
    useful: float
    lanes: float
    cols: float
    rows: float
    drain: float
    fill: float


def layer_uses(program: Program) -> list[LayerUse]:
    """The use of each layer of a program."""
    cycles = layer_cycles(program.config, program.records)
    return [_use(program, *layer) for layer in zip(program.names, program.records, cycles, program.channels,
                                                   program.useful, strict=True)]


def _use(program: Program, name: str, record: LayerRecord, cycles: int, channels: int, useful: int) -> LayerUse:
    config, fields = program.config, record.fields
    blocks, windows = fields["channel_blocks"] + 1, fields["windows"] + 1
    groups = group_count(record, config.rows)
    repeats = groups * blocks * windows
    steps = repeats * sum(dot_products(record))
    # the last gap is part of the pause after the layer
    gaps = repeats * sum(segment["gap"] for segment in record.segments) - record.segments[-1]["gap"]
    deal = config.rows if record.has(LayerFlag.SPLIT) else 1
    dealing = max(0, (groups - 1) * (deal + 1) - (groups - 1) * (steps + gaps) // groups)
    pixels = (fields["x"] + 1) * (fields["y"] + 1)
    of_rows = pixels / (groups * config.rows) if record.has(LayerFlag.SPLIT) else 1.0
    of_cols = channels / (blocks * config.cols)
    of_lanes = useful / (pixels * windows * channels) / (sum(dot_products(record)) * config.lanes)
    share = steps / cycles
    return LayerUse(
        name=name, cycles=cycles,
        useful=share * of_lanes * of_cols * of_rows,
        lanes=share * (1 - of_lanes),
        cols=share * of_lanes * (1 - of_cols),
        rows=share * of_lanes * of_cols * (1 - of_rows),
        drain=(gaps + dealing) / cycles,
        fill=1 - (steps + gaps + dealing) / cycles)


def utilization(program: Program) -> float:
    """Share of the network's operations in the capacity of a run."""
    uses = layer_uses(program)
    return sum(use.useful * use.cycles for use in uses) / sum(use.cycles for use in uses)
