"""liteeth's generator of standalone cores with what its file of options cannot say; a program, run by `liteeth_core`.

Of the pads of a PHY only clocks and data are left: the management bus would need a pad in both directions inside the
core. Datagrams to other addresses are ignored, which liteeth takes as well.
"""

import functools

from liteeth import gen

__all__ = ["main"]

LEFT_OUT = "rst_n", "int_n", "mdio", "mdc"


def main() -> None:
    """The generator's command line."""
    gen._io = [(name, number, *(part for part in parts if getattr(part, "name", "") not in LEFT_OUT))
               for name, number, *parts in gen._io]
    gen.LiteEthUDPIPCore = functools.partial(gen.LiteEthUDPIPCore, with_ip_broadcast=False)
    gen.main()


if __name__ == "__main__":
    main()
