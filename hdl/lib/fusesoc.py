"""The ``.core`` file of an emitted Verilog file, for FuseSoC."""

from importlib.metadata import version
from pathlib import Path

from .emit import write_whole

__all__ = ["write_core"]

CORE = """\
CAPI=2:
name: "signum:accelerator:{name}:{version}"
description: "A systolic array of signum"
filesets:
  rtl:
    files: [{name}.v]
    file_type: verilogSource-2005
  waivers:
    files: [{name}.vlt]
    file_type: vlt
targets:
  default:
    filesets: [rtl]
    toplevel: {name}
  lint:
    filesets: [waivers, rtl]
    toplevel: {name}
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
"""


def write_core(verilog: Path) -> Path:
    """Write ``NAME.core`` beside ``NAME.v``, whose module is ``NAME``, and ``NAME.vlt``.

    The core is ``signum:accelerator:NAME`` in the version of this package; its target ``lint`` runs Verilator
    with all warnings that ``NAME.vlt`` does not waive.

    Returns
    -------
    Path
        The core file.
    """
    path = verilog.with_suffix(".core")
    write_whole(path, CORE.format(name=verilog.stem, version=version("signum")))
    return path
