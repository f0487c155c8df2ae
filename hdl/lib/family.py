"""The platform that units are made for: its family of FPGAs, and what it chooses for them."""

__all__ = ["family_of", "popcount_of"]


def family_of(platform: object) -> str:
    """Its name in small letters, as `hdl.lib.emit.Target` and platforms of Amaranth tell it, or "" where none is told.

    Amaranth's platforms of Gowin tell the series of their device: all are "gowin".
    """
    name = str(getattr(platform, "family", "")).lower()
    return "gowin" if name.startswith("gw") else name


def popcount_of(platform: object) -> str:
    """The structure of `hdl.array.popcount` that the platform names, or "" where the choice is ours."""
    return str(getattr(platform, "popcount", ""))
