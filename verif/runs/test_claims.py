"""The claims: compared designs are equal in the named quantity, and counts equal the cycle model's."""

from math import prod

import pytest

from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.cycles import layer_cycles
from signum.golden.compiler.graph import MapShape
from signum.golden.layers.blocks import FLOAT, Style
from signum.golden.layers.int8 import Int8Conv2d, quantize
from signum.golden.networks.geometry import Builder
from signum.golden.training.contest import trained_network
from signum.golden.training.tasks import named
from signum.hdl.config import ArrayConfig
from signum.verif.golden.layers.test_blocks import images, settled
from signum.verif.runs.claims import (
    BINARY_ARRAY,
    Convolution,
    convolutions,
    graph_cycles,
    is_end,
    machines,
    network_rows,
    reactnet_rows,
    resnet_rows,
)
from signum.verif.runs.task import body_graph

__all__ = ["images"]


@pytest.fixture(scope="module", autouse=True)
def sizes():
    """LUT4s of elements by Yosys, counted once."""
    return machines()


def size(config: ArrayConfig) -> int:
    return config.rows * config.cols


@pytest.mark.slow
def test_machines_are_equal(sizes):
    bandwidth, elements, area = sizes
    assert [machine.equal for machine in sizes] == ["operand bandwidth", "processing elements", "LUT4"]
    assert bandwidth.config.lanes * bandwidth.config.element_bits == BINARY_ARRAY.lanes
    assert size(bandwidth.config) == size(elements.config) == size(BINARY_ARRAY)
    assert elements.config.lanes == 1
    assert area.size[0] <= area.size[1] <= 1.1 * area.size[0]
    assert prod((size(area.config), area.config.lanes)) < BINARY_ARRAY.binops_per_cycle / 8


def test_cycles_of_a_graph_are_those_of_its_layers():
    builder = Builder(1, {"a": MapShape(9, 9, 20), "b": MapShape(9, 9, 20)})
    builder.layer("one", ("a", 3, 1), outputs=12)
    builder.layer("two", ("one", 3, 2), ("b", 1, 2), outputs=30)
    config = BINARY_ARRAY.replace(rows=3)
    found = graph_cycles(builder.graph, config)
    together = layer_cycles(config, compile_graph(builder.graph, config).records)
    assert list(found) == ["one", "two"]
    assert [3 * cycles for cycles in found.values()] == pytest.approx(together, rel=0.05)


@pytest.mark.long
def test_resnet_rows():
    rows = resnet_rows((1.0,))
    assert [row.equal for row in rows] == ["operand bandwidth", "processing elements", "LUT4"]
    assert [row.ratio for row in rows] == [row.int8 / row.binary for row in rows]
    least = [1_813_561_344 / (size(m.config) * m.config.lanes) for m in machines()]
    assert all(row.int8 >= bound for row, bound in zip(rows, least, strict=True))
    assert rows[0].binary == rows[1].binary
    assert all(row.ratio == row.ratio_inner for row in rows)


@pytest.mark.slow
def test_reactnet_rows():
    rows = reactnet_rows()
    ours = {row["multiplier"]: row for row in rows if row["trunk"] == "nothing"}
    assert ours[1.0]["ratio"] > ours[1.5]["ratio"]
    for row in rows:
        assert row["ratio"] == (row["reactnet_array"] + row["reactnet_trunk"]) / row["binary"]
    assert {row["reactnet_trunk"] for row in rows} == {0, 290080, 580160}


def test_convolutions_of_a_network(images):
    network = settled(FLOAT, images)
    twin = quantize(network, network.encode(images))
    found = convolutions(twin, images)
    convs = [module for module in twin.modules() if isinstance(module, Int8Conv2d)]
    assert {layer.conv for layer in found} == set(convs)
    assert found[0].shape == (1, 17, 14)
    (layer,) = found[0].graph().layers
    assert layer.segments[0].weights.shape == (6, 1, 5, 5)
    assert convolutions(settled(Style(), images), images) == []


def test_identity_skips_are_free(images):
    network = settled(FLOAT, images)
    found = convolutions(quantize(network, network.encode(images)), images)
    free = [layer.name for layer in found if layer.free]
    assert free == ["body.2.skip.0"]
    assert isinstance(found[0], Convolution)


@pytest.mark.slow
def test_ends_of_a_task():
    """Super-resolution: the first filters, those beside the path, and the last convolution are its layers of 8 bits."""
    task = named("super_resolution")
    images, _ = task.split("test")
    real = convolutions(trained_network(task, "int8"), images)
    graph = body_graph(trained_network(task, "binary_m1"), images)
    planes = [layer for layer in graph.layers if any(segment.double for segment in layer.segments)]
    assert planes == [graph.layers[0], graph.layers[-1]]
    ends = [layer.name for layer in real if is_end(layer, graph, planes)]
    assert sorted(ends) == ["body.filters", "body.path.0.0.0", "body.path.1"]
    bandwidth, *_ = network_rows(task)
    assert 0 < bandwidth.ends < bandwidth.binary
    assert 0 < bandwidth.int8_ends < bandwidth.int8
    assert bandwidth.ratio < bandwidth.ratio_inner
