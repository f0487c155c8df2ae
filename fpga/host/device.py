"""Driver of a board: load a program once, infer batches, detect every reset and every wrong run."""

import dataclasses
import functools
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from signum.golden.compiler.answers import answer_size, decode_answers
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.program import Program
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.host.bus import (
    DATA_BITS,
    MAGIC,
    NUMBER_AT,
    RECEIVED_AT,
    VERSION,
    Control,
    Region,
    Register,
    Status,
)

from .link import Link, LinkError, bursts

__all__ = ["Counters", "Device", "DeviceError"]

RELOADS = 3
CANARY_WORDS = 32           # enough where words have one bit
PATIENCE = 1000             # polls of a running board
WIDEST_STEP_BITS = 12

T = TypeVar("T")


class DeviceError(RuntimeError):
    """A board without an accelerator, with another array, or unable to run the program; in one line."""


class BoardResetError(Exception):
    """The counters differ from the finished runs: the board lost its program."""


@dataclass(frozen=True)
class Counters:
    """Counters of a board and of its link.

    Members
    -------
    cycles : int
        Cycles of the last run.
    runs : int
        Runs since the board's reset, modulo 256.
    retries : int
        Repeated frames.
    reloads : int
        Reloads of the program after resets of the board.
    """

    cycles: int
    runs: int
    retries: int
    reloads: int


class Device:
    """An accelerator behind a link.

    The link repeats damaged and lost frames. The board's counters of runs and cycles reveal a reset: unless they equal
    the program's, the results are rejected and the program is loaded again. The board's count of cycles limits a run:
    it must advance, and end at the predicted value.

    Parameters
    ----------
    link : Link
        Link to `fpga.flow.board_top.BoardTop`; ``close`` closes its transport.

    Members
    -------
    config : ArrayConfig
        Configuration of the board's array, read from the board.

    Raises
    ------
    LinkError
        If the board does not respond.
    DeviceError
        If the board has no accelerator of this version.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.program: Program | None = None
        self.reloads = 0
        self._loaded = False
        self._cycles = self._runs = 0
        link.settle()
        self._step = self._register_step()
        self.config = self._read_config()

    def _register_step(self) -> int:
        """Address step between registers: a register has as many equal addresses as an array word has slices."""
        [magic] = self.link.read(Register.MAGIC, 1)
        if magic != MAGIC:
            raise DeviceError(f"the board must have an accelerator (magic {MAGIC:#010x}), not {magic:#010x}")
        for step in (1 << bits for bits in range(WIDEST_STEP_BITS)):
            [version] = self.link.read(Register.VERSION * step, 1)
            if version == VERSION:
                return step
            if version != MAGIC:
                break
        raise DeviceError(f"the board must have hardware of version {VERSION}, not {version}: "
                          "build its bitstream again")

    def _registers(self, first: int, count: int) -> list[int]:
        step = self._step
        return self.link.read(first * step, (count - 1) * step + 1)[::step]

    def _read_config(self) -> ArrayConfig:
        names = [field.name for field in dataclasses.fields(ArrayConfig)]
        try:
            return ArrayConfig(**dict(zip(names, self._registers(Register.CONFIG, len(names)), strict=True)))
        except ConfigError as error:
            raise DeviceError(f"the board must tell a configuration that there can be: {error}") from None

    def load(self, program: Program) -> None:
        """Load a program into the board, and run it once on undefined inputs.

        Raises
        ------
        DeviceError
            If the program is for another array (the message names the fields), or does not run as predicted.
        LinkError
            If the link fails.
        """
        self._expect_config(program.config)
        self.program = program
        self._cycles = predict_cycles(program.config, program.records)
        self._loaded = False
        self._again(lambda: None)

    def _expect_config(self, config: ArrayConfig) -> None:
        board, wanted = self.config.to_dict(), config.to_dict()
        if different := [name for name in wanted if board[name] != wanted[name]]:
            raise DeviceError("the program must be compiled for the board's array, which has " + ", ".join(
                f"{name} = {board[name]} and not {wanted[name]}" for name in different))

    def _again(self, action: Callable[[], T]) -> T:
        """Perform an action with the loaded program; after a loss of the program, reload it and repeat."""
        for _ in range(RELOADS):
            try:
                if not self._loaded:
                    self._load()
                return action()
            except BoardResetError as error:
                self._loaded = False
                self.reloads += 1
                why = error
        raise DeviceError(f"the board must keep its program, not lose it {RELOADS} times: {why}")

    def _await_idle(self) -> None:
        for _ in range(PATIENCE):
            status, _, self._runs = self._status()
            if not status & Status.BUSY:
                return
        raise DeviceError("the board must be idle, not run on and on: reset it")

    def _fill(self, places: Sequence[int], bits: int, writes: Iterable[tuple[int, int]]) -> None:
        """Write memories, after random words of ``bits`` bits at ``places`` that the writes leave unchanged.

        All memories are lost together: if the first written words are intact, the others are as well.
        """
        canary = [secrets.randbits(bits) for _ in places]
        self._write(zip(places, canary, strict=True))
        self._write(writes)
        if self._read(places) != canary:
            raise BoardResetError("words that were written are lost")

    def _load(self) -> None:
        program = self.program
        assert program
        if self.config.streams:
            self.link.write(Register.CONTROL * self._step, [0])
        self._await_idle()
        first = next(iter(program.inputs.values())).place.addresses[:CANARY_WORDS].tolist()
        places = [program.address_map.address(Region.ACTIVATIONS, word=word) for word in first]
        self._fill(places, min(DATA_BITS, program.config.word_bits), program.load_writes())
        # from now on the counters equal the program's, unlike after a reset
        self._run()
        if program.streams:
            self.link.write(Register.CONTROL * self._step, [Control.STREAM])
        self._loaded = True

    def infer(self, maps: Mapping[str, np.ndarray],
              progress: Callable[[np.ndarray], None] = lambda found: None) -> np.ndarray:
        """Run the program on input maps of any number of images.

        Parameters
        ----------
        maps : mapping of str to array
            Bool or uint8 (B, H, W, C), for `Program.input_writes`.
        progress : callable
            Called with the results of each run.

        Returns
        -------
        array
            Result of `Program.results`: integers (B, pixels, channels), or elements (B, H, W, C).

        Raises
        ------
        DeviceError
            If no program is loaded, or a run differs from the prediction.
        LinkError
            If the link fails.
        """
        if self.program is None:
            raise DeviceError("a program must be loaded before infer is called")
        if self.program.streams:
            raise DeviceError("a program that reads maps must be loaded before infer is called, not one of pixels")
        shapes = {name: entry.shape for name, entry in self.program.inputs.items()}
        self._check_maps({name: (shape.height, shape.width, shape.channels) for name, shape in shapes.items()}, maps)
        found = []
        for batch in batches(maps, self.program.images):
            found.append(self._again(functools.partial(self._infer_batch, batch)))
            progress(found[-1])
        return np.concatenate(found)

    def answer(self, images: np.ndarray, progress: Callable[[np.ndarray], None] = lambda found: None) -> np.ndarray:
        """The board's answers to images, by a program that takes pixels.

        Parameters
        ----------
        images : array
            `golden.layers.encoder.Encoder.values` of the images: uint8 (B, C, H, W).
        progress : callable
            Called with the answers of each run.

        Returns
        -------
        array
            See `golden.compiler.answers.decode_answers`.

        Raises
        ------
        DeviceError
            If no such program is loaded, or the images have another shape.
        LinkError
            If the link fails.
        """
        if self.program is None or not self.program.streams:
            raise DeviceError("a program that takes pixels must be loaded before answer is called")
        (shape, *_) = (entry.shape for entry in self.program.inputs.values())
        channels = shape.channels // (self.config.input_levels or 1)
        if images.dtype != np.uint8 or images.shape[1:] != (channels, shape.height, shape.width) or not len(images):
            raise DeviceError(f"the images must be uint8 (B, {channels}, {shape.height}, {shape.width}) with B of at "
                              f"least 1, not {images.dtype} {images.shape}")
        found = []
        for start in range(0, len(images), self.program.images):
            found.append(self._again(functools.partial(self._answer_batch, images[start:][:self.program.images])))
            progress(found[-1])
        return np.concatenate(found)

    def _answer_batch(self, images: np.ndarray) -> np.ndarray:
        """Send a batch and take its answers; after a loss of the program nothing of it is left on the board."""
        program = self.program
        assert program
        for image in images:
            self._send_image(image.transpose(1, 2, 0).tobytes())
        if len(images) < program.images:
            self.link.write(Register.CONTROL * self._step, [Control.STREAM | Control.FLUSH])
        size = answer_size(program)
        numbers = [self._take_number() for _ in range(len(images) * size)]
        self._stream_status()               # a board that was reset gives numbers of no answer
        return decode_answers(program, np.array(numbers).reshape(len(images), size))

    def _send_image(self, values: bytes) -> None:
        """Send an image, again from its begin where a part fails, until the board's count tells that it has it."""
        before = self._stream_status(lambda status: not status & Status.WAIT) >> RECEIVED_AT & 0xFF
        for attempt in range(self.link.attempts):
            try:
                self.link.send_pixels(values)
                return
            except LinkError:
                if attempt == self.link.attempts - 1:
                    raise
            if (self._stream_status() >> RECEIVED_AT) - before & 0xFF:
                return

    def _take_number(self) -> int:
        """The next number of an answer."""
        status = self._stream_status(lambda status: status & Status.ANSWER)
        value, = self._registers(Register.ANSWER, 1)
        self.link.write(Register.ANSWER * self._step, [status >> NUMBER_AT])
        return value

    def _stream_status(self, wanted: Callable[[int], int | bool] = lambda status: True) -> int:
        """The status of a board that takes pixels, once it is as wanted; BoardResetError if it was reset."""
        for _ in range(PATIENCE):
            status, = self._registers(Register.STATUS, 1)
            if not status & Status.STREAM:
                raise BoardResetError("it does not take pixels any more")
            if wanted(status):
                return status
        raise DeviceError("the board must answer an image, not run on and on: reset it")

    @staticmethod
    def _check_maps(shapes: Mapping[str, tuple[int, ...]], maps: Mapping[str, np.ndarray]) -> None:
        if maps.keys() != shapes.keys():
            raise DeviceError(f"the input maps must be {', '.join(shapes)}, not {', '.join(maps)}")
        counts = {len(elements) for elements in maps.values()}
        if len(counts) != 1 or 0 in counts:
            raise DeviceError(f"the input maps must be of one number of images, at least 1, not {sorted(counts)}")
        for name, elements in maps.items():
            if elements.shape[1:] != shapes[name]:
                raise DeviceError(f"input map {name} must be (B, {', '.join(map(str, shapes[name]))}), "
                                  f"not {elements.shape}")

    def _infer_batch(self, maps: dict[str, np.ndarray]) -> np.ndarray:
        program = self.program
        assert program
        self._write(program.input_writes(maps))
        self._expect_done(*self._status())
        self._run()
        images = len(next(iter(maps.values())))
        words = self._read(program.result_reads(images))
        self._expect_done(*self._status())
        try:
            return program.results(images, words)
        except ValueError as error:         # what passed a link that does not check
            raise DeviceError(f"the results must be the array's: {error}") from error

    def _run(self) -> None:
        """Start the program once, and wait for its end."""
        begun = self._runs + 1 & 0xFF
        for _ in range(self.link.attempts):
            try:
                self._start()
                break
            except LinkError as error:          # the count of runs shows whether it started
                why = error
                if self._status()[2] != self._runs:
                    break
        else:
            raise why
        self._runs = begun
        last = -1
        while True:
            status, cycles, runs = self._status()
            if not status & Status.BUSY or runs != begun:
                return self._expect_done(status, cycles, runs)
            if not last < cycles <= self._cycles:
                raise DeviceError(f"a run must go on, and end after {self._cycles} cycles, not be at {cycles}")
            last = cycles

    def _start(self) -> None:
        self.link.write(Register.CONTROL * self._step, [Control.START], attempts=1)

    def _expect_done(self, status: int, cycles: int, runs: int) -> None:
        """Check that the last run of the board was this program's, and that the board was not reset since."""
        if (status & Status.BUSY, cycles, runs) != (0, self._cycles, self._runs):
            raise BoardResetError(f"it had {cycles} cycles in run {runs} instead of {self._cycles} in run {self._runs}")

    def _status(self) -> list[int]:
        """Status, cycles and runs."""
        return self._registers(Register.STATUS, 3)

    def read_counters(self) -> Counters:
        """The counters of the board and of the link; LinkError if the link fails."""
        cycles, runs = self._registers(Register.CYCLES, 2)
        return Counters(cycles, runs, self.link.retries, self.reloads)

    def _write(self, writes: Iterable[tuple[int, int]]) -> None:
        for address, words in bursts(writes):
            self.link.write(address, words)

    def _read(self, addresses: Iterable[int]) -> list[int]:
        words: list[int] = []
        for address, places in bursts((address, address) for address in addresses):
            words += self.link.read(address, len(places))
        return words

    def close(self) -> None:
        """Close the link's transport."""
        self.link.close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def batches(maps: Mapping[str, np.ndarray], size: int) -> Iterator[dict[str, np.ndarray]]:
    """Maps of up to ``size`` images at a time."""
    for start in range(0, len(next(iter(maps.values()))), size):
        yield {name: elements[start:start + size] for name, elements in maps.items()}
