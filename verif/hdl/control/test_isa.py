"""The program format: records to words and back, the place of each field, and values that do not fit."""

import random

import pytest
from amaranth.hdl import Const
from hypothesis import given, settings
from hypothesis import strategies as st

from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.control.isa import Isa, LayerFlag, LayerRecord
from signum.verif.bench.records import draw_array, draw_record

SMALLEST = ArrayConfig(rows=1, cols=1, lanes=1, acc_bits=1, sum_bits=1, weight_depth=1, activation_depth=1,
                       threshold_depth=1, program_depth=1, access_patterns=1)
SIGNED = {"window_step", "window_line", "pattern0_step", "pattern0_line",
          "pattern1_step", "pattern1_line", "out_step", "out_line", "start", "run_step", "line_step",
          "coefficients_step", "thresholds_window", "class_x_step", "class_y_step"}


def config_of(**changes: int) -> ArrayConfig:
    return ArrayConfig(**{"rows": 3, "cols": 5, "lanes": 7, "tile": 2, "activation_depth": 60} | changes)


def fields_of(isa: Isa, **values: int) -> dict[str, int]:
    return dict.fromkeys((field.name for field in isa.layer), 0) | {"flags": LayerFlag.LAST} | values


def segment_of(isa: Isa, **values: int) -> dict[str, int]:
    return dict.fromkeys((field.name for field in isa.segment), 0) | values


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_round_trip(rng: random.Random, layers: int) -> None:
    config = draw_array(rng)
    isa = Isa(config)
    records = [draw_record(rng, config, last=i == layers - 1) for i in range(layers)]
    words = isa.encode(records)
    front, drain, store, segment = (-(-len(fields) // config.fetch_width)
                                    for fields in (isa.front, isa.drain, isa.store, isa.segment))
    assert len(words) == sum(front + drain + store + len(record.segments) * segment for record in records)
    assert all(type(word) is int and 0 <= word < 1 << isa.word_bits for word in words)
    rest = [rng.getrandbits(isa.word_bits) for _ in range(5)]
    assert isa.decode(words + rest) == records


@pytest.mark.parametrize("config", [SMALLEST, config_of(), config_of(access_patterns=8, cols=1024, rows=1024)])
def test_every_field_has_its_own_word_and_whole_range(config: ArrayConfig) -> None:
    isa = Isa(config.replace(fetch_width=1))
    front = len(isa.front)
    behind = front + len(isa.segment)
    for fields, first, record in (
            (isa.front, 0, lambda values: LayerRecord(fields_of(isa, **values), (segment_of(isa),))),
            (isa.segment, front, lambda values: LayerRecord(fields_of(isa), (segment_of(isa, **values),))),
            (isa.back, behind, lambda values: LayerRecord(fields_of(isa, **values), (segment_of(isa),)))):
        base = isa.encode([record({})])
        assert len({field.name for field in fields}) == len(fields)
        for number, field in enumerate(fields):
            most = (1 << field.bits) - 1
            words = isa.encode([record({field.name: most})])
            assert field.bits >= 1
            changed = [i for i, (old, new) in enumerate(zip(base, words, strict=True)) if old != new]
            assert changed == [first + number]
            assert words[first + number] == most


@pytest.mark.parametrize("width", [2, 8, 32])
def test_fields_of_a_word_stand_beside_each_other(width: int) -> None:
    isa = Isa(config_of(fetch_width=width))
    segment = segment_of(isa, start=3, gap=1)
    further = isa.encode([LayerRecord(fields_of(isa), (segment_of(isa), segment))])[-len(isa.words_of(isa.segment)):]
    names = [field.name for field in isa.segment]
    places = {"start": 3, "gap": 1}
    expected = [0] * len(isa.words_of(isa.segment))
    for name, value in places.items():
        at, lane = divmod(names.index(name), width)
        expected[at] |= value << lane * isa.field_bits
    assert further == expected



def test_negative_steps_wrap_and_nothing_else_does() -> None:
    isa = Isa(config_of(fetch_width=1))
    assert isa.address_fields == SIGNED
    for field in isa.layer:
        record = LayerRecord(fields_of(isa, **{field.name: -3}), (segment_of(isa),))
        if field.name in SIGNED:
            word = isa.layer.index(field) + (0 if field in isa.front else len(isa.segment))
            assert isa.encode([record])[word] == (1 << field.bits) - 3
        else:
            rule = f"^program field {field.name} must be from 0 to .*, not -3$"
            with pytest.raises(ConfigError, match=rule):
                isa.encode([record])


@pytest.mark.parametrize(("name", "value", "message"), [
    ("channel_blocks", 1024, "program field channel_blocks must be from 0 to 1023, not 1024"),
    ("segments", 64, "program field segments must be from 0 to 63, not 64"),
    ("window_x", 16, "program field window_x must be from 0 to 15, not 16"),
    ("x", 64, "program field x must be from 0 to 63, not 64"),
    ("flags", 16, "program field flags must be from 0 to 15, not 16"),
    ("channel_block", 8, "program field channel_block must be from 0 to 7, not 8"),
    ("thresholds", -1, "program field thresholds must be from 0 to 255, not -1"),
    ("weights", 1024, "program field weights must be from 0 to 1023, not 1024"),
])
def test_layer_field_overflows(name: str, value: int, message: str) -> None:
    isa = Isa(config_of())
    with pytest.raises(ConfigError) as refusal:
        isa.encode([LayerRecord(fields_of(isa, **{name: value}), (segment_of(isa),))])
    assert str(refusal.value) == message


@pytest.mark.parametrize(("name", "value", "message"), [
    ("lines", 256, "program field lines must be from 0 to 255, not 256"),
    ("words", 64, "program field words must be from 0 to 63, not 64"),
    ("flags", 32, "program field flags must be from 0 to 31, not 32"),
    ("gap", 32, "program field gap must be from 0 to 31, not 32"),
])
def test_segment_field_overflows(name: str, value: int, message: str) -> None:
    isa = Isa(config_of())
    with pytest.raises(ConfigError) as refusal:
        isa.encode([LayerRecord(fields_of(isa), (segment_of(isa, **{name: value}),))])
    assert str(refusal.value) == message


def test_flags() -> None:
    record = LayerRecord(fields_of(Isa(config_of()), flags=LayerFlag.RAW | LayerFlag.LAST), ())
    assert [flag for flag in LayerFlag if record.has(flag)] == [LayerFlag.RAW, LayerFlag.LAST]


def test_back_layout_holds_the_back_fields() -> None:
    isa = Isa(config_of())
    for field in isa.back:
        value = Const.cast(isa.back_layout.const({field.name: (1 << field.bits) - 1})).value
        assert value.bit_count() == field.bits
