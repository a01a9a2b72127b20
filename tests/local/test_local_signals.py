"""Processes of replicas are killed and stopped: by real signals, with small programs in the place of model servers."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import left, shell, until

from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.scenario import Runtime
from drillbox.sandbox.model.service import Workload
from drillbox.stacks.control_plane.luck import Draw
from drillbox.stacks.local.fleet import GRACE, UNPROBED, Fleet
from drillbox.stacks.local.housekeeping import LocalHousekeeping
from drillbox.stacks.local.liveness import FAILURES, PERIOD, Liveness
from drillbox.stacks.local.pod_faults import CHAMPION, Hang
from drillbox.stacks.local.pod_faults import kill as killing
from drillbox.stacks.local.replicas import Replica, State
from drillbox.stacks.real.machine.processes import Supervisor
from drillbox.stacks.real.machine.records import stat
from drillbox.stacks.real.machine.undo import UndoLog

SEED = 3


class Bench:
    """A fleet of sleeping processes, whose time goes on when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.now, self.log = 0.0, list[tuple[str, str]]()
        self.supervisor = Supervisor(folder / "drill", "drill")
        controls: Any = SimpleNamespace(ready=lambda _url: True)
        self.fleet = Fleet(
            self.supervisor,
            lambda one, _workload, _load_time: shell(one.name, "exec sleep 1000"),
            controls,
            Runtime(start_time=0.0, load_time=0.0),
            lambda component, _severity, text: self.log.append((component, text)),
            lambda _pool, _version: None,
        )
        self.undo = UndoLog(folder / "drill")
        self.chores: list[Callable[[float], None]] = []
        self.service: Any = SimpleNamespace(
            fleet=self.fleet,
            chores=self.chores,
            clock=SimpleNamespace(now=lambda: self.now),
            still=contextlib.nullcontext,
        )
        self.fleet.reconcile(CHAMPION, Workload("v1", replicas=4), 0.0, at_once=True)
        self.round()

    def round(self, later: float = 0.0) -> None:
        """What the node does in a round, so many seconds later."""
        self.now += later
        self.supervisor.reap()
        for chore in self.chores:
            chore(self.now)
        self.fleet.look(self.now)

    def ready(self) -> list[str]:
        return [one.name for one in self.fleet.ready()]

    def state(self, one: Replica) -> str:
        """As the kernel has it: `T` is stopped."""
        found = stat(one.process.pid) if one.process is not None else None
        return found.state if found is not None else ""

    def stopped(self) -> list[Replica]:
        return [one for one in self.fleet.replicas() if self.state(one) == "T"]

    def said(self, text: str) -> list[str]:
        return [component for component, line in self.log if line == text]

    def heard(self, *names: str) -> None:
        """The gateway's probes pass for all but these."""
        self.fleet.hear({str(one.address): one.name not in names for one in self.fleet.replicas()}, self.now)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.supervisor.down(patience=0.0)
    assert left(one.supervisor.folder, "drill") == []


# ------------------------------------------------------------------------------------------------------------------- kills


def test_those_are_killed_that_the_simulation_would_kill_and_they_come_back(bench: Bench) -> None:
    kill = killing(bench.service, SEED)
    drawn = Draw(SEED, "faults/kills").of(bench.ready(), 2)
    kill.begin("beat", "pods.kill", {"count": 2})
    until(lambda: bench.round() or len(bench.said("process ended: killed by SIGKILL")) == 2)
    assert sorted(bench.said("process ended: killed by SIGKILL")) == sorted(drawn)
    kill.end("beat")
    until(lambda: bench.round() or len(bench.ready()) == 4)
    assert sorted(one.name for one in bench.fleet.replicas() if one.restarts) == sorted(drawn)


def test_kills_go_on_until_the_fault_ends_and_meet_the_back_off(bench: Bench) -> None:
    kill = killing(bench.service, SEED)
    kill.begin("beat", "pods.kill", {"count": 9, "every": 5.0})
    until(lambda: bench.round() or len(bench.said("process ended: killed by SIGKILL")) == 4)
    until(lambda: bench.round() or len(bench.ready()) == 4)
    bench.round(4.9)
    assert len(bench.ready()) == 4
    bench.round(0.2)
    until(lambda: bench.round() or len(bench.said("process ended: killed by SIGKILL")) == 8)
    assert len(bench.said("restart in 10 s")) == 4
    kill.end("beat")
    bench.round(9.0)
    assert bench.ready() == [], "they wait"
    bench.round(1.1)
    until(lambda: bench.round() or len(bench.ready()) == 4)
    bench.round(30.0)
    assert len(bench.ready()) == 4, "nobody is killed any more"


# ------------------------------------------------------------------------------------------------------------------- hangs


def test_a_stop_is_in_the_undo_log_before_and_ends_with_the_last_fault_that_wants_it(bench: Bench) -> None:
    hang = Hang(bench.service, bench.undo, SEED)
    hang.begin("one", "pods.hang", {"count": 1})
    hang.begin("all", "pods.hang", {"count": 9})
    until(lambda: len(bench.stopped()) == 4)
    assert [(entry.key, entry.kind) for entry in bench.undo.pending()] == [("one", "continue")] + [("all", "continue")] * 4
    hang.end("all")
    until(lambda: len(bench.stopped()) == 1)
    hang.end("one")
    until(lambda: bench.stopped() == [])
    assert bench.undo.pending() == []


def test_who_cannot_note_the_way_back_stops_nobody(bench: Bench) -> None:
    bench.undo.path = Path("/dev/full")
    with pytest.raises(UsageError, match="the disk is full"):
        Hang(bench.service, bench.undo, SEED).begin("beat", "pods.hang", {"count": 1})
    assert bench.stopped() == []


def test_whoever_reads_the_undo_log_lets_it_go_on(bench: Bench) -> None:
    Hang(bench.service, bench.undo, SEED).begin("beat", "pods.hang", {"count": 2})
    until(lambda: len(bench.stopped()) == 2)
    assert UndoLog(bench.supervisor.folder).undo_all() == []
    until(lambda: bench.stopped() == [])


def test_a_process_that_has_ended_is_not_stopped_and_its_successor_is_left_alone(bench: Bench) -> None:
    hang = Hang(bench.service, bench.undo, SEED)
    for one in bench.fleet.replicas():
        assert one.process is not None
        one.process.kill()
        assert one.process.ended(30.0)
    hang.begin("beat", "pods.hang", {"count": 4})
    assert bench.undo.pending() == []
    until(lambda: bench.round() or len(bench.ready()) == 4)
    hang.begin("again", "pods.hang", {"count": 1})
    [hung] = until_some(bench.stopped)
    hung.process.kill()  # type: ignore[union-attr]  # it is there
    until(lambda: bench.round() or hung.name in bench.said("restart in 10 s"))
    bench.round(10.1)
    until(lambda: bench.round() or len(bench.ready()) == 4)
    hang.end("again")
    assert bench.stopped() == []


def until_some(look: Callable[[], list[Replica]]) -> list[Replica]:
    """As soon as there are any."""
    until(look)
    return look()


# ------------------------------------------------------------------------------------------------------- what the others see


def test_who_answers_no_probe_is_unreachable_and_ready_again_when_it_does(bench: Bench) -> None:
    bench.heard("model-champion-2")  # never passed: it is new to the gateway
    assert len(bench.ready()) == 4
    bench.heard()
    bench.heard("model-champion-2")
    assert bench.ready() == ["model-champion-1", "model-champion-3", "model-champion-4"]
    assert bench.said("health checks fail: no answer") == ["model-champion-2"]
    assert len(bench.fleet.endpoints()[CHAMPION]) == 4, "the gateway goes on looking"
    bench.heard("model-champion-2")
    bench.heard()
    assert len(bench.ready()) == 4
    assert bench.said("health checks pass again: ready") == ["model-champion-2"]
    bench.fleet.hear({}, bench.now)
    assert len(bench.ready()) == 4, "the gateway says nothing of it"


def test_who_hangs_before_the_gateway_has_ever_seen_it_answer_is_found_out_as_well(bench: Bench) -> None:
    bench.heard("model-champion-2")
    bench.now += UNPROBED + 1.0
    bench.heard("model-champion-2")
    assert bench.said("health checks fail: no answer") == ["model-champion-2"]
    assert len(bench.ready()) == 3


def test_a_container_whose_process_does_not_hear_that_it_is_to_end_is_killed_after_its_grace(bench: Bench) -> None:
    Hang(bench.service, bench.undo, SEED).begin("beat", "pods.hang", {"count": 1})
    [hung] = until_some(bench.stopped)
    bench.heard()
    bench.heard(hung.name)
    asked: list[str] = []
    liveness = Liveness(lambda url, _patience: bool(asked.append(url)))
    for number in range(1, FAILURES + 1):
        found: list[Replica] = []
        until(lambda found=found, number=number: found.extend(liveness.look([hung], bench.now)) or len(asked) == number)  # type: ignore[misc]
        assert len(asked) == number
        if number < FAILURES:
            bench.now += PERIOD
    until(lambda: found or found.extend(liveness.look([hung], bench.now)) or found)
    assert (found, asked) == ([hung], [hung.url] * FAILURES)
    assert liveness.look([hung], bench.now + 100.0) == [], "it is told once"
    for _ in range(2):
        bench.fleet.restart(hung, "liveness probe fails", bench.now)
    assert bench.said("liveness probe fails: its container is to be restarted") == [hung.name]
    bench.round(GRACE - 0.1)
    assert bench.state(hung) == "T"
    bench.round(0.2)
    until(lambda: bench.round() or hung.restarts == 1)
    until(lambda: bench.round() or hung.is_ready)
    assert bench.said("process ended: killed by SIGKILL") == [hung.name]
    bench.round(2 * GRACE)
    assert hung.restarts == 1, "its successor has nothing to do with that"
    liveness.close()


def test_an_answer_in_time_makes_good_what_was_missed(bench: Bench) -> None:
    one = bench.fleet.replicas()[0]
    one.state = State.UNREACHABLE
    answers = iter([False, False, True, False, False, False])
    liveness, found = Liveness(lambda _url, _patience: next(answers)), list[Replica]()
    rounds = 0
    while not found:
        liveness.look([one], bench.now)
        probed = liveness._probed[one]
        until(lambda probed=probed: probed.asked is None or probed.asked.done())  # type: ignore[misc]
        found = liveness.look([one], bench.now)
        rounds += 1
        bench.now += PERIOD
    assert (rounds, next(answers, None)) == (6, None)
    liveness.close()


# ------------------------------------------------------------------------------------------------------------ a host that dies

HOST = """
import contextlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_local_signals import Bench
from drillbox.stacks.local.pod_faults import Hang

bench = Bench(Path(sys.argv[1]))
Hang(bench.service, bench.undo, 1).begin("beat", "pods.hang", {"count": 3})
print("ready", *(one.process.pid for one in bench.fleet.replicas()), flush=True)
sys.stdin.read()
"""


def test_nothing_stays_stopped_when_the_host_is_killed_and_down_clears_up(tmp_path: Path) -> None:
    base = tmp_path / "local"
    base.mkdir()
    command = [sys.executable, "-c", HOST, str(base), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        word, *pids = host.stdout.readline().split()
        assert (word, len(pids)) == ("ready", 4)
        until(lambda: sum((found := stat(int(pid))) is not None and found.state == "T" for pid in pids) == 3)
        host.send_signal(signal.SIGKILL)
    keeper, told = LocalHousekeeping(base, lambda _: []), list[str]()
    assert any("undo of beat (continue)" in thing for one in keeper.leftovers() for thing in one.things)
    assert keeper.down({"drill"}, told.append) == []
    assert left(base / "drill", "drill") == []
    assert not (base / "drill").exists()
