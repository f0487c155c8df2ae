"""The bus of the accelerator: its address map, and its request and response streams.

A request is one 32-bit write or read; each read gives one response, in order, and writes give none. Words of
more than 32 bits are cut into slices at successive addresses. An address is, from the least significant bit:
slice, word, unit (row or column), region.
"""

import dataclasses
import enum
from collections.abc import Iterable
from typing import NamedTuple

from amaranth.hdl import C, Cat, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import DATA_BITS, ArrayConfig
from signum.hdl.control.answer_geometry import answer_fields
from signum.hdl.control.input_geometry import TABLE_ENTRIES, input_fields
from signum.hdl.control.isa import Isa

__all__ = [
    "DATA_BITS",
    "DROPPED_AT",
    "FAULT_BIT",
    "MAGIC",
    "NUMBER_AT",
    "RECEIVED_AT",
    "REGION_AT",
    "TABLE_AT",
    "UNIT_AT",
    "VERSION",
    "WORD_AT",
    "AddressMap",
    "Control",
    "Region",
    "Register",
    "RegisterField",
    "Status",
    "WrongWord",
    "bus_signature",
    "config_fields",
    "config_registers",
    "config_words",
    "request_layout",
    "stream_registers",
    "told_wrong",
    "wrong_word",
]

MAGIC = 0x5347_4E4D
VERSION = 9


class Region(enum.IntEnum):
    """Regions of the address space; the memories of a row also have write-only regions for all rows at once."""

    REGISTERS = 0
    PROGRAM = 1             # write only
    WEIGHTS = 2             # write only
    THRESHOLDS = 3          # a slice for each sum of a beat
    ALL_THRESHOLDS = 4      # write only; with ``raw_depth`` the thresholds of all rows, of which a row has the last
    ACTIVATIONS = 5
    ALL_ACTIVATIONS = 6     # write only
    COEFFICIENTS = 7        # write only; even units hold scales, odd units offsets, a pair for each sum of a beat


class Register(enum.IntEnum):
    """Words of the register region; the configuration follows from ``CONFIG`` on, in the order of its fields."""

    MAGIC = 0
    VERSION = 1
    CONTROL = 2             # tells the youngest parameters when read, see `config_fields`; see `Control`
    STATUS = 3
    CYCLES = 4              # cycles of the last run, or of the run so far
    RUNS = 5                # runs begun since reset, modulo 256
    ANSWER = 6              # a number of an answer that waits; a write takes it, if the data are its number in STATUS
    PARITY = 7              # the parameter ``parity`` and, after a fault, the first wrong word; see `wrong_word`
    CONFIG = 8


class Control(enum.IntFlag):
    """Bits of `Register.CONTROL`. A write sets or clears `STREAM`, and requests what its other bits say."""

    START = 1               # run once; not while `STREAM` is set
    STREAM = 2              # take pixels and give answers; only with an input unit
    FLUSH = 4               # run with an incomplete batch


class Status(enum.IntFlag):
    """Bits of `Register.STATUS`; with an input unit also three counts modulo 256 since reset: from `DROPPED_AT` on the
    frames dropped, from `RECEIVED_AT` on the whole frames, from `NUMBER_AT` on the numbers of answers taken by
    `Register.ANSWER`."""

    BUSY = 1
    STREAM = 2
    ANSWER = 4              # a number of an answer waits
    LAST = 8                # it is the last one of its answer
    WAIT = 16               # further images wait: the place of the input is full, or a run reads it
    FAULT = 32              # a word that was used has the wrong parity; until `Register.CONTROL` is written without
                            # `Control.STREAM` while no program runs, so until the next run of the host begins


DROPPED_AT = 8
RECEIVED_AT = 16
NUMBER_AT = 24


class RegisterField(NamedTuple):
    """A place in a register: its word of the register region, and its bits."""

    word: int
    offset: int
    bits: int


TABLE_AT = 256
"""First word of the register region that writes an entry of the input unit's tables, which lie one after another."""


def config_fields() -> dict[str, RegisterField]:
    """Where an array tells each parameter of its configuration: most have a register of their own."""
    apart = {"parity": RegisterField(Register.PARITY, 0, 1), "gate": RegisterField(Register.CONTROL, 0, 1),
             "input_tables": RegisterField(Register.CONTROL, 1, 4), "raw_depth": RegisterField(Register.CONTROL, 5, 16),
             "tile_height": RegisterField(Register.CONTROL, 21, 11)}
    names = [field.name for field in dataclasses.fields(ArrayConfig) if field.name not in apart]
    return {**{name: RegisterField(Register.CONFIG + i, 0, DATA_BITS) for i, name in enumerate(names)}, **apart}


def config_words(config: ArrayConfig) -> dict[int, int]:
    """The values of the registers that tell the configuration, by word."""
    words: dict[int, int] = {}
    for name, place in config_fields().items():
        words[place.word] = words.get(place.word, 0) | getattr(config, name) << place.offset
    return words


def config_registers() -> dict[str, int]:
    """Word of the register region for each parameter of the configuration."""
    return {name: place.word for name, place in config_fields().items()}


class WrongWord(NamedTuple):
    """A word with the wrong parity: the region of its memory, the unit (row, column or coefficients), its address."""

    region: Region
    unit: int
    word: int

    def __str__(self) -> str:
        place = {Region.WEIGHTS: f" of column {self.unit}", Region.THRESHOLDS: f" of row {self.unit}",
                 Region.ACTIVATIONS: f" of row {self.unit}", Region.COEFFICIENTS: f" of unit {self.unit}"}
        memory = "thresholds of all rows" if self.region == Region.ALL_THRESHOLDS else self.region.name.lower()
        return f"word {self.word} of the {memory}{place.get(self.region, '')}"


FAULT_BIT, REGION_AT, UNIT_AT, WORD_AT = 1, 2, 5, 16
"""Places in `Register.PARITY`: whether there is a wrong word; its region, unit and address."""


def told_wrong(wrong: Value, region: Value, unit: Value, word: Value) -> Value:
    """The value of `Register.PARITY` of an array with parity."""
    return Cat(C(1, 1), wrong, region, C(0, UNIT_AT - REGION_AT - len(region)), unit,
               C(0, WORD_AT - UNIT_AT - len(unit)), word)


def wrong_word(value: int) -> WrongWord | None:
    """The wrong word that a value of `Register.PARITY` tells, if any."""
    if not value >> FAULT_BIT & 1:
        return None
    unit = value >> UNIT_AT & (1 << WORD_AT - UNIT_AT) - 1
    return WrongWord(Region(value >> REGION_AT & (1 << UNIT_AT - REGION_AT) - 1), unit, value >> WORD_AT)


def stream_registers(config: ArrayConfig) -> dict[str, RegisterField]:
    """The fields ``input_...`` and ``answer_...`` of `hdl.control.input_geometry` and `hdl.control.answer_geometry`, in
    registers behind the configuration, which are write only; a register has as many fields in order as fit."""
    if not config.streams:
        return {}
    word, offset = max(config_registers().values()) + 1, 0
    found = {}
    for unit, fields in (("input", input_fields(config)), ("answer", answer_fields(config))):
        for field in fields:
            if offset + field.bits > DATA_BITS:
                word, offset = word + 1, 0
            found[f"{unit}_{field.name}"] = RegisterField(word, offset, field.bits)
            offset += field.bits
    return found


class Location(NamedTuple):
    """A decoded bus address."""

    region: Region
    unit: int
    word: int
    slice: int


class AddressMap:
    """Bus addresses of an array's memories and registers.

    Members
    -------
    slices, program_slices : int
        Bus words of a word of the array, and of a word of the program.
    drain_width : int
        Slices of a word of thresholds or results.
    slice_bits, word_bits, unit_bits, address_bits : int
        Widths of the fields of an address, and of the whole.
    """

    REGION_BITS = 3

    def __init__(self, config: ArrayConfig) -> None:
        self.slices = -(-config.word_bits // DATA_BITS)
        self.program_slices = -(-Isa(config).word_bits // DATA_BITS)
        self.drain_width = config.drain_width
        self.slice_bits = (max(self.slices, self.program_slices, self.drain_width) - 1).bit_length()
        depth = max(config.weight_depth, config.activation_depth, config.threshold_depth, config.program_depth,
                    config.requantize_depth)
        registers = max(*config_registers().values(),
                        *(field.word for field in stream_registers(config).values()),
                        *([TABLE_AT + TABLE_ENTRIES * config.input_tables - 1] if config.input_tables else [])) + 1
        self.word_bits = (max(depth, registers) - 1).bit_length()
        coefficients = 2 * config.drain_width if config.requantize_depth else 1
        self.unit_bits = (max(config.rows, config.cols, coefficients) - 1).bit_length()
        self.address_bits = self.slice_bits + self.word_bits + self.unit_bits + self.REGION_BITS

    def address(self, region: Region, *, unit: int = 0, word: int = 0, slice: int = 0) -> int:
        """Bus address of one slice of one word."""
        return slice | (word | (unit | region << self.unit_bits) << self.word_bits) << self.slice_bits

    def decode(self, address: int) -> Location:
        """The inverse of `address`."""
        fields = []
        for bits in (self.slice_bits, self.word_bits, self.unit_bits):
            fields.append(address & (1 << bits) - 1)
            address >>= bits
        return Location(Region(address), fields[2], fields[1], fields[0])

    def slices_of(self, region: Region) -> int:
        """Slices of a word of a region."""
        if region in (Region.WEIGHTS, Region.ACTIVATIONS, Region.ALL_ACTIVATIONS):
            return self.slices
        if region in (Region.THRESHOLDS, Region.ALL_THRESHOLDS):
            return self.drain_width
        return self.program_slices if region == Region.PROGRAM else 1

    def following(self, address: int) -> int:
        """The next address: the next slice of the word, and after the last slice the next word, or unit."""
        location = self.decode(address)
        if location.slice + 1 < self.slices_of(location.region):
            return address + 1
        return (address >> self.slice_bits) + 1 << self.slice_bits

    def runs(self, addresses: Iterable[int]) -> list[tuple[int, int]]:
        """Cut addresses into runs, each (first address, count), in which each address is `following` the previous."""
        runs: list[tuple[int, int]] = []
        expected = None
        for address in addresses:
            if address == expected:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((address, 1))
            expected = self.following(address)
        return runs


def request_layout(address_bits: int) -> data.StructLayout:
    return data.StructLayout({"write": 1, "address": address_bits, "data": DATA_BITS})


def bus_signature(address_bits: int) -> wiring.Signature:
    """The bus as its master sees it: requests go out, the responses to reads come in."""
    return wiring.Signature({
        "request": Out(stream.Signature(request_layout(address_bits))),
        "response": In(stream.Signature(DATA_BITS)),
    })
