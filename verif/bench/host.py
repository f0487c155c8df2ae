"""The host's side of the link in a bench."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any

from signum.fpga.host.link import Receive, Send

__all__ = ["take"]


async def take(steps: Generator[Send | Receive, Any, Any], send: Callable[[bytes], Awaitable[None]],
               receive: Callable[[int, float], Awaitable[bytes]]) -> Any:
    """Execute the steps of a `fpga.host.link.Host`, and return their results."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Send):
                await send(step.data)
                step = next(steps)
            else:
                step = steps.send(await receive(step.size, step.timeout))
    except StopIteration as end:
        return end.value
