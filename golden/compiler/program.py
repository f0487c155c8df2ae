"""A compiled network: the program, the memory images, and the allocations of inputs and results."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from signum.golden.reference.encoding import (
    ACTIVATION_TAIL,
    ELEMENT_TYPES,
    ints_to_words,
    pack_lanes,
    unpack_lanes,
    words_per,
    words_to_ints,
)
from signum.hdl.config import ArrayConfig
from signum.hdl.control.input_geometry import TABLE_ENTRIES
from signum.hdl.control.isa import Isa, LayerRecord
from signum.hdl.host.bus import DATA_BITS, TABLE_AT, AddressMap, Region, stream_registers

from .graph import Layer, MapShape
from .packing import Packing

__all__ = ["InputAllocation", "MapAllocation", "Program", "ResultAllocation"]


@dataclass(frozen=True)
class MapAllocation:
    """The allocation of a map in the activation banks.

    Lines are contiguous; ``border`` positions at the top, left, bottom and right are stored around the map.
    """

    shape: MapShape
    start: int
    border: tuple[int, int, int, int]
    lanes: int
    element_bits: int = 1

    @property
    def words(self) -> int:
        """Words of a pixel."""
        return words_per(self.shape.channels, self.lanes)

    @property
    def pitch(self) -> int:
        """Words of a line."""
        return (self.shape.width + self.border[1] + self.border[3]) * self.words

    @property
    def size(self) -> int:
        """Words of the whole map with its border."""
        return (self.shape.height + self.border[0] + self.border[2]) * self.pitch

    def pixel(self, y: int, x: int) -> int:
        """Address of a pixel's first word; positions below zero are in the border."""
        return self.start + (y + self.border[0]) * self.pitch + (x + self.border[1]) * self.words

    @cached_property
    def addresses(self) -> np.ndarray:
        """Addresses of all words inside the border, int (height * width * words)."""
        y, x, w = np.ogrid[:self.shape.height, :self.shape.width, :self.words]
        return (self.pixel(0, 0) + y * self.pitch + x * self.words + w).reshape(-1)

    def to_words(self, elements: np.ndarray) -> np.ndarray:
        """Elements (B, H, W, C) as bool words (B, H * W * words, word_bits), in the order of ``addresses``."""
        words = pack_lanes(elements, self.lanes, ACTIVATION_TAIL, self.element_bits)
        return words.reshape(len(elements), -1, words.shape[-1])

    def to_elements(self, words: np.ndarray) -> np.ndarray:
        """The inverse of `to_words`."""
        shape = (len(words), self.shape.height, self.shape.width, self.words, words.shape[-1])
        return unpack_lanes(words.reshape(shape), self.shape.channels, self.element_bits)


@dataclass(frozen=True)
class InputAllocation:
    """An input map: its packing by the host, and its allocation."""

    shape: MapShape
    packing: Packing | None
    place: MapAllocation

    def to_words(self, elements: np.ndarray) -> np.ndarray:
        """Elements (B, H, W, C) of the network's input as words (B, n, word_bits) for ``place.addresses``."""
        elements = np.asarray(elements, dtype=ELEMENT_TYPES[self.place.element_bits])
        return self.place.to_words(self.packing.apply(elements) if self.packing else elements)


@dataclass(frozen=True)
class ResultAllocation:
    """Raw results: entry ``start + group * channels + channel`` of the threshold memories."""

    start: int
    pixels: int
    channels: int

    def entries(self, config: ArrayConfig, split: bool) -> int:
        """Entries of a row's threshold memory."""
        groups = words_per(self.pixels, config.rows) if split else self.pixels
        return groups * words_per(self.channels, config.drain_width)


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A program for one array.

    Members
    -------
    config : ArrayConfig
        The array of the program.
    split : bool
        The rows share one image; otherwise each row has its own.
    names : tuple of str
        Name of the graph's layer, for each layer of the program.
    records : tuple of LayerRecord
    second : tuple of LayerRecord
        The same for the second places of the inputs, if they have two.
    weights : bool (cols, words, word_bits)
    weight_start : int
        First word of the weights in the banks.
    input_fields, answer_fields : dict of str to int
        Geometry of input and answers (`hdl.control.input_geometry`, `hdl.control.answer_geometry`) of a program that
        takes pixels and gives answers by itself, else empty.
    tables : tuple of tuple of int
        What the input unit encodes in place of each of the 256 values of a pixel, for all channels or for each; of a
        program that takes pixels, on an array with ``input_tables``. Without one the pixels are encoded themselves.
    largest_pixel : int
        With tables, the largest value of a pixel; those above are as this one.
    thresholds : int (entries, drain_width)
        The same for all rows.
    coefficients : int64 (entries, drain_width, 2)
        Scales and offsets of the requantized segments, the same for all rows.
    constants : dict of int to int
        Activation words written once by the host, by address: the borders of the maps.
    inputs : dict of str to InputAllocation
    maps : dict of str to MapAllocation
        The output maps of all layers.
    output : Layer
        The graph's last layer.
    result : ResultAllocation, or None where the last layer makes a map
    channels : tuple of int
        Output channels of each layer.
    useful : tuple of int
        The network's operations in each layer, for one image.
    """

    config: ArrayConfig
    split: bool
    names: tuple[str, ...]
    records: tuple[LayerRecord, ...]
    weights: np.ndarray
    thresholds: np.ndarray
    coefficients: np.ndarray
    constants: dict[int, int]
    inputs: dict[str, InputAllocation]
    maps: dict[str, MapAllocation]
    output: Layer
    result: ResultAllocation | None
    channels: tuple[int, ...]
    useful: tuple[int, ...]
    second: tuple[LayerRecord, ...] = ()
    weight_start: int = 0
    input_fields: dict[str, int] = field(default_factory=dict)
    answer_fields: dict[str, int] = field(default_factory=dict)
    tables: tuple[tuple[int, ...], ...] = ()
    largest_pixel: int = 0
    address_map: AddressMap = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address_map", AddressMap(self.config))

    @property
    def images(self) -> int:
        """Images of a run."""
        return 1 if self.split else self.config.rows

    @property
    def streams(self) -> bool:
        """The program takes pixels and gives answers by itself."""
        return bool(self.input_fields)

    @property
    def input_places(self) -> int:
        """Places of the inputs: with two, images come in while a run reads the ones before."""
        return 2 if self.second else 1

    @cached_property
    def words(self) -> list[int]:
        """The program memory."""
        isa = Isa(self.config)
        return [*isa.encode(list(self.records)), *isa.encode(list(self.second))]

    def moved(self, config: ArrayConfig, start: int) -> "Program":
        """The same program for an array of deeper weight banks, with its weights from word ``start`` on."""
        shift = start - self.weight_start
        records, second = (tuple(
            LayerRecord({**record.fields, "weights": record.fields["weights"] + shift}, record.segments)
            for record in found) for found in (self.records, self.second))
        return dataclasses.replace(self, config=config, records=records, second=second, weight_start=start)

    def _slices(self, region: Region, unit: int, word: int, value: int, count: int | None = None,
                ) -> Iterator[tuple[int, int]]:
        for i in range(self.address_map.slices if count is None else count):
            address = self.address_map.address(region, unit=unit, word=word, slice=i)
            yield address, value >> i * DATA_BITS & (1 << DATA_BITS) - 1

    @property
    def result_entries(self) -> int:
        """Entries of ``thresholds`` that are raw results and, where answers leave by themselves, their offsets."""
        if self.result is None:
            return 0
        offsets = words_per(self.result.channels, self.config.drain_width) if self.answer_fields else 0
        return self.result.entries(self.config, self.split) + offsets

    @property
    def threshold_entries(self) -> int:
        """Entries of ``thresholds`` that are thresholds, in front of the others."""
        return len(self.thresholds) - self.result_entries

    @property
    def least_raw_depth(self) -> int:
        """The least ``raw_depth`` for the raw results."""
        return 1 << max(0, self.result_entries - 1).bit_length()

    def least_threshold_depth(self, raw_depth: int) -> int:
        """The least ``threshold_depth`` with a ``raw_depth``, which may be 0."""
        if not raw_depth:
            return max(1, len(self.thresholds))
        return (max(1, words_per(self.threshold_entries, raw_depth)) + 1) * raw_depth

    @property
    def threshold_addresses(self) -> list[int]:
        """The addresses of ``thresholds``: the results follow, but for those of rows that share their thresholds."""
        shared = self.threshold_entries
        first = self.config.shared_thresholds if self.config.raw_depth else shared
        return [*range(shared), *range(first, first + self.result_entries)]

    def load_writes(self) -> Iterator[tuple[int, int]]:
        """Bus writes (address, data) that load the program into an array, once."""
        for i, value in enumerate(self.words):
            yield from self._slices(Region.PROGRAM, 0, i, value, self.address_map.program_slices)
        for column, words in enumerate(self.weights):
            for i, value in enumerate(words_to_ints(words), start=self.weight_start):
                yield from self._slices(Region.WEIGHTS, column, i, value)
        for i, values in zip(self.threshold_addresses, self.thresholds.tolist(), strict=True):
            for lane, value in enumerate(values):
                yield self.address_map.address(Region.ALL_THRESHOLDS, word=i, slice=lane), value
        for i, values in enumerate(self.coefficients.reshape(-1, 2 * self.config.drain_width).tolist()):
            for unit, value in enumerate(values):
                address = self.address_map.address(Region.COEFFICIENTS, unit=unit, word=i)
                yield address, value & (1 << DATA_BITS) - 1
        for address, value in self.constants.items():
            yield from self._slices(Region.ALL_ACTIVATIONS, 0, address, value)
        if self.streams:
            values = {f"{unit}_{name}": value for unit, fields in (("input", self.input_fields),
                                                                   ("answer", self.answer_fields))
                      for name, value in fields.items()}
            registers: dict[int, int] = {}
            for name, place in stream_registers(self.config).items():
                registers[place.word] = registers.get(place.word, 0) | values[name] << place.offset
            for word, value in registers.items():
                yield self.address_map.address(Region.REGISTERS, word=word), value
            if self.config.input_tables:
                entries = [entry for table in self.tables or (range(TABLE_ENTRIES),) for entry in table]
                for i, entry in enumerate(entries):
                    yield self.address_map.address(Region.REGISTERS, word=TABLE_AT + i), entry

    def input_writes(self, maps: dict[str, np.ndarray]) -> Iterator[tuple[int, int]]:
        """Bus writes of the input maps, (B, H, W, C), of up to ``images`` images for one run."""
        region = Region.ALL_ACTIVATIONS if self.split else Region.ACTIVATIONS
        for name, entry in self.inputs.items():
            for row, words in enumerate(entry.to_words(maps[name])):
                for address, value in zip(entry.place.addresses.tolist(), words_to_ints(words), strict=True):
                    yield from self._slices(region, row, address, value)

    def result_reads(self, images: int) -> list[int]:
        """Bus addresses of the results of the last run, in the order for `results`."""
        reads = []
        width = self.config.drain_width
        for image in range(images):
            if self.result is None:
                for address in self.maps[self.output.name].addresses.tolist():
                    row = 0 if self.split else image
                    reads += [place for place, _ in self._slices(Region.ACTIVATIONS, row, address, 0)]
                continue
            for pixel in range(self.result.pixels):
                group, row = divmod(pixel, self.config.rows) if self.split else (pixel, image)
                first = self.result.start + group * words_per(self.result.channels, width)
                reads += [self.address_map.address(Region.THRESHOLDS, unit=row, word=first + channel // width,
                                                   slice=channel % width)
                          for channel in range(self.result.channels)]
        return reads

    def results(self, images: int, values: list[int]) -> np.ndarray:
        """Results from the words at `result_reads`.

        Integers (B, pixels, channels) of a raw layer, with its offset; otherwise elements (B, H, W, C).
        Words wider than the array's raise ValueError.
        """
        if self.result is not None:
            sums = np.array(values, dtype=np.int64).reshape(images, self.result.pixels, self.result.channels)
            if self.config.signed:
                sums -= (sums >> self.config.sum_bits - 1) << self.config.sum_bits
            return self.output.values(sums)
        place = self.maps[self.output.name]
        whole = [sum(value << i * DATA_BITS for i, value in enumerate(values[at:at + self.address_map.slices]))
                 for at in range(0, len(values), self.address_map.slices)]
        width = self.config.word_bits
        if max(whole).bit_length() > width:
            raise ValueError(f"a word of a map must have at most {width} bits, not {max(whole).bit_length()}")
        elements = place.to_elements(ints_to_words(whole, width).reshape(images, -1, width))
        return self.output.ordered(elements if self.output.inverted is None else elements ^ self.output.inverted)
