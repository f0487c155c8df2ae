"""Fixtures of all tests: the simulators, the seed in the header, and the report of what ran."""

import gc
import os

import pytest

from signum.verif.bench.simulate import SIMULATORS, default_seed, simulator_missing
from signum.verif.bench.sweep import thin
from signum.verif.plan import ran
from signum.verif.plan.rows import load_plan


def pytest_configure(config: pytest.Config) -> None:
    """One thread a process, set before torch is imported: the tests take the cores by processes (``-n``).

    Threads of OpenMP that wait for each other on cores in use take up to eighteen times the processor's seconds.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    gc.set_threshold(50_000)            # designs are graphs of many objects that live as long as their test
    if not hasattr(config, "workerinput") and not config.option.collectonly:       # a worker's reports come here
        whole = ran.is_whole(config, os.environ)
        config.pluginmanager.register(ran.Recorder(config.rootpath / ran.FOLDER, whole))


def pytest_collection_finish() -> None:
    """Look for garbage among the objects of tests, not among the modules that stay."""
    gc.freeze()


def pytest_report_header() -> str:
    return f"seed: {default_seed()} (another one: SEED=n; one simulator: SIM=verilator; waves: WAVES=1)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The units' runs on built simulators are slow; Amaranth's own simulator runs the same checks in seconds."""
    for item in items:
        if item.name.startswith("test_simulators["):
            item.add_marker(pytest.mark.slow)
    thin(items, load_plan().tests)


@pytest.fixture(params=[os.environ["SIM"]] if "SIM" in os.environ else SIMULATORS)
def simulator(request: pytest.FixtureRequest) -> str:
    """Each simulator in turn, or the one that ``SIM`` names; Icarus is skipped where it is not installed."""
    if request.param == "icarus" and "SIM" not in os.environ and (reason := simulator_missing("icarus")):
        pytest.skip(reason)
    return request.param


@pytest.fixture
def seed() -> int:
    """``SEED`` of the environment, or 1."""
    return default_seed()
