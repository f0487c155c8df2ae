"""Fuzzing of program files: the bytes, the container with the right checksum, its arrays, and its structure."""

import hashlib
import io
import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from signum.fpga.flow.program_file import FORMAT, MARK, STRUCTURE, ProgramFile, ProgramFileError
from signum.fpga.host.c_program import c_program
from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.weight_streaming import Streamed
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder, TablePlanes, TableThermometer, Thermometer
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.hdl.config import ArrayConfig
from signum.verif.bench.cases import draw_case, draw_config
from signum.verif.bench.stream_cases import BIT, draw_stream, with_streams
from signum.verif.golden.compiler.test_weight_streaming import draw_plan

from .mutate import mutate_bytes, mutate_tree, odd_value
from .target import ACCEPTED, Feed, Target, refused_by

__all__ = ["PROGRAMS"]

LARGEST = 20_000        # bytes of the arrays of a valid file: small ones reach the structure more often
BOMB = 1 << 31          # bytes that a container claims, or has once decompressed
ARRAY = ArrayConfig(rows=2, cols=4, lanes=16, tile=2)


def with_head(body: bytes, version: int = FORMAT) -> bytes:
    """A file of this body, whose head is right."""
    return MARK + f"{version}\n{len(body)} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def container(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return file.getvalue()


def valid_files(folder: Path) -> list[bytes]:
    """Programs of maps and of pixels, networks in stages, and graphs with each encoder."""
    rng = np.random.default_rng(1)
    files: list[ProgramFile] = []
    while len(files) < 8:
        files.append(ProgramFile(draw_case(rng, draw_config(rng)).program, name="maps"))
    for _ in range(4):
        case = draw_stream(rng, with_streams(draw_config(rng, element_bits=1)))
        files.append(ProgramFile(case.program, BIT, "pixels"))
    files += [ProgramFile(draw_case(rng, draw_config(rng)).graph, name="graph") for _ in range(4)]
    encoders: list[Encoder] = [Thermometer(4, 16), SignEncoder(3), TableThermometer(
        2, 2, tables=((0, 1, 2, 2), (0, 0, 1, 2))), BitPlanes(2), TablePlanes(2, tables=((0, 1, 3),))]
    for encoder in encoders:
        graph = draw_case(rng, ARRAY).graph
        while len(graph.inputs) > 1 or graph.inputs["input"].channels != 2 * encoder.bits_per_channel:
            graph = draw_case(rng, ARRAY).graph
        if encoder.planes:
            layers = tuple(replace(layer, segments=tuple(replace(
                segment, source=encoder.names[0] if segment.source == "input" else segment.source)
                for segment in layer.segments)) for layer in graph.layers)
            graph = Graph(inputs=dict.fromkeys(encoder.names, graph.inputs["input"]), layers=layers)
        files.append(ProgramFile(graph, encoder, "encoded"))
    files.append(ProgramFile(digits_graph_untrained(0), digits_encoder(), "digits"))
    array = ArrayConfig.preset("icebreaker_pixels").replace(input_maximum=255, input_tables=1)
    files.append(ProgramFile(compile_graph(digits_graph_untrained(0), array, answers=Answers(),
                                           encoder=digits_encoder()), digits_encoder(), "tables"))
    graph, stages = draw_plan(rng, 2)
    files.append(ProgramFile(Streamed(graph, stages), name="stages"))
    found = []
    for file in files:
        file.save(folder / "valid.sgn")
        found.append((folder / "valid.sgn").read_bytes())
        ProgramFile.load(folder / "valid.sgn")
    return found


def odd_array(rng: random.Random, array: np.ndarray) -> bytes:
    """An array file of another shape, type, value, or with a head that tells of something else."""
    kind = rng.randrange(8)
    if kind == 0 and array.ndim:
        return saved(array[rng.randrange(len(array) + 1):])
    if kind == 1:
        kinds = ["?", "i1", "i8", "u8", "f4", "f8", "S3", "<U2"]
        return saved(array.astype(rng.choice(kinds)))
    if kind == 2:
        return saved(array.reshape(-1) if rng.random() < 0.5 else array[..., None])
    if kind == 3 and array.size and array.dtype.kind in "iu":
        changed = array.copy()
        limits = np.iinfo(array.dtype)
        changed.flat[rng.randrange(array.size)] = rng.choice([limits.min, limits.max, 0, 1])
        return saved(changed)
    if kind == 4:
        return saved(np.zeros(rng.choice([(), (0,), (1,), (3, 0), (2, 2)]), dtype=array.dtype))
    if kind == 5:
        shape = rng.choice([(BOMB,), (1 << 20, 1 << 20, 1 << 20), (-1,), (1 << 62, 4), (10**30,)])
        dtype = rng.choice(["|b1", "<i8", "|O", "<f8", "|V100", "x"])
        head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
        return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + saved(array)[-8:]
    return mutate_bytes(rng, saved(array))


def bomb(rng: random.Random, members: dict[str, bytes]) -> bytes:
    """A container of zeros, of very many members, or one that claims more than it has."""
    kind = rng.randrange(3)
    if kind == 0:
        return container(members | {"bomb.npy": bytes(rng.choice([1 << 20, 1 << 24]))}, zipfile.ZIP_DEFLATED)
    if kind == 1:
        return container(members | {f"{i}.npy": b"" for i in range(rng.choice([10, 300]))})
    body = bytearray(container(members, zipfile.ZIP_DEFLATED))
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):   # sizes, twice
        place = body.find(mark)
        body[place + at:place + at + 4] = (BOMB + rng.randrange(1 << 30)).to_bytes(4, "little")
    return bytes(body)


def used(file: ProgramFile) -> None:
    """What the commands do with a program: the writes, the reads, the text in C; a graph is compiled."""
    program = file.program
    if isinstance(program, Graph):
        compile_graph(program, ARRAY)
        return
    for compiled in [program] if isinstance(program, Program) else [stage.program for stage in program.stages]:
        c_program(compiled, "name")
        images = compiled.images
        reads = compiled.result_reads(images)
        if not compiled.streams:
            list(compiled.input_writes({name: np.zeros((images, entry.shape.height, entry.shape.width,
                                                        entry.shape.channels), dtype=bool)
                                        for name, entry in compiled.inputs.items()}))
            compiled.results(images, [0] * len(reads))


def prepare(folder: Path) -> Feed:
    valid = valid_files(folder)
    opened: list[tuple[dict[str, bytes], dict[str, np.ndarray]]] = []
    for whole in valid:
        body = whole.split(b"\n", 2)[2]
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        opened.append((members, {name: np.load(io.BytesIO(data)) for name, data in members.items()}))
    small = [entry for entry in opened if sum(map(len, entry[0].values())) < LARGEST]
    path = folder / "program.sgn"

    def made(rng: random.Random) -> bytes:
        kind = rng.random()
        if kind < 0.15:
            return mutate_bytes(rng, rng.choice(valid))
        members, arrays = rng.choice(small)
        members = dict(members)
        if kind < 0.3:
            return with_head(mutate_bytes(rng, container(members)))
        if kind < 0.45:
            name = rng.choice(list(members))
            members[name] = odd_array(rng, arrays[name])
            if rng.random() < 0.1:
                del members[rng.choice(list(members))]
            return with_head(container(members))
        if kind < 0.46:
            return with_head(bomb(rng, members))
        structure = json.loads(arrays[f"{STRUCTURE}.npy"].tobytes())
        structure = mutate_tree(rng, structure, most=rng.choice([1, 1, 1, 3]), value=odd_structure)
        try:
            text = json.dumps(structure, ensure_ascii=rng.random() < 0.9)
        except ValueError:          # an integer of thousands of digits
            text = "[" * rng.choice([10, 100_000])
        members[f"{STRUCTURE}.npy"] = saved(np.frombuffer(text.encode(errors="surrogatepass"), dtype=np.uint8))
        return with_head(container(members), rng.choice([FORMAT] * 50 + [1, 3]))

    def odd_structure(rng: random.Random) -> Any:
        if rng.random() < 0.3:
            return rng.choice([["array", rng.randrange(30)], ["tuple"], ["tuple", 0, 0], ["dict"], ["Graph"], ["Layer"],
                               ["MapShape", ["height", 1], ["width", 1], ["channels", 1 << rng.randrange(64)]], [None]])
        return odd_value(rng)

    def feed(rng: random.Random) -> str:
        path.write_bytes(made(rng))
        try:
            file = ProgramFile.load(path)
        except ProgramFileError as error:
            return refused_by(error)
        try:
            used(file)
        except CapacityError as error:
            refused_by(error)
        return ACCEPTED

    return feed


PROGRAMS = Target("programs", prepare)
