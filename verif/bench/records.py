"""Random layer records, drawn from the program format, independent of the compiler."""

import random
from collections.abc import Sequence

from signum.hdl.config import ArrayConfig
from signum.hdl.control.combine import combines_of
from signum.hdl.control.isa import PATTERN_BIT, Isa, LayerFlag, LayerRecord, SegmentFlag

__all__ = ["LARGEST", "LAYER", "LONGEST", "LOOPS", "RASTER", "draw_array", "draw_border", "draw_long_record",
           "draw_record", "draw_records", "most", "most_further", "with_one_loop"]

LONGEST = 200           # turns of the loop of a long record
MOST_SEGMENTS = 20
RASTER = "x", "y"
LAYER = *RASTER, "window_x", "window_y", "channel_blocks"
LOOPS = *LAYER, "words", "runs", "lines", "segments"
DEPTHS = {"activation_depth": (1, 20, 64), "threshold_depth": (1, 50, 128), "weight_depth": (1, 30, 256)}
LARGEST = {name: max(depths) for name, depths in DEPTHS.items()}
"""Memories with which the fields of a record have several bits, not one or two."""


def draw_array(rng: random.Random) -> ArrayConfig:
    """A small array, sometimes with memories of one word."""
    width = rng.choice([1, 1, 2, 3])
    return ArrayConfig(
        rows=rng.randint(1, 5), cols=width * rng.randint(1, 7), tile=width * rng.randint(1, 4),
        drain_width=width, fetch_width=rng.choice([1, 2, 3, 8, 32]),
        lanes=width * rng.choice([1, 2, 5, 11]), acc_bits=8, sum_bits=12, access_patterns=rng.randint(1, 3),
        **{name: rng.choice(depths) for name, depths in DEPTHS.items()}, requantize_depth=rng.choice([0, 1, 30]),
        memory_registers=rng.randint(0, 2), threshold_levels=rng.choice([1, 1, 2, 3]),
        weight_repeats=rng.randint(0, 1), accumulator_shift=rng.randint(0, 1), gate=rng.randint(0, 1),
        tile_height=rng.choice([0, 0, 1, 2, 3]))


def most(isa: Isa, name: str, limit: int) -> int:
    """The largest value of a field, bounded by a limit."""
    [bits] = (field.bits for field in (*isa.layer, *isa.segment) if field.name == name)
    return min(limit, (1 << bits) - 1)


def draw_border(rng: random.Random, isa: Isa, x: int, y: int) -> dict[str, int]:
    """Where the border classes of a map of ``x + 1`` by ``y + 1`` pixels end and begin."""
    return {"class_x_low": rng.randint(0, x), "class_x_high": rng.randint(0, most(isa, "x", x + 1)),
            "class_y_low": rng.randint(0, y), "class_y_high": rng.randint(0, most(isa, "y", y + 1))}


def draw_segment(rng: random.Random, isa: Isa, continues: bool) -> dict[str, int]:
    segment = {field.name: rng.randrange(1 << field.bits) for field in isa.segment}
    bits = isa.config.activation_bits
    segment |= {"words": rng.randint(0, min(3, (1 << bits) - 1)), "runs": rng.randint(0, 2),
                "lines": rng.randint(0, 2), "flags": (
                    rng.randrange(isa.config.access_patterns) << PATTERN_BIT | rng.choice([0, SegmentFlag.DOUBLE])
                    | rng.choice([0, SegmentFlag.REPEAT if isa.config.weight_repeats else 0])
                    | rng.choice([0, SegmentFlag.SHIFT if isa.config.accumulator_shift else 0])),
                "gap": rng.choice([0, 0, rng.randint(0, 12)])}
    if continues:
        segment |= {"flags": segment["flags"] | SegmentFlag.CONTINUE, "runs": isa.segment_fetch - 1}
    return segment


def draw_segments(rng: random.Random, isa: Isa) -> tuple[dict[str, int], ...]:
    """Segments with gaps long enough for the fetch of the next segment."""
    count = rng.choice([1, 1, 2, 3, 4])
    segments = [draw_segment(rng, isa, i < count - 1 and rng.random() < 0.3) for i in range(count)]
    for segment in segments:
        steps = (segment["words"] + 1) * (segment["runs"] + 1) * (segment["lines"] + 1)
        if count > 1 and not segment["flags"] & SegmentFlag.CONTINUE:
            segment["gap"] = max(segment["gap"], isa.segment_fetch - steps)
    return tuple(segments)


def draw_record(rng: random.Random, config: ArrayConfig, *, last: bool = True) -> LayerRecord:
    """A layer of a few pixels, with any starts and steps, sometimes raw or in split mode."""
    isa = Isa(config)
    fields = {field.name: rng.randrange(1 << field.bits) for field in isa.layer}
    combine = rng.choice(combines_of(config))
    flags = combine.flag
    for flag in (LayerFlag.SPLIT, *(() if combine.gates else (LayerFlag.RAW,))):
        flags |= flag if rng.random() < 0.4 else 0
    segments = draw_segments(rng, isa)
    raw = bool(flags & LayerFlag.RAW)
    x, y = rng.randint(0, most(isa, "x", 5)), rng.randint(0, most(isa, "y", 3))
    window_x, window_y = (0, 0) if raw else (rng.choice([0, 0, 1, 2]), rng.choice([0, 0, 1, 2]))
    fields |= {
        "flags": flags | (LayerFlag.LAST if last else 0), "segments": len(segments) - 1,
        "drains": sum(not segment["flags"] & SegmentFlag.CONTINUE for segment in segments) - 1,
        "x": x, "y": y, "window_x": window_x, "window_y": window_y,
        "windows": (window_x + 1) * (window_y + 1) - 1, "channel_blocks": min(rng.choice([0, 0, 1, 3]),
                                                                              config.weight_depth - 1),
        "channel_block": rng.randrange(config.beats), "last_channel_block": rng.randrange(config.beats),
        **draw_border(rng, isa, x, y),
    }
    if "levels" in fields:
        fields["levels"] = 0 if raw else rng.randint(0, min(fields["drains"], config.threshold_levels - 1))
    if "gated" in fields:
        fields["gated"] = rng.randint(0, fields["drains"]) if combine.gates else 0
    return LayerRecord(fields, segments)


def draw_long_record(rng: random.Random, config: ArrayConfig, *, last: bool = True,
                     among: Sequence[str] = LOOPS) -> LayerRecord:
    """A layer with one long loop, or of many segments, so that its counters and fields use their high bits."""
    isa = Isa(config)
    record = draw_record(rng, config, last=last)
    raw = record.has(LayerFlag.RAW)
    loop = rng.choice([name for name in among if not (raw and name.startswith("window"))])
    if loop == "segments":
        further = rng.randint(1, most(isa, loop, MOST_SEGMENTS - 1))
    else:
        further = rng.randint(0, most_further(config, loop, LONGEST))
    return with_one_loop(rng, config, record, loop, further)


def most_further(config: ArrayConfig, loop: str, limit: int) -> int:
    """The most turns behind the first of a loop, bounded by a limit; each channel block has weights of its own."""
    return most(Isa(config), loop, min(limit, config.weight_depth - 1) if loop == "channel_blocks" else limit)


def with_one_loop(rng: random.Random, config: ArrayConfig, record: LayerRecord, loop: str, further: int) -> LayerRecord:
    """The layer with one of its `LOOPS` alone, of a first turn and some ``further`` ones."""
    isa = Isa(config)
    loops = dict.fromkeys(LAYER, 0)
    segment = dict(record.segments[-1]) | dict.fromkeys(("words", "runs", "lines"), 0)
    segment["flags"] &= ~SegmentFlag.CONTINUE
    count = 1
    if loop == "segments":
        count = further + 1
        segment["gap"] = max(segment["gap"], isa.segment_fetch - 1)
    elif loop in loops:
        loops[loop] = further
    else:
        segment[loop] = further
        if outer := {"words": "runs", "runs": "lines"}.get(loop):
            segment[outer] = 1                              # the loop begins again
    fields = dict(record.fields) | loops | {
        "segments": count - 1, "drains": count - 1, "windows": loops["window_x"] + loops["window_y"],
        **draw_border(rng, isa, loops["x"], loops["y"])}
    fields |= {name: 0 for name in ("levels", "gated") if name in fields}
    return LayerRecord(fields, (segment,) * count)


def draw_records(rng: random.Random, config: ArrayConfig, count: int, *,
                 among: Sequence[str] = LOOPS) -> list[LayerRecord]:
    """Layers of few pixels, and layers with a long loop ``among`` some; each is the last of its run."""
    return [draw_long_record(rng, config, among=among) if rng.random() < 0.6 else draw_record(rng, config)
            for _ in range(count)]
