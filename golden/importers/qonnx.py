"""Import of QONNX networks: of Brevitas' ``export_qonnx``, of FINN's models, and of others of their operators."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, NodeProto
from onnx.external_data_helper import load_external_data_for_model

from signum.golden.compiler.graph import Graph, MapShape
from signum.golden.layers.encoder import BitPlanes, Encoder, TablePlanes, TableThermometer

from .context import Context
from .imported import Imported
from .operators import CHAINS, Operators, opsets_of, tensor
from .refusal import NetworkError, Refusal, UnsupportedError
from .states import Codes, Constant, Function, Layout, Levels, Pixels, Ranking, State, Sums, Unknown
from .translate import DOMAINS, INVALID, Translator

__all__ = ["Normalization", "QonnxNetwork", "import_model", "load_qonnx", "read_model"]

LARGEST_FILE = 1 << 29
"""Bytes."""

PIXELS = 256
MOST_VALUES = 1 << 22
"""Values of an image."""

MOST_CHANNELS = 1 << 14
"""Channels of an image, or values of a flat input: each has a table of all pixels."""

ROUNDING = 2.0**-18
"""Of sums in float32, relative to the largest."""



@dataclass(frozen=True)
class Normalization:
    """A pixel u of 0..255 as the network's input: ``(u / divide - mean) / std`` in float32, as torchvision does it."""

    divide: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not self.divide > 0 or any(not value > 0 for value in self.std):
            raise NetworkError("divide and std must be positive")

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """The network's input of pixels (B, C, ...): float32."""
        shape = (1, -1, *[1] * (pixels.ndim - 2))
        mean, std = (np.asarray(values, dtype=np.float32).reshape(shape) for values in (self.mean, self.std))
        values = pixels.astype(np.float32) / np.float32(self.divide)
        return np.asarray((values - mean) / std, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class QonnxNetwork(Imported):
    """An imported ONNX model; see `Imported`.

    Members
    -------
    model : ModelProto
    normalization : Normalization
    """

    model: ModelProto
    normalization: Normalization

    def differences(self, images: np.ndarray) -> int:
        """Outputs of images, integers (B, C, H, W) of 0..255, that are not the network's own, up to its rounding."""
        found, wanted = self.run(images), self.reference(images)
        found = found.reshape(wanted.shape)
        if self.exact or self.ranks:
            return int((found != wanted).sum())
        return int((np.abs(found - wanted) > ROUNDING * np.abs(wanted).max()).sum())

    def reference(self, images: np.ndarray) -> np.ndarray:
        """The network's own outputs of images (B, C, H, W), node by node by qonnx's and onnxruntime's operators."""
        given = self.normalization.apply(np.asarray(images))
        source = self.model.graph
        sizes = [dim.dim_value for dim in _inputs(self.model)[0].type.tensor_type.shape.dim]
        operators = Operators(opsets_of(self.model))
        constants: dict[str, np.ndarray] = {entry.name: tensor(entry) for entry in source.initializer}

        def run(node: NodeProto, tensors: dict[str, np.ndarray]) -> None:
            results = operators.run(node, [tensors[name] if name else None for name in node.input])
            tensors.update(zip(node.output, results, strict=False))

        moving = []
        for node in source.node:        # quantizers of weights run once for all images
            if all(not name or name in constants for name in node.input):
                run(node, constants)
            else:
                moving.append(node)
        found = []
        for image in given:
            tensors = constants | {_inputs(self.model)[0].name: image.reshape(1, *sizes[1:])}
            for node in moving:
                run(node, tensors)
            found.append(tensors[source.output[0].name][0])
        result = np.stack(found)
        if self.ranks:
            return result.reshape(len(result), -1)[:, :self.ranks]
        return result.reshape(*result.shape, *[1] * (4 - result.ndim))


def read_model(path: Path) -> ModelProto:
    """Read an ONNX file with its external data.

    Raises
    ------
    NetworkError
        If it is no ONNX file, cut, too large, or its data are missing.
    OSError
        If it cannot be read.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise NetworkError(f"{path} must have at most {LARGEST_FILE} bytes, not {size}")
    model = ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError:
        raise NetworkError(f"{path} must be a whole ONNX file: it is of another kind, cut or damaged") from None
    if not model.graph.node:
        raise NetworkError(f"{path} must be an ONNX file with nodes: it has none")
    try:
        load_external_data_for_model(model, str(path.parent))
    except (OSError, onnx.checker.ValidationError, ValueError) as error:
        raise NetworkError(f"{path} must have its external data beside it: {' '.join(str(error).split())}") from None
    return model


def load_qonnx(source: Path | str | ModelProto, *, name: str = "",
               normalization: Normalization | None = None) -> QonnxNetwork:
    """Import a network.

    Parameters
    ----------
    source : path or ModelProto
        One input of floats (1, C, H, W) or (1, F), one output. The batch may be symbolic.
    name : str
        By default that of the file.
    normalization : Normalization, optional
        Pixels as the network's input; by default u / 255.

    Raises
    ------
    NetworkError
        With every node that cannot be computed exactly, why, and what would make it fit.
    OSError
        If the file cannot be read.
    """
    if isinstance(source, ModelProto):
        model = source
    else:
        model = read_model(Path(source))
        name = name or Path(source).stem
    normalization = normalization or Normalization()
    try:
        with np.errstate(all="ignore"):         # what is not finite is refused
            return import_model(model, name or "network", normalization)
    except NetworkError:
        raise
    except INVALID as error:
        text = " ".join(str(error).split())[:200]
        raise NetworkError(f"{name or 'the network'} must be valid ONNX: {text or type(error).__name__}") from None


def _inputs(model: ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {entry.name for entry in model.graph.initializer}
    return [entry for entry in model.graph.input if entry.name not in constants]


def _names(model: ModelProto) -> Iterator[tuple[str, NodeProto]]:
    """Each node with a name of its own: its own one, or its operator and number."""
    taken: Counter[str] = Counter()
    for number, node in enumerate(model.graph.node):
        name = node.name or f"{node.op_type}_{number}"
        taken[name] += 1
        yield (name if taken[name] == 1 else f"{name}#{taken[name]}"), node


def import_model(model: ModelProto, name: str, normalization: Normalization, *, operators: Operators | None = None,
                 rounded: Mapping[str, float] = MappingProxyType({}), refusals: Sequence[Refusal] = ()) -> QonnxNetwork:
    """Translate a whole model.

    Parameters
    ----------
    model : ModelProto
    name : str
    normalization : Normalization
    operators : Operators, optional
        That run its nodes; by default those of ONNX and qonnx alone.
    rounded : mapping of str to float
        See `golden.importers.context.Context`.
    refusals : sequence of Refusal
        Nodes that were refused before.

    Raises
    ------
    NetworkError
        As `load_qonnx`.
    """
    domains = DOMAINS if operators is None else DOMAINS | {CHAINS}
    inputs = _inputs(model)
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise NetworkError(f"{name} must have one input and one output, not {len(inputs)} and "
                            f"{len(model.graph.output)}")
    opsets = opsets_of(model)
    for domain in {node.domain for node in model.graph.node} & domains:
        if domain not in opsets and not (domain == "ai.onnx" and "" in opsets):
            raise NetworkError(f"{name} must tell the version of its operators of '{domain}'")
    shape = _input_shape(inputs[0], name)
    uses = Counter(tensor_name for node in model.graph.node for tensor_name in node.input)
    uses.update(entry.name for entry in model.graph.output)
    channels, height, width = shape
    if len(normalization.mean) not in (1, channels) or len(normalization.std) not in (1, channels):
        raise NetworkError(f"mean and std must be one number or {channels}")
    pixels = normalization.apply(np.broadcast_to(np.arange(PIXELS)[:, None], (PIXELS, channels)))
    context = Context(operators or Operators(opsets), uses, MapShape(height, width, channels), pixels, rounded)
    translator = Translator(context, domains)
    translator.refusals.extend(refusals)
    translator.states[inputs[0].name] = Pixels(layout=Layout(len(inputs[0].type.tensor_type.shape.dim)))
    for entry in model.graph.initializer:
        translator.states[entry.name] = Constant(tensor(entry))
    for node_name, node in _names(model):
        translator.visit(node_name, node)
    end = translator.states.get(model.graph.output[0].name, Unknown())
    functions: list[Function] = []
    exact = True
    if not translator.refusals:
        if isinstance(end, Unknown):
            raise NetworkError(f"{name} must compute its output {model.graph.output[0].name}")
        try:
            _, functions, exact = translator.result(end)
        except UnsupportedError as refusal:
            translator.refusals.append(Refusal(model.graph.output[0].name, "output", refusal.reason, refusal.fits))
        except ValueError as error:
            translator.refusals.append(Refusal(model.graph.output[0].name, "output", f"must fold exactly: {error}",
                                               "another network"))
    if not translator.refusals and context.input is None:
        raise NetworkError(f"{name} must read its input")
    if translator.refusals:
        raise NetworkError(f"{name} must be a network that the array computes exactly: "
                            + "; ".join(map(str, translator.refusals)), tuple(translator.refusals))
    assert context.input is not None
    levels, source = context.input
    graph = Graph(inputs=dict.fromkeys(source.names, source.shape), layers=tuple(context.layers))
    absorbed = {node_name: (node.op_type, context.absorbed.get(node_name, "unused"))
                for node_name, node in _names(model)}
    input_shape = context.shape.channels, context.shape.height, context.shape.width
    return QonnxNetwork(name, graph, _encoder(context, levels, source.planes), input_shape, absorbed,
                        end.count if isinstance(end, Ranking) else 0, tuple(functions), context.near, exact,
                        context.bits, *_order(end), model, normalization)


def _order(end: State) -> tuple[Layout, bool]:
    """The axes of the network's output, and whether its positions are flattened."""
    if isinstance(end, Ranking):
        end = end.of
    return (end.layout, isinstance(end, Sums) and end.flat) if isinstance(end, Sums | Codes) else (Layout(), False)


def _encoder(context: Context, levels: Levels, planes: bool) -> Encoder:
    tables = context.tables
    if not planes:
        return TableThermometer(levels.count, levels.count, tables=tables)
    bits = levels.count.bit_length()
    if bits == 8 and tables == (tuple(range(PIXELS)),):
        return BitPlanes(8)
    return TablePlanes(bits, tables=tables)


def _input_shape(entry: onnx.ValueInfoProto, name: str) -> tuple[int, int, int]:
    dims = [dim.dim_value for dim in entry.type.tensor_type.shape.dim]
    if len(dims) not in (2, 4) or any(size < 1 for size in dims[1:]) or dims[0] not in (0, 1):
        raise NetworkError(f"the input of {name} must be of the shape (1, C, H, W) or (1, F), not {tuple(dims)}")
    if int(np.prod(dims[1:], dtype=np.float64)) > MOST_VALUES:
        raise NetworkError(f"the input of {name} must have at most {MOST_VALUES} values, not {np.prod(dims[1:])}")
    if dims[1] > MOST_CHANNELS:
        raise NetworkError(f"the input of {name} must have at most {MOST_CHANNELS} channels, not {dims[1]}")
    return (dims[1], dims[2], dims[3]) if len(dims) == 4 else (dims[1], 1, 1)
