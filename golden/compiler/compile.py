"""Compilation of an integer graph to a program for one array: its layers, segments and memory images."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from signum.golden.layers.encoder import Encoder
from signum.golden.reference.encoding import ACTIVATION_TAIL, border_class, pack_lanes, words_per, words_to_ints
from signum.hdl.config import WIDEST_SCALE, ArrayConfig
from signum.hdl.control.isa import LINES_BITS, SEGMENTS_BITS, WINDOW_BITS, Isa, LayerFlag, LayerRecord

from .allocation import CapacityError, allocate_maps, need, pack_inputs, pad_of
from .answers import Answers, answer_geometry, answer_offsets
from .cycles import gaps
from .graph import Graph, Layer
from .input_geometry import input_geometry
from .input_tables import input_tables
from .program import InputAllocation, MapAllocation, Program, ResultAllocation
from .shared_sums import level_block, levels_of, share_sums
from .stream_cycles import interval_cycles
from .tap_ranges import TapRange, replay_of, tap_ranges

__all__ = ["CapacityError", "compile_graph"]


def compile_graph(graph: Graph, config: ArrayConfig, *, split: bool = False,
                  packable: Collection[str] | None = None, answers: Answers | None = None,
                  encoder: Encoder | None = None) -> Program:
    """Compile a graph for an array.

    Parameters
    ----------
    graph : Graph
    config : ArrayConfig
    split : bool
        All rows share one image (for latency) instead of an image a row (for throughput).
    packable : collection of str, optional
        Input maps that the host may pack by the taps of a window; by default all.
    answers : Answers, optional
        The program takes pixels and gives these answers by itself, on an array with input and answer unit; by default
        the host writes the input maps and reads the results. On an array with two ``input_places`` the inputs have both
        if they fit; see `Program.input_places`. The packing of the inputs is that of the shortest interval between
        images, for filling a place may take longer than a run.
    encoder : Encoder, optional
        Of the pixels, with ``answers``: an array with ``input_tables`` makes its code of the pixels themselves. On
        another array, and by default, the input unit encodes what comes; see `golden.compiler.input_tables`.

    Raises
    ------
    CapacityError
        If a memory or a field of the program is too small; the message names the parameter to raise.
    """
    tables = _tables(graph, config, encoder) if answers and encoder and config.input_depth else ()
    largest = encoder.largest if encoder and tables else 0
    refusals = []
    found: list[Program] = []
    twice = (True, False) if answers and config.input_places > 1 else (False,)
    for choice in range(3):
        for second in twice:
            try:
                found.append(Compiler(graph, config, split, choice, graph.inputs if packable is None else packable,
                                      answers, second, tables).program())
                break
            except CapacityError as refusal:
                refusals.append(refusal)
        if found and not answers:
            break
    if not found:
        raise min(refusals, key=lambda refusal: refusal.excess)
    best = found[0] if len(found) == 1 else min(found, key=interval_cycles)
    return replace(best, largest_pixel=largest) if tables else best


def _tables(graph: Graph, config: ArrayConfig, encoder: Encoder) -> tuple[tuple[int, ...], ...]:
    """The tables of a program; none on an array without."""
    shape = next(iter(graph.inputs.values()))
    tables = input_tables(encoder, config, shape.channels // encoder.bits_per_channel)
    if not config.input_tables:
        return ()
    need("tables of the input", len(tables), config.input_tables, "input_tables")
    return tables


class Compiler:
    """One attempt, with the input maps in their ``choice``-th best packing, and with ``second`` in two places."""

    def __init__(self, graph: Graph, config: ArrayConfig, split: bool, choice: int, packable: Collection[str],
                 answers: Answers | None, second: bool, tables: tuple[tuple[int, ...], ...]) -> None:
        self.config = config
        self.tables = tables
        self.answer_channels = 0
        if answers:
            *before, last = graph.layers
            self.answer_channels = answers.channels(last)
            graph = Graph(inputs=graph.inputs, layers=(*before, answers.arranged(last, config.drain_width)))
        graph = share_sums(graph, config)
        self.split = split
        self.original = graph
        self.answers = answers
        if graph.element_bits != config.element_bits:
            raise CapacityError(f"the elements of the network have {graph.element_bits} bits, not "
                                f"{config.element_bits}: element_bits of {graph.element_bits} would make it fit", 1)
        self.graph, self.packed = pack_inputs(graph, config.lanes, choice, packable)
        # the next images come in while a run goes on: their words are never shared
        self.places, self.others = allocate_maps(self.graph, config, graph.inputs if answers else (), second)
        self.releasing = max((layer for layer in self.graph.layers
                              if any(segment.source in graph.inputs for segment in layer.segments)),
                             key=self.graph.layers.index)

    def program(self) -> Program:
        """All parts together; CapacityError where one does not fit."""
        config = self.config
        records: list[LayerRecord] = []
        second: list[LayerRecord] = []
        weights: list[np.ndarray] = []
        thresholds: list[np.ndarray] = []
        coefficients: list[np.ndarray] = []
        result = None
        for layer in self.graph.layers:
            last = layer is self.graph.layers[-1]
            start = config.shared_thresholds if layer.raw and config.raw_depth else sum(map(len, thresholds))
            bases = sum(part.shape[1] for part in weights), start, sum(map(len, coefficients))
            record, words = self._layer(layer, self.places, *bases, last)
            records.append(record)
            if self.others:
                second.append(self._layer(layer, self.places | self.others, *bases, last)[0])
            weights.append(words)
            coefficients += self._coefficients(layer)
            if layer.raw:
                height, width = self.graph.sums_size(layer)
                result = ResultAllocation(start, height * width, layer.channels)
                thresholds.append(np.zeros((result.entries(config, self.split), config.drain_width), dtype=np.int64))
                if self.answers:
                    thresholds.append(self._in_beats(answer_offsets(config, layer), 0))
            elif layer.thresholds is not None:
                thresholds.append(self._entries(layer))
        weight_words = np.concatenate(weights, axis=1)
        width = config.drain_width
        entries = np.concatenate([np.zeros((0, width), dtype=np.int64), *thresholds])
        numbers = np.concatenate([np.zeros((0, width, 2), dtype=np.int64), *coefficients])
        need("words of weights in a column", weight_words.shape[1], self.config.weight_depth, "weight_depth")
        need("scales of residual layers", len(numbers), self.config.requantize_depth, "requantize_depth")
        inputs = {name: InputAllocation(shape, self.packed.get(name), self.places[name])
                  for name, shape in self.original.inputs.items()}
        output = self.graph.layers[-1]
        program = Program(
            config=self.config, split=self.split, names=tuple(layer.name for layer in self.graph.layers),
            records=tuple(records), second=tuple(second), weights=weight_words, thresholds=entries,
            coefficients=numbers, constants=self._constants(),
            inputs=inputs,
            maps={layer.name: self.places[layer.name] for layer in self.graph.layers if layer.name in self.places},
            output=output, result=result,
            input_fields=input_geometry(config, inputs, self.split, self.others, self._size(records), len(self.tables)
                                        ) if self.answers else {},
            tables=self.tables,
            answer_fields=answer_geometry(
                config, self.answers, output, result, self.places.get(output.name), self.answer_channels,
                self.graph.sums_size(output)[1], self.split) if self.answers else {},
            channels=tuple(layer.outputs for layer in self.graph.layers),
            useful=tuple(self._useful(layer) for layer in self.original.layers))
        self._check_thresholds(program)
        need("words of the program", len(program.words), self.config.program_depth, "program_depth")
        return program

    def _check_thresholds(self, program: Program) -> None:
        depth = self.config.raw_depth
        if not depth:
            need("thresholds and raw results of a row", len(program.thresholds), self.config.threshold_depth,
                 "threshold_depth")
            return
        need("raw results of a row", program.result_entries, depth, "raw_depth", program.least_raw_depth)
        need("thresholds of all rows", program.threshold_entries, self.config.shared_thresholds, "threshold_depth",
             program.least_threshold_depth(depth))

    def _size(self, records: list[LayerRecord]) -> int:
        """Words of the program for the first places of the inputs, if they have two."""
        return len(Isa(self.config).encode(records)) if self.others else 0

    def _beats(self, channels: int) -> int:
        """Beats of the results of ``channels`` channels."""
        return words_per(channels, self.config.drain_width)

    def _in_beats(self, values: np.ndarray, fill: int) -> np.ndarray:
        """Numbers of channels, (..., N), as the words of a memory, (entries, drain_width), filled up with ``fill``."""
        width = self.config.drain_width
        missing = self._beats(values.shape[-1]) * width - values.shape[-1]
        filled = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)], constant_values=fill)
        return filled.reshape(-1, width)

    def _entries(self, layer: Layer) -> np.ndarray:
        """Thresholds as words of their memory; with gates three for each beat: gate, closed and open thresholds."""
        never = (1 << self.config.sum_bits) - 1     # missing channels of a beat give the tail's element
        found = [self._in_beats(self._thresholds(values, layer), never)
                 for values in (layer.gates, layer.thresholds, layer.open_thresholds) if values is not None]
        return np.stack(found, axis=1).reshape(-1, self.config.drain_width)

    def _entry_beats(self, layer: Layer) -> int:
        """Words of the thresholds of a layer's channels, of one border class and window position."""
        return self._beats(layer.channels) * (3 if layer.row.gates else 1)

    def _useful(self, layer: Layer) -> int:
        height, width = self.original.sums_size(layer)
        pixels = height // layer.pool[0] * layer.pool[0] * (width // layer.pool[1]) * layer.pool[1]
        return pixels * layer.outputs * sum(segment.taps for segment in layer.segments)

    def _layer(self, layer: Layer, places: Mapping[str, MapAllocation], weight_base: int, threshold_base: int,
               coefficient_base: int, last: bool) -> tuple[LayerRecord, np.ndarray]:
        """The record of a layer with maps at some places, and its weights, bool (cols, words, word_bits)."""
        config = self.config
        raw = layer.raw
        height, width = self.graph.sums_size(layer)
        pool_y, pool_x = layer.pool
        levels = levels_of(layer)
        top = layer.top + (levels - 1) * config.lanes
        bits = max(top, -1 - layer.bottom).bit_length() + 1 if config.signed else (top + 1).bit_length()
        need(f"bits of a sum of layer {layer.name}", bits, config.sum_bits, "sum_bits")
        for name, size in (("height", pool_y), ("width", pool_x)):
            need(f"window {name} of layer {layer.name}", size, 1 << WINDOW_BITS, "no parameter")
        ranges = tap_ranges(layer, config, places)
        ranges += [replay_of(ranges[-1])] * (levels - 1)
        need(f"segments of layer {layer.name}", len(ranges), 1 << SEGMENTS_BITS, "acc_bits", config.acc_bits + 1)
        geometries, pattern_fields = self._geometries(layer)
        if any(layer.border) and not config.zero_padding:
            raise CapacityError(f"layer {layer.name} pads with zeros, which this array leaves out: "
                                "zero_padding of 1 would make it fit, or padding with +1 or -1", 1)
        if layer.row.gates and not config.gate:
            raise CapacityError(f"layer {layer.name} is gated, which this array leaves out: "
                                "gate of 1 would make it fit", 1)
        block, idle = self._block(layer, ranges, raw)
        blocks = words_per(layer.outputs, block)
        flags = 0
        releases = self.answers is not None and layer is self.releasing
        for flag, on in ((LayerFlag.SPLIT, self.split), (LayerFlag.RAW, raw), (LayerFlag.LAST, last),
                         (LayerFlag.RELEASE, releases)):
            flags |= flag if on else 0
        window_step, window_line = self._window_steps(layer)
        fields = {
            "flags": flags | layer.row.flag, "segments": len(ranges) - 1,
            "drains": sum(taps.drains for taps in ranges) - 1,
            "window_x": pool_x - 1, "window_y": pool_y - 1, "windows": pool_x * pool_y - 1,
            "window_step": window_step, "window_line": window_line,
            "weights": weight_base,
            "x": width // pool_x - 1, "y": height // pool_y - 1,
            "channel_blocks": blocks - 1, "channel_block": self._beats(min(block, layer.outputs)) - 1,
            "last_channel_block": self._beats(layer.outputs - (blocks - 1) * block) - 1, "levels": levels - 1,
            "thresholds": threshold_base if raw or layer.thresholds is not None else 0,
            **pattern_fields, **self._class_fields(layer), **self._out_fields(layer, raw),
        }
        if config.gate:
            fields["gated"] = sum(taps.drains for taps in ranges if taps.gated)
        if config.requantize_depth:
            fields |= {"coefficients": coefficient_base if layer.row.requantized else 0,
                       "coefficients_step": self._beats(layer.channels) if layer.row.requantized else 0}
        segments = []
        for taps in ranges:
            place = places[taps.segment.source]
            need(f"kernel lines of layer {layer.name}", max(taps.ky[1] - taps.ky[0], taps.kx[1] - taps.kx[0],
                                                             len(taps.segments)),
                 1 << LINES_BITS, "no parameter")
            segment = taps.fields(place, geometries[taps.segment.source, taps.segment.stride])
            segment["gap"] = idle.pop(0) if taps.drains else 0
            segments.append(segment)
        return LayerRecord(fields, tuple(segments)), self._weights(layer, ranges, block)

    def _weights(self, layer: Layer, ranges: list[TapRange], block: int) -> np.ndarray:
        words = np.concatenate([taps.weight_words(self.config.lanes) for taps in ranges], axis=1)
        blocks = words_per(layer.outputs, block)
        padded = np.zeros((blocks * block, *words.shape[1:]), dtype=bool)
        padded[:layer.outputs] = words
        columns = np.zeros((self.config.cols, blocks, *words.shape[1:]), dtype=bool)
        columns[:block] = padded.reshape(blocks, block, *words.shape[1:]).swapaxes(0, 1)
        return columns.reshape(self.config.cols, -1, self.config.word_bits)

    def _block(self, layer: Layer, ranges: list[TapRange], raw: bool) -> tuple[int, list[int]]:
        """Size of a channel block, and the gaps after the dot products, with the fewest cycles."""
        windows = layer.pool[0] * layer.pool[1]
        dots, last_segments = [0], []
        for taps in ranges:
            dots[-1] += taps.steps
            if taps.drains:
                last_segments.append(taps.steps)
                dots.append(0)
        dots.pop()
        best: tuple[int, int, list[int]] | None = None
        width = self.config.drain_width
        levels = levels_of(layer)
        for block in range(min(self.config.cols, layer.outputs), 0, -1):
            blocks = words_per(layer.outputs, block)
            if levels > 1 and block != level_block(self.config, layer.outputs):
                continue
            if blocks > 1 and block % width:      # the next block would begin within a beat
                continue
            if best and blocks * sum(dots) >= best[0]:
                continue
            sizes = [] if raw else [self._beats(size) for size in [block] * (blocks - 1)
                                    + [layer.outputs - (blocks - 1) * block]]
            idle = gaps(self.config, dots, last_segments, windows, sizes, self.split, levels,
                        sum(taps.drains for taps in ranges if taps.gated))
            if idle is None:
                continue
            cycles = blocks * (sum(dots) + sum(idle))
            if best is None or cycles < best[0]:
                best = cycles, block, idle
        if best is None:
            raise CapacityError(f"the words of layer {layer.name} come too fast for the writer in split mode: "
                                "threshold_levels of 1 would make it fit", 1)
        return best[1], best[2]

    def _geometries(self, layer: Layer) -> tuple[dict[tuple[str, tuple[int, int]], int], dict[str, int]]:
        """The different access patterns of a layer's segments, and their fields."""
        _, width = self.graph.sums_size(layer)
        pool_y, pool_x = layer.pool
        patterns: list[tuple[int, int]] = []
        index = {}
        for segment in layer.segments:
            place = self.places[segment.source]
            step = pool_x * segment.stride[1] * place.words
            line = pool_y * segment.stride[0] * place.pitch - (width // pool_x - 1) * step
            if (step, line) not in patterns:
                patterns.append((step, line))
            index[segment.source, segment.stride] = patterns.index((step, line))
        need(f"access patterns of layer {layer.name}", len(patterns), self.config.access_patterns, "access_patterns")
        patterns += [(0, 0)] * (self.config.access_patterns - len(patterns))
        fields: dict[str, int] = {}
        for i, (step, line) in enumerate(patterns):
            fields |= {f"pattern{i}_step": step, f"pattern{i}_line": line}
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
        beats = self._entry_beats(layer)
        step = beats * windows
        (low_y, high_y, _), (low_x, high_x, classes_x) = classes
        return dict(zip(names, (low_x, high_x, step, low_y, high_y, step * classes_x, beats), strict=True))

    def _pixel_classes(self, layer: Layer) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """For y and x: the pixel below which, and the pixel from which on, the class grows; the number of classes.

        A pixel is a whole pooling window here, so each class has a set of thresholds for each window position.
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

    def _thresholds(self, thresholds: np.ndarray, layer: Layer) -> np.ndarray:
        """Thresholds in the order of the memory: (class of y, class of x, window position, channel)."""
        if layer.shares is not None:        # a level's sums are larger by the replays before
            thresholds = thresholds + self._replayed(layer) * self.config.lanes
        if layer.border == (0, 0, 0, 0):
            return thresholds
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
        return thresholds[y[:, None, :, None], x[None, :, None, :]]

    def _replayed(self, layer: Layer) -> np.ndarray:
        """Replays before the comparison of each channel of a map, int64 (M,)."""
        block = level_block(self.config, layer.outputs)
        sizes = [min(block, layer.outputs - first) for first in range(0, layer.outputs, block)]
        return np.concatenate([np.full(size, level) for size in sizes for level in range(levels_of(layer))])

    def _coefficients(self, layer: Layer) -> list[np.ndarray]:
        """Scales and offsets of each segment for the array's shift, int64 (entries, drain_width, 2) each.

        Offsets are clipped to the range in which they affect an INT4 level.
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
            if not config.signed:
                offset = np.clip(offset, (-8 << numbers.shift) - taps * scale, 7 << numbers.shift)
            offset <<= spare
            bits = int(np.maximum(offset, -1 - offset).max()).bit_length() + 1
            need(f"bits of an offset of layer {layer.name}", bits, config.offset_bits, "requantize_shift",
                 config.requantize_shift - bits + config.offset_bits)
            found.append(np.stack([self._in_beats(values, 0) for values in (scale << spare, offset)], axis=-1))
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
        for name, place in (*self.places.items(), *self.others.items()):
            if place.border == (0, 0, 0, 0):
                continue
            pad = pad_of(self.graph, name)
            words = words_to_ints(pack_lanes(pad, self.config.lanes, ACTIVATION_TAIL, self.config.element_bits))
            inside = set(place.addresses.tolist())
            for address in range(place.start, place.start + place.size):
                if address not in inside:
                    constants[address] = words[(address - place.start) % place.words]
        return constants
