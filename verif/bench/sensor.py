"""A sensor's port as waves: frames with blanking and jitter, and broken frames."""

import enum
from dataclasses import dataclass

import numpy as np

from signum.hdl.camera.pixel_format import Format
from signum.hdl.camera.sensors import Sensor

__all__ = ["Broken", "SensorWave", "sensor_bytes"]

CLOCK, FRAME, LINE = 1, 2, 4        # levels of the ports: pclk, vsync, href; data above them
DATA_SHIFT = 3


class Broken(enum.Enum):
    """What is wrong with a frame."""

    SHORT_LINE = "short line"
    LONG_LINE = "long line"
    MISSING_LINE = "missing line"
    FURTHER_LINE = "further line"
    CUT = "cut by the next frame"
    GAP = "line mark low in the middle of a line"


def sensor_bytes(frame: np.ndarray, layout: Format) -> np.ndarray:
    """The bytes of each line, uint8 (height, bytes), of a frame uint8 (height, width, channels).

    Colours keep their highest bits; the colours of a grey frame in YUV are neutral.
    """
    height, width, _ = frame.shape
    if layout is Format.GREY:
        return frame[..., 0]
    if layout is Format.RGB565:
        red, green, blue = (frame[..., c].astype(np.uint16) for c in range(3))
        words = red >> 3 << 11 | green >> 2 << 5 | blue >> 3
        return np.stack([words >> 8, words & 0xFF], axis=-1).astype(np.uint8).reshape(height, 2 * width)
    neutral = np.full_like(frame[..., 0], 0x80)
    pair = [frame[..., 0], neutral] if layout is Format.YUYV else [neutral, frame[..., 0]]
    return np.stack(pair, axis=-1).reshape(height, 2 * width)


@dataclass
class SensorWave:
    """Waves for `fpga.host.model.Model.wave`: levels of pclk, vsync, href and the data.

    Parameters
    ----------
    sensor : Sensor
    rng : Generator
    half : (int, int)
        Least and largest number of cycles of a half period of pclk, drawn for each.
    line_blank, frame_blank : (int, int)
        Least and largest number of pclk between lines, and between frames.
    """

    sensor: Sensor
    rng: np.random.Generator
    half: tuple[int, int] = (2, 3)
    line_blank: tuple[int, int] = (4, 12)
    frame_blank: tuple[int, int] = (20, 60)

    def _draw(self, bounds: tuple[int, int]) -> int:
        return int(self.rng.integers(bounds[0], bounds[1] + 1))

    def _marks(self, frame: bool, line: bool) -> int:
        return (FRAME if frame == bool(self.sensor.frame_active) else 0) | (
            LINE if line == bool(self.sensor.line_active) else 0)

    def frame(self, frame: np.ndarray, broken: Broken | None = None) -> np.ndarray:
        """The wave of a frame, uint16 (n, 2), levels and cycles, and of the pause behind it."""
        lines = list(sensor_bytes(frame, self.sensor.layout))
        at = int(self.rng.integers(1, len(lines) - 1))
        cut = int(self.rng.integers(1, lines[at].size))
        if broken is Broken.SHORT_LINE:
            lines[at] = lines[at][:cut]
        elif broken is Broken.LONG_LINE:
            lines[at] = np.append(lines[at], lines[at][:cut])
        elif broken is Broken.MISSING_LINE:
            del lines[at]
        elif broken is Broken.FURTHER_LINE:
            lines.insert(at, lines[at])
        elif broken is Broken.CUT:
            lines = [*lines[:at], lines[at][:cut]]
        levels: list[np.ndarray] = []
        for number, values in enumerate(lines):
            if self.sensor.data_bits == 4:
                values = np.stack([values >> 4, values & 0xF], axis=-1).reshape(-1)
            line = values.astype(np.uint16) << DATA_SHIFT | self._marks(True, True)
            if broken is Broken.GAP and number == at:
                gap = np.full(2, self._marks(True, False), np.uint16)
                line = np.concatenate([line[:cut], gap, line[cut:]])
            blank = np.full(self._draw(self.line_blank), self._marks(True, False), np.uint16)
            levels += [blank, line]
        levels.append(np.full(self._draw(self.line_blank), self._marks(True, False), np.uint16))
        levels.append(np.full(self._draw(self.frame_blank), self._marks(False, False), np.uint16))
        data = np.concatenate(levels)
        # data change with the falling edge
        steps = np.empty((2 * len(data), 2), np.uint16)
        steps[::2, 0], steps[1::2, 0] = data, data | CLOCK
        steps[:, 1] = self.rng.integers(self.half[0], self.half[1] + 1, len(steps))
        return steps
