"""Coverage of all modules that Verilator simulates in this process, or in cocotb's processes below it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from signum.fpga.host import model as models
from signum.fpga.host.model import Model
from signum.fpga.host.verilate import digest
from signum.hdl.lib.emit import write_whole
from signum.verif.bench import simulate as simulations

from .emission import emitted_for_coverage
from .points import Coverage, fold, merge, read_counts, write_counts

__all__ = ["Recording", "recording"]

OPTIONS = ("--coverage-line", "-Wno-lint")
TOGGLES = ("--coverage-toggle",)
OPTIMISE = "-O0"            # most modules are small, and run for some thousand cycles: they build in half the time


@dataclass
class Recording:
    """Counts of the modules that were simulated.

    Parameters
    ----------
    folder : Path
        For the files of Verilator.

    Members
    -------
    verilog, counts : dict
        Of each module, by a digest of its Verilog.
    """

    folder: Path
    verilog: dict[str, str] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    _models: list[tuple[str, Model]] = field(default_factory=list)

    def add(self, verilog: str, path: Path) -> None:
        """Add the counts in a file of Verilator, of a module."""
        name = digest(verilog)
        self.verilog[name] = verilog
        merge(self.counts.setdefault(name, {}), read_counts(path.read_text()))

    def watch(self, verilog: str, model: Model) -> None:
        """Add the counts of a model when it is closed, or by `collect`."""
        self._models.append((verilog, model))

    def collect(self, *closing: Model) -> None:
        """Add the counts of the models that are open, or of some, and close them."""
        for verilog, model in [each for each in self._models if not closing or each[1] in closing]:
            self._models.remove((verilog, model))
            path = self.folder / "model.dat"
            model.write_coverage(path)
            self.add(verilog, path)
            path.unlink()
            model.close()

    def coverage(self) -> Coverage:
        """What was covered so far."""
        found = Coverage()
        for name, counts in self.counts.items():
            found |= fold(self.verilog[name], counts)
        return found

    def save(self) -> None:
        """Write a module's Verilog and its counts, ``NAME.v`` and ``NAME.dat``, to the folder."""
        for name, counts in self.counts.items():
            write_whole(self.folder / f"{name}.v", self.verilog[name])
            write_whole(self.folder / f"{name}.dat", write_counts(counts))


@contextmanager
def recording(folder: Path, toggles: bool = True) -> Iterator[Recording]:
    """Context in which `hdl.lib.emit` gives Verilog for coverage, and Verilator's models and cocotb's simulations of it
    are recorded.

    Modules of other Verilog are recorded as well, and have no places in them. Without ``toggles`` lines alone are
    counted, and large modules build in a fraction of the time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = Recording(folder)
    create, close, read_results = Model.__init__, Model.close, simulations.read_results

    def created(self: Model, verilog: str, top: str, **options: Any) -> None:
        create(self, verilog, top, **options)
        found.watch(verilog, self)

    def closed(self: Model) -> None:
        if any(model is self for _, model in found._models):
            found.collect(self)
        close(self)

    def results(path: Path, log: Path, again: str) -> tuple[str, ...]:
        data = path.parent / "coverage.dat"
        if data.exists():
            (verilog,) = path.parent.parent.glob("*.v")
            found.add(verilog.read_text(), data)
        return read_results(path, log, again)

    options = (*OPTIONS, *(TOGGLES if toggles else ()))
    with (patch.object(models, "OPTIMISE", OPTIMISE),
          patch.object(models, "VERILATE", (*models.VERILATE, *options)),
          patch.dict(simulations.OPTIONS, verilator=[*simulations.OPTIONS["verilator"], *options]),
          patch.object(simulations, "read_results", results),
          patch.object(Model, "__init__", created), patch.object(Model, "close", closed),
          emitted_for_coverage()):
        yield found
        found.collect()
