"""The geometry of an input: the frames of a network, and the windows that the input unit gathers from them.

The host writes the fields once, with the program. Counts are stored as the last index (count - 1), and steps of an
address modulo its width. A *value* is one channel of a pixel; a line of a frame is its pixels from left to right, each
with its values in order.
"""

from amaranth.lib import data

from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Field

__all__ = ["CHANNEL_BITS", "STEP_BITS", "TAP_BITS", "geometry_layout", "input_fields", "position_bits"]

CHANNEL_BITS = 6
TAP_BITS = 5
STEP_BITS = 3


def position_bits(config: ArrayConfig) -> int:
    """Width of the coordinate of a pixel, in two's complement."""
    return config.input_bits + 1


def input_fields(config: ArrayConfig) -> tuple[Field, ...]:
    """The fields of the geometry, in the order of their registers."""
    a, d, p = config.activation_bits, config.input_bits, position_bits(config)
    planes = (
        Field("planes", 3),             # last plane that is written
        Field("plane_step", a),         # from a word of a plane to the word of the next plane, the plane of 2**(k+1)
    ) if config.input_planes > 1 else ()
    return (
        Field("split", 1),              # the words go to the banks of all rows, and an image is a batch
        Field("line_values", d),        # last value of a line
        Field("lines", p),              # last line of a frame
        Field("kept", p),               # lines that the line buffer holds, as a count
        Field("width", p),              # pixels of a line, as a count
        Field("channel", CHANNEL_BITS),     # last channel of a pixel
        Field("tap_x", TAP_BITS),       # last tap of a window along x
        Field("tap_y", TAP_BITS),
        Field("x", d),                  # last window of a line
        Field("y", d),                  # last line of windows
        Field("left", TAP_BITS),        # columns of the first window that are left of the frame
        Field("top", TAP_BITS),
        Field("dilation_x", STEP_BITS),
        Field("dilation_y", STEP_BITS),
        Field("stride_x", STEP_BITS),
        Field("stride_y", STEP_BITS),
        Field("first", d),              # line buffer: first value of the first window
        Field("tap_step", d),           # from the last channel of a tap to the next tap
        Field("tap_line", d),           # from the last channel of a line of taps to the next line of taps
        Field("window_step", d),        # from a window's first value to the next window's
        Field("line_step", d),          # from the first window's first value to that of the next line
        Field("pad", 1),                # taps outside the frame: a code of ones; of planes, the number 1
        Field("start", a),              # activation word of the first window, in the plane of 2**0
        Field("line_gap", a),           # words between two lines of windows
        *planes,
    )


def geometry_layout(config: ArrayConfig) -> data.StructLayout:
    """The fields as one value."""
    return data.StructLayout({field.name: field.bits for field in input_fields(config)})
