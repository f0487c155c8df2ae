"""A small fault run: many faults of all kinds, no wrong result, no hang; a link without checks is detected."""

import json
import struct

import numpy as np
import pytest

from signum.fpga.host.device import Device
from signum.fpga.host.link import Response
from signum.fpga.host.virtual_board import VirtualBoard
from signum.verif.bench.cases import draw_case
from signum.verif.command_line import main
from signum.verif.runs import faults
from signum.verif.runs.faults import Counts


def test_no_wrong_answer_is_accepted(seed):
    counts = faults.run_faults(500, seed)
    told = counts.to_dict()
    assert (told["wrong_accepted"], told["hangs"]) == (0, 0)
    assert told["injected"] >= 500
    assert counts.answers > 20
    assert counts.retried > 50
    assert counts.refused > 10
    assert {"lost", "doubled", "flipped", "invented"} < counts.injected.keys()


@pytest.mark.slow
def test_a_link_that_does_not_check_is_found_out(monkeypatch, seed):
    """The run can fail: without the check of CRCs, wrong results are accepted in the end."""
    def unchecked(data):
        whole = len(data) == 8 + 4 * data[3]
        return Response(data[1], data[2], list(struct.unpack(f"<{data[3]}I", data[4:-4]))) if whole else None

    monkeypatch.setattr("signum.fpga.host.link.decode_response", unchecked)
    assert faults.run_faults(500, seed).wrong_accepted > 0


def test_a_driver_that_does_not_look_whether_the_board_was_reset_is_found_out(monkeypatch, seed):
    monkeypatch.setattr(Device, "_expect_done", lambda *_: None)
    monkeypatch.setattr(faults, "RATES", (0.0,))
    counts = Counts()
    board = VirtualBoard(faults.CONFIG)
    rng = np.random.default_rng(seed)
    case = max((draw_case(rng, faults.CONFIG) for _ in range(20)), key=faults.share_of_results)
    while not counts.wrong_accepted and counts.injected["power"] < 40:
        faults.session(board, case, case, rng, counts)
    board.close()
    assert counts.wrong_accepted > 0


def test_the_command_writes_its_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(faults, "OUT", tmp_path)
    monkeypatch.setattr(faults, "PROGRAMS", 1)
    assert main(["faults", "--n", "20", "--seed", "3"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["injected"] >= 20
    assert report["wrong_accepted"] == report["hangs"] == 0
    assert json.loads(capsys.readouterr().out) == report
