"""The part of a sensor's frames that a program takes: its size and scale, and sensors that are too small."""

from types import SimpleNamespace
from typing import Any

import pytest

from signum.fpga.flow.camera_view import camera_view
from signum.fpga.flow.lines.board_line import BoardError
from signum.hdl.camera.sensors import SENSORS


def program(*, width: int, height: int, channels: int, planes: int = 8, maximum: int = 0, levels: int = 0,
            largest: int = 0) -> Any:
    """What a view reads of a program: an input map of levels, or one for each bit plane."""
    shape = SimpleNamespace(width=width, height=height, channels=channels)
    config = SimpleNamespace(input_planes=8, input_maximum=maximum, input_levels=levels)
    names = ["input"] if maximum else [f"input.{plane}" for plane in range(planes)]
    return SimpleNamespace(config=config, inputs=dict.fromkeys(names, SimpleNamespace(shape=shape)),
                           largest_pixel=largest)


@pytest.mark.parametrize(("size", "channels"), [
    ({"width": 8, "height": 8, "channels": 1}, 1), ({"width": 28, "height": 20, "channels": 1}, 1),
    ({"width": 8, "height": 8, "channels": 6, "levels": 6}, 1)])
def test_an_image_has_the_size_of_the_map(size: dict[str, int], channels: int) -> None:
    """Levels of a thermometer code are channels of the map, and not of the image."""
    sensor = SENSORS["hm01b0"]
    view = camera_view(sensor, program(**size))
    assert view.sensor is sensor
    scaling = view.scaling
    assert (scaling.width, scaling.height, scaling.channels) == (size["width"], size["height"], channels)


@pytest.mark.parametrize(("code", "maximum"), [
    ({"planes": 4}, 15), ({"planes": 8}, 255), ({"maximum": 16}, 16), ({"planes": 2, "largest": 200}, 200),
    ({"maximum": 16, "largest": 255}, 255)])
def test_white_is_the_largest_value_of_the_code(code: dict[str, int], maximum: int) -> None:
    """Of as many planes as the network has; or, with tables, of the pixels that they are for."""
    sensor = SENSORS["hm01b0"]
    scaling = camera_view(sensor, program(width=8, height=8, channels=1, **code)).scaling
    assert (scaling.value(0), scaling.value(scaling.largest_sum)) == (0, maximum)


def test_images_larger_than_the_frames() -> None:
    message = "a network for this sensor must take at most 162 x 122 pixels, not 163 x 8"
    with pytest.raises(BoardError, match=f"^{message}$"):
        camera_view(SENSORS["hm01b0"], program(width=163, height=8, channels=1))
