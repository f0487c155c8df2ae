"""Import of Brevitas modules in memory, by Brevitas' own export to QONNX."""

import contextlib
import io
import tempfile
import warnings
from pathlib import Path

from torch import Tensor, nn

from .qonnx import Normalization, QonnxNetwork, load_qonnx
from .refusal import NetworkError

__all__ = ["from_brevitas"]


def from_brevitas(model: nn.Module, example: Tensor, *, name: str = "",
                  normalization: Normalization | None = None) -> QonnxNetwork:
    """Import a module of Brevitas layers, in evaluation mode.

    Parameters
    ----------
    model : Module
    example : Tensor
        An input, (1, C, H, W) or (1, F).
    name : str
        By default that of its class.
    normalization : Normalization, optional
        Pixels as the module's input; by default u / 255.

    Raises
    ------
    NetworkError
        If Brevitas is missing or cannot export the module, or as `load_qonnx`.
    """
    try:
        from brevitas.export import export_qonnx
    except ImportError as error:
        raise NetworkError(f"a module of Brevitas needs brevitas and onnxscript: {error.name} is missing") from None
    training = model.training
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        try:
            export_qonnx(model.eval(), args=example, export_path=str(path))
        except Exception as error:      # whatever a module of others raises while it is traced
            raise NetworkError(f"the module must be one that Brevitas exports: {' '.join(str(error).split())[:200]}"
                               ) from error
        finally:
            model.train(training)
        return load_qonnx(path, name=name or type(model).__name__, normalization=normalization)
