"""The reference interpreter: runs a program on its memory images, as the hardware does, on many images at once."""

import numpy as np

from hdl.encoding import ACTIVATION_TAIL, border_class, ints_to_words, pack_lanes
from hdl.isa import Isa, LayerFlag, LayerRecord, SegmentFlag

from .program import Program

__all__ = ["interpret"]


def interpret(program: Program, maps: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Run a program.

    It reads nothing of a program but what the hardware is given: the program words, the memory images, and the input
    words at their addresses.

    Parameters
    ----------
    program : Program
    maps : dict of str to bool (B, H, W, C)
        Input maps by name, of any number of images.

    Returns
    -------
    activations : bool (B, depth, lanes)
        The activation memory of each image after the run.
    results : int64 (B, pixels, channels)
        Raw sums of the last layer, or (B, 0, 0) where it makes bits. Its values are
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
    memory = np.zeros((batch, config.activation_depth, config.lanes), dtype=bool)
    if program.constants:
        memory[:, list(program.constants)] = ints_to_words(list(program.constants.values()), config.lanes)
    for name, entry in program.inputs.items():
        memory[:, entry.place.addresses] = entry.to_words(maps[name])
    results = np.zeros((batch, 0, 0), dtype=np.int64)
    for record in Isa(config).decode(program.words):
        layer = LayerRun(program, record)
        if record.has(LayerFlag.RAW):
            results = layer.sums(memory, 0, 0)
        else:
            layer.store(memory, layer.bits(memory))
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
        self.sizes = [f["tile"] + 1] * f["tiles"] + [f["last_tile"] + 1]

    def _follow(self, start: int, step: int, line: int) -> np.ndarray:
        """Addresses of all pixels, from those of the first and the steps between them."""
        return start + self.x * step + self.y * (self.fields["x"] * step + line)

    def _offsets(self, segment) -> np.ndarray:
        """Addresses of a segment's steps, relative to the pixel's."""
        word, run, line = (np.arange(segment[name] + 1) for name in ("words", "runs", "lines"))
        whole_run = segment["words"] + segment["run_step"]
        whole_line = segment["runs"] * whole_run + segment["words"] + segment["line_step"]
        return (segment["start"] + line[:, None, None] * whole_line + run[None, :, None] * whole_run + word).reshape(-1)

    def sums(self, memory: np.ndarray, window_y: int, window_x: int) -> np.ndarray:
        """Combined sums at one position of the pooling window, int64 (B, pixels, channels)."""
        f = self.fields
        offset = (window_x * f["window_step"]
                  + window_y * (f["window_x"] * f["window_step"] + f["window_line"]))
        steps = [self._offsets(segment) for segment in self.record.segments]
        tile_words = sum(map(len, steps))
        weight = f["weights"]
        total = np.zeros((len(memory), len(self.x), sum(self.sizes)), dtype=np.int64)
        acc = np.zeros_like(total)
        drained = 0
        for segment, offsets in zip(self.record.segments, steps, strict=True):
            walk = segment["flags"] >> 1
            pixel = self._follow(0, f[f"walk{walk}_step"], f[f"walk{walk}_line"])
            addresses = (pixel[:, None] + offsets + offset) & self.mask
            words = np.concatenate([
                self.program.weights[:size, weight + tile * tile_words:weight + tile * tile_words + len(offsets)]
                for tile, size in enumerate(self.sizes)])
            acc = acc + self._popcounts(memory, addresses, words)
            weight += len(offsets)
            if not segment["flags"] & SegmentFlag.CONTINUE:
                acc &= (1 << self.config.acc_bits) - 1
                if self.record.has(LayerFlag.RESIDUAL):
                    acc = self._levels(acc, drained)
                total = (total << (drained > 0 and self.record.has(LayerFlag.HORNER))) + acc
                total &= (1 << self.config.sum_bits) - 1
                acc = np.zeros_like(total)
                drained += 1
        return total

    def _levels(self, sums: np.ndarray, drained: int) -> np.ndarray:
        """INT4 levels of the sums of one drain, int64 (B, pixels, channels)."""
        first = self.fields["coefficients"] + drained * self.fields["coefficients_step"]
        scales, offsets = self.program.coefficients[:, first:first + sums.shape[-1]]
        return np.clip(sums * scales + offsets >> self.config.requantize_shift, -8, 7) + 8

    def _popcounts(self, memory: np.ndarray, addresses: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Equal bits of the words at (pixels, steps) with (channels, steps, lanes), int64 (B, pixels, channels)."""
        taps = words.shape[1] * words.shape[2]
        weights = np.where(words, 1, -1).astype(np.float32).reshape(len(words), taps).T
        counts = np.empty((len(memory), len(addresses), len(words)), dtype=np.int64)
        for image, bank in enumerate(memory):
            bits = np.where(bank[addresses], 1, -1).astype(np.float32).reshape(len(addresses), taps)
            counts[image] = (np.rint(bits @ weights).astype(np.int64) + taps) // 2
        return counts

    def _thresholds(self, window: int) -> np.ndarray:
        """Thresholds at one position of the window, int (pixels, channels)."""
        f = self.fields
        y = border_class(self.y, f["y"] + 1, f["class_y_low"], f["y"] - f["class_y_high"])
        x = border_class(self.x, f["x"] + 1, f["class_x_low"], f["x"] - f["class_x_high"])
        first = f["thresholds"] + y * f["class_y_step"] + x * f["class_x_step"] + window * f["thresholds_window"]
        return self.program.thresholds[first[:, None] + np.arange(sum(self.sizes))]

    def bits(self, memory: np.ndarray) -> np.ndarray:
        """Bits of all pixels after pooling, bool (B, pixels, channels)."""
        f = self.fields
        pooled = np.zeros((len(memory), len(self.x), sum(self.sizes)), dtype=bool)
        for window_y in range(f["window_y"] + 1):
            for window_x in range(f["window_x"] + 1):
                window = window_y * (f["window_x"] + 1) + window_x
                pooled |= self.sums(memory, window_y, window_x) >= self._thresholds(window)
        return pooled

    def store(self, memory: np.ndarray, bits: np.ndarray) -> None:
        """Pack the bits of each pixel into words, and write them where the layer says."""
        f = self.fields
        words = pack_lanes(bits, self.config.lanes, ACTIVATION_TAIL)
        pixel = self._follow(f["out_start"], f["out_step"], f["out_line"])
        memory[:, (pixel[:, None] + np.arange(words.shape[-2])) & self.mask] = words
