"""Files of trained networks: a binary weight takes a bit, a weight of several bits two bytes."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from signum.golden.layers.binary import BinaryWeights
from signum.golden.layers.blocks import Network
from signum.golden.layers.gains import CentredConv2d, ScaledConv2d
from signum.golden.layers.quant import QuantConv2d

__all__ = ["StoreError", "load_network", "save_network"]


class StoreError(ValueError):
    """A file that does not hold the requested network."""


def _entries(network: Network) -> dict[str, tuple[torch.Tensor, str]]:
    """Saved values, in the order of the network's state, each with its part of the file.

    Of latent weights and their factors only signs are kept, or the integers of several bits.
    """
    kinds = {f"{name}.weight": "bits" if module.weight_bits == 1 else "int16"
             for name, module in network.named_modules() if isinstance(module, BinaryWeights)}
    factors = {f"{name}.alpha" for name, module in network.named_modules() if isinstance(module, ScaledConv2d)}
    return {name: (value, kinds.get(name, str(value.dtype).removeprefix("torch.")))
            for name, value in network.state_dict().items() if name not in factors}


def save_network(network: Network, path: Path) -> None:
    """Write a trained network. Equal networks give equal bytes.

    Parameters
    ----------
    network : Network
    path : Path
        A file ``.npz``; its folder is created.
    """
    parts: dict[str, list[np.ndarray]] = {}
    effective = {name: module.binary_weight().detach() for name, module in network.named_modules()
                 if isinstance(module, BinaryWeights)}
    kept = {f"{name}.weight": weights > 0 if network.get_submodule(name).weight_bits == 1 else
            weights.round().to(torch.int16) for name, weights in effective.items()}
    for name, (value, part) in _entries(network).items():
        parts.setdefault(part, []).append(kept.get(name, value).cpu().numpy().reshape(-1))
    whole = {part: np.concatenate(values) for part, values in parts.items()}
    if "bits" in whole:
        whole |= {"bits": np.packbits(whole["bits"])}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **whole)


def load_network(network: Network, path: Path) -> Network:
    """Read a file of `save_network` into a network of the same shape, and set it to evaluation mode.

    The effective weights are those of the saved network; where filters had a ``total``, it is in the weights now.

    Raises
    ------
    StoreError
        If the file is no saved network, or is of another network.
    """
    entries = _entries(network)
    sizes: dict[str, int] = {}
    for value, part in entries.values():
        sizes[part] = sizes.get(part, 0) + value.numel()
    try:
        with np.load(path) as arrays:
            parts = {part: arrays[part] for part in sizes}
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise StoreError(f"{path} must be a network that was saved: {error}") from None
    for part, size in sizes.items():
        held = 8 * len(parts[part]) if part == "bits" else len(parts[part])
        if held != (-(-size // 8) * 8 if part == "bits" else size):
            raise StoreError(f"{path} must hold {size} values of {part} for this network, not {held}")
    if "bits" in parts:
        parts["bits"] = np.where(np.unpackbits(parts["bits"]), np.float32(1), np.float32(-1))
    state = network.state_dict()
    for module, factor in ((name, m.alpha) for name, m in network.named_modules() if isinstance(m, ScaledConv2d)):
        state[f"{module}.alpha"] = torch.ones_like(factor)
    levels = {f"{name}.weight": (1 << module.weight_bits) - 1 for name, module in network.named_modules()
              if isinstance(module, BinaryWeights)}
    at = dict.fromkeys(sizes, 0)
    for name, (value, part) in entries.items():
        state[name] = torch.from_numpy(parts[part][at[part]:at[part] + value.numel()].reshape(value.shape))
        if part == "int16":
            state[name] = state[name] / levels[name]
        at[part] += value.numel()
    network.load_state_dict(state)
    for module in network.modules():
        if isinstance(module, QuantConv2d):
            module.total = None
        elif isinstance(module, CentredConv2d):
            module.centred = False
    return network.eval()
