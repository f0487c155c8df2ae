"""The ablations: every variant, width and seed once, and resumption after a stop."""

import json
from dataclasses import replace

import pytest

from signum.golden.layers.blocks import Style
from signum.golden.training.ablation import ABLATIONS, RECIPES, SCHEME, Ablation, Variant, ablate, record_path, table
from signum.golden.training.curves import picture_ablation
from signum.golden.training.tasks import named
from signum.golden.training.tasks.classification import Classification
from signum.golden.training.trainer import Recipe

SMALL = Ablation({name: SCHEME[name] for name in list(SCHEME)[2:5]}, (0.25,), 2, Style())


@pytest.fixture
def task() -> Classification:
    made = Classification()
    made.recipe = replace(made.recipe, batch=4, scores=1)
    return made


def test_ablation(task, tmp_path):
    path = tmp_path / "ablation.json"
    record = ablate(task, [0], path, ablation=SMALL)
    assert [(run["variant"], run["multiplier"]) for run in record["runs"]] == [
        (variant, 0.25) for variant in SMALL.variants]
    assert json.loads(path.read_text()) == record
    part = {**record, "runs": record["runs"][:1]}
    path.write_text(json.dumps(part))
    trained = []
    again = ablate(task, [0], path, lambda what, done, total, text: trained.append(what), ablation=SMALL)
    assert again == record
    assert len(set(trained)) == len(record["runs"]) - 1
    more = ablate(task, [0, 1], path, ablation=SMALL)
    assert more["runs"][:3] == record["runs"]
    assert [run["seed"] for run in more["runs"]] == [0, 0, 0, 1, 1, 1]
    other = ablate(task, [0], path, ablation=replace(SMALL, steps=1))
    assert other["steps"] == 1
    assert other["runs"][0]["test"] != record["runs"][0]["test"]
    picture_ablation(tmp_path / "ablation.png", record)
    assert (tmp_path / "ablation.png").stat().st_size > 5000


def test_variants_of_a_recipe(task, tmp_path):
    """A variant of the recipe alone changes the training, and a teacher is trained for one that needs it."""
    variants = {name: RECIPES[name] for name in ("as it is", "error decay gradient", "distillation")}
    record = ablate(task, [0], tmp_path / "ablation.json", ablation=Ablation(variants, (1.0,), 6, Style()))
    assert len({run["validation"] for run in record["runs"]} | {run["test"] for run in record["runs"]}) > 2


def test_the_form_of_the_task_is_trained_once(task, tmp_path):
    task.style = Style(residual="concat", levels=3)
    variants = {name: RECIPES[name] for name in ("as it is", "levels, learned shifts", "even levels")}
    record = ablate(task, [0], tmp_path / "ablation.json", ablation=Ablation(variants, (1.0,), 1))
    assert [run["variant"] for run in record["runs"]] == ["as it is", "even levels"]


def test_table():
    runs = [{"variant": variant, "multiplier": m, "test": 90 + m + seed} for variant in SCHEME
            for m in (1.0, 1.5, 2.0) for seed in (0, 2)]
    (name, scores), *_ = table({"runs": runs})
    assert name == "plain sign"
    assert scores == [(92, pytest.approx(2 ** 0.5)), (92.5, pytest.approx(2 ** 0.5)), (93, pytest.approx(2 ** 0.5))]


@pytest.mark.parametrize("name", ABLATIONS)
def test_variants_are_styles_and_recipes(name):
    ablation, task = ABLATIONS[name], named(name)
    made = [(replace(ablation.style or task.style, **variant.style), replace(task.recipe, **variant.recipe))
            for variant in ablation.variants.values()]
    assert all(isinstance(style, Style) and isinstance(recipe, Recipe) for style, recipe in made)
    assert len(set(made)) >= len(made) - 1      # a task has the levels of one of the variants
    assert Variant() == Variant({}, {})


@pytest.mark.parametrize("name", ABLATIONS)
def test_records_are_of_their_ablations(name):
    """A record of other variants, steps, styles or recipes would be trained again."""
    path = record_path(name)
    if not path.exists():
        pytest.skip("not recorded")
    record, ablation, task = json.loads(path.read_text()), ABLATIONS[name], named(name)
    assert record["steps"] == ablation.steps
    assert {run["variant"] for run in record["runs"]} <= set(ablation.variants)
    assert Style(**record["style"]) == (ablation.style or task.style)
    assert Recipe(**record["recipe"]) == replace(task.recipe, steps=ablation.steps)
