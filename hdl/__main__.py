"""The command line: ``python -m signum.hdl verilog --rows 5 --cols 3 --lanes 24 --out build/verilog``."""

import argparse
import dataclasses
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from signum.hdl.host.axi import AxiAccelerator, StreamRegister, stream_register
from signum.hdl.host.bus import AddressMap, Region, Register, config_registers
from signum.hdl.host.wishbone import WishboneAccelerator
from signum.hdl.lib.emit import EmitError, Target, emit
from signum.hdl.lib.fusesoc import write_core

from .accelerator import Accelerator
from .config import PRESETS, ArrayConfig, ConfigError

__all__ = ["WRAPPERS", "describe", "main"]

PORTABLE = "portable"
CELLS = PORTABLE, "ecp5", "gowin"
WRAPPERS = {"none": Accelerator, "axi": AxiAccelerator, "wishbone": WishboneAccelerator}


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def describe(config: ArrayConfig, wrapper: str = "none") -> dict[str, Any]:
    """What the file beside the Verilog says of an array: its parameters, its wrapper and its address map."""
    layout = AddressMap(config)
    registers = {register.name.lower(): int(register) for register in Register if register != Register.CONFIG}
    streams = {"stream_registers": {register.name.lower(): stream_register(layout, register)
                                    for register in StreamRegister}} if wrapper == "axi" else {}
    return {
        "config": config.to_dict(),
        "wrapper": wrapper,
        **streams,
        "address_map": {
            "address_bits": layout.address_bits,
            "fields": {"slice": layout.slice_bits, "word": layout.word_bits, "unit": layout.unit_bits,
                       "region": layout.REGION_BITS},
            "slices": layout.slices,
            "regions": {region.name.lower(): layout.address(region) for region in Region},
            "registers": registers | config_registers(config),
        },
    }


def config_of(options: argparse.Namespace) -> ArrayConfig:
    """The configuration of the options: a preset or a file, and single parameters over it."""
    if options.preset and options.config:
        raise ConfigError(f"preset must not be given together with config, not {options.preset}")
    values: dict[str, Any] = {}
    if options.preset:
        values = ArrayConfig.preset(options.preset).to_dict()
    elif options.config:
        try:
            values = ArrayConfig.load(options.config).to_dict()
        except OSError as error:
            reason = error.strerror
            raise ConfigError(f"config must be a readable file, not {options.config} ({reason})") from None
    for field in dataclasses.fields(ArrayConfig):
        text = getattr(options, field.name)
        if text is not None:
            values[field.name] = int(text) if re.fullmatch(r"[+-]?\d+", text) else text
    return ArrayConfig.from_dict(values)


def folder(text: str) -> Path:
    if not text:
        raise ConfigError("out must be a folder, not ''")
    return Path(text)


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="python -m signum.hdl", description="Generate the hardware of an array.", allow_abbrev=False)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="verilog")
    files = "signum.v, signum.json, signum.vlt and signum.core"
    command = commands.add_parser("verilog", help=f"write {files}", allow_abbrev=False, description=f"Write {files}.")
    command.add_argument("--out", type=folder, default=Path("build/verilog"), help="folder (build/verilog)")
    command.add_argument("--preset", help=f"start from one of: {', '.join(sorted(PRESETS))}")
    command.add_argument("--config", type=Path, help="start from a TOML file")
    command.add_argument("--wrapper", default="none", help=f"around its bus: {', '.join(WRAPPERS)} (none)")
    command.add_argument("--cells", default=PORTABLE,
                         help=f"what elements are made of: {PORTABLE} for any tool, {', '.join(CELLS[1:])} for fewer "
                              f"cells on that family ({PORTABLE})")
    for field in dataclasses.fields(ArrayConfig):
        default = "" if field.default is dataclasses.MISSING else f" ({field.default})"
        command.add_argument(f"--{field.name.replace('_', '-')}", metavar="N",
                             help=f"{field.name} of ArrayConfig{default}")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 2, with one line on stderr, if it cannot be done."""
    try:
        options = parser().parse_args(arguments)
        config = config_of(options)
        if options.wrapper not in WRAPPERS:
            raise ConfigError(f"wrapper must be one of {', '.join(WRAPPERS)}, not {options.wrapper}")
        if options.cells not in CELLS:
            raise ConfigError(f"cells must be one of {', '.join(CELLS)}, not {options.cells}")
        platform = None if options.cells == PORTABLE else Target(options.cells)
        path = emit(WRAPPERS[options.wrapper](config=config), name="signum", directory=options.out,
                    extra={**describe(config, options.wrapper), "cells": options.cells}, platform=platform)
        write_core(path)
    except (ConfigError, EmitError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"out must be a writable folder, not {options.out}: {error.strerror}", file=sys.stderr)
        return 2
    json, waivers, core = (path.with_suffix(suffix).name for suffix in (".json", ".vlt", ".core"))
    print(f"{path}, {json}, {waivers} and {core}: {config.rows} x {config.cols} elements of {config.lanes} lanes, "
          f"{config.binops_per_cycle} {'multiplications' if config.signed else 'binary operations'} a cycle")
    return 0


if __name__ == "__main__":
    sys.exit(main())
