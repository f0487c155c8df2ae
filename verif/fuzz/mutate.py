"""Mutations of bytes, of text, and of trees of values: each starts from something valid."""

import random
import re
from collections.abc import Callable, MutableMapping, MutableSequence
from typing import Any

__all__ = ["NUMBERS", "STRINGS", "mutate_bytes", "mutate_text", "mutate_tree", "nested", "odd_value"]

NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 7, 8, 31, 32, 33, 255, 256, 4095, 4096, 65535, 65536, 65537, 2**31 - 1, 2**31, 2**32, 2**53 + 1,
    2**63 - 1, 2**63, 2**64, -2**31, -2**63, 10**30, -10**30, 10**4000, 0.0, -0.0, 0.5, 1e-320, 1e308, float("inf"),
    float("-inf"), float("nan"))

STRINGS: tuple[str, ...] = (
    "", " ", "0", "-1", "1e9", "nan", "\x00", "\n", "\t", "'", '"', "\\", "%s", "{}", "../..", "/", "ß", "中文", "🦔",
    "\u202e", "\ufeff", "e\u0301", "a" * 300, "x" * 5000, "None", "True", "rows", "input", "Program", "array", "dict")


LONG = ("[" * 2000, "{" * 2000, "(" * 500, "0x" + "f" * 5000, "9" * 5000)


def nested(depth: int, kind: type = list) -> Any:
    """A value inside so many lists or dictionaries."""
    value: Any = 0
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


def odd_value(rng: random.Random) -> Any:
    """A value of any kind, often at the end of a range."""
    kind = rng.randrange(10)
    if kind < 4:
        return rng.choice(NUMBERS)
    if kind < 5:
        return rng.randrange(-10, 300)
    if kind < 7:
        return rng.choice(STRINGS)
    if kind < 8:
        return rng.choice([None, True, False])
    if kind < 9:
        return rng.choice([list, dict])()
    return nested(rng.choice([1, 2, 50]), rng.choice([list, dict]))


def _part(rng: random.Random, length: int, most: int = 64) -> slice:
    """A random part of a sequence, often a short one."""
    start = rng.randrange(length + 1)
    return slice(start, min(length, start + rng.choice([1, 1, 2, 4, rng.randrange(most), length])))


def _flip(rng: random.Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)])


def _remove(rng: random.Random, data: bytearray) -> None:
    del data[_part(rng, len(data))]


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.randbytes(rng.choice([1, 2, 4, 16, 100]))


def _duplicate(rng: random.Random, data: bytearray) -> None:
    part = _part(rng, len(data), 200)
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[part] * rng.choice([1, 1, 2, 10])


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data) + 1):]


def _swap(rng: random.Random, data: bytearray) -> None:
    one, other = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    length = rng.choice([1, 2, 4, 8])
    data[one:one + length], data[other:other + length] = data[other:other + length], data[one:one + length]


def _number(rng: random.Random, data: bytearray) -> None:
    """A number of 1 to 8 bytes at the end of its range."""
    size = rng.choice([1, 2, 4, 8])
    at = rng.randrange(len(data) + 1)
    number = rng.choice([0, 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1, rng.randrange(256)])
    data[at:at + size] = (number % (1 << 8 * size)).to_bytes(size, rng.choice(["little", "big"]))


BYTES: tuple[Callable[[random.Random, bytearray], None], ...] = (
    _flip, _flip, _set, _set, _remove, _insert, _duplicate, _cut, _swap, _number)


def mutate_bytes(rng: random.Random, data: bytes, most: int = 4) -> bytes:
    """Bytes with 1 to ``most`` mutations."""
    found = bytearray(data)
    for _ in range(rng.randint(1, most)):
        rng.choice(BYTES)(rng, found)
    return bytes(found)


TOKEN = re.compile(r"[-+]?\d[\d_.]*|\w+|[^\w\s]|\s+")


def mutate_text(rng: random.Random, text: str, most: int = 3) -> str:
    """Text with tokens or lines replaced, removed, doubled or exchanged."""
    for _ in range(rng.randint(1, most)):
        lines = rng.random() < 0.4
        parts = text.splitlines(keepends=True) if lines else TOKEN.findall(text)
        if not parts:
            return str(odd_value(rng))
        at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        kind = rng.randrange(5)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts.insert(other, parts[at])
        elif kind == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 3:
            parts[at] = odd_text(rng) + ("\n" if lines else "")
        else:
            parts.insert(at, odd_text(rng))
        text = "".join(parts)
    return text


def odd_text(rng: random.Random) -> str:
    """A number or a string as text, or characters of any kind."""
    if rng.random() < 0.2:
        return "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x20, 0xD800), 0x1F994])) for _ in range(
            rng.randrange(8)))
    value = rng.choice([rng.choice(NUMBERS), rng.choice(STRINGS), rng.choice(LONG)])
    return f"{value:#x}" if isinstance(value, int) and abs(value) > 10**40 else str(value)


def _places(tree: Any, found: list[tuple[Any, Any]], most: int) -> list[tuple[Any, Any]]:
    """Containers of a tree and the keys or indices in them."""
    stack = [tree]
    while stack and len(found) < most:
        container = stack.pop()
        keys = list(container) if isinstance(container, MutableMapping) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], (MutableMapping, MutableSequence)):
                stack.append(container[key])
    return found


def mutate_tree(rng: random.Random, tree: Any, most: int = 3, value: Callable[[random.Random], Any] = odd_value) -> Any:
    """A tree of dictionaries, lists and values, changed in place and returned; sometimes another value altogether."""
    if rng.random() < 0.01:
        return value(rng)
    for _ in range(rng.randint(1, most)):
        places = _places(tree, [], 100_000) if isinstance(tree, (MutableMapping, MutableSequence)) else []
        if not places:
            return value(rng)
        (container, key), (second, other) = rng.choice(places), rng.choice(places)
        kind = rng.randrange(8)
        before = container[key]
        if kind == 0:
            del container[key]
        elif kind == 1:
            second[other] = _copy(before)
        elif kind == 2:
            second[other], container[key] = _copy(before), _copy(second[other])
        elif kind == 3 and isinstance(container, MutableSequence):
            container[key:key] = [_copy(before)] * rng.choice([1, 1, 3])
        elif kind == 3:
            container[rng.choice(STRINGS)] = _copy(before)
        elif kind == 4 and isinstance(before, int):
            container[key] = before + rng.choice([-1, 1, before, -2 * before, 1 << 32])
        elif kind == 5 and isinstance(before, (list, str)):
            container[key] = before[:rng.randrange(len(before) + 1)]
        else:
            container[key] = value(rng)
    return tree


def _copy(value: Any) -> Any:
    """A copy of a tree, so that no tree contains itself."""
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    return [_copy(part) for part in value] if isinstance(value, list) else value
