"""Mutations: they end, they change something, and no tree contains itself."""

import json
import random

import pytest

from signum.verif.fuzz.mutate import mutate_bytes, mutate_text, mutate_tree, nested, odd_value


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 4])
def test_bytes(data: bytes) -> None:
    found = {mutate_bytes(random.Random(seed), data) for seed in range(200)}
    assert len(found) > 20
    assert max(map(len, found)) < 20_000


@pytest.mark.parametrize("text", ["", "rows = 3\ncols = 4\n", "a"])
def test_text(text: str) -> None:
    assert len({mutate_text(random.Random(seed), text) for seed in range(200)}) > 20


def test_trees() -> None:
    found = set()
    for seed in range(500):
        rng = random.Random(seed)
        tree = mutate_tree(rng, {"a": [1, [2, "x"], {"b": None}], "c": True},
                           value=lambda rng: rng.choice([0, "", [1]]))
        found.add(json.dumps(tree))         # raises where a tree contains itself
    assert len(found) > 200


def test_values_of_all_kinds() -> None:
    kinds = {type(odd_value(random.Random(seed))) for seed in range(500)}
    assert kinds == {int, float, str, bool, type(None), list, dict}
    assert str(nested(3)) == "[[[0]]]"
    assert str(nested(2, dict)) == "{'a': {'a': 0}}"
