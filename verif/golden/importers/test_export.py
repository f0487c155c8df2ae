"""Export and import again: qonnx runs the exported network with the results of the graph."""

import numpy as np
import onnx
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from torch import nn

from signum.golden.compiler.fold import fold
from signum.golden.compiler.graph import Graph
from signum.golden.importers import NetworkError, Normalization, load_finn, load_qonnx
from signum.golden.importers.export import to_qonnx
from signum.golden.layers.binary import BatchNorm, Sign
from signum.golden.layers.blocks import Style
from signum.golden.layers.encoder import BitPlanes, Encoder
from signum.golden.layers.gated import GatedConv2d
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.networks.resnet import random_resnet18

from .networks import STYLES
from .test_finn import PLACE, picture, there


def round_trip(graph: Graph, encoder: Encoder, images: np.ndarray, single: int = 5) -> onnx.ModelProto:
    """Export, import, and compare both with the graph; some images by qonnx's whole executor."""
    layer = graph.layers[-1]
    wanted = layer.values(graph.run(encoder.bits(images))[layer.name]).transpose(0, 3, 1, 2)
    model = to_qonnx(graph, encoder)
    onnx.checker.check_model(model)
    back = load_qonnx(model, normalization=Normalization(divide=1))
    assert np.array_equal(back.run(images), wanted)
    assert np.array_equal(back.reference(images).reshape(wanted.shape), wanted)
    assert len(back.graph.layers) == len(graph.layers)
    whole = ModelWrapper(model).transform(InferShapes())
    for image, result in zip(images[:single], wanted, strict=False):
        found = execute_onnx(whole, {"pixels": image[None].astype(np.float32)})["result"]
        assert np.array_equal(found[0], result)
    return model


@pytest.mark.parametrize("name", STYLES)
def test_styles(name: str) -> None:
    network = load_qonnx(STYLES[name]())
    images = np.random.default_rng(0).integers(0, 256, (100, *network.input_shape))
    model = round_trip(network.graph, network.encoder, images)
    assert {node.op_type for node in model.graph.node} <= {"Conv", "MultiThreshold", "Add", "Sub", "Mul", "MaxPool"}


@there
def test_a_trained_network() -> None:
    network = load_finn(PLACE / "cifar10" / "cnvW1A2")
    round_trip(network.graph, network.encoder, picture("deer.bin")[None].astype(np.int64), 1)


def test_what_has_no_form() -> None:
    network = random_resnet18(Style(multiplier=0.125), 32, classes=10)
    graph = fold(network.body, network.blocks.encoder, (3, 32, 32))
    with pytest.raises(NetworkError) as error:
        to_qonnx(graph, network.blocks.encoder)
    assert str(error.value) == ("layer group1.0.0 must compare or give sums of bits: INT4 residuals, elements of 8 "
                                "bits and results of 8 bits have no node of QONNX")
    with pytest.raises(NetworkError, match=r"^the first layer must weigh all levels of an input value alike$"):
        to_qonnx(digits_graph_untrained(), digits_encoder())
    gated = nn.Sequential(GatedConv2d(3, 4, 1, unsigned=True), BatchNorm(4), Sign()).eval()
    with pytest.raises(NetworkError, match=r"^layer 0 must not be gated, for QONNX has no operator of it$"):
        to_qonnx(fold(gated, BitPlanes(2), (3, 4, 4)), BitPlanes(2))
