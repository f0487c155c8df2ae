"""Options and errors of commands: values, the text of each parameter, and one line for each error."""

import click
import pytest

from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.lib import command
from signum.hdl.lib.command import (
    ARRAY_FIELDS,
    Command,
    Failure,
    Folder,
    Integer,
    Number,
    OneOf,
    Refusal,
    array_options,
    config_options,
    one_line,
    parameter_texts,
    read_config,
)

OPTION = click.Option(["--weight-depth", "-w"])


@pytest.mark.parametrize(("kind", "text", "value"), [
    (Integer(), "-3", -3), (Integer(2), "2", 2), (Number(), "1e3", 1000.0), (OneOf(["a", "b"]), "b", "b")])
def test_values(kind, text, value):
    assert kind.convert(text, OPTION, None) == value


@pytest.mark.parametrize(("kind", "text", "message"), [
    (Integer(), "1.5", "weight_depth must be an integer, not '1.5'"),
    (Integer(), "", "weight_depth must be an integer, not ''"),
    (Integer(2), "1", "weight_depth must be at least 2, not 1"),
    (Number(), "fast", "weight_depth must be a number, not 'fast'"),
    (Number(), "0", "weight_depth must be positive, not 0"),
    (Number(), "nan", "weight_depth must be positive, not nan"),
    (Number(), "inf", "weight_depth must be positive, not inf"),
    (OneOf(["a", "b"]), "c", "weight_depth must be one of a, b, not c"),
    (OneOf(["a", "b"]), "A", "weight_depth must be one of a, b, not A"),
    (OneOf(["a", "b"]), "", "weight_depth must be one of a, b, not ''"),
    (Folder(), "", "weight_depth must be a folder, not ''"),
    (Folder(), __file__, f"weight_depth must be a folder, not the file {__file__}"),
])
def test_values_that_are_refused(kind, text, message):
    with pytest.raises(Refusal) as error:
        kind.convert(text, OPTION, None)
    assert str(error.value) == message


def test_a_folder_need_not_be_there(tmp_path):
    assert Folder().convert(str(tmp_path / "new"), OPTION, None) == tmp_path / "new"
    assert not (tmp_path / "new").exists()


def test_each_parameter_has_its_text():
    texts = parameter_texts(ArrayConfig)
    assert list(texts) == [field.name for field in ARRAY_FIELDS]
    assert texts["rows"] == "Rows R: output pixels, or images of a batch, computed at once."
    assert texts["memory_registers"].endswith("some cycles more between layers.")
    assert parameter_texts(int) == {}


def test_options_of_an_array():
    @click.command()
    @config_options
    @array_options
    def made(**_):
        pass

    shown = {option.name: option for option in made.params if isinstance(option, click.Option)}
    texts = {name: option.help or "" for name, option in shown.items()}
    assert list(shown) == ["preset", "config", *(field.name for field in ARRAY_FIELDS)]
    assert shown["tile"].opts == ["--tile"]
    assert shown["acc_bits"].opts == ["--acc-bits"]
    assert texts["acc_bits"].endswith("[default: 12]")
    assert "default" not in texts["rows"]


def test_a_preset_a_file_and_single_parameters(tmp_path):
    tiny = ArrayConfig.preset("tiny")
    (tmp_path / "array.toml").write_text(tiny.to_toml())
    assert read_config("tiny", None) == read_config(None, tmp_path / "array.toml") == tiny
    assert read_config("tiny", None, {"rows": "9", "cols": None}) == tiny.replace(rows=9)
    with pytest.raises(ConfigError, match=r"^rows must be a positive integer, not '1e1'$"):
        read_config("tiny", None, {"rows": "1e1"})


@pytest.fixture
def made():
    @click.command("made", cls=Command, refused=(KeyError,), failed=(OSError,), repository=True)
    @click.option("--value", required=True)
    def made(value):
        raise {"refuse": KeyError, "fail": OSError, "burst": ZeroDivisionError}[value]("why")

    return made


def called(made, *arguments):
    try:
        made.main(list(arguments), prog_name="made", standalone_mode=False)
    except click.ClickException as error:
        return error.exit_code, one_line(error)


def test_errors_have_their_status(made):
    assert called(made, "--value", "refuse") == (Refusal.exit_code, "'why'") == (2, "'why'")
    assert called(made, "--value", "fail") == (Failure.exit_code, "why") == (1, "why")
    with pytest.raises(ZeroDivisionError):          # an unexpected error keeps its traceback
        called(made, "--value", "burst")


def test_errors_of_options(made):
    assert called(made) == (2, "value must be given")
    assert called(made, "--valu", "fail") == (
        2, "option must be one that `made --help` lists, not --valu; near it are --value")
    assert called(made, "--value") == (2, "Option '--value' requires an argument.")


def test_a_command_that_needs_the_repository(made, monkeypatch):
    monkeypatch.setattr(command, "IN_REPOSITORY", False)
    assert called(made, "--value", "fail") == (
        2, "made needs the repository of Signum: run it in a clone, after `make venv`")


@pytest.mark.parametrize("kind", [Integer(), Number()])
def test_numbers_of_thousands_of_digits(kind):
    with pytest.raises(Refusal, match=r"^weight_depth must be (an integer|positive), not '9{79}\.\.\.$"):
        kind.convert("9" * 5000, OPTION, None)


def test_parameters_of_thousands_of_digits():
    with pytest.raises(ConfigError, match=r"^rows must be a positive integer, not '9{79}\.\.\.$"):
        read_config(None, None, {"rows": "9" * 5000, "cols": "1", "lanes": "1"})


def test_a_folder_whose_name_is_too_long():
    with pytest.raises(Refusal, match=r"^weight_depth must be a folder, not 'x{79}\.\.\. \(File name too long\)$"):
        Folder().convert("x" * 300, OPTION, None)


def test_the_longest_line():
    assert len(one_line(Refusal("x" * 10_000))) == command.LONGEST_LINE + 3
