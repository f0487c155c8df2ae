"""The geometry of a program's input, for the input unit of an array (`hdl.control.input_geometry`)."""

from collections.abc import Mapping
from itertools import pairwise

from signum.hdl.config import ArrayConfig
from signum.hdl.control.input_geometry import input_fields

from .allocation import CapacityError
from .packing import Packing
from .program import InputAllocation, MapAllocation

__all__ = ["input_geometry"]


def input_geometry(config: ArrayConfig, inputs: Mapping[str, InputAllocation], split: bool,
                   others: Mapping[str, MapAllocation] | None = None, begin: int = 0,
                   tables: int = 0) -> dict[str, int]:
    """Values of `hdl.control.input_geometry.input_fields`; the input unit writes `InputAllocation.to_words`.

    Parameters
    ----------
    config : ArrayConfig
    inputs : mapping of str to InputAllocation
        One map in thermometer code, or the bit planes of one map, most significant first.
    split : bool
    others : mapping of str to MapAllocation, optional
        The second places of the maps, if they have two.
    begin : int
        The first word of the program that reads them.
    tables : int
        Tables in which the values of a pixel are looked up (`Program.tables`).

    Raises
    ------
    CapacityError
        If the array has no input unit, or its input unit cannot make these words; the message names the limit.
    """
    if not config.input_depth:
        raise CapacityError("a program that takes pixels needs an input unit: input_depth of 1024 would add it", 1)
    first = next(iter(inputs.values()))
    levels = config.input_levels or 1
    _check_code(config, list(inputs.values()))
    shape, packing, place = first.shape, first.packing, first.place
    channels = shape.channels // levels
    line = shape.width * channels
    if packing is None:
        packing = Packing(True, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), ())
    kernel, stride, dilation = ((both[0] if packing.both else 1, both[1])
                                for both in (packing.kernel, packing.stride, packing.dilation))
    if dilation[1] > 1 and kernel[1] > 1:
        raise CapacityError("the input unit gathers taps that are neighbours along x, not of a dilated window", 1)
    top, left, bottom, right = packing.padding if packing.both else (0, packing.padding[1], 0, packing.padding[3])
    line = (shape.width + left + right) * channels
    span = (kernel[0] - 1) * dilation[0] + 1
    if span * line > config.input_depth:
        raise CapacityError(f"the lines of a window must have at most {config.input_depth} values, not {span * line}: "
                            f"input_depth of {1 << (span * line - 1).bit_length()} would make them fit",
                            span * line - config.input_depth)
    run = kernel[1] * channels - 1
    to_last = (span - 1) * line + run           # from the first value of a window to its last
    planes = list(inputs.values())
    values = {
        "split": int(split), "pad": _pad(config, planes), "column": line - 1, "line": shape.height + top + bottom - 1,
        "left": left * channels, "right": (left + shape.width) * channels - 1, "top": top,
        "bottom": top + shape.height - 1, "span": span, "stride_y": stride[0], "run": run, "tap_y": kernel[0] - 1,
        "x": place.shape.width - 1, "y": place.shape.height - 1, "tap_line": dilation[0] * line - run,
        "window_step": stride[1] * channels - to_last,
        "line_step": stride[0] * line - (place.shape.width - 1) * stride[1] * channels - to_last,
        "start": planes[-1].place.pixel(0, 0), "line_gap": place.pitch - place.shape.width * place.words,
    }
    fields = {field.name: field.bits for field in input_fields(config)}
    values["kept"] = min(config.input_depth // line, 1 << fields["kept"]) - 1
    if config.input_places > 1:
        values |= {"two": int(bool(others)), "begin": begin if others else 0, "second": 0}
    if others:
        second = list(others.values())
        values["second"] = second[-1].pixel(0, 0)
        if len(second) > 1 and _plane_step(second) != _plane_step([entry.place for entry in planes]):
            raise CapacityError("the bit planes of the input must lie at equal distances in both of their places", 1)
    if config.input_tables > 1:
        values["table"] = max(0, tables - 1)
    if config.input_planes > 1:
        values |= {"planes": len(inputs) - 1, "plane_step": _plane_step([entry.place for entry in planes])}
    for name, bits in fields.items():
        if name.endswith("step") or name == "tap_line":
            values[name] &= (1 << bits) - 1
        if not 0 <= values[name] < 1 << bits:
            raise CapacityError(f"{name} of the input unit must be at most {(1 << bits) - 1}, not {values[name]}: "
                                "the host must send this input as words", values[name] - (1 << bits) + 1)
    return {name: values[name] for name in fields}


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
    if (config.input_planes > 1 and any(pad - {False} for pad in pads[:-1])) or len(pads[-1]) > 1:
        raise CapacityError("the first layer must be padded with one number, 0 or 1 on bit planes, and -1 or 1 in "
                            "thermometer code", 1)
    return int(max(pads[-1], default=False))


def _plane_step(places: list[MapAllocation]) -> int:
    """Words from a plane to the plane of the next larger weight."""
    steps = {before.start - after.start for before, after in pairwise(places)}
    if len(steps) > 1:
        raise CapacityError("the bit planes of the input must lie at equal distances in the activation bank", 1)
    return steps.pop()
