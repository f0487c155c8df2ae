"""Every property is proved of its unit, and refuted by the mutant beside it."""

import pytest

from .prove import Mutant, Outcome, Proof, verdict
from .subjects import SUBJECTS

ALL = [pytest.param(proof, id=f"{subject}-{number}", marks=[pytest.mark.slow] if proof.slow else [])
       for subject, proofs in SUBJECTS.items() for number, proof in enumerate(proofs)]


@pytest.mark.parametrize("proof", ALL)
def test_proved_and_able_to_fail(proof: Proof) -> None:
    assert (proof.run(), proof.run_mutant()) == (Outcome.PROVED, Outcome.REFUTED), proof.name


def test_names_are_unique() -> None:
    names = [proof.name for proofs in SUBJECTS.values() for proof in proofs]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize(("module", "old", "message"), [
    ("signum.hdl.array.pe", "no text", r"old must occur once in signum\.hdl\.array\.pe, not 0 times: no text"),
    ("signum.hdl.array.pe", "acc", r"old must occur once in signum\.hdl\.array\.pe, not \d\d times: acc"),
    ("signum.hdl.array.none", "", r"module must be one of this project, not signum\.hdl\.array\.none"),
])
def test_a_mutant_changes_one_place(module: str, old: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Mutant(module, old, "").load()


@pytest.mark.parametrize(("log", "outcome"), [
    ("SAT proof finished - no model found: SUCCESS!", Outcome.PROVED),
    ("Induction step proven: SUCCESS!", Outcome.PROVED),
    ("SAT temporal induction proof finished - model found for base case: FAIL!", Outcome.REFUTED),
    ("Reached maximum number of time steps -> proof failed.", Outcome.OPEN),
])
def test_verdicts(log: str, outcome: Outcome) -> None:
    assert verdict(log) is outcome
