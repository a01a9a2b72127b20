"""A drill on a real cluster: it comes up, kubectl's changes are changes of the drill, and nothing is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cluster_kit import Played, Standing

from drillbox.sandbox.loading import Library, load_scenario

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture
def played(standing: Standing) -> Iterator[Played]:
    one = Played(standing)
    yield one
    one.stack.down()


def test_a_drill_comes_takes_changes_of_kubectl_and_goes(played: Played, things: Callable[[str], object]) -> None:
    before = things(played.standing.name)
    played.up(load_scenario(Library.packaged().find("slow-afternoon"), "short"))
    namespace = played.namespace
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
