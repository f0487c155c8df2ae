"""Program files: a network in one file, compiled or as its integer graph, complete for a host with a board.

A line ``signum program VERSION``, a line with the size and the SHA-256 of the rest, and the rest: numpy's compressed
arrays, one of them the structure as JSON. No part of the file is executed.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from signum.golden.compiler.graph import Graph, Layer, MapShape, Requantize, Segment
from signum.golden.compiler.packing import Packing
from signum.golden.compiler.program import InputAllocation, MapAllocation, Program, ResultAllocation
from signum.golden.compiler.stages import MapLines, Stage
from signum.golden.compiler.weight_streaming import Streamed
from signum.golden.layers.encoder import Encoder, encoder_from_dict
from signum.hdl.config import ArrayConfig
from signum.hdl.control.isa import LayerRecord
from signum.hdl.host.bus import VERSION
from signum.hdl.lib.emit import write_whole
from signum.hdl.told import line_of, told

from .program_check import check_encoder, check_program, check_types, read_arrays

__all__ = ["FORMAT", "ProgramFile", "ProgramFileError", "from_plain", "to_plain"]

FORMAT = 2
MARK = b"signum program "
STRUCTURE = "structure"
DEEPEST = 40
INVALID = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, AssertionError, RecursionError,
           RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What reading and building of wrong values raises; a container that is encrypted has no error of its own."""

KINDS = {kind.__name__: kind for kind in (
    ArrayConfig, Graph, InputAllocation, Layer, LayerRecord, MapLines, MapAllocation, MapShape, Packing, Program,
    Requantize, ResultAllocation, Segment, Stage, Streamed)}


class ProgramFileError(ValueError):
    """A file that is not a complete program of this version; in one line."""


def to_plain(value: Any, arrays: list[np.ndarray]) -> Any:
    """A value as JSON, with its arrays in a separate list; dictionaries and objects are lists that begin by kind."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return ["array", len(arrays) - 1]
    if isinstance(value, (bool, str, type(None))):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (tuple, list)):
        return ["tuple", *(to_plain(part, arrays) for part in value)]
    if isinstance(value, dict):
        return ["dict", *([to_plain(key, arrays), to_plain(part, arrays)] for key, part in value.items())]
    name = type(value).__name__
    if name not in KINDS:
        raise TypeError(f"a program must consist of {', '.join(sorted(KINDS))}, not {name}")
    return [name, *([field.name, to_plain(getattr(value, field.name), arrays)]
                    for field in dataclasses.fields(value) if field.init)]


def from_plain(plain: Any, arrays: dict[str, np.ndarray], depth: int = 0) -> Any:
    """The inverse of `to_plain`; ValueError, or another error of a wrong value, where there is none."""
    if depth > DEEPEST:
        raise ValueError(f"its structure must be at most {DEEPEST} levels deep")
    if not isinstance(plain, list):
        return plain
    kind, *parts = plain
    if kind == "array":
        return arrays[str(parts[0])]
    if kind == "tuple":
        return tuple(from_plain(part, arrays, depth + 1) for part in parts)
    entries = [(from_plain(key, arrays, depth + 1), from_plain(part, arrays, depth + 1)) for key, part in parts]
    if kind == "dict":
        return dict(entries)
    if kind not in KINDS:
        raise ValueError(f"its structure must consist of {', '.join(sorted(KINDS))}, not {told(kind)}")
    return KINDS[kind](**dict(entries))


@dataclass(frozen=True, eq=False)
class ProgramFile:
    """The contents of a program file.

    Members
    -------
    program : Program, Streamed or Graph
        `Streamed` for a board with a loader; a graph is compiled for the board that runs it.
    encoder : Encoder, or None
        Encoder of images as the program's input maps; without one the host passes the maps themselves.
    name : str
        Name of the network, for display.
    """

    program: Program | Streamed | Graph
    encoder: Encoder | None = None
    name: str = ""

    def save(self, path: Path) -> None:
        """Write the file; its folder is created. Equal programs give equal bytes."""
        arrays: list[np.ndarray] = []
        structure = {"hardware": VERSION, "name": self.name, "program": to_plain(self.program, arrays),
                     "encoder": self.encoder.to_dict() if self.encoder else None}
        text = np.frombuffer(json.dumps(structure).encode(), dtype=np.uint8)
        body = io.BytesIO()
        np.savez_compressed(body, allow_pickle=False, **{STRUCTURE: text},
                            **{str(i): array for i, array in enumerate(arrays)})
        whole = body.getvalue()
        path.parent.mkdir(parents=True, exist_ok=True)
        head = MARK + f"{FORMAT}\n{len(whole)} {hashlib.sha256(whole).hexdigest()}\n".encode()
        write_whole(path, head + whole)

    @classmethod
    def load(cls, path: Path) -> "ProgramFile":
        """Read a file of `save`.

        Raises
        ------
        ProgramFileError
            If the file is of another kind or version, truncated or damaged.
        OSError
            If the file cannot be read.
        """
        whole = path.read_bytes()
        first, _, rest = whole.partition(b"\n")
        if not first.startswith(MARK):
            raise ProgramFileError(f"{path} must be a program file, which begins with '{MARK.decode().strip()}'")
        version = first.removeprefix(MARK).decode(errors="replace")
        if version != str(FORMAT):
            shown = version if version.isdecimal() and len(version) < 9 else told(version)
            raise ProgramFileError(f"{path} must be a program file of version {FORMAT}, not {shown}")
        line, _, body = rest.partition(b"\n")
        size, _, checksum = line.decode(errors="replace").partition(" ")
        if size != str(len(body)):
            shown = size if size.isdecimal() and len(size) < 20 else "more" if not size else told(size)
            raise ProgramFileError(f"{path} must have {shown} bytes behind its head, not {len(body)}: "
                                   "it was cut or added to")
        if hashlib.sha256(body).hexdigest() != checksum:
            raise ProgramFileError(f"{path} must have the checksum that its head tells: it is damaged")
        try:
            arrays = read_arrays(body)
            structure = json.loads(arrays[STRUCTURE].tobytes())
            if structure["hardware"] != VERSION:
                raise ProgramFileError(f"{path} must be compiled for hardware of version {VERSION}, "
                                       f"not {told(structure['hardware'])}: compile it again")
            with np.errstate(all="ignore"):         # of wrong values, until they are refused
                given, program = structure["encoder"], from_plain(structure["program"], arrays)
                check_program(program)
            encoder = None if given is None else encoder_from_dict(given)
            if encoder is not None:
                check_encoder(encoder, input_shapes(program))
            check_types(structure["name"], str, "name")
            return cls(program, encoder, structure["name"])
        except ProgramFileError:
            raise
        except INVALID as error:
            raise ProgramFileError(f"{path} must hold a program of this version of Signum: {line_of(error)}") from None


def input_shapes(program: Program | Streamed | Graph) -> dict[str, MapShape]:
    """The shapes of a program's input maps."""
    if isinstance(program, Program):
        return {name: entry.shape for name, entry in program.inputs.items()}
    return program.inputs
