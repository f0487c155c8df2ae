"""The folders that Signum reads and writes outside its packages."""

from pathlib import Path

__all__ = ["BUILD", "IN_REPOSITORY", "REPOSITORY"]

REPOSITORY = Path(__file__).resolve().parents[2]
"""The repository; of an installed package, its folder, with the recorded board builds of docs/."""

IN_REPOSITORY = (REPOSITORY / "pyproject.toml").exists()
"""Whether this runs from a clone of the repository, not from an installed package."""

BUILD = (REPOSITORY if IN_REPOSITORY else Path.cwd()) / "build"
"""Results and kept simulations: in the repository, or in the current folder where the package is installed."""
