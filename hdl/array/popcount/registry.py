"""Registered structures, in order of preference, and the choice among them."""

from signum.hdl.array.multiply import Multiply
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.lib.family import family_of, popcount_of

from .carry import CarryPopcount
from .structure import Structure
from .table import TablePopcount
from .tree import TreePopcount

__all__ = ["STRUCTURES", "structure_of", "structures_for"]

STRUCTURES: tuple[type[Structure], ...] = (CarryPopcount, TreePopcount, TablePopcount, Multiply)
"""In order of preference: an element takes the first one that suits its platform and its array."""


def structures_for(family: str, config: ArrayConfig) -> list[type[Structure]]:
    """Structures that elements of an array may use on a family ("" for any platform), the preferred one first."""
    return [structure for structure in STRUCTURES if structure.suits(family, config)]


def structure_of(platform: object, config: ArrayConfig) -> type[Structure]:
    """The structure of an array's elements: named by the platform, else the preferred one.

    Raises
    ------
    ConfigError
        If the named structure does not suit the platform or the array.
    """
    suitable = structures_for(family_of(platform), config)
    name = popcount_of(platform)
    if not name:
        return suitable[0]
    for structure in suitable:
        if structure.name == name:
            return structure
    raise ConfigError(f"popcount must be one of {', '.join(structure.name for structure in suitable)} "
                      f"for this array and these cells, not {name}")
