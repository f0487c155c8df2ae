"""The size of a processing element as Yosys counts it for iCE40. It repeats exactly, so it is asserted."""

import json

import pytest

from hdl.config import ArrayConfig
from hdl.emit import run_yosys, to_verilog
from hdl.pe import ProcessingElement

SYNTHESIS = """
read_verilog pe.v
scratchpad -set abc9.script +&if,-a,-K,4
synth_ice40 -top pe -device u -abc9
tee -q -o stat.json stat -json
"""


@pytest.mark.parametrize(("lanes", "acc_bits", "lut4"), [(32, 10, 79), (64, 10, 142)])
def test_a_processing_element(lanes, acc_bits, lut4, tmp_path):
    config = ArrayConfig(rows=1, cols=1, lanes=lanes, pipeline=1, acc_bits=acc_bits)
    (tmp_path / "pe.v").write_text(to_verilog(ProcessingElement(config=config), "pe")[0])
    run_yosys(SYNTHESIS, tmp_path)
    counts = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    assert counts["SB_LUT4"] == lut4
