"""The geometry of an input: the frames of a network, and the windows that the input unit gathers from them.

The host writes the fields once, with the program, several in a register. Counts are stored as the last index
(count - 1), and steps of an address modulo its width. A *value* is one channel of a pixel. A *line* is the pixels of
a line of the frame, with its padding, from left to right, each with its values in order.
"""

from amaranth.lib import data

from signum.hdl.config import ArrayConfig, bits_to_hold

from .isa import Field

__all__ = ["KEPT_BITS", "TABLE_ENTRIES", "TAP_BITS", "geometry_layout", "input_fields"]

TAP_BITS = 5
KEPT_BITS = TAP_BITS + 1
STRIDE_BITS = 3
TABLE_ENTRIES = 256
"""Entries of a table of the input unit: one for each value of a pixel."""


def input_fields(config: ArrayConfig) -> tuple[Field, ...]:
    """The fields of the geometry."""
    a, d = config.activation_bits, config.input_bits
    planes = (
        Field("planes", 3),             # last plane that is written
        Field("plane_step", a),         # from a word of a plane to the word of the next plane, the plane of 2**(k+1)
    ) if config.input_planes > 1 else ()
    places = (
        Field("two", 1),                # batches go to two places in turn
        Field("second", a),             # ``start`` of the second one
        Field("begin", config.program_bits),    # first word of the program that reads the second one
    ) if config.input_places > 1 else ()
    tables = (
        Field("table", bits_to_hold(config.input_tables - 1)),      # last table, of the last channel of a pixel
    ) if config.input_tables > 1 else ()
    return (
        Field("split", 1),              # the words go to the banks of all rows, and an image is a batch
        Field("pad", 1),                # a padded value has a code of ones; in planes, it is the number 1
        Field("column", d),             # last value of a line
        Field("line", d),               # last line
        Field("left", TAP_BITS),        # first value of a line that is in the frame
        Field("right", d),              # last value of a line that is in the frame
        Field("top", TAP_BITS),         # first line that is in the frame
        Field("bottom", d),             # last line that is in the frame
        Field("kept", KEPT_BITS),       # last line that fits into the line buffer
        Field("span", TAP_BITS),        # lines from the first to the last of a window, as a count
        Field("stride_y", STRIDE_BITS),     # lines from a window to the window below, as a count
        Field("run", d),                # last value of a line of taps
        Field("tap_y", TAP_BITS),       # last line of taps of a window
        Field("x", d),                  # last window of a line
        Field("y", d),                  # last line of windows
        Field("tap_line", d),           # step from the last value of a line of taps to the next line of taps
        Field("window_step", d),        # step from the last value of a window to the next window
        Field("line_step", d),          # step from the last value of a line of windows to the next line of windows
        Field("start", a),              # activation word of the first window, in the plane of 2**0
        Field("line_gap", a),           # words between two lines of windows
        *planes,
        *places,
        *tables,
    )


def geometry_layout(config: ArrayConfig) -> data.StructLayout:
    """The fields as one value."""
    return data.StructLayout({field.name: field.bits for field in input_fields(config)})
