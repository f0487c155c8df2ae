"""The state of a translation: tensors, layers and the absorbed nodes so far."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from signum.golden.compiler import lowering
from signum.golden.compiler.graph import Layer, MapShape
from signum.golden.compiler.lowering import Part, Source

from .levels import quantized_levels, spaced_levels, whole
from .operators import Operators
from .refusal import UnsupportedError
from .rounding import exact, near_thresholds
from .states import Codes, Constant, Layout, Levels, Operator, Pixels, State, Sums, Term, computed
from .terms import doubling, factor_of, integer_units, zero_code
from .weights import planes_of

__all__ = ["Context"]

MOST_THERMOMETER = 3
"""Bits of an input value in thermometer code; bit planes are fewer beyond."""


class Context:
    """Shared by the handlers of all operators.

    Members
    -------
    operators : Operators
    uses : dict of str to int
        Readers of each tensor.
    layers : list of Layer
        Closed layers, in order.
    absorbed : dict of str to str
        Where each node went: the name of a layer, ``input``, ``weights`` or ``result``.
    shape : MapShape
        Of the network's input.
    pixels : float32 (256, C)
        The network's input for each value of a pixel.
    tables : tuple of tuple of int
        The code of each value of a pixel, for all channels or for each.
    input : (Levels, Source), or None
        The codes of the input, once they are read.
    near : dict of str to int
        For each layer whose sums the network itself rounds, the thresholds within its rounding.
    bits : dict of str to int
        Bits of a channel of each map.
    rounded : dict of str to float
        Maps and layers whose codes or weights the network itself rounds: the largest distance, in units.
    """

    def __init__(self, operators: Operators, uses: dict[str, int], shape: MapShape, pixels: np.ndarray,
                 rounded: Mapping[str, float] = MappingProxyType({})) -> None:
        self.operators = operators
        self.uses = uses
        self.shape = shape
        self.pixels = pixels
        self.layers: list[Layer] = []
        self.absorbed: dict[str, str] = {}
        self.tables: tuple[tuple[int, ...], ...] = ()
        self.input: tuple[Levels, Source] | None = None
        self.near: dict[str, int] = {}
        self.bits: dict[str, int] = {}
        self.rounded = dict(rounded)

    def close(self, state: Codes) -> Codes:
        """Codes whose layer is in the graph."""
        if state.open is None:
            return state
        if state.open.source is None:
            sums, levels = state.open.sums, state.open.levels
            lowered = self.lowered(sums)
            lowered.sign = levels
            layer = lowered.layer()
            self.layers.append(layer)
            self.bits[layer.name] = levels.count
            if not exact(sums, self.rounded):
                self.near[layer.name] = near_thresholds(sums, levels, lowered.changes(), self.rounded)
            if levels.rounding:
                self.rounded[layer.name] = levels.rounding
            for node in sums.nodes:
                self.absorbed[node] = sums.name
            state.open.source = lowered.source(layer, offset=whole(levels.offset))
        return replace(state, maps=((state.open.source, 1),), open=None)

    def lowered(self, sums: Sums) -> lowering.Sums:
        """The sums of a layer with their functions, without a quantizer."""
        parts = []
        for term in sums.terms:
            planes = planes_of(term.weights, doubling(sums))
            source = term.source
            bits = planes.bits.repeat(source.copies, axis=2)
            parts.append(Part(source, bits ^ source.inverted[:, None, None], term.stride, term.dilation, term.padding,
                              zero_code(source) if any(term.padding) else -1, planes.exponents))
        return lowering.Sums(sums.name, parts, before=[factor_of(sums), *sums.before], after=list(sums.after),
                             pool=sums.pool)

    def codes(self, state: State | None) -> Codes:
        """Codes that a convolution may read."""
        if isinstance(state, Pixels):
            return self.pixel_codes(state, None)
        if isinstance(state, Codes):
            return self.close(state)
        raise UnsupportedError("must read a quantized tensor", "a Quant or BipolarQuant in front of it")

    def sums(self, name: str, state: State | None) -> Sums:
        """The state as sums: codes are summed one by one."""
        if isinstance(state, Sums):
            return replace(state, before=list(state.before), after=list(state.after), nodes=list(state.nodes))
        codes = self.codes(state)
        if codes.flat and codes.flat[1:] != (1, 1):
            raise UnsupportedError("must stand in front of the flattening", "another order of the nodes")
        channels, height, width = codes.shape
        ratio, base = integer_units(codes.unit)
        identity = np.zeros((channels, channels, 1, 1), dtype=np.int64)
        identity[np.arange(channels), np.arange(channels)] = 1
        terms = [Term(source, (identity * factor).repeat(source.window[0], axis=2).repeat(source.window[1], axis=3),
                      source.window) for source, factor in codes.maps]
        layout = codes.layout if not codes.flat else Layout(2)
        return Sums(name, terms, base * ratio, (height, width), layout)

    def pixel_codes(self, state: Pixels, quantizer: Operator | None) -> Codes:
        """The codes of the network's input, by a quantizer, or of the pixels themselves."""
        if self.input is not None:
            raise UnsupportedError("must be the only reader of the network's input", "one quantizer of the input")
        values = computed(state.functions, self.pixels)
        levels = quantized_levels(quantizer, values) if quantizer else spaced_levels(values)
        index = levels.index(quantizer.compute(values) if quantizer else values)
        if levels.count > 255:
            raise UnsupportedError(f"must have at most 256 levels, not {levels.count + 1}", "a quantizer of 8 bits")
        steps = np.diff(index, axis=0)
        if ((steps < 0).any(axis=0) & (steps > 0).any(axis=0)).any():
            raise UnsupportedError("must quantize the input monotonically", "a monotone function in front of it")
        tables = np.unique(index.T, axis=0) if (index == index[:, :1]).all() else index.T
        self.tables = tuple(tuple(int(value) for value in table) for table in tables)
        planes = levels.count > MOST_THERMOMETER
        copies = 1 if planes else levels.count
        offset = whole(levels.least if planes else levels.offset)
        names = tuple(f"input.{k}" for k in reversed(range(levels.count.bit_length()))) if planes else ("input",)
        channels = self.shape.channels * copies
        unit = levels.unit if planes else levels.unit / 2
        shape = MapShape(self.shape.height, self.shape.width, channels)
        source = Source(names, shape, np.zeros(channels, dtype=bool), planes=planes, copies=copies,
                        offset=offset)
        self.input = levels, source
        self.bits |= dict.fromkeys(source.names, source.copies)
        if levels.rounding:
            self.rounded |= dict.fromkeys(source.names, levels.rounding)
        flat = (self.shape.channels, self.shape.height, self.shape.width) if state.layout.rank == 2 else None
        return Codes(((source, 1),), np.broadcast_to(unit, self.shape.channels), state.layout, flat=flat)

    def shape_of(self, state: State) -> tuple[int, ...]:
        """The shape of a tensor, with a batch of one."""
        if isinstance(state, Constant):
            return state.value.shape
        if isinstance(state, Pixels):
            channels, height, width = self.shape.channels, self.shape.height, self.shape.width
        elif isinstance(state, Codes):
            channels, height, width = state.shape
        elif isinstance(state, Sums):
            pool = state.pool or (1, 1)
            channels, height, width = state.channels, state.size[0] // pool[0], state.size[1] // pool[1]
        else:
            return ()
        if isinstance(state, Sums | Codes) and state.flat:
            return 1, channels * height * width
        assert isinstance(state, Pixels | Codes | Sums)
        if state.layout.rank == 2:
            return 1, channels * height * width
        return (1, height, width, channels) if state.layout.last else (1, channels, height, width)

    def passes(self, name: str, state: State) -> None:
        """A node without a computation of its own."""
        if isinstance(state, Sums):
            state.nodes.append(name)
        elif isinstance(state, Codes) and state.open is not None and state.open.source is None:
            state.open.sums.nodes.append(name)
        elif isinstance(state, Codes):
            self.absorbed[name] = "the layers that read it"
        elif isinstance(state, Pixels):
            self.absorbed[name] = "input"
