"""A drill on a real cluster: it comes up, kubectl's changes are changes of the drill, and nothing is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from cluster_kit import Standing

from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.service import Change
from drillbox.sandbox.model.telemetry import Telemetry
from drillbox.stacks.kind.service import KindService
from drillbox.stacks.kind.stack import KindStack

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

PATIENCE = 180.0


class Played:
    """A drill that is up, and what it has told so far."""

    def __init__(self, standing: Standing) -> None:
        self.standing, self.base = standing, standing.home / "kind"
        self.stack = KindStack(self.base)
        self.steps: list[str] = []
        self.changes: list[Change] = []
        self.last: Telemetry | None = None

    def up(self) -> None:
        scenario = load_scenario(Library.packaged().find("slow-afternoon"), "short")
        self.stack.up(scenario, 1, lambda step, _done: self.steps.append(step))

    @property
    def service(self) -> KindService:
        service = self.stack.drill.service
        assert isinstance(service, KindService)
        return service

    def kubectl(self, *arguments: str) -> str:
        return self.standing.kubectl(*arguments, namespace=self.service.place.namespace)

    def until(self, holds: Callable[[Telemetry], bool]) -> Telemetry:
        deadline = time.monotonic() + PATIENCE
        while True:
            told = self.last = self.stack.advance(self.service.clock.now())
            self.changes += told.changes
            if holds(told):
                return told
            assert time.monotonic() < deadline, "it did not come to hold in time"

    def changed(self, field: str, by: str) -> list[tuple[object, object]]:
        return [(one.before, one.after) for one in self.changes if (one.field, one.by) == (field, by)]


@pytest.fixture
def played(standing: Standing) -> Iterator[Played]:
    one = Played(standing)
    yield one
    one.stack.down()


def test_a_drill_comes_takes_changes_of_kubectl_and_goes(played: Played, things: Callable[[str], object]) -> None:
    before = things(played.standing.name)
    played.up()
    namespace = played.service.place.namespace
    assert {"objects", "models", "monitoring"} <= set(played.steps)
    begun = played.until(lambda told: told.ledger.ok > 0)
    names = begun.replicas
    assert len(names) == 3

    played.kubectl("scale", "deployment/model-champion", "--replicas=4")
    played.until(lambda told: len(told.replicas) == 4)
    assert played.changed("champion.replicas", "kubectl") == [(3, 4)]

    played.kubectl("delete", "pod", names[0], "--wait=false")
    played.until(lambda told: names[0] not in told.replicas and len(told.replicas) == 4)

    played.kubectl("patch", "configmap", "gateway", "--type=merge", '--patch={"data":{"timeout":"2s"}}')
    played.until(lambda _told: played.changed("gateway.timeout", "kubectl") != [])
    assert played.service.spec.gateway.timeout == 2.0

    played.stack.down()
    assert things(played.standing.name) == before
    assert f"namespace/{namespace}" not in played.standing.kubectl("get", "namespaces", "--output=name").split()
    assert not list((played.base / "drills").iterdir())
