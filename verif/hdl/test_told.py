"""Values in messages: one line of bounded length."""

from typing import Any

import pytest

from signum.hdl.told import line_of, told


def deep() -> Any:
    value: Any = 0
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(("value", "text"), [
    (3, "3"), ("a\nb", r"'a\nb'"), (None, "None"), (10**5000, "an integer of 16610 bits"),
    (-(10**5000), "an integer of 16610 bits"), ([10**5000], "a list"), ("x" * 500, f"'{'x' * 79}...")],
    ids=lambda value: "")
def test_values(value: Any, text: str) -> None:
    assert told(value) == text


def test_a_deep_value() -> None:
    assert told(deep()) == "a list"


def test_errors() -> None:
    assert line_of(ValueError("a\n  b")) == "a b"
    assert line_of(KeyError()) == "KeyError"
    assert line_of(ValueError("x" * 1000), 5) == "xxxxx..."
