"""The cluster that tests share, and a drill on it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.faults import FAULTS
from drillbox.sandbox.model.params import Value, parse_params
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Change, differences, with_fields
from drillbox.sandbox.model.stack import ApplySpec, ClearFault, InjectFault
from drillbox.sandbox.model.telemetry import LogLine, Telemetry
from drillbox.stacks.kind.cluster.engine import connect
from drillbox.stacks.kind.cluster.node_hands import undo_log
from drillbox.stacks.kind.cluster.programs import KUBECTL, find
from drillbox.stacks.kind.drill.service import KindService
from drillbox.stacks.kind.records.drills import folders
from drillbox.stacks.kind.stack import KindStack

PATIENCE = 420.0
"""Wall seconds within which something has to come about: machines are slow, pods leave a lost node after some 80 s, and burn rates
look back five minutes."""
STEP = 0.25
"""Seconds between two looks."""
DAYS = 42
"""What is trained on."""


@dataclass(frozen=True)
class Standing:
    """The cluster that stands for all tests that need none of their own.

    Attributes:
        name: of the cluster; `DRILLBOX_KIND_CLUSTER` says so, too.
        home: state folder that it is in; `DRILLBOX_HOME`, unless a test has one of its own.
        kubeconfig: of the cluster.
        image: the application image, which is on its nodes.
    """

    name: str
    home: Path
    kubeconfig: Path
    image: str

    def kubectl(self, *arguments: str, namespace: str = "", patience: float = 180.0) -> str:
        """What kubectl prints.

        Raises:
            subprocess.CalledProcessError: it fails.
        """
        where = [f"--namespace={namespace}"] if namespace else []
        command = [find(KUBECTL).path, f"--kubeconfig={self.kubeconfig}", *where, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=patience).stdout


class Played:
    """A drill that is up, without a session: nothing befalls it but what the test does; and what it has told so far."""

    def __init__(self, standing: Standing) -> None:
        self.standing, self.base = standing, standing.home / "kind"
        self.stack = KindStack(self.base)
        self.steps: list[str] = []
        self.changes: list[Change] = []
        self.logs: list[LogLine] = []
        self.versions: list[str] = []
        self.firing: frozenset[str] = frozenset()
        self.fired: set[str] = set()
        self.failed = self.answered = 0.0

    def up(self, scenario: Scenario) -> None:
        self.stack.up(scenario, 1, lambda step, _done: self.steps.append(step))

    def settle(self) -> None:
        """Bring up a drill to which nothing happens, and wait until it answers."""
        self.up(calm())
        self.until(lambda _told: self.answered > 100)

    @property
    def service(self) -> KindService:
        service = self.stack.drill.service
        assert isinstance(service, KindService)
        return service

    @property
    def namespace(self) -> str:
        return self.service.place.namespace

    def kubectl(self, *arguments: str) -> str:
        return self.standing.kubectl(*arguments, namespace=self.namespace)

    def until(self, holds: Callable[[Telemetry], bool], what: str = "it did not come to hold in time") -> Telemetry:
        deadline = time.monotonic() + PATIENCE
        while True:
            told = self.stack.advance(self.service.clock.now() + STEP)
            self.changes += told.changes
            self.logs += told.logs
            self.versions += [one.version for one in told.versions]
            self.firing = frozenset(one.name for one in told.alerts or () if one.firing)
            self.fired |= self.firing
            self.failed, self.answered = told.ledger.failed, told.ledger.ok
            if holds(told):
                return told
            assert time.monotonic() < deadline, f"{what}: {self.service.pods()}, firing: {sorted(self.firing)}"

    def act(self, **fields: Value) -> None:
        """Change fields of the desired state, as an action does: `__` stands for the dot."""
        values = {name.replace("__", "."): value for name, value in fields.items()}
        before = self.service.spec
        after = with_fields(before, values)
        self.stack.apply(ApplySpec(after, differences(before, after, "tester")))

    def begin(self, fault: str, **given: Value) -> None:
        """Let a fault of the catalogue begin, as a scenario does; amounts in base units."""
        self.stack.apply(InjectFault(fault, fault, parse_params(FAULTS[fault].params, given, base_units=True)))

    def end(self, fault: str) -> None:
        self.stack.apply(ClearFault(fault))

    def serve(self, count: int) -> bool:
        """Whether so many replicas are there, and all are ready."""
        pods = self.service.pods()
        return sum(one.ready for one in pods) == count == len(pods)

    def pending(self) -> list[str]:
        """What was done to nodes and processes, and is not undone."""
        with closing(connect()) as engine:
            return [entry.kind for folder in folders(self.base) for entry in undo_log(folder, engine).pending()]

    def logged(self, text: str) -> bool:
        """Whether some line has it."""
        return any(text in line.text for line in self.logs)

    def changed(self, field: str, by: str) -> list[tuple[object, object]]:
        return [(one.before, one.after) for one in self.changes if (one.field, one.by) == (field, by)]


class Jobs:
    """The training jobs of a drill, by kubectl."""

    def __init__(self, played: Played) -> None:
        self._played = played

    def all(self) -> list[dict[str, Any]]:
        return self._items("jobs", "--selector=app.kubernetes.io/component=training")

    def pods(self, job: str) -> list[dict[str, Any]]:
        return self._items("pods", f"--selector=job-name={job}")

    def newest(self, number: int) -> str:
        """The name of the job of run `number`, once it is there with a pod that runs."""
        found: list[str] = []

        def there(_told: object) -> bool:
            found[:] = [
                one["metadata"]["name"] for one in self.all() if one["metadata"]["labels"]["drillbox.dev/run"] == str(number)
            ]
            return bool(found) and any(one["status"]["phase"] == "Running" for one in self.pods(found[0]))

        self._played.until(there, f"no job of run {number} runs")
        return found[0]

    def _items(self, *what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._played.kubectl("get", *what, "--output=json"))["items"]
        return found


def retrain(played: Played, number: int) -> None:
    """Ask for a run, as the action does."""
    played.act(retraining__requested=f"{DAYS}d#{number}")


def context_of(dockerfile: str) -> bytes:
    """What an image is built from."""
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo("Dockerfile")
            info.size = len(dockerfile)
            tar.addfile(info, io.BytesIO(dockerfile.encode()))
        return buffer.getvalue()


def calm() -> Scenario:
    """A drill to which nothing happens by itself, with a short warm-up, and as long as a test may take."""
    found = load_scenario(Library.packaged().find("slow-afternoon"), "short")
    return replace(found, timeline=(), warmup=20.0, duration=3600.0)


def turned_season() -> Scenario:
    """A drill with a short warm-up, and as long as a test may take. The season has turned: what is trained now is better."""
    found = load_scenario(Library.packaged().find("quiet-decay"), "short")
    by_hand = replace(found.service.retraining, every=0.0, drift=0.0, decay=0.0)  # no run begins by itself
    return replace(found, warmup=10.0, duration=900.0, service=replace(found.service, retraining=by_hand))
