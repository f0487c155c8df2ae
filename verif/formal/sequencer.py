"""The sequencer issues the addresses of the loop nest, its loops count, and the writer stays in its layer's map."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from amaranth.hdl import Assert, Assume, C, Cat, Module, Mux, Signal, Value

from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import Isa, LayerFlag, SegmentFlag

from .prove import Bench, Mutant, Proof, SatProof, constant, past

__all__ = ["PROOFS"]


def loop(bits: int, module: Any) -> Bench:
    """A counter up to ``last``, which is constant: its first turn, its last, and whether the next is the last."""
    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        turn, left = Signal(bits, name="spec_turn"), Signal(bits, name="spec_left")
        constant(m, unit.last)
        m.d.comb += [Assume(past(m, C(1), "started") | unit.restart), left.eq(unit.last - turn)]
        for name, value in (("once", unit.last == 0), ("twice", unit.last == 1), ("one_left", left == 1)):
            m.d.comb += Signal(name=f"spec_{name}").eq(value)
        with m.If(unit.restart):
            m.d.sync += turn.eq(0)
        with m.Elif(unit.step):
            m.d.sync += turn.eq(Mux(turn == unit.last, 0, turn + 1))
        m.d.comb += [
            Assert(turn <= unit.last),
            Assert(unit.first == (turn == 0)),
            Assert(unit.at_end == (left == 0)),
            Assert(unit.then_end == Mux(left == 0, unit.last == 0, left == 1)),
        ]

    return Bench(module.Loop(bits=bits), specify)


LOOP_LINKS = {"unit.$like": "spec_left", "unit.one_left": "spec_one_left", "unit.$signal": "spec_once",
              "unit.twice": "spec_twice"}


def raster(bits: int, module: Any) -> Bench:
    """Two counters, line by line; the last pixel is followed by ``past``.

    The first restart comes in the first cycle, and the first mark in the second.
    """
    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        here = [Signal(width, name=f"spec_{name}") for name, width in (("x", bits), ("y", bits), ("past", 1))]
        mark = [Signal.like(signal, name=f"{signal.name}_marked") for signal in here]
        x, y, gone = here
        started = past(m, C(1), "started")
        constant(m, unit.x_last, unit.y_last)
        m.d.comb += [Assume(started | unit.restart), Assume(~started | past(m, started, "marked") | unit.mark)]
        with m.If(unit.mark):
            m.d.sync += [to.eq(value) for to, value in zip(mark, here, strict=True)]
        with m.If(unit.restart):
            m.d.sync += [value.eq(0) for value in here]
        with m.Elif(unit.back):
            m.d.sync += [value.eq(Mux(unit.mark, value, to)) for to, value in zip(mark, here, strict=True)]
        with m.Elif(unit.step):
            m.d.sync += x.eq(Mux(x == unit.x_last, 0, x + 1))
            with m.If(x == unit.x_last):
                m.d.sync += [y.eq(y + 1), gone.eq(gone | (y == unit.y_last))]
        for which, (at_x, at_y, _) in (("", here), ("_marked", mark)):
            left_x, left_y = (Signal(bits, name=f"spec_left_{axis}{which}") for axis in "xy")
            m.d.comb += [left_x.eq(unit.x_last - at_x), left_y.eq(unit.y_last - at_y)]
            m.d.comb += Signal(name=f"spec_wrap{which}").eq(left_x == 0)
            m.d.comb += Signal(name=f"spec_lowest{which}").eq(left_y == 0)
            m.d.comb += Assert(~past(m, started, f"settled{which}") | (at_x <= unit.x_last))

    return Bench(module.PixelCounter(bits=bits), specify)


RASTER_LINKS = {f"unit.{name}{which}": f"spec_{name}{which}" for name in ("x", "y", "past", "wrap", "lowest")
                for which in ("", "_marked")} | {
    "unit.$like": "spec_left_x", "unit.$like_marked": "spec_left_x_marked",
    "unit.$like$14": "spec_left_y", "unit.$like_marked$13": "spec_left_y_marked"}


CONFIG = ArrayConfig(rows=1, cols=1, lanes=1, tile=1, acc_bits=4, sum_bits=4, weight_depth=4, activation_depth=4,
                     threshold_depth=4, program_depth=8, access_patterns=1, requantize_depth=0, fetch_width=32)
COUNTS = {"front": ("segments", "window_x", "window_y"), "store": ("x", "y", "channel_blocks"),
          "segment0": ("words", "runs", "lines"), "segment1": ("words", "runs", "lines")}
"""Counts of a layer in the box: 0 or 1, for one turn or two."""


def nest(zero_padding: int, module: Any) -> Bench:
    """The addresses of a layer of any one of 2**12 shapes with any steps and starts, against the closed form.

    All counts of `COUNTS` are one or two; every dot product is drained.
    """
    config = CONFIG.replace(zero_padding=zero_padding)
    isa = Isa(config)
    parts = {"front": isa.front, "segment0": isa.segment, "store": isa.store, "drain": isa.drain,
             "segment1": isa.segment}
    free = {f"{part}_{field.name}": field.bits for part, fields in parts.items() for field in fields}

    def specify(m: Module, bench: Any) -> None:
        unit = bench.unit
        values: dict[str, dict[str, Value]] = {
            part: {field.name: getattr(bench, f"{part}_{field.name}") for field in fields}
            for part, fields in parts.items()}
        front, store = values["front"], values["store"]
        segments = values["segment0"], values["segment1"]
        words = [Cat(Cat(value, C(0, isa.field_bits - len(value))) for value in part.values())
                 for part in values.values()]
        word = Signal(isa.word_bits, name="spec_word")
        with m.Switch(unit.program_address):
            for address, content in enumerate(words):
                with m.Case(address):
                    m.d.sync += word.eq(content)
        constant(m, *(value for part in values.values() for value in part.values()))
        begun = past(m, C(1), "started")
        m.d.comb += [
            Assume(unit.program_data == word), Assume(unit.start == ~begun),
            Assume(unit.done == past(m, unit.ends, "done", 3)),
            Assume(store["flags"] == LayerFlag.LAST),
            *(Assume(part["flags"] & ~SegmentFlag.DOUBLE == 0) for part in segments),
            *(Assume(part["gap"] <= 1) for part in segments),
            *(Assume(values[part][name] <= 1) for part, names in COUNTS.items() for name in names),
        ]

        # the counters of the loop nest, outermost first
        order = ("y", "x", "block", "window_y", "window_x", "segment", "line", "run", "word")
        count = {name: Signal(name=f"spec_{name}") for name in order}
        second = count["segment"]
        this = {name: Mux(second, segments[1][name], segments[0][name]) for name in segments[0]}
        last = {"y": store["y"], "x": store["x"], "block": store["channel_blocks"], "window_y": front["window_y"],
                "window_x": front["window_x"], "segment": front["segments"], "line": this["lines"],
                "run": this["runs"], "word": this["words"]}
        ends: Value = C(1, 1)
        inside, over = Signal(name="spec_inside"), Signal(name="spec_over")
        stepping = unit.first | inside
        inner: Value = C(0, 1)
        for name in reversed(order):
            with m.If(stepping & ends):
                m.d.sync += count[name].eq(Mux(last[name][0], ~count[name], 0))
            ends = ends & (count[name] == last[name][0])
            if name == "line":
                inner = ends
        m.d.sync += inside.eq(stepping & ~unit.last)
        with m.If(stepping & ends):
            m.d.sync += over.eq(1)

        def times(turn: Value, step: Value) -> Value:
            return Mux(turn, step, 0)

        def steps(part: dict[str, Value]) -> Value:
            """Steps of a segment: the product of its counts, each one or two."""
            return C(1, 4) << part["words"][0] + part["runs"][0] + part["lines"][0]

        x, y, wx, wy = (count[name] for name in ("x", "y", "window_x", "window_y"))
        step, line = front["pattern0_step"], front["pattern0_line"]
        pixel = times(x, step) + times(y, times(store["x"][0], step) + line)
        window = times(wx, front["window_step"]) + times(
            wy, times(front["window_x"][0], front["window_step"]) + front["window_line"])
        run = this["words"] + this["run_step"]
        kernel = this["start"] + count["word"] + times(count["run"], run) + times(
            count["line"], times(this["runs"][0], run) + this["words"] + this["line_step"])
        of_line = C(1, 3) << this["words"][0] + this["runs"][0]
        number = count["word"] + times(count["run"], this["words"] + 1) + times(count["line"], of_line)
        of_block = steps(segments[0]) + times(front["segments"][0], steps(segments[1]))
        weight = front["weights"] + times(count["block"], of_block) + times(second, steps(segments[0])) + number

        held, used = (Signal(config.activation_bits, name=f"spec_{name}") for name in ("held", "used"))
        with m.If(unit.fill):
            m.d.sync += held.eq(unit.fill_next[0])
        with m.If(unit.take):
            m.d.sync += used.eq(held)
        address = Signal(config.activation_bits, name="spec_address")
        expected = Signal.like(address, name="spec_expected")
        weights = Signal(config.weight_bits, name="spec_weight")
        begins = ~(count["line"] | count["run"] | count["word"])
        m.d.comb += [
            address.eq(used + unit.offset), expected.eq(pixel + window + kernel), weights.eq(weight),
            Assert(~stepping | (address == expected)), Assert(~stepping | (unit.weight == weights)),
            Assert(~stepping | ~over), Assert(~stepping | (unit.first == begins)),
            Assert(unit.last == stepping & inner), Assert(unit.ends == stepping & ends),
            Assert(~unit.last | (unit.doubles == (this["flags"] & SegmentFlag.DOUBLE).any())),
        ]

    return Bench(module.Sequencer(config=config), specify, **free)


WRITER = ArrayConfig(rows=2, cols=1, lanes=1, tile=1, acc_bits=3, sum_bits=3, weight_depth=4, activation_depth=8,
                     threshold_depth=4, program_depth=8, access_patterns=1, zero_padding=0, requantize_depth=0)


def writer(words: int, module: Any) -> Bench:
    """Each write is to a pixel of the layer, at one of the words of the pixel; a layer begins in the first cycle.

    Words come when no complete word waits. A pixel has ``words`` of them.
    """
    config = WRITER

    def specify(m: Module, bench: Any) -> None:
        unit, layer = bench.unit, bench.unit.layer
        constant(m, layer)
        begun = past(m, C(1), "started")
        split = layer.flags[0]
        word, room = Signal(range(max(2, words)), name="spec_word"), Signal(3, name="spec_room")
        m.d.comb += [
            Assume(unit.restart == ~begun), Assume(~unit.host), Assume(begun | ~unit.flush),
            Assume(layer.x < 2), Assume(layer.y < 2),
            Assume(~unit.flush | (unit.flush_end == (word == words - 1))), Assume(~unit.flush | (room == 0)),
        ]
        with m.If(unit.flush):
            m.d.sync += [word.eq(Mux(unit.flush_end, 0, word + 1)), room.eq(Mux(split, config.rows - 1, 0))]
        with m.Elif(room != 0):
            m.d.sync += room.eq(room - 1)
        def place(x: int, y: int, number: int) -> Value:
            return (layer.out_start + (layer.out_step if x else 0) + number
                    + ((Mux(layer.x[0], layer.out_step, 0) + layer.out_line) if y else 0))[:config.activation_bits]

        places = [(layer.x >= x) & (layer.y >= y) & (unit.address == place(x, y, number))
                  for x in range(2) for y in range(2) for number in range(words)]
        m.d.comb += Assert(~unit.write | Cat(*places).any())

    return Bench(module.WritebackUnit(config=config), specify)


def proofs() -> Iterator[Proof]:
    control = "signum.hdl.control."
    for bits in (1, 2, 6):
        yield SatProof(unit="Loop", claim=f"first, at_end and then_end are those of a counter: {bits} bits",
                       bench=partial(loop, bits), mutant=Mutant(f"{control}loop", "left == 2", "left == 3")
                       if bits > 1 else Mutant(f"{control}loop", "self.first.eq(anew)", "self.first.eq(self.restart)"),
                       settle=1, reach=10, links=LOOP_LINKS)
    for bits in (1, 4):
        yield SatProof(unit="PixelCounter", claim=f"x, y, wrap and past are those of two counters: {bits} bits",
                       bench=partial(raster, bits), settle=2, reach=12, links=RASTER_LINKS,
                       mutant=Mutant(f"{control}pixel_counter", "self.past.eq(self.past | lowest)",
                                     "self.past.eq(lowest)"))
    for zero_padding in (0, 1):
        yield SatProof(
            unit="Sequencer", slow=True, bounded=True, steps=22, bench=partial(nest, zero_padding),
            claim="addresses, first, last and ends are those of the loop nest: each loop of one or two turns, any steps"
                  f"{', zero padding' if zero_padding else ''}",
            mutant=Mutant(f"{control}sequencer", 'Mux(run_ends, current["run_step"], 1)',
                          'Mux(run_ends, current["line_step"], 1)'))
    for words in (1, 2):
        yield SatProof(
            unit="WritebackUnit", claim=f"nothing is written outside of a layer's map: 2 x 2 pixels of {words} words, "
                                        "batch and split",
            bounded=True, slow=True, steps=12, bench=partial(writer, words),
            mutant=Mutant("signum.hdl.output.writeback", "writing & ~raster.past", "writing"))


PROOFS = tuple(proofs())
