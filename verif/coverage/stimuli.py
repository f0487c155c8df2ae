"""What drives the units: tests of the regression, on modules that Verilator built with coverage."""

import contextlib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from amaranth.lib import wiring

from signum.fpga.host.model import Model
from signum.hdl.lib.emit import to_verilog
from signum.verif.bench.trials import draw_trials, failures
from signum.verif.mutate.cosimulation import Configuration, cosimulate
from signum.verif.mutate.items import collect, run

from .recording import recording

__all__ = ["STIMULI", "Stimulus", "drive", "kinds_of"]

SEED, NETWORKS = 1, 5   # of the soak run
LIMIT = 600.0           # seconds of the processor for a test
TOP = "unit"


@dataclass(frozen=True)
class Stimulus:
    """Tests that run in one process.

    Parameters
    ----------
    name : str
    tests : tuple of str
        Files of tests, or ``FILE::TEST``.
    units : tuple of str
        Units of `hdl`, as ``output/pool``, that Verilator simulates in the place of Amaranth's simulator.
    soak : tuple of int
        Arrays of the soak run with seed 1, by their numbers, each with five networks.
    builds : int
        The most sizes of a unit that are built; other sizes stay on Amaranth's simulator.
    toggles : bool
        Whether toggles are counted, too; whole accelerators build for minutes with them.
    """

    name: str
    tests: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    soak: tuple[int, ...] = ()
    builds: int = 2
    toggles: bool = True


def kinds_of(unit: str) -> list[type[wiring.Component]]:
    """The components that a file of `hdl` describes."""
    module = importlib.import_module(f"signum.hdl.{unit.replace('/', '.')}")
    return [each for _, each in inspect.getmembers(module, inspect.isclass)
            if each.__module__ == module.__name__ and issubclass(each, wiring.Component)
            and not inspect.isabstract(each) and hasattr(each, "elaborate")]


def drive(stimulus: Stimulus, folder: Path) -> dict[str, Any]:
    """Run the tests of a stimulus; returns ``coverage``, and how many tests ran and which failed.

    Raises
    ------
    RuntimeError
        If the tests cannot be collected, or there are none.
    """
    outcome: dict[str, Any] = {"tests": 0, "failed": []}

    def body(items: list[pytest.Item]) -> None:
        with contextlib.ExitStack() as stack:
            found = stack.enter_context(recording(folder, stimulus.toggles))
            for unit in stimulus.units:
                for kind in kinds_of(unit):
                    stack.enter_context(cosimulate(kind, _meets(kind, stimulus.builds)))
            for index in stimulus.soak:
                outcome["tests"] += 1
                wrong = failures(draw_trials(SEED, index, NETWORKS), "verilator")
                outcome["failed"].extend(failure.message for failure in wrong)
                found.collect()
            for item in items:
                outcome["tests"] += 1
                if not run(item, LIMIT).passed:
                    outcome["failed"].append(item.nodeid)
                found.collect()
            found.save()
            outcome["coverage"] = found.coverage()

    if stimulus.tests:
        collect(stimulus.tests, body, folder / "log.txt")
    else:
        body([])
    if not outcome["tests"]:
        raise RuntimeError(f"the stimulus {stimulus.name} must have tests that run")
    return outcome


def _meets(kind: type[wiring.Component], builds: int) -> Callable[[Configuration], Model | None]:
    texts: dict[str, str] = {}

    def meets(configuration: Configuration) -> Model | None:
        if configuration.key not in texts:
            if len(texts) == builds:
                return None
            texts[configuration.key] = to_verilog(kind(**configuration.parameters), TOP, configuration.platform)[0]
        return Model(texts[configuration.key], TOP)

    return meets


def unit(place: str, *tests: str, builds: int = 1) -> Stimulus:
    """A unit, and its tests on Amaranth's simulator: those of the file of the same name, or some of them."""
    folder, _, file = place.rpartition("/")
    path = f"verif/hdl/{folder}/test_{file}.py"
    return Stimulus(place, tuple(f"{path}::{test}" for test in tests) or (path,), (place,), builds=builds)


def whole(name: str, path: str, *tests: str) -> Stimulus:
    """Tests that build with Verilator by themselves: whole arrays and boards, of whose toggles there are too many."""
    return Stimulus(name, tuple(f"verif/{path}.py::{test}" for test in tests) or (f"verif/{path}.py",), toggles=False)


STIMULI: Mapping[str, Stimulus] = {each.name: each for each in (
    whole("board", "fpga/host/test_device_streams", "test_answers", "test_a_faulty_line_gives_no_wrong_answer",
          "test_a_board_that_was_reset_is_loaded_again"),
    Stimulus("array of bits", soak=(1,), toggles=False),
    Stimulus("array of pixels", soak=(41,), toggles=False),
    Stimulus("array of tile rows", soak=(29,), toggles=False),
    whole("array of answers in bytes", "hdl/test_streams", "test_pixel_shuffle[2-4-bytes]"),
    whole("axi", "hdl/host/test_axi", "test_strobes", "test_streams_that_wait_hold_nothing_up",
          "test_pixels_in_and_answers_out"),
    whole("wishbone", "hdl/host/test_wishbone",
          "test_bytes_that_are_not_selected_and_reads_while_a_program_runs"),
    whole("host in C", "fpga/host/test_c_program", "test_pixels_to_answers_by_a_host_in_c"),
    whole("board with a loader", "fpga/host/test_staged_device", "test_the_maps_of_the_graph"),
    unit("boot/boot_loader", builds=2),
    unit("boot/flash_write_list"),
    unit("camera/answer_text"),
    unit("camera/camera"),
    unit("camera/dvp_receiver", "test_all_values", "test_lost_values_are_marked"),
    unit("camera/downscale", "test_images[0.5-0]", "test_images[0.5-1]",
         "test_a_value_that_is_not_taken_in_time_breaks_its_frame_alone", builds=3),
    unit("camera/pixel_format", builds=4),
    unit("camera/sccb", "test_a_pause", "test_missing_acknowledgements_are_counted", builds=2),
    unit("control/run_controller"),
    unit("control/sequencer", builds=3),
    unit("host/bridge", "test_bytes_by_hand", "test_unknown_commands_and_empty_frames_are_passed_over",
         "test_a_session_that_begins_in_the_middle_of_another", builds=3),
    unit("host/fault_recorder"),
    unit("host/udp_line"),
    unit("input/input_unit", *(f"test_the_words_are_those_of_the_host[{number}-{encoder}]" for encoder in (
        "encoder0-8", "encoder2-32", "encoder5-8", "encoder6-7") for number in (0, 1)), builds=4),
    unit("output/writeback"),
    whole("uart", "hdl/host/test_uart"),
)}
