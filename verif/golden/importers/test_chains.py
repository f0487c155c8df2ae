"""Chains give torch's own numbers, in each layout, and no file may have them."""

import numpy as np
import pytest
import torch
from onnx import helper
from torch import Tensor, nn

from signum.golden.importers import NetworkError, load_qonnx
from signum.golden.importers.aten import translate
from signum.golden.importers.chains import ChainOperators
from signum.golden.importers.operators import CHAINS, opsets_of, tensor
from signum.verif.bench.onnx_networks import OnnxNetwork

from .modules import drawn_norm


class Scaled(nn.Module):
    """A norm whose results are divided and rounded: thousands of ties and near ties."""

    def __init__(self, flat: bool) -> None:
        super().__init__()
        self.norm = drawn_norm(5, 9.0, flat)
        self.scale = nn.Parameter(torch.rand(5) if flat else torch.rand(5, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.round(self.norm(x) / self.scale * 4) / 3


@pytest.mark.parametrize("flat", [True, False])
def test_bits_of_every_number(flat: bool) -> None:
    """2,000 numbers for each channel, as the rows of one matrix or the positions of maps of other sizes."""
    torch.manual_seed(3)
    net = Scaled(flat).eval()
    shape = (1, 5) if flat else (1, 5, 8, 10)
    found = translate(torch.export.export(net, (torch.rand(shape),)).run_decompositions({}), "net")
    operators = ChainOperators(opsets_of(found.model), found.chains)
    (node,) = found.model.graph.node
    assert node.domain == CHAINS
    constants = {entry.name: tensor(entry) for entry in found.model.graph.initializer}
    values = np.arange(-1000, 1000, dtype=np.float32)[:, None].repeat(5, axis=1) / np.float32(7)
    given = values if flat else values[:, :, None, None]
    (result,) = operators.run(node, [given, *(constants[name] for name in node.input[1:])])
    assert result.shape == given.shape
    images = torch.from_numpy(values) if flat else torch.from_numpy(values).reshape(25, 80, 5).permute(0, 2, 1).reshape(
        25, 5, 8, 10)
    with torch.no_grad():
        wanted = torch.cat([net(image[None]) for image in images]).numpy()
    if not flat:
        wanted = wanted.reshape(25, 5, 80).transpose(0, 2, 1).reshape(2000, 5)
    assert np.array_equal(result.reshape(2000, 5), wanted)


def test_no_file_may_have_them() -> None:
    net = OnnxNetwork((1, 3, 8, 8))
    x = net.node("Chain", ["x"], domain=CHAINS, kind="levels")
    model = net.model(net.conv(x, (2, 3, 3, 3)))
    model.opset_import.append(helper.make_opsetid(CHAINS, 1))
    with pytest.raises(NetworkError, match=r"chain0 \(Chain\) must be an operator of ONNX or qonnx, not of signum"):
        load_qonnx(model)
