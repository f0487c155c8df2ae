"""Crop and box filter: whole frames equal the golden images, broken ones never end."""

import random
import re
from itertools import chain
from typing import Any

import numpy as np
import pytest

from signum.golden.reference.camera import scaled_frame
from signum.hdl.camera.downscale import Downscale, Scaling
from signum.hdl.input.frame_receiver import COUNT_BITS
from signum.verif.bench.trace import play

Item = dict[str, int]


SCALINGS = {
    "clipped": Scaling(frame_width=11, frame_height=9, left=1, top=1, width=3, height=2, box_width=3, box_height=3,
                       channels=3, factor=9, shift=6, maximum=255),
    "whole": Scaling(frame_width=6, frame_height=6, width=3, height=3, box_width=2, box_height=2, shift=2),
    "lines": Scaling(frame_width=7, frame_height=8, left=2, top=3, width=5, height=1, box_width=1, box_height=4,
                     channels=1, factor=3, shift=4, maximum=100),
    "column": Scaling(frame_width=6, frame_height=7, left=3, top=0, width=1, height=3, box_width=2, box_height=2,
                      channels=1, factor=1, shift=2),
}
DRAWN = [f"drawn {index}" for index in range(4)]
every_scaling = pytest.mark.parametrize("name", [*SCALINGS, *DRAWN])


def scaling_of(name: str, seed: int) -> Scaling:
    return SCALINGS.get(name) or draw_scaling(random.Random(f"{seed} {name}"))


def draw_scaling(rng: random.Random) -> Scaling:
    """The shift spreads the values of boxes over their range, and some are clipped."""
    width, height, box_width, box_height = (rng.randrange(1, 5) for _ in range(4))
    left, top, factor, maximum = rng.randrange(3), rng.randrange(3), rng.randrange(1, 9), rng.choice([255, 16, 1])
    ratio = 255 * box_width * box_height * factor // maximum
    return Scaling(frame_width=left + width * box_width + rng.randrange(3), left=left, width=width, box_width=box_width,
                   frame_height=top + height * box_height + rng.randrange(3), top=top, height=height,
                   box_height=box_height, channels=rng.choice([1, 3]), factor=factor,
                   shift=max(0, ratio.bit_length() - rng.randrange(1, 3)), maximum=maximum)


def items_of(frame: np.ndarray) -> list[list[Item]]:
    """The values of each line, and the end as a line of its own."""
    lines = [[{"value": int(value), "line": i == 0, "end": 0, "lost": 0} for i, value in enumerate(line.reshape(-1))]
             for line in frame]
    return [*lines, [{"value": 0, "line": 0, "end": 1, "lost": 0}]]


def damaged(lines: list[list[Item]], kind: str, rng: random.Random) -> list[list[Item]]:
    *lines, end = lines
    at = rng.randrange(len(lines))
    if kind == "short line":
        lines[at] = lines[at][:-1]
        if not lines[at]:
            del lines[at]
    elif kind == "long line":
        lines[at] = [*lines[at], lines[at][-1] | {"line": 0}]
    elif kind == "missing line":
        del lines[at]
    elif kind == "further line":
        lines.insert(at, lines[at])
    elif kind == "endless line":            # longer by all that a counter of its values could count
        lines[at] += [lines[at][-1] | {"line": 0}] * (1 << (len(lines[at]) + 1).bit_length())
    elif kind == "endless frame":
        lines += [lines[at]] * (1 << (len(lines) + 1).bit_length())
    elif kind == "no lines":
        lines = []
    elif kind == "lost end":
        end = [end[0] | {"lost": 1}]
    else:
        line, place = lines[at], rng.randrange(len(lines[at]))
        lines[at] = [*line[:place], line[place] | {"lost": 1}, *line[place + 1:]]
    return [*lines, end]


KINDS = ["short line", "", "long line", "missing line", "", "further line", "lost", "endless line", "endless frame", "",
         "no lines", "lost end", "", "lost", "", ""]


class Run:
    """Sends frames, and keeps the images that end.

    Parameters
    ----------
    frames : list of lists of items
    stall : float
        Share of cycles without a value.
    takes : list of float
        For each frame the share of cycles in which values of images are taken.
    gaps : int
        Cycles behind a frame.
    resets : int or None
        The frame behind which there is a reset.

    Members
    -------
    images : list of (int, list of int)
        The frame in or behind which each image ended, and its values.
    counts : list of (int, int)
        Whole and broken frames, behind each frame.
    """

    def __init__(self, scaling: Scaling, frames: list[list[Item]], rng: random.Random, *, stall: float = 0.0,
                 takes: list[float] | None = None, gaps: int = 8, resets: int | None = None) -> None:
        self.rng = rng
        self.steps: list[dict[str, Any]] = []
        ends = []                                       # for each frame the cycle behind it
        for number, items in enumerate(frames):
            share = takes[number] if takes else 1.0
            for item in items:
                while rng.random() < stall:
                    self._step(share, None)
                self._step(share, item)
            for _ in range(gaps):
                self._step(share, None)
            ends.append(len(self.steps))
            if number == resets:
                self._step(share, None, reset=1)
        self._step(1.0, None)
        self.trace = play(Downscale(scaling=scaling), self.steps)
        self.counts = [(self.trace[end]["frames"], self.trace[end]["broken"]) for end in ends]
        self.images = self._ended(ends)
        if resets is not None:
            after = self.trace[ends[resets] + 1]
            assert (after["o__valid"], after["frames"], after["broken"]) == (0, 0, 0)

    def _step(self, share: float, item: Item | None, *, reset: int = 0) -> None:
        rng = self.rng
        self.steps.append({
            "i__valid": int(item is not None), "o__ready": int(rng.random() < share), "rst": reset,
            "i__payload": item or {"value": rng.randrange(256), "line": rng.randrange(2), "end": rng.randrange(2),
                                   "lost": rng.randrange(2)}})

    def _ended(self, ends: list[int]) -> list[tuple[int, list[int]]]:
        """The images, from the values that are taken; one that is not taken stays."""
        images: list[tuple[int, list[int]]] = []
        current: list[int] = []
        waiting = None
        for cycle, (step, outputs) in enumerate(zip(self.steps, self.trace, strict=True)):
            assert outputs["i__ready"]
            payload = outputs["o__payload"] if outputs["o__valid"] else None
            assert waiting in (None, payload)
            waiting = None if step["o__ready"] or step["rst"] else payload
            if payload and step["o__ready"] and not step["rst"]:
                current = [*([] if payload["first"] else current), payload["value"]]
                if payload["last"]:
                    images.append((sum(end <= cycle for end in ends), current))
                    current = []
        return images


def frames_of(scaling: Scaling, count: int, rng: random.Random) -> list[np.ndarray]:
    """Random frames, after one of the largest values."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    shape = scaling.frame_height, scaling.frame_width, scaling.channels
    return [np.full(shape, 255, np.uint8), *(numbers.integers(0, 256, shape, dtype=np.uint8) for _ in range(count - 1))]


def image_of(frame: np.ndarray, scaling: Scaling) -> list[int]:
    return scaled_frame(frame, scaling).transpose(1, 2, 0).reshape(-1).tolist()


@every_scaling
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_images(name: str, stall: float, seed: int) -> None:
    rng = random.Random(f"{seed} {name} {stall}")
    scaling = scaling_of(name, seed)
    kinds = ["", *rng.sample(KINDS, len(KINDS))]
    frames = frames_of(scaling, len(kinds), rng)
    lines = [damaged(items_of(frame), kind, rng) if kind else items_of(frame)
             for frame, kind in zip(frames, kinds, strict=True)]
    run = Run(scaling, [list(chain.from_iterable(each)) for each in lines], rng, stall=stall)
    assert run.images == [(number, image_of(frame, scaling))
                          for number, (frame, kind) in enumerate(zip(frames, kinds, strict=True)) if not kind]
    whole = [sum(not kind for kind in kinds[:number]) for number in range(1, len(kinds) + 1)]
    assert run.counts == [(count, number - count) for number, count in enumerate(whole, 1)]


@every_scaling
def test_a_value_that_is_not_taken_in_time_breaks_its_frame_alone(name: str, seed: int) -> None:
    rng = random.Random(f"{seed} {name}")
    scaling = scaling_of(name, seed)
    frames = frames_of(scaling, 8, rng)
    items = [list(chain.from_iterable(items_of(frame))) for frame in frames]
    run = Run(scaling, items, rng, takes=[0.0 if number % 3 == 1 else 1.0 for number in range(8)],
              gaps=rng.randrange(4, 9))
    images = [image_of(frame, scaling) for frame in frames]
    broken = [number for number in range(8) if number % 3 == 1 and len(images[number]) > 1]
    assert run.counts[-1] == (8 - len(broken), len(broken))
    assert [image for _, image in run.images] == [images[number] for number in range(8) if number not in broken]


@every_scaling
@pytest.mark.parametrize("takes", [0.1, 0.5])
def test_each_image_that_ends_is_that_of_a_whole_frame(name: str, takes: float, seed: int) -> None:
    """Values are taken late, some of them too late."""
    rng = random.Random(f"{seed} {name} {takes}")
    scaling = scaling_of(name, seed)
    frames = frames_of(scaling, 12, rng)
    # every other frame is taken at once
    run = Run(scaling, [list(chain.from_iterable(items_of(frame))) for frame in frames], rng, stall=0.3,
              takes=[takes, 1.0] * 6)
    ended = [number for number, (now, before) in enumerate(zip(run.counts, [(0, 0), *run.counts[:-1]], strict=True))
             if now[0] > before[0]]
    assert {1, 3, 5, 7, 9, 11} <= set(ended)
    assert all(sum(count) == number for number, count in enumerate(run.counts, 1))
    assert [image for _, image in run.images] == [image_of(frames[number], scaling) for number in ended]


@every_scaling
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_reset_ends_a_frame(name: str, share: float, seed: int) -> None:
    rng = random.Random(f"{seed} {name} {share}")
    scaling = scaling_of(name, seed)
    frames = frames_of(scaling, 4, rng)
    items = [list(chain.from_iterable(items_of(frame))) for frame in frames]
    items[1] = items[1][:int(len(items[1]) * share)]
    run = Run(scaling, items, rng, resets=1)
    assert run.images == [(number, image_of(frames[number], scaling)) for number in (0, 2, 3)]
    assert run.counts == [(1, 0), (1, 0), (1, 0), (2, 0)]


@every_scaling
def test_broken_frames_are_counted_in_all_bits(name: str, seed: int) -> None:
    """Frames without lines: broken ones of a single item."""
    scaling, count = scaling_of(name, seed), (1 << COUNT_BITS) + 5
    end = items_of(np.zeros((0, scaling.frame_width, scaling.channels), np.uint8))[-1]
    run = Run(scaling, [end] * count, random.Random(f"{seed} {name}"), gaps=0)
    assert run.images == []
    assert run.counts[3:] == [(0, number % (1 << COUNT_BITS)) for number in range(1, count - 2)]     # 3 cycles later


@pytest.mark.parametrize(("changes", "message"), [
    ({"width": 0}, "width must be a positive integer, not 0"),
    ({"left": -1}, "left must be 0 or more, not -1"),
    ({"maximum": 256}, "maximum must be at most 255, not 256"),
    ({"left": 1}, "width must leave the crop within the frame of 8, not be 4 boxes of 2 from 1 on"),
])
def test_parameters_out_of_range(changes: dict[str, int], message: str) -> None:
    values = {"frame_width": 8, "frame_height": 8, "width": 4, "height": 4, "box_width": 2, "box_height": 2}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Scaling(**(values | changes))
