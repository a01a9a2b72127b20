"""The cluster that tests share, and a drill on it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drillbox.sandbox.model.params import Value
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Change, differences, with_fields
from drillbox.sandbox.model.stack import ApplySpec
from drillbox.sandbox.model.telemetry import LogLine, Telemetry
from drillbox.stacks.kind.programs import KUBECTL, find
from drillbox.stacks.kind.service import KindService
from drillbox.stacks.kind.stack import KindStack

PATIENCE = 180.0
"""Wall seconds within which something has to come about: machines are slow."""
STEP = 0.25
"""Seconds between two looks."""


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

    def up(self, scenario: Scenario) -> None:
        self.stack.up(scenario, 1, lambda step, _done: self.steps.append(step))

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
            if holds(told):
                return told
            assert time.monotonic() < deadline, what

    def act(self, **fields: Value) -> None:
        """Change fields of the desired state, as an action does: `__` stands for the dot."""
        values = {name.replace("__", "."): value for name, value in fields.items()}
        before = self.service.spec
        after = with_fields(before, values)
        self.stack.apply(ApplySpec(after, differences(before, after, "tester")))

    def logged(self, text: str) -> bool:
        """Whether some line has it."""
        return any(text in line.text for line in self.logs)

    def changed(self, field: str, by: str) -> list[tuple[object, object]]:
        return [(one.before, one.after) for one in self.changes if (one.field, one.by) == (field, by)]
