"""The units of `hdl` whose netlists are mutated, and their tests."""

from collections.abc import Mapping

from .hardware import Unit

__all__ = ["ARRAY", "UNITS"]


def unit(place: str, kind: str, mutants: int, netlists: int = 2, *, name: str = "", tests: tuple[str, ...] = (),
         family: str = "", contract: str = "") -> Unit:
    """A class in a file of `hdl`, or of its test; ``tests`` stand in for the test of the same name."""
    folder, _, file = place.rpartition("/")
    paths = tests or (f"{folder}/test_{file}",)
    module = "" if ":" in kind else f"signum.hdl.{place.replace('/', '.')}:"
    return Unit(name or file, module + kind,
                tuple(f"verif/hdl/{path}.py" for path in paths), mutants, netlists, family, contract)


COUNTERS = ("array/popcount/test_registry", "array/test_pe")
BRIDGE = ("host/test_bridge",)
INPUT = ("input/test_input_unit",)

ARRAY = ("tree", "table", "carry", "multiply", "pe", "tile", "rows", "array")
"""Those of the systolic array, with its drains."""

UNITS: Mapping[str, Unit] = {each.name: each for each in (
    unit("array/popcount/tree", "TreePopcount", 160, 2, tests=COUNTERS),
    unit("array/popcount/table", "TablePopcount", 80, 1, tests=COUNTERS),
    unit("array/popcount/carry", "CarryPopcount", 100, 1, family="ecp5"),
    unit("array/multiply", "Multiply", 120, 1),
    unit("array/pe", "ProcessingElement", 300, 3),
    unit("array/array", "Tile", 100, 1, name="tile", tests=("array/test_array",)),
    unit("array/array", "Rows", 100, 1, name="rows", tests=("array/test_array",)),
    unit("array/array", "Array", 340, 2),
    unit("control/loop", "Loop", 30, 1),
    unit("control/pixel_counter", "PixelCounter", 60, 1),
    unit("control/pixel_dispatcher", "test:Dealt", 50, 1),
    unit("control/address_generator", "AddressGenerator", 50, 1),
    unit("control/run_controller", "RunController", 50, 1),
    unit("control/sequencer", "Sequencer", 100, 1),
    unit("output/pool", "Pool", 80, 2),
    unit("output/packer", "Packer", 60, 1),
    unit("output/threshold", "ThresholdUnit", 120, 2),
    unit("output/threshold_memory", "ThresholdMemory", 30, 1),
    unit("output/requantize", "Requantize", 60, 1),
    unit("output/border", "Border", 40, 1),
    unit("output/ranking", "Ranking", 40, 1),
    unit("output/result_controller", "ResultController", 80, 1),
    unit("output/writeback", "WritebackUnit", 80, 1),
    unit("output/epilogue", "Epilogue", 80, 1),
    unit("host/bus_interface", "BusInterface", 60, 1),
    unit("host/answer_buffer", "AnswerBuffer", 40, 1),
    unit("host/crc", "FrameCRC", 30, 1, contract="!(start && valid)"),
    unit("host/hdlc", "HDLCDecoder", 20, 1, name="hdlc_decoder"),
    unit("host/hdlc", "HDLCEncoder", 20, 1, name="hdlc_encoder"),
    unit("host/receive_window", "ReceiveWindow", 60, 1),
    unit("host/frame_transmitter", "FrameTransmitter", 60, 1, tests=("host/test_frame_transmitter", *BRIDGE)),
    unit("host/bridge", "Bridge", 60, 1),
    unit("input/pixel_table", "PixelTable", 30, 1),
    unit("input/frame_receiver", "FrameReceiver", 40, 1, tests=("input/test_frame_receiver", *INPUT)),
    unit("input/window_reader", "WindowReader", 40, 1, tests=("input/test_window_reader", *INPUT)),
    unit("input/lane_packer", "LanePacker", 40, 1, tests=("input/test_lane_packer", *INPUT)),
    unit("boot/flash_reader", "FlashReader", 40, 1),
    unit("camera/answer_text", "AnswerText", 40, 1),
    unit("camera/downscale", "Downscale", 40, 1),
    unit("camera/pixel_format", "PixelFormat", 40, 2),
    unit("camera/sccb", "SensorSetup", 40, 1),
)}
