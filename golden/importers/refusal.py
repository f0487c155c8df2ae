"""Refusals of an import: each names the node, its operator, the reason, and the change that would make it fit."""

from dataclasses import dataclass

__all__ = ["NetworkError", "Refusal", "UnsupportedError"]


@dataclass(frozen=True)
class Refusal:
    """A node that cannot run on the array, exactly."""

    node: str
    operator: str
    reason: str
    fits: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}) {self.reason}; {self.fits} would make it fit"


class UnsupportedError(Exception):
    """Raised within a node: the reason, and the change that would make it fit."""

    def __init__(self, reason: str, fits: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fits = fits


class NetworkError(ValueError):
    """A file that cannot be imported, with all refusals; in one line."""

    def __init__(self, message: str, refusals: tuple[Refusal, ...] = ()) -> None:
        super().__init__(message)
        self.refusals = refusals
