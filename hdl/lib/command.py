"""Options and errors of the commands of ``signum``: an error is one line on stderr, without a traceback."""

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from signum.hdl.config import ArrayConfig, ConfigError
from signum.hdl.presets import PRESETS
from signum.hdl.told import told

from .folders import IN_REPOSITORY

__all__ = ["ARRAY_FIELDS", "FILE", "Command", "Failure", "Folder", "Integer", "Number", "OneOf", "Refusal",
           "array_options", "config_options", "one_line", "parameter_texts", "read_config"]

Function = TypeVar("Function", bound=Callable[..., Any])
Errors = tuple[type[Exception], ...]

ARRAY_FIELDS = dataclasses.fields(ArrayConfig)

LONGEST_LINE = 3000
"""Characters of an error; the names of all parameters take a thousand."""

INTEGER = re.compile(r"[+-]?\d{1,40}")
"""Python refuses to read integers of thousands of digits."""

FILE = click.Path(path_type=Path)
"""Option type of a file; the command itself reports an unreadable or unwritable file."""


class Refusal(click.ClickException):
    """A command not started, because of a wrong option."""

    exit_code = 2


class Failure(click.ClickException):
    """A command that failed after its start."""

    exit_code = 1


class Command(click.Command):
    """A command whose errors take one line.

    Parameters
    ----------
    refused : tuple of exception types
        Errors of the command's input; the exit status is 2.
    failed : tuple of exception types
        Errors of the work itself; the exit status is 1.
    repository : bool
        The command reads or writes files of the repository, and is refused outside a clone.
    """

    def __init__(self, *arguments: Any, refused: Errors = (), failed: Errors = (), repository: bool = False,
                 **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.refused = refused
        self.failed = failed
        self.repository = repository

    def invoke(self, ctx: click.Context) -> Any:
        if self.repository and not IN_REPOSITORY:
            raise Refusal(f"{ctx.command_path} needs the repository of Signum: run it in a clone, after `make venv`")
        try:
            return super().invoke(ctx)
        except self.refused as error:
            raise Refusal(str(error)) from error
        except self.failed as error:
            raise Failure(str(error)) from error


def _name(parameter: click.Parameter | None) -> str:
    """The name of an option in messages: weight_depth of --weight-depth."""
    if not parameter:
        return "value"
    return max(parameter.opts, key=len).lstrip("-").replace("-", "_")


def one_line(error: click.ClickException) -> str:
    """An error of click or of Signum, as one line of bounded length."""
    text = " ".join(_text(error).split())
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}..."


def _text(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        command = error.ctx.command_path if error.ctx else "signum"
        nearest = f"; near it are {', '.join(sorted(error.possibilities))}" if error.possibilities else ""
        return f"option must be one that `{command} --help` lists, not {error.option_name[:80]}{nearest}"
    if isinstance(error, click.MissingParameter) and error.param:
        return f"{_name(error.param)} must be given"
    return error.format_message()


class Integer(click.ParamType):
    """An integer of at least ``least``."""

    name = "integer"

    def __init__(self, least: int | None = None) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if not INTEGER.fullmatch(str(value)):
            raise Refusal(f"{_name(param)} must be an integer, not {told(value)}")
        if self.least is not None and int(value) < self.least:
            raise Refusal(f"{_name(param)} must be at least {self.least}, not {int(value)}")
        return int(value)


class Number(click.ParamType):
    """A finite positive number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            raise Refusal(f"{_name(param)} must be a number, not {told(value)}") from None
        if not 0 < number < float("inf"):
            raise Refusal(f"{_name(param)} must be positive, not {value if len(str(value)) < 40 else told(value)}")
        return number


class OneOf(click.Choice[str]):
    """One of several names, completed by the shell."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(list(names))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            raise Refusal(f"{_name(param)} must be one of {', '.join(self.choices)}, not {value or repr(value)}")
        return str(value)


class Folder(click.Path):
    """An output folder, which need not exist."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if not str(value):
            raise Refusal(f"{_name(param)} must be a folder, not ''")
        try:
            other = Path(value).exists() and not Path(value).is_dir()
        except OSError as error:        # a name longer than names can be
            raise Refusal(f"{_name(param)} must be a folder, not {told(str(value))} ({error.strerror})") from None
        if other:
            raise Refusal(f"{_name(param)} must be a folder, not the file {value}")
        return Path(value)


def parameter_texts(described: type) -> dict[str, str]:
    """The text of each parameter in the docstring of a class, as one line."""
    section = re.search(r"^ *Parameters\n *-+\n(.*?)(?=^ *\w+\n *---|\Z)", described.__doc__ or "", re.M | re.S)
    if not section:
        return {}
    _, *parts = re.split(r"^    (\w+) : .*\n", section[1], flags=re.M)
    return {name: " ".join(text.split()).replace("``", "") for name, text in zip(parts[::2], parts[1::2], strict=True)}


def array_options(function: Function) -> Function:
    """An option for each parameter of `ArrayConfig`, with its text and its default.

    The values are texts, None where an option is not given; `read_config` checks them.
    """
    texts = parameter_texts(ArrayConfig)
    for field in reversed(ARRAY_FIELDS):
        default = "" if field.default is dataclasses.MISSING else f"  [default: {field.default}]"
        function = click.option(f"--{field.name.replace('_', '-')}", field.name, metavar="N",
                                help=texts[field.name] + default)(function)
    return function


def config_options(function: Function) -> Function:
    """The options ``--preset`` and ``--config``, for `read_config`."""
    # ArrayConfig.preset checks the name, after the check that config is not given
    presets = click.option("--preset", shell_complete=lambda ctx, param, text: [
        name for name in sorted(PRESETS) if name.startswith(text)], metavar="NAME",
        help=f"Parameters by name: {', '.join(sorted(PRESETS))}.")
    return presets(click.option("--config", type=FILE, metavar="FILE", help="Parameters from a TOML file.")(function))


def read_config(preset: str | None, config: Path | None, given: dict[str, str | None] | None = None) -> ArrayConfig:
    """The configuration of a preset or of a file, overridden by single parameters.

    Raises
    ------
    ConfigError
        If both are given, the file cannot be read, or a parameter breaks a rule.
    """
    if preset and config:
        raise ConfigError(f"preset must not be given together with config, not {preset}")
    values: dict[str, Any] = {}
    if preset:
        values = ArrayConfig.preset(preset).to_dict()
    elif config:
        try:
            values = ArrayConfig.load(config).to_dict()
        except OSError as error:
            raise ConfigError(f"config must be a readable file, not {config} ({error.strerror})") from None
    for name, text in (given or {}).items():
        if text is not None:
            values[name] = int(text) if INTEGER.fullmatch(text) else text
    return ArrayConfig.from_dict(values)
