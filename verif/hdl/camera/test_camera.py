"""A camera as a whole: pins to images, and the part of a frame that a network takes."""

import re

import numpy as np
import pytest

from signum.golden.reference.camera import scaled_frame
from signum.hdl.camera.camera import Camera, scaling_for
from signum.hdl.camera.downscale import VALUE_MAX
from signum.hdl.camera.pixel_format import Format
from signum.hdl.camera.sensors import SENSORS, Sensor
from signum.verif.bench.amaranth_simulation import run_testbenches
from signum.verif.bench.sensor import Broken, SensorWave

CLOCK = 100e6


def small(layout: Format, **changes: int) -> Sensor:
    return Sensor(device=1, table=((1, 2),), layout=layout, width=14, height=10, clock=10e6, **changes)


@pytest.mark.parametrize("sensor", [
    small(Format.GREY), small(Format.GREY, data_bits=4, frame_active=0), small(Format.YUYV, line_active=0),
    small(Format.RGB565)], ids=["grey", "grey, nibbles", "yuyv", "rgb565"])
def test_whole_frames_alone_leave_whole(sensor: Sensor, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scaling = scaling_for(sensor, width=4, height=3, channels=sensor.layout.channels, maximum=VALUE_MAX)
    camera = Camera(sensor=sensor, scaling=scaling, clock=CLOCK)
    wave = SensorWave(sensor, rng, half=(2, 4), line_blank=(2, 5), frame_blank=(6, 12))
    kinds: list[Broken | None] = [None, *Broken, None, None]
    frames = rng.integers(0, 256, (len(kinds), sensor.height, sensor.width, sensor.layout.channels), dtype=np.uint8)
    if sensor.layout is Format.RGB565:          # colours that 16 bits hold
        for channel, bits in enumerate((5, 6, 5)):
            part = frames[..., channel] >> 8 - bits
            frames[..., channel] = part << 8 - bits | part >> 2 * bits - 8
    found: list[list[int]] = []
    counts: list[tuple[int, int]] = []

    async def show(ctx):
        # every second cycle of the clock is off by some time, so the clocks are unrelated
        for frame, kind in zip(frames, kinds, strict=True):
            for levels, cycles in wave.frame(frame, kind).tolist():
                ctx.set(camera.pclk, levels & 1)
                ctx.set(camera.vsync, levels >> 1 & 1)
                ctx.set(camera.href, levels >> 2 & 1)
                ctx.set(camera.pins, levels >> 3)
                await ctx.delay((cycles * 10 + 0.7) * 1e-9)
        counts.append((ctx.get(camera.frames), ctx.get(camera.broken)))

    async def take(ctx):
        current: list[int] = []
        ctx.set(camera.o.ready, 1)
        async for _, _, valid, item in ctx.tick().sample(camera.o.valid, camera.o.payload):
            if valid:
                current = [*([] if item.first else current), item.value]
                if item.last:
                    found.append(current)

    run_testbenches(camera, show, background=[take], period=10e-9)
    assert found == [scaled_frame(frame, scaling).transpose(1, 2, 0).reshape(-1).tolist()
                     for frame, kind in zip(frames, kinds, strict=True) if kind is None]
    assert counts == [(3, len(Broken))]


@pytest.mark.parametrize("maximum", [1, 16, 100, 255])
@pytest.mark.parametrize(("width", "height"), [(8, 8), (32, 32), (96, 96), (5, 7)])
def test_the_scaling_reaches_from_black_to_white(width: int, height: int, maximum: int) -> None:
    scaling = scaling_for(SENSORS["ov7670"], width=width, height=height, channels=1, maximum=maximum)
    assert scaling.box_width == min(160 // width, 120 // height)
    assert scaling.value(0) == 0
    assert scaling.value(scaling.largest_sum) == maximum
    assert scaling.value(scaling.largest_sum // 2) in (maximum // 2, maximum // 2 + 1)


@pytest.mark.parametrize(("values", "message"), [
    ({"width": 161}, "a network for this sensor must take at most 160 x 120 pixels, not 161 x 8"),
    ({"channels": 3}, "a network for this sensor must take 1 channels, not 3"),
])
def test_networks_that_do_not_fit(values: dict[str, int], message: str) -> None:
    wanted = {"width": 8, "height": 8, "channels": 1, "maximum": 16}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        scaling_for(SENSORS["ov7670"], **(wanted | values))


def test_a_scaling_for_other_frames() -> None:
    scaling = scaling_for(SENSORS["hm01b0"], width=8, height=8, channels=1, maximum=16)
    message = "the scaling must be for frames of 160 x 120 pixels with 1 channels, not 162 x 122 with 1"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Camera(sensor=SENSORS["ov7670"], scaling=scaling, clock=CLOCK)
