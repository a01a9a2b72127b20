"""An incident on a real cluster, won by somebody who has nothing but kubectl, and scored as any other."""

from __future__ import annotations

import subprocess
from contextlib import closing

import pytest
from cluster_kit import Standing

from drillbox.sandbox.cli.playing import Request, conclude, nothing, prepare
from drillbox.sandbox.journal import read_journal
from drillbox.sandbox.model.events import Accepted, Changed
from drillbox.sandbox.operators import Ask, View
from drillbox.stacks.kind.cluster.programs import KUBECTL, find
from drillbox.stacks.kind.records.drills import folders, read
from drillbox.wiring import Wiring, run_drill

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
NOTICE, STEP = 20.0, 10.0
"""Drill seconds, as those of the reference in this profile."""
ALERT = "LatencyBurnRate"
COMMANDS = (("rollout", "undo", "deployment/model-champion"), ("scale", "deployment/model-champion", "--replicas=4"))
"""Back to the version before; then room, for as long as pods come and go."""
PATIENCE = 120.0


class Kubectl:
    """Sees what an on-call sees, and asks drillbox for nothing."""

    name = "kubectl"

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._due: list[float] = []
        self.running: list[subprocess.Popen[bytes]] = []

    def decide(self, view: View) -> tuple[Ask, ...]:
        """Once the page has been read, a command at a time."""
        if not self._due and ALERT in view.alerts:
            self._due = [view.now + NOTICE + place * STEP for place in range(len(COMMANDS))]
        for command, due in list(zip(COMMANDS, self._due, strict=False))[len(self.running) :]:
            if view.now >= due:
                self.running.append(self._start(*command))
        return ()

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        (folder,) = folders(self._standing.home / "kind")
        record = read(folder)
        assert record is not None
        where = (f"--kubeconfig={self._standing.kubeconfig}", f"--namespace={record.namespace}")
        return subprocess.Popen([find(KUBECTL).path, *where, *words])


def test_scale_and_rollout_undo_win_the_slow_afternoon(standing: Standing) -> None:
    wiring, operator = Wiring(), Kubectl(standing)
    prepared = prepare(wiring, Request("slow-afternoon", "idle", 1, "short", "kind"), nothing)
    with closing(prepared.journal) as journal:
        prepared.session.start(nothing)
        prepared.session.run(operator)
    assert [one.wait(PATIENCE) for one in operator.running] == [0, 0]

    result = conclude(wiring, journal.path, nothing, prepared.scenario)
    assert result.passed, result.judgement.reasons
    assert result.times.mitigated is not None
    bodies = [event.body for event in read_journal(journal.path).events]
    assert not [body for body in bodies if isinstance(body, Accepted)], "nothing was asked of drillbox"
    done = [(body.field, body.before, body.after) for body in bodies if isinstance(body, Changed) and body.by == "kubectl"]
    assert {("champion.version", "v8", "v7"), ("champion.replicas", 3, 4)} <= set(done)

    # Only the simulation can tell what the same day costs with nobody's hand on it, and with the reference's.
    idle, reference = (run_drill("slow-afternoon", name, profile="short").harm.total for name in ("idle", "reference"))
    impact = 100.0 * (idle - result.harm.total) / (idle - reference)
    assert impact > 50.0, f"{result.harm} against {idle} and {reference}"
