"""Training: progress, reproducibility, bounded steps, and the file of the network."""

from pathlib import Path

import numpy as np
import pytest
import torch

from signum.golden.compiler.fold import fold
from signum.golden.layers.binary import BinaryConv2d, BinaryLinear
from signum.golden.networks.digits import DIGITS_SHAPE, digits_encoder, digits_graph_untrained, digits_network
from signum.golden.training import commands
from signum.golden.training.data import Split, digits
from signum.golden.training.fit import (
    Recipe,
    TrainedDigits,
    _shifted,
    accuracy,
    fit,
    load_digits_network,
    save_digits_network,
    train_digits,
)
from signum.golden.training.trainer import Progress
from signum.verif.command_line import main

SHORT = Recipe(epochs=2, batch=64)


@pytest.fixture(scope="module")
def trained() -> TrainedDigits:
    return train_digits(7, recipe=SHORT, recipe_float=SHORT)


def test_two_passes_learn_something(trained: TrainedDigits) -> None:
    assert trained.accuracy > 0.6
    assert trained.accuracy_float > 0.9
    assert [point.epoch for point in trained.history] == [1, 2]
    assert trained.history[1].loss < trained.history[0].loss
    assert not trained.model.training


@pytest.mark.slow
def test_the_held_out_digits() -> None:
    """The documented accuracy of a full training."""
    assert train_digits(0, recipe_float=Recipe(epochs=1)).accuracy >= 0.985


def test_the_integers_agree_with_the_trained_network(trained: TrainedDigits) -> None:
    test = digits().test
    graph = fold(trained.model, trained.encoder, DIGITS_SHAPE)
    result = graph.layers[-1]
    values = result.values(graph.run(trained.encoder.bits(test.images))[result.name])[:, 0, 0]
    with torch.no_grad():
        np.testing.assert_array_equal(values, trained.model(trained.encoder.tensor(test.images)).numpy())
    assert (values.argmax(axis=1) == test.labels).mean() == trained.accuracy


def test_equal_seeds_give_equal_networks(trained: TrainedDigits) -> None:
    torch.manual_seed(99)
    torch.set_num_threads(2)
    random = torch.random.get_rng_state()
    steps: list[tuple[int, int, str]] = []
    again = train_digits(7, lambda done, total, text: steps.append((done, total, text)), SHORT, SHORT)
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert again.history == trained.history
    assert again.history_float == trained.history_float
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.get_num_threads() == 2
    assert [step[:2] for step in steps] == [(22, 88), (44, 88), (66, 88), (88, 88)]
    assert [step[2].split(",")[0] for step in steps] == ["binary", "binary", "float", "float"]


def test_other_seeds_give_other_networks(trained: TrainedDigits) -> None:
    glimpse = Recipe(epochs=1, batch=512)
    other = train_digits(8, recipe=glimpse, recipe_float=glimpse)
    weights = [network.model.state_dict()["linear.weight"] for network in (other, trained)]
    assert not torch.equal(*weights)


def test_a_file_brings_back_the_network(trained: TrainedDigits, tmp_path: Path) -> None:
    path = tmp_path / "new" / "digits.pt"
    save_digits_network(trained, path)
    back = load_digits_network(path)
    images = trained.encoder.tensor(digits().test.images)
    with torch.no_grad():
        assert torch.equal(back.model(images), trained.model(images))
    assert back.encoder == trained.encoder
    for name in ("seed", "accuracy", "accuracy_float", "history", "history_float"):
        assert getattr(back, name) == getattr(trained, name)


def test_from_the_command_line(trained: TrainedDigits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                               capsys: pytest.CaptureFixture[str]) -> None:
    def instantly(seed: int, progress: Progress) -> TrainedDigits:
        progress(1, 2, f"seed {seed}")
        return trained

    monkeypatch.setattr(commands, "train_digits", instantly)
    path = tmp_path / "digits.pt"
    main(["train-digits", "--seed", "7", "--out", str(path)])
    assert load_digits_network(path).accuracy == trained.accuracy
    said = " ".join(capsys.readouterr().out.split())
    assert f"seed 7: binary {100 * trained.accuracy:.2f} %" in said
    assert f"float {100 * trained.accuracy_float:.2f} %; saved as" in said


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_other_files_are_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "digits.pt"
    if content is None:
        torch.save({"weights": {}}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"digits\.pt must be a digits network written by save_digits_"):
        load_digits_network(path)


def test_images_move_by_one_pixel() -> None:
    image = np.zeros((1, 1, 3, 3), dtype=int)
    image[0, 0, 1, 1], image[0, 0, 0, 2] = 5, 7
    views = [view[0, 0].tolist() for view in _shifted(image)]
    assert views == [
        [[0, 0, 7], [0, 5, 0], [0, 0, 0]],
        [[0, 5, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 7, 0], [5, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 5], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 7], [0, 5, 0]],
    ]


def test_latent_weights_stay_in_range() -> None:
    torch.manual_seed(0)
    model = digits_network()
    train = digits().train
    few = Split(train.images[:64], train.labels[:64])
    fit(model, digits_encoder(), few, Recipe(epochs=3, latent_rate=1.0), 0)
    latent = [m.weight for m in model.modules() if isinstance(m, BinaryConv2d | BinaryLinear)]
    assert len(latent) == 4
    assert max(float(weight.detach().abs().max()) for weight in latent) == 1


def test_accuracy_counts_right_answers() -> None:
    """A network that always answers class 0, by a tie of all logits."""
    split = Split(np.zeros((4, 1, 8, 8), dtype=int), np.array([0, 1, 0, 2]))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Threshold(1e9, 0.0))
    assert accuracy(model, digits_encoder(), split) == 0.5


def test_the_untrained_graph() -> None:
    graph = digits_graph_untrained(3)
    assert [layer.name for layer in graph.layers] == ["conv1", "conv2", "conv3", "linear"]
    maps = graph.run(digits_encoder().bits(digits().test.images))
    for name in ("conv1", "conv2", "conv3"):
        share = maps[name].mean(axis=(0, 1, 2))
        assert 0.2 < share.mean() < 0.8
    other = digits_graph_untrained(4)
    assert (graph.layers[0].segments[0].weights != other.layers[0].segments[0].weights).any()


def test_the_network_fits_the_smallest_board() -> None:
    """Words of 32 lanes in each of 8 weight banks, the taps of the first layer packed along a row."""
    words = 0
    for layer in digits_graph_untrained().layers:
        outputs, channels, height, width = layer.segments[0].weights.shape
        row = -(-width * channels // 32) if layer.name == "conv1" else width * -(-channels // 32)
        words += -(-outputs // 8) * height * row
    assert words <= 232
