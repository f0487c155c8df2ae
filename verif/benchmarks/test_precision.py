"""Layers of several bits in RTL: no mismatch, and the recorded cycles exactly, since pages quote them."""

import pytest

from signum.hdl.config import ArrayConfig
from signum.verif.benchmarks.precision import ARRAY, LAYERS, QuantLayer, bound, precision_row
from signum.verif.benchmarks.record import load

QUICK = ("first", 8, 8), ("hidden", 2, 2), ("gated", 2, 1)


@pytest.mark.sweep(5)
@pytest.mark.parametrize("layer", [
    pytest.param(layer, id=f"{layer.name}-{layer.a_bits}-{layer.w_bits}",
                 marks=() if (layer.name, layer.a_bits, layer.w_bits) in QUICK else pytest.mark.slow)
    for layer in LAYERS])
def test_layers_take_the_recorded_cycles(layer: QuantLayer) -> None:
    row = precision_row(layer)
    assert row["mismatches"] == 0
    assert row in load("precision")["rows"], "another layer than recorded: make bench-precision"


def test_the_record_is_whole() -> None:
    content = load("precision")
    assert ArrayConfig.from_dict(content["array"]) == ARRAY
    assert [(row["layer"], row["a_bits"], row["w_bits"]) for row in content["rows"]] == [
        (layer.name, layer.a_bits, layer.w_bits) for layer in LAYERS]
    for row, layer in zip(content["rows"], LAYERS, strict=True):
        words = (9 * layer.inputs + 31) // 32
        assert row["lower_bound"] == bound(layer, ARRAY) == layer.a_bits * layer.w_bits * words * 144 * 4
        assert row["cycles"] >= row["lower_bound"]


def test_the_goal_is_met() -> None:
    """An 8-bit first layer of 3x3x3 taps, at most 1.1 times its bound."""
    (row,) = (row for row in load("precision")["rows"] if (row["layer"], row["w_bits"]) == ("first", 8))
    assert row["taps"] == 27
    assert row["cycles"] <= 1.1 * row["lower_bound"]
