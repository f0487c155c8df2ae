"""Tables of an input: what the input unit encodes has the encoder's bits, for every value of a pixel."""

import re

import numpy as np
import pytest

from signum.golden.compiler.allocation import CapacityError
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.graph import Graph, Layer, MapShape, Segment
from signum.golden.compiler.input_tables import host_tables, input_tables, looked_up
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder, TablePlanes, TableThermometer, Thermometer
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.hdl.config import ArrayConfig

ARRAY = ArrayConfig(rows=1, cols=4, lanes=16, input_depth=64, input_planes=8, input_tables=3, answer_ranks=1)
RISING = tuple(min(3, value // 50) for value in range(256))
FALLING = RISING[::-1]


def thermometer(levels: int, maximum: int) -> ArrayConfig:
    return ARRAY.replace(input_planes=1, input_levels=levels, input_maximum=maximum)


@pytest.mark.parametrize(("encoder", "config", "count"), [
    (BitPlanes(8), ARRAY, 0),
    (BitPlanes(3), ARRAY, 0),
    (TablePlanes(2, tables=(RISING,)), ARRAY, 1),
    (TablePlanes(2, tables=(RISING, FALLING, RISING)), ARRAY, 3),
    (TablePlanes(2, tables=(RISING, RISING, RISING)), ARRAY, 1),
    (TablePlanes(8, tables=(tuple(range(256)),)), ARRAY, 0),
    (TablePlanes(2, tables=((0, 1, 2, 3),)), ARRAY, 0),
    (Thermometer(7, 255), thermometer(7, 255), 0),
    (Thermometer(7, 16), thermometer(7, 16), 0),
    (Thermometer(7, 16), thermometer(7, 255), 1),
    (Thermometer(7, 255), thermometer(7, 16), 1),
    (TableThermometer(3, 3, tables=(RISING,)), thermometer(3, 3), 1),
    (TableThermometer(3, 3, tables=(RISING, FALLING, FALLING)), thermometer(3, 200), 3),
    (SignEncoder(100), thermometer(1, 1), 1),
    (SignEncoder(100), thermometer(1, 199), 1),
    (SignEncoder(1), thermometer(1, 1), 0)])
def test_the_input_unit_makes_the_code_of_the_encoder(encoder: Encoder, config: ArrayConfig, count: int) -> None:
    tables = input_tables(encoder, config, 3)
    assert len(tables) == count
    image = np.broadcast_to(np.arange(encoder.largest + 1), (1, 3, 1, encoder.largest + 1))
    values = looked_up(tables, encoder.pixels(image))
    assert values.dtype == np.uint8
    assert values.shape == image.shape
    if encoder.planes:
        made = {f"input.{k}": (values >> k & 1).astype(bool).transpose(0, 2, 3, 1) for k in range(len(encoder.names))}
        assert not (values >> len(encoder.names)).any()
    else:
        steps = np.arange(config.input_levels) * config.input_maximum // config.input_levels    # of `code_of`
        made = {"input": (values.transpose(0, 2, 3, 1)[..., None] > steps).reshape(1, 1, image.shape[-1], -1)}
    wanted = encoder.bits(image)
    assert made.keys() == wanted.keys()
    for name, bits in wanted.items():
        assert np.array_equal(made[name], bits), name
    for table in tables:
        assert len(table) == 256
        assert len(set(table[encoder.largest:])) == 1


@pytest.mark.parametrize(("encoder", "config", "message"), [
    (BitPlanes(4), thermometer(7, 255), "the input must have bit planes, not levels of a thermometer code: "
                                        "input_planes of 4 would make it fit"),
    (Thermometer(3, 255), thermometer(7, 255), "the input must have 7 levels of a thermometer code, not 3: "
                                               "input_levels of 3 would make it fit")])
def test_another_code(encoder: Encoder, config: ArrayConfig, message: str) -> None:
    with pytest.raises(CapacityError, match=f"^{re.escape(message)}$"):
        input_tables(encoder, config, 3)


def test_a_program_has_the_tables_of_its_array() -> None:
    """With tables the device looks the pixels up, without them the host does."""
    graph, encoder = digits_graph_untrained(0), digits_encoder()
    small = ArrayConfig.preset("icebreaker_pixels")
    same = compile_graph(graph, small, answers=Answers(), encoder=encoder)
    assert same.tables == host_tables(same, encoder) == ()
    other = small.replace(input_maximum=255)
    by_host = compile_graph(graph, other, answers=Answers(), encoder=encoder)
    assert by_host.tables == ()
    assert len(host_tables(by_host, encoder)) == 1
    by_itself = compile_graph(graph, other.replace(input_tables=2), answers=Answers(), encoder=encoder)
    assert by_itself.tables == host_tables(by_host, encoder)
    assert (by_itself.largest_pixel, by_host.largest_pixel) == (16, 0)
    assert host_tables(by_itself, encoder) == ()
    assert len(list(by_itself.load_writes())) == len(list(by_host.load_writes())) + 256
    without = compile_graph(graph, other.replace(input_tables=2), answers=Answers())
    assert [value for _, value in without.load_writes()][-256:] == list(range(256))


def test_more_tables_than_the_array_has() -> None:
    encoder = TablePlanes(2, tables=(RISING, FALLING, RISING))
    shape = MapShape(4, 4, 3)
    weights = np.ones((2, 3, 4, 4), dtype=bool)
    layer = Layer(name="sums", combine="sum", offset=np.zeros(2, dtype=np.int64), segments=tuple(
        Segment(source=name, weights=weights, pad=np.zeros(3, dtype=bool), double=number > 0)
        for number, name in enumerate(encoder.names)))
    network = Graph(inputs=dict.fromkeys(encoder.names, shape), layers=(layer,))
    with pytest.raises(CapacityError, match=r"^tables of the input must be at most 2, not 3 \(1 too many\): "
                                            r"input_tables of 3 would make it fit$"):
        compile_graph(network, ARRAY.replace(input_tables=2), answers=Answers(), encoder=encoder)
    program = compile_graph(network, ARRAY, answers=Answers(), encoder=encoder)
    assert len(program.tables) == 3
    assert program.input_fields["table"] == 2
