"""The geometry of a program's input, for the input unit of an array (`hdl.input.geometry`)."""

from collections.abc import Mapping

from signum.hdl.config import ArrayConfig
from signum.hdl.input.geometry import input_fields

from .allocation import CapacityError
from .packing import Packing
from .program import InputAllocation

__all__ = ["input_geometry"]


def input_geometry(config: ArrayConfig, inputs: Mapping[str, InputAllocation], split: bool) -> dict[str, int]:
    """Values of `hdl.input.geometry.input_fields`, with which the input unit writes what `InputAllocation.to_words` has.

    Parameters
    ----------
    config : ArrayConfig
    inputs : mapping of str to InputAllocation
        One map in thermometer code, or the bit planes of one map, most significant first.
    split : bool

    Raises
    ------
    CapacityError
        If the array has no input unit, or its input unit cannot make these words; the message names the limit.
    """
    if not config.input_depth:
        raise CapacityError("a program that takes pixels needs an input unit: input_depth of 1024 would add it", 1)
    first, *further = inputs.values()
    levels = config.input_levels or 1
    _check_code(config, list(inputs.values()))
    shape, packing, place = first.shape, first.packing, first.place
    channels = shape.channels // levels
    line = shape.width * channels
    if packing is None:
        packing = Packing(True, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), ())
    kernel, stride, dilation = ((both[0] if packing.both else 1, both[1])
                                for both in (packing.kernel, packing.stride, packing.dilation))
    top, left = packing.padding[0] if packing.both else 0, packing.padding[1]
    line_of_taps = (kernel[1] - 1) * dilation[1] * channels + channels - 1     # to its last value
    values = {
        "split": int(split), "line_values": line - 1, "lines": shape.height - 1, "kept": config.input_depth // line,
        "width": shape.width, "channel": channels - 1, "tap_x": kernel[1] - 1, "tap_y": kernel[0] - 1,
        "x": place.shape.width - 1, "y": place.shape.height - 1, "left": left, "top": top,
        "dilation_x": dilation[1], "dilation_y": dilation[0], "stride_x": stride[1], "stride_y": stride[0],
        "first": -top * line - left * channels, "tap_step": dilation[1] * channels - channels + 1,
        "tap_line": dilation[0] * line - line_of_taps, "window_step": stride[1] * channels,
        "line_step": stride[0] * line, "pad": _pad(config, list(inputs.values())),
        "start": first.place.pixel(0, 0) if not further else list(inputs.values())[-1].place.pixel(0, 0),
        "line_gap": place.pitch - place.shape.width * place.words,
    }
    if config.input_planes > 1:
        values |= {"planes": len(inputs) - 1, "plane_step": _plane_step(list(inputs.values()))}
    modular = {"first", "tap_step", "tap_line", "window_step", "line_step", "plane_step"}
    span = (kernel[0] - 1) * dilation[0] + 1
    if span * line > config.input_depth:
        raise CapacityError(f"the lines of a window must have at most {config.input_depth} values, not {span * line}: "
                            f"input_depth of {1 << (span * line - 1).bit_length()} would make them fit",
                            span * line - config.input_depth)
    for field in input_fields(config):
        if field.name in modular:
            values[field.name] &= (1 << field.bits) - 1
        most = (1 << field.bits - (field.name in ("kept", "width", "lines"))) - 1
        if values[field.name] > most and field.name == "kept":
            values["kept"] = most
        if not 0 <= values[field.name] <= most:
            raise CapacityError(f"{field.name} of the input unit must be at most {most}, not {values[field.name]}: "
                                "the host must send this input as words",
                                values[field.name] - most)
    return {field.name: values[field.name] for field in input_fields(config)}


def _check_code(config: ArrayConfig, inputs: list[InputAllocation]) -> None:
    if config.input_planes > 1:
        if not 1 < len(inputs) <= config.input_planes:
            raise CapacityError(f"the input must have 2 to {config.input_planes} bit planes, as the input unit makes "
                                f"them, not {len(inputs)}", 1)
        if len({(entry.shape, entry.packing and entry.packing.both) for entry in inputs}) != 1:
            raise CapacityError("the bit planes of the input must have one shape and one packing", 1)
    elif len(inputs) != 1:
        raise CapacityError(f"the input must be one map in thermometer code, not {len(inputs)} maps: input_planes of "
                            f"{len(inputs)} would make it fit", 1)
    elif inputs[0].shape.channels % config.input_levels:
        raise CapacityError(f"the input must have a multiple of {config.input_levels} channels, the levels of the "
                            f"input unit, not {inputs[0].shape.channels}", 1)


def _pad(config: ArrayConfig, inputs: list[InputAllocation]) -> int:
    """The code of a tap outside the frame."""
    pads = [set(entry.packing.pad) if entry.packing else set() for entry in inputs]
    if config.input_planes > 1 and any(pad - {False} for pad in pads[:-1]) or len(pads[-1]) > 1:
        raise CapacityError("the first layer must be padded with one number, 0 or 1 on bit planes, and -1 or 1 in "
                            "thermometer code", 1)
    return int(max(pads[-1], default=False))


def _plane_step(inputs: list[InputAllocation]) -> int:
    """Words from a plane to the plane of the next larger weight."""
    steps = {before.place.start - after.place.start for before, after in zip(inputs, inputs[1:], strict=False)}
    if len(steps) > 1:
        raise CapacityError("the bit planes of the input must lie at equal distances in the activation bank", 1)
    return steps.pop()
