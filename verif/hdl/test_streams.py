"""Pixels in, answers out: whole networks on the accelerator, without a host between."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from signum.golden.compiler.answers import Answers, ranked
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.fold import fold
from signum.golden.compiler.stream_cycles import interval_cycles
from signum.golden.layers.binary import BatchNorm, BinaryConv2d, BinaryLinear, Bytes, Logits, MaxPool, Sign
from signum.golden.layers.encoder import BitPlanes, Encoder, SignEncoder, TablePlanes, TableThermometer, Thermometer
from signum.golden.layers.quant import Levels, QuantConv2d
from signum.golden.networks.digits import digits_encoder, digits_graph_untrained
from signum.golden.networks.geometry import cnv, with_random_weights
from signum.golden.training.data import digits
from signum.hdl.config import ArrayConfig
from signum.hdl.control.answer_geometry import AnswerKind
from signum.verif.bench.cases import draw_config
from signum.verif.bench.simulate import default_seed
from signum.verif.bench.stream_cases import BIT, draw_stream, with_streams
from signum.verif.bench.stream_runs import StreamCase, check_streams, expected_answers, stream_values


@pytest.mark.sweep(4)
@pytest.mark.parametrize("index", [pytest.param(i, marks=() if i < 3 else pytest.mark.slow) for i in range(8)])
def test_random_networks(index: int) -> None:
    rng = np.random.default_rng([default_seed(), index])
    config = with_streams(
        draw_config(rng, element_bits=1), ranks=int(rng.integers(1, 4)), answer_bytes=index % 2,
        input_places=1 + index // 2 % 2, answer_shuffle=int(rng.choice([0, 2, 3])))
    cases = [draw_stream(rng, config, batches=3) for _ in range(4)]
    stall = 0.3 * (index % 2)
    check_streams(cases, stall_pixels=stall, stall_answers=stall)


@pytest.mark.parametrize("split", [False, True])
def test_digits(split: bool) -> None:
    """Images of 64 values, and their classes: within 2,860 cycles an image on the smallest board."""
    config = ArrayConfig.preset("icebreaker_pixels")
    graph = digits_graph_untrained(0)
    program = compile_graph(graph, config, split=split, answers=Answers())
    case = StreamCase(program=program, graph=graph, encoder=digits_encoder(), answers=Answers(),
                      images=digits().test.images[:8])
    (found,) = check_streams([case])
    assert np.diff(found["runs"]).tolist() == [interval_cycles(program) * program.images] * (len(found["runs"]) - 1)
    assert split or interval_cycles(program) <= 2860


def network_of(encoder: Encoder, channels: int, levels: int, values: np.ndarray) -> nn.Module:
    """A small network with the statistics of some images: zero padding, pooling, and several bits."""
    torch.manual_seed(default_seed())
    logits = Logits(5, scale=0.1)
    network = nn.Sequential(
        QuantConv2d(channels * levels, 6, 3, weight_bits=2, padding=1, pad=0), BatchNorm(6, momentum=1.0), MaxPool(2),
        Levels(2), QuantConv2d(6, 8, 3, weight_bits=2, padding=1, pad=0), BatchNorm(8, momentum=1.0), Sign(),
        nn.Flatten(), BinaryLinear(8 * 4 * 3, 5), logits)
    with torch.no_grad():
        network(encoder.tensor(values))
        logits.bias.copy_(torch.randn(5))
    return network.eval()


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("encoder", "code"), [
    (BitPlanes(8), {"input_planes": 8}), (BitPlanes(4), {"input_planes": 8}),
    (Thermometer(7, 255), {"input_planes": 1, "input_levels": 7, "input_maximum": 255})],
    ids=["8 planes", "4 of 8 planes", "7 levels"])
def test_codes(encoder: Encoder, code: dict[str, int]) -> None:
    """Pixels of several bits through networks with zero padding, to logits and to classes in order."""
    rng = np.random.default_rng(default_seed())
    most = 1 << encoder.count if isinstance(encoder, BitPlanes) else 256
    config = ArrayConfig(rows=3, cols=5, lanes=12, tile=2, sum_bits=20, weight_depth=4096, activation_depth=4096,
                         threshold_depth=4096, program_depth=1024, threshold_levels=2, input_depth=256,
                         answer_ranks=5, answer_values=1,
                         **code)
    images = rng.integers(0, most, (30, 3, 8, 6))
    network = network_of(encoder, 3, encoder.bits_per_channel, images)
    graph = fold(network, encoder, images.shape[1:])
    with torch.no_grad():
        logits = network(encoder.tensor(images[:6])).numpy().astype(np.int64)
    cases = [StreamCase(program=compile_graph(graph, config, split=split, answers=answers), graph=graph,
                        encoder=encoder, answers=answers, images=images[:6])
             for split in (False, True) for answers in (Answers(AnswerKind.VALUES), Answers(ranks=5))]
    for case in cases:
        wanted = logits & 0xFFFF_FFFF if case.answers.kind == AnswerKind.VALUES else ranked(logits, 5)
        assert expected_answers(case) == wanted.tolist()
    check_streams(cases)


STEPS = tuple(min(15, value * value // 3000) for value in range(256))
OTHER_STEPS = tuple(15 - step for step in STEPS)
FOUR = tuple(min(3, value // 60) for value in range(256))


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("encoder", "tables"), [
    (TablePlanes(4, tables=(STEPS,)), 1), (TablePlanes(4, tables=(STEPS, OTHER_STEPS, STEPS)), 3),
    (TableThermometer(3, 3, tables=(FOUR[::-1], FOUR, FOUR)), 3), (Thermometer(3, 17), 1), (SignEncoder(90), 1)],
    ids=["planes", "planes of each channel", "levels of each channel", "levels of other values", "a threshold"])
def test_pixels_that_the_device_looks_up(encoder: Encoder, tables: int) -> None:
    """A network's own quantizer of its input, on the device: it takes the pixels themselves."""
    rng = np.random.default_rng(default_seed())
    code = {"input_planes": 8} if encoder.planes else {
        "input_planes": 1, "input_levels": encoder.bits_per_channel, "input_maximum": 255}
    config = ArrayConfig(rows=3, cols=5, lanes=12, tile=2, sum_bits=20, weight_depth=4096, activation_depth=4096,
                         threshold_depth=4096, program_depth=1024, threshold_levels=2, input_depth=256,
                         input_tables=4, answer_ranks=5, answer_values=1, **code)
    images = rng.integers(0, encoder.largest + 1, (30, 3, 8, 6))
    graph = fold(network_of(encoder, 3, encoder.bits_per_channel, images), encoder, images.shape[1:])
    plain: Encoder = BitPlanes(4) if encoder.planes else Thermometer(encoder.bits_per_channel, 255)
    cases = []
    for split in (False, True):
        broken = [(value, int(i == 0), 0) for i, value in enumerate(rng.integers(0, 256, 5).tolist())]
        program = compile_graph(graph, config, split=split, answers=Answers(AnswerKind.VALUES), encoder=encoder)
        assert len(program.tables) == tables
        cases.append(StreamCase(program=program, graph=graph, encoder=encoder, answers=Answers(AnswerKind.VALUES),
                                images=images[:6], broken={2: (broken, 1)}))
        # a program without a table replaces those of the program before
        program = compile_graph(graph, config, split=split, answers=Answers(ranks=5), encoder=plain)
        assert program.tables == ()
        cases.append(StreamCase(program=program, graph=graph, encoder=plain, answers=Answers(ranks=5),
                                images=rng.integers(0, plain.largest + 1, (6, 3, 8, 6))))
    check_streams(cases)
    check_streams(cases, stall_pixels=0.3, stall_answers=0.3)


def test_an_incomplete_batch_is_flushed() -> None:
    rng = np.random.default_rng(default_seed())
    config = with_streams(ArrayConfig(rows=4, cols=3, lanes=5, tile=2, sum_bits=20, weight_depth=4096,
                                      activation_depth=4096, threshold_depth=4096))
    cases: list[StreamCase] = []
    while len(cases) < 3:
        case = draw_stream(rng, config)
        if not case.program.split:
            cases.append(dataclasses.replace(case, images=case.images[:5 + len(cases)]))
    check_streams(cases)


def test_broken_frames_are_dropped() -> None:
    rng = np.random.default_rng(default_seed())
    config = ArrayConfig.preset("icebreaker_pixels")
    graph = digits_graph_untrained(0)
    images = digits().test.images[:6]
    whole = stream_values(images[5])
    frames = {"short": [*whole[:30], (9, 0, 1)], "cut": whole[:int(rng.integers(1, 64))],
              "long": [*whole[:-1], (1, 0, 0), (2, 0, 0), (3, 0, 1)],
              "unmarked": [(value, 0, last) for value, _, last in whole]}
    broken = {0: ([*frames["unmarked"], *frames["short"]], 2), 1: (frames["cut"], 1), 3: (frames["long"], 1),
              4: ([*frames["long"], *frames["unmarked"], *frames["short"]], 3)}
    cases = [StreamCase(program=compile_graph(graph, config, split=split, answers=Answers()), graph=graph,
                        encoder=digits_encoder(), answers=Answers(), images=images, broken=broken)
             for split in (False, True)]
    check_streams(cases, stall_pixels=0.1, stall_answers=0.2)


@pytest.mark.slow
def test_cnv() -> None:
    """CNV from pixels to the classes in order, on 2,048 operations a cycle: an image alone as fast as in a batch."""
    config = ArrayConfig.preset("ecp5_cnv")
    graph = with_random_weights(cnv(), default_seed())
    program = compile_graph(graph, config, answers=Answers(ranks=5))
    images = np.random.default_rng(default_seed()).integers(0, 256, (3, 3, 32, 32))
    case = StreamCase(program=program, graph=graph, encoder=Thermometer(7, 255), answers=Answers(ranks=5),
                      images=images)
    (found,) = check_streams([case])
    assert (config.binops_per_cycle, program.images) == (2048, 1)
    assert np.diff(found["runs"]).tolist() == [interval_cycles(program)] * 2
    assert interval_cycles(program) <= 34_000


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("shuffle", "drain_width", "end"), [(2, 1, "logits"), (3, 2, "logits"), (2, 4, "bytes"),
                                                             (3, 1, "ranks"), (2, 2, "ranks")])
def test_pixel_shuffle(shuffle: int, drain_width: int, end: str) -> None:
    """The answers are in PyTorch's order, whichever rows and words have them."""
    torch.manual_seed(default_seed())
    rng = np.random.default_rng(default_seed())
    channels = 5 if end == "ranks" else 3 if drain_width == 2 else drain_width
    outputs = channels * shuffle**2
    last = Bytes(outputs, factor=201, shift=3) if end == "bytes" else Logits(outputs, scale=0.1)
    network = nn.Sequential(BinaryConv2d(3, 5, 3, padding=1), BatchNorm(5), Sign(),
                            BinaryConv2d(5, outputs, 3, padding=(0, 1)), last).eval()
    with torch.no_grad():
        last.bias.copy_(torch.randn(outputs) * 20)
    config = ArrayConfig(rows=3, cols=12, lanes=8, tile=2 if drain_width < 4 else 12, drain_width=drain_width,
                         sum_bits=12, weight_depth=1024, threshold_depth=4096)
    config = with_streams(config, answer_bytes=int(end == "bytes"), answer_shuffle=3)
    images = rng.integers(0, 2, (6, 3, 6, 5))
    with torch.no_grad():
        maps = functional.pixel_shuffle(network(BIT.tensor(images)), shuffle)
    wanted = maps.argmax(dim=1, keepdim=True) if end == "ranks" else maps
    numbers = wanted.permute(0, 2, 3, 1).reshape(len(images), -1).to(torch.int64).numpy()
    assert end != "bytes" or 0.2 < ((numbers > 0) & (numbers < 255)).mean() < 0.9
    answers = Answers(AnswerKind.RANKS if end == "ranks" else AnswerKind.VALUES, shuffle=shuffle)
    graph = fold(network, BIT, images.shape[1:])
    cases = [StreamCase(program=compile_graph(graph, config, split=split, answers=answers), graph=graph, encoder=BIT,
                        answers=answers, images=images) for split in (False, True)]
    for case in cases:
        assert expected_answers(case) == (numbers & 0xFFFF_FFFF).tolist()
    check_streams(cases)
