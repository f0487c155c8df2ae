"""The commands ``import`` and ``export``: networks of others as files for every array, with a report, and back."""

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from signum.fpga.flow.program_file import ProgramFile, ProgramFileError
from signum.fpga.flow.tools import GET_IMPORT
from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.program import Program
from signum.hdl.config import ConfigError
from signum.hdl.lib.command import FILE, Command, Failure, Integer, Number, Refusal, config_options, read_config
from signum.hdl.lib.emit import write_whole

from .images import ImagesError, read_images
from .run import PRESET

__all__ = ["export_command", "import_command"]


def _numbers(text: str, name: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise Refusal(f"{name} must be numbers with commas between, not {text!r}") from None


def _images(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Images of pixels 0..255 from a file, int64 (B, C, H, W)."""
    try:
        images = read_images(path)
    except ImagesError as error:
        if isinstance(cause := error.__cause__, OSError):
            raise Refusal(f"check must be a readable file, not {path} ({cause.strerror or cause})") from None
        raise Refusal(f"check must be an array that numpy.save wrote, not {path}") from None
    if images.ndim != 4 or images.shape[1:] != shape or not np.issubdtype(images.dtype, np.integer) or not len(images):
        raise Refusal(f"check must have integers (B, {', '.join(map(str, shape))}), not {images.dtype} {images.shape}")
    if images.min() < 0 or images.max() > 255:
        raise Refusal(f"check must have pixels of 0..255, not {images.min()}..{images.max()}")
    return images.astype(np.int64)


def _write_json(path: Path | None, report: dict[str, Any]) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(report, indent=2) + "\n")


@click.command("import", cls=Command, refused=(ConfigError,), failed=(OSError,))
@click.argument("model", type=FILE, required=False)
@click.option("--finn", type=FILE, metavar="FOLDER", help="Parameters of FINN's BNN-PYNQ, in place of an ONNX file.")
@click.option("--header", type=FILE, help="Its config.h; by default searched beside the folder.")
@click.option("--out", type=FILE, help="File of the network (.sgn), for `signum run` and other commands.")
@click.option("--divide", type=Number(), default=255.0, show_default=True, help="Divisor of a pixel 0..255.")
@click.option("--mean", default="0", show_default=True, help="Then subtracted; one number, or one for each channel.")
@click.option("--std", default="1", show_default=True, help="Then a divisor; likewise.")
@click.option("--check", type=FILE, help="Images (.npy), pixels (B, C, H, W), to compare with its own outputs.")
@click.option("--random", "count", type=Integer(0), default=20, show_default=True, metavar="N",
              help="Random images to compare besides.")
@click.option("--json", "json_path", type=FILE, help="File of the report.")
@click.option("--picture", type=FILE, help="File of a picture of the network (.png).")
@config_options
def import_command(model: Path | None, finn: Path | None, header: Path | None, out: Path | None, divide: float,
                   mean: str, std: str, check: Path | None, count: int, json_path: Path | None, picture: Path | None,
                   preset: str | None, config: Path | None) -> None:
    """Import a network of Brevitas, of FINN, or another in QONNX.

    MODEL is an ONNX file. Prints its layers with their cycles on an array of the size of --preset or --config. The exit
    status is 1 if an output differs from the network's own, and 2 if the network is refused.
    """
    console = Console()
    if (model is None) == (finn is None):
        raise Refusal("model must be given, or finn" if model is None else "finn must not be given beside model")
    if picture and picture.suffix != ".png":
        raise Refusal(f"picture must be a file NAME.png, not {picture}")
    array = read_config(preset or (None if config else PRESET), config)
    try:
        from signum.golden.importers.finn import load_finn
        from signum.golden.importers.imported import Imported
        from signum.golden.importers.qonnx import Normalization, QonnxNetwork, load_qonnx
        from signum.golden.importers.refusal import NetworkError
        from signum.golden.importers.report import layer_reports, picture_network, program_for
    except ImportError as error:
        raise Refusal(f"{GET_IMPORT} ({error.name} is missing)") from None
    try:
        network: Imported
        if finn is not None:
            network = load_finn(finn, header)
        else:
            assert model is not None
            network = load_qonnx(model, normalization=Normalization(
                divide, _numbers(mean, "mean"), _numbers(std, "std")))
    except OSError as error:
        raise Refusal(f"model must be a readable file, not {error.filename} ({error.strerror})") from None
    except NetworkError as error:
        refusals = [{"node": refusal.node, "operator": refusal.operator, "reason": refusal.reason,
                     "fits": refusal.fits} for refusal in error.refusals]
        _write_json(json_path, {"nodes": [], "absorbed": {}, "layers": [], "inputs_compared": 0, "differences": 0,
                                "unsupported": refusals or [{"node": "", "operator": "", "reason": str(error),
                                                             "fits": ""}]})
        raise Refusal(str(error)) from None
    images = np.random.default_rng(0).integers(0, 256, (count, *network.input_shape))
    if check:
        images = np.concatenate([_images(check, network.input_shape), images])
    compared = len(images) if isinstance(network, QonnxNetwork) else 0
    differences = network.differences(images) if isinstance(network, QonnxNetwork) and len(images) else 0
    program = program_for(network, array)
    layers = layer_reports(network, program)
    _print(console, network.name, layers, program)
    for name, near in network.near.items():
        console.print(f"{name}: the network rounds its own sums; {near} thresholds lie within its rounding",
                      soft_wrap=True)
    if isinstance(network, QonnxNetwork):
        console.print(f"{differences} differences in {compared} images compared with the network's own arithmetic",
                      soft_wrap=True)
    report = {"name": network.name, "nodes": [{"name": name, "operator": operator, "absorbed": place}
                                              for name, (operator, place) in network.absorbed.items()],
              "absorbed": {name: place for name, (_, place) in network.absorbed.items()},
              "layers": [layer.to_dict() for layer in layers], "inputs_compared": compared,
              "differences": differences, "unsupported": [], "exact": network.exact, "near": network.near,
              "ordered": network.ordered, "array": array.to_dict(),
              "cycles": predict_cycles(program.config, program.records) if isinstance(program, Program) else None,
              "images": program.images if isinstance(program, Program) else None}
    if picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture_network(network, picture)
    _write_json(json_path, report)
    if differences:
        raise Failure(f"the network must be computed exactly: {differences} outputs differ")
    if out:
        ProgramFile(network.graph, network.encoder, network.name).save(out)
        console.print(f"see {out}", soft_wrap=True)


@click.command("export", cls=Command, failed=(OSError,))
@click.argument("network", type=FILE)
@click.option("--onnx", "out", type=FILE, required=True, help="File to write.")
def export_command(network: Path, out: Path) -> None:
    """Write a network of `signum import` as QONNX with MultiThreshold nodes.

    NETWORK is its file (.sgn). The input of the ONNX file is pixels of 0..255.
    """
    try:
        from signum.golden.importers.export import to_qonnx
        from signum.golden.importers.refusal import NetworkError
    except ImportError as error:
        raise Refusal(f"{GET_IMPORT} ({error.name} is missing)") from None
    try:
        file = ProgramFile.load(network)
    except OSError as error:
        raise Refusal(f"network must be a readable file, not {network} ({error.strerror})") from None
    except ProgramFileError as error:
        raise Refusal(str(error)) from None
    if isinstance(file.program, Program) or file.encoder is None:
        raise Refusal(f"{network} must be a network with its encoder, not a program for one array")
    graph = file.program if isinstance(file.program, Graph) else file.program.graph
    try:
        model = to_qonnx(graph, file.encoder, file.name or network.stem)
    except NetworkError as error:
        raise Refusal(str(error)) from None
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, model.SerializeToString())
    click.echo(f"see {out}")


def _print(console: Console, name: str, layers: list[Any], program: Any) -> None:
    """The table of layers."""
    table = Table(title=name)
    for title in ("layer", "shape", "bits", "taps", "planes", "weight bits", "cycles"):
        table.add_column(title, justify="left" if title == "layer" else "right", overflow="fold")
    for layer in layers:
        table.add_row(layer.name, " x ".join(map(str, layer.shape)), str(layer.bits or "sums"), str(layer.taps),
                      str(layer.planes), f"{layer.weight_bits:,}", "-" if layer.cycles is None else f"{layer.cycles:,}")
    console.print(table)
    if isinstance(program, Program):
        config = program.config
        console.print(f"{predict_cycles(config, program.records):,} cycles for {program.images} images on "
                      f"{config.rows} x {config.cols} elements of {config.lanes} lanes", soft_wrap=True)
    else:
        console.print(f"no program for this array: {program}", soft_wrap=True)
