"""The family of a platform, by the name in the flow of its boards."""

import pytest

from signum.fpga.flow.boards import BOARDS
from signum.hdl.lib.emit import Target
from signum.hdl.lib.family import family_of


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_platforms_of_boards(name: str) -> None:
    assert family_of(BOARDS[name].platform()) == BOARDS[name].family.name


def test_targets_and_none() -> None:
    assert [family_of(platform) for platform in (Target("gowin"), Target("ecp5"), None)] == ["gowin", "ecp5", ""]
