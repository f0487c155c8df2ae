"""Sizing of an array's memories and widths for a network: compilation with large sizes, then a reduction."""

from signum.hdl.config import ArrayConfig

from .allocation import border_of
from .compile import compile_graph
from .graph import Graph
from .program import Program

__all__ = ["compile_fitted", "fitted", "roomy", "widened"]


def roomy(config: ArrayConfig) -> ArrayConfig:
    """The array with memories for whole networks; cycles do not depend on the depths."""
    return config.replace(weight_depth=65536, activation_depth=65536, threshold_depth=16384, program_depth=4096,
                          requantize_depth=4096, acc_bits=13, sum_bits=20, raw_depth=8192 if config.raw_depth else 0)


def fitted(program: Program) -> ArrayConfig:
    """The program's array with memories of the least depths."""
    places = [*program.maps.values(), *(entry.place for entry in program.inputs.values())]
    raw = program.least_raw_depth if program.config.raw_depth else 0
    depths = {"weight_depth": program.weights.shape[1], "raw_depth": raw,
              "threshold_depth": program.least_threshold_depth(raw),
              "activation_depth": max(place.start + place.size for place in places),
              "program_depth": len(program.words), "requantize_depth": len(program.coefficients)}
    return program.config.replace(**{name: depth if name in ("requantize_depth", "raw_depth") else max(1, depth)
                                     for name, depth in depths.items()})


def widened(graph: Graph, config: ArrayConfig) -> ArrayConfig:
    """The array with sums of the width of a binary graph, and with the hardware for its kinds of layers."""
    taps = max(layer.top if config.accumulator_shift and any(segment.double for segment in layer.segments) else
               max(segment.taps for segment in layer.segments) for layer in graph.layers)
    acc_bits = max(config.count_bits, config.dot_bits(taps))
    sum_bits = max(acc_bits, *((layer.top + 1).bit_length() for layer in graph.layers))
    shapes = graph.shapes
    patterns = max(len({(segment.stride, shapes[segment.source], border_of(graph, segment.source))
                     for segment in layer.segments}) for layer in graph.layers)
    gated = any(layer.row.gates for layer in graph.layers)
    requantized = any(layer.row.requantized for layer in graph.layers)
    padded = any(any(layer.border) for layer in graph.layers)
    return config.replace(acc_bits=acc_bits, sum_bits=sum_bits, access_patterns=patterns, zero_padding=int(padded),
                          requantize_depth=config.requantize_depth if requantized else 0, gate=int(gated),
                          raw_depth=0 if padded or gated else config.raw_depth)


def compile_fitted(graph: Graph, config: ArrayConfig, *, split: bool = False) -> Program:
    """Compile a binary graph for the array with the least memories, widths of sums and access patterns.

    Parameters
    ----------
    graph : Graph
    config : ArrayConfig
        Its size, ``tile``, ``pipeline``, ``drain_width`` and ``fetch_width`` are kept.
    split : bool
        See `compile_graph`.

    Raises
    ------
    CapacityError
        If the network does not fit the largest memories.
    """
    config = widened(graph, roomy(config))
    program = compile_graph(graph, config, split=split)
    used = [i for record in program.records for i in range(config.access_patterns) if record.fields[f"pattern{i}_step"]]
    config = program.config.replace(access_patterns=max(used, default=0) + 1)
    program = compile_graph(graph, config, split=split)
    return compile_graph(graph, fitted(program), split=split)
