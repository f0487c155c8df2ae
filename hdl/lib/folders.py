"""The folders that Signum reads and writes outside its packages."""

from pathlib import Path

__all__ = ["BUILD", "REPOSITORY"]

REPOSITORY = Path(__file__).resolve().parents[2]
"""The repository, or the folder of the installed package, which has no docs."""

BUILD = (REPOSITORY if (REPOSITORY / "pyproject.toml").exists() else Path.cwd()) / "build"
"""Results and kept simulations: in the repository, or in the current folder where the package is installed."""
