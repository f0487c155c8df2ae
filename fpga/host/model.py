"""A Verilated module as a library of this process: no simulator around it, and Python only between runs of cycles."""

import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from signum.fpga.flow.tools import tool, verilator_environment
from signum.hdl.lib.folders import BUILD

__all__ = ["Model", "ModelError", "Port", "build_model", "model_ports"]

MODELS = BUILD / "model"
SOURCE = Path(__file__).with_name("model.cpp")
VERILATE = ("--cc", "--exe", "--prefix", "Vmodel", "-O3", "--noassert", "--x-assign", "fast", "--x-initial", "unique",
            "-Wno-WIDTH", "-CFLAGS", "-fPIC", "-LDFLAGS", "-shared")
OPTIMISE = "-O1"         # -O2 takes half as long again to compile and gains a tenth
STEP = 1 << 20          # cycles after which Python may be interrupted


class ModelError(RuntimeError):
    """A module that could not be built, or that did not do in time what it should; in one line."""


class Port(NamedTuple):
    """A port of a module."""

    is_input: bool
    width: int


def model_ports(verilog: str, top: str) -> dict[str, Port]:
    """Ports of a module as Yosys writes them, by name; ModelError if there is no such module."""
    module = re.search(rf"^module {re.escape(top)}\s*\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    if not module:
        raise ModelError(f"the Verilog must have a module {top}")
    return {found[3]: Port(found[1] == "input", int(found[2] or 0) + 1) for found in re.finditer(
        r"^  (input|output) (?:\[(\d+):0\] )?\\?(\S+?) ?;", module[0], re.MULTILINE)}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], folder: Path) -> None:
    with open(folder / "build.log", "a") as log:
        run = subprocess.run(command, cwd=folder, env={**os.environ, **verilator_environment()}, text=True,
                             stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    if run.returncode:
        lines = (folder / "build.log").read_text(errors="replace").splitlines()
        wrong = [line for line in lines if re.search(r"error|%Warning", line, re.IGNORECASE)] or ["no output"]
        raise ModelError(f"{Path(command[0]).name}: {wrong[0].strip()} (see {folder / 'build.log'})")


def build_model(verilog: str, top: str) -> Path:
    """The shared library of a module. It is built once, and kept under ``build/model`` by what it was made of.

    Raises
    ------
    ModelError
        If Verilator or the compiler refuses it.
    ToolError
        If one of them is missing.
    """
    versions = [tool("verilator").version, tool("g++").version]
    source = SOURCE.read_text()
    runtime = MODELS / f"runtime-{_digest(*versions, OPTIMISE)}"
    folder = MODELS / f"{top}-{_digest(verilog, source, *VERILATE, OPTIMISE, *versions)}"
    library = folder / "model.so"
    MODELS.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if library.exists():
            return library
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / f"{top}.v").write_text(verilog)
        (folder / "model.cpp").write_text(source)
        (folder / "ports.h").write_text("#define PORTS(P) " + " ".join(
            f'P("{name}", {name.replace("__", "___05F")}, {int(port.is_input)})'
            for name, port in model_ports(verilog, top).items()) + "\n")
        verilator_environment()
        _run([str(tool("verilator").find() / "bin" / "verilator"), *VERILATE, "--top-module", top, "--Mdir", ".",
              "-o", "model.tmp", f"{top}.v", "model.cpp"], folder)
        for path in runtime.glob("*.o"):
            shutil.copy(path, folder)
        _run([str(tool("make").find()), "-f", "Vmodel.mk", f"OPT_FAST={OPTIMISE}"], folder)
        _keep_runtime(folder, runtime)
        for pattern in ("*.[oa]", "*.gch"):             # a hundred megabytes
            for path in folder.glob(pattern):
                path.unlink()
        (folder / "model.tmp").rename(library)
    return library


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _keep_runtime(folder: Path, runtime: Path) -> None:
    """Put the objects of Verilator's own run time by for the next build."""
    if runtime.exists():
        return
    kept = Path(tempfile.mkdtemp(dir=runtime.parent))
    for path in folder.glob("verilated*.o"):
        shutil.copy(path, kept)
    try:
        kept.rename(runtime)
    except OSError:                 # another process was first
        shutil.rmtree(kept)


SIGNATURES = {
    "model_new": (ctypes.c_void_p, ctypes.c_uint32),
    "model_free": (None, ctypes.c_void_p),
    "model_port": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
    "model_port_bytes": (ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p),
    "model_count": (ctypes.c_uint64, ctypes.c_void_p),
    "model_settle": (None, ctypes.c_void_p),
    "model_cycles": (None, ctypes.c_void_p, ctypes.c_uint64),
    "model_until": (ctypes.c_int64, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64),
    "model_bus": (ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p,
                  ctypes.c_uint64),
    "model_send": (None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64),
    "model_line_busy": (ctypes.c_int, ctypes.c_void_p),
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

    def __init__(self, verilog: str, top: str, *, seed: int = 1) -> None:
        self.ports = model_ports(verilog, top)
        self._library = _load(build_model(verilog, top))
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

    def settle(self) -> None:
        """Let the outputs follow the inputs, without a cycle."""
        self._library.model_settle(self._model)

    def run(self, cycles: int) -> None:
        """Run for some cycles."""
        for done in range(0, cycles, STEP):
            self._library.model_cycles(self._model, min(STEP, cycles - done))

    def reset(self, cycles: int = 2) -> None:
        """Hold the reset for some cycles."""
        self["rst"] = 1
        self.run(cycles)
        self["rst"] = 0
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
