"""Write-list DMA: a memory of bus writes, sent to the accelerator without the host.

Weights that exceed the banks come from this memory while the array runs. It holds sequences of 32-bit words. A sequence
is a list of runs, followed by a 0:

=======  =====================================================================
word     meaning
=======  =====================================================================
0        n, the words of the run
1        bus address of the first; the next ones are `AddressMap.following`
2        n words, written there in turn
=======  =====================================================================

A sequence may contain the write that starts a program. While a program runs, the accelerator takes writes of weights,
and these continue; the first other write waits for the program's end, and requests of the host overtake it.
"""

import enum
from abc import abstractmethod
from collections.abc import Mapping

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Member, Out
from amaranth.utils import bits_for

from signum.hdl.config import ArrayConfig

from .bus import DATA_BITS, AddressMap, Region, bus_signature
from .bus_interface import following, split_address

__all__ = ["SPRAM_WORDS", "UP5K_WORDS", "LoaderMap", "LoaderMemory", "LoaderRegister", "WriteListDMA",
           "WriteListSender"]

SPRAM_BITS = 16
ADDRESS_BITS = 14
SPRAM_WORDS = 1 << ADDRESS_BITS
UP5K_WORDS = 2 * SPRAM_WORDS
"""Words of 32 bits in the four single-port RAMs of an UP5K."""


class LoaderRegister(enum.IntEnum):
    """Registers, at words above the memory."""

    DEPTH = 0       # read only: words of the memory; 0 of a flash that was refused
    BEGIN = 1       # a write begins the sequence at the written address; reads 1 while a sequence runs


class Step(enum.IntEnum):
    """Kind of the current word of a sequence."""

    COUNT = 0
    ADDRESS = 1
    WORDS = 2


class LoaderMap:
    """Addresses on the host's side of a loader: the accelerator's below, those of memory and registers above.

    The register addresses do not depend on the depth, so a host can read the depth; a board without a loader ignores
    the upper bits.

    Members
    -------
    address_bits : int
        Width of an address on the host's side.
    """

    address_bits = 32
    OWN, REGISTERS = 1 << 31, 1 << 30

    @classmethod
    def word(cls, at: int) -> int:
        """Bus address of a word of the memory."""
        return cls.OWN | at

    @classmethod
    def register(cls, register: LoaderRegister) -> int:
        """Bus address of a register."""
        return cls.OWN | cls.REGISTERS | register


class LoaderMemory(wiring.Component):
    """A single-port memory: ``word`` is the word at the ``address`` of the previous cycle, unless this cycle wrote.

    The initial contents are undefined.

    Parameters
    ----------
    depth : int
        Words of 32 bits.
    spram : bool
        Use the UP5K's single-port RAMs (SB_SPRAM256KA: 16,384 words of 16 bits), two in parallel.
    """

    def __init__(self, *, depth: int, spram: bool = False) -> None:
        self.depth = depth
        self.spram = spram
        super().__init__({
            "address": In(bits_for(depth - 1)),
            "data": In(DATA_BITS),
            "write": In(1),
            "word": Out(DATA_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.spram:
            self._single_port(m)
            return m
        m.submodules.memory = memory = Memory(shape=DATA_BITS, depth=self.depth, init=[])
        reader, writer = memory.read_port(), memory.write_port()
        m.d.comb += [
            reader.addr.eq(self.address),
            writer.addr.eq(self.address),
            writer.data.eq(self.data),
            writer.en.eq(self.write),
            self.word.eq(reader.data),
        ]
        return m

    def _single_port(self, m: Module) -> None:
        at, bank = Signal(ADDRESS_BITS), self.address[ADDRESS_BITS:]
        m.d.comb += at.eq(self.address)
        words = []
        for b in range(1 << len(bank)):
            halves = [Signal(SPRAM_BITS, name=f"word_{b}_{h}") for h in range(DATA_BITS // SPRAM_BITS)]
            for h, half in enumerate(halves):
                m.submodules[f"spram_{b}_{h}"] = Instance(
                    "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_ADDRESS=at, o_DATAOUT=half,
                    i_DATAIN=self.data.word_select(h, SPRAM_BITS), i_MASKWREN=Const(0b1111, 4), i_WREN=self.write,
                    i_CHIPSELECT=bank == b if len(bank) else Const(1), i_STANDBY=Const(0), i_SLEEP=Const(0),
                    i_POWEROFF=Const(1))         # low is off
            words.append(Cat(halves))
        word: Value = words[0]
        if len(bank):
            before = Signal(len(bank))
            m.d.sync += before.eq(bank)
            word = Choice(words)[before]
        m.d.comb += self.word.eq(word)


class WriteListSender(wiring.Component):
    """Connects a host to an accelerator, and sends the writes of sequences of words. Requests of the host pass through,
    except requests to the loader. The words come from a subclass: a memory, or a flash.

    Each request of the host delays a sequence by some cycles. Beginning a sequence ends the running one.

    Parameters
    ----------
    config : ArrayConfig
        Of the accelerator.
    depth : int
        Words, a power of two of at least 2.
    pins : mapping of str to member
        Further members.

    Members
    -------
    bus : In(bus_signature(LoaderMap.address_bits))
        From the host.
    target : Out(bus_signature)
        To the accelerator.
    target_busy : In(1)
        The accelerator's ``busy``.
    busy : Out(1)
        A sequence or the accelerator runs.

    Raises
    ------
    ValueError
        If ``depth`` is not a power of two of at least 2.
    """

    def __init__(self, *, config: ArrayConfig, depth: int, pins: Mapping[str, Member]) -> None:
        if not isinstance(depth, int) or depth < 2 or depth & depth - 1:
            raise ValueError(f"depth must be a power of two of at least 2, not {depth!r}")
        self.inner = AddressMap(config)
        self.depth = depth
        super().__init__({
            "bus": In(bus_signature(LoaderMap.address_bits)),
            "target": Out(bus_signature(self.inner.address_bits)),
            "target_busy": In(1),
            "busy": Out(1),
            **pins,
        })

    @abstractmethod
    def words(self, m: Module) -> None:
        """Drive ``word`` and ``here`` from ``begin`` and ``on``, and ``word`` and ``found`` from ``take``."""

    def depth_told(self) -> Value | int:
        """The value of `LoaderRegister.DEPTH`."""
        return self.depth

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.word = Signal(DATA_BITS)
        self.here = Signal()                            # the word is valid
        self.on = Signal()                              # advance to the next word
        self.begin = Signal()                           # the next word is that at the data of the host's request
        self.take = Signal()                            # the host accesses the loader
        self.found = Signal()                           # the word is that of the host's read, which was taken before
        self.pending = Signal()                         # the host's read was taken, and its word is not yet there
        self.of_registers = Signal()                    # the host's request is to a register
        self.going = Signal()
        self.step = Signal(Step)
        self.offered, self.sent = Signal(), Signal()    # the word is offered to be written; is taken
        self.address = Signal(self.inner.address_bits)
        self.kept = Signal()                            # the word was offered before, and waits
        m.d.comb += self.busy.eq(self.going | self.target_busy)
        self._sequence(m)
        self._requests(m)
        self.words(m)
        return m

    def _sequence(self, m: Module) -> None:
        """Interpret the words of a sequence."""
        word, layout = self.word, self.inner
        left, last = Signal(range(self.depth)), Signal()        # words of the run left to send; one is left
        *_, region = split_address(layout, self.address)
        m.d.sync += last.eq(left == 1)                          # in time, since each word takes two cycles
        with m.If(self.going & self.here), m.Switch(self.step):
            with m.Case(Step.COUNT):
                m.d.comb += self.on.eq(1)
                m.d.sync += [left.eq(word), self.step.eq(Step.ADDRESS)]
                with m.If(word[:len(left)] == 0):
                    m.d.sync += [self.going.eq(0), self.step.eq(Step.COUNT)]
            with m.Case(Step.ADDRESS):
                m.d.comb += self.on.eq(1)
                m.d.sync += [self.address.eq(word), self.step.eq(Step.WORDS)]
            with m.Case(Step.WORDS):
                may = ~self.target_busy | (region == Region.WEIGHTS)
                m.d.comb += [self.offered.eq(may | self.kept), self.on.eq(self.sent)]
                with m.If(self.sent):
                    m.d.sync += [left.eq(left - 1), self.address.eq(following(m, layout, self.address))]
                    with m.If(last):
                        m.d.sync += self.step.eq(Step.COUNT)

    def _requests(self, m: Module) -> None:
        """Arbitrate the accelerator's bus and the memory: an offered request stays until it is taken, and the other
        side is next. The sequence depends on no signal of the host in the same cycle."""
        request, target = self.bus.request, self.target.request
        own, of_registers = request.p.address[-1], self.of_registers
        mine = Signal()                                 # the sequence's word is offered to the accelerator
        through, waits = Signal(), Signal()             # the host's request is offered; was offered and not taken
        seen = Signal()                                 # the host's request is to the loader
        take = self.take
        outside, inside = self._responses(m)
        reads = ~request.p.write & (outside | inside)
        m.d.comb += [
            mine.eq(self.offered & ~waits),
            self.sent.eq(mine & target.ready),
            through.eq(request.valid & ~own & ~reads & ~mine),
            of_registers.eq(request.p.address[-2]),
            take.eq(seen & ~self.offered),
            self.begin.eq(take & of_registers & request.p.write & (request.p.address[0] == LoaderRegister.BEGIN)),
            target.valid.eq(mine | through),
            target.p.write.eq(mine | request.p.write),
            target.p.address.eq(Mux(mine, self.address, request.p.address)),
            target.p.data.eq(Mux(mine, self.word, request.p.data)),
            request.ready.eq(take | through & target.ready),
        ]
        m.d.sync += [
            self.kept.eq(mine & ~target.ready),
            waits.eq(through & ~target.ready),
            seen.eq(request.valid & own & ~reads & ~take & ~self.pending),
        ]
        with m.If(self.begin):
            m.d.sync += [self.going.eq(1), self.step.eq(Step.COUNT)]

    def _responses(self, m: Module) -> tuple[Signal, Signal]:
        """Responses to the host's reads; returns whether the accelerator's response is pending, the loader's."""
        request, response, target = self.bus.request, self.bus.response, self.target.response
        outside, inside = Signal(), Signal()
        asked, register, ready = Signal(), Signal(2), Signal()
        word = Signal(DATA_BITS)
        m.d.comb += self.pending.eq(asked & ~register[1] & ~self.found)
        m.d.sync += asked.eq(self.take & ~request.p.write | self.pending)
        with m.If(~self.pending):
            m.d.sync += register.eq(Cat(request.p.address[0], self.of_registers))
        with m.If(asked & ~self.pending):
            m.d.sync += ready.eq(1)
            with m.Switch(register):
                with m.Case(0b10 | LoaderRegister.DEPTH):
                    m.d.sync += word.eq(self.depth_told())
                with m.Case(0b10 | LoaderRegister.BEGIN):
                    m.d.sync += word.eq(self.going)
                with m.Default():
                    m.d.sync += word.eq(self.word)
        with m.Elif(response.ready):
            m.d.sync += ready.eq(0)
        m.d.comb += [
            inside.eq(asked | ready),
            response.valid.eq(ready | target.valid),
            response.payload.eq(Mux(ready, word, target.payload)),
            target.ready.eq(response.ready & ~ready),
        ]
        with m.If(request.valid & request.ready & ~request.p.write & ~request.p.address[-1]):
            m.d.sync += outside.eq(1)
        with m.Elif(target.valid & target.ready):
            m.d.sync += outside.eq(0)
        return outside, inside


class WriteListDMA(WriteListSender):
    """A `WriteListSender` of a memory of its own, which the host writes and reads.

    A sequence takes two cycles a word, the rate of the accelerator, or more where the accelerator waits.

    Parameters
    ----------
    config : ArrayConfig
        Of the accelerator.
    depth : int
        Words of the memory, a power of two of at least 2.
    spram : bool
        See `LoaderMemory`.

    Members
    -------
    bus, target, target_busy, busy
        See `WriteListSender`.

    Raises
    ------
    ValueError
        If ``depth`` is not a power of two of at least 2.
    """

    def __init__(self, *, config: ArrayConfig, depth: int, spram: bool = False) -> None:
        super().__init__(config=config, depth=depth, pins={})
        self.memory = LoaderMemory(depth=depth, spram=spram)

    def words(self, m: Module) -> None:
        m.submodules.memory = memory = self.memory
        request, take = self.bus.request, self.take
        cursor = Signal.like(memory.address)            # address of the memory's output word
        m.d.comb += [
            memory.address.eq(Mux(take, request.p.address, cursor)),
            memory.data.eq(request.p.data),
            memory.write.eq(take & ~self.of_registers & request.p.write),
            self.word.eq(memory.word),
            self.found.eq(1),
        ]
        m.d.sync += [cursor.eq(cursor + self.on), self.here.eq(~self.on & ~take)]
        with m.If(self.begin):
            m.d.sync += [cursor.eq(request.p.data), self.here.eq(0)]
