"""The ablation: every variant, width and seed once, and resumption after a stop."""

import json
from dataclasses import replace

import pytest

from signum.golden.layers.blocks import Style
from signum.golden.training import ablation
from signum.golden.training.ablation import VARIANTS, ablate, table
from signum.golden.training.curves import picture_ablation
from signum.golden.training.tasks.classification import Classification


@pytest.fixture
def task(monkeypatch) -> Classification:
    monkeypatch.setattr(ablation, "MULTIPLIERS", (0.25,))
    monkeypatch.setattr(ablation, "VARIANTS", dict(list(VARIANTS.items())[2:5]))
    made = Classification()
    made.recipe = replace(made.recipe, batch=4, scores=1)
    return made


def test_ablation(task, tmp_path):
    path = tmp_path / "ablation.json"
    record = ablate(task, [0], 2, path)
    assert [(run["variant"], run["multiplier"]) for run in record["runs"]] == [
        (variant, 0.25) for variant in ablation.VARIANTS]
    assert json.loads(path.read_text()) == record
    part = {**record, "runs": record["runs"][:1]}
    path.write_text(json.dumps(part))
    trained = []
    again = ablate(task, [0], 2, path, lambda what, done, total, text: trained.append(what))
    assert again == record
    assert len(set(trained)) == len(record["runs"]) - 1
    other = ablate(task, [0], 1, path)
    assert other["steps"] == 1
    picture_ablation(tmp_path / "ablation.png", record)
    assert (tmp_path / "ablation.png").stat().st_size > 5000


def test_table():
    runs = [{"variant": variant, "multiplier": m, "test": 90 + m + seed} for variant in VARIANTS
            for m in ablation.MULTIPLIERS for seed in (0, 2)]
    (name, scores), *_ = table({"runs": runs})
    assert name == "plain sign"
    assert scores == [(92, pytest.approx(2 ** 0.5)), (92.5, pytest.approx(2 ** 0.5)), (93, pytest.approx(2 ** 0.5))]


def test_variants_are_styles():
    styles = [Style(**changes) for changes in VARIANTS.values()]
    assert len(set(styles)) == len(VARIANTS)
