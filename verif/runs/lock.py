"""The command ``signum lock``: the versions behind the asserted areas, clocks and cycles, in requirements.lock.

The file holds constraints for pip, used by ``make``. It pins each distribution that the project needs on any Python
from 3.11 on, and names no index. It has no hashes: pip requires hashes for all entries or for none, torch's wheels of
one version differ between indexes, and wheels of other platforms are unknown here.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from signum.hdl.lib.command import Command, Failure
from signum.hdl.lib.emit import write_whole
from signum.hdl.lib.folders import REPOSITORY

__all__ = ["LOCK", "canonical", "command", "direct", "lock_text", "read_lock"]

LOCK = REPOSITORY / "requirements.lock"

HEAD = """\
# The versions that areas, clocks and cycles are asserted with: `make` installs by them, `make lock` writes them anew.
# No hashes: torch's wheels of one version differ from index to index, and pip takes hashes for all or for none.
"""


def canonical(name: str) -> str:
    """The normalised name of a distribution: pyosys, scikit-learn."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct(project: Mapping[str, Any]) -> dict[str, str]:
    """The requirements of a pyproject.toml, extras included, by normalised name."""
    extras = project["project"]["optional-dependencies"].values()
    texts = [*project["project"]["dependencies"], *(text for extra in extras for text in extra)]
    return {canonical(re.split(r"[ <>=!~;\[]", text, maxsplit=1)[0]): text for text in texts}


def lock_text(versions: Mapping[str, str]) -> str:
    """The text of the lock, with versions without local labels such as torch's "+cpu"."""
    return HEAD + "".join(f"{name}=={version.split('+')[0]}\n" for name, version in sorted(versions.items()))


def read_lock(path: Path = LOCK) -> dict[str, str]:
    """The locked versions by name."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def resolve(requirements: Iterable[str]) -> dict[str, str]:
    """The newest versions that pip finds for requirements and all their dependencies."""
    options = "--dry-run", "--ignore-installed", "--quiet", "--disable-pip-version-check", "--report", "-"
    done = subprocess.run([sys.executable, "-m", "pip", "install", *options, *requirements], text=True,
                          stdout=subprocess.PIPE)
    if done.returncode:
        raise Failure("pip must find a version for each requirement of pyproject.toml, and has failed")
    return {canonical(item["metadata"]["name"]): item["metadata"]["version"]
            for item in json.loads(done.stdout)["install"]}


@click.command("lock", cls=Command, failed=(OSError,), repository=True)
def command() -> None:
    """Write the lock file: the newest versions that pyproject.toml allows.

    Areas, clocks and cycles that tests assert are of the locked versions: run `make venv` and `make test` afterwards.
    """
    versions = resolve(direct(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())).values())
    write_whole(LOCK, lock_text(versions))
    click.echo(f"see {LOCK}: {len(versions)} distributions")
