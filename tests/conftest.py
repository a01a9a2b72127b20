"""For all tests: a state folder of their own, deterministic Hypothesis, and (pytest-socket, see pyproject.toml) no network."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]

SHARED_CACHE = Path(os.environ.get("DRILLBOX_TEST_CACHE", ROOT / ".cache" / "drillbox-tests"))
"""What takes seconds to make (flight data, trained models, compiled kernels) and follows from code and data alone: its files are
named by hashes of both, and written atomically, so that all tests, workers and runs may share it."""

hypothesis.settings.register_profile("default", derandomize=True, deadline=None, database=None, max_examples=50)
hypothesis.settings.register_profile("thorough", derandomize=False, deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def _new_home(folder: Path) -> Path:
    """A state folder with nothing in it but the shared cache and the models trained so far."""
    for name in ("cache", "models"):
        (SHARED_CACHE / name).mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(SHARED_CACHE / name, target_is_directory=True)
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that no worker is left with it at the end; tests on a cluster have an order of their own."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None or item.get_closest_marker("cluster") is not None)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """What the tests start would inherit it if a shell ignored signals for what it put into the background."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`DRILLBOX_HOME` for whatever does not ask for one: no test ever touches the state of the person who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        home = _new_home(tmp_path_factory.mktemp("drillbox-home"))
        patch.setenv("DRILLBOX_HOME", str(home))
        patch.delenv("DRILLBOX_SCENARIOS", raising=False)
        yield home


@pytest.fixture
def drillbox_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new `DRILLBOX_HOME` for one test: empty but for the shared cache."""
    home = _new_home(tmp_path_factory.mktemp("drillbox-home"))
    monkeypatch.setenv("DRILLBOX_HOME", str(home))
    return home
