"""The targets by name, each imported when it is used."""

import importlib

from .target import Target

__all__ = ["NAMES", "target_named"]

PLACES = {
    "config": ("config", "CONFIG"),
    "programs": ("programs", "PROGRAMS"),
    "flash": ("flash", "FLASH"),
    "responses": ("line", "PARSER"),
    "board": ("line", "BOARD"),
    "arrays": ("arrays", "ARRAYS"),
    "trials": ("trials", "TRIALS"),
    "commands": ("commands", "COMMANDS"),
    "finn": ("onnx", "FINN"),
    "qonnx": ("onnx", "QONNX"),
}

NAMES = tuple(PLACES)


def target_named(name: str) -> Target:
    """The target of a name; ImportError where an extra is missing."""
    module, attribute = PLACES[name]
    found: Target = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
    return found
