"""Fuzzing of configuration files in TOML."""

import math
import random
from pathlib import Path
from typing import Any

import numpy as np

from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.host.bus import AddressMap
from signum.hdl.lib.command import read_config
from signum.hdl.presets import PRESETS
from signum.verif.bench.cases import draw_config

from .mutate import mutate_bytes, mutate_text, mutate_tree
from .target import ACCEPTED, BrokenError, Feed, Target, refused_by

__all__ = ["CONFIG"]


def toml_value(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:#x}" if abs(value) > 10**40 else str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(part)}" for key, part in value.items()) + "}"
    if value is None:
        return "1979-05-27T07:32:00Z"
    return toml_key(value)


def toml_key(text: str) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in '"\\\x7f' else c for c in text) + '"'


def prepare(folder: Path) -> Feed:
    """Presets and random arrays."""
    rng = np.random.default_rng(1)
    valid = [*map(ArrayConfig.preset, PRESETS), *(draw_config(rng) for _ in range(50))]
    path = folder / "config.toml"

    def feed(rng: random.Random) -> str:
        values: dict[str, Any] = dict(rng.choice(valid).to_dict())
        kind = rng.random()
        if kind < 0.5:
            values = mutate_tree(rng, values)
            text = "".join(f"{toml_key(name) if rng.random() < 0.1 else name} = {toml_value(value)}\n"
                           for name, value in values.items()) if isinstance(values, dict) else toml_value(values)
            data = text.encode(errors="surrogatepass")
        elif kind < 0.85:
            data = mutate_text(rng, rng.choice(valid).to_toml()).encode(errors="surrogatepass")
        else:
            data = mutate_bytes(rng, rng.choice(valid).to_toml().encode())
        path.write_bytes(data)
        try:
            config = read_config(None, path, {"rows": None, "cols": rng.choice([None, None, "3", "x", "9" * 5000])})
        except ConfigError as error:
            return refused_by(error)
        if ArrayConfig.from_toml(config.to_toml()) != config:
            raise BrokenError(f"a configuration must come back as it was written, not {config}")
        AddressMap(config)
        return ACCEPTED

    return feed


CONFIG = Target("config", prepare)
