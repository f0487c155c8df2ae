"""The virtual board: the board's top in Verilator and the host's end of its serial line."""

from math import ceil

import numpy as np

from signum.fpga.flow.board_top import WINDOW, BoardTop, Boot, CameraView, Window, baud_divisor
from signum.hdl.array.popcount.table import TablePopcount
from signum.hdl.config import ArrayConfig
from signum.hdl.lib.emit import Target, to_verilog

from .model import Model

__all__ = ["SENSOR_PINS", "VirtualBoard"]

NAME = "board"
CLOCK, BAUD = 1e5, 25_000       # four cycles a bit, the least; with a slow clock, silences are few cycles
STEP = 256
SENSOR_PINS = "camera_pclk", "camera_vsync", "camera_href", "camera_pins"


class VirtualBoard:
    """A `fpga.flow.board_top.BoardTop` in Verilator, and a `fpga.host.link.Transport` to its pins, in seconds of the
    board's clock.

    A binary array counts by table (`TablePopcount`), which simulates four times as fast as the gates of a build; by the
    contract test of the structures, all give the same values in the same cycles.

    Parameters
    ----------
    config : ArrayConfig
    clock : float
        Nominal frequency in Hz, by which cycles count as seconds.
    baud : int
        Bits a second.
    loader : int
        Words of the loader; 0 for none.
    window : Window
        The buffers of the bridge.
    boot : Boot, optional
        See `BoardTop`.
    flash : bytes
        Contents of the flash, asleep at power-up; with ``boot``.
    camera : CameraView, optional
        See `BoardTop`. The sensor's bus is not simulated: it acknowledges everything.
    seed : int
        Seed of the values of registers without an initial value.
    verilog : str
        A form of the board's top with the same ports, for example its netlist (see `fpga.host.netlist_board`). By
        default the emitted top.

    Raises
    ------
    BoardError
        If the clock cannot produce the baud rate.
    ModelError
        If the board's top cannot be built.
    ToolError
        If Verilator or the compiler is missing.
    """

    def __init__(self, config: ArrayConfig, *, clock: float = CLOCK, baud: int = BAUD, loader: int = 0,
                 window: Window = WINDOW, boot: Boot | None = None, flash: bytes = b"",
                 camera: CameraView | None = None, seed: int = 1, verilog: str = "") -> None:
        self.config = config
        self.clock = clock
        self.divisor = baud_divisor(clock, baud)
        target = None if config.signed else Target(popcount=TablePopcount.name)
        self._verilog = verilog or to_verilog(
            BoardTop(config=config, clock=clock, baud=baud, loader=loader, window=window, boot=boot, camera=camera),
            NAME, target)[0]
        self._flash, self._boot, self._camera = flash, boot, camera
        self._seed = seed
        self._past = 0
        self._inbox = b""
        self._model = self._powered()

    def _powered(self) -> Model:
        model = Model(self._verilog, NAME, seed=self._seed)
        if self._camera:
            model.wave_ports(SENSOR_PINS)
        else:
            model["rx"] = 1
        if self._boot:
            model.flash(self._flash or b"\xFF", ceil(self._boot.wake * self.clock))
        model.reset()
        return model

    @property
    def cycles(self) -> int:
        """Cycles of the clock so far."""
        return self._past + self._model.cycles

    @property
    def busy(self) -> bool:
        """A program runs, or bytes are in transit."""
        return bool(self._model["busy"]) or self._model.line_busy

    def send(self, data: bytes) -> None:
        """Queue bytes for the line; they are sent while cycles pass."""
        self._model.send(data)

    def run(self, cycles: int, room: int = 4096) -> bytes:
        """Run for some cycles, fewer once ``room`` bytes were received; returns the received bytes."""
        return self._model.serial(cycles, self.divisor, room)

    def show(self, steps: np.ndarray) -> None:
        """Append to the wave at the sensor's pins; see `Model.wave`, with the ports `SENSOR_PINS`."""
        self._model.wave(steps)

    @property
    def shown(self) -> bool:
        """The wave has ended."""
        return self._model.wave_left == 0

    def output(self, name: str) -> int:
        """The level of an output of the board's top."""
        return self._model[name]

    def write(self, data: bytes) -> None:
        """Send bytes; returns once they are sent."""
        self.send(data)
        while self._model.line_busy:
            self._inbox += self.run(10 * self.divisor)

    def read(self, timeout: float) -> bytes:
        """The bytes that are there, or those that come within the first cycles in which any do; none once ``timeout``
        seconds of the board have passed."""
        end = self.cycles + round(timeout * self.clock)
        while not self._inbox and self.cycles < end:
            self._inbox += self.run(min(STEP, end - self.cycles))
        data, self._inbox = self._inbox, b""
        return data

    def reset(self) -> None:
        """Pulse the reset: registers take their initial values, memories keep their contents."""
        self._model.reset()

    def power_cycle(self) -> None:
        """Switch the board off and on: all state is lost, bytes in transit as well."""
        self._past += self._model.cycles
        self._model.close()
        self._seed += 1
        self._model = self._powered()

    def close(self) -> None:
        """Free the model."""
        self._model.close()


