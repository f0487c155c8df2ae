"""From an integer graph to a program for one array: its layers, segments and memory images."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hdl.config import WIDEST_SCALE, ArrayConfig
from hdl.encoding import ACTIVATION_TAIL, WEIGHT_TAIL, border_class, pack_lanes, words_per, words_to_ints
from hdl.isa import (
    LINES_BITS,
    SEGMENT_FETCH,
    SEGMENTS_BITS,
    WINDOW_BITS,
    LayerFlag,
    LayerRecord,
    SegmentFlag,
)

from .cycles import gaps
from .graph import Graph, Layer, Segment
from .placement import CapacityError, need, pack_inputs, pad_of, place_maps
from .program import InputPlace, MapPlace, Program, ResultPlace

__all__ = ["CapacityError", "compile_graph"]


@dataclass(frozen=True)
class Walk:
    """Part of a segment's kernel: lines ``ky``, columns ``kx`` and words of the map, each from and to.

    ``drains`` tells that the sum is drained behind it.
    """

    segment: Segment
    ky: tuple[int, int]
    kx: tuple[int, int]
    words: tuple[int, int]
    drains: bool

    @property
    def steps(self) -> int:
        return (self.ky[1] - self.ky[0]) * (self.kx[1] - self.kx[0]) * (self.words[1] - self.words[0])

    def taps(self, lanes: int) -> int:
        """Taps of the dot product, or a few more where the last word is not full."""
        return self.steps * lanes

    def weight_words(self, lanes: int) -> np.ndarray:
        """Weights in the order of the steps, bool (N, steps, lanes)."""
        weights = pack_lanes(self.segment.weights.transpose(0, 2, 3, 1), lanes, WEIGHT_TAIL)
        part = weights[:, slice(*self.ky), slice(*self.kx), slice(*self.words)]
        return part.reshape(len(part), -1, lanes)

    def fields(self, place: MapPlace, walk: int) -> dict[str, int]:
        """The segment's record, but for its flag."""
        dy, dx = self.segment.dilation
        top, left, _, _ = self.segment.padding
        (y0, y1), (x0, x1), (w0, w1) = self.ky, self.kx, self.words
        start = place.pixel(y0 * dy - top, x0 * dx - left) + w0
        if dx == 1 and w1 - w0 == place.words:      # neighbouring columns are one run
            length, runs, lines = (x1 - x0) * place.words, y1 - y0, 1
            run_step, line_step = dy * place.pitch - length + 1, 0
        else:
            length, runs, lines = w1 - w0, x1 - x0, y1 - y0
            run_step = dx * place.words - length + 1
            line_step = dy * place.pitch - (runs - 1) * dx * place.words - length + 1
        return {"flags": walk << 1, "start": start, "words": length - 1, "runs": runs - 1, "lines": lines - 1,
                "run_step": run_step, "line_step": line_step}


def compile_graph(graph: Graph, config: ArrayConfig, *, split: bool = False) -> Program:
    """Compile a graph for an array.

    Parameters
    ----------
    graph : Graph
    config : ArrayConfig
    split : bool
        Work on one image with all rows (for latency) instead of on an image a row (for throughput).

    Raises
    ------
    CapacityError
        If a memory or a field of the program is too small; the message names the parameter to raise.
    """
    refusals = []
    for choice in range(3):
        try:
            return Compiler(graph, config, split, choice).program()
        except CapacityError as refusal:
            refusals.append(refusal)
    raise min(refusals, key=lambda refusal: refusal.excess)


class Compiler:
    """One attempt, with the input maps packed in their ``choice``-th best way."""

    def __init__(self, graph: Graph, config: ArrayConfig, split: bool, choice: int) -> None:
        self.config = config
        self.split = split
        self.original = graph
        self.graph, self.packed = pack_inputs(graph, config.lanes, choice)
        self.places = place_maps(self.graph, config)

    def program(self) -> Program:
        """All parts together; CapacityError where one does not fit."""
        records: list[LayerRecord] = []
        weights: list[np.ndarray] = []
        thresholds: list[int] = []
        coefficients: list[np.ndarray] = []
        result = None
        for layer in self.graph.layers:
            last = layer is self.graph.layers[-1]
            record, words = self._layer(layer, sum(part.shape[1] for part in weights), len(thresholds),
                                        sum(part.shape[1] for part in coefficients), last)
            records.append(record)
            weights.append(words)
            coefficients += self._coefficients(layer)
            if layer.thresholds is None:
                height, width = self.graph.sums_size(layer)
                result = ResultPlace(len(thresholds), height * width, layer.channels)
                groups = -(-height * width // self.config.rows) if self.split else height * width
                thresholds += [0] * (groups * layer.channels)
            else:
                thresholds += self._thresholds(layer).reshape(-1).tolist()
        weight_words = np.concatenate(weights, axis=1)
        numbers = np.concatenate([np.zeros((2, 0), dtype=np.int64), *coefficients], axis=1)
        need("words of weights in a column", weight_words.shape[1], self.config.weight_depth, "weight_depth")
        need("thresholds and raw results of a row", len(thresholds), self.config.threshold_depth, "threshold_depth")
        need("scales of residual layers", numbers.shape[1], self.config.requantize_depth, "requantize_depth")
        program = Program(
            config=self.config, split=self.split, names=tuple(layer.name for layer in self.graph.layers),
            records=tuple(records), weights=weight_words, thresholds=np.array(thresholds, dtype=np.int64),
            coefficients=numbers, constants=self._constants(),
            inputs={name: InputPlace(shape, self.packed.get(name), self.places[name])
                    for name, shape in self.original.inputs.items()},
            maps={layer.name: self.places[layer.name] for layer in self.graph.layers if layer.name in self.places},
            output=self.graph.layers[-1], result=result,
            useful=tuple(self._useful(layer) for layer in self.original.layers))
        need("words of the program", len(program.words), self.config.program_depth, "program_depth")
        return program

    def _useful(self, layer: Layer) -> int:
        height, width = self.original.sums_size(layer)
        pixels = height // layer.pool[0] * layer.pool[0] * (width // layer.pool[1]) * layer.pool[1]
        return pixels * layer.channels * sum(segment.taps for segment in layer.segments)

    def _walks(self, layer: Layer) -> list[Walk]:
        """The segments, cut where the accumulator would overflow and joined where it would not."""
        most = (1 << self.config.acc_bits) - 1
        lanes = self.config.lanes
        walks: list[Walk] = []
        for segment in layer.segments:
            parts = list(self._cut(segment, most))
            if layer.combine != "sum" and len(parts) > 1:
                need(f"taps of a segment of layer {layer.name}", segment.taps, most, "acc_bits",
                     segment.taps.bit_length())
            walks += parts
        if layer.combine != "sum":
            return walks
        joined: list[Walk] = []
        taps = 0
        for walk in walks:
            taps += walk.taps(lanes)
            if joined and taps <= most and joined[-1].steps >= SEGMENT_FETCH:
                joined[-1] = dataclasses.replace(joined[-1], drains=False)
            else:
                taps = walk.taps(lanes)
            joined.append(walk)
        return joined

    def _cut(self, segment: Segment, most: int) -> Iterator[Walk]:
        """Parts of a kernel of at most ``most`` taps: whole lines, else whole columns, else words."""
        _, channels, kernel_h, kernel_w = segment.weights.shape
        lanes = self.config.lanes
        words = words_per(channels, lanes)
        if segment.taps <= most:
            yield Walk(segment, (0, kernel_h), (0, kernel_w), (0, words), True)
            return
        line, column = kernel_w * words * lanes, words * lanes
        if line <= most:
            size = most // line
            yield from (Walk(segment, (y, min(y + size, kernel_h)), (0, kernel_w), (0, words), True)
                        for y in range(0, kernel_h, size))
            return
        for y in range(kernel_h):
            if column <= most:
                size = most // column
                yield from (Walk(segment, (y, y + 1), (x, min(x + size, kernel_w)), (0, words), True)
                            for x in range(0, kernel_w, size))
                continue
            size = most // lanes
            yield from (Walk(segment, (y, y + 1), (x, x + 1), (w, min(w + size, words)), True)
                        for x in range(kernel_w) for w in range(0, words, size))

    def _layer(self, layer: Layer, weight_base: int, threshold_base: int, coefficient_base: int, last: bool,
               ) -> tuple[LayerRecord, np.ndarray]:
        """The record of a layer and its weights, bool (cols, words, lanes)."""
        config = self.config
        raw = layer.thresholds is None
        height, width = self.graph.sums_size(layer)
        pool_y, pool_x = layer.pool
        need(f"bits of a sum of layer {layer.name}", (layer.top + 1).bit_length(), config.sum_bits, "sum_bits")
        for name, size in (("height", pool_y), ("width", pool_x)):
            need(f"window {name} of layer {layer.name}", size, 1 << WINDOW_BITS, "no parameter")
        walks = self._walks(layer)
        need(f"segments of layer {layer.name}", len(walks), 1 << SEGMENTS_BITS, "acc_bits", config.acc_bits + 1)
        geometries, walk_fields = self._geometries(layer)
        if any(layer.border) and not config.zero_padding:
            raise CapacityError(f"layer {layer.name} pads with zeros, which this array leaves out: "
                                "zero_padding of 1 would make it fit, or padding with +1 or -1", 1)
        tile, idle = self._tile(layer, walks, raw)
        tiles = words_per(layer.channels, tile)
        flags = LayerFlag(0)
        for flag, on in ((LayerFlag.SPLIT, self.split), (LayerFlag.RAW, raw), (LayerFlag.LAST, last),
                         (LayerFlag.HORNER, layer.combine == "horner"),
                         (LayerFlag.RESIDUAL, layer.combine == "residual")):
            flags |= flag if on else 0
        window_step, window_line = self._window_steps(layer)
        fields = {
            "flags": int(flags), "segments": len(walks) - 1, "drains": sum(walk.drains for walk in walks) - 1,
            "window_x": pool_x - 1, "window_y": pool_y - 1, "windows": pool_x * pool_y - 1,
            "window_step": window_step, "window_line": window_line,
            "weights": weight_base,
            "x": width // pool_x - 1, "y": height // pool_y - 1,
            "tiles": tiles - 1, "tile": min(tile, layer.channels) - 1,
            "last_tile": layer.channels - (tiles - 1) * tile - 1,
            "thresholds": threshold_base,
            **walk_fields, **self._class_fields(layer), **self._out_fields(layer, raw),
        }
        if config.requantize_depth:
            residual = layer.combine == "residual"
            fields |= {"coefficients": coefficient_base if residual else 0,
                       "coefficients_step": layer.channels if residual else 0}
        segments = []
        for walk in walks:
            place = self.places[walk.segment.source]
            need(f"kernel lines of layer {layer.name}", max(walk.ky[1] - walk.ky[0], walk.kx[1] - walk.kx[0]),
                 1 << LINES_BITS, "no parameter")
            segment = walk.fields(place, geometries[walk.segment.source, walk.segment.stride])
            segment["flags"] |= 0 if walk.drains else SegmentFlag.CONTINUE
            segment["gap"] = idle.pop(0) if walk.drains else 0
            segments.append(segment)
        return LayerRecord(fields, tuple(segments)), self._weights(layer, walks, tile)

    def _weights(self, layer: Layer, walks: list[Walk], tile: int) -> np.ndarray:
        words = np.concatenate([walk.weight_words(self.config.lanes) for walk in walks], axis=1)
        tiles = words_per(layer.channels, tile)
        padded = np.zeros((tiles * tile, *words.shape[1:]), dtype=bool)
        padded[:layer.channels] = words
        columns = np.zeros((self.config.cols, tiles, *words.shape[1:]), dtype=bool)
        columns[:tile] = padded.reshape(tiles, tile, *words.shape[1:]).swapaxes(0, 1)
        return columns.reshape(self.config.cols, -1, self.config.lanes)

    def _tile(self, layer: Layer, walks: list[Walk], raw: bool) -> tuple[int, list[int]]:
        """Channels of a tile, and the gaps behind the dot products, that take the fewest cycles."""
        windows = layer.pool[0] * layer.pool[1]
        dots, last_segments = [0], []
        for walk in walks:
            dots[-1] += walk.steps
            if walk.drains:
                last_segments.append(walk.steps)
                dots.append(0)
        dots.pop()
        best: tuple[int, int, list[int]] | None = None
        for tile in range(min(self.config.cols, layer.channels), 0, -1):
            tiles = words_per(layer.channels, tile)
            if best and tiles * sum(dots) >= best[0]:
                continue
            sizes = [] if raw else [tile] * (tiles - 1) + [layer.channels - (tiles - 1) * tile]
            idle = gaps(self.config, dots, last_segments, windows, sizes, self.split)
            if idle is None:
                continue
            cycles = tiles * (sum(dots) + sum(idle))
            if best is None or cycles < best[0]:
                best = cycles, tile, idle
        assert best is not None, "tiles of one channel always keep up"
        return best[1], best[2]

    def _geometries(self, layer: Layer) -> tuple[dict[tuple[str, tuple[int, int]], int], dict[str, int]]:
        """The different pixel walks of a layer's segments, and their fields."""
        _, width = self.graph.sums_size(layer)
        pool_y, pool_x = layer.pool
        walks: list[tuple[int, int]] = []
        index = {}
        for segment in layer.segments:
            place = self.places[segment.source]
            step = pool_x * segment.stride[1] * place.words
            line = pool_y * segment.stride[0] * place.pitch - (width // pool_x - 1) * step
            if (step, line) not in walks:
                walks.append((step, line))
            index[segment.source, segment.stride] = walks.index((step, line))
        need(f"pixel walks of layer {layer.name}", len(walks), self.config.walks, "walks")
        walks += [(0, 0)] * (self.config.walks - len(walks))
        fields: dict[str, int] = {}
        for i, (step, line) in enumerate(walks):
            fields |= {f"walk{i}_step": step, f"walk{i}_line": line}
        return index, fields

    def _window_steps(self, layer: Layer) -> tuple[int, int]:
        steps = set()
        for segment in layer.segments:
            place = self.places[segment.source]
            step = segment.stride[1] * place.words
            steps.add((step, segment.stride[0] * place.pitch - (layer.pool[1] - 1) * step))
        if len(steps) > 1 and layer.pool != (1, 1):
            raise CapacityError(f"the segments of layer {layer.name} must have equal geometry where it pools")
        return steps.pop()

    def _class_fields(self, layer: Layer) -> dict[str, int]:
        names = ("class_x_low", "class_x_high", "class_x_step", "class_y_low", "class_y_high", "class_y_step",
                 "thresholds_window")
        if layer.thresholds is None or layer.border == (0, 0, 0, 0):
            return dict.fromkeys(names, 0)
        classes = self._pixel_classes(layer)
        windows = layer.pool[0] * layer.pool[1]
        step = layer.channels * windows
        (low_y, high_y, _), (low_x, high_x, classes_x) = classes
        return dict(zip(names, (low_x, high_x, step, low_y, high_y, step * classes_x, layer.channels), strict=True))

    def _pixel_classes(self, layer: Layer) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """For y and x: pixels up to which, and from which on, the class grows; the number of classes.

        A pixel is a whole pooling window here, so one class has one set of thresholds for each window position.
        """
        size = self.graph.sums_size(layer)
        found = []
        for axis in (0, 1):
            pool, out = layer.pool[axis], size[axis]
            low, high = layer.border[axis], layer.border[axis + 2]
            pixels = out // pool
            at_low = min(pixels, -(-low // pool))
            at_high = sum((u + 1) * pool > out - high for u in range(pixels))
            classes = int(border_class(pixels - 1, pixels, at_low, at_high)) + 1
            found.append((at_low, max(0, pixels - 1 - at_high), classes))
        return found[0], found[1]

    def _thresholds(self, layer: Layer) -> np.ndarray:
        """Thresholds in the order of the memory: (class of y, class of x, window position, channel)."""
        assert layer.thresholds is not None
        if layer.border == (0, 0, 0, 0):
            return layer.thresholds
        size = self.graph.sums_size(layer)
        per_axis = []
        for axis, (low, high, classes) in enumerate(self._pixel_classes(layer)):
            pool, out = layer.pool[axis], size[axis]
            pixels = out // pool
            of_pixel = border_class(np.arange(pixels), pixels, low, pixels - 1 - high)
            first = np.array([int(np.argmax(of_pixel == k)) for k in range(classes)])
            positions = first[:, None] * pool + np.arange(pool)
            per_axis.append(border_class(positions, out, layer.border[axis], layer.border[axis + 2]))
        y, x = per_axis
        return layer.thresholds[y[:, None, :, None], x[None, :, None, :]]

    def _coefficients(self, layer: Layer) -> list[np.ndarray]:
        """Scales and offsets of each segment for the array's shift, int64 (2, N) each.

        An offset beyond the range that makes a difference is brought to its end.
        """
        config = self.config
        found = []
        for numbers, taps in ((segment.requantize, segment.taps) for segment in layer.segments if segment.requantize):
            need(f"shift of layer {layer.name}", numbers.shift, config.requantize_shift, "requantize_shift")
            spare = config.requantize_shift - numbers.shift
            bits = (int(numbers.scale.max()) << spare).bit_length()
            parameter, least = ("scale_bits", bits) if bits <= WIDEST_SCALE else (
                "requantize_shift", config.requantize_shift - bits + config.scale_bits)
            need(f"bits of a scale of layer {layer.name}", bits, config.scale_bits, parameter, least)
            scale, offset = numbers.scale.astype(np.int64), numbers.offset.astype(np.int64)
            offset = np.clip(offset, (-8 << numbers.shift) - taps * scale, 7 << numbers.shift) << spare
            bits = int(np.maximum(offset, -1 - offset).max()).bit_length() + 1
            need(f"bits of an offset of layer {layer.name}", bits, config.offset_bits, "requantize_shift",
                 config.requantize_shift - bits + config.offset_bits)
            found.append(np.stack([scale << spare, offset]))
        return found

    def _out_fields(self, layer: Layer, raw: bool) -> dict[str, int]:
        if raw:
            return {"out_start": 0, "out_step": 0, "out_line": 0}
        place = self.places[layer.name]
        return {"out_start": place.pixel(0, 0), "out_step": place.words,
                "out_line": place.pitch - (place.shape.width - 1) * place.words}

    def _constants(self) -> dict[int, int]:
        """Border words of all maps."""
        constants = {}
        for name, place in self.places.items():
            if place.border == (0, 0, 0, 0):
                continue
            pad = pad_of(self.graph, name)
            words = words_to_ints(pack_lanes(pad, self.config.lanes, ACTIVATION_TAIL))
            inside = set(place.addresses.tolist())
            for address in range(place.start, place.start + place.size):
                if address not in inside:
                    constants[address] = words[(address - place.start) % place.words]
        return constants
