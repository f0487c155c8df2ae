"""Images in the frames of a camera, as `hdl.camera.downscale` takes them: crop, box filter, scale."""

import numpy as np

from signum.hdl.camera.downscale import Scaling

__all__ = ["scaled_frame"]


def scaled_frame(frame: np.ndarray, scaling: Scaling) -> np.ndarray:
    """The image uint8 (C, height, width) in a frame uint8 (frame_height, frame_width, C).

    Raises
    ------
    ValueError
        If the frame has another shape.
    """
    s = scaling
    wanted = s.frame_height, s.frame_width, s.channels
    if frame.shape != wanted:
        raise ValueError(f"a frame must be {wanted}, not {frame.shape}")
    crop = frame[s.top:s.top + s.height * s.box_height, s.left:s.left + s.width * s.box_width].astype(np.int64)
    sums = crop.reshape(s.height, s.box_height, s.width, s.box_width, s.channels).sum(axis=(1, 3))
    values = np.minimum(s.maximum, sums * s.factor + (1 << s.shift >> 1) >> s.shift)
    return values.transpose(2, 0, 1).astype(np.uint8)
