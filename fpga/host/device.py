"""Driver of a board: load a program once, infer batches, detect every reset and every wrong run."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from signum.golden.compiler.answers import answer_size, decode_answers
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.program import Program
from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.control.answer_geometry import answer_bits
from signum.hdl.host.bus import (
    DATA_BITS,
    MAGIC,
    VERSION,
    AddressMap,
    Control,
    Register,
    Status,
    config_fields,
    wrong_word,
)

from .link import BoardResetError, Link, LinkError

__all__ = ["Counters", "Device", "DeviceError"]

RELOADS = 3
PATIENCE = 1000             # polls of a running board
WIDEST_STEP_BITS = 12

T = TypeVar("T")


class DeviceError(RuntimeError):
    """A board without an accelerator, with another array, or unable to run the program; in one line."""


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

    The link repeats damaged and lost frames, and the board executes each once. A reset of the board ends the session of
    the link: the program is then loaded again, and the batch repeated. Every run must take the predicted cycles.

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
        self._cycles = 0
        link.open()
        self._step = self._register_step()
        link.following = lambda address: address + self._step
        self.config = self._read_config()
        link.follow(AddressMap(self.config))

    def _register_step(self) -> int:
        """Address step between registers: a register has as many equal addresses as an array word has slices."""
        [magic] = self.link.read([Register.MAGIC])
        if magic != MAGIC:
            raise DeviceError(f"the board must have an accelerator (magic {MAGIC:#010x}), not {magic:#010x}")
        for step in (1 << bits for bits in range(WIDEST_STEP_BITS)):
            [version] = self.link.read([Register.VERSION * step])
            if version == VERSION:
                return step
            if version != MAGIC:
                break
        raise DeviceError(f"the board must have hardware of version {VERSION}, not {version}: "
                          "build its bitstream again")

    def _registers(self, first: int, count: int) -> list[int]:
        return self.link.read([(first + i) * self._step for i in range(count)])

    def _control(self, bits: Control | int) -> tuple[int, int]:
        return Register.CONTROL * self._step, int(bits)

    def _read_config(self) -> ArrayConfig:
        places = config_fields()
        last = max(place.word for place in places.values())
        words = self._registers(Register.CONTROL, last + 1 - Register.CONTROL)
        try:
            return ArrayConfig(**{name: words[place.word - Register.CONTROL] >> place.offset & (1 << place.bits) - 1
                                  for name, place in places.items()})
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

    def attach(self, program: Program) -> None:
        """Use a program that the board has loaded from its flash.

        Raises
        ------
        DeviceError
            If the program is for another array, or the board takes no pixels.
        LinkError
            If the link fails.
        """
        self._expect_config(program.config)
        if not self._status()[0] & Status.STREAM:
            raise DeviceError("the board must have a program from its flash: a light that blinks tells why it has none")
        self.program = program
        self._cycles = predict_cycles(program.config, program.records)
        self._loaded = True

    def _expect_config(self, config: ArrayConfig) -> None:
        board, wanted = self.config.to_dict(), config.to_dict()
        if different := [name for name in wanted if board[name] != wanted[name]]:
            raise DeviceError("the program must be compiled for the board's array, which has " + ", ".join(
                f"{name} = {board[name]} and not {wanted[name]}" for name in different))

    def _again(self, action: Callable[[], T]) -> T:
        """Perform an action with the loaded program; after a reset of the board, load it again and repeat."""
        for _ in range(RELOADS):
            try:
                if not self._loaded:
                    self._load()
                    self._loaded = True
                return action()
            except BoardResetError as error:
                self._loaded = False
                self.reloads += 1
                self.link.open()
                why = error
        raise DeviceError(f"the board must keep its program, not lose it {RELOADS} times: {why}")

    def _await_idle(self) -> None:
        for _ in range(PATIENCE):
            if not self._status()[0] & Status.BUSY:
                return
        raise DeviceError("the board must be idle, not run on and on: reset it")

    def _await_end(self) -> None:
        """Wait for the end of a run, or for a fault: a wrong program may run on and on."""
        for _ in range(PATIENCE):
            status = self._status()[0]
            self._refuse_fault(status)
            if not status & Status.BUSY:
                return
        raise DeviceError("the board must be idle, not run on and on: reset it")

    def _refuse_fault(self, status: int | None = None) -> None:
        """DeviceError if the board has used a word with the wrong parity."""
        if not self.config.parity or not (self._status()[0] if status is None else status) & Status.FAULT:
            return
        [told] = self._registers(Register.PARITY, 1)
        self._loaded = False                # the next run loads everything again
        raise DeviceError(f"{wrong_word(told)} must have the right parity: a bit has flipped in the board's memory")

    def _load(self) -> None:
        program = self.program
        assert program
        if self.config.streams:
            self.link.write([self._control(0)])
        self._await_idle()
        if self.config.streams:             # answers of an earlier program are forgotten
            self.link.open()
        self.link.write(program.load_writes())
        self._run()
        if program.streams:
            self.link.write([self._control(Control.STREAM)])

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
            If no program is loaded, a run differs from the prediction, or has used a word with the wrong parity.
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
            If no such program is loaded, the images have another shape, or a word with the wrong parity was used.
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
        found: list[np.ndarray] = []
        try:
            self._again(lambda: self._stream(images, found, progress))
        except BoardResetError:
            raise
        except LinkError:
            self._refuse_fault()                                    # it lets no answer leave
            raise
        self._refuse_fault()
        return np.concatenate(found)

    def _stream(self, images: np.ndarray, found: list[np.ndarray], progress: Callable[[np.ndarray], None]) -> None:
        """Send the images that have no answer yet, and append their answers as they come."""
        program = self.program
        assert program
        done = sum(map(len, found))
        rest = images[done:]
        size, width = answer_size(program), -(-answer_bits(self.config) // 8)
        came = bytearray()

        def take(data: bytes) -> None:
            nonlocal came
            came += data
            if whole := len(came) // (size * width):
                numbers = np.frombuffer(bytes(came[:whole * size * width]), np.uint8).reshape(whole, size, width)
                came = came[whole * size * width:]
                wide = np.zeros((whole, size, DATA_BITS // 8), np.uint8)
                wide[..., :width] = numbers
                try:
                    found.append(decode_answers(program, wide.view("<u4")[..., 0]))
                except ValueError as error:
                    raise DeviceError(f"the board must give answers of the program: {error}") from None
                progress(found[-1])

        tail = [self._control(Control.STREAM | Control.FLUSH)] if len(rest) % program.images else []
        self.link.stream(rest.transpose(0, 2, 3, 1).tobytes(), len(rest) * size, width, tail, take)

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
        images = len(next(iter(maps.values())))
        self.link.write(program.input_writes(maps))
        self._start()
        if self.config.parity:
            self._await_end()
        words = self.link.read(program.result_reads(images))        # the accelerator lets them wait for the run's end
        self._expect_done()
        try:
            return program.results(images, words)
        except ValueError as error:
            raise DeviceError(f"the board must give results of the program: {error}") from None

    def _run(self) -> None:
        """Run the program, and wait for its end."""
        self._start()
        self._await_end()
        self._expect_done()

    def _start(self) -> None:
        self.link.write([self._control(Control.START)])

    def _expect_done(self) -> None:
        """Check that the run used no wrong word, and took the predicted cycles."""
        status, cycles, _ = self._status()
        self._refuse_fault(status)
        if cycles != self._cycles:
            raise DeviceError(f"a run must take {self._cycles} cycles, not {cycles}")

    def _status(self) -> list[int]:
        """Status, cycles and runs."""
        return self._registers(Register.STATUS, 3)

    def read_counters(self) -> Counters:
        """The counters of the board and of the link; LinkError if the link fails."""
        cycles, runs = self._registers(Register.CYCLES, 2)
        return Counters(cycles, runs, self.link.retries, self.reloads)

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
