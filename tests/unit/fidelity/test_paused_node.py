"""The node that `make fidelity-kind` pauses: a scenario for clusters, in which Kubernetes mends by itself."""

from __future__ import annotations

from pathlib import Path

from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.operators import Idle
from drillbox.sandbox.scoring.record import record_of
from drillbox.stacks.kind.stack import CAPABILITIES
from drillbox.wiring import Wiring

SCENARIO = Path(__file__).parents[2] / "cluster" / "paused-node.yaml"


def test_nobody_is_woken_and_the_tickets_come_and_go_in_order(warm_home: Path) -> None:
    scenario = load_scenario(SCENARIO, "short")
    assert "kind" in scenario.stacks
    assert {beat.fault for beat in scenario.timeline} <= CAPABILITIES.faults
    session = Wiring().session(scenario, 1, "sim")
    session.start(lambda _step, _done: None)
    session.run(Idle())
    alerts = record_of(session.events()).alerts
    assert {alert.labels["severity"] for _, alert in alerts if alert.state == "firing"} == {"ticket"}
    fired = {alert.name: at for at, alert in alerts if alert.state == "firing"}
    resolved = {alert.name: at for at, alert in alerts if alert.state == "resolved"}
    assert min(fired, key=fired.__getitem__) == "NodeNotReady"
    assert fired.keys() == resolved.keys() == {"NodeNotReady", "ReplicasMissing", "TargetsDown"}
    back = 20.0 + 150.0
    assert resolved["ReplicasMissing"] < back < resolved["NodeNotReady"], "the pods have moved before the node is back"
