"""The Makefile knows every parameter of an array, and its targets are short forms of the command."""

import dataclasses
import os
import re
import shlex
import subprocess

import pytest

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.folders import REPOSITORY
from signum.verif.command_line import load

MAKEFILE = REPOSITORY / "Makefile"


def test_verilog_takes_every_parameter():
    text = MAKEFILE.read_text().replace("\\\n", " ")
    found = re.search(r"^PARAMETERS := (.*)$", text, re.MULTILINE)
    assert found
    fields = [field.name.upper() for field in dataclasses.fields(ArrayConfig)]
    assert found[1].split() == ["PRESET", "CONFIG", *fields]


@pytest.mark.parametrize(("target", "arguments"), [
    ("verilog ROWS=5 WRAPPER=axi CELLS=ecp5 POPCOUNT=tree OUT=x",
     "verilog --out=x --rows=5 --wrapper=axi --cells=ecp5 --popcount=tree"),
    ("verilog PRESET=tiny ACC_BITS=9", "verilog --out=build/verilog --preset=tiny --acc-bits=9"),
    ("test", "test --jobs=2"),
    ("test-quick JOBS=4", "test --quick --jobs=4"),
    ("test-all", "test --all --jobs=2"),
    ("plan", "plan"),
    ("plan GAPS=1 RECORD=1", "plan --gaps --record"),
    ("soak N=3 SEED=2", "soak --n=3 --seed=2"),
    ("soak RECORD=1", "soak --n=200 --record"),
    ("fuzz", "fuzz"),
    ("fuzz N=9 SEED=2 TARGET=flash RECORD=1", "fuzz --n=9 --seed=2 --target=flash --record"),
    ("bitstream", "build --board=icebreaker"),
    ("bitstream BOARD=ulx3s-12f CONFIG=a.toml FREQUENCY=50 BAUD=1000000 SEED=3 SEEDS=2 LOADER=1 OUT=x",
     "build --board=ulx3s-12f --config=a.toml --frequency=50 --baud=1000000 --seed=3 --seeds=2 --loader --out=x"),
    ("bitstream BOARD=ecpix5-85 LINE=ethernet ADDRESS=10.0.0.2",
     "build --board=ecpix5-85 --line=ethernet --address=10.0.0.2"),
    ("demo", "demo"),
    ("demo RECORD=1", "demo --record"),
    ("task TASK=matching IMAGES=3", "task --task=matching --images=3"),
    ("train TASK=matching SEEDS=1", "train --task=matching --seeds=1"),
    ("ablation TASK=matching SEEDS=1", "ablation --task=matching --seeds=1"),
    ("resnet18", "resnet18"),
    ("paper", "paper"),
    ("boards", "boards"),
    ("board-sim", "board-sim"),
    ("faults", "faults"),
    ("faults RECORD=1", "faults --record"),
    ("formal", "formal"),
    ("formal SUBJECT=pe RECORD=1", "formal --subject=pe --record"),
    ("mutate", "mutate --jobs=2"),
    ("mutate UNIT=pe N=9 SEED=2 JOBS=1 RECORD=1", "mutate --jobs=1 --n=9 --seed=2 --unit=pe --record"),
    ("coverage", "coverage --jobs=2"),
    ("coverage JOBS=1 RECORD=1", "coverage --jobs=1 --record"),
    ("ladder IMAGES=2 PRESET=tiny RECORD=1", "ladder --images=2 --preset=tiny --record"),
    ("explore NETWORK=cnv BOARD=ulx3s-85f OBJECTIVE=latency",
     "explore --network=cnv --board=ulx3s-85f --objective=latency"),
    ("bench", "bench --record; pages"),
    ("bench-area", "bench --record area; pages"),
    ("bench-table NAME=area", "bench --table area"),
    ("doctor", "doctor"),
    ("pages", "pages"),
    ("lock", "lock"),
])
def test_a_target_is_a_command(target: str, arguments: str) -> None:
    """The command takes all its words."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-n", "-o", ".venv/.installed", *target.split()], cwd=REPOSITORY, env=clean,
                          text=True, capture_output=True, check=True)
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [".venv/bin/signum"] * len(lines)
    assert "; ".join(shlex.join(line[1:]) for line in lines) == arguments
    for _, name, *options in lines:
        assert load(name).make_context(name, list(options)).command.name == name


def test_each_target_is_in_the_help() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", MAKEFILE.read_text(), re.MULTILINE)
    assert targets
    told = subprocess.run(["make", "help"], cwd=REPOSITORY, text=True, capture_output=True, check=True).stdout
    assert [target for target in targets[1].split() if target != "help" and f"make {target}" not in told] == []
