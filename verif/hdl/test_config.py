"""The configuration: widths that follow from parameters, TOML in and out, and refusals."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signum.hdl.config import MAY_BE_ZERO, ArrayConfig, ConfigError

SMALL: dict[str, Any] = {"rows": 2, "cols": 3, "lanes": 8}


def refused(message: str, **changes: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        ArrayConfig(**{**SMALL, **changes})


@pytest.mark.parametrize("value", [0, -1, 2.0, "abc", None, True])
def test_every_size_must_be_a_positive_integer(value: Any) -> None:
    for field in dataclasses.fields(ArrayConfig):
        if field.name not in MAY_BE_ZERO:
            refused(f"{field.name} must be a positive integer, not {value!r}", **{field.name: value})


def test_pipeline_may_be_zero_and_has_a_limit() -> None:
    assert ArrayConfig(**SMALL, pipeline=0).pipeline == 0
    assert ArrayConfig(**SMALL, pipeline=1).pipeline == 1
    refused("pipeline must be a non-negative integer, not -1", pipeline=-1)
    assert ArrayConfig(**SMALL, pipeline=2).pipeline == 2
    refused("pipeline must be at most 2 for 8 lanes, not 3", pipeline=3)
    refused("pipeline must be at most 1 for 4 lanes, not 2", pipeline=2, lanes=4)


def test_zero_padding_is_there_or_not() -> None:
    assert ArrayConfig(**SMALL, zero_padding=0).zero_padding == 0
    refused("zero_padding must be a non-negative integer, not -1", zero_padding=-1)
    refused("zero_padding must be at most 1, not 2", zero_padding=2)


def test_registers_before_and_behind_the_banks_take_two_cycles() -> None:
    assert [ArrayConfig(**SMALL, memory_registers=value).memory_latency for value in (0, 1, 2)] == [1, 3, 5]
    refused("memory_registers must be at most 2, not 3", memory_registers=3)


def test_requantization_is_there_or_not() -> None:
    there, left_out = ArrayConfig(**SMALL), ArrayConfig(**SMALL, requantize_depth=0)
    assert (there.requantize_cycles, there.operand_bits) == (2, there.sum_bits)
    assert (left_out.requantize_cycles, left_out.operand_bits) == (0, left_out.acc_bits)
    refused("requantize_depth must be a non-negative integer, not -1", requantize_depth=-1)
    refused("requantize_shift must be at most 24, not 25", requantize_shift=25)
    refused("scale_bits must be at most 18, not 19", scale_bits=19)


def test_streams_are_there_or_not() -> None:
    code = {"input_depth": 64, "input_planes": 1, "input_levels": 4, "input_maximum": 255, "answer_ranks": 1}
    there, planes = ArrayConfig(**SMALL, **code), ArrayConfig(**SMALL, input_depth=64, input_planes=8, answer_ranks=1)
    assert (there.streams, there.input_code_bits, there.input_bits) == (True, 4, 6)
    assert (planes.streams, planes.input_code_bits) == (True, 8)
    assert not ArrayConfig(**SMALL).streams
    for changes, message in (
            ({"input_depth": 48}, "input_depth must be a power of two, not 48"),
            ({"input_depth": 0, "answer_ranks": 0}, "input_planes must be 0 where input_depth is 0, not 1"),
            ({"answer_ranks": 0}, "answer_ranks must be positive where input_depth is positive, not 0"),
            ({"input_planes": 9}, "input_planes must be at most 8, not 9"),
            ({"input_planes": 0}, "input_planes must be 1 to 8 where input_depth is positive, not 0"),
            ({"input_planes": 4}, "input_levels must be 0 where input_planes is 4, not 4"),
            ({"input_levels": 9}, "input_levels must be 1 to 8 for values of 0..255 and 8 lanes, not 9"),
            ({"input_levels": 4, "input_maximum": 3},
             "input_levels must be 1 to 3 for values of 0..3 and 8 lanes, not 4"),
            ({"element_bits": 8, "acc_bits": 20, "sum_bits": 20},
             "input_depth must be 0 where element_bits is 8, not 64")):
        refused(message, **(code | changes))
    refused("threshold_levels must be at most 7, not 8", threshold_levels=8)
    refused("weight_repeats must be at most 1, not 2", weight_repeats=2)
    refused("accumulator_shift must be at most 1, not 2", accumulator_shift=2)
    refused("parity must be at most 1, not 2", parity=2)
    refused("gate must be at most 1, not 2", gate=2)
    refused("gate must be 0 where element_bits is 8, not 1", element_bits=8, lanes=4, acc_bits=20, sum_bits=32, gate=1)
    refused("accumulator_shift must be 0 where element_bits is 8, not 1", element_bits=8, lanes=4, acc_bits=20,
            sum_bits=32, accumulator_shift=1)
    refused("raw_depth must be a power of two, not 12", threshold_depth=36, zero_padding=0, raw_depth=12)
    refused("raw_depth must be less than threshold_depth (36) and divide it, not be 8", threshold_depth=36,
            zero_padding=0, raw_depth=8)
    refused("raw_depth must be less than threshold_depth (8) and divide it, not be 8", threshold_depth=8,
            zero_padding=0, raw_depth=8)
    refused("zero_padding must be 0 where raw_depth is positive, not 1", zero_padding=1, raw_depth=8)
    refused("gate must be 0 where raw_depth is positive, not 1", zero_padding=0, gate=1, raw_depth=8)
    refused("input_places must be 0 or 1 where input_depth is 0, not 2", input_places=2)
    refused("answer_bytes must be 0 where answer_values is 0, not 1", answer_bytes=1)
    refused("answer_shuffle must be 0 where answer_values is 0, not 3", answer_shuffle=3)
    refused("answer_values must be 0 where answer_ranks is 0, not 1", answer_values=1)
    refused("answer_ranks must be 0 where input_depth is 0, not 2", answer_ranks=2)


@given(acc_bits=st.integers(4, 32), scale_bits=st.integers(1, 18), shift=st.integers(0, 24))
def test_offsets_hold_what_makes_a_difference(acc_bits: int, scale_bits: int, shift: int) -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=8, acc_bits=acc_bits, sum_bits=32, scale_bits=scale_bits,
                         requantize_shift=shift)
    highest = 7 << shift
    lowest = (-8 << shift) - (2**acc_bits - 1) * (2**scale_bits - 1)
    assert -2**(config.offset_bits - 1) <= lowest <= highest < 2**(config.offset_bits - 1) or config.offset_bits == 32


def test_elements_of_8_bits() -> None:
    config = ArrayConfig(**SMALL, element_bits=8, acc_bits=20, sum_bits=20, pipeline=4)
    assert (config.word_bits, config.count_bits, config.most_taps, config.signed) == (64, 19, 16, True)
    refused("element_bits must be 1 or 8, not 2", element_bits=2)
    refused("acc_bits must be at least 19 for 8 lanes, not 18", element_bits=8, acc_bits=18, sum_bits=20)
    refused("pipeline must be at most 4 for 8 lanes, not 5", element_bits=8, acc_bits=20, sum_bits=20, pipeline=5)
    refused("requantize_depth must be positive where element_bits is 8, not 0",
            element_bits=8, acc_bits=20, sum_bits=20, requantize_depth=0)


@given(taps=st.integers(1, 65793))
def test_an_accumulator_holds_the_largest_dot_product_in_as_few_bits_as_it_can(taps: int) -> None:
    """With 255 and -128 at every tap, farther from zero than with 255 and 127."""
    lanes = 1
    bits = ArrayConfig(rows=1, cols=1, lanes=lanes, element_bits=8, acc_bits=16).dot_bits(taps)
    assert -2**(bits - 1) <= taps * 255 * -128 < -2**(bits - 2)
    config = ArrayConfig(rows=1, cols=1, lanes=lanes, element_bits=8, acc_bits=bits, sum_bits=32)
    assert config.most_taps >= taps
    assert (config.most_taps + 1) * 255 * -128 < -2**(bits - 1)


def test_limits() -> None:
    refused("acc_bits must be at least 4 for 8 lanes, not 3", acc_bits=3)
    refused("sum_bits must be at least acc_bits (12), not 11", sum_bits=11)
    refused("sum_bits must be at most 32, not 33", sum_bits=33)
    refused("rows must be at most 1024, not 1025", rows=1025)
    refused("lanes must be at most 4096, not 5000", lanes=5000, acc_bits=13)
    refused("program_depth must be at most 65536, not 65537", program_depth=65537)
    refused("cols must be at most 1023 for words of 64 bits, not 1024", cols=1024, lanes=64)
    refused("rows must be at most 127 for words of 512 bits, not 128", rows=128, lanes=64, element_bits=8,
            acc_bits=26, sum_bits=26)
    refused("rows must be at most 819 for words of 80 bits, not 820", rows=820, lanes=40, cols=40, tile=40,
            drain_width=5)


def test_widths_never_reach_zero() -> None:
    one = ArrayConfig(rows=1, cols=1, lanes=1, tile=1, acc_bits=1, sum_bits=1, weight_depth=1,
                      activation_depth=1, threshold_depth=1, program_depth=1, access_patterns=1, requantize_depth=1)
    assert {one.count_bits, one.weight_bits, one.activation_bits, one.threshold_bits, one.program_bits,
            one.coefficient_bits} == {1}
    assert (one.drain_cycles, one.binops_per_cycle) == (1, 1)


@given(depth=st.integers(1, 65536), lanes=st.integers(1, 4096))
def test_widths_hold_what_they_must_and_no_more(depth: int, lanes: int) -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=lanes, acc_bits=13, weight_depth=depth)
    assert depth <= 2**config.weight_bits < max(2 * depth, 3)
    assert lanes < 2**config.count_bits <= 2 * lanes


@given(rows=st.integers(1, 1024), cols=st.integers(1, 1024), tile=st.integers(1, 40), height=st.integers(0, 40))
def test_tiles_cover_the_array(rows: int, cols: int, tile: int, height: int) -> None:
    config = ArrayConfig(rows=rows, cols=cols, lanes=1, tile=tile, tile_height=height)
    assert 0 <= config.tile_rows * (height or tile) - rows < (height or tile)
    assert 0 <= config.tile_cols * tile - cols < tile
    # the design's formula: C + ceil(C/T) - 1
    assert config.drain_cycles == cols + (cols + tile - 1) // tile - 1


def test_toml_and_back(tmp_path: Path) -> None:
    config = ArrayConfig(**SMALL, tile=2, access_patterns=3)
    path = tmp_path / "array.toml"
    path.write_text(config.to_toml())
    assert ArrayConfig.load(path) == config
    assert ArrayConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(("text", "message"), [
    ("rows = 1\ncols = 2\n", "lanes must be given"),
    ("row = 1\n", "row is not a parameter; the parameters are acc_bits, "),
    ("rows = \n", "the configuration must be TOML: "),
    ('rows = "2"\ncols = 1\nlanes = 1\n', "rows must be a positive integer, not '2'"),
])
def test_bad_toml(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        ArrayConfig.from_toml(text)


def test_replace_checks_again() -> None:
    config = ArrayConfig(**SMALL)
    assert config.replace(rows=7).rows == 7
    with pytest.raises(ConfigError, match="rows must be a positive integer, not 0"):
        config.replace(rows=0)


@pytest.mark.parametrize(("text", "message"), [
    (f"rows = {'9' * 5000}", r"^the configuration must be TOML: Exceeds the limit "),
    (f"rows = 0x{'f' * 5000}", "^rows must be at most 4294967295, not an integer of 20000 bits$"),
    ("tile = 4294967296", "^tile must be at most 4294967295, not 4294967296$"),
    (f"rows = {'[' * 3000}", "^the configuration must be TOML: "),
    ('"a\\nb" = 1', r"^'a\\nb' is not a parameter; the parameters are "),
    (f"{'x' * 5000} = 1", r"^'x{79}\.\.\. is not a parameter; the parameters are "),
    (f'rows = "{"x" * 5000}"', r"^rows must be a positive integer, not 'x{79}\.\.\.$"),
])
def test_what_python_itself_would_not_read(text: str, message: str) -> None:
    rest = "".join(f"{name} = {value}\n" for name, value in SMALL.items() if name not in text)
    with pytest.raises(ConfigError, match=message):
        ArrayConfig.from_toml(f"{text}\n{rest}")


def test_a_file_of_any_length(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text("#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match=r"^config must have at most 1048576 bytes, not more: "):
        ArrayConfig.load(tmp_path / "long.toml")
