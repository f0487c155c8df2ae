"""The units of `hdl` whose netlists are mutated, and their tests."""

from collections.abc import Mapping

from .hardware import Unit

__all__ = ["ARRAY", "UNITS"]


def unit(place: str, kind: str, mutants: int, netlists: int = 2, *, name: str = "", tests: tuple[str, ...] = (),
         family: str = "") -> Unit:
    """A class in a file of `hdl`, or of its test; ``tests`` stand in for the test of the same name."""
    folder, _, file = place.rpartition("/")
    paths = tests or (f"{folder}/test_{file}",)
    module = "" if ":" in kind else f"signum.hdl.{place.replace('/', '.')}:"
    return Unit(name or file, module + kind,
                tuple(f"verif/hdl/{path}.py" for path in paths), mutants, netlists, family)


COUNTERS = ("array/popcount/test_registry", "array/test_pe")
BRIDGE = ("host/test_bridge",)
INPUT = ("input/test_input_unit",)

ARRAY = ("tree", "table", "carry", "multiply", "pe", "tile", "rows", "array")
"""Those of the systolic array, with its drains."""

UNITS: Mapping[str, Unit] = {each.name: each for each in (
    unit("array/popcount/tree", "TreePopcount", 160, 3, tests=COUNTERS),
    unit("array/popcount/table", "TablePopcount", 100, 2, tests=COUNTERS[:1]),
    unit("array/popcount/carry", "CarryPopcount", 140, 2, family="ecp5"),
    unit("array/multiply", "Multiply", 120, 2),
    unit("array/pe", "ProcessingElement", 260, 5),
    unit("array/array", "Tile", 160, 3, name="tile", tests=("array/test_array",)),
    unit("array/array", "Rows", 160, 3, name="rows", tests=("array/test_array",)),
    unit("array/array", "Array", 200, 4),
    unit("control/loop", "Loop", 30, 1),
    unit("control/pixel_counter", "PixelCounter", 60, 2),
    unit("control/pixel_dispatcher", "test:Dealt", 50, 1),
    unit("control/address_generator", "AddressGenerator", 50, 2),
    unit("control/run_controller", "RunController", 50, 1),
    unit("control/sequencer", "Sequencer", 120, 2),
    unit("output/pool", "Pool", 60, 2),
    unit("output/packer", "Packer", 60, 2),
    unit("output/threshold", "ThresholdUnit", 100, 3),
    unit("output/requantize", "Requantize", 60, 2),
    unit("output/border", "Border", 40, 1),
    unit("output/ranking", "Ranking", 40, 1),
    unit("output/result_controller", "ResultController", 80, 2),
    unit("output/writeback", "WritebackUnit", 80, 2),
    unit("output/epilogue", "Epilogue", 80, 2),
    unit("host/bus_interface", "BusInterface", 80, 1),
    unit("host/crc", "FrameCRC", 30, 2, tests=BRIDGE),
    unit("host/hdlc", "HDLCDecoder", 25, 1, name="hdlc_decoder", tests=BRIDGE),
    unit("host/hdlc", "HDLCEncoder", 25, 1, name="hdlc_encoder", tests=BRIDGE),
    unit("host/receive_window", "ReceiveWindow", 60, 1, tests=BRIDGE),
    unit("host/frame_transmitter", "FrameTransmitter", 60, 1, tests=BRIDGE),
    unit("host/bridge", "Bridge", 80, 1),
    unit("host/udp_line", "UDPLine", 50, 1),
    unit("host/write_list_dma", "WriteListDMA", 60, 1),
    unit("input/frame_receiver", "FrameReceiver", 50, 1, tests=INPUT),
    unit("input/window_reader", "WindowReader", 40, 1, tests=INPUT),
    unit("input/lane_packer", "LanePacker", 50, 1, tests=INPUT),
    unit("input/input_unit", "InputUnit", 50, 1),
    unit("boot/flash_reader", "FlashReader", 50, 1),
    unit("boot/boot_loader", "BootLoader", 50, 1),
    unit("boot/flash_write_list", "FlashWriteListDMA", 40, 1),
    unit("camera/answer_text", "AnswerText", 50, 1),
    unit("camera/downscale", "Downscale", 50, 1),
    unit("camera/dvp_receiver", "DVPReceiver", 40, 1),
    unit("camera/pixel_format", "PixelFormat", 40, 2),
    unit("camera/sccb", "SensorSetup", 50, 1),
)}
