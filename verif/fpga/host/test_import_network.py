"""The command ``import``: its file, report and picture, and its refusals."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from matplotlib import image

from signum.fpga.flow.program_file import ProgramFile
from signum.golden.compiler.graph import Graph
from signum.golden.importers import load_qonnx
from signum.verif.command_line import main
from signum.verif.golden.importers.networks import STYLES


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(STYLES["signs"](), str(tmp_path / "signs.onnx"))
    return tmp_path / "signs.onnx"


def test_file_report_and_picture(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (30, 2, 6, 6)).astype(np.uint8))
    assert main(["import", str(model), f"--out={tmp_path}/net.sgn", f"--json={tmp_path}/r.json", "--preset=small",
                 f"--picture={tmp_path}/net.png", f"--check={tmp_path}/x.npy", "--random=10"]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["inputs_compared"], report["differences"], report["unsupported"]) == (40, 0, [])
    assert [layer["name"] for layer in report["layers"]] == ["conv3", "conv6", "gemm11"]
    assert report["layers"][0] == {"name": "conv3", "shape": [5, 5, 6], "bits": 2, "taps": 8, "planes": 1,
                                   "weight_bits": 96, "cycles": report["layers"][0]["cycles"]}
    assert report["cycles"] > sum(layer["cycles"] for layer in report["layers"]) * 0.9
    assert report["absorbed"]["sign4"] == "conv3"
    assert {node["name"]: node["absorbed"] for node in report["nodes"]} == report["absorbed"]
    assert "0 differences in 40 images" in capsys.readouterr().out
    assert image.imread(tmp_path / "net.png").shape[0] > 300
    file = ProgramFile.load(tmp_path / "net.sgn")
    network = load_qonnx(model)
    assert file.encoder == network.encoder
    assert isinstance(file.program, Graph)
    images = np.load(tmp_path / "x.npy").astype(np.int64)
    maps, wanted = (graph.run(network.encoder.bits(images)) for graph in (file.program, network.graph))
    assert all(np.array_equal(maps[name], wanted[name]) for name in wanted)


def test_a_network_file_runs_on_a_virtual_board(model: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 6, 6))
    np.save(tmp_path / "x.npy", images)
    network = load_qonnx(model)
    np.save(tmp_path / "y.npy", network.run(images)[:, 0])
    assert main(["import", str(model), f"--out={tmp_path}/net.sgn", "--random=0"]) == 0
    assert main(["run", "--port=sim", f"--program={tmp_path}/net.sgn", f"--input={tmp_path}/x.npy", "--preset=small",
                 f"--labels={tmp_path}/y.npy", f"--out={tmp_path}/z.npy"]) == 0
    found = np.load(tmp_path / "z.npy").reshape(3, 1, 1, -1)
    assert np.array_equal(network.outputs(found), network.run(images))


def test_a_difference_fails(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                            capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("signum.golden.importers.qonnx.QonnxNetwork.differences", lambda network, images: 3)
    assert main(["import", str(model), f"--out={tmp_path}/net.sgn"]) == 1
    assert capsys.readouterr().err == "the network must be computed exactly: 3 outputs differ\n"
    assert not (tmp_path / "net.sgn").exists()


@pytest.mark.parametrize(("options", "message"), [
    ([], "model must be given, or finn"),
    (["{model}", "--finn=x"], "finn must not be given beside model"),
    (["{folder}/none.onnx"], "model must be a readable file, not {folder}/none.onnx (No such file or directory)"),
    (["{model}", "--mean=x"], "mean must be numbers with commas between, not 'x'"),
    (["{model}", "--mean=1,2,3"], "mean and std must be one number or 2"),
    (["{model}", "--check={model}"], "check must be an array that numpy.save wrote, not {model}"),
    (["{model}", "--check={folder}/y.npy"], "check must have integers (B, 2, 6, 6), not uint8 (3, 2, 6, 7)"),
    (["{model}", "--preset=none"], None),
    (["--finn={folder}"], "{folder} must have its config.h beside it, or {name}-config.h in one of the two folders "
                          "above"),
])
def test_refusals(options: list[str], message: str | None, model: Path, tmp_path: Path,
                  capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "y.npy", np.zeros((3, 2, 6, 7), dtype=np.uint8))
    names = {"model": model, "folder": tmp_path, "name": tmp_path.name}
    assert main(["import", *(option.format(**names) for option in options), f"--out={tmp_path}/net.sgn"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message is None or error == message.format(**names) + "\n"
    assert not (tmp_path / "net.sgn").exists()


def test_a_refused_network_has_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = STYLES["signs"]()
    model.graph.node[2].op_type = "Einsum"
    onnx.save(model, str(tmp_path / "x.onnx"))
    assert main(["import", str(tmp_path / "x.onnx"), f"--json={tmp_path}/r.json"]) == 2
    (refusal,) = json.loads((tmp_path / "r.json").read_text())["unsupported"]
    assert (refusal["operator"], refusal["reason"]) == ("Einsum", "must be an operator that the array can compute")
    assert capsys.readouterr().err.count("\n") == 1


def test_export(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(model), f"--out={tmp_path}/net.sgn", "--random=0"]) == 0
    assert main(["export", f"{tmp_path}/net.sgn", f"--onnx={tmp_path}/new/folded.onnx"]) == 0
    assert main(["import", f"{tmp_path}/new/folded.onnx", "--divide=1", f"--out={tmp_path}/again.sgn"]) == 0
    images = np.random.default_rng(1).integers(0, 256, (20, 2, 6, 6))
    first, again = (ProgramFile.load(tmp_path / name) for name in ("net.sgn", "again.sgn"))
    results = []
    for file in (first, again):
        assert isinstance(file.program, Graph)
        assert file.encoder is not None
        layer = file.program.layers[-1]
        results.append(layer.values(file.program.run(file.encoder.bits(images))[layer.name]))
    # ArgMax and its last sums: the exported network has the sums themselves
    assert np.array_equal(results[0], results[1])
    capsys.readouterr()
    for options, message in ((["none.sgn"],
                              "network must be a readable file, not none.sgn (No such file or directory)"),
                             ([str(model)], f"{model} must be a program file, which begins with 'signum program'")):
        assert main(["export", *options, f"--onnx={tmp_path}/x.onnx"]) == 2
        assert capsys.readouterr().err == message + "\n"
    assert not (tmp_path / "x.onnx").exists()
