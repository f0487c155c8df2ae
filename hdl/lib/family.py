"""The platform that units are made for: its family of FPGAs, and what it chooses for them."""

__all__ = ["family_of", "popcount_of"]


def family_of(platform: object) -> str:
    """The family in lower case, from `hdl.lib.emit.Target` or a platform of Amaranth, or "" for a platform without one.

    Amaranth's Gowin platforms name the series of the device: each series is "gowin".
    """
    name = str(getattr(platform, "family", "")).lower()
    return "gowin" if name.startswith("gw") else name


def popcount_of(platform: object) -> str:
    """The structure of `hdl.array.popcount` that the platform names, or "" where the choice is ours."""
    return str(getattr(platform, "popcount", ""))
