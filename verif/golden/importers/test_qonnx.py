"""Networks of others equal their own arithmetic: qonnx's and onnxruntime's operators, node by node."""

import re
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas_examples.bnn_pynq.models import model_with_cfg
from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from signum.golden.compiler.compile import compile_graph
from signum.golden.importers.qonnx import Normalization, load_qonnx, read_model
from signum.golden.importers.refusal import NetworkError
from signum.golden.reference.interpret import interpret
from signum.verif.bench.imported_runs import ARRAY, check_imported, images_of
from signum.verif.bench.onnx_networks import QONNX, OnnxNetwork

from .networks import STYLES

BREVITAS = ("tfc_1w1a", "sfc_1w2a", "tfc_2w2a", "lfc_1w1a", "cnv_1w1a", "cnv_2w2a")


def brevitas_model(name: str, folder: Path) -> Path:
    """A network of Brevitas' own examples with random weights and the statistics of a batch."""
    torch.manual_seed(0)
    model, _ = model_with_cfg(name, False)
    shape = (3, 32, 32) if name.startswith("cnv") else (1, 28, 28)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train()(torch.rand(100, *shape))
        export_qonnx(model.eval(), args=torch.rand(1, *shape), export_path=str(folder / f"{name}.onnx"))
    return folder / f"{name}.onnx"


@pytest.mark.parametrize("name", STYLES)
def test_styles(name: str) -> None:
    network = load_qonnx(STYLES[name]())
    assert network.differences(images_of(network, 1000)) == 0
    assert len(np.unique(network.run(images_of(network, 50)))) > 3
    assert {place for _, place in network.absorbed.values()} >= {layer.name for layer in network.graph.layers}
    assert "unused" not in {place for _, place in network.absorbed.values()}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if "cnv" in name or "lfc" in name else ())
                                  for name in BREVITAS])
def test_brevitas(name: str, tmp_path: Path) -> None:
    network = load_qonnx(brevitas_model(name, tmp_path))
    assert network.exact
    assert not network.near
    assert network.ordered
    # a thousand images of CNV take three minutes: signum import --random 1000
    assert network.differences(images_of(network, 1000 if "fc" in name else 40)) == 0


@pytest.mark.parametrize("name", ["residual of codes", "FINN"])
def test_the_reference_is_qonnx_own_executor(name: str) -> None:
    """`Imported.reference` runs the operators one by one; qonnx runs the whole network."""
    model = STYLES[name]()
    network = load_qonnx(model)
    whole = ModelWrapper(model).transform(InferShapes())
    images = images_of(network, 20)
    for image, wanted in zip(images, network.reference(images), strict=True):
        given = Normalization().apply(image[None]).astype(np.float32)
        found = execute_onnx(whole, {"x": given})[model.graph.output[0].name]
        assert np.array_equal(found.reshape(wanted.shape), wanted)


def test_ties_would_be_seen() -> None:
    """Half of the sums of the network of ties lie on a threshold: other rounding gives other results."""
    model = STYLES["ties"]()
    network = load_qonnx(model)
    for node in model.graph.node:
        if node.op_type == "Quant":
            node.attribute.remove(next(entry for entry in node.attribute if entry.name == "rounding_mode"))
            node.attribute.append(helper.make_attribute("rounding_mode", "HALF_UP"))
    other = load_qonnx(model)
    images = images_of(network, 200)
    assert other.differences(images) == 0
    assert (network.run(images) != other.run(images)).any()


def test_rounding_of_the_network_itself_is_told() -> None:
    """Sums of 0.1 in float32 lie beside the integers, here on a threshold."""
    net = OnnxNetwork((1, 4, 1, 1))
    x = net.quant("x", 2, 0.1, signed=0)
    x = net.conv(x, (4, 4, 1, 1), 1, 0.1)
    network = load_qonnx(net.model(net.dense(net.flatten(net.quant(x, 3, 0.02)), 4, 2)))
    assert network.near["conv2"] > 0
    assert set(network.near) == {"conv2"}
    assert not network.exact


@pytest.mark.parametrize(("bias", "exact"), [(0.625, True), (0.1, False)])
def test_a_bias_of_real_numbers_is_rounded_among_the_products(bias: float, exact: bool) -> None:
    net = OnnxNetwork((1, 4, 3, 3))
    weights = net.weights((5, 4, 3, 3))
    x = net.node("Conv", [net.bipolar(net.node("Sub", ["x", net.constant(0.5)])), weights,
                          net.constant(np.full(5, bias))], kernel_shape=[3, 3])
    network = load_qonnx(net.model(net.dense(net.flatten(net.bipolar(x)), 5, 3)))
    assert network.near == ({} if exact else {"conv3": 0})
    assert network.differences(images_of(network, 50)) == 0


@pytest.mark.parametrize(("bits", "signed"), [(2, 0), (1, 0), (3, 1)])
def test_a_network_may_end_with_codes(bits: int, signed: int) -> None:
    net = OnnxNetwork((1, 3, 6, 6))
    x = net.conv(net.bipolar(net.node("Sub", ["x", net.constant(0.5)])), (4, 3, 3, 3))
    network = load_qonnx(net.model(net.quant(x, bits, 0.5, signed=signed)))
    assert network.differences(images_of(network, 100)) == 0
    assert 1 < len(np.unique(network.run(images_of(network, 100)))) <= 1 << bits


def test_channels_of_the_input_may_rise_and_fall() -> None:
    net = OnnxNetwork((1, 2, 4, 4))
    x = net.quant(net.node("Mul", ["x", net.constant(np.array([1.0, -1.0]).reshape(1, 2, 1, 1))]), 3, 0.25)
    network = load_qonnx(net.model(net.conv(x, (3, 2, 4, 4))))
    assert network.differences(images_of(network, 100)) == 0


def test_normalization_is_that_of_torchvision() -> None:
    net = OnnxNetwork((1, 3, 4, 4))
    x = net.quant("x", 8, 2.0**-6)
    network = load_qonnx(net.model(net.conv(x, (5, 3, 4, 4))),
                         normalization=Normalization(mean=(0.5, 0.25, 0.125), std=(0.25, 0.3, 0.5)))
    images = images_of(network, 100)
    assert network.differences(images) == 0
    with pytest.raises(NetworkError, match=r"^mean and std must be one number or 3$"):
        load_qonnx(network.model, normalization=Normalization(mean=(0.5, 0.25)))


@pytest.mark.parametrize("name", ["residual of codes", "zero padding and average", "FINN", "signs"])
@pytest.mark.parametrize("split", [False, True])
def test_the_program_of_an_array_gives_the_same(name: str, split: bool) -> None:
    network = load_qonnx(STYLES[name]())
    config = ARRAY.replace(rows=3)
    program = compile_graph(network.graph, config, split=split)
    images = images_of(network, 9)
    _, sums = interpret(program, network.encoder.bits(images))
    layer = network.graph.layers[-1]
    found = layer.values(sums.reshape(len(images), *network.graph.sums_size(layer), layer.channels))
    assert np.array_equal(network.outputs(found), network.run(images))


def fine_levels(bits: int, signed: int) -> onnx.ModelProto:
    """Activations of many levels between 8-bit pixels and a linear layer."""
    net = OnnxNetwork((1, 1, 4, 4), 9)
    x = net.conv(net.quant("x", 8, 1 / 256, signed=0), (3, 1, 2, 2), 3)
    x = net.quant(net.norm(x, 3, 0.1), bits, 2.0**-bits * (8 if signed else 2), signed=signed)
    return net.model(net.dense(net.flatten(x), 27, 4, 3))


@pytest.mark.parametrize(("bits", "signed"), [(5, 0), (6, 1), (7, 0), (8, 1), (8, 0)])
def test_activations_of_more_than_4_bits(bits: int, signed: int) -> None:
    network = load_qonnx(fine_levels(bits, signed))
    assert network.bits["conv2"] == (1 << bits) - 1
    images = images_of(network, 200)
    assert network.differences(images) == 0
    maps = network.graph.run(network.encoder.bits(images))
    levels = maps["conv2"].reshape(*maps["conv2"].shape[:3], 3, -1).sum(axis=-1)
    assert len(np.unique(levels)) > 1 << bits - 2


def test_in_rtl() -> None:
    """All styles, and activations of 6 bits, on one simulated array, results and cycles."""
    check_imported([load_qonnx(make()) for make in (*STYLES.values(), lambda: fine_levels(6, 1))])


def refused(model: onnx.ModelProto) -> list[str]:
    with pytest.raises(NetworkError) as error:
        load_qonnx(model)
    assert "\n" not in str(error.value)
    return [str(refusal) for refusal in error.value.refusals] or [str(error.value)]


def test_all_refusals_at_once() -> None:
    net = OnnxNetwork((1, 3, 8, 8))
    x = net.bipolar(net.node("Sub", ["x", net.constant(0.5)]))
    x = net.conv(x, (4, 3, 3, 3))
    gru = net.node("GRU", [x])
    x = net.node("MaxPool", [net.bipolar(x)], kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1)
    y = net.node("Softmax", [gru])
    found = refused(net.model(net.node("Add", [x, y])))
    assert [text.split(" must")[0] for text in found] == ["gru4 (GRU)", "maxpool6 (MaxPool)", "softmax7 (Softmax)"]
    assert found[1] == ("maxpool6 (MaxPool) must have dilations of 1, ceil_mode of 0 and pads in numbers; such windows "
                        "would make it fit")


def one(change: str) -> onnx.ModelProto:
    """A network with one thing that cannot be."""
    net = OnnxNetwork((1, 3, 8, 8))
    x = net.bipolar(net.node("Sub", ["x", net.constant(0.5)]))
    if change == "real weights":
        return net.model(net.node("Conv", [x, net.constant(net.rng.normal(size=(4, 3, 3, 3)))], kernel_shape=[3, 3]))
    if change == "no quantizer":
        return net.model(net.conv(net.conv(x, (4, 3, 1, 1)), (4, 4, 1, 1)))
    if change == "moving weights":
        return net.model(net.node("Conv", [x, x]))
    if change == "levels":
        return net.model(net.conv(net.quant(net.conv(x, (4, 3, 3, 3), 7, 0.1), 9, 0.05), (2, 4, 1, 1)))
    if change == "sine":
        x = net.conv(x, (4, 3, 3, 3))
        return net.model(net.conv(net.bipolar(net.node("Mul", [x, net.constant(np.full((1, 4, 6, 6), 2.0))])),
                                  (2, 4, 1, 1)))
    if change == "branches":
        return net.model(net.node("Add", [net.norm(net.conv(x, (4, 3, 1, 1)), 4), net.conv(x, (4, 3, 1, 1))]))
    if change == "groups":
        return net.model(net.conv(x, (4, 2, 3, 3), group=2))
    if change == "kernel":
        return net.model(net.conv(x, (4, 3, 9, 9)))
    if change == "nothing":
        return net.model(net.node("Mul", ["x", net.constant(2.0)]))
    raise AssertionError(change)


@pytest.mark.parametrize(("change", "message"), [
    ("real weights", r"conv2 \(Conv\) must have weights of integers: the weights of an output channel must be "
                     r"multiples of one number, by -255 to 255; a Quant or BipolarQuant of its weights would make it "
                     r"fit"),
    ("no quantizer", r"conv5 \(Conv\) must read a quantized tensor; a Quant or BipolarQuant in front of it would make "
                     r"it fit"),
    ("moving weights", r"conv2 \(Conv\) must have constant weights; weights in the file would make it fit"),
    ("levels", r"quant4 \(Quant\) must have at most 256 levels, not \d+; a bit width of 8 or less would make it fit"),
    ("sine", r"mul4 \(Mul\) must have constants that are alike for all positions, not of the shape \(1, 4, 6, 6\); "
             r"one constant for each channel would make it fit"),
    ("branches", r"add7 \(Add\) must add two quantized tensors, or two convolutions without functions between; a Quant "
                 r"in both branches would make it fit"),
    ("groups", r"conv3 \(Conv\) must have weights for 3 channels in 2 groups, not of the shape \(4, 2, 3, 3\); weights "
               r"of this shape would make it fit"),
    ("kernel", r"conv3 \(Conv\) must have a kernel that fits into its map, not 9 positions of 8; a smaller kernel or "
               r"more padding would make it fit"),
    ("nothing", r"t2_0 \(output\) must be computed by a layer; a convolution or linear layer in the network would make "
                r"it fit"),
])
def test_refusals(change: str, message: str) -> None:
    (found,) = refused(one(change))
    assert re.fullmatch(message, found), found


def test_files_that_are_no_network(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"no network at all")
    with pytest.raises(NetworkError, match=r"must be a whole ONNX file: it is of another kind, cut or damaged$"):
        read_model(path)
    path.write_bytes(b"")
    with pytest.raises(NetworkError, match=r"must be an ONNX file with nodes: it has none$"):
        read_model(path)
    whole = STYLES["signs"]().SerializeToString()
    path.write_bytes(whole[:-40])
    with pytest.raises(NetworkError, match=r"^\S+x.onnx must be a whole ONNX file"):
        read_model(path)
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(NetworkError, match=r"must have at most 536870912 bytes, not 1073741824$"):
        read_model(path)
    model = STYLES["signs"]()
    onnx.save(model, str(path), save_as_external_data=True, location="x.data", size_threshold=0)
    assert load_qonnx(path).name == "x"
    (tmp_path / "x.data").unlink()
    with pytest.raises(NetworkError, match=r"must have its external data beside it"):
        read_model(path)
    with pytest.raises(OSError, match="No such file"):
        read_model(tmp_path / "none.onnx")


def test_the_shape_of_the_input() -> None:
    net = OnnxNetwork((2, 3, 8, 8))
    assert refused(net.model(net.bipolar("x"))) == [
        "the input of network must be of the shape (1, C, H, W) or (1, F), not (2, 3, 8, 8)"]
    net = OnnxNetwork((1, 3, 1 << 15, 1 << 15))
    assert refused(net.model(net.bipolar("x"))) == [
        "the input of network must have at most 4194304 values, not 3221225472"]
    net = OnnxNetwork((1, 1 << 20))
    assert refused(net.model(net.bipolar("x"))) == [
        "the input of network must have at most 16384 channels, not 1048576"]


def test_operators_of_another_domain() -> None:
    net = OnnxNetwork((1, 3, 8, 8))
    found = refused(net.model(net.node("Quant", ["x"], domain="somewhere")))
    assert found[0].startswith("quant0 (Quant) must be an operator of ONNX or qonnx")
    model = STYLES["signs"]()
    del model.opset_import[:]
    assert refused(model) == ["network must tell the version of its operators of ''"]


def test_quantizers_of_weights_tell_their_scale() -> None:
    """Weights that are all 2 or -2 times their scale."""
    net = OnnxNetwork((1, 1, 2, 2))
    x = net.node("Mul", ["x", net.constant(255.0)])
    weights = net.node("Quant", [net.constant([[[[2.0, -2.0], [-2.0, 2.0]]]]), net.constant(1.0), net.constant(0.0),
                                 net.constant(4)], domain=QONNX, signed=1, narrow=0, rounding_mode="ROUND")
    network = load_qonnx(net.model(net.node("Conv", [x, weights], kernel_shape=[2, 2])))
    assert network.differences(images_of(network, 100)) == 0
