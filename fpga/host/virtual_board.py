"""The virtual board: the board's top in Verilator and the host's end of its line."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from signum.fpga.flow.board_top import BoardTop
from signum.fpga.flow.boot import Boot
from signum.fpga.flow.camera_view import CameraView
from signum.fpga.flow.lines.board_line import WINDOW, BoardError, BoardLine, Window, verilog_with
from signum.fpga.flow.lines.ethernet_line import RGMII_CLOCK, Ethernet
from signum.fpga.flow.lines.serial_line import SerialPort, baud_divisor
from signum.hdl.array.popcount.table import TablePopcount
from signum.hdl.config import ArrayConfig
from signum.hdl.host.udp_line import MOST_BYTES
from signum.hdl.lib.emit import Target, to_verilog

from .model import Model
from .network import NetworkHost

__all__ = ["SENSOR_PINS", "HostEnd", "NetworkEnd", "SerialEnd", "VirtualBoard"]

NAME = "board"
CLOCK, BAUD = 1e5, 25_000       # four cycles a bit, the least; with a slow clock, silences are few cycles
LINE = SerialPort(BAUD)
STEP = 256
SHORT_STEP = 40
SENSOR_PINS = "camera_pclk", "camera_vsync", "camera_href", "camera_pins"


HOST_ADDRESS, HOST_PORT = "192.168.1.1", 40_000


class HostEnd(Protocol):
    """The host's end of a line."""

    @property
    def busy(self) -> bool:
        """Bytes are on their way."""

    def attach(self, model: Model) -> None:
        """Begin at the pins of a model, with nothing on its way."""

    def send(self, data: bytes) -> None:
        """Queue bytes."""

    def run(self, cycles: int, room: int) -> list[bytes]:
        """Run for some cycles, fewer once ``room`` bytes have come: the bytes, those of each packet apart."""


class SerialEnd:
    """The host's end of a serial line.

    Parameters
    ----------
    divisor : int
        Cycles a bit.
    """

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor

    def attach(self, model: Model) -> None:
        """Begin at the pins of a model, with nothing on its way."""
        self._model = model
        model["rx"] = 1

    @property
    def busy(self) -> bool:
        """Bytes are on their way."""
        return self._model.line_busy

    def send(self, data: bytes) -> None:
        """Queue bytes."""
        self._model.send(data)

    def run(self, cycles: int, room: int) -> list[bytes]:
        """Run for some cycles, fewer once ``room`` bytes have come: the bytes."""
        data = self._model.serial(cycles, self.divisor, room)
        return [data] if data else []


class NetworkEnd:
    """A host in the network of a board.

    Parameters
    ----------
    ethernet : Ethernet
        The board's place in it.
    clock : float
        Frequency of the board's clock in Hz.

    Members
    -------
    wire, wire_back : callable
        Datagrams that arrive in place of one that was sent, at the board and at the host; by default that one.
    """

    def __init__(self, ethernet: Ethernet, clock: float) -> None:
        self._clock = clock
        self.host = NetworkHost(address=HOST_ADDRESS, port=HOST_PORT, peer=ethernet.address, peer_port=ethernet.port,
                                peer_mac=ethernet.mac)
        self.wire: Callable[[bytes], list[bytes]] = lambda datagram: [datagram]
        self.wire_back = self.wire

    def attach(self, model: Model) -> None:
        """Begin at the pins of a model, with nothing on its way."""
        self._model = model
        model.network(self._clock / RGMII_CLOCK / 2)

    @property
    def busy(self) -> bool:
        """Frames are on their way."""
        return self._model.network_busy

    def send(self, data: bytes) -> None:
        """Queue bytes as datagrams, the longest that can be."""
        for start in range(0, len(data), MOST_BYTES):
            for datagram in self.wire(data[start:start + MOST_BYTES]):
                self._model.network_send(self.host.datagram(datagram))

    def run(self, cycles: int, room: int) -> list[bytes]:
        """Run for some cycles, fewer once ``room`` bytes have come: the payloads of datagrams."""
        end = self._model.cycles + cycles
        found, came = [], 0
        while self._model.cycles < end and came < room:
            frame = self._model.network_run(end - self._model.cycles)
            if not frame:
                continue
            payload, reply = self.host.take(frame)
            if reply:
                self._model.network_send(reply)
            if payload:
                found += self.wire_back(payload)
                came += len(payload)
        return found


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
    line : BoardLine
        The line to the host.
    end : HostEnd, optional
        The host's end of it; by default that of a serial line or of Ethernet.
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
        If the clock does not suit the line.
    ModelError
        If the board's top cannot be built.
    ToolError
        If Verilator or the compiler is missing.
    """

    def __init__(self, config: ArrayConfig, *, clock: float = CLOCK, line: BoardLine = LINE, end: HostEnd | None = None,
                 loader: int = 0, window: Window | None = None, boot: Boot | None = None, flash: bytes = b"",
                 camera: CameraView | None = None, seed: int = 1, verilog: str = "") -> None:
        self.config = config
        self.clock = clock
        self.line = line
        self.end: HostEnd
        if end:
            self.end = end
        elif isinstance(line, SerialPort):
            self.end = SerialEnd(baud_divisor(clock, line.baud))
        elif isinstance(line, Ethernet):
            self.end = NetworkEnd(line, clock)
        else:
            raise BoardError(f"line must be serial or Ethernet on a virtual board without an end, not {line.text}")
        self._verilog = verilog
        self._clocks: Mapping[str, float] = {}
        if not verilog:
            unit = line.unit(clock)
            self._clocks = unit.clocks
            target = None if config.signed else Target(popcount=TablePopcount.name)
            top = BoardTop(config=config, clock=clock, line=unit, loader=loader,
                           window=window or line.window or WINDOW, boot=boot, camera=camera)
            sources = {**line.sources(), **line.models()}
            self._verilog = verilog_with(sources, top, NAME, target) if sources else to_verilog(top, NAME, target)[0]
        self._flash, self._boot, self._camera = flash, boot, camera
        self._seed = seed
        self._past = 0
        self._inbox = b""
        self._model = self._powered()

    def _powered(self) -> Model:
        model = Model(self._verilog, NAME, seed=self._seed)
        if self._camera:
            model.wave_ports(SENSOR_PINS)
        for name, frequency in self._clocks.items():
            model.clock(f"{name}_clk", self.clock / frequency / 2)
        self.end.attach(model)
        if self._boot:
            model.flash(self._flash or b"\xFF", self._boot.wake_cycles(self.clock))
        model.reset()
        return model

    @property
    def cycles(self) -> int:
        """Cycles of the clock so far."""
        return self._past + self._model.cycles

    @property
    def busy(self) -> bool:
        """A program runs, or bytes are in transit."""
        return bool(self._model["busy"]) or self.end.busy

    def send(self, data: bytes) -> None:
        """Queue bytes for the line; they are sent while cycles pass."""
        self.end.send(data)

    def run(self, cycles: int, room: int = 4096) -> bytes:
        """Run for some cycles, fewer once ``room`` bytes were received; returns the received bytes."""
        return b"".join(self.end.run(cycles, room))

    def run_packets(self, cycles: int, room: int = 4096) -> list[bytes]:
        """As `run`, with the bytes of each datagram, or of a serial line, apart."""
        return self.end.run(cycles, room)

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
        while self.end.busy:
            self._inbox += self.run(SHORT_STEP)

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


