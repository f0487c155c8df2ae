"""The reference interpreter: runs a program on its memory images as the hardware does, for many images at once."""

import numpy as np

from signum.golden.compiler.program import Program
from signum.hdl.control.isa import PATTERN_BIT, Isa, LayerFlag, LayerRecord, SegmentFlag

from .encoding import ACTIVATION_TAIL, ELEMENT_TYPES, border_class, ints_to_words, pack_lanes, unpack_lanes

__all__ = ["interpret"]


def interpret(program: Program, maps: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Run a program.

    Of the program, the interpreter reads the inputs of the hardware alone: program words, memory images, and the
    addresses of the inputs.

    Parameters
    ----------
    program : Program
    maps : dict of str to bool or uint8 (B, H, W, C)
        Input maps by name, for any number of images.

    Returns
    -------
    activations : bool (B, depth, word_bits)
        The activation memory of each image after the run.
    results : int64 (B, pixels, channels)
        Raw sums of the last layer, or (B, 0, 0) where it makes a map; the network's results are
        ``program.output.values(results)``.

    Raises
    ------
    ValueError
        If ``maps`` are not the program's inputs.
    """
    if set(maps) != set(program.inputs):
        raise ValueError(f"maps must be those of {', '.join(sorted(program.inputs))}, not of {', '.join(sorted(maps))}")
    config = program.config
    batch = len(next(iter(maps.values())))
    memory = np.zeros((batch, config.activation_depth, config.word_bits), dtype=bool)
    if program.constants:
        memory[:, list(program.constants)] = ints_to_words(list(program.constants.values()), config.word_bits)
    for name, entry in program.inputs.items():
        memory[:, entry.place.addresses] = entry.to_words(maps[name])
    results = np.zeros((batch, 0, 0), dtype=np.int64)
    for record in Isa(config).decode(program.words):
        layer = LayerRun(program, record)
        if record.has(LayerFlag.RAW):
            assert program.result is not None
            results = layer.sums(memory, 0, 0)[0][-1][..., :program.result.channels]
        else:
            layer.store(memory, layer.elements(memory))
    return memory, results


class LayerRun:
    """The execution of one layer's record."""

    def __init__(self, program: Program, record: LayerRecord) -> None:
        self.program = program
        self.config = program.config
        self.fields = record.fields
        self.record = record
        self.mask = (1 << self.config.activation_bits) - 1
        self.y, self.x = np.divmod(np.arange((record.fields["x"] + 1) * (record.fields["y"] + 1)),
                                   record.fields["x"] + 1)
        f = record.fields
        self.beats = f["channel_blocks"] * (f["channel_block"] + 1) + f["last_channel_block"] + 1
        self.levels = f.get("levels", 0) + 1
        # columns of each block; columns of the last beat may lack a channel
        self.sizes = [(beats + 1) * self.config.drain_width
                      for beats in [f["channel_block"]] * f["channel_blocks"] + [f["last_channel_block"]]]

    def _follow(self, start: int, step: int, line: int) -> np.ndarray:
        """Addresses of all pixels, from the first address and the steps."""
        return start + self.x * step + self.y * (self.fields["x"] * step + line)

    def _offsets(self, segment) -> np.ndarray:
        """Addresses of a segment's steps, relative to the address of the pixel."""
        word, run, line = (np.arange(segment[name] + 1) for name in ("words", "runs", "lines"))
        whole_run = segment["words"] + segment["run_step"]
        whole_line = segment["runs"] * whole_run + segment["words"] + segment["line_step"]
        return (segment["start"] + line[:, None, None] * whole_line + run[None, :, None] * whole_run + word).reshape(-1)

    def sums(self, memory: np.ndarray, window_y: int, window_x: int) -> tuple[list[np.ndarray], np.ndarray]:
        """At one position of the pooling window the combined sums after each drain, int64 (B, pixels, channels).

        Also where the gate is open, bool (B, pixels, channels).
        """
        f = self.fields
        offset = (window_x * f["window_step"]
                  + window_y * (f["window_x"] * f["window_step"] + f["window_line"]))
        steps = [self._offsets(segment) for segment in self.record.segments]
        # the steps of a segment whose weights are in memory; runs with the weights of the first repeat them
        kept = [segment["words"] + 1 if segment["flags"] & SegmentFlag.REPEAT else len(offsets)
                for segment, offsets in zip(self.record.segments, steps, strict=True)]
        block_words = sum(kept)
        weight = f["weights"] - self.program.weight_start
        total = np.zeros((len(memory), len(self.x), sum(self.sizes)), dtype=np.int64)
        acc = np.zeros_like(total)
        combine = self.record.combine
        drained = 0
        opens = np.zeros(total.shape, dtype=bool)
        ungated = f["drains"] + 1 - f.get("gated", 0)
        after: list[np.ndarray] = []
        for segment, offsets, count in zip(self.record.segments, steps, kept, strict=True):
            pattern = segment["flags"] >> PATTERN_BIT
            pixel = self._follow(0, f[f"pattern{pattern}_step"], f[f"pattern{pattern}_line"])
            addresses = (pixel[:, None] + offsets + offset) & self.mask
            words = np.concatenate([
                self.program.weights[:size, weight + block * block_words:weight + block * block_words + count]
                for block, size in enumerate(self.sizes)])
            words = np.tile(words, (1, len(offsets) // count, 1))
            shifts = bool(segment["flags"] & SegmentFlag.SHIFT)
            lines = segment["lines"] + 1 if shifts else 1
            for read, weights in zip(np.split(addresses, lines, axis=1), np.split(words, lines, axis=1), strict=True):
                acc = (acc << shifts) + self._counts(memory, read, weights)
            weight += count
            if not segment["flags"] & SegmentFlag.CONTINUE:
                acc = self._wrapped(acc, self.config.acc_bits)
                if combine.requantized:
                    acc = self._requantized(acc, drained)
                if segment["flags"] & SegmentFlag.DOUBLE:
                    total = 2 * total
                if drained >= ungated:
                    acc = acc * opens
                total = self._wrapped(combine.reference(total, acc) if drained else acc, self.config.sum_bits)
                acc = np.zeros_like(total)
                drained += 1
                after.append(total)
                if combine.gates and drained == ungated:
                    opens = total >= self._thresholds(window_y * (f["window_x"] + 1) + window_x)
        return after, opens

    def _wrapped(self, values: np.ndarray, bits: int) -> np.ndarray:
        """Values modulo the width of a register, signed as in the register."""
        lowest = -(1 << bits - 1) if self.config.signed else 0
        return (values - lowest & (1 << bits) - 1) + lowest

    def _requantized(self, sums: np.ndarray, drained: int) -> np.ndarray:
        """Operands of the sums of one drain, int64 (B, pixels, channels)."""
        first = self.fields["coefficients"] + drained * self.fields["coefficients_step"]
        scales, offsets = self.program.coefficients[first:first + self.beats].reshape(-1, 2).T
        numbers = sums * scales + offsets >> self.config.requantize_shift
        return numbers if self.config.signed else np.clip(numbers, -8, 7) + 8

    def _numbers(self, words: np.ndarray, signed: bool) -> np.ndarray:
        """Elements of words (n, steps, word_bits) as numbers, float (n, steps * lanes): 1 and -1 for bits."""
        bits, taps = self.config.element_bits, words.shape[1] * self.config.lanes
        elements = unpack_lanes(words, taps, bits)
        if bits == 1:
            return np.where(elements, np.float32(1), np.float32(-1))
        return (elements.view(np.int8) if signed else elements).astype(np.float64)

    def _counts(self, memory: np.ndarray, addresses: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Equal bits (or dot products) of the words at (pixels, steps) with (channels, steps, word_bits).

        They are int64 (B, pixels, channels).
        """
        weights = self._numbers(words, signed=True).T
        counts = np.empty((len(memory), len(addresses), len(words)), dtype=np.int64)
        for image, bank in enumerate(memory):
            counts[image] = np.rint(self._numbers(bank[addresses], signed=False) @ weights)
        return counts if self.config.signed else (counts + len(weights)) // 2

    def _thresholds(self, window: int, entry: int = 0) -> np.ndarray:
        """Thresholds at one position of the window, int (pixels, channels).

        Of a layer with gates, entry 0 are these, 1 the thresholds where they are closed, 2 where they are open.
        """
        f = self.fields
        first = np.full(len(self.x), f["thresholds"] + window * f["thresholds_window"])
        if self.config.zero_padding:
            first += border_class(self.y, f["y"] + 1, f["class_y_low"], f["y"] - f["class_y_high"]) * f["class_y_step"]
            first += border_class(self.x, f["x"] + 1, f["class_x_low"], f["x"] - f["class_x_high"]) * f["class_x_step"]
        entries = 3 if self.record.combine.gates else 1
        beats = np.arange(self.levels * self.beats) * entries
        return self.program.thresholds[first[:, None] + beats + entry].reshape(len(first), -1)

    def _compared(self, sums: np.ndarray, window: int, opens: np.ndarray) -> np.ndarray:
        """Whether sums (B, pixels, channels) reach their thresholds, which the gates choose where there are any."""
        if self.record.combine.gates:
            return sums >= np.where(opens, self._thresholds(window, 2), self._thresholds(window, 1))
        return sums >= self._thresholds(window)

    def _in_order(self, sums: list[np.ndarray]) -> np.ndarray:
        """The sums of all levels as they leave: of each block of columns a level after another."""
        ends = np.cumsum(self.sizes)
        return np.concatenate([level[..., end - size:end] for size, end in zip(self.sizes, ends, strict=True)
                               for level in sums], axis=-1)

    def elements(self, memory: np.ndarray) -> np.ndarray:
        """Elements of all pixels after pooling, bool or uint8 (B, pixels, channels)."""
        f = self.fields
        shape = len(memory), len(self.x), self.levels * sum(self.sizes)
        pooled = np.zeros(shape, dtype=ELEMENT_TYPES[self.config.element_bits])
        for window_y in range(f["window_y"] + 1):
            for window_x in range(f["window_x"] + 1):
                after, opens = self.sums(memory, window_y, window_x)
                sums = self._in_order(after[-self.levels:])
                if self.config.signed:
                    found = np.clip(sums, 0, 255).astype(pooled.dtype)
                else:
                    found = self._compared(sums, window_y * (f["window_x"] + 1) + window_x, opens)
                pooled = np.maximum(pooled, found)
        return pooled

    def store(self, memory: np.ndarray, elements: np.ndarray) -> None:
        """Pack the elements of each pixel into words, and write them to the layer's output addresses."""
        f = self.fields
        words = pack_lanes(elements, self.config.lanes, ACTIVATION_TAIL, self.config.element_bits)
        pixel = self._follow(f["out_start"], f["out_step"], f["out_line"])
        memory[:, (pixel[:, None] + np.arange(words.shape[-2])) & self.mask] = words
