"""docs/paper.md: every claim of the paper with our figure, from the JSON reports."""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import click
from rich.console import Console

from signum.golden.training.ablation import ABLATIONS, record_path, table
from signum.golden.training.checkpoint import StoreError
from signum.golden.training.contest import record_of
from signum.golden.training.curves import picture_ablation, picture_curves
from signum.golden.training.tasks import TASKS, named
from signum.hdl.lib.command import Command, Failure
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.benchmarks.figures import REPORTS
from signum.verif.benchmarks.record import markdown
from signum.verif.runs.claims import BINARY_ARRAY, machines, network_rows, reactnet_rows, resnet_rows
from signum.verif.runs.pictures import picture_cycles
from signum.verif.runs.task import run_task
from signum.verif.runs.tradeoff import picture_tradeoff
from signum.verif.runs.tradeoff import rows as tradeoff_rows

__all__ = ["PAGE", "REPORTS", "claims", "command", "gather", "page", "scores_near"]

BUILD = Path("build")
DOCS = REPOSITORY / "docs"
PAGE = DOCS / "paper.md"
RECORDED = DOCS / "paper" / "resnet18.json"
"""The recorded results of `make resnet18`; newer results in ``build/paper`` take precedence."""

GOALS = {"classification": 1.0, "detection": 3.0, "segmentation": 3.0, "super_resolution": 0.3, "matching": 3.0}
"""Largest loss of a binary network against its 8-bit twin, in units of the metric."""

Row = dict[str, Any]
EIGHT = 8


def gather(console: Console, build: Path = BUILD) -> dict[str, Any]:
    """All reports: of the tasks (run unless in ``build``), the cycles, the ablation, and ResNet-18 in RTL."""
    tasks = {}
    for name in TASKS:
        path = build / "task" / name / "report.json"
        if not path.exists():
            console.rule(name)
            run_task(named(name), path.parent, console)
        tasks[name] = json.loads(path.read_text())
    console.print("count cycles")
    fresh = build / "paper" / "resnet18.json"
    return {
        "tasks": tasks,
        "cycles": [row.row() for row in resnet_rows()] + [row.row() for name in TASKS
                                                          for row in network_rows(named(name))],
        "machines": [{"equal": machine.equal, "config": machine.config.to_dict(), "binary": machine.size[0],
                      "int8": machine.size[1]} for machine in machines()],
        "reactnet": reactnet_rows(),
        "resnet18": json.loads((fresh if fresh.exists() else RECORDED).read_text()),
        "tradeoff": [row for name in TASKS for row in tradeoff_rows(named(name))],
        "ablations": {name: json.loads(record_path(name).read_text()) for name in ABLATIONS
                      if record_path(name).exists()},
    }


def scores_near(report: Row) -> bool:
    """Whether the best binary network of a task is within the goal's loss against its 8-bit twin."""
    return report["int8"] - max(report["binary_m1"], report["binary_m2"]) <= GOALS[report["task"]]


def _ratios(data: Row, network: str, equal: str, multiplier: float, kind: str = "ratio") -> float:
    return next(row[kind] for row in data["cycles"]
                if (row["network"], row["equal"], row["multiplier"]) == (network, equal, multiplier))


def _equal_scores(data: dict[str, Any]) -> list[str]:
    """The ratio of cycles at equal score of each binary network, in tasks with several 8-bit widths."""
    said = []
    for name in TASKS:
        mine = [row for row in data["tradeoff"] if row["task"] == name]
        ratios = [f"{_ratio_text(row, 'equal_lut4')}x (m={row['width']:g})" for row in mine if row["bits"] < EIGHT]
        if len([row for row in mine if row["bits"] == EIGHT]) > 1 and ratios:
            said.append(f"{name.replace('_', ' ')} {', '.join(ratios)}")
    return said


def _of_two_bits(names: Iterable[str]) -> list[str]:
    """Which tasks have binary networks with activations of more than a sign, and where."""
    found = []
    for name in names:
        style = record_of(name)["style"]
        if style["levels"] > 1:
            found.append(name.replace("_", " "))
        elif max(style["first_levels"], style["last_levels"]) > 1:
            found.append(f"{name.replace('_', ' ')} (at the ends)")
    return found or ["none"]


def _ratio_text(row: Row, equal: str) -> str:
    """The ratio of cycles at the score of a binary network; "> ..." where no 8-bit width reaches it."""
    ratio, bound = row[f"ratio_{equal}"], row[f"bound_{equal}"]
    return f"> {bound:.1f}" if ratio is None else f"{ratio:.1f}"


def _spread(values: list[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def claims(data: dict[str, Any]) -> list[Row]:
    """The rows, with ``claim``, ``paper``, ``ours``, ``how``, and ``why`` for the difference."""
    resnet, tasks = data["resnet18"], data["tasks"]
    bandwidth, elements, area = ("operand bandwidth", "processing elements", "LUT4")
    near = [name for name, report in tasks.items() if scores_near(report)]
    of_tasks = {equal: _spread([_ratios(data, name, equal, 1.0) for name in TASKS]) for equal in (bandwidth, area)}
    inner = {equal: _spread([_ratios(data, name, equal, 1.0, "ratio_inner") for name in TASKS])
             for equal in (bandwidth, area)}
    vector = {row["multiplier"]: row["ratio"] for row in data["reactnet"] if row["trunk"] == "vector unit"}
    nothing = {row["multiplier"]: row["ratio"] for row in data["reactnet"] if row["trunk"] == "nothing"}
    mismatches = sum(report["rtl_mismatches"] for report in tasks.values())
    values = sum(run["values"] for report in tasks.values() for run in report["rtl"].values())
    return [
        {"claim": "binary networks keep the accuracy of their 8-bit baselines in five vision tasks",
         "paper": "similar accuracy; ImageNet top-1 65.0 % (m=1) and 69.7 % (m=1.5) against 69.8 %",
         "ours": "; ".join(f"{name.replace('_', ' ')} {report['binary_m1']:.1f} (m=1), {report['binary_m2']:.1f} (m=2) "
                           f"against {report['int8']:.1f}" for name, report in tasks.items()),
         "how": "`make train TASK=...`: means of 3 seeds on held-out images, equal steps for all networks",
         "why": f"within the goal in {len(near)} of {len(tasks)} tasks ({', '.join(near) or 'none'}); with activations "
                f"of 2 bits: {', '.join(_of_two_bits(tasks))}; small networks, small data and trainings of minutes on "
                "a processor, where the paper trained on ImageNet first"},
        {"claim": "fewer cycles than 8-bit, classification (m=1.5)", "paper": "7x",
         "ours": f"ResNet-18 at 224: {_ratios(data, 'resnet18', bandwidth, 1.5):.1f}x at equal operand bandwidth, "
                 f"{_ratios(data, 'resnet18', elements, 1.5):.1f}x with as many elements, "
                 f"{_ratios(data, 'resnet18', area, 1.5):.1f}x on equal LUT4s",
         "how": "`make paper`: the cycle model that equals the RTL's counter, on arrays of the same generator",
         "why": "the paper does not say what is equal; ours counts the first layer, on bit planes, too"},
        {"claim": "fewer cycles than 8-bit over the tasks", "paper": "2.8x to 7x",
         "ours": f"m=1, all layers: {of_tasks[bandwidth]}x at equal operand bandwidth, {of_tasks[area]}x on equal "
                 f"LUT4s; those of binary weights {inner[bandwidth]}x and {inner[area]}x",
         "how": "`make paper`: the five tasks' own networks, an image of a batch",
         "why": "other networks and images; ours are small, so the ends of 8-bit weights that four of the tasks have, "
                "in 8 to 64 binary passes, weigh more"},
        {"claim": "the accuracy of 8-bit networks and fewer cycles at once", "paper": "2.8x to 7x at similar accuracy",
         "ours": "; ".join(_equal_scores(data)) or "widths not trained yet",
         "how": "`make train TASK=... WIDTHS=1`: cycles of an 8-bit network of the same score, on equal LUT4s, all "
                "layers, over those of the binary network",
         "why": "an 8-bit network of the binary network's score is narrower than its twin, so the ratio is smaller "
                "than between twins"},
        {"claim": "fewer cycles than alternative binary networks", "paper": "2.1x to 2.7x (2.7x: ReActNet-A, m=1.5)",
         "ours": f"against ReActNet-A {vector[1.0]:.1f}x (m=1), {vector[1.5]:.1f}x (m=1.5); "
                 f"{nothing[1.0]:.1f}x and {nothing[1.5]:.1f}x if its real-valued trunk cost nothing",
         "how": "`make paper`: its binary convolutions on the same array, its trunk on a vector unit beside it "
                "(32 elements in 4 cycles)",
         "why": "2.7x at m=1.5 needs a much dearer trunk than this one, or more than convolutions alone can explain"},
        {"claim": "the inference scheme needs only binary convolutions, thresholds and an INT4 add",
         "paper": "said of the architecture",
         "ours": f"ResNet-18 (m={resnet['style']['multiplier']:g}) at {resnet['size']}x{resnet['size']} whole in RTL: "
                 f"{resnet['mismatches']['rtl']} of {resnet['results']} results differ from PyTorch, "
                 f"{resnet['wrong_cycles']} of {resnet['pieces']} runs take other cycles than predicted "
                 f"({resnet['cycles_measured']})",
         "how": "`make resnet18`: random weights, a photograph, layer by layer in Verilator",
         "why": "its classifier, of 8-bit weights, is on the array, too; with smaller images it runs from pixels to "
                "classes by itself ([pixels.md](pixels.md))"},
        {"claim": "five tasks run on the same hardware", "paper": "on a processor, and in a cycle formula",
         "ours": f"{mismatches} of {values} results of the array differ from PyTorch",
         "how": "`make task TASK=...`: both binary networks of every task on test images, in Verilator",
         "why": ""},
    ]


def _markdown(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return markdown(header, rows, numbers=True).rstrip("\n")


def _task_table(data: dict[str, Any]) -> str:
    rows = []
    for name, report in data["tasks"].items():
        record = record_of(name)
        runs = [run["test"] for run in record["runs"] if run["network"] == "binary_m2"]
        late = [mean(run["converged"] for run in record["runs"] if run["network"] == kind)
                for kind in ("float", "binary_m2")]
        levels = [record["style"][kind] + 1 for kind in ("first_levels", "levels", "last_levels")]
        if len(set(levels)) == 1:
            levels = levels[:1]
        rows.append([name.replace("_", " "), report["metric"], "; ".join(map(str, levels)), record["steps"],
                     "; ".join(f"{gain:+.2f}" for gain in late),
                     *(f"{report[kind]:.2f}" for kind in ("float", "int8", "binary_m1", "binary_m2")),
                     _spread(runs), f"{max(report['binary_m1'], report['binary_m2']) - report['int8']:+.2f}",
                     "; ".join(f"{kind} {score:.1f}" for kind, score in report["baselines"].items())])
    return _markdown(["task", "metric", "levels", "steps", "last quarter", "float", "8-bit", "m = 1", "m = 2",
                      "m = 2, seeds", "best - 8-bit", "simple methods"], rows)


def _hardware_table(data: dict[str, Any]) -> str:
    return _markdown(
        ["network", "image", "results compared", "differ", "cycles an image", "array used", "layers in bit planes"],
        [[f"{name.replace('_', ' ')}, {kind.removeprefix('binary_')}", run["image"], run["values"], run["mismatches"],
          f"{run['per_image']:.0f}", f"{100 * run['utilization']:.0f} %",
          "all" if kind == "int8" else
          ", ".join(f"{row['layer']}: {row['where'].removeprefix('array, ')}" for row in report["where"].get(kind, [])
                    if "planes" in row["where"]) or "none"]
         for name, report in data["tasks"].items() for kind, run in report["rtl"].items()])


def _stream_table(data: dict[str, Any]) -> str:
    return _markdown(
        ["network", "image", "mode", "bytes in", "bytes out", "cycles an image", "predicted", "latency", "predicted",
         "layers of the host"],
        [[f"{name.replace('_', ' ')}, {kind.removeprefix('binary_')}", run["image"],
          "one on all rows" if run["split"] else "batch",
          run["bytes_in"], run["bytes_out"], f"{run['interval_cycles']:.2f}", f"{run['interval_cycles_predicted']:.2f}",
          run["latency_cycles"], run["latency_cycles_predicted"], ", ".join(report["host_layers"]) or "none"]
         for name, report in data["tasks"].items() for kind, run in report["streams"].items()])


def _cycle_table(data: dict[str, Any]) -> str:
    return _markdown(
        ["network", "m", "equal", "8-bit, all", "of these at the ends", "binary, all", "of these at the ends",
         "ratio, other layers", "ratio, all layers"],
        [[row["network"].replace("_", " "), f"{row['multiplier']:g}", row["equal"], f"{row['int8']:.0f}",
          f"{row['int8_ends']:.0f}", f"{row['binary']:.0f}", f"{row['ends']:.0f}", f"{row['ratio_inner']:.1f}",
          f"**{row['ratio']:.1f}**"] for row in data["cycles"]])


def _reactnet_table(data: dict[str, Any]) -> str:
    return _markdown(
        ["BiNeal's m", "ReActNet's trunk costs", "its array", "its trunk", "BiNeal", "ratio"],
        [[f"{row['multiplier']:g}", row["trunk"], f"{row['reactnet_array']:.0f}", row["reactnet_trunk"],
          f"{row['binary']:.0f}", f"**{row['ratio']:.2f}**"] for row in data["reactnet"]])


def _resnet_table(data: dict[str, Any]) -> str:
    layers = data["resnet18"]["layers"]
    return _markdown(
        ["layer", "pieces", "cycles predicted", "measured", "32-bit words loaded", "read back", "array used", "results",
         "differ"],
        [[layer["name"], layer["pieces"], layer["cycles_predicted"], layer["cycles_measured"],
          layer["words_loaded"] + layer["words_in"], layer["words_out"], f"{100 * layer['utilization']:.0f} %",
          layer["results"], layer["mismatches"]] for layer in layers])


def _ablation_table(record: dict[str, Any]) -> str:
    """The table of one task, with the largest gain over its first row."""
    multipliers = sorted({run["multiplier"] for run in record["runs"]})
    found = table(record)
    rows = _markdown(["variant", *(f"m = {m:g}" for m in multipliers)],
                     [[name, *(f"{mean:.2f} ± {deviation:.2f}" for mean, deviation in scores)]
                      for name, scores in found])
    (_, first), *others = found
    said = []
    for place, multiplier in enumerate(multipliers):
        name, scores = max(others, key=lambda other: other[1][place][0])
        said.append(f"{scores[place][0] - first[place][0]:+.2f} points at m = {multiplier:g} "
                    f"({name.removeprefix('+ ')})")
    widest = max(deviation for _, scores in found for _, deviation in scores)
    task, style = record["task"], record["style"]
    return (f"### {task.replace('_', ' ').capitalize()}\n\nTest {record['metric']}, mean and standard deviation of "
            f"{len(record['seeds'])} seeds after {record['steps']} steps (`make ablation TASK={task}`). The best other "
            f"variant against the first: {', '.join(said)}. The deviations reach {widest:.2f}: a smaller difference "
            f"says little. Weights at the ends have {style['first_bits']} and {style['last_bits']} bits, unless "
            f"a variant has others.\n\n{rows}\n\n![Ablation](paper/{task}_ablation.png)\n")


def _ablations(records: dict[str, Any]) -> str:
    """The text of the section, or a hint before `make ablation` has run."""
    if not records:
        return "Not recorded yet: `make ablation TASK=...` trains the variants.\n"
    return "\n".join(_ablation_table(record) for record in records.values())


def _tradeoff_table(data: dict[str, Any]) -> str:
    def ratio(row: Row, key: str) -> str:
        return "" if row["bits"] == EIGHT else _ratio_text(row, key)

    return _markdown(
        ["task", "inner weights", "width", "test score", "seeds", "cycles, equal LUT4s",
         "cycles, equal operand bandwidth", "ratio at this score, equal LUT4s", "equal bandwidth"],
        [[row["task"].replace("_", " "), f"{row['bits']} bit", f"{row['width']:g}",
          f"{row['accuracy']:.2f}" + ("" if row["std"] is None else f" ± {row['std']:.2f}"), row["seeds"],
          f"{row['cycles_equal_lut4']:.0f}", f"{row['cycles_equal_bandwidth']:.0f}", ratio(row, "equal_lut4"),
          ratio(row, "equal_bandwidth")] for row in data["tradeoff"]])


def page(data: dict[str, Any]) -> str:
    """The whole page, in Markdown."""
    binary, resnet = BINARY_ARRAY, data["resnet18"]

    def share(layer: int) -> str:
        """Of a layer in ResNet-18's cycles."""
        return f"{100 * resnet['layers'][layer]['cycles_measured'] / resnet['cycles_measured']:.0f} %"

    sizes = {machine["equal"]: machine for machine in data["machines"]}
    array = "{rows} x {cols} x {lanes}".format(**resnet["config"])
    area = sizes["LUT4"]
    sections: list[Callable[[], str] | str] = [
        (DOCS / "paper" / "opening.md").read_text(),
        "## The claims\n",
        _markdown(["claim", "paper", "ours", "how", "why they differ"],
                  [[row[key] for key in ("claim", "paper", "ours", "how", "why")] for row in claims(data)]),
        "\n## Five tasks\n\nMeans of "
        f"{data['tasks']['classification']['seeds']} seeds on test images that no choice has seen "
        "(`make train TASK=...`; the records are in `golden/training/trained/`). Float, 8-bit and binary networks have "
        "the same shape and are trained for the same steps; m multiplies the channels of the binary ones. *Levels* are "
        "those of the binary networks' activations (the first ones; inner ones; the last ones); *last quarter* is the "
        "gain of the validation score in the last quarter of the steps (float; m = 2), small where a training has "
        "converged.\n",
        _task_table(data),
        "\nTest sets: " + "; ".join(f"{name.replace('_', ' ')}: {report['test_set']}"
                                    for name, report in data["tasks"].items()) + ".\n",
        *(f"\n{name.replace('_', ' ').capitalize()} on the {title}: " + ", ".join(
            f"{kind.replace('_', ' ')} {score:.1f}" for kind, score in found.items()) + ".\n"
          for name, report in data["tasks"].items() for title, found in report["further"].items()),
        "\nOn the array (`make task TASK=...`), the first seed's networks; images are cut where the maps of whole ones "
        "do not fit into its banks:\n",
        _hardware_table(data),
        "\nThe same networks from pixels to answers, without a host between (docs/pixels.md), three images or batches, "
        "all equal to PyTorch's:\n",
        _stream_table(data),
        *(f"\n### {name.replace('_', ' ').capitalize()}\n\n![Results]({'paper'}/{name}.png)\n\n"
          f"![Learning curves](paper/{name}_curves.png)\n" for name in TASKS),
        "\n## Accuracy against cycles\n\nBinary and 8-bit networks of several widths (`make train TASK=... WIDTHS=1`), "
        "each with all its layers, on the arrays of the next section. The last columns divide the cycles of an 8-bit "
        "network of the same score, between two widths of the curve, by those of the binary network; below the score "
        "of the narrowest 8-bit network they are its cycles. Where no 8-bit width reaches the score, the cycles are "
        "those of the widest, and the ratio has a \">\". `build/paper/tradeoff.json` has the rows.\n",
        _tradeoff_table(data),
        "\n![Accuracy against cycles](paper/tradeoff.png)\n",
        "\n## The training taken apart\n",
        _ablations(data["ablations"]),
        f"\n## Cycles against 8-bit\n\nThe binary array has {binary.rows} x {binary.cols} elements of {binary.lanes} "
        "lanes. The 8-bit arrays come from the same generator, with the same dataflow: words of as many bits "
        f"(*operand bandwidth*, {sizes['operand bandwidth']['config']['lanes']} multiplications an element), one "
        "multiplication an element (*processing elements*), or as many elements as the LUT4s of the binary array pay "
        f"for (*LUT4*: {area['config']['rows']} x {area['config']['cols']} elements of {area['config']['lanes']}, "
        f"{area['int8']:.0f} LUT4s against {area['binary']:.0f}, Yosys for iCE40 without multiplier blocks, elements "
        "alone). Cycles are those of one image in a batch with an image in each row. An 8-bit network's identity skips "
        "cost nothing. The ends are the first and the last layer where the binary network has weights of several bits "
        "there, in bit planes on the binary array; a sum meets as many thresholds as an activation has.\n",
        _cycle_table(data),
        "\n![Cycles](paper/cycles.png)\n",
        "\n## Cycles against ReActNet-A\n\nBoth on the binary array above, both first layers on eight bit planes "
        "(`golden/networks/geometry.py`). ReActNet-A has 4.82 G binary multiplications and updates 4.64 M real values "
        "after its convolutions: *vector unit* takes 4 cycles for 32 of them, *traffic* reads and writes them as 16 "
        "bits through the activation banks.\n",
        _reactnet_table(data),
        f"\n## ResNet-18 at {resnet['size']} x {resnet['size']}, whole in RTL\n\nm = "
        f"{resnet['style']['multiplier']:g}, INT4 residuals, random weights, a "
        f"photograph, on an array of {array}, all rows on one image (`make resnet18`). The weights of a layer, or of a "
        f"piece of it, are loaded before it runs. {resnet['cycles_measured']} cycles in all, "
        f"{100 * resnet['utilization']:.0f} % of the array's operations used; the stem on bit planes takes "
        f"{share(0)} of them, the classifier {share(-1)}: its one pixel uses one row of the array, and the average "
        "pool makes 49 taps of each weight.\n",
        _resnet_table(data),
    ]
    return "\n".join(str(section) for section in sections) + "\n"


@click.command("paper", cls=Command, failed=(OSError,), repository=True)
@click.option("--fresh", is_flag=True, help="Run the tasks again, although build/ has reports.")
def command(fresh: bool) -> None:
    """Write docs/paper.md: each claim of the paper beside our figure."""
    console = Console()
    if fresh:
        shutil.rmtree(BUILD / "task", ignore_errors=True)
    try:
        data = gather(console)
    except (FileNotFoundError, StoreError) as error:
        raise Failure(f"{error}: signum train and signum ablation write the missing record") from None
    out = BUILD / "paper"
    out.mkdir(parents=True, exist_ok=True)
    (out / "claims.json").write_text(json.dumps(claims(data), indent=2) + "\n")
    (out / "tradeoff.json").write_text(json.dumps(data["tradeoff"], indent=2) + "\n")
    (out / "cycles.json").write_text(json.dumps({k: data[k] for k in ("cycles", "machines", "reactnet")}, indent=2))
    pictures = DOCS / "paper"
    for name in TASKS:
        shutil.copy(BUILD / "task" / name / "picture.png", pictures / f"{name}.png")
        picture_curves(pictures / f"{name}_curves.png", record_of(name))
    for name, record in data["ablations"].items():
        picture_ablation(pictures / f"{name}_ablation.png", record)
    picture_tradeoff(pictures / "tradeoff.png", data["tradeoff"])
    picture_cycles(pictures / "cycles.png", data["cycles"])
    REPORTS.write_text(json.dumps(data, indent=1) + "\n")
    PAGE.write_text(page(data))
    console.print(f"see {PAGE} and {out}/claims.json")
