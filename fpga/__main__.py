"""The command line: ``python -m signum.fpga build --board icebreaker`` and further commands."""

import argparse
import sys
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.table import Table

from signum.fpga.explore.candidates import ExploreError
from signum.fpga.explore.explore import add_explore
from signum.fpga.flow.board_top import Board, BoardError
from signum.fpga.flow.boards import BOARDS, board_named
from signum.fpga.flow.build import BuildError, build
from signum.fpga.flow.families import NAME
from signum.fpga.flow.flash import flash
from signum.fpga.flow.pll import PLLError
from signum.fpga.flow.report import (
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
from signum.fpga.flow.tools import ToolError
from signum.fpga.host.device import DeviceError
from signum.fpga.host.link import LinkError
from signum.fpga.host.model import ModelError
from signum.fpga.host.program_file import ProgramFileError
from signum.fpga.host.run import DataError, add_commands
from signum.hdl.config import ArrayConfig, ConfigError

__all__ = ["main"]


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="python -m signum.fpga", description="Take an array to a board.", allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")
    command = commands.add_parser("build", help="make a bitstream", allow_abbrev=False,
                                  description=f"Write {NAME}.bin (ECP5: .bit, Gowin: .fs) and report.json.")
    command.add_argument("--board", default="icebreaker", help=f"one of: {', '.join(sorted(BOARDS))}")
    command.add_argument("--preset", help="configuration by name; by default the board's")
    command.add_argument("--config", type=Path, help="configuration from a TOML file")
    command.add_argument("--frequency", type=float, metavar="MHZ", help="clock; by default the board's")
    command.add_argument("--baud", type=int, help="bits a second; by default the board's")
    command.add_argument("--loader", action="store_true", help="with a loader in the board's single-port RAMs (UP5K)")
    command.add_argument("--seed", type=int, default=1, help="seed of the placement (1)")
    command.add_argument("--seeds", type=int, default=1, metavar="N", help="try so many and keep the fastest")
    command.add_argument("--out", type=Path, help="folder (build/BOARD)")
    command.set_defaults(action=build_bitstream)
    add_commands(commands)
    add_explore(commands)
    command = commands.add_parser("flash", help="write a bitstream to its board", allow_abbrev=False)
    command.add_argument("--board", default="icebreaker", help=f"one of: {', '.join(sorted(BOARDS))}")
    command.add_argument("--out", type=Path, help="folder of the build (build/BOARD)")
    command.set_defaults(action=flash_board)
    command = commands.add_parser("boards", help="what was built for which board", allow_abbrev=False,
                                  description=f"Show {BOARDS_REPORT}: builds made here, and others made before.")
    command.add_argument("--record", action="store_true", help=f"keep the builds of presets in {RECORDED_BOARDS.name}")
    command.set_defaults(action=show_boards)
    return top


def config_of(options: argparse.Namespace, board: Board) -> ArrayConfig:
    if options.preset and options.config:
        raise ConfigError(f"preset must not be given together with config, not {options.preset}")
    if not options.config:
        return ArrayConfig.preset(options.preset or board.preset)
    try:
        return ArrayConfig.load(options.config)
    except OSError as error:
        reason = error.strerror
        raise ConfigError(f"config must be a readable file, not {options.config} ({reason})") from None


def build_bitstream(options: argparse.Namespace, console: Console) -> None:
    for name, least in (("seed", 0), ("seeds", 1)):
        if getattr(options, name) < least:
            raise ConfigError(f"{name} must be at least {least}, not {getattr(options, name)}")
    board = board_named(options.board)
    config = config_of(options, board)
    out = options.out or Path("build") / board.name
    began = time.monotonic()

    def progress(stage: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {stage}", highlight=False)

    report = build(board, config, out=out, baud=options.baud, seed=options.seed, seeds=options.seeds,
                   frequency=None if options.frequency is None else options.frequency * 1e6,
                   loader=options.loader, progress=progress)
    if not options.loader:
        keep_board_row(board_row(report))
    progress(f"done: {out / board.family.bitstream}")
    rows = Table(show_header=False)
    for row in table(report):
        rows.add_row(*row)
    console.print(rows)


def flash_board(options: argparse.Namespace, console: Console) -> None:
    board = board_named(options.board)
    flash(board, options.out or Path("build") / board.name)
    console.print(f"{board.name} has been written")


def show_boards(options: argparse.Namespace, console: Console) -> None:
    rows = load_board_rows()
    if not rows:
        raise ReportError(f"{BOARDS_REPORT} must have a row: python -m signum.fpga build --board icebreaker")
    save_board_rows(rows)
    if options.record:
        save_board_rows(({name: row[name] for name in row if name != "recorded"} for row in rows if row["preset"]),
                        RECORDED_BOARDS)
    head, *lines = boards_table(rows)
    shown = Table(box=None, padding=(0, 1, 0, 0))       # 80 columns hold it, names whole
    for i, title in enumerate(head):
        shown.add_column(title, no_wrap=i < 2, justify="left" if i < 2 else "right")
    for line in lines:
        shown.add_row(*line)
    console.print(shown)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; with one line on stderr, 1 if it failed and 2 if it was not begun."""
    try:
        options = parser().parse_args(arguments)
        options.action(options, Console())
    except (ConfigError, BoardError, PLLError, DataError, ExploreError, ProgramFileError) as error:
        print(error, file=sys.stderr)
        return 2
    except (BuildError, ReportError, TimingError, ToolError, ModelError, LinkError, DeviceError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
