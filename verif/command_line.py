"""The command ``signum``: the table of its commands, each imported when it is called.

The commands are on all floors, so their table is on the highest; importing the called command alone lets
``signum verilog`` start without PyTorch.
"""

import importlib
import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from signum.hdl.lib.command import Refusal, one_line

__all__ = ["COMMANDS", "SECTIONS", "Entry", "load", "main", "signum"]


class Entry(NamedTuple):
    """A command: its module and name, and its line in ``signum --help``."""

    module: str
    name: str
    line: str


SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "Hardware": {
        "verilog": Entry("signum.hdl.verilog", "verilog", "Write an array of any size as Verilog."),
        "build": Entry("signum.fpga.flow.commands", "build_command", "Make a bitstream for a board."),
        "boards": Entry("signum.fpga.flow.commands", "boards_command",
                        "Show the builds of each board: those made here, and others made before."),
        "explore": Entry("signum.fpga.explore.explore", "explore_command",
                         "Look for the best array for a network on a board."),
        "doctor": Entry("signum.fpga.flow.doctor", "doctor",
                        "Show the tools, their versions, and how to get what is missing."),
    },
    "A network on a board": {
        "import": Entry("signum.fpga.host.import_network", "import_command",
                        "Import a network of Brevitas, of FINN, or another in QONNX."),
        "export": Entry("signum.fpga.host.import_network", "export_command",
                        "Write a network of `signum import` as QONNX with MultiThreshold nodes."),
        "flash": Entry("signum.fpga.flow.commands", "flash_command",
                       "Write a bitstream to its board, by the board's usual program."),
        "run": Entry("signum.fpga.host.run", "run_command",
                     "Run a program file on the board at a serial port, or in a network."),
        "c-program": Entry("signum.fpga.host.c_program", "c_program_command",
                           "Write a program file as a header in C, for signum.h of `signum verilog`."),
        "board-sim": Entry("signum.fpga.host.run", "board_sim_command",
                           "Serve a virtual board at a pseudo-terminal, or at a UDP port, until Ctrl-C."),
    },
    "Training": {
        "train": Entry("signum.golden.training.commands", "train",
                       "Train the float, 8-bit and binary networks of a task."),
        "train-digits": Entry("signum.golden.training.commands", "train_digits_network",
                              "Train the digits network of the smallest board, and its float twin."),
        "ablation": Entry("signum.golden.training.commands", "ablation",
                          "Measure what each part of a training brings."),
    },
    "Whole runs": {
        "demo": Entry("signum.verif.runs.demo", "command",
                      "Train digits, run them on the simulated hardware, build the bitstream."),
        "demo-camera": Entry("signum.verif.runs.camera", "command",
                             "Show digits to the camera of a board without a host, from power-up on."),
        "task": Entry("signum.verif.runs.task", "command",
                      "Judge a task's networks, and run their binary layers on the array."),
        "resnet18": Entry("signum.verif.runs.resnet18", "command",
                          "Run the paper's ResNet-18 in RTL, whole, layer by layer."),
        "soak": Entry("signum.verif.runs.soak", "command",
                      "Check random arrays and random networks, as many as asked for."),
        "fuzz": Entry("signum.verif.runs.fuzz", "command", "Feed damaged and made-up inputs to everything that reads."),
        "faults": Entry("signum.verif.runs.faults", "command", "Disturb the line to a board, and count the answers."),
        "ladder": Entry("signum.verif.runs.ladder", "command",
                        "Run digits on each family's netlist, and on a bitstream read back."),
        "formal": Entry("signum.verif.runs.formal", "command",
                        "Prove the properties of the units, by SAT and by decision diagrams."),
        "mutate": Entry("signum.verif.runs.mutate", "command",
                        "Count which small changes of the hardware and the sources the tests find."),
        "coverage": Entry("signum.verif.runs.coverage", "command",
                          "Measure which lines and toggles of the hardware Verilator sees in the tests."),
        "bench": Entry("signum.verif.benchmarks.commands", "bench",
                       "Measure areas, clocks, cycles, the generator and the simulation."),
        "clock": Entry("signum.verif.benchmarks.commands", "clock_command",
                       "Measure the clock of one array on one board."),
    },
    "In the repository": {
        "test": Entry("signum.verif.runs.regression", "command", "Run the regression."),
        "plan": Entry("signum.verif.runs.plan", "command",
                      "Compare the test plan with the last whole run of the tests."),
        "paper": Entry("signum.verif.runs.paper", "command",
                       "Write docs/paper.md: each claim of the paper beside our figure."),
        "pages": Entry("signum.verif.runs.pages", "command",
                       "Fill the records into README.md and docs, and draw docs/map.md."),
        "lock": Entry("signum.verif.runs.lock", "command",
                      "Write the lock file: the newest versions that pyproject.toml allows."),
    },
}

COMMANDS: Mapping[str, Entry] = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


def load(name: str) -> click.Command:
    """The command with a name in `COMMANDS`."""
    entry = COMMANDS[name]
    return getattr(importlib.import_module(entry.module), entry.name)


class Commands(click.Group):
    """The group of `COMMANDS`, listed without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None,
                                                                            list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise Refusal(f"command must be one of {', '.join(COMMANDS)}, not {args[0] or repr('')}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.line) for name, entry in section.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [CompletionItem(name, help=entry.line) for name, entry in COMMANDS.items()
                 if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


@click.group("signum", cls=Commands, invoke_without_command=True)
@click.version_option(package_name="signum", message="%(prog)s %(version)s")
@click.pass_context
def signum(ctx: click.Context) -> None:
    """Generate binary systolic arrays, prove them, and take them to a board.

    `signum COMMAND --help` lists a command's options.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; with one line on stderr, returns 1 if it failed and 2 if it was refused."""
    for stream in (sys.stdout, sys.stderr):         # names of files may hold bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status: Any = signum.main(None if arguments is None else list(arguments), prog_name="signum",
                                  standalone_mode=False)
    except click.ClickException as error:
        click.echo(one_line(error), err=True)
        return error.exit_code
    except click.Abort:             # Ctrl-C
        return 130
    return status or 0
