"""The presets: each is a valid array, of a name of its own."""

import pytest

from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.presets import PRESETS


def test_presets_are_valid_and_the_default_one_is_large_enough() -> None:
    for name in PRESETS:
        ArrayConfig.preset(name)
    assert ArrayConfig.preset("icebreaker").binops_per_cycle >= 512
    with pytest.raises(ConfigError, match=rf"^preset must be one of {', '.join(sorted(PRESETS))}, not nope$"):
        ArrayConfig.preset("nope")


def test_no_two_presets_are_the_same_array() -> None:
    """The table of boards tells a build's preset by its array."""
    arrays = [ArrayConfig.preset(name) for name in PRESETS]
    assert len(set(arrays)) == len(arrays)
