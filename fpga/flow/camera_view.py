"""What a network sees of a sensor: the part of its frames, and the scale, that make an image."""

from dataclasses import dataclass

from signum.golden.compiler.program import Program
from signum.hdl.camera.camera import scaling_for
from signum.hdl.camera.downscale import Scaling
from signum.hdl.camera.sensors import Sensor

from .lines.board_line import BoardError

__all__ = ["CameraView", "camera_view"]


@dataclass(frozen=True, kw_only=True)
class CameraView:
    """A sensor, and the image that a network takes from its frames."""

    sensor: Sensor
    scaling: Scaling


def camera_view(sensor: Sensor, program: Program) -> CameraView:
    """The part of a sensor's frames that a program takes; BoardError if it does not fit."""
    config = program.config
    shape = next(iter(program.inputs.values())).shape       # of each plane
    maximum = program.largest_pixel or config.input_maximum or (1 << len(program.inputs)) - 1
    try:
        return CameraView(sensor=sensor, scaling=scaling_for(
            sensor, width=shape.width, height=shape.height, channels=shape.channels // (config.input_levels or 1),
            maximum=maximum))
    except ValueError as error:
        raise BoardError(str(error)) from None
