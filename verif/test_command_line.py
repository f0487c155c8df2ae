"""The command ``signum``: its table, its start, its refusals and its completion."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from signum.verif import command_line
from signum.verif.benchmarks.record import BENCHMARKS
from signum.verif.command_line import COMMANDS, load, main

PROGRAM = Path(sys.executable).with_name("signum")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_the_first_of_its_help(name):
    command = load(name)
    assert command.name == name
    assert command.help
    assert command.help.splitlines()[0] == COMMANDS[name].line
    assert [option.opts for option in command.params if isinstance(option, click.Option) and not option.help] == []


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_help_lists_the_commands(arguments, capsys):
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n  {name} " not in told] == []


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "signum 0.1.0\n"


@pytest.mark.parametrize(("arguments", "modules"), [
    (["--help"], {"torch", "amaranth", "numpy"}), (["doctor", "--help"], {"torch", "amaranth"}),
    (["test", "--help"], {"torch", "amaranth"}), (["verilog", "--help"], {"torch"}), (["build", "--help"], {"torch"}),
    (["boards", "--help"], {"torch"})])
def test_what_is_not_imported(arguments, modules):
    program = ("import sys; from signum.verif.command_line import main; main(sys.argv[2:]); "
               "print(set(sys.argv[1].split(',')) & set(sys.modules), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", program, ",".join(modules), *arguments], text=True,
                          capture_output=True, check=True)
    assert done.stderr == "set()\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["verilo"], f"command must be one of {', '.join(COMMANDS)}, not verilo"),
    ([""], f"command must be one of {', '.join(COMMANDS)}, not ''"),
    (["--verbose"], "option must be one that `signum --help` lists, not --verbose; near it are --version"),
    (["verilog", "--row", "3"], "option must be one that `signum verilog --help` lists, not --row; near it are "
                                "--out, --rows"),
    (["verilog", "--rows"], "Option '--rows' requires an argument."),
    (["verilog", "5"], "Got unexpected extra argument (5)"),
    (["explore"], "network must be given"),
    (["run", "--port=sim", "--program=x.sgn"], "input must be given"),
    (["bench", "speed"], f"name must be one of {', '.join(BENCHMARKS)}, not speed"),
    (["clock"], "either board or built must be given"),
])
def test_a_wrong_command_gets_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", message + "\n")


def test_an_interrupted_command(monkeypatch):
    @click.command()
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "load", lambda name: interrupted)
    assert main(["boards"]) == 130


def test_the_status_of_a_command(monkeypatch):
    monkeypatch.setattr(command_line, "load", lambda name: click.Command(name, callback=lambda: 1))
    assert main(["doctor"]) == 1


@pytest.mark.parametrize(("words", "found"), [
    ("signum bo", {"boards", "board-sim"}),
    ("signum verilog --ro", {"--rows"}),
    ("signum verilog --wrapper a", {"axi", "axis"}),
    ("signum verilog --preset ice", {"icebreaker", "icebreaker_camera", "icebreaker_pixels", "ice40_hx8k"}),
    ("signum build --board ulx3s-8", {"ulx3s-85f"}),
])
def test_the_shell_completes(words, found):
    completing = {"_SIGNUM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([PROGRAM], env={**os.environ, **completing}, text=True, capture_output=True, check=True)
    assert {line.split(",")[1] for line in done.stdout.splitlines()} == found
