"""The FPGA families: each is a record (`family.Family`) in a file of its own in this folder, and found here."""

import importlib
import pkgutil
from collections.abc import Iterator

from .family import BoardFamily, Family

__all__ = ["BOARD_FAMILIES", "FAMILIES"]


def find() -> Iterator[Family]:
    """The records in the files of this folder, in the order of their names."""
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, Family):
                yield value


FAMILIES = {family.name: family for family in find()}
"""All families, by name."""

BOARD_FAMILIES = {name: family for name, family in FAMILIES.items() if isinstance(family, BoardFamily)}
"""Those that boards are built for."""
