"""Debriefs tell which version of the model served when, what it was trained on, and how good it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from drillbox.sandbox.drill import Result
from drillbox.sandbox.model.events import Changed, Registered
from drillbox.sandbox.reports.html import debrief_html
from drillbox.sandbox.reports.markdown import debrief
from drillbox.sandbox.reports.plain import event_line
from drillbox.sandbox.reports.versions import Service, services, version_rows


@pytest.fixture(scope="module")
def rolled_back(explained: Callable[[str, str, str], Result]) -> Result:
    """A bad version is promoted by the loop, and taken back by the reference."""
    return explained("after-the-holiday", "reference", "")


@pytest.fixture(scope="module")
def steady(explained: Callable[[str, str, str], Result]) -> Result:
    """One version all the time."""
    return explained("monday-rush", "reference", "short")


def test_the_champions_are_told_in_order(rolled_back: Result) -> None:
    spans = services(rolled_back)
    assert [one.version for one in spans] == ["v5", "v6", "v5"]
    assert spans[0].start == 0.0
    assert [one.end for one in spans[:-1]] == [one.start for one in spans[1:]]
    assert spans[-1].end == rolled_back.scenario.duration
    promoted = [at for at, change in rolled_back.record.changes if change.field == "champion.version"]
    assert [one.start for one in spans[1:]] == promoted


def test_one_version_all_the_time_is_one_service(steady: Result) -> None:
    champion = steady.scenario.service.champion.version
    assert services(steady) == (Service(champion, 0.0, steady.scenario.duration),)


def test_each_version_has_its_training_data_and_its_quality(rolled_back: Result) -> None:
    rows = {row.version: row for row in version_rows(rolled_back)}
    facts = {fact.version: fact for _, fact in rolled_back.record.versions}
    assert set(rows) == set(facts) == {"v4", "v5", "v6"}
    assert rows["v6"].flights == f"{facts['v6'].flights:,}"
    assert int(facts["v6"].flights) < 0.5 * int(facts["v5"].flights)
    assert rows["v6"].data == facts["v6"].data_hash[:12] != rows["v5"].data
    assert rows["v6"].window.startswith(facts["v6"].train_from[:10])
    assert rows["v6"].why == "run-1, schedule: trained"
    assert not rows["v4"].served
    assert not rows["v4"].brier
    span = services(rolled_back)[2]
    later = [
        point.slis["quality_brier"]
        for point in rolled_back.record.points
        if span.start <= point.at < span.end and "quality_brier" in point.slis
    ]
    first = services(rolled_back)[0]
    earlier = [
        point.slis["quality_brier"]
        for point in rolled_back.record.points
        if point.at < first.end and "quality_brier" in point.slis
    ]
    assert float(rows["v5"].brier) == pytest.approx(sum(earlier + later) / len(earlier + later), abs=5e-4)


def test_the_page_and_the_text_hold_the_table(rolled_back: Result) -> None:
    text, page = debrief(rolled_back), debrief_html(rolled_back)
    for row in version_rows(rolled_back):
        assert f"| {row.version} | {row.window} | {row.flights} |" in text
        assert row.window in page
    assert page.count('class="lane version"') == 2 or page.count("lane version") >= 2


def test_lanes_of_versions_only_where_they_change(steady: Result) -> None:
    assert "lane version" not in debrief_html(steady)


def test_a_change_tells_its_reason(rolled_back: Result) -> None:
    reasons = [change.why for _, change in rolled_back.record.changes if change.field == "retraining.stage"]
    assert all(reasons)
    assert any("15,000 rows" in why for why in reasons)
    assert "15,000 rows" in debrief(rolled_back)


def test_a_line_tells_the_reason_in_brackets() -> None:
    from drillbox.sandbox.model.events import Audience, Event

    def line(body: Changed) -> str | None:
        return event_line(Event(0, 1.0, Audience.ALL, body))

    with_reason, without = (
        line(Changed("fallback", "off", "always", "you", "no model")),
        line(Changed("fallback", "off", "always", "you")),
    )
    assert with_reason is not None
    assert with_reason.endswith("(you: no model)")
    assert without is not None
    assert without.endswith("(you)")


def test_a_version_without_a_flight_judged_has_no_quality(steady: Result) -> None:
    assert all(isinstance(fact, Registered) for _, fact in steady.record.versions)
    assert [row.version for row in version_rows(steady)] == list(steady.scenario.deployable)
