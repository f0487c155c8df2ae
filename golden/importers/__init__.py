"""Networks that other people trained, as integer layer graphs; needs the extra ``import``."""

from .brevitas import from_brevitas
from .finn import load_finn
from .imported import Imported
from .pytorch import from_torch
from .qonnx import Normalization, load_qonnx
from .refusal import NetworkError

__all__ = ["Imported", "NetworkError", "Normalization", "from_brevitas", "from_torch", "load_finn", "load_qonnx"]
