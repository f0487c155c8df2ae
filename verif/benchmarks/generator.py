"""Speed of the generator by the command line: seconds, bytes and memory, and the cost of reading the Verilog."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from signum.fpga.flow.tools import verilator_environment
from signum.hdl.lib.emit import run_yosys
from signum.verif.benchmarks.record import Row, save, versions

__all__ = ["SIZES", "measure", "row"]

SIZES = ((8, 8, 32, 1), (32, 32, 32, 1), (64, 64, 32, 1), (64, 64, 32, 4), (64, 64, 64, 1), (64, 64, 64, 4))
"""Rows, columns, lanes and tile."""

REPEATS = 3


def run(command: Sequence[str]) -> tuple[float, float, int]:
    """Seconds of a command, processor seconds, KiB of its largest process; CalledProcessError where it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **verilator_environment()})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def row(rows: int, cols: int, lanes: int, tile: int, repeats: int = REPEATS) -> Row:
    """Measure one array: the shortest of several runs of ``signum verilog`` and of each reader.

    Returns
    -------
    dict
        ``rows``, ``cols``, ``lanes``, ``tile``; ``seconds`` and ``cpu_seconds`` of the command, ``bytes`` of the
        Verilog, ``peak_kib`` of the command's largest process; ``yosys_seconds`` to read the Verilog and check its
        hierarchy, ``verilator_seconds`` to read and elaborate it (``--json-only``). Later Verilator flattens the array,
        in a time proportional to its elements for any description.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "signum.v"
        generate = [run([str(Path(sys.executable).with_name("signum")), "verilog", f"--rows={rows}", f"--cols={cols}",
                         f"--lanes={lanes}", f"--tile={tile}", f"--out={folder}"]) for _ in range(repeats)]
        yosys = []
        for _ in range(repeats):
            begin = time.perf_counter()
            run_yosys(f"read_verilog {path.name}\nhierarchy -check -top signum\n", path.parent)
            yosys.append(time.perf_counter() - begin)
        verilator = [run(["verilator", "--json-only", "-Wno-WIDTH", "--Mdir", folder, "--top-module", "signum",
                          str(path)]) for _ in range(repeats)]
        return {
            "rows": rows, "cols": cols, "lanes": lanes, "tile": tile,
            "seconds": round(min(seconds for seconds, _, _ in generate), 2),
            "cpu_seconds": round(min(seconds for _, seconds, _ in generate), 2),
            "bytes": path.stat().st_size,
            "peak_kib": max(peak for _, _, peak in generate),
            "yosys_seconds": round(min(yosys), 2),
            "verilator_seconds": round(min(seconds for seconds, _, _ in verilator), 2),
        }


def measure(console: Console) -> Path:
    """Measure every size of `SIZES` into build/bench/generator.json."""
    rows = []
    for size in SIZES:
        rows.append(row(*size))
        console.print("{rows} x {cols} x {lanes}, tiles of {tile}: {seconds} s, {bytes} bytes, {peak_kib} KiB; "
                      "Yosys {yosys_seconds} s, Verilator {verilator_seconds} s".format(**rows[-1]), highlight=False)
    return save("generator", rows, {"amaranth": version("amaranth"), **versions("yosys", "verilator")},
                repeats=REPEATS)
