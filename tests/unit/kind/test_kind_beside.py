"""Two things go on side by side: one line of progress, one failure for both; and images go onto nodes before a cluster is one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import FakeEngine, programs

from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.stack import Progress
from drillbox.stacks.kind.cluster.beside import Beside, heedless
from drillbox.stacks.kind.cluster.loading import Early

DEADLINE = 60.0


class Steps:
    """Work whose steps a test allows one by one."""

    def __init__(self) -> None:
        self.go, self.did = threading.Semaphore(0), threading.Semaphore(0)
        self.error: Exception | None = None

    def __call__(self, told: Progress) -> str:
        for done in (0.25, 0.75, 1.0):
            assert self.go.acquire(timeout=DEADLINE)
            if self.error is not None:
                raise self.error
            told("image", done)
            self.did.release()
        return "made"

    def step(self) -> None:
        self.go.release()
        assert self.did.acquire(timeout=DEADLINE)

    def all(self) -> None:
        for _ in range(3):
            self.go.release()


def test_steps_of_both_are_one_line() -> None:
    heard: list[tuple[str, float]] = []
    work = Steps()
    with Beside(work, lambda step, done: heard.append((step, done)), work.all) as beside:
        beside.progress("kind: preparing nodes", 0.0)
        work.step()
        beside.progress("kind: writing configuration", 0.0)
        work.step()
        beside.progress("kind: writing configuration", 1.0)
        work.step()
        beside.progress("kind: installing CNI", 0.0)
        assert beside.result() == "made"
    assert heard[:4] == [
        ("kind: preparing nodes", 0.0),
        ("kind: writing configuration | image", 0.25),
        ("kind: writing configuration | image", 0.75),
        ("kind: installing CNI", 0.0),
    ]


def test_a_failure_beside_ends_the_other_once() -> None:
    work = Steps()
    work.error = StackError("the build failed")
    heard: list[str] = []
    with Beside(work, lambda step, _done: heard.append(step), work.all) as beside:
        work.go.release()
        with pytest.raises(StackError, match="the build failed"):
            beside.result()
        with pytest.raises(StackError, match="the build failed"):
            beside.progress("kind: installing CNI", 0.0)
        beside.progress("removing", 0.0)
    assert heard == ["removing"]


def test_whoever_leaves_early_ends_the_work() -> None:
    work, ended = Steps(), threading.Event()

    def cancel() -> None:
        ended.set()
        work.all()

    with pytest.raises(KeyboardInterrupt), Beside(work, lambda _step, _done: None, cancel):
        raise KeyboardInterrupt
    assert ended.is_set()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StackError("it is not wanted any more")])
def test_whoever_clears_up_is_not_interrupted_by_the_progress(error: BaseException) -> None:
    def raises(_step: str, _done: float) -> None:
        raise error

    heedless(raises)("removing", 0.0)


@pytest.fixture
def early(tmp_path: Path) -> Callable[[], tuple[FakeEngine, Early]]:
    def make() -> tuple[FakeEngine, Early]:
        engine = FakeEngine(tmp_path / "state.json")
        engine.put(engine.state() | {"images": {"app:1": {"Id": "x", "Size": 5}}})
        return engine, Early(engine, "drillbox-a", 2, programs(tmp_path / "bin", engine.path))

    return make


def test_an_image_goes_onto_nodes_as_soon_as_they_run(early: Callable[[], tuple[FakeEngine, Early]]) -> None:
    engine, one = early()
    one.begin.set()
    thread = threading.Thread(target=one.load, args=("app:1", lambda _step, _done: None))
    thread.start()
    node = {"role": "worker", "state": "running", "cluster": "drillbox-a", "networks": [], "volumes": []}
    engine.put(engine.state() | {"containers": [node | {"id": name, "name": f"drillbox-a-{name}"} for name in ("one", "two")]})
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert sorted(engine.state()["loaded"]) == [["drillbox-a-one", "app:1"], ["drillbox-a-two", "app:1"]]


def test_nodes_that_never_come_are_not_waited_for(early: Callable[[], tuple[FakeEngine, Early]]) -> None:
    engine, one = early()
    one.begin.set()
    one.there.set()
    one.load("app:1", lambda _step, _done: None)
    engine, two = early()
    two.stop()
    two.load("app:1", lambda _step, _done: None)
    assert engine.state()["loaded"] == []
