"""The family of FPGAs that units are made for."""

__all__ = ["family_of"]


def family_of(platform: object) -> str:
    """Its name in small letters, as `hdl.lib.emit.Target` and platforms of Amaranth tell it, or "" where none is told.

    Amaranth's platforms of Gowin tell the series of their device: all are "gowin".
    """
    name = str(getattr(platform, "family", "")).lower()
    return "gowin" if name.startswith("gw") else name
