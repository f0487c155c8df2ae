"""Fuzzing of command lines: every command in this process, with the work behind its checks left out.

Commands that read files run to their end on small ones. Of the others the long work is replaced by an end of the
command: what is fuzzed are their options, their files, and the checks before the work.
"""

import contextlib
import io
import json
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import click
import numpy as np

from signum.fpga.flow.program_file import ProgramFile
from signum.fpga.host.link import LinkError
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.hdl.config import ArrayConfig
from signum.hdl.presets import PRESETS
from signum.verif.bench.cases import draw_case
from signum.verif.command_line import COMMANDS as TABLE
from signum.verif.command_line import load, main
from signum.verif.golden.importers.networks import STYLES

from .mutate import NUMBERS, STRINGS, mutate_bytes, odd_text
from .target import ACCEPTED, LONGEST, REFUSED, BrokenError, Feed, Target

__all__ = ["COMMANDS"]

WORK = ("signum.hdl.verilog.emit", "signum.fpga.flow.commands.build", "signum.fpga.flow.commands.flash",
        "signum.fpga.flow.commands.save_board_rows", "signum.fpga.explore.explore.explore",
        "signum.fpga.explore.explore.executor_of", "signum.fpga.host.run.virtual_board",
        "signum.golden.training.commands.train_digits", "signum.golden.training.commands.compete",
        "signum.golden.training.commands.ablate", "signum.verif.benchmarks.clock.case",
        "signum.verif.benchmarks.clock.built")
"""Functions that a command calls once its options and files are checked."""

WHOLE = ("demo", "demo-camera", "task", "resnet18", "soak", "fuzz", "formal", "mutate", "coverage", "faults", "ladder",
         "bench", "test", "plan", "paper", "pages", "lock", "doctor")
"""Commands that are work from the beginning on: only their options are read."""


FITTING = {"model": ("net.onnx",), "program": ("case.sgn", "net.sgn"), "path": ("case.sgn",),
           "network": ("net.sgn", "case.sgn"), "images_path": ("x.npy",), "labels_path": ("y.npy",),
           "check": ("x.npy",),
           "config": ("tiny.toml",), "port": ("sim", "/dev/ttyUSB9", "udp:127.0.0.1"), "picture": ("out.png",),
           "count": ("1", "0")}
"""Values that fit options of these names."""


class Worked(BaseException):
    """The end of a command at the beginning of its work."""


def worked(*arguments: object, **options: object) -> None:
    raise Worked


def no_port(name: str, baud: int) -> None:
    """A port that no board is at, in place of serial ports and networks of this machine."""
    raise LinkError(f"port {name!r:.80} cannot be opened")


@contextlib.contextmanager
def without_work() -> Iterator[None]:
    """The commands without their work."""
    with ExitStack() as stack:
        for name in WORK:
            stack.enter_context(mock.patch(name, worked))
        stack.enter_context(mock.patch("signum.fpga.host.run.open_port", no_port))
        for name in WHOLE:
            stack.enter_context(mock.patch.object(load(name), "callback", worked))
        yield


def files_in(folder: Path) -> dict[str, bytes]:
    """Valid files of all kinds that commands read, and some broken ones."""
    rng = np.random.default_rng(1)
    case = draw_case(rng, ArrayConfig(rows=1, cols=2, lanes=8, weight_depth=512, activation_depth=512))
    ProgramFile(case.program, name="case").save(folder / "case.sgn")
    ProgramFile(digits_graph_untrained(0), digits_encoder(), "digits").save(folder / "net.sgn")
    np.save(folder / "x.npy", next(iter(case.maps.values())))
    np.save(folder / "y.npy", np.zeros(1, np.int64))
    (folder / "tiny.toml").write_text(ArrayConfig.preset("tiny").to_toml())
    (folder / "net.onnx").write_bytes(STYLES["signs"]().SerializeToString())
    (folder / "cut.sgn").write_bytes((folder / "case.sgn").read_bytes()[:300])
    (folder / "empty").write_bytes(b"")
    (folder / "noise").write_bytes(bytes(range(256)))
    (folder / "text.json").write_text("{}")
    (folder / "folder").mkdir()
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def option_value(rng: random.Random, option: click.Parameter, files: list[str]) -> str:
    """A value for an option: one that fits, a file, a number, or anything."""
    kind = rng.random()
    if isinstance(option.type, click.Choice) and kind < 0.6:
        return rng.choice(list(map(str, option.type.choices)))
    if option.name == "preset" and kind < 0.6:
        return rng.choice(sorted(PRESETS))
    if option.name in FITTING and kind < 0.6:
        return rng.choice(FITTING[option.name])
    if isinstance(option.type, click.Path) and kind < 0.8:
        return rng.choice(files)
    if kind < 0.75:
        return str(rng.choice([1, 2, 3, 8, 16, 0, -1]))
    if kind < 0.9:
        value = rng.choice(NUMBERS)
        return "9" * 5000 if isinstance(value, int) and abs(value) > 10**40 else str(value)
    return rng.choice([odd_text(rng), rng.choice(STRINGS), rng.choice(files), "\udcff\udcfe"]).replace("\x00", "?")


def command_line(rng: random.Random, files: list[str]) -> list[str]:
    """A command with some of its options, often all that it needs."""
    name = rng.choice([*TABLE, "import", "export", "run", "c-program", "verilog", "build"])
    words = [name]
    options = [option for option in load(name).params if option.name != "help"]
    for option in options:
        wanted = 0.9 if option.required else min(0.5, 3 / len(options))
        if rng.random() >= wanted:
            continue
        if isinstance(option, click.Argument):
            words.append(option_value(rng, option, files))
        elif getattr(option, "is_flag", False):
            words.append(option.opts[0])
        elif rng.random() < 0.5:
            words += [option.opts[0], option_value(rng, option, files)]
        else:
            words.append(f"{option.opts[0]}={option_value(rng, option, files)}")
    if rng.random() < 0.15:
        at, what = rng.randrange(len(words)), rng.randrange(4)
        if what == 0:
            del words[at]
        elif what == 1:
            words.insert(at, words[at])
        elif what == 2:
            words[at] = mutate_bytes(rng, words[at].encode(errors="surrogatepass"), 2).decode(
                errors="surrogateescape").replace("\x00", "?")
        else:
            words.insert(at, rng.choice(["--", "-", "--no", odd_text(rng).replace("\x00", "?"), ""]))
    return [word for word in words if word not in ("--help", "--version")]


def prepare(folder: Path) -> Feed:
    for name in TABLE:
        load(name)
    contents = files_in(folder)
    files = [*contents, "missing", "folder", "folder/new.sgn", "new/deep/out.h", "out.h", "out.npy", "out.png",
             "out.onnx", "net.sgn/x", ".", "/", "/dev/null", "/proc/self/mem", "x" * 300, "ä.h", "\udcff.sgn"]

    def checked_files() -> None:
        """What was there is as it was, or whole; nothing temporary is left."""
        for path in list(folder.rglob("*")):
            if path.is_dir():
                continue
            if path.name.startswith("."):
                raise BrokenError(f"a command must leave no file {path.name}")
            if path.parent == folder and contents.get(path.name) == path.read_bytes():
                continue
            data = path.read_bytes()
            path.unlink()
            if data[:1] == b"{":
                json.loads(data)
            elif not data:
                raise BrokenError(f"a file must be written whole, not {path.name} of 0 bytes")
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir() and path.name != "folder":
                with contextlib.suppress(OSError):
                    path.rmdir()
        (folder / "folder").mkdir(exist_ok=True)
        for name, data in contents.items():
            if not (folder / name).is_file() or (folder / name).read_bytes() != data:
                (folder / name).write_bytes(data)

    def feed(rng: random.Random) -> str:
        words = command_line(rng, files)
        out, told = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)
                     for errors in ("strict", "backslashreplace"))
        try:
            with without_work(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
                status = main(words)
        except Worked:
            return ACCEPTED
        except SystemExit as end:
            status = int(end.code or 0)
        except Exception as error:
            text = f"{type(error).__name__}: {error} of {words!r:.300}"
            raise RuntimeError(text).with_traceback(error.__traceback__) from None
        finally:
            signal.alarm(0)
            checked_files()
        told.flush()
        text = told.buffer.getvalue().decode()
        if status not in (0, 1, 2):
            raise BrokenError(f"the exit status must be 0, 1 or 2, not {status}, of {words!r:.300}")
        if status and (text.count("\n") != 1 or len(text) > LONGEST or not text.strip()):
            out.flush()
            if not (status == 1 and not text):      # differences that are told as a result
                raise BrokenError(f"a refusal must be one line, not {text!r:.400}, of {words!r:.300}")
        return REFUSED if status else ACCEPTED

    return feed


COMMANDS = Target("commands", prepare, 20_000, "a command is started in ten milliseconds, and some run to their end")
