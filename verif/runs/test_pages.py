"""The pages: every figure equals its record, none is typed, commands and links exist, and the code runs."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from sybil import Document, Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from signum.fpga.host import serial_transport
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.benchmarks.figures import COMMANDS, FigureError, figures
from signum.verif.benchmarks.record import BENCHMARKS
from signum.verif.runs import pages
from signum.verif.runs.pages import GENERATED, filled, quoted, rendered, unmarked, write_pages, written_by_hand
from signum.verif.runs.typed_figures import TYPED

HAND = {path.name: path for path in written_by_hand()}
ALL = {path.name: path for path in (*written_by_hand(), *GENERATED)}
RUN = {name: path for name, path in HAND.items() if "\n```python\n" in path.read_text()}
SLOW = {"board.md"}     # builds two virtual boards


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The expected text of each page."""
    return {path.name: text for path, text in rendered()}


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_that_of_the_records(name: str, texts: dict[str, str]) -> None:
    assert ALL[name].read_text() == texts[name], f"{name} is old: make pages"


@pytest.mark.parametrize("name", HAND)
def test_no_figure_is_typed(name: str) -> None:
    assert list(unmarked(HAND[name].read_text(), TYPED.get(name, {}))) == [], \
        "quote the record (verif/runs/pages.py), or name the reason in verif/runs/typed_figures.py"


@pytest.mark.parametrize("name", HAND)
def test_a_figure_has_its_command_on_the_page(name: str) -> None:
    text = HAND[name].read_text()
    records = {record for record in quoted(text) if record in COMMANDS}
    assert [COMMANDS[record] for record in sorted(records) if COMMANDS[record] not in text] == []


@pytest.mark.parametrize("name", HAND)
def test_no_line_begins_with_a_figure(name: str) -> None:
    """A line with nothing but a comment would be an HTML block, which ends the paragraph."""
    assert re.findall(r"^ *<!--=.*$", HAND[name].read_text(), re.MULTILINE) == []


@pytest.mark.parametrize("name", ALL)
def test_every_make_command_exists(name: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, re.MULTILINE)) | {f"bench-{each}" for each in BENCHMARKS}
    text = ALL[name].read_text()
    code = re.findall(r"`(make [^`]*)`", text) + re.findall(r"^ {4}(make .*)$", text, re.MULTILINE)
    for line in code:
        for word in line.split("#")[0].split()[1:]:
            variable = word.partition("=")[0]
            assert variable in makefile if "=" in word else word in {*targets, "bench-NAME"}, line


@pytest.mark.parametrize("name", ALL)
def test_every_link_leads_somewhere(name: str) -> None:
    path = ALL[name]
    for found in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", path.read_text()):
        target = path.parent / found[0] if found[0] else path
        assert target.exists(), found
        if found[1]:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert found[1][1:] in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, found


def run_python(example: Example) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        PythonEvaluator()(example)
    example.namespace["printed"] = printed.getvalue()


def check_printed(example: Example) -> None:
    assert example.namespace["printed"].split() == str(example.parsed).split(), example


def run_page(path: Path) -> None:
    """Each block in turn, in one namespace; a block of text is the output of the block before."""
    parsers = CodeBlockParser("python", run_python), CodeBlockParser("text", check_printed)
    examples = list(Document.parse(str(path), *parsers).examples())
    assert examples
    for example in examples:
        example.evaluate()


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in RUN])
def test_the_code_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # replaced by docs/board.md
    monkeypatch.setattr(serial_transport, "SerialTransport", serial_transport.SerialTransport)
    run_page(RUN[name])


def test_an_old_figure_is_found_and_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("It takes <!--=demo/cycles_measured:,.0f-->1<!--/--> cycles.\n\n<!--table demo-->\n<!--/table-->\n")
    monkeypatch.setattr(pages, "rendered", lambda: [(page, filled(page.read_text()))])
    assert write_pages() == [page]
    report = json.loads((REPOSITORY / "docs/performance/demo.json").read_text())
    assert f"-->{report['cycles_measured']:,.0f}<!--/--> cycles" in page.read_text()
    assert f"{report['lut']:,} of {report['lut_capacity']:,}" in page.read_text()
    assert write_pages() == []


@pytest.mark.parametrize(("text", "message"), [
    ("<!--=demo/none-->1<!--/-->", "a figure must be a value of a record of docs/performance, not demo/none"),
    ("<!--=nothing/lut-->1<!--/-->", "a figure must be a value of a record of docs/performance, not nothing/lut"),
    ("<!--=demo/lut:.q-->1<!--/-->", f"the format of demo/lut must suit {figures('demo')['demo/lut']}, not .q"),
    ("<!--table none-->\n<!--/table-->", "a table must be one of demo, elements, precision, pixels, stream "
                                         "units, ladder, camera, faults, formal, fuzz, mutate, coverage, uncovered, "
                                         "unjudged, survivors, plan, gaps, pins, tasks, boards, builds, not none"),
    ("<!--=demo/lut-->1", "a figure or a table must have both of its comments, not <!--= alone"),
])
def test_what_cannot_be_filled_in(text: str, message: str) -> None:
    with pytest.raises(FigureError) as caught:
        filled(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["It takes 2,839 cycles.", "A clock of 34.6 MHz", "at 99 % of", "79 LUT4",
                                  "29 of 30 block RAMs", "in half a minute", "1.5 to 2.5 ns", "53.6 mIoU",
                                  "10567\nimages/s"])
def test_a_typed_figure_is_found(text: str) -> None:
    assert list(unmarked(text, {}))
    assert list(unmarked(text, {" ".join(text.split()): "a reason"})) == []


@pytest.mark.parametrize("text", ["<!--=demo/lut-->4,309<!--/--> cells", "`make x`: `12 cycles`", "    12 cycles",
                                  "```\n12 cycles\n```", "two cycles", "2,048 operations a cycle",
                                  "<!--table demo-->\n12 MHz\n<!--/table-->"])
def test_other_numbers_are_left_alone(text: str) -> None:
    assert list(unmarked(text, {})) == []


def test_the_output_of_a_block_is_compared(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    code = "```python\nprint(1 + 2, 'cycles')\n```\n\n"
    page.write_text(code + "```text\n3 cycles\n```\n")
    run_page(page)
    page.write_text(code + "```text\n4 cycles\n```\n")
    with pytest.raises(AssertionError):
        run_page(page)
