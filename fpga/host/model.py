"""A Verilated module as a library of this process: no simulator around it, and Python only between runs of cycles."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from signum.hdl.lib.folders import BUILD

from .verilate import BuildError, compilers, digest, keep, module_ports, verilate

__all__ = ["Model", "ModelError", "build_model"]

MODELS = BUILD / "model"
SOURCE = Path(__file__).with_name("model.cpp")
VERILATE = ("--prefix", "Vmodel", "-O3", "--noassert", "--x-assign", "fast", "--x-initial", "unique", "-Wno-WIDTH",
            "-LDFLAGS", "-shared", "-o", "model.so")
OPTIMISE = "-O1"         # -O2 takes half as long again to compile and gains a tenth
LONGEST_FRAME = 2048
MOST_LEVELS = 1024      # of a USB packet of 64 bytes
STEP = 1 << 20          # cycles after which Python may be interrupted


class ModelError(RuntimeError):
    """A failed build of a module, or a timeout of its simulation; in one line."""


def build_model(verilog: str, top: str, *, store: Path = MODELS) -> Path:
    """The shared library of a module. It is built once, and kept in ``store`` by a digest of its inputs.

    Raises
    ------
    ModelError
        If Verilator or the compiler refuses it.
    ToolError
        If one of them is missing.
    """
    source = SOURCE.read_text()

    def make(folder: Path) -> None:
        paths = [folder / f"{top}.v", folder / "model.cpp"]
        paths[0].write_text(verilog)
        paths[1].write_text(source)
        (folder / "ports.h").write_text("#define PORTS(P) " + " ".join(
            f'P("{name}", {name.replace("__", "___05F")}, {int(port.is_input)})'
            for name, port in module_ports(verilog, top).items()) + "\n")
        verilate(folder, paths, top, VERILATE, optimise=OPTIMISE)

    try:
        return keep(store / f"{top}-{digest(verilog, source, VERILATE, OPTIMISE, compilers())}", make) / "model.so"
    except BuildError as error:
        raise ModelError(str(error)) from None


SIGNATURES = {
    "model_new": (ctypes.c_void_p, ctypes.c_uint32),
    "model_free": (None, ctypes.c_void_p),
    "model_coverage": (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p),
    "model_port": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
    "model_port_bytes": (ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p),
    "model_memory": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p),
    "model_count": (ctypes.c_uint64, ctypes.c_void_p),
    "model_settle": (None, ctypes.c_void_p),
    "model_cycles": (None, ctypes.c_void_p, ctypes.c_uint64),
    "model_until": (ctypes.c_int64, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64),
    "model_bus": (ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p,
                  ctypes.c_uint64),
    "model_send": (None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64),
    "model_line_busy": (ctypes.c_int, ctypes.c_void_p),
    "model_clock": (None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_double),
    "model_cable": (None, ctypes.c_void_p),
    "model_cable_play": (None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_uint64),
    "model_cable_listen": (ctypes.c_int64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p,
                           ctypes.c_uint64),
    "model_network": (None, ctypes.c_void_p, ctypes.c_double),
    "model_network_send": (None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64),
    "model_network_busy": (ctypes.c_int, ctypes.c_void_p),
    "model_network_run": (ctypes.c_int64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_uint64),
    "model_flash": (None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64),
    "model_wave_ports": (None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64),
    "model_wave": (None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64),
    "model_wave_left": (ctypes.c_uint64, ctypes.c_void_p),
    "model_serial": (ctypes.c_int64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_char_p,
                     ctypes.c_uint64),
}


def _load(library: Path) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(library))
    for name, (result, *arguments) in SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class Model:
    """A module with the clock ``clk`` and the reset ``rst``, as `hdl.lib.emit` writes it. It begins out of reset, with
    inputs of 0 and registers of random values where the Verilog gives none.

    Parameters
    ----------
    verilog : str
        Text with the module.
    top : str
        Its name.
    seed : int
        Of the random values; positive.
    store : Path
        Where its library is kept.

    Members
    -------
    ports : dict of str to Port

    Raises
    ------
    ModelError
        If it cannot be built.
    ToolError
        If Verilator or the compiler is missing.
    """

    def __init__(self, verilog: str, top: str, *, seed: int = 1, store: Path = MODELS) -> None:
        self._library = _load(build_model(verilog, top, store=store))
        self.ports = module_ports(verilog, top)
        self._model = self._library.model_new(seed)
        self._places: dict[str, ctypes.Array[ctypes.c_char]] = {}
        for name in self.ports:
            size = self._library.model_port_bytes(self._model, name.encode())
            place = self._library.model_port(self._model, name.encode())
            self._places[name] = (ctypes.c_char * size).from_address(place)

    @property
    def cycles(self) -> int:
        """Cycles since the beginning."""
        return self._library.model_count(self._model)

    def __getitem__(self, name: str) -> int:
        """The value of a port; an output's follows inputs after `settle` or `run`."""
        return int.from_bytes(self._places[name].raw, "little")

    def __setitem__(self, name: str, value: int) -> None:
        """Set an input; ModelError if it is none, or the value does not fit."""
        port = self.ports[name]
        if not port.is_input:
            raise ModelError(f"{name} must be an input, not an output")
        if not 0 <= value < 1 << port.width:
            raise ModelError(f"{name} must be 0 to {(1 << port.width) - 1}, not {value}")
        self._places[name].raw = value.to_bytes(len(self._places[name]), "little")

    def flip(self, scope: str, name: str, word: int, bit: int) -> None:
        """Invert a bit of a memory ``name`` in the instance ``scope``, such as ``signum.program``; ModelError unless
        the Verilog marks the memory with ``/*verilator public_flat_rw*/``."""
        size = ctypes.c_uint64()
        place = self._library.model_memory(self._model, scope.encode(), name.encode(), ctypes.byref(size))
        if not place:
            raise ModelError(f"{scope}.{name} must be a memory that the Verilog marks as public")
        byte = ctypes.c_uint8.from_address(place + word * size.value + bit // 8)
        byte.value ^= 1 << bit % 8

    def settle(self) -> None:
        """Let the outputs follow the inputs, without a cycle."""
        self._library.model_settle(self._model)

    def run(self, cycles: int) -> None:
        """Run for some cycles."""
        for done in range(0, cycles, STEP):
            self._library.model_cycles(self._model, min(STEP, cycles - done))

    def reset(self, cycles: int = 2) -> None:
        """Hold the resets, of further clocks as well, for some cycles."""
        resets = [name for name in self.ports if name == "rst" or name.endswith("_rst")]
        for name in resets:
            self[name] = 1
        self.run(cycles)
        for name in resets:
            self[name] = 0
        self.settle()

    def until(self, name: str, value: int, limit: int) -> int:
        """Run until a port has a value: the cycles that it took; ModelError after ``limit`` cycles."""
        done = 0
        while done <= limit:
            step = min(STEP, limit - done)
            took = self._library.model_until(self._model, name.encode(), value, step)
            if took >= 0:
                return done + took
            done += max(1, step)
        raise ModelError(f"{name} must be {value} within {limit} cycles")

    def send(self, data: bytes) -> None:
        """Put bytes on the serial line to ``rx``; they leave with `serial`."""
        self._library.model_send(self._model, data, len(data))

    @property
    def line_busy(self) -> bool:
        """Whether bytes are on their way to ``rx`` or from ``tx``."""
        return bool(self._library.model_line_busy(self._model))

    def serial(self, cycles: int, divisor: int, room: int = 4096) -> bytes:
        """Run for some cycles, ``divisor`` of them a bit, or until ``room`` bytes have come from ``tx``: those."""
        came = ctypes.create_string_buffer(room)
        count = self._library.model_serial(self._model, cycles, divisor, came, room)
        return came.raw[:count]

    def clock(self, name: str, half_period: float) -> None:
        """Drive an input with a clock of its own: half its period in cycles."""
        self._library.model_clock(self._model, name.encode(), half_period)

    def cable(self) -> None:
        """Put a USB cable at the pins ``d_p`` and ``d_n`` of a device."""
        self._library.model_cable(self._model)

    def cable_play(self, levels: Sequence[int], ends: Sequence[float]) -> None:
        """Drive levels on the cable, D+ in bit 0 and D- in bit 1, each until a number of cycles from now."""
        times = np.array(ends, dtype=np.float64)
        self._library.model_cable_play(self._model, bytes(levels), times.ctypes.data, len(times))

    def cable_listen(self, cycles: int) -> tuple[list[int], list[int]]:
        """The levels that the device drives, if it begins within so many cycles, and the cycles of their begins and of
        the end."""
        levels, begins = np.zeros(MOST_LEVELS, dtype=np.uint8), np.zeros(MOST_LEVELS, dtype=np.uint64)
        found = self._library.model_cable_listen(self._model, cycles, levels.ctypes.data, begins.ctypes.data,
                                                 MOST_LEVELS)
        return levels[:found].tolist(), begins[:found + 1].tolist() if found else []

    def network(self, half_period: float) -> None:
        """Put a network at the pins of RGMII, with a clock of its own: half its period in cycles."""
        self._library.model_network(self._model, half_period)

    def network_send(self, frame: bytes) -> None:
        """Queue a frame with preamble and check sequence for the network; it leaves with `network_run`."""
        self._library.model_network_send(self._model, frame, len(frame))

    @property
    def network_busy(self) -> bool:
        """Whether frames are on their way in the network."""
        return bool(self._library.model_network_busy(self._model))

    def network_run(self, cycles: int) -> bytes:
        """Run for some cycles, or until a frame has come, preamble and all: that frame, or nothing."""
        came = ctypes.create_string_buffer(LONGEST_FRAME)
        count = self._library.model_network_run(self._model, cycles, came, LONGEST_FRAME)
        return came.raw[:count]

    def flash(self, content: bytes, wake: int) -> None:
        """Put a flash at the pins ``flash_*``, asleep; it takes ``wake`` cycles to wake up."""
        self._library.model_flash(self._model, content, len(content), wake)

    def wave_ports(self, names: Sequence[str]) -> None:
        """Name the inputs of `wave`: a bit of its levels for each but the last, which takes all further bits."""
        encoded = (ctypes.c_char_p * len(names))(*(name.encode() for name in names))
        self._library.model_wave_ports(self._model, encoded, len(names))

    def wave(self, steps: np.ndarray) -> None:
        """Append to the wave: uint16 (n, 2), levels and the positive number of cycles that they last."""
        steps = np.ascontiguousarray(steps, dtype=np.uint16).reshape(-1, 2)
        self._library.model_wave(self._model, steps.ctypes.data, len(steps))

    @property
    def wave_left(self) -> int:
        """Steps of the wave that have not begun."""
        return self._library.model_wave_left(self._model)

    def bus(self, requests: np.ndarray, address_bits: int, limit: int) -> list[int]:
        """Send requests to the ports ``bus__*``, one a cycle where they are taken, and give the words read.

        Parameters
        ----------
        requests : uint32 (n, 3)
            Address, data, and 1 for a write or 0 for a read.
        address_bits : int
            Of the bus.
        limit : int
            Cycles that may pass between one request or response and the next; ModelError beyond it.
        """
        requests = np.ascontiguousarray(requests, dtype=np.uint32).reshape(-1, 3)
        words = np.zeros(len(requests), dtype=np.uint32)
        found = self._library.model_bus(self._model, requests.ctypes.data, len(requests), address_bits,
                                        words.ctypes.data, limit)
        if found < 0:
            raise ModelError(f"the bus must take a request within {limit} cycles")
        return words[:found].tolist()

    def write_coverage(self, path: Path) -> None:
        """Write the coverage since the beginning, in Verilator's format; ModelError unless ``--coverage-...`` is among
        the options in `VERILATE`."""
        if not self._library.model_coverage(self._model, str(path).encode()):
            raise ModelError(f"the module must be built with coverage to write {path.name}")

    def close(self) -> None:
        """Free it; nothing may be used afterwards."""
        if self._model:
            self._places.clear()
            self._library.model_free(self._model)
            self._model = None

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
