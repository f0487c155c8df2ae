"""Finding digits by their mean images: the baseline of detection and segmentation."""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .scenes import SIZES, digits_of, ink

__all__ = ["TEMPLATE_SIZES", "correlation", "templates"]

TEMPLATE_SIZES = (SIZES[0], sum(SIZES) // 2, SIZES[1])
"""Sides of the squares, in pixels."""

LEAST_VARIANCE = 1e-5       # of the pixels below a template, for values 0..1; limits the correlation of flat places


@cache
def templates(size: int, by_class: bool) -> np.ndarray:
    """The mean image of the training digits, or of each class: float64 (N, size, size) of 0..1, N = 1 or 10."""
    drawn = digits_of("train")
    kinds = [drawn.labels == k for k in range(10)] if by_class else [drawn.labels >= 0]
    return np.stack([ink(drawn.images[kind, 0].mean(axis=0), size) for kind in kinds])


def correlation(images: np.ndarray, size: int, by_class: bool) -> Tensor:
    """Fit of each template around each pixel, bright or dark: float32 (B, N, H, W) of 0..1.

    The magnitude of the normalised cross-correlation with the pixels of images (B, 1, H, W), values 0..255. A square of
    even size reaches one pixel further up and left.
    """
    kernels = torch.from_numpy(templates(size, by_class)).float()[:, None]
    kernels = kernels - kernels.mean(dim=(2, 3), keepdim=True)
    kernels = kernels / kernels.norm(dim=(2, 3), keepdim=True)
    pixels = torch.from_numpy(images).float() / 255
    board = functional.pad(pixels, [size // 2, (size - 1) // 2] * 2, "replicate")
    variance = functional.avg_pool2d(board ** 2, size, 1) - functional.avg_pool2d(board, size, 1) ** 2
    return functional.conv2d(board, kernels).abs() / (size * variance.clamp(min=LEAST_VARIANCE).sqrt())
