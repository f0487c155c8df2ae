"""A reset in every cycle of a load, a run and a stream: the next program, loaded whole, works as after power-up."""

from collections.abc import Iterator

import numpy as np
import pytest

from signum.fpga.host.accelerator_model import AcceleratorModel
from signum.golden.compiler.cycles import predict_cycles
from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import Control, Region, Register
from signum.hdl.input.frame_receiver import pixel_layout
from signum.hdl.output.answer_unit import answer_layout
from signum.verif.bench.cases import Case, draw_config
from signum.verif.bench.programs import draw_short_case, program_job
from signum.verif.bench.simulate import default_seed
from signum.verif.bench.stream_cases import draw_stream, with_streams
from signum.verif.bench.stream_runs import StreamCase, expected_answers, stream_values

SMALL = ArrayConfig(rows=2, cols=3, lanes=5, tile=2, sum_bits=20, requantize_depth=16)
TRANSFERS = 160     # bus words of a case
LONGEST = 400       # cycles of a run
PATIENCE = 5000     # cycles for an answer


def short_case(rng: np.random.Generator, config: ArrayConfig) -> Case:
    """A case with a run of some length, and not too long."""
    while True:
        case = draw_short_case(rng, config, TRANSFERS)
        if 60 <= predict_cycles(config, case.program.records) <= LONGEST:
            return case


def finished(model: AcceleratorModel, case: Case) -> bool:
    """Whether a program, loaded from its first word on, gives its results in the predicted cycles."""
    job = program_job(case.program, [case.maps])
    (cycles,), (words,) = model.do(job)
    images = len(next(iter(case.maps.values())))
    found, last = case.program.results(images, words), case.graph.layers[-1]
    expected = case.graph.run(case.maps)[last.name]
    if last.raw:
        expected = last.values(expected).reshape(found.shape)
    elif last.inverted is not None:
        expected = expected ^ last.inverted
    return cycles == job["cycles"] and np.array_equal(found, expected)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("index", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_in_every_cycle_of_a_run(index: int) -> None:
    """From the cycle in which the run begins to those behind its end; another program follows."""
    rng = np.random.default_rng([default_seed(), index])
    config = SMALL if not index else draw_config(rng, element_bits=1)
    case, other = short_case(rng, config), short_case(rng, config)
    model = AcceleratorModel(config)
    control = model.map.address(Region.REGISTERS, word=Register.CONTROL)
    job = program_job(case.program, [case.maps])
    assert finished(model, case)
    assert finished(model, other)
    for cycle in range(job["cycles"] + 20):
        model.write([*job["writes"], *job["runs"][0]["writes"], (control, Control.START)])
        model.model.run(cycle)
        model.model.reset()
        assert model.model["busy"] == 0
        assert finished(model, other), f"a reset in cycle {cycle}"
    model.close()


def test_in_every_word_of_a_load() -> None:
    """Also a reset of one cycle, directly behind a word."""
    rng = np.random.default_rng(default_seed())
    case, other = short_case(rng, SMALL), short_case(rng, SMALL)
    model = AcceleratorModel(SMALL)
    job = program_job(case.program, [case.maps])
    writes = [*job["writes"], *job["runs"][0]["writes"]]
    for count in range(len(writes) + 1):
        model.write(writes[:count])
        model.model.reset(1)
        assert finished(model, other), f"a reset behind {count} words"
    model.close()


class Streams:
    """Pixels and answers of a model, a cycle at a time."""

    def __init__(self, model: AcceleratorModel, case: StreamCase) -> None:
        self.model = model.model
        self.case = case
        control = model.map.address(Region.REGISTERS, word=Register.CONTROL)
        model.write([(control, 0), *case.program.load_writes(), (control, Control.STREAM)])

    def cycles(self) -> Iterator[int | None]:
        """Advances by a cycle each; yields the number of an answer that was taken in it, or None."""
        model = self.model
        values = [value for image in self.case.encoder.values(self.case.images) for value in stream_values(image)]
        at = 0
        model["answers__ready"] = 1
        while True:
            given = at < len(values)
            model["pixels__valid"] = int(given)
            if given:
                named = dict(zip(("value", "first", "last"), values[at], strict=True))
                model["pixels__payload"] = pixel_layout.const(named).as_value().value
            model.settle()
            taken = given and model["pixels__ready"]
            payload = model["answers__payload"] if model["answers__valid"] else None
            model.run(1)
            at += bool(taken)
            yield None if payload is None else payload >> answer_layout["value"].offset & 0xffff_ffff

    def answers(self) -> list[list[int]]:
        """The numbers of all answers."""
        wanted = expected_answers(self.case)
        found: list[int] = []
        for cycle, number in enumerate(self.cycles()):
            if number is not None:
                found.append(number)
            if len(found) == sum(map(len, wanted)):
                break
            assert cycle < PATIENCE, "answers must come"
        ends = np.cumsum([len(numbers) for numbers in wanted])[:-1]
        return [part.tolist() for part in np.split(np.array(found), ends)]

    def quiet(self) -> None:
        """No more pixels."""
        self.model["pixels__valid"] = 0


def short_stream(rng: np.random.Generator, config: ArrayConfig) -> StreamCase:
    """A network of few pixels, with whole batches."""
    while True:
        case = draw_stream(rng, config)
        pixels = sum(image.size for image in case.images)
        if (predict_cycles(config, case.program.records) < LONGEST and pixels < LONGEST
                and len(list(case.program.load_writes())) < 2 * TRANSFERS):
            return case


@pytest.mark.parametrize("places", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_in_every_cycle_of_a_stream(places: int) -> None:
    """While pixels come, runs go on and answers leave: images of another program follow."""
    rng = np.random.default_rng([default_seed(), places])
    config = with_streams(SMALL, input_places=places)
    case, other = short_stream(rng, config), short_stream(rng, config)
    model = AcceleratorModel(config)
    wanted = expected_answers(other)
    length = 0
    streams, count = Streams(model, case), sum(map(len, expected_answers(case)))
    for number in streams.cycles():
        length += 1
        count -= number is not None
        if not count:
            break
        assert length < PATIENCE
    for cycle in range(0, length + 10, 1 if length < 1000 else 3):
        streams = Streams(model, case)
        for _, _ in zip(range(cycle), streams.cycles(), strict=False):
            pass
        streams.quiet()
        model.model.reset()
        assert Streams(model, other).answers() == wanted, f"a reset in cycle {cycle}"
        streams.quiet()
        model.model.reset()
    model.close()
