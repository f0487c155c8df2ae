"""A bitstream onto its board, by the program that its platform in amaranth-boards calls."""

import subprocess
from pathlib import Path

from amaranth.build.run import LocalBuildProducts

from .board_record import Board
from .families.family import NAME
from .tools import TOOLS, BuildError, ToolError

__all__ = ["flash"]


def flash(board: Board, folder: Path) -> None:
    """Write the bitstream of a build to a board; the program prints its progress.

    Parameters
    ----------
    board : Board
    folder : Path
        Of the build.

    Raises
    ------
    ToolError
        If the program is missing; the message names its package.
    BuildError
        If nothing was built, or the program fails.
    """
    if not (folder / board.family.bitstream).exists():
        raise BuildError(f"{folder / board.family.bitstream} must be built first: "
                         f"signum build --board {board.name}")
    try:
        board.platform().toolchain_program(LocalBuildProducts(str(folder)), NAME)
    except FileNotFoundError as error:
        found = "".join(f" ({tool.use}): {tool.get}" for tool in TOOLS if tool.name == error.filename)
        raise ToolError(f"{error.filename} is missing{found}") from None
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{error.cmd[0]}: exit status {error.returncode}") from None
