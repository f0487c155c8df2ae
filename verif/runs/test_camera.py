"""The camera demo on a few digits, boards that refuse their flash, and the detection of a wrong answer."""

import contextlib
import json
from collections.abc import Iterator

import numpy as np
import pytest

from signum.fpga.flow.boot import Boot
from signum.fpga.flow.boot_image import boot_image, joined
from signum.fpga.flow.camera_view import CameraView, camera_view
from signum.fpga.flow.lines.serial_line import SerialPort
from signum.fpga.host.virtual_board import VirtualBoard
from signum.golden.compiler.answers import Answers
from signum.golden.compiler.compile import compile_graph
from signum.golden.compiler.program import Program
from signum.golden.networks.digits import digits_graph_untrained
from signum.golden.training.data import digits
from signum.hdl.camera.sensors import SENSORS
from signum.hdl.config import ArrayConfig
from signum.verif.bench.sensor import SensorWave
from signum.verif.command_line import main
from signum.verif.runs import camera

CONFIG = ArrayConfig.preset("icebreaker_camera")
BOOT = Boot(address=1 << 16)
SENSOR = SENSORS["hm01b0"]
CLOCK = 1e6            # slow, so that blinks are few cycles


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_graph(digits_graph_untrained(0), CONFIG, split=True, answers=Answers())


@contextlib.contextmanager
def board_with(program: Program, image: bytes) -> Iterator[tuple[VirtualBoard, CameraView]]:
    view = camera_view(SENSOR, program)
    board = VirtualBoard(CONFIG, clock=CLOCK, line=SerialPort(250_000), boot=BOOT, camera=view,
                         flash=joined(b"", image, BOOT.address))
    with contextlib.closing(board):
        yield board, view


@pytest.mark.parametrize("broken", ["damaged", "erased", "another array"])
def test_a_board_with_a_bad_flash_blinks_and_answers_nothing(program: Program, broken: str) -> None:
    image = bytearray(boot_image(program))
    if broken == "damaged":
        image[len(image) // 2] ^= 4
    elif broken == "erased":
        image = bytearray(b"\xFF" * len(image))
    else:
        image[0] ^= 1
    rng = np.random.default_rng(1)
    with board_with(program, bytes(image)) as (board, _):
        wave = SensorWave(SENSOR, rng)
        frame = camera.camera_frame(digits().test.images[0][0], SENSOR.height, SENSOR.width, rng)
        text, levels = b"", []
        for _ in range(6):
            board.show(wave.frame(frame))
            while not board.shown:
                text += board.run(5000)
                levels.append(board.output("busy"))
        assert not text
        for _ in range(24):                     # of blinks of at most a quarter of a second
            board.run(100_000)
            levels.append(board.output("busy"))
        assert {0, 1} == set(levels[-24:])


def test_the_demo(tmp_path, monkeypatch):
    monkeypatch.setattr(camera, "OUT", tmp_path)
    assert main(["demo-camera", "--images", "9"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["frames"], report["answers"], report["mismatches"]) == (9, 9, 0)
    assert report["broken_frames_dropped"] == report["broken_frames"] == 1
    assert report["power_up_ms"] < 100
    assert (tmp_path / "film.png").stat().st_size > 10_000


def test_a_wrong_answer_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(camera, "OUT", tmp_path)
    monkeypatch.setattr(camera, "expected_classes", lambda graph, encoder, images: np.full(len(images), 11))
    assert main(["demo-camera", "--images", "2"]) == 1
