"""The parameters of an array, checked once, and every width that follows from them."""

import dataclasses
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from .presets import PRESETS
from .stages import most_stages
from .told import line_of, told

__all__ = ["DATA_BITS", "WIDEST_SCALE", "ArrayConfig", "ConfigError"]

DATA_BITS = 32                      # width of the bus, and of a memory's slice
WIDEST_SCALE = 18                   # bits of an operand of an FPGA's multiplier
MAY_BE_ZERO = {"pipeline", "zero_padding", "requantize_depth", "requantize_shift", "memory_registers", "input_depth",
               "input_planes", "input_levels", "input_maximum", "answer_ranks", "answer_values",
               "answer_bytes", "answer_shuffle", "threshold_levels", "weight_repeats", "accumulator_shift",
               "input_places", "input_tables", "parity", "gate", "raw_depth", "tile_height"}
MOST_LEVELS = 7                     # thresholds of a sum
MOST_TABLES = 8                     # of the input unit
WIDEST_SIGNAL = 1 << 16             # bits of a signal too wide for Amaranth; one signal holds the words of all rows
LARGEST = (1 << 32) - 1             # value of a parameter, which a board tells in a register
LARGEST_FILE = 1 << 20              # bytes of a file of parameters
LARGEST_PRODUCT = 255 * 128         # magnitude of 255 * -128, of 8-bit elements


class ConfigError(ValueError):
    """A parameter that breaks a rule; the message names the parameter, the rule and the value."""


def bits_to_hold(value: int) -> int:
    """Bits of an unsigned register that can hold ``value``; at least one."""
    return max(1, value.bit_length())


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """Size of a systolic array and of its memories.

    Parameters
    ----------
    rows : int
        Rows R: output pixels, or images of a batch, computed at once.
    cols : int
        Columns C: output channels computed at once.
    lanes : int
        Lanes L: operations of a processing element a cycle; elements of a word.
    tile : int
        Processing elements in a tile of ``tile`` x ``tile`` share their words; registers stand between tiles. See
        ``tile_height`` for fewer rows.
    pipeline : int
        Register stages inside the popcount, at most one for each of its adder levels and one before them; with elements
        of 8 bits, inside the products and their adders.
    acc_bits : int
        Width of the accumulator of a processing element; a dot product of up to ``most_taps`` taps.
    sum_bits : int
        Width of the sums over segments and of the thresholds.
    weight_depth : int
        Words of a weight bank (one a column).
    activation_depth : int
        Words of an activation bank (one a row).
    threshold_depth : int
        Entries of a row's threshold memory, which also takes the row's raw results; see ``raw_depth``.
    program_depth : int
        Entries of the program memory.
    access_patterns : int
        Different pixel geometries that the segments of one layer may have.
    zero_padding : int
        1 if convolutions may be padded with zeros, as PyTorch's are; 0 saves the hardware for their border classes.
    requantize_depth : int
        Entries of the memory of scales and offsets, one for each channel of a residual layer's segment; 0 saves the
        hardware for residual layers.
    requantize_shift : int
        Bits that requantization drops.
    scale_bits : int
        Width of a scale.
    element_bits : int
        1 for a binary array; 8 for one that multiplies activations of 0..255 with weights of -128..127.
    drain_width : int
        Sums that leave a row in a cycle, and threshold units at its end; a divisor of ``lanes``, of ``cols`` and, where
        there are several tile columns, of ``tile``. A wide drain serves short dot products on many columns.
    fetch_width : int
        Fields of the program that are read in a cycle. The wider, the shorter the pauses between layers, and between
        the segments of a layer; the program memory grows wider with it.
    memory_registers : int
        So many registers stand before and as many behind the banks of words, thresholds and the program, and behind
        the line buffer of the input unit. With one, no path leads from logic through a memory into logic; with two,
        none across a large chip ends in logic: a faster clock, for flip-flops and some cycles more between layers.
    threshold_levels : int
        Most thresholds of a sum, each a bit of the map: activations of several bits from one dot product; 0 for one.
        Only binary arrays have several.
    weight_repeats : int
        1 if all positions of a kernel may have the same weights, which then are in memory once: average pooling and a
        linear layer behind it. With 0 they are in memory once for each position.
    accumulator_shift : int
        1 if accumulators may double between two words, so that one dot product takes all bit planes of a layer, in one
        drain. With 0 each plane is drained. Binary arrays only.
    input_depth : int
        Values that the line buffer of the input unit (`hdl.input.input_unit`) holds, a power of two; 0 for no input
        unit.
    input_planes : int
        Bit planes of a value of the input, 2 to 8; 1 for thermometer code. See `golden.layers.encoder`.
    input_levels : int
        Levels of a value in thermometer code, at most ``lanes``.
    input_maximum : int
        Largest value in thermometer code, up to 255.
    input_places : int
        Places of the input maps in the activation memories: with 2, images come in while a run reads the ones before;
        0 for one.
    input_tables : int
        Tables of the input unit, 8 at most, that a value of a pixel is looked up in before it is encoded: one for all
        channels, or one for each, as a network that others trained quantizes its input; 0 saves the memory.
    answer_ranks : int
        Classes of the longest top-k answer of the answer unit (`hdl.output.answer_unit`); 0 for no answer unit. An
        array has both units or none.
    answer_values : int
        1 if answers may also be of several pixels, the values of all channels, or the words of a map.
    answer_bytes : int
        1 if values may be requantized to 8 bits. Needs ``answer_values``.
    answer_shuffle : int
        Most answers along a side of a pixel of the last layer, in the order of a pixel shuffle or all alike; 0 for one.
        Needs ``answer_values``.
    parity : int
        1 if the words of program, weights, activations, thresholds and coefficients have a parity bit for each 32 bits,
        which is checked where a word is used; see `hdl.host.fault_recorder`. 0 saves the hardware.
    gate : int
        1 if the last segments of a layer may be gated: their sums count only where the sum before them exceeds a
        threshold of the channel, as the second plane of FracBNN (Zhang et al., 2021). 0 saves the hardware. Binary
        arrays only.
    raw_depth : int
        The last so many entries of the threshold memory belong to each row, for its raw results; all rows share the
        others, which are read once for all of them. A power of two that divides ``threshold_depth``; 0 where each row
        has all entries. Rows of one threshold memory have no border classes and no gates of their own.
    tile_height : int
        Rows of a tile; 0 for ``tile`` rows. Each further tile column is an idle cycle in every drain, each further tile
        row a cycle a layer: tiles that are wide and low keep both the drains and the wires of a large array short.

    Raises
    ------
    ConfigError
        If a parameter is not an integer in its range.
    """

    rows: int
    cols: int
    lanes: int
    tile: int = 4
    pipeline: int = 0
    acc_bits: int = 12
    sum_bits: int = 16
    weight_depth: int = 1024
    activation_depth: int = 1024
    threshold_depth: int = 256
    program_depth: int = 256
    access_patterns: int = 2
    zero_padding: int = 1
    requantize_depth: int = 256
    requantize_shift: int = 12
    scale_bits: int = 16
    element_bits: int = 1
    drain_width: int = 1
    fetch_width: int = 4
    memory_registers: int = 0
    threshold_levels: int = 0
    weight_repeats: int = 0
    accumulator_shift: int = 0
    input_depth: int = 0
    input_planes: int = 0
    input_levels: int = 0
    input_maximum: int = 0
    input_places: int = 0
    input_tables: int = 0
    answer_ranks: int = 0
    answer_values: int = 0
    answer_bytes: int = 0
    answer_shuffle: int = 0
    parity: int = 0
    gate: int = 0
    raw_depth: int = 0
    tile_height: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in MAY_BE_ZERO else 1
            kind = "a positive" if least else "a non-negative"
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{field.name} must be {kind} integer, not {told(value)}")
            if value > LARGEST:
                raise ConfigError(f"{field.name} must be at most {LARGEST}, not {told(value)}")
        self._check_limits()
        if self.pipeline > self.most_stages:
            raise ConfigError(f"pipeline must be at most {self.most_stages} for {self.lanes} lanes, "
                              f"not {self.pipeline}")
        if self.acc_bits < self.count_bits:
            raise ConfigError(f"acc_bits must be at least {self.count_bits} for {self.lanes} lanes, "
                              f"not {self.acc_bits}")
        if self.sum_bits < self.acc_bits:
            raise ConfigError(f"sum_bits must be at least acc_bits ({self.acc_bits}), not {self.sum_bits}")
        for name in ("lanes", "cols", *(("tile",) if self.tile < self.cols else ())):
            if getattr(self, name) % self.drain_width:
                raise ConfigError(f"drain_width must divide {name} ({getattr(self, name)}), not be {self.drain_width}")
        if self.signed and not self.requantize_depth:
            raise ConfigError("requantize_depth must be positive where element_bits is 8, not 0")
        self._check_shared_thresholds()
        self._check_streams()

    def _check_shared_thresholds(self) -> None:
        depth = self.raw_depth
        if not depth:
            return
        if depth & depth - 1:
            raise ConfigError(f"raw_depth must be a power of two, not {depth}")
        if self.threshold_depth % depth or depth == self.threshold_depth:
            raise ConfigError(f"raw_depth must be less than threshold_depth ({self.threshold_depth}) and divide it, "
                              f"not be {depth}")
        for name in ("zero_padding", "gate"):
            if getattr(self, name):
                raise ConfigError(f"{name} must be 0 where raw_depth is positive, not {getattr(self, name)}")

    def _check_limits(self) -> None:
        if self.element_bits not in (1, 8):
            raise ConfigError(f"element_bits must be 1 or 8, not {self.element_bits}")
        if self.element_bits > 1 and self.threshold_levels > 1:
            raise ConfigError(f"threshold_levels must be 0 or 1 where element_bits is {self.element_bits}, "
                              f"not {self.threshold_levels}")
        if self.element_bits > 1 and self.accumulator_shift:
            raise ConfigError(f"accumulator_shift must be 0 where element_bits is {self.element_bits}, "
                              f"not {self.accumulator_shift}")
        if self.element_bits > 1 and self.gate:
            raise ConfigError(f"gate must be 0 where element_bits is {self.element_bits}, not {self.gate}")
        limits = {"rows": 1024, "cols": 1024, "lanes": 4096, "acc_bits": 32, "sum_bits": 32, "access_patterns": 8,
                  "zero_padding": 1, "memory_registers": 2, "requantize_shift": 24, "scale_bits": WIDEST_SCALE,
                  "fetch_width": 32, "input_planes": 8, "input_maximum": 255, "input_depth": 65536,
                  "answer_ranks": 8, "answer_values": 1, "answer_bytes": 1, "answer_shuffle": 8,
                  "input_places": 2, "input_tables": MOST_TABLES, "threshold_levels": MOST_LEVELS, "weight_repeats": 1,
                  "accumulator_shift": 1, "parity": 1, "gate": 1, "tile_height": 1024}
        for name, most in limits.items():
            if getattr(self, name) > most:
                raise ConfigError(f"{name} must be at most {most}, not {getattr(self, name)}")
        for name, bits in (("rows", max(self.word_bits, self.drain_width * self.sum_bits)), ("cols", self.word_bits)):
            if getattr(self, name) * bits >= WIDEST_SIGNAL:
                raise ConfigError(f"{name} must be at most {(WIDEST_SIGNAL - 1) // bits} for words of {bits} bits, "
                                  f"not {getattr(self, name)}")
        for name in ("weight_depth", "activation_depth", "threshold_depth", "program_depth", "requantize_depth"):
            if getattr(self, name) > 65536:
                raise ConfigError(f"{name} must be at most 65536, not {getattr(self, name)}")

    def _check_streams(self) -> None:
        codes = ("input_planes", "input_levels", "input_maximum")
        if not self.answer_ranks and self.answer_values:
            raise ConfigError(f"answer_values must be 0 where answer_ranks is 0, not {self.answer_values}")
        for name in ("answer_bytes", "answer_shuffle"):
            if getattr(self, name) and not self.answer_values:
                raise ConfigError(f"{name} must be 0 where answer_values is 0, not {getattr(self, name)}")
        if self.input_places > 1 and not self.input_depth:
            raise ConfigError(f"input_places must be 0 or 1 where input_depth is 0, not {self.input_places}")
        if self.input_tables and not self.input_depth:
            raise ConfigError(f"input_tables must be 0 where input_depth is 0, not {self.input_tables}")
        if self.input_depth and not self.answer_ranks:
            raise ConfigError("answer_ranks must be positive where input_depth is positive, not 0")
        if not self.input_depth:
            for name in (*codes, "answer_ranks"):
                if getattr(self, name):
                    raise ConfigError(f"{name} must be 0 where input_depth is 0, not {getattr(self, name)}")
        elif self.input_depth & self.input_depth - 1 or self.input_depth < 2:
            raise ConfigError(f"input_depth must be a power of two, not {self.input_depth}")
        elif self.signed:
            raise ConfigError(f"input_depth must be 0 where element_bits is 8, not {self.input_depth}")
        elif self.input_planes > 1:
            for name in codes[1:]:
                if getattr(self, name):
                    raise ConfigError(f"{name} must be 0 where input_planes is {self.input_planes}, "
                                      f"not {getattr(self, name)}")
        else:
            if self.input_planes != 1:
                raise ConfigError(f"input_planes must be 1 to 8 where input_depth is positive, not {self.input_planes}")
            most = min(self.input_maximum, self.lanes)
            if not 1 <= self.input_levels <= most:
                raise ConfigError(f"input_levels must be 1 to {most} for values of 0..{self.input_maximum} and "
                                  f"{self.lanes} lanes, not {self.input_levels}")

    @property
    def streams(self) -> bool:
        """The array takes pixels and gives answers."""
        return self.input_depth > 0

    @property
    def input_code_bits(self) -> int:
        """Bits of the code of an input value."""
        return self.input_levels or self.input_planes

    @property
    def input_bits(self) -> int:
        """Width of an address of the input unit's line buffer."""
        return bits_to_hold(max(1, self.input_depth - 1))

    @property
    def signed(self) -> bool:
        """Accumulators and sums are in two's complement: dot products are, popcounts are not."""
        return self.element_bits > 1

    @property
    def word_bits(self) -> int:
        """Width of a word of activations or weights."""
        return self.lanes * self.element_bits

    def dot_bits(self, taps: int) -> int:
        """Width of a processing element's result for ``taps`` taps of any values."""
        return (taps * LARGEST_PRODUCT - 1).bit_length() + 1 if self.signed else bits_to_hold(taps)

    @property
    def most_stages(self) -> int:
        """Most register stages of a processing element; see ``pipeline``."""
        return most_stages(self.lanes, self.element_bits)

    @property
    def most_taps(self) -> int:
        """Taps of the longest dot product that fits into the accumulator for all values."""
        return (1 << self.acc_bits - 1) // LARGEST_PRODUCT if self.signed else (1 << self.acc_bits) - 1

    @property
    def binops_per_cycle(self) -> int:
        """Operations a cycle: an XNOR and its count, or a product and its sum."""
        return self.rows * self.cols * self.lanes

    @property
    def rows_per_tile(self) -> int:
        """Rows of a tile; see ``tile_height``."""
        return self.tile_height or self.tile

    @property
    def tile_rows(self) -> int:
        return -(-self.rows // self.rows_per_tile)

    @property
    def tile_cols(self) -> int:
        return -(-self.cols // self.tile)

    @property
    def drain_cycles(self) -> int:
        """Cycles D from the first to the last sum of a row at its end, both included."""
        return self.beats + self.tile_cols - 1

    @property
    def drain_bits(self) -> int:
        """Width of the sums that leave a row in a cycle."""
        return self.drain_width * self.acc_bits

    @property
    def tile_beats(self) -> int:
        """Beats of a whole tile of the array."""
        return min(self.tile, self.cols) // self.drain_width

    @property
    def beats(self) -> int:
        """Cycles of a drain in which sums leave a row, ``drain_width`` at a time."""
        return self.cols // self.drain_width

    @cached_property
    def count_bits(self) -> int:
        """Width of a processing element's result for one pair of words."""
        return self.dot_bits(self.lanes)

    @property
    def weight_bits(self) -> int:
        """Width of a weight bank's address."""
        return bits_to_hold(self.weight_depth - 1)

    @property
    def activation_bits(self) -> int:
        """Width of an activation bank's address."""
        return bits_to_hold(self.activation_depth - 1)

    @property
    def threshold_bits(self) -> int:
        """Width of a threshold memory's address."""
        return bits_to_hold(self.threshold_depth - 1)

    @property
    def shared_thresholds(self) -> int:
        """Entries of the threshold memory that all rows share; see ``raw_depth``."""
        return self.threshold_depth - self.raw_depth if self.raw_depth else 0

    @property
    def program_bits(self) -> int:
        """Width of the program memory's address."""
        return bits_to_hold(self.program_depth - 1)

    @property
    def coefficient_bits(self) -> int:
        """Width of an address of scales and offsets."""
        return bits_to_hold(max(0, self.requantize_depth - 1))

    @property
    def offset_bits(self) -> int:
        """Width of a requantization's offset, in two's complement.

        A larger offset saturates at the lowest or the highest INT4 level for every sum, as does the largest offset of
        this range. The 32-bit bus limits the width.
        """
        return min(32, max(self.acc_bits + self.scale_bits, self.requantize_shift + 3) + 2)

    @property
    def memory_latency(self) -> int:
        """Cycles from the address to the word of a bank."""
        return 1 + 2 * self.memory_registers

    @property
    def gate_cycles(self) -> int:
        """Cycles from a sum that a gate compares to the first sum of its column that the gate may mask."""
        return self.memory_latency + 2

    @property
    def code_latency(self) -> int:
        """Cycles from the address to the code of a value in the line buffer of the input unit."""
        return 1 + self.memory_registers

    @property
    def requantize_cycles(self) -> int:
        """Cycles that every sum spends in its row's requantization."""
        return 2 if self.requantize_depth else 0

    @property
    def operand_bits(self) -> int:
        """Width of the operand of a threshold unit."""
        return self.sum_bits if self.requantize_depth else self.acc_bits

    @classmethod
    def preset(cls, name: str) -> Self:
        """A named configuration of `hdl.presets`."""
        if name not in PRESETS:
            raise ConfigError(f"preset must be one of {', '.join(sorted(PRESETS))}, not {name}")
        return cls(**PRESETS[name])

    def replace(self, **changes: Any) -> Self:
        """A copy with other values, checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, int]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        names = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in names:
                shown = name if str(name).isidentifier() and len(name) < 40 else told(name)
                raise ConfigError(f"{shown} is not a parameter; the parameters are {', '.join(sorted(names))}")
        for field in dataclasses.fields(cls):
            if field.default is dataclasses.MISSING and field.name not in values:
                raise ConfigError(f"{field.name} must be given")
        return cls(**values)

    def to_toml(self) -> str:
        return "".join(f"{name} = {value}\n" for name, value in self.to_dict().items())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        try:
            values = tomllib.loads(text)
        except (ValueError, RecursionError) as error:       # also numbers and nesting beyond Python's own limits
            raise ConfigError(f"the configuration must be TOML: {line_of(error)}") from None
        return cls.from_dict(values)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file."""
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise ConfigError(f"config must have at most {LARGEST_FILE} bytes, not more: {path}")
        try:
            return cls.from_toml(data.decode())
        except UnicodeDecodeError:
            raise ConfigError(f"config must be a text file, not {path}") from None
