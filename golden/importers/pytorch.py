"""Import of plain PyTorch modules in memory: their graph by `torch.export`, and torch's own arithmetic."""

import contextlib
import copy
import io
import logging
import warnings
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from .aten import Translation, translate
from .chains import ChainOperators
from .operators import opsets_of
from .qonnx import Normalization, QonnxNetwork, import_model
from .refusal import NetworkError
from .translate import INVALID

__all__ = ["TorchNetwork", "from_torch"]


@dataclass(frozen=True, eq=False)
class TorchNetwork(QonnxNetwork):
    """An imported module of PyTorch; see `Imported`.

    Members
    -------
    program : GraphModule
        The module as it was exported, of one image (1, C, H, W) or (1, F).
    example : Tensor
    """

    program: fx.GraphModule
    example: Tensor

    def reference(self, images: np.ndarray) -> np.ndarray:
        """The module's own outputs of images (B, C, H, W), by torch.

        Of equal values, `torch.topk` may give any first; here the first place is the first.
        """
        given = torch.from_numpy(self.normalization.apply(np.asarray(images)))
        given = given.reshape(-1, *self.example.shape).to(self.example.dtype)
        run = _Ordered(self.program)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)        # one image is too little for several
        try:
            with torch.no_grad():
                found = [run.run(image) for image in given]
        finally:
            torch.set_num_threads(threads)
        result = np.stack([(value[0] if isinstance(value, tuple | list) else value).numpy()[0] for value in found])
        if self.ranks:
            return (np.moveaxis(result, 1, -1) if result.ndim == 4 else result).reshape(len(result), -1)
        return result.reshape(*result.shape, *[1] * (4 - result.ndim))


class _Ordered(fx.Interpreter):
    """Runs a graph; equal values are ranked by their places."""

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target is torch.ops.aten.topk.default:
            x, count, axis = (*args, -1)[:3]
            values, places = torch.sort(x, dim=axis, descending=True, stable=True)
            return values.narrow(axis, 0, count), places.narrow(axis, 0, count)
        return super().call_function(target, args, kwargs)


def from_torch(model: nn.Module, example: Tensor, *, name: str = "",
               normalization: Normalization | None = None) -> TorchNetwork:
    """Import a module whose weights and activations are quantized by torch's own functions, in evaluation mode.

    Weights are what the module computes of its parameters, such as ``torch.sign(w)``; activations are quantized by
    functions of few values, such as ``torch.where(x >= 0, 1.0, -1.0)`` or ``torch.round(x.clamp(0, 1) * 3) / 3``, of
    `torch.autograd.Function` or plain.

    Parameters
    ----------
    model : Module
        Of float32.
    example : Tensor
        An input, (1, C, H, W) or (1, F), float32, or an integer type for a module that reads pixels.
    name : str
        By default that of its class.
    normalization : Normalization, optional
        Pixels as the module's input; by default u / 255, and u for an example of integers.

    Raises
    ------
    NetworkError
        If the module cannot be exported, or, as `load_qonnx`, with every node that cannot be computed exactly.
    """
    name = name or type(model).__name__
    if normalization is None:
        normalization = Normalization(255.0 if example.dtype.is_floating_point else 1.0)
    if example.ndim not in (2, 4) or len(example) != 1:
        raise NetworkError(f"the example must be of the shape (1, C, H, W) or (1, F), not {tuple(example.shape)}")
    places = {tensor.device.type for tensor in (example, *model.parameters(), *model.buffers())}
    if places != {"cpu"}:
        raise NetworkError(f"the module and the example must be on the CPU, not on {', '.join(sorted(places))}")
    training = {part: part.training for part in model.modules()}
    told = io.StringIO()
    with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        warnings.simplefilter("ignore")
        disabled = logging.root.manager.disable
        logging.disable()               # torch tells its errors there, too
        try:
            program = torch.export.export(model.eval(), (example,)).run_decompositions({})
            module = copy.deepcopy(program.module())        # which shares its parameters with the model
        except Exception as error:      # whatever a module of others raises while it is traced
            text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise NetworkError(f"the module must be one that torch.export traces: {text[:200]}") from error
        finally:
            logging.disable(disabled)
            for part, mode in training.items():
                part.training = mode
    outputs, inputs = program.graph_signature.user_outputs, program.graph_signature.user_inputs
    tensors = {node.name for node in program.graph.nodes if isinstance(node.meta.get("val"), Tensor)}
    if len(inputs) != 1 or len(outputs) != 1 or outputs[0] not in tensors:
        raise NetworkError(f"{name} must have one input and one output, tensors, not {len(inputs)} and {len(outputs)}")
    found = translate(program, name)
    operators = ChainOperators(opsets_of(found.model), found.chains)
    try:
        with np.errstate(all="ignore"):         # what is not finite is refused
            network = import_model(found.model, name, normalization, operators=operators, rounded=found.rounded,
                                   refusals=found.refusals)
    except NetworkError as error:
        raise _in_words_of_torch(error, name, found) from None
    except INVALID as error:
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise NetworkError(f"{name} must be a network that the array computes: {text}") from None
    kept = {entry.name: getattr(network, entry.name) for entry in fields(network)} | {
        "absorbed": _absorbed(network, found)}
    assert isinstance(module, fx.GraphModule)
    return TorchNetwork(**kept, program=module, example=example)


def _absorbed(network: QonnxNetwork, found: Translation) -> dict[str, tuple[str, str]]:
    """Where each node of the program went."""
    places: dict[str, tuple[str, str]] = {}
    for node, (_, place) in network.absorbed.items():
        for part in found.parts.get(node, (node,)):
            places.setdefault(part, (found.operators[part], place))
    return places


def _in_words_of_torch(error: NetworkError, name: str, found: Translation) -> NetworkError:
    """The refusals with torch's operators, in the order of the program."""
    if not error.refusals:
        return error
    places = {node: place for place, node in enumerate(found.order)}
    refusals = tuple(sorted((replace(
        refusal, operator=found.operators.get(refusal.node, refusal.operator), reason=_quantizer(refusal.reason),
        fits=_quantizer(refusal.fits)) for refusal in error.refusals),
        key=lambda refusal: places.get(refusal.node, len(places))))
    return NetworkError(f"{name} must be a network that the array computes exactly: "
                        + "; ".join(map(str, refusals)), refusals)


def _quantizer(text: str) -> str:
    """Operators of qonnx in a message, as what they are."""
    return text.replace("a Quant or BipolarQuant", "a quantizer").replace("a Quant", "a quantizer")
