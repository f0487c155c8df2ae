"""Streams: valid stays until ready, and the payload with it; units that drop frames drop them whole."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from amaranth.hdl import Assert, Assume, C, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from signum.hdl.camera.downscale import Scaling
from signum.hdl.config import ArrayConfig

from .prove import Bench, Mutant, Proof, SatProof, constant, past

__all__ = ["PROOFS", "stable", "streams_of"]

Excuse = Callable[[Any], Value]


def streams_of(unit: wiring.Component) -> dict[str, tuple[Any, bool]]:
    """The streams of a unit by name, and whether the unit takes it; those of nested interfaces included."""
    found: dict[str, tuple[Any, bool]] = {}

    def collect(prefix: str, interface: Any, signature: wiring.Signature, flipped: bool) -> None:
        for name, member in signature.members.items():
            if member.is_signature:
                inner, taken = getattr(interface, name), (member.flow is In) != flipped
                if isinstance(member.signature, stream.Signature):
                    found[f"{prefix}{name}"] = inner, taken
                else:
                    collect(f"{prefix}{name}.", inner, member.signature, taken)

    collect("", unit, unit.signature, False)
    return found


def stable(m: Module, name: str, port: Any, excused: Value) -> Value:
    """Whether a transfer that waited a cycle ago still waits, or takes place, with its payload."""
    prefix = name.replace(".", "_")
    payload = Value.cast(port.payload)
    waited = past(m, port.valid & ~port.ready & ~excused, f"{prefix}_waited")
    return ~waited | excused | (port.valid & (payload == past(m, payload, f"{prefix}_payload")))


def bench(kind: str, parameters: Mapping[str, Any], excuse: Excuse | None,
          further: Callable[[Module, Any], None] | None, polite: bool) -> Callable[[Any], wiring.Component]:
    """From the module of a unit to a bench: given streams must obey the rule, where taken streams do.

    Parameters
    ----------
    kind : str
        Class of the unit.
    parameters : mapping
        Its parameters; a callable gives one that comes from the module.
    excuse : callable
        From the unit to a condition under which it may take a payload back, as its description says.
    further : callable
        Adds assumptions about other inputs.
    polite : bool
        Taken streams obey the rule; else they may do anything.
    """
    def specify(m: Module, bench: Any) -> None:
        excused = excuse(bench.unit) if excuse else C(0, 1)
        if further:
            further(m, bench.unit)
        for name, (port, taken) in streams_of(bench.unit).items():
            if polite or not taken:
                m.d.comb += (Assume if taken else Assert)(stable(m, name, port, C(0, 1) if taken else excused))

    def made(module: Any) -> wiring.Component:
        return Bench(getattr(module, kind)(**{name: value(module) if callable(value) else value
                                              for name, value in parameters.items()}), specify)

    return made


def config_of(lanes: int, **further: int) -> ArrayConfig:
    """A small array with an input unit and an answer unit."""
    return ArrayConfig(rows=2, cols=2, lanes=lanes, tile=2, acc_bits=6, sum_bits=8, threshold_depth=8,
                       activation_depth=16, input_depth=4, answer_ranks=1, **further)


def answer_unit_inputs(m: Module, unit: Any) -> None:
    """A geometry that stays, results of images once all answers before have left, and the unit enabled."""
    constant(m, unit.geometry, unit.split)
    m.d.comb += [Assume(unit.enable), Assume(~unit.start | ~unit.busy),
                 Assume((unit.images != 0) & (unit.images <= 2))]


def ring_inputs(m: Module, unit: Any) -> None:
    """An end that moves on by a word, at most the depth ahead; a word that is read again is the same, unless the end
    has moved over it."""
    end, address = past(m, unit.end, "end"), past(m, unit.read_address, "address")
    held, over = Signal.like(unit.end), Signal(name="spec_over")
    m.d.comb += [
        Assume((unit.end == end) | (unit.end == (end + 1)[:len(end)])),
        held.eq(unit.end - unit.place),
        Assume(held <= 1 << len(address)),
        over.eq((unit.end != end) & (end[:-1] == address)),
        Assume((address != past(m, address, "older")) | over | past(m, over, "over")
               | (unit.read_data == past(m, unit.read_data, "data"))),
        Assert(~unit.o.valid | (unit.place != unit.end)),
    ]


def ring_counts(m: Module, unit: Any) -> None:
    """The counts of the buffer once more, and their order: taken, sent, held, at most the depth apart."""
    end, send, kept, known, ahead = (Signal(unit.count_bits, name=f"spec_{name}")
                                     for name in ("end", "send", "kept", "known", "ahead"))
    judged = Signal(name="spec_judged")
    sent, held = unit.o.valid & unit.o.ready, Signal.like(end)
    m.d.comb += [held.eq(end - kept),
                 Assume(~unit.rewind | ~(unit.take | judged | sent)), Assume(~judged | ~unit.take),
                 Assume(~judged | (unit.taken == past(m, unit.taken, "taken"))),
                 Assert(held <= 1 << unit.number_bits - 1), Assert((send - kept)[:len(end)] <= held)]
    m.d.sync += [known.eq(unit.taken - kept), ahead.eq(send - kept), judged.eq(unit.take & ~unit.clear)]
    with m.If(unit.clear):
        m.d.sync += [end.eq(0), send.eq(0), kept.eq(0)]
    with m.Else():
        m.d.sync += [end.eq(end + (unit.i.valid & unit.i.ready)), send.eq(Mux(unit.rewind, kept, send + sent))]
        with m.If(judged & (known <= ahead)):
            m.d.sync += kept.eq(unit.taken)


def steady_fields(m: Module, unit: Any) -> None:
    """The fields of a frame stay, and no session begins."""
    constant(m, unit.session, unit.turn, unit.held, unit.first)
    m.d.comb += Assume(~unit.opens)


def proofs() -> Iterator[Proof]:
    levels = {"input_planes": 1, "input_levels": 2, "input_maximum": 255}
    camera = "signum.hdl.camera."
    host = "signum.hdl.host."
    cases: tuple[tuple[str, dict[str, Any], str, Mutant, dict[str, Any]], ...] = (
        ("HDLCDecoder", {}, "", Mutant(f"{host}hdlc", "with m.If(self.i.valid & self.i.ready):",
                                       "with m.If(self.i.valid):"), {}),
        ("HDLCEncoder", {}, "", Mutant(f"{host}hdlc", "with m.Elif(self.o.ready):", "with m.Else():"),
         {"polite": False}),
        ("WordReader", {"depth": 4, "bits": 4}, "",
         Mutant(f"{host}word_reader", "taken.eq(self.o.valid & self.o.ready)", "taken.eq(self.o.valid)"),
         {"further": ring_inputs}),
        ("AnswerBuffer", {"number_bits": 3, "count_bits": 4, "bits": 4}, ", but for rewind and clear",
         Mutant(f"{host}answer_buffer", "with m.If(sent):\n            m.d.sync += send",
                "with m.If(self.o.valid):\n            m.d.sync += send"),
         {"excuse": lambda unit: unit.rewind | unit.clear, "further": ring_counts,
          "links": {f"unit.{name}": f"spec_{name}" for name in ("end", "send", "kept", "known", "ahead", "judged")}}),
        ("UARTReceiver", {"divisor": 4}, "", Mutant(
            f"{host}uart", "with m.If(self.o.valid & ~self.o.ready):", "with m.If(0):"), {"reach": 90}),
        ("AnswerText", {"bits": 6}, "",
         Mutant(f"{camera}answer_text", "with m.If(sent):\n                m.d.sync += place",
                "with m.If(self.o.valid):\n                m.d.sync += place"), {"steps": 60, "bounded": True}),
        ("FlashReader", {"address": 0, "wake_cycles": 1}, ", but for start",
         Mutant("signum.hdl.boot.flash_reader", "with m.Elif(self.o.ready):", "with m.Else():"),
         {"excuse": lambda unit: unit.start, "reach": 240, "slow": True}),
        ("PixelFormat", {"layout": lambda module: module.Format.YUYV}, ", YUYV", Mutant(
            f"{camera}pixel_format", "with m.If(i.valid & i.ready):", "with m.If(i.valid):"), {}),
        ("PixelFormat", {"layout": lambda module: module.Format.RGB565}, ", RGB565", Mutant(
            f"{camera}pixel_format", "with m.If(o.valid & o.ready & ~i.p.end):", "with m.If(o.valid & ~i.p.end):"), {}),
        ("Downscale", {"scaling": Scaling(frame_width=5, frame_height=4, left=1, top=1, width=2, height=1, box_width=2,
                                          box_height=2, channels=1, factor=1, shift=2, maximum=255)}, "",
         Mutant(f"{camera}downscale", "with m.If(~o.valid | o.ready):", "with m.If(1):"), {"reach": 40}),
        ("LanePacker", {"config": config_of(4, **levels)}, ", but for restart: 4 lanes",
         Mutant("signum.hdl.input.lane_packer", "self.advance.eq(~tags.full | self.o.ready)]", "self.advance.eq(1)]"),
         {"excuse": lambda unit: unit.restart}),
        ("LanePacker", {"config": config_of(3, **levels)}, ", but for restart: 3 lanes",
         Mutant("signum.hdl.input.lane_packer", "self.advance.eq(~tags.full | self.o.ready)]", "self.advance.eq(1)]"),
         {"excuse": lambda unit: unit.restart}),
        ("LanePacker", {"config": config_of(3, input_planes=3)}, ", but for restart: 3 lanes, 3 planes",
         Mutant("signum.hdl.input.lane_packer", "free.eq(~self.o.valid | self.o.ready)", "free.eq(1)"),
         {"excuse": lambda unit: unit.restart, "reach": 20}),
        ("AnswerUnit", {"config": config_of(4, **levels), "levels": 1}, "",
         Mutant("signum.hdl.output.answer_unit", "with m.If(sent):", "with m.If(self.answers.valid):"),
         {"further": answer_unit_inputs, "steps": 24, "bounded": True}),
        ("UDPLine", {}, "", Mutant(f"{host}udp_line", "with m.If(~full | self.sent.ready):", "with m.If(1):"),
         {"contents": False, "reach": 30}),
        ("ReceiveWindow", {"slots": 1, "slot_bytes": 64}, ", but for done and opens",
         Mutant(f"{host}receive_window", "fetch.eq(here & ((count == 0) | taken & (count == 1)))",
                "fetch.eq(self.i.valid)"),
         {"excuse": lambda unit: unit.done | unit.opens, "reach": 24, "contents": False}),
        ("FrameTransmitter", {"number_bits": 4, "answer_bits": 8, "slots": 2, "slot_bytes": 64},
         ", while the fields stay and no session begins",
         Mutant(f"{host}frame_transmitter", "crc.valid.eq(sent)", "crc.valid.eq(offered)"),
         {"further": steady_fields, "steps": 40, "bounded": True, "reach": 24, "slow": True}),
    )
    for kind, parameters, but, mutant, options in cases:
        excuse, further, polite = (options.pop(name, usual) for name, usual in (
            ("excuse", None), ("further", None), ("polite", True)))
        name = ", ".join(f"{key} {value}" for key, value in parameters.items() if isinstance(value, int | str))
        claim = f"a payload stays until it is taken{but}{'' if polite else ', whatever comes'}"
        yield SatProof(unit=kind, claim=f"{claim}: {name}" if name else claim, mutant=mutant,
                       bench=bench(kind, parameters, excuse, further, polite), **{"steps": 6, **options})


PROOFS = tuple(proofs())
