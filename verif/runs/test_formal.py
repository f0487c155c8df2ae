"""The command ``signum formal``: its report and its exit status."""

import json
from pathlib import Path

import pytest

from signum.verif.command_line import main
from signum.verif.formal.pe import LOADS, config_of, element
from signum.verif.formal.prove import Mutant, Proof, SatProof
from signum.verif.runs import formal

HARMLESS = Mutant("signum.hdl.array.pe", "Mux(self.load,", "Mux(self.load ,")


def proof(mutant: Mutant) -> Proof:
    return SatProof(unit="ProcessingElement", claim="sums", mutant=mutant, bench=element(config_of(1, 0, 2), None),
                    links={"unit.acc": "spec_acc"}, settle=3)


@pytest.mark.parametrize(("mutant", "counts", "status", "outcome"), [
    (LOADS, (1, 0), 0, "refuted"), (HARMLESS, (0, 1), 1, "proved")])
def test_report(mutant: Mutant, counts: tuple[int, int], status: int, outcome: str, tmp_path: Path,
                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formal, "SUBJECTS", {"pe": (proof(mutant),)})
    monkeypatch.chdir(tmp_path)
    assert main(["formal"]) == status
    found = json.loads((tmp_path / "build/formal/report.json").read_text())
    assert (found["proved"], found["failed"]) == counts
    [row] = found["names"]
    assert isinstance(row.pop("seconds"), float)
    assert row == {"unit": "ProcessingElement", "property": "sums", "method": "SAT, temporal induction",
                   "result": "proved", "mutant": outcome}


def test_an_unknown_subject_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formal", "--subject=x"]) == 2
    assert capsys.readouterr().err.startswith("subject must be one of popcount, pe")
