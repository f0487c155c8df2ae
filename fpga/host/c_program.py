"""A program as C arrays, for the driver that `hdl.lib.c_header` writes, and the command ``signum c-program``."""

import re
from pathlib import Path

import click

from signum.fpga.flow.program_file import ProgramFile, ProgramFileError
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.program import Program
from signum.hdl.lib.command import Command, Refusal
from signum.hdl.lib.emit import write_whole

from .link import bursts

__all__ = ["c_program", "c_program_command"]

TEXT = """\
/* {name}.h: a program for the accelerator of signum.h: load it by signum_load(bus, &{name}). */
#ifndef {NAME}_PROGRAM_H
#define {NAME}_PROGRAM_H

#include "signum.h"

static const struct signum_burst {name}_bursts[] = {{
{bursts}
}};

static const uint32_t {name}_words[] = {{
{words}
}};

static const struct signum_program {name} = {{
    {name}_bursts, sizeof {name}_bursts / sizeof {name}_bursts[0], {name}_words, {cycles}u
}};

#endif
"""
PER_LINE = 8


def c_program(program: Program, name: str) -> str:
    """The text of ``NAME.h``, with the program as ``NAME``."""
    parts = list(bursts(program.load_writes()))
    words = [f"{word:#x}u" for _, values in parts for word in values]
    lines = [", ".join(words[at:at + PER_LINE]) for at in range(0, len(words), PER_LINE)]
    return TEXT.format(name=name, NAME=name.upper(), cycles=predict_cycles(program.config, program.records),
                       bursts=",\n".join(f"    {{{address:#x}u, {len(values)}u}}" for address, values in parts),
                       words=",\n".join(f"    {line}" for line in lines))


@click.command(cls=Command, refused=(ProgramFileError,))
@click.option("--program", "path", type=click.Path(path_type=Path), required=True,
              help="Program file, as of make demo.")
@click.option("--out", type=click.Path(path_type=Path), required=True,
              help="Header to write, NAME.h; the program is its NAME.")
def c_program_command(path: Path, out: Path) -> None:
    """Write a program file as a header in C, for signum.h of `signum verilog`."""
    if not re.fullmatch(r"[A-Za-z_]\w*\.h", out.name):
        raise Refusal(f"out must be NAME.h, where NAME is a name in C, not {out.name}")
    try:
        program = ProgramFile.load(path).program
    except OSError as error:
        raise Refusal(f"program must be a readable file, not {path} ({error.strerror})") from None
    if not isinstance(program, Program):
        raise Refusal(f"program must be one program, not the stages of {path}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, c_program(program, out.stem))
    except OSError as error:
        raise Refusal(f"out must be a writable file, not {out}: {error.strerror}") from None
    click.echo(f"{out}: {program.config.rows} x {program.config.cols} elements, "
               f"{predict_cycles(program.config, program.records)} cycles a run")
