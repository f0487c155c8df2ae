"""The folders that Signum reads and writes outside its packages."""

from pathlib import Path

__all__ = ["BUILD", "IN_REPOSITORY", "REPOSITORY"]

REPOSITORY = Path(__file__).resolve().parents[2]
"""The repository; where the package is installed its folder, in which of docs/ the recorded builds of boards are."""

IN_REPOSITORY = (REPOSITORY / "pyproject.toml").exists()
"""Whether this runs from a clone of the repository, not from an installed package."""

BUILD = (REPOSITORY if IN_REPOSITORY else Path.cwd()) / "build"
"""Results and kept simulations: in the repository, or in the current folder where the package is installed."""
