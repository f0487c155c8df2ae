"""Checks of what a program file holds, so that no later use of it meets a wrong type, size or address.

A checksum tells a damaged file, not one that another program wrote.
"""

import dataclasses
import io
import math
import tokenize
import types
import typing
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.golden.compiler.program import InputAllocation, MapAllocation, Program
from signum.golden.compiler.weight_streaming import Streamed
from signum.golden.layers.encoder import LARGEST_PIXEL, Encoder
from signum.golden.reference.encoding import border_class
from signum.hdl.control.input_geometry import TABLE_ENTRIES
from signum.hdl.control.isa import LayerFlag
from signum.hdl.host.bus import DATA_BITS, stream_registers
from signum.hdl.told import line_of, told

__all__ = ["INVALID_ARRAY", "check_encoder", "check_program", "check_types", "read_arrays"]

INVALID_ARRAY = (ValueError, TypeError, OverflowError, MemoryError, EOFError, RecursionError, UnicodeError)
"""What numpy raises for heads that it did not write."""

LARGEST_BYTES = 1 << 29         # of all arrays
MOST_ARRAYS = 1 << 16
MOST_ELEMENTS = 1 << 26         # of a map
MOST_STEPS = 1 << 16            # of a stride, a dilation, a padding
LARGEST = 1 << 63


def need(right: bool, what: str, rule: str, value: Any) -> None:
    """ValueError where something is not right."""
    if not right:
        raise ValueError(f"{what} must {rule}, not {told(value)}")


def read_arrays(body: bytes) -> dict[str, np.ndarray]:
    """The arrays of numpy's ``savez``, after a check that they are as large as the file tells.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        If they are not, or are more than `LARGEST_BYTES`.
    """
    found = {}
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = archive.infolist()
        need(len(members) <= MOST_ARRAYS, "its arrays", f"be at most {MOST_ARRAYS}", len(members))
        total = sum(member.file_size for member in members)
        need(total <= LARGEST_BYTES, "its arrays", f"have at most {LARGEST_BYTES} bytes", total)
        for member in members:
            name = member.filename.removesuffix(".npy")
            with archive.open(member) as file:
                found[name] = read_array(file, member.file_size, f"array {told(name)}")
    return found


def read_array(file: Any, size: int, what: str) -> np.ndarray:
    """An array of numpy's ``save`` from a file of so many bytes; ValueError if its head tells another size."""
    version = np.lib.format.read_magic(file)
    need(version in ((1, 0), (2, 0)), what, "be of numpy's format 1.0 or 2.0", version)
    read_head = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():         # of heads by Python 2
            warnings.simplefilter("ignore")
            shape, fortran, dtype = read_head(file)
    except (SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"{what} must have a head that numpy wrote: {line_of(error)}") from None
    need(dtype.kind in "biuf", what, "have numbers", dtype)
    data = file.read(size)
    count = math.prod(shape)
    need(len(data) == count * dtype.itemsize and min(shape, default=0) >= 0, what,
         f"have the {len(data)} bytes that follow its head", f"{shape} of {dtype}")
    array = np.frombuffer(bytearray(data), dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def check_types(value: Any, hint: Any, what: str) -> None:
    """ValueError unless a value, and all inside it, have the types of an annotation."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        kinds = [kind for kind in arguments if _is(value, kind)]
        need(bool(kinds), what, f"be {_names(arguments)}", value)
        check_types(value, kinds[0], what)
    elif origin is tuple:
        need(isinstance(value, tuple), what, "be a tuple", value)
        every = arguments[0] if len(arguments) == 2 and arguments[1] is Ellipsis else None
        need(every is not None or len(value) == len(arguments), what, f"be {len(arguments)} values", value)
        for i, part in enumerate(value):
            check_types(part, every or arguments[i], f"{what}[{i}]")
    elif origin in (dict, Mapping):
        need(isinstance(value, dict), what, "be a dictionary", value)
        for key, part in value.items():
            check_types(key, arguments[0], f"a key of {what}")
            check_types(part, arguments[1], f"{what}[{told(key)}]")
    else:
        need(_is(value, hint), what, f"be {_names((hint,))}", value)
        if dataclasses.is_dataclass(hint) and hint is not Encoder:
            hints = typing.get_type_hints(type(value))
            for field in dataclasses.fields(value):
                if field.init:
                    check_types(getattr(value, field.name), hints[field.name], f"{what}.{field.name}")


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of a kind, without a look inside it."""
    if hint in (None, type(None)):
        return value is None
    kind = typing.get_origin(hint) or hint
    if kind is Mapping:
        return isinstance(value, dict)
    if kind is int:
        return isinstance(value, int) and abs(value) < LARGEST
    return isinstance(value, kind)


def _names(kinds: Sequence[Any]) -> str:
    return " or ".join("None" if kind in (None, type(None)) else "an integer of 64 bits" if kind is int else
                       getattr(typing.get_origin(kind) or kind, "__name__", str(kind)) for kind in kinds)


def check_encoder(encoder: Encoder, inputs: Mapping[str, MapShape]) -> None:
    """ValueError unless an encoder makes such maps."""
    hints = typing.get_type_hints(type(encoder))
    for field in dataclasses.fields(encoder):
        check_types(getattr(encoder, field.name), hints[field.name], f"encoder.{field.name}")
    need(encoder.bits_per_channel <= MOST_STEPS, "encoder.levels", f"be at most {MOST_STEPS}",
         encoder.bits_per_channel)
    tables = getattr(encoder, "tables", ())
    need(len({len(table) for table in tables}) <= 1, "encoder.tables", "be of one length", tables)
    need(set(encoder.names) == set(inputs), "encoder", f"make the maps {', '.join(map(told, inputs))}", encoder.names)
    for name, shape in inputs.items():
        need(shape.channels % encoder.bits_per_channel == 0, f"input {name}",
             f"have channels of {encoder.bits_per_channel} bits", shape.channels)
        need(len(tables) in (0, 1, shape.channels // encoder.bits_per_channel), "encoder.tables",
             f"be one, or one for each channel of {name}", len(tables))


def check_program(program: Any) -> None:
    """ValueError unless a program, the stages of a network, or a graph is whole."""
    need(isinstance(program, Program | Streamed | Graph), "program", "be a Program, a Streamed or a Graph",
         type(program).__name__)
    check_types(program, type(program), "program")
    if isinstance(program, Graph):
        _check_graph(program)
    elif isinstance(program, Program):
        _check_compiled(program, "program")
    else:
        _check_stages(program)


def _check_shape(shape: MapShape, what: str) -> None:
    need(min(shape.height, shape.width, shape.channels) >= 1
         and shape.height * shape.width * shape.channels <= MOST_ELEMENTS, what,
         f"have at least one and at most {MOST_ELEMENTS} elements", shape)


def _is_array(array: np.ndarray, kinds: str, shape: tuple[int | None, ...], itemsize: int = 0) -> bool:
    """Whether an array has a dtype of one of the kinds, and of so many bytes, and this shape of lengths or None."""
    return array.dtype.kind in kinds and itemsize in (0, array.itemsize) and array.ndim == len(shape) and all(
        wanted is None or length == wanted for length, wanted in zip(array.shape, shape, strict=True))


def _check_segment(segment: Segment, outputs: int, what: str) -> None:
    weights = segment.weights
    need(weights.dtype in (np.dtype(bool), np.dtype(np.int8)) and weights.ndim == 4 and weights.size > 0
         and len(weights) == outputs, f"{what}.weights", f"be bool or int8 ({outputs}, C, KH, KW)",
         f"{weights.dtype} {weights.shape}")
    for name, least in (("stride", 1), ("dilation", 1), ("padding", 0)):
        numbers = getattr(segment, name)
        need(all(least <= number <= MOST_STEPS for number in numbers), f"{what}.{name}",
             f"be {least} to {MOST_STEPS}", numbers)
    kind = "b" if segment.element_bits == 1 else "u"
    need(_is_array(segment.pad, kind, (weights.shape[1],)) or (segment.pad.size == 0 and not any(segment.padding)),
         f"{what}.pad", f"be an element for each of {weights.shape[1]} channels", f"{segment.pad.dtype} "
         f"{segment.pad.shape}")
    if segment.requantize is not None:
        for name in ("scale", "offset"):
            numbers = getattr(segment.requantize, name)
            need(_is_array(numbers, "i", (outputs,), 8), f"{what}.requantize.{name}",
                 f"be an int64 for each of {outputs} channels", f"{numbers.dtype} {numbers.shape}")
        need(segment.requantize.shift < DATA_BITS, f"{what}.requantize.shift", f"be below {DATA_BITS}",
             segment.requantize.shift)


def _check_layer(layer: Layer, what: str) -> None:
    need(len(layer.segments) > 0, f"{what}.segments", "be at least one", layer.segments)
    weights = layer.segments[0].weights
    need(weights.ndim == 4, f"{what}.weights", "have four axes", weights.shape)
    outputs = len(weights)
    for i, segment in enumerate(layer.segments):
        _check_segment(segment, outputs, f"{what}.segments[{i}]")
        need(segment.element_bits == layer.element_bits, f"{what}.segments[{i}].weights", "be of one type",
             segment.weights.dtype)
    need(layer.shares is None or (_is_array(layer.shares, "i", (None,), 8) and layer.shares.size > 0 and bool(
        ((layer.shares >= 0) & (layer.shares < outputs)).all())), f"{what}.shares", f"be of 0..{outputs - 1}",
        layer.shares)
    channels = layer.channels
    for name in ("thresholds", "gates", "open_thresholds"):
        numbers = getattr(layer, name)
        need(numbers is None or (_is_array(numbers, "i", (None, None, channels), 8) and numbers.size > 0),
             f"{what}.{name}", f"be int64 (CY, CX, {channels})", getattr(numbers, "shape", None))
    if layer.inverted is not None:
        need(_is_array(layer.inverted, "b", (channels,)), f"{what}.inverted", f"be bool ({channels},)",
             layer.inverted.shape)
    if layer.offset is not None:
        need(_is_array(layer.offset, "i", (channels,), 8), f"{what}.offset", f"be int64 ({channels},)",
             layer.offset.shape)
    need(min(layer.border) >= 0 and max(layer.border) <= MOST_STEPS, f"{what}.border", f"be 0 to {MOST_STEPS}",
         layer.border)
    need(min(layer.pool) >= 1 and max(layer.pool) <= MOST_STEPS, f"{what}.pool", f"be 1 to {MOST_STEPS}", layer.pool)
    need(layer.step in (1, 2), f"{what}.step", "be 1 or 2", layer.step)
    if layer.bytes is not None:
        need(0 < layer.bytes[0] < 256 and 0 < layer.bytes[1] <= DATA_BITS, f"{what}.bytes",
             "be a factor below 256 and a shift of 1 to 32", layer.bytes)


def _check_graph(graph: Graph) -> None:
    need(bool(graph.inputs) and bool(graph.layers), "graph", "have inputs and layers", graph)
    for name, shape in graph.inputs.items():
        _check_shape(shape, f"input {told(name)}")
    for i, layer in enumerate(graph.layers):
        _check_layer(layer, f"layers[{i}]")
        need(not layer.raw or layer is graph.layers[-1], f"layers[{i}]", "have thresholds in front of the last", "none")
        need(not layer.raw or layer.pool == (1, 1), f"layers[{i}].pool", "be 1 x 1 of sums", layer.pool)
        need(not layer.raw or layer.offset is not None, f"layers[{i}].offset", "be given for sums", None)
    graph = dataclasses.replace(graph)      # its own checks, now that all types are right
    need(all(layer.element_bits == graph.element_bits for layer in graph.layers), "layers",
         "have elements of one width", [layer.element_bits for layer in graph.layers])
    for i, layer in enumerate(graph.layers):
        height, width = graph.sums_size(layer)
        need(height * width * layer.channels <= MOST_ELEMENTS, f"layers[{i}]",
             f"have at most {MOST_ELEMENTS} sums", (height, width, layer.channels))
        if layer.thresholds is not None:
            top, left, bottom, right = layer.border
            classes = (int(border_class(height - 1, height, top, bottom)) + 1,
                       int(border_class(width - 1, width, left, right)) + 1)
            need(layer.thresholds.shape[:2] == classes, f"layers[{i}].thresholds",
                 f"be of {classes} border classes", layer.thresholds.shape[:2])


def _check_place(place: MapAllocation, program: Program, what: str) -> None:
    config = program.config
    _check_shape(place.shape, what)
    need(place.start >= 0 and min(place.border) >= 0 and max(place.border) <= MOST_STEPS, what,
         "begin at 0 or later, with borders of 0 or more", (place.start, place.border))
    need((place.lanes, place.element_bits) == (config.lanes, config.element_bits), what,
         f"have words of {config.lanes} lanes of {config.element_bits} bits", (place.lanes, place.element_bits))
    need(place.start + place.size <= config.activation_depth, what,
         f"end within {config.activation_depth} words", place.start + place.size)


def _check_input(entry: InputAllocation, program: Program, what: str) -> None:
    _check_shape(entry.shape, what)
    _check_place(entry.place, program, f"{what}.place")
    shape, packing = entry.shape, entry.packing
    if packing is not None:
        need(min(*packing.kernel, *packing.stride, *packing.dilation) >= 1 and min(packing.padding) >= 0 and max(
            *packing.kernel, *packing.stride, *packing.dilation, *packing.padding) <= MOST_STEPS, f"{what}.packing",
            "have positive sizes", packing)
        need(len(packing.pad) in (0, shape.channels) and all(0 <= value < 256 for value in packing.pad) and (
            len(packing.pad) > 0 or not any(packing.padding)), f"{what}.packing.pad",
            "be an element for each channel", packing.pad)
        sizes = [shape.height, shape.width]
        for axis in (0, 1) if packing.both else (1,):
            span = sizes[axis] + packing.padding[axis] + packing.padding[axis + 2] - (
                packing.kernel[axis] - 1) * packing.dilation[axis] - 1
            need(span >= 0, f"{what}.packing.kernel", f"fit into a map of {shape}", packing.kernel)
            sizes[axis] = span // packing.stride[axis] + 1
        taps = packing.kernel[1] * (packing.kernel[0] if packing.both else 1)
        shape = MapShape(sizes[0], sizes[1], shape.channels * taps)
    need(shape == entry.place.shape, f"{what}.place", f"have the shape {shape}", entry.place.shape)


def _check_compiled(program: Program, what: str) -> None:
    config = program.config
    weights, start = program.weights, program.weight_start
    need(_is_array(weights, "b", (config.cols, None, config.word_bits)), f"{what}.weights",
         f"be bool ({config.cols}, words, {config.word_bits})", f"{weights.dtype} {weights.shape}")
    need(start >= 0 and start + weights.shape[1] <= config.weight_depth, f"{what}.weights",
         f"end within {config.weight_depth} words", (start, weights.shape[1]))
    for name, shape, depth in (("thresholds", (None, config.drain_width), config.threshold_depth),
                               ("coefficients", (None, config.drain_width, 2), config.requantize_depth)):
        numbers = getattr(program, name)
        need(_is_array(numbers, "iu", shape) and len(numbers) <= depth, f"{what}.{name}",
             f"be at most {depth} rows of {shape[1:]} integers", f"{numbers.dtype} {numbers.shape}")
    need(not program.thresholds.size or 0 <= program.thresholds.min() <= program.thresholds.max() < 1 << DATA_BITS,
         f"{what}.thresholds", "have 32 bits", program.thresholds)
    for address, value in program.constants.items():
        need(0 <= address < config.activation_depth and 0 <= value < 1 << config.word_bits, f"{what}.constants",
             f"be words of {config.word_bits} bits at 0..{config.activation_depth - 1}", (address, value))
    need(bool(program.inputs), f"{what}.inputs", "be at least one", program.inputs)
    for name, entry in program.inputs.items():
        _check_input(entry, program, f"{what}.inputs[{told(name)}]")
    for name, place in program.maps.items():
        _check_place(place, program, f"{what}.maps[{told(name)}]")
    _check_layer(program.output, f"{what}.output")
    if program.result is None:
        need(program.output.name in program.maps, f"{what}.maps", f"have {told(program.output.name)}",
             list(program.maps))
        need(program.maps[program.output.name].shape.channels == program.output.channels, f"{what}.maps",
             f"have {program.output.channels} channels of the output", program.maps[program.output.name].shape)
    else:
        result = program.result
        need(min(result.pixels, result.channels) >= 1 and result.start >= 0, f"{what}.result",
             "have pixels and channels", result)
        end = result.start + result.entries(config, program.split)
        need(end <= config.threshold_depth, f"{what}.result", f"end within {config.threshold_depth} words", end)
        need(not config.raw_depth or result.start == config.shared_thresholds, f"{what}.result",
             f"begin at {config.shared_thresholds}", result.start)
        need(program.output.offset is not None and program.output.channels == result.channels, f"{what}.output",
             f"have {result.channels} channels with offsets", program.output.channels)
    if config.raw_depth:
        own, shared = program.result_entries, program.threshold_entries
        need(own <= config.raw_depth, f"{what}.result", f"have at most {config.raw_depth} entries", own)
        need(0 <= shared <= config.shared_thresholds, f"{what}.thresholds",
             f"have at most {config.shared_thresholds} entries of all rows", shared)
    _check_records(program, what)


def _check_records(program: Program, what: str) -> None:
    config = program.config
    records = program.records
    need(len(records) > 0 and len({len(part) for part in (records, program.names, program.channels, program.useful)})
         == 1, f"{what}.records", "be one for each layer", len(records))
    need(not program.second or len(program.second) == len(records), f"{what}.second", f"be {len(records)} records",
         len(program.second))
    for record in (*records, *program.second):
        need(len(record.segments) == record.fields["segments"] + 1, f"{what}.records", "count their segments",
             len(record.segments))
        need(not record.segments[-1]["flags"] & 1, f"{what}.records", "drain after their last segment",
             record.segments[-1]["flags"])
    need(all(bool(record.has(LayerFlag.LAST)) == (record is records[-1]) for record in records), f"{what}.records",
         "end with the last", [record.fields["flags"] for record in records])
    need(len(program.words) <= config.program_depth, f"{what}.records", f"have at most {config.program_depth} words",
         len(program.words))
    predict_cycles(config, records)
    registers = stream_registers(config) if program.streams else {}
    fields = {f"{unit}_{name}": value for unit, found in (("input", program.input_fields),
                                                          ("answer", program.answer_fields))
              for name, value in found.items()}
    need(fields.keys() == registers.keys(), f"{what}.input_fields", f"be {', '.join(registers) or 'none'}",
         list(fields))
    if program.tables:
        channels = next(iter(program.inputs.values())).shape.channels // (config.input_levels or 1)
        need(program.streams and len(program.tables) <= config.input_tables and len(program.tables) in (1, channels),
             f"{what}.tables", f"be one or {channels}, and {config.input_tables} at most", len(program.tables))
        need(all(len(table) == TABLE_ENTRIES and min(table) >= 0 and max(table) <= LARGEST_PIXEL
                 for table in program.tables), f"{what}.tables", f"be {TABLE_ENTRIES} numbers of 0..{LARGEST_PIXEL}",
             [len(table) for table in program.tables])
        need(0 < program.largest_pixel <= LARGEST_PIXEL, f"{what}.largest_pixel", f"be 1 to {LARGEST_PIXEL}",
             program.largest_pixel)
    for name, place in registers.items():
        need(0 <= fields[name] < 1 << place.bits, f"{what}.{name}", f"have {place.bits} bits", fields[name])


def _check_stages(program: Streamed) -> None:
    _check_graph(program.graph)
    shapes = program.graph.shapes
    names = [layer.name for layer in program.graph.layers]
    need(len(program.stages) > 0, "stages", "be at least one", program.stages)
    for i, stage in enumerate(program.stages):
        what = f"stages[{i}]"
        _check_compiled(stage.program, f"{what}.program")
        need(stage.program.config == program.config and stage.program.split == program.stages[0].program.split, what,
             "be for the array of the first", stage.program.config)
        need(stage.layer.name in names, f"{what}.layer", "be one of the graph", stage.layer.name)
        _check_layer(stage.layer, f"{what}.layer")
        need(stage.inputs.keys() == stage.program.inputs.keys(), f"{what}.inputs", "be those of its program",
             list(stage.inputs))
        for name, lines in stage.inputs.items():
            need(lines.source in shapes and 0 <= lines.first < lines.end <= shapes[lines.source].height,
                 f"{what}.inputs", "be lines of maps of the graph", lines)
            entry, source = stage.program.inputs[name].shape, shapes[lines.source]
            wanted = MapShape(lines.end - lines.first, source.width, source.channels)
            need(entry == wanted, f"{what}.inputs[{told(name)}]", f"be of the shape {wanted}", entry)
        whole = shapes[stage.layer.name]
        for pair, most in ((stage.lines, whole.height), (stage.channels, whole.channels)):
            need(0 <= pair[0] < pair[1] <= most, what, f"be a part of {whole}", pair)
