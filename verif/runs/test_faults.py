"""A small fault run: many faults of all kinds, no wrong result, no hang; a link without checks is detected."""

import json
import struct
import zlib

import numpy as np
import pytest

from signum.fpga.host import framing
from signum.fpga.host.device import Device
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
    """The run can fail: without the check of CRCs, wrong results are accepted in the end, or the driver breaks."""
    decode, crc32 = framing.decode, zlib.crc32
    unchecked = []

    def decode_unchecked(frame):
        unchecked.append(True)
        try:
            return decode(frame)
        finally:
            unchecked.pop()

    monkeypatch.setattr(framing, "decode", decode_unchecked)
    monkeypatch.setattr(framing.zlib, "crc32", lambda data: framing.GOOD if unchecked else crc32(data))
    try:
        found = faults.run_faults(500, seed).wrong_accepted > 0
    except (KeyError, ValueError, struct.error):
        found = True
    assert found


def test_a_driver_that_does_not_load_again_is_found_out(monkeypatch, seed):
    """A board that was reset has lost its program."""
    loaded = set()
    load = Device._load

    def load_once(device):
        if device not in loaded:
            loaded.add(device)
            load(device)

    monkeypatch.setattr(Device, "_load", load_once)
    monkeypatch.setattr(Device, "_expect_done", lambda *_: None)
    monkeypatch.setattr(faults, "RATES", (0.0,))
    counts = Counts()
    board = VirtualBoard(faults.CONFIG, window=faults.WINDOW)
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
