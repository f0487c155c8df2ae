"""A bitstream onto its board, by the program that the board is usually written with."""

from pathlib import Path

from .board_top import Board, BoardError
from .tools import BuildError, run_tool

__all__ = ["flash"]


def flash(board: Board, folder: Path) -> None:
    """Write the bitstream of a build to a board.

    Parameters
    ----------
    board : Board
    folder : Path
        Of the build.

    Raises
    ------
    BoardError
        If the board is not written by a program.
    ToolError
        If the program is missing; it says how to get it.
    BuildError
        If nothing was built, or the program fails.
    """
    if not board.flash:
        raise BoardError(f"{board.name} must be given {board.family.bitstream} on its drive, not by a program")
    if not (folder / board.family.bitstream).exists():
        raise BuildError(f"{folder / board.family.bitstream} must be built first: "
                         f"signum build --board {board.name}")
    name, *options = board.flash
    run_tool(name, [*options, board.family.bitstream], folder)
