"""Answers of a program that takes pixels: their form, the fields of the answer unit, and their meaning."""

from dataclasses import dataclass, replace

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
        `RANKS` and `VALUES` of the sums of a raw layer (8 bits of a layer that ends in `golden.layers.binary.Bytes`),
        `WORDS` of the map of another.
    ranks : int
        Channels of a ranked answer.
    shuffle : int
        Answers along each side of a pixel of the last layer, each of channels of its own, in the order of
        ``nn.PixelShuffle``.
    enlarge : int
        Answers along each side of a pixel, all alike.

    Raises
    ------
    ValueError
        If ``shuffle`` or ``enlarge`` is not positive, or both are above 1, or one is with `WORDS`.
    """

    kind: AnswerKind = AnswerKind.RANKS
    ranks: int = 1
    shuffle: int = 1
    enlarge: int = 1

    def __post_init__(self) -> None:
        for name in ("shuffle", "enlarge"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value}")
        if self.shuffle > 1 and self.enlarge > 1:
            raise ValueError(f"enlarge must be 1 where shuffle is {self.shuffle}, not {self.enlarge}")
        if self.kind == AnswerKind.BYTES:
            raise ValueError("kind must be VALUES for the values of any layer, not BYTES")
        if self.kind == AnswerKind.WORDS and self.side > 1:
            raise ValueError(f"shuffle and enlarge must be 1 for words, not {self.side}")

    @property
    def side(self) -> int:
        """Answers along a side of a pixel."""
        return max(self.shuffle, self.enlarge)

    def channels(self, layer: Layer) -> int:
        """Channels of an answer by the results of a layer.

        Raises
        ------
        CapacityError
            If its channels are not those of so many answers.
        """
        channels, rest = divmod(layer.channels, self.shuffle**2)
        if rest or (self.shuffle > 1 and not layer.raw):
            raise CapacityError(f"layer {layer.name} must give sums of a multiple of {self.shuffle**2} channels for a "
                                f"shuffle of {self.shuffle}, not {layer.channels}", 1)
        return channels

    def arranged(self, layer: Layer, width: int) -> Layer:
        """The layer with the channels of each answer as neighbours, those of a line of answers in order.

        Channels without weights fill them up to a multiple of ``width``, so that each answer begins with a beat.
        """
        if self.shuffle == 1:
            return layer
        channels = self.channels(layer)
        fill = -channels % width
        places = np.arange(layer.channels).reshape(channels, -1)
        order = np.concatenate([places, np.full((fill, places.shape[1]), -1)]).T.reshape(-1)

        def ordered(values: np.ndarray) -> np.ndarray:
            found = values[order]
            found[order < 0] = 0
            return found

        segments = tuple(replace(
            segment, weights=ordered(segment.weights),
            requantize=segment.requantize and replace(segment.requantize, scale=ordered(segment.requantize.scale),
                                                      offset=ordered(segment.requantize.offset)),
        ) for segment in layer.segments)
        return replace(layer, segments=segments, offset=None if layer.offset is None else ordered(layer.offset))


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
                    place: MapAllocation | None, channels: int, width: int, split: bool) -> dict[str, int]:
    """Values of `hdl.control.answer_geometry.answer_fields`.

    Parameters
    ----------
    config : ArrayConfig
    answers : Answers
    layer : Layer
        The last layer of the network, `Answers.arranged`.
    result : ResultAllocation, or None
        The place of its sums; their offsets follow.
    place : MapAllocation, or None
        The place of its map.
    channels : int
        Those of an answer.
    width : int
        Pixels of a line of its sums.
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
    kind = AnswerKind.BYTES if layer.bytes and answers.kind == AnswerKind.VALUES else answers.kind
    values = {"kind": int(kind), "double": int(layer.step == 2 and layer.element_bits == 1), "offsets": 0,
              "ranks": 0, "channels": channels - 1, "factor": 0, "shift": 0,
              "side": answers.side - 1, "alike": int(answers.enlarge > 1), "columns": width - 1,
              "words": words_per(layer.channels, config.drain_width) - 1}
    if layer.bytes:
        _check_bytes(config, answers, layer)
        values |= {"factor": layer.bytes[0], "shift": layer.bytes[1] - 1}
    if answers.side > 1:
        need("answers along a side of a pixel", answers.side, max(1, config.answer_shuffle), "answer_shuffle")
    if result is not None:
        values |= {"results": result.start, "pixels": result.pixels - 1,
                   "offsets": result.start + result.entries(config, split)}
    else:
        assert place is not None
        if layer.inverted is not None:
            raise CapacityError(f"layer {layer.name} must not have channels that fall with their sums before a "
                                "MaxPool, for the answers are the words of its map")
        values |= {"results": place.pixel(0, 0), "pixels": len(place.addresses) - 1}
    if answers.kind == AnswerKind.RANKS:
        need("ranks of an answer", answers.ranks, config.answer_ranks, "answer_ranks")
        need("ranks of an answer", answers.ranks, channels, "no parameter")
        values["ranks"] = answers.ranks - 1
    return {field.name: values[field.name] for field in answer_fields(config)}


def _check_bytes(config: ArrayConfig, answers: Answers, layer: Layer) -> None:
    if answers.kind != AnswerKind.VALUES:
        raise CapacityError(f"the answers must be values, not {answers.kind.name.lower()}, for layer {layer.name} "
                            "gives values of 8 bits", 1)
    if not config.answer_bytes:
        raise CapacityError("values of 8 bits need more of the answer unit: answer_bytes of 1 would add it", 1)


def _kind(program: Program) -> AnswerKind:
    return AnswerKind(program.answer_fields.get("kind", AnswerKind.RANKS))


def answer_size(program: Program) -> int:
    """Numbers of 32 bits in the answer to an image."""
    fields = program.answer_fields
    numbers = {AnswerKind.RANKS: fields.get("ranks", 0) + 1, AnswerKind.WORDS: program.address_map.slices}
    return _pixels(program) * numbers.get(_kind(program), fields["channels"] + 1)


def _pixels(program: Program) -> int:
    """Pixels of an answer, or words of its map."""
    fields = program.answer_fields
    return (fields.get("pixels", 0) + 1) * (fields.get("side", 0) + 1)**2


def decode_answers(program: Program, numbers: np.ndarray) -> np.ndarray:
    """Answers from their numbers, uint32 (B, `answer_size`).

    Ranks int64 (B, pixels, ranks) or values int64 (B, pixels, channels), pixels in raster order, or the elements of a
    map, bool (B, H, W, C). Words wider than the array's raise ValueError.
    """
    numbers = np.asarray(numbers, dtype=np.uint32)
    kind = _kind(program)
    if kind == AnswerKind.WORDS:
        place = program.maps[program.output.name]
        slices = numbers.reshape(len(numbers), -1, program.address_map.slices).astype(object)
        words = (slices << np.arange(slices.shape[-1]) * DATA_BITS).sum(axis=-1)
        whole, width = [int(word) for word in words.reshape(-1)], program.config.word_bits
        if max(whole).bit_length() > width:
            raise ValueError(f"a word of a map must have at most {width} bits, not {max(whole).bit_length()}")
        bits = ints_to_words(whole, width)
        return program.output.ordered(place.to_elements(bits.reshape(*words.shape, -1)))
    signed = numbers.view(np.int32).astype(np.int64)
    return signed.reshape(len(numbers), _pixels(program), -1)
