"""Pool, packer and receiver of frames, each beside a model that counts where the unit shifts."""

from collections.abc import Iterator
from typing import Any

from amaranth.hdl import Array, Assert, Assume, C, Cat, Module, Mux, Signal

from signum.hdl.config import ArrayConfig

from .prove import Bench, Mutant, Proof, SatProof, constant, past
from .streams import stable

__all__ = ["PROOFS"]


def pool(rows: int, cols: int, bits: int, width: int) -> Any:
    """The largest element of each column since ``first``, in a register a column."""
    beats = cols // width

    def specify(m: Module, bench: Any) -> None:
        unit, size = bench.unit, rows * width
        largest = Array(Signal(bits * size, name=f"spec_largest{i}") for i in range(beats))
        beat = Signal(range(max(2, beats)), name="spec_beat")
        found = [Signal(bits, name=f"spec_o{i}") for i in range(size)]
        for i, element in enumerate(found):
            old = largest[beat].word_select(i, bits)
            m.d.comb += element.eq(Mux(~unit.first & (old > unit.i[i]), old, unit.i[i]))
        with m.If(unit.enable):
            m.d.sync += [largest[beat].eq(Cat(found)), beat.eq(Mux(beat == beats - 1, 0, beat + 1))]
        before = Signal(beats * size * bits, name="spec_before")
        m.d.comb += [before.eq(Cat(largest[Mux(beat + k >= beats, beat + k - beats, beat + k)] for k in range(beats))),
                     Assert(unit.o.as_value() == Cat(found)), Assert(beat < beats)]

    return lambda module: Bench(module.Pool(rows=rows, cols=cols, bits=bits, width=width), specify)


def packer(rows: int, lanes: int, bits: int, width: int) -> Any:
    """Elements at the lane of a counter; ``flush`` a cycle after the last lane or the end of a pixel."""
    def specify(m: Module, bench: Any) -> None:
        unit, steps, size = bench.unit, lanes // width, width * bits
        lane = Signal(range(max(2, steps)), name="spec_lane")
        whole, one_hot = (lane == steps - 1) | unit.pixel_end, Signal(steps, name="spec_one_hot")
        words = [Array(Signal(size, name=f"spec_word{r}_{i}") for i in range(steps)) for r in range(rows)]
        with m.If(unit.restart):
            m.d.sync += lane.eq(0)
        with m.Elif(unit.insert):
            m.d.sync += lane.eq(Mux(whole, 0, lane + 1))
            for r, word in enumerate(words):
                for i, part in enumerate(word):
                    m.d.sync += part.eq(Mux(lane == i, unit.elements[r], Mux(lane == 0, 0, part)))
        m.d.comb += [
            one_hot.eq(1 << lane), Assert(lane < steps),
            *(Assert((lane == 0) | (lane > i) | (part == 0)) for word in words for i, part in enumerate(word)),
            Assert(unit.words.as_value() == Cat(*(Cat(*word) for word in words))),
            Assert(unit.flush == past(m, unit.insert & whole, "flush")),
            Assert(unit.flush_end == past(m, unit.pixel_end, "end")),
            Assert(unit.flush_layer_end == past(m, unit.layer_end, "layer_end")),
        ]

    return lambda module: Bench(module.Packer(rows=rows, lanes=lanes, bits=bits, width=width), specify)


INPUT = ArrayConfig(rows=1, cols=1, lanes=4, acc_bits=4, sum_bits=4, activation_depth=16, input_depth=4, input_planes=1,
                    input_levels=2, input_maximum=255, answer_ranks=1)


def frames(module: Any) -> Bench:
    """A frame is received if and only if its first and its last value, and no other, are marked; any other is dropped.

    The model knows the transfers alone. The geometry is any one of up to 4 x 3 values with borders.
    """
    def specify(m: Module, bench: Any) -> None:
        unit, geometry, value = bench.unit, bench.unit.geometry, bench.unit.pixels.p
        constant(m, geometry)
        m.d.comb += [
            Assume(unit.enable == past(m, C(1), "enabled")),        # a change of the geometry disables the unit
            Assume(stable(m, "pixels", unit.pixels, C(0, 1))),
            Assume(~unit.done | (unit.complete & past(m, unit.complete, "complete"))),
            Assume(geometry.left <= geometry.right), Assume(geometry.right <= geometry.column),
            Assume(geometry.top <= geometry.bottom), Assume(geometry.bottom <= geometry.line),
            Assume(geometry.column < 4), Assume(geometry.line < 3),
        ]
        width, height = geometry.right - geometry.left + 1, geometry.bottom - geometry.top + 1
        total, count, begun, whole = (Signal(bits, name=f"spec_{name}") for bits, name in (
            (4, "total"), (4, "count"), (1, "begun"), (1, "whole")))
        number, here = Signal.like(count), Signal.like(begun)
        received, passed = Signal.like(unit.received), Signal(name="spec_passed")
        transfer = unit.pixels.valid & unit.pixels.ready
        m.d.comb += [
            total.eq(width[:3] * height[:2]), number.eq(Mux(value.first, 1, count + 1)),
            here.eq(begun | value.first), whole.eq(transfer & here & value.last & (number == total)),
            Assert(unit.received == received), Assert(~unit.complete | passed | unit.restart),
        ]
        m.d.sync += received.eq(received + whole)
        with m.If(transfer):
            m.d.sync += [count.eq(number), begun.eq(here & ~value.last & (number < total))]
        with m.If(whole):
            m.d.sync += passed.eq(1)
        with m.Elif(unit.done):
            m.d.sync += passed.eq(0)

    return Bench(module.FrameReceiver(config=INPUT), specify)


LARGER = Mutant("signum.hdl.output.pool", "Mux(i > other, i, other)", "Mux(i > other, other, i)")
FIRST = Mutant("signum.hdl.output.pool", "Mux(self.first, 0, oldest)", "oldest")
WHOLE = Mutant("signum.hdl.output.packer", "lane[-1] | self.pixel_end", "lane[-1]")
CLEAR = Mutant("signum.hdl.output.packer", "Mux(lane[0], 0, self.words.as_value())", "self.words.as_value()")


def proofs() -> Iterator[Proof]:
    for rows, cols, bits, width, mutant in ((1, 1, 1, 1, FIRST), (2, 4, 1, 2, FIRST), (1, 3, 8, 1, LARGER)):
        yield SatProof(
            unit="Pool", mutant=mutant, bench=pool(rows, cols, bits, width),
            claim=f"o is the largest element of its column since first: {rows} rows, {cols} columns, {bits} bits, "
                  f"{width} a cycle",
            links={"unit.before": "spec_before"})
    for rows, lanes, bits, width, mutant in ((1, 1, 1, 1, WHOLE), (2, 7, 1, 1, WHOLE), (1, 8, 1, 4, CLEAR),
                                             (2, 3, 8, 1, CLEAR)):
        yield SatProof(
            unit="Packer", mutant=mutant if lanes > 1 else Mutant(
                "signum.hdl.output.packer", "flush_end.eq(self.pixel_end)", "flush_end.eq(whole)"),
            bench=packer(rows, lanes, bits, width),
            claim=f"each element takes the next lane of its row's word: {rows} rows, {lanes} lanes of {bits} bits, "
                  f"{width} a cycle",
            links={"unit.lane": "spec_one_hot"})
    yield SatProof(
        unit="FrameReceiver", bench=frames, steps=16, bounded=True, slow=True,
        claim="a frame is received whole, or dropped whole: up to 4 x 3 values with borders",
        mutant=Mutant("signum.hdl.input.frame_receiver", "early.eq(take & (value.last != last))",
                      "early.eq(take & (value.last & ~last))"))


PROOFS = tuple(proofs())
