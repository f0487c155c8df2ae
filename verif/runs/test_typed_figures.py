"""Typed figures: each is on its page, would be reported without the list, and has a reason."""

import pytest

from signum.verif.runs.pages import unmarked, written_by_hand
from signum.verif.runs.typed_figures import TYPED

PAGES = {path.name: path for path in written_by_hand()}


@pytest.mark.parametrize("name", TYPED)
def test_each_entry_is_needed(name: str) -> None:
    text = PAGES[name].read_text()
    for phrase, reason in TYPED[name].items():
        assert reason
        others = {other: why for other, why in TYPED[name].items() if other != phrase}
        assert list(unmarked(text, others)), f"{name} has no figure in {phrase!r} any more: remove it from TYPED"
