"""The command ``signum doctor``: each tool, its version, and how to get a missing one."""

import click
from rich.console import Console
from rich.table import Table

from signum.hdl.lib.command import Command

from .tools import TOOLS, Tool

__all__ = ["doctor", "state"]


def state(tool: Tool) -> str:
    """``ok``, or the remedy for the tool, in one line."""
    if tool.available and tool.recent:
        return "ok"
    problem = "missing" if not tool.available else "too old"
    return f"{problem}{'' if tool.required else ' (optional)'}: {tool.get}"


@click.command(cls=Command)
def doctor() -> int:
    """Show the tools, their versions, and how to get what is missing.

    The exit status is 1 if a required tool is missing or too old.
    """
    table = Table("tool", "for", "version", "minimum", "where", "state")
    for tool in TOOLS:
        least = ".".join(map(str, tool.minimum)) or "any"
        table.add_row(tool.name, tool.use, tool.version or "-", least, str(tool.path or "-"), state(tool))
    console = Console()
    console.print(table)
    wrong = [tool for tool in TOOLS if tool.required and state(tool) != "ok"]
    for tool in wrong:
        console.print(f"{tool.name} is {state(tool)}", markup=False, highlight=False, soft_wrap=True)
    return 1 if wrong else 0

