"""Runbooks in files of their own, and what must hold of the flash crowd that comes with the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading import Library, find_scenario, load_runbook, load_scenario
from drillbox.sandbox.model.errors import InvalidScenarioError

BOOK = """\
id: mine
notice: 90s
steps:
  - when: saturation > 80%
    for: {cal: 6m}
    do: scale
    with: {replicas: 4}
  - do: shed
    with: {share: 10%}
"""


def test_runbook_file(valid: str, write: Callable[[str], Path], tmp_path: Path) -> None:
    """Read for a scenario: its pace and its profile's times count."""
    path = tmp_path / "book.yaml"
    path.write_text(BOOK)
    book = load_runbook(path, load_scenario(write(valid)))
    assert (book.id, book.notice, book.step) == ("mine", 90.0, 30.0)
    assert [(step.action, step.trigger.hold) for step in book.steps] == [("scale", 30.0), ("shed", 0.0)]
    assert load_runbook(path, load_scenario(write(valid), "short")).step == 10.0


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "message"),
    [
        ("do: scale", "do: scal", 6, "steps[0].do", "unknown action 'scal'; did you mean 'scale'?"),
        ("notice: 90s", "notise: 90s", 2, "notise", "unknown key 'notise'; did you mean 'notice'?"),
        ("notice: 90s", "notice: 9s", 2, "notice", "at least 1m"),
        ("id: mine\n", "", 1, "id", "is missing"),
        ("id: mine", "id: idle", 1, "id", "the name of another operator"),
        ("replicas: 4", "replicas: 4.5", 7, "steps[0].with.replicas", "4.5 is not a whole number"),
    ],
)
def test_bad_runbook_file(
    valid: str, write: Callable[[str], Path], tmp_path: Path, old: str, new: str, line: int, key: str, message: str
) -> None:
    """The same messages as in a scenario."""
    path = tmp_path / "book.yaml"
    path.write_text(BOOK.replace(old, new))
    with pytest.raises(InvalidScenarioError) as raised:
        load_runbook(path, load_scenario(write(valid)))
    (problem,) = raised.value.problems
    assert (problem.place.line, problem.place.key) == (line, key)
    assert message in problem.message


@pytest.mark.parametrize("profile", ["", "short"])
def test_monday_rush_can_only_be_won_by_acting(profile: str) -> None:
    """The crowd asks for more than the autoscaler may give, until the verdict window; the reference's bounds suffice."""
    scenario = load_scenario(find_scenario("monday-rush", Library.packaged()), profile)
    (crowd,) = scenario.timeline
    assert crowd.at is not None
    assert crowd.lasts is not None
    per_replica = scenario.service.champion.concurrency / scenario.runtime.service_time
    usual = scenario.world.traffic.rate
    peak = usual * float(crowd.params["factor"])
    assert usual < 0.9 * scenario.service.autoscaler.target * per_replica * scenario.service.autoscaler.maximum
    assert peak > 1.1 * per_replica * scenario.service.autoscaler.maximum
    assert crowd.at + crowd.lasts > scenario.duration - scenario.verdict_window / 2
    raised = next(step for step in scenario.reference.steps if step.action == "set-autoscaler")
    assert peak < 0.8 * per_replica * float(raised.params["minimum"])
    assert {book.id for book in scenario.tempting} == {"longer-timeouts", "restart-replicas"}
