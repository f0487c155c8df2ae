"""The commands ``signum build``, ``flash`` and ``boards``: bitstreams, onto boards, and a table of them."""

import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.input_tables import host_tables
from signum.golden.compiler.program import Program
from signum.golden.compiler.weight_streaming import Streamed
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.lib.command import FILE, Command, Folder, Integer, Number, OneOf, Refusal, config_options, read_config
from signum.hdl.lib.folders import IN_REPOSITORY

from .boards import BOARDS, board_named
from .boot_image import BootImageError
from .build import build
from .families.pll import PLLError
from .flash import flash
from .flash_contents import flash_program
from .lines.board_line import BoardError
from .program_file import ProgramFile, ProgramFileError
from .report import (
    BOARDS_REPORT,
    RECORDED_BOARDS,
    ReportError,
    TimingError,
    board_row,
    boards_table,
    keep_board_row,
    load_board_rows,
    save_board_rows,
    table,
)
from .tools import BuildError, ToolError

__all__ = ["FAILED", "REFUSED", "board_option", "boards_command", "build_command", "flash_command"]

REFUSED = (ConfigError, BoardError, BootImageError, CapacityError, PLLError, ProgramFileError)
"""Errors of a board or an array that cannot be."""

FAILED = (BuildError, ReportError, TimingError, ToolError, OSError)
"""Errors of the tools and their reports."""

board_option = click.option("--board", type=OneOf(sorted(BOARDS)), default="icebreaker", show_default=True,
                            metavar="NAME", help=f"One of: {', '.join(sorted(BOARDS))}.")


def boot_program(path: Path, config: ArrayConfig, *, given: bool, camera: bool = False) -> Program | Streamed:
    """The program of a file, for a board's flash; a network is compiled for the array (`flash_program`).

    BoardError where the program is for another array than a ``given`` one, or where a host would have to look up the
    pixels of a ``camera``.
    """
    file = ProgramFile.load(path)
    found, encoder = file.program, file.encoder
    if isinstance(found, Graph):
        found = flash_program(found, config, encoder)
    elif given and found.config != config:
        raise BoardError(f"the array must be that of {path}, which is compiled: leave preset and config out")
    if camera and encoder is not None and isinstance(found, Program) and found.streams:
        tables = host_tables(found, encoder)
        if tables:
            raise BoardError(f"the pixels of a camera must be those of {path}, which looks them up in tables: "
                             f"input_tables of {len(tables)} would add them")
    return found


@click.command("build", cls=Command, refused=REFUSED, failed=FAILED)
@board_option
@config_options
@click.option("--frequency", type=Number(), metavar="MHZ", help="Clock; by default the board's.")
@click.option("--line", default="", metavar="NAME",
              help="Line to the host: serial, usb or ethernet; by default the board's first.")
@click.option("--baud", type=Integer(), metavar="N", help="Bits a second of a serial line; by default the board's.")
@click.option("--address", metavar="IPV4", help="Address of the board in the network, with ethernet.")
@click.option("--loader", is_flag=True, help="With a loader in the board's single-port RAMs (UP5K).")
@click.option("--network", type=FILE, help="Program file (.sgn) of a network, for the board's flash.")
@click.option("--quad", is_flag=True, help="Read the flash on four lines; its bit QE must be set.")
@click.option("--camera", default="", metavar="NAME", help="Sensor of the images, with a network in the flash.")
@click.option("--seed", type=Integer(0), default=1, show_default=True, metavar="N", help="Seed of the placement.")
@click.option("--seeds", type=Integer(1), default=1, show_default=True, metavar="N",
              help="Try so many and keep the fastest.")
@click.option("--out", type=Folder(), help="Folder of the files; by default build/BOARD.")
def build_command(board: str, preset: str | None, config: Path | None, frequency: float | None, line: str,
                  baud: int | None, address: str | None, loader: bool, network: Path | None, quad: bool, camera: str,
                  seed: int, seeds: int, out: Path | None) -> None:
    """Make a bitstream for a board.

    Synthesis, placement, routing and packing write signum.bin (ECP5: .bit, Gowin: .fs) and report.json (cells, RAM,
    Fmax, seed, versions of the tools). The array is the board's own preset where none is given. A design that misses
    its clock fails.
    """
    chosen = board_named(board)
    own = chosen.camera_preset if camera else chosen.preset
    array = read_config(preset if preset or config else own, config)
    program = None
    if network is not None:
        program = boot_program(network, array, given=bool(preset or config), camera=bool(camera))
        array = program.config
    folder = out or Path("build") / chosen.name
    console = Console()
    began = time.monotonic()

    def progress(stage: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {stage}", highlight=False)

    report = build(chosen, array, out=folder, line=chosen.line(line, baud, address), seed=seed, seeds=seeds,
                   frequency=None if frequency is None else frequency * 1e6, loader=loader, program=program,
                   quad=quad, camera=camera, progress=progress)
    if not loader and not isinstance(program, Streamed) and line in ("", chosen.line_names[0]):
        keep_board_row(board_row(report))
    progress(f"done: {folder / chosen.family.bitstream}")
    rows = Table(show_header=False)
    for row in table(report):
        rows.add_row(*row)
    console.print(rows)


@click.command("flash", cls=Command, refused=REFUSED, failed=FAILED)
@board_option
@click.option("--out", type=Folder(), help="Folder of the build; by default build/BOARD.")
def flash_command(board: str, out: Path | None) -> None:
    """Write a bitstream to its board, by the board's usual program."""
    chosen = board_named(board)
    flash(chosen, out or Path("build") / chosen.name)
    Console().print(f"{chosen.name} has been written")


@click.command("boards", cls=Command, refused=REFUSED, failed=FAILED)
@click.option("--record", is_flag=True, help=f"Keep the builds of presets in the repository's {RECORDED_BOARDS.name}.")
def boards_command(record: bool) -> None:
    """Show the builds of each board: those made here, and others made before."""
    if record and not IN_REPOSITORY:
        raise Refusal("record must be left out where there is no repository to keep the builds in")
    rows = load_board_rows()
    if not rows:
        raise ReportError(f"{BOARDS_REPORT} must have a row: signum build --board icebreaker")
    save_board_rows(rows)
    if record:
        save_board_rows(({name: row[name] for name in row if name != "recorded"} for row in rows if row["preset"]),
                        RECORDED_BOARDS)
    head, *lines = boards_table(rows)
    shown = Table(box=None, padding=(0, 1, 0, 0))       # 80 columns hold it, names whole
    for i, title in enumerate(head):
        shown.add_column(title, no_wrap=i < 2, justify="left" if i < 2 else "right")
    for line in lines:
        shown.add_row(*line)
    Console().print(shown)
