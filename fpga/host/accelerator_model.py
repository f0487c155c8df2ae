"""The accelerator as a Verilated library, with the operations of a host over the bus."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from signum.hdl.accelerator import Accelerator
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import AddressMap, Control, Region, Register, Status, WrongWord, wrong_word
from signum.hdl.lib.emit import to_verilog

from .model import MODELS, Model, ModelError

__all__ = ["AcceleratorModel"]

NAME = "signum"
BUS_LIMIT = 200_000     # cycles; only a run, and the clearing of memories with parity, hold the bus for more than a few


class AcceleratorModel:
    """An accelerator model with writes, reads and runs.

    Parameters
    ----------
    config : ArrayConfig
    verilog : str
        Emitted text of the accelerator as module ``signum``, if available: emission of large arrays takes seconds.
    seed : int
        Seed of the initial values of registers and memories.
    store : Path
        Folder of the compiled hardware.

    Members
    -------
    config : ArrayConfig
    model : Model
        The hardware, out of reset.

    Raises
    ------
    ModelError
        If the model cannot be built.
    ToolError
        If Verilator or the compiler is missing.
    """

    def __init__(self, config: ArrayConfig, *, verilog: str | None = None, seed: int = 1,
                 store: Path = MODELS) -> None:
        self.config = config
        self.map = AddressMap(config)
        self.model = Model(verilog or to_verilog(Accelerator(config=config), NAME)[0], NAME, seed=seed, store=store)
        self.model.reset()

    def write(self, writes: Iterable[tuple[int, int]]) -> None:
        """Write pairs (address, word)."""
        requests = np.array([(*write, 1) for write in writes], dtype=np.uint32)
        self.model.bus(requests, self.map.address_bits, BUS_LIMIT)

    def read(self, addresses: Sequence[int]) -> list[int]:
        """The words at addresses."""
        requests = np.zeros((len(addresses), 3), dtype=np.uint32)
        requests[:, 0] = addresses
        return self.model.bus(requests, self.map.address_bits, BUS_LIMIT)

    def run(self, limit: int, ahead: Iterable[tuple[int, int]] = ()) -> int:
        """Run the program; returns the hardware's count of cycles; ModelError if it takes more than ``limit``, or has
        used a word with the wrong parity.

        ``ahead`` are pairs (address, word) of weights written during the run.
        """
        status, control, cycles = (self.map.address(Region.REGISTERS, word=register)
                                   for register in (Register.STATUS, Register.CONTROL, Register.CYCLES))
        self.write([(control, Control.START), *ahead])
        try:
            self.model.until("busy", 0, limit)
        finally:
            self.check()
        busy, counted = self.read([status, cycles])
        if busy & Status.BUSY:
            raise ModelError("the hardware must be idle where busy is low")
        return counted

    def fault(self) -> WrongWord | None:
        """The word with the wrong parity that was used first since the last run began, if any."""
        return wrong_word(self.read([self.map.address(Region.REGISTERS, word=Register.PARITY)])[0])

    def check(self) -> None:
        """Raise ModelError if a word with the wrong parity was used."""
        if self.config.parity and (wrong := self.fault()):
            raise ModelError(f"{wrong} must have the right parity: a bit has flipped")

    def do(self, job: dict[str, Any]) -> tuple[list[int], list[list[int]]]:
        """Cycles and result words of the runs of a job of `verif.bench.programs.program_job`; ModelError if a word
        with the wrong parity was used."""
        self.write(job["writes"])
        cycles, words = [], []
        for run in job["runs"]:
            self.write(run["writes"])
            cycles.append(self.run(2 * job["cycles"] + 1000))
            words.append(self.read(run["reads"]))
            self.check()
        return cycles, words

    def close(self) -> None:
        """Free the model."""
        self.model.close()
