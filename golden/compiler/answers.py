"""Answers of a program that takes pixels: their form, the fields of the answer unit, and their meaning."""

from dataclasses import dataclass

import numpy as np

from signum.golden.reference.encoding import ints_to_words, words_per
from signum.hdl.config import DATA_BITS, ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind, answer_fields

from .allocation import CapacityError, need
from .graph import Layer
from .program import MapAllocation, Program, ResultAllocation

__all__ = ["Answers", "answer_geometry", "answer_offsets", "answer_size", "decode_answers", "ranked"]


@dataclass(frozen=True)
class Answers:
    """The answers that a program gives.

    Parameters
    ----------
    kind : AnswerKind
        `RANKS` and `VALUES` of the sums of a raw layer, `WORDS` of the map of another.
    ranks : int
        Channels of a ranked answer.
    """

    kind: AnswerKind = AnswerKind.RANKS
    ranks: int = 1


def ranked(values: np.ndarray, ranks: int) -> np.ndarray:
    """The channels of the largest values, the largest first, of equal values the first: int64 (..., N) to (..., ranks).

    The answer unit's order, and for one rank that of ``torch.argmax`` on integers.
    """
    return np.argsort(-np.asarray(values), axis=-1, kind="stable")[..., :ranks]


def answer_offsets(config: ArrayConfig, layer: Layer) -> np.ndarray:
    """The offsets of a raw layer's values, as entries of a threshold memory: int64 (N,).

    Raises
    ------
    CapacityError
        If an offset does not fit into ``sum_bits``.
    """
    offset = np.zeros(layer.channels, dtype=np.int64) if layer.offset is None else layer.offset
    bits = int(np.maximum(offset, -1 - offset).max()).bit_length() + 1
    need(f"bits of an offset of layer {layer.name}", bits, config.sum_bits, "sum_bits")
    return offset & (1 << config.sum_bits) - 1


def answer_geometry(config: ArrayConfig, answers: Answers, layer: Layer, result: ResultAllocation | None,
                    place: MapAllocation | None, split: bool) -> dict[str, int]:
    """Values of `hdl.control.answer_geometry.answer_fields`.

    Parameters
    ----------
    config : ArrayConfig
    answers : Answers
    layer : Layer
        The last layer of the network.
    result : ResultAllocation, or None
        The place of its sums; their offsets follow.
    place : MapAllocation, or None
        The place of its map.
    split : bool

    Raises
    ------
    CapacityError
        If the array has no answer unit for these answers; the message names the parameter that adds it.
    """
    if not config.answer_ranks:
        raise CapacityError("a program that gives answers needs an answer unit: answer_ranks of 1 would add it", 1)
    if not config.answer_values and (answers.kind != AnswerKind.RANKS or (result and result.pixels > 1)):
        raise CapacityError("answers other than the ranks of one pixel need more of the answer unit: answer_values of "
                            "1 would add it", 1)
    if (answers.kind == AnswerKind.WORDS) == layer.raw:
        wanted, gives = ("ranks or values", "sums") if layer.raw else ("words", "a map")
        raise CapacityError(f"the answers must be {wanted}, not {answers.kind.name.lower()}, for layer {layer.name} "
                            f"gives {gives}")
    values = {"kind": int(answers.kind), "double": int(layer.step == 2 and layer.element_bits == 1), "offsets": 0,
              "ranks": 0, "channels": layer.channels - 1}
    if result is not None:
        groups = -(-result.pixels // config.rows) if split else result.pixels
        values |= {"results": result.start, "pixels": result.pixels - 1,
                   "offsets": result.start + groups * words_per(layer.channels, config.drain_width)}
    else:
        assert place is not None
        if layer.inverted is not None:
            raise CapacityError(f"layer {layer.name} must not have channels that fall with their sums before a "
                                "MaxPool, for the answers are the words of its map")
        values |= {"results": place.pixel(0, 0), "pixels": len(place.addresses) - 1}
    if answers.kind == AnswerKind.RANKS:
        need("ranks of an answer", answers.ranks, config.answer_ranks, "answer_ranks")
        need("ranks of an answer", answers.ranks, layer.channels, "no parameter")
        values["ranks"] = answers.ranks - 1
    return {field.name: values[field.name] for field in answer_fields(config)}


def _kind(program: Program) -> AnswerKind:
    return AnswerKind(program.answer_fields.get("kind", AnswerKind.RANKS))


def answer_size(program: Program) -> int:
    """Numbers of 32 bits in the answer to an image."""
    fields = program.answer_fields
    numbers = {AnswerKind.RANKS: fields.get("ranks", 0) + 1, AnswerKind.VALUES: fields["channels"] + 1,
               AnswerKind.WORDS: program.address_map.slices}
    return (fields.get("pixels", 0) + 1) * numbers[_kind(program)]


def decode_answers(program: Program, numbers: np.ndarray) -> np.ndarray:
    """Answers from their numbers, uint32 (B, `answer_size`).

    Ranks int64 (B, pixels, ranks), values int64 (B, pixels, channels), or the elements of a map, bool (B, H, W, C).
    """
    numbers = np.asarray(numbers, dtype=np.uint32)
    kind = _kind(program)
    if kind == AnswerKind.WORDS:
        place = program.maps[program.output.name]
        slices = numbers.reshape(len(numbers), -1, program.address_map.slices).astype(object)
        words = (slices << np.arange(slices.shape[-1]) * DATA_BITS).sum(axis=-1)
        bits = ints_to_words([int(word) for word in words.reshape(-1)], program.config.word_bits)
        return place.to_elements(bits.reshape(*words.shape, -1))
    signed = numbers.view(np.int32).astype(np.int64)
    return signed.reshape(len(numbers), program.answer_fields.get("pixels", 0) + 1, -1)
