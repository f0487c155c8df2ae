"""The command ``signum verilog``: an array of any size as Verilog, with its description and a driver in C."""

from pathlib import Path
from typing import Any

import click

from signum.hdl.array.popcount.registry import STRUCTURES, structure_of
from signum.hdl.host.axi import AxiAccelerator, AxisAccelerator, StreamRegister, stream_register
from signum.hdl.host.bus import (
    DATA_BITS,
    FAULT_BIT,
    MAGIC,
    NUMBER_AT,
    REGION_AT,
    UNIT_AT,
    VERSION,
    WORD_AT,
    AddressMap,
    Control,
    Region,
    Register,
    Status,
    config_fields,
    config_registers,
    stream_registers,
)
from signum.hdl.host.wishbone import WishboneAccelerator
from signum.hdl.lib.c_header import write_header
from signum.hdl.lib.command import (
    ARRAY_FIELDS,
    Command,
    Folder,
    OneOf,
    array_options,
    config_options,
    read_config,
)
from signum.hdl.lib.emit import EmitError, Target, emit
from signum.hdl.lib.family import CELLS
from signum.hdl.lib.fusesoc import write_core

from .accelerator import Accelerator
from .config import ArrayConfig, ConfigError

__all__ = ["WRAPPERS", "describe", "verilog"]

PORTABLE = "portable"
PROTOCOL = {"magic": MAGIC, "version": VERSION, "number_at": NUMBER_AT,
            "fault_bit": FAULT_BIT, "region_at": REGION_AT, "unit_at": UNIT_AT, "word_at": WORD_AT,
            **{bit.name.lower(): bit.value for bit in Control if bit.name},
            **{bit.name.lower(): bit.value for bit in Status if bit.name and bit != Status.STREAM}}
POPCOUNTS = tuple(structure.name for structure in STRUCTURES)
WRAPPERS = {"none": Accelerator, "axi": AxiAccelerator, "axis": AxisAccelerator, "wishbone": WishboneAccelerator}


def describe(config: ArrayConfig, wrapper: str = "none") -> dict[str, Any]:
    """Entries of signum.json that describe an array: its parameters, its wrapper and its address map."""
    layout = AddressMap(config)
    registers = {register.name.lower(): int(register) for register in Register if register != Register.CONFIG}
    streams = {"stream_registers": {register.name.lower(): stream_register(layout, register)
                                    for register in StreamRegister}} if wrapper == "axi" else {}
    return {
        "config": config.to_dict(),
        "wrapper": wrapper,
        **streams,
        **({"fields": {name: place._asdict() for name, place in stream_registers(config).items()}}
           if config.streams else {}),
        "address_map": {
            "address_bits": layout.address_bits,
            "fields": {"slice": layout.slice_bits, "word": layout.word_bits, "unit": layout.unit_bits,
                       "region": layout.REGION_BITS},
            "slices": layout.slices,
            "regions": {region.name.lower(): layout.address(region) for region in Region},
            "registers": registers | config_registers(),
            "bits": {name: (place.offset, place.bits) for name, place in config_fields().items()
                     if place.bits < DATA_BITS},
        },
    }


@click.command(cls=Command, refused=(ConfigError, EmitError))
@click.option("--out", type=Folder(), default=Path("build/verilog"), show_default=True, help="Folder of the files.")
@config_options
@click.option("--wrapper", type=OneOf(WRAPPERS), default="none", show_default=True,
              help="Bus around the accelerator's own.")
@click.option("--cells", type=OneOf((PORTABLE, *CELLS)), default=PORTABLE, show_default=True,
              help="Elements for any tool, or of a family's own cells, which takes fewer of them.")
@click.option("--popcount", type=OneOf(POPCOUNTS), default=None,
              help=f"Structure of the elements, of {', '.join(POPCOUNTS)}; by default the preferred one for the cells.")
@array_options
def verilog(out: Path, preset: str | None, config: Path | None, wrapper: str, cells: str, popcount: str | None,
            **parameters: str | None) -> None:
    """Write an array of any size as Verilog.

    The files are signum.v (Verilog-2005), signum.json (ports, configuration and address map), signum.vlt (waivers for
    Verilator's linter), signum.core (for FuseSoC) and signum.h (a driver in C). The parameters are those of a preset or
    of a file, or rows, columns and lanes at least; options of single parameters replace those of the preset or file.
    """
    array = read_config(preset, config, {field.name: parameters[field.name] for field in ARRAY_FIELDS})
    platform = Target("" if cells == PORTABLE else cells, popcount or "")
    structure = structure_of(platform, array).name
    try:
        about = describe(array, wrapper)
        path = emit(WRAPPERS[wrapper](config=array), name="signum", directory=out,
                    extra={**about, "cells": cells, "popcount": structure}, platform=platform)
        write_core(path)
        write_header(path, {"name": path.stem, **about}, PROTOCOL)
    except OSError as error:
        raise ConfigError(f"out must be a writable folder, not {out}: {error.strerror}") from None
    json, waivers, core, header = (path.with_suffix(suffix).name for suffix in (".json", ".vlt", ".core", ".h"))
    operations = "multiplications" if array.signed else "binary operations"
    click.echo(f"{path}, {json}, {waivers}, {core} and {header}: {array.rows} x {array.cols} elements of "
               f"{array.lanes} lanes, {array.binops_per_cycle} {operations} a cycle")
