"""The tables of a program's input: from the values of pixels to those that the input unit of an array encodes."""

import numpy as np

from signum.golden.layers.encoder import BitPlanes, Encoder, Thermometer, entries
from signum.hdl.config import ArrayConfig
from signum.hdl.control.input_geometry import TABLE_ENTRIES

from .allocation import CapacityError
from .program import Program

__all__ = ["host_tables", "input_tables", "looked_up"]


def input_tables(encoder: Encoder, config: ArrayConfig, channels: int) -> tuple[tuple[int, ...], ...]:
    """What the input unit of an array is to encode in place of each of the 256 values of a pixel.

    Values above those of the encoder are as its largest one.

    Parameters
    ----------
    encoder : Encoder
        Of the network.
    config : ArrayConfig
        With an input unit.
    channels : int
        Of an image.

    Returns
    -------
    tuple of tuple of int
        One table for all channels, or one for each; none where the input unit makes the encoder's code of the pixels
        themselves.

    Raises
    ------
    CapacityError
        If the input unit makes a code of another kind; the message names the parameter.
    """
    values = np.minimum(np.arange(TABLE_ENTRIES), encoder.largest)
    image = np.broadcast_to(values, (1, channels, 1, TABLE_ENTRIES))
    if encoder.planes:
        if config.input_planes < 2:
            raise CapacityError(f"the input must have bit planes, not levels of a thermometer code: input_planes of "
                                f"{max(2, len(encoder.names))} would make it fit", 1)
        wanted = BitPlanes(len(encoder.names)).decode(encoder.bits(image))[0, :, 0]
    else:
        if config.input_levels != encoder.bits_per_channel:
            raise CapacityError(f"the input must have {config.input_levels} levels of a thermometer code, not "
                                f"{encoder.bits_per_channel}: input_levels of {encoder.bits_per_channel} would make "
                                "it fit", 1)
        levels = encoder.bits(image)["input"].reshape(TABLE_ENTRIES, channels, -1).sum(axis=-1).T
        unit = Thermometer(config.input_levels, config.input_maximum)
        made = unit.bits(np.arange(unit.maximum + 1)[None, None, None])["input"].sum(axis=-1).reshape(-1)
        least = np.searchsorted(made, np.arange(unit.levels + 1))
        same = made[np.minimum(values, unit.maximum)] == levels
        wanted = np.where(same, values, least[levels])
    within = np.arange(TABLE_ENTRIES) <= encoder.largest
    if (wanted == values)[:, within].all():
        return ()
    tables = wanted[:1] if (wanted == wanted[:1]).all() else wanted
    return tuple(tuple(int(value) for value in table) for table in tables)


def host_tables(program: Program, encoder: Encoder) -> tuple[tuple[int, ...], ...]:
    """The tables in which a host looks up the pixels of a program: `input_tables`; none where the program has them."""
    if program.tables:
        return ()
    channels = next(iter(program.inputs.values())).shape.channels // encoder.bits_per_channel
    return input_tables(encoder, program.config, channels)


def looked_up(tables: tuple[tuple[int, ...], ...], images: np.ndarray) -> np.ndarray:
    """The entries of images (B, C, H, W) of 0..255, in one table for all channels or one for each; without tables the
    images themselves: uint8 (B, C, H, W)."""
    return (entries(tables, images) if tables else images).astype(np.uint8)
