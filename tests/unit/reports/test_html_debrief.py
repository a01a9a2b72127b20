"""The HTML debrief: what it tells, that it needs nothing else, and that nobody can put anything into it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import pytest

from drillbox.sandbox.drill import Result
from drillbox.sandbox.model.events import Alerted, Injected
from drillbox.sandbox.model.scenario import Debrief, Runbook
from drillbox.sandbox.reports.html import debrief_html
from drillbox.sandbox.reports.markdown import debrief
from drillbox.sandbox.reports.panels import REFERENCE, Panel, health_panels, panels, summary
from drillbox.sandbox.reports.svg import MARK, PLOT, UNITS
from drillbox.sandbox.scoring.record import CommandRecord, record_of

Explained = Callable[[str, str, str], Result]
VOID = {"meta", "link", "br", "line", "rect", "path", "circle"}
HOSTILE = '<script>alert(1)</script>" onload="x" javascript:alert(1) </style> {{ 7*7 }}'


class Page(HTMLParser):
    """Text, tags and attributes; complains about tags that are not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)


def links(page: Page) -> list[str]:
    """Where the page leads to, in its order."""
    return [value for tag, name, value in page.attributes if tag == "a" and name == "href"]


@pytest.fixture
def lost(explained: Explained) -> Result:
    return explained("monday-rush", "longer-timeouts", "short")


def test_it_tells_everything(lost: Result) -> None:
    text = Page(debrief_html(lost)).text
    for told in (
        "Monday noon",
        "✗ Failed",
        "impact 18, at least 50 is needed",
        "Impact 18",
        "Detected 01:35",
        "Diagnosed never",
        "50 to pass",
        "fault traffic.spike factor=3.5 ramp=10s",
        "page AvailabilityBurnRate",
        "ticket SaturationHigh",
        "set-timeout timeout=10s",
        "99% answered",
        "95% answered within 300ms",
        "Cause traffic.spike , component clients",
        "restart-replicas :",
        "Actions of longer-timeouts",
        "Objectives, over the last 1m",
        "scenario monday-rush, profile short",
        "seed 1",
        "drillbox replay monday-rush-longer-timeouts-1",
        "https://sre.google/sre-book/handling-overload/",
    ):
        assert told in text, told


def test_what_each_action_was_worth(lost: Result) -> None:
    assert lost.counterfactuals is not None
    text = Page(debrief_html(lost)).text
    for one in lost.counterfactuals:
        value = f"saved ${one.saved:,.0f}" if one.saved >= 0.5 else f"cost ${-one.saved:,.0f}" if one.saved <= -0.5 else "$0"
        assert value in text


def test_harm_beside_idle_and_reference(lost: Result) -> None:
    assert lost.baselines is not None
    text = Page(debrief_html(lost)).text
    for harm in (lost.harm.total, lost.baselines.harm(lost.baselines.idle), lost.baselines.harm(lost.baselines.reference)):
        assert f"${harm:,.2f}" in text


def test_a_passed_drill_says_so(explained: Explained) -> None:
    text = Page(debrief_html(explained("monday-rush", "reference", "short"))).text
    assert "✓ Passed" in text
    assert "Impact 100" in text
    assert "Every objective was met over the last 1m" in text
    assert "✗" not in text


def test_it_needs_nothing_from_outside(lost: Result) -> None:
    page = Page(debrief_html(lost))
    assert "script" not in page.tags
    assert not [one for one in page.attributes if one[1].startswith("on") or one[1] in ("src", "srcset", "data", "action")]
    assert {value.partition(":")[0] for tag, name, value in page.attributes if name == "href" and tag == "link"} == {"data"}
    assert "@import" not in debrief_html(lost)
    assert "url(" not in debrief_html(lost)
    policy = next(value for tag, _, value in page.attributes if tag == "meta" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_nobody_can_put_anything_into_it(lost: Result) -> None:
    command = CommandRecord(10.0, HOSTILE, 1, HOSTILE, {HOSTILE: HOSTILE}, "rejected", HOSTILE)
    scenario = dataclasses.replace(
        lost.scenario,
        title=HOSTILE,
        pager=HOSTILE,
        debrief=Debrief(
            HOSTILE, HOSTILE, (HOSTILE, "javascript:alert(1)", 'https://x.example/"onmouseover="a', "ftp://x.example/")
        ),
        tempting=(Runbook(HOSTILE, (), HOSTILE),),
    )
    alert = Alerted(HOSTILE, {"severity": HOSTILE, "window": HOSTILE}, HOSTILE, "firing", 1.0, HOSTILE, True)
    fault = Injected(HOSTILE, HOSTILE, {HOSTILE: HOSTILE})
    record = dataclasses.replace(
        lost.record, commands=[command], alerts=[(20.0, alert)], faults=[(10.0, fault)], cleared=[(30.0, HOSTILE)]
    )
    judgement = dataclasses.replace(lost.judgement, reasons=(HOSTILE,))
    html = debrief_html(
        dataclasses.replace(
            lost,
            scenario=scenario,
            record=record,
            operator=HOSTILE,
            counterfactuals=None,
            judgement=judgement,
            unmet=(HOSTILE,),
            journal=Path(HOSTILE),
        )
    )
    page = Page(html)
    assert "script" not in page.tags
    assert not [one for one in page.attributes if one[1].startswith("on")]
    assert set(links(page)) == {"#action-1", "https://x.example/"}
    assert "alert(1)" in page.text, "it is told, as text"
    assert "{{ 7*7 }}" in page.text
    assert html.count("</style>") == 1


def test_without_baselines_it_is_still_a_page(lost: Result) -> None:
    alone = dataclasses.replace(lost, baselines=None, impact=None, counterfactuals=None)
    text = Page(debrief_html(alone)).text
    assert "n/a" in text
    assert "There is nothing to compare with." in text
    assert "What each action was worth was not looked into" in text


def test_a_drill_that_broke_off_at_once_has_a_page(lost: Result) -> None:
    nothing = dataclasses.replace(lost, record=record_of(()), baselines=None, impact=None, counterfactuals=None)
    assert "Nothing was done." in Page(debrief_html(nothing)).text


def test_axes_do_not_depend_on_what_was_played(explained: Explained, lost: Result) -> None:
    other = explained("monday-rush", "restart-replicas", "short")

    def axes(result: Result) -> list[tuple[str, float, float, float | None]]:
        return [(one.title, one.bottom, one.top, one.limit) for one in (*panels(result), *health_panels(result))]

    assert axes(lost) == axes(other)
    assert all(top > bottom for _, bottom, top, _ in axes(lost))


def test_the_reference_stays_within_the_axes(lost: Result) -> None:
    assert lost.baselines is not None
    for panel in panels(lost):
        values = [value for _, value in dict(panel.curves)[REFERENCE] if value is not None]
        assert values
        assert max(values) <= panel.top, panel.title


def test_every_curve_stays_within_its_drawing(lost: Result) -> None:
    html = debrief_html(lost)
    assert html.count("<desc>") == len(panels(lost)) + len(health_panels(lost))
    paths = re.findall(r'<path class="(?:you|idle|reference|wanted)" d="(M[^"H]*)"', html)
    assert len(paths) == sum(len(panel.curves) for panel in (*panels(lost), *health_panels(lost)))
    for path in paths:
        places = [tuple(map(float, place.split())) for place in re.split("[ML]", path) if place]
        assert all(0 <= place[0] <= UNITS and 0 <= place[1] <= PLOT for place in places)


def test_what_is_beyond_an_axis_is_marked_and_told(lost: Result) -> None:
    assert debrief_html(lost).count('class="clip" x1=') == 0
    points = [dataclasses.replace(point, slis={**point.slis, "latency_p95": 1.7}) for point in lost.record.points]
    html = debrief_html(dataclasses.replace(lost, record=dataclasses.replace(lost.record, points=points)))
    assert html.count('<line class="clip" x1="0.00%" x2="100.00%" y1="0" y2="0"/>') == 1
    assert "1.7s, up to 1.7s" in Page(html).text


def test_the_objectives_have_their_lines(lost: Result) -> None:
    limits = {one.title: (one.limit, one.limit_note) for one in panels(lost) if one.limit is not None}
    assert limits == {"Errors": (pytest.approx(0.01), "at most 1%"), "Latency": (0.3, "at most 300ms")}


def test_the_models_health_is_there_if_the_drill_has_data_for_it(lost: Result) -> None:
    gone = ("quality_brier", "quality_auc", "drift", "null_rate", "out_of_range", "feature_freshness")
    assert [one.title for one in health_panels(lost)]
    points = [
        dataclasses.replace(point, slis={name: value for name, value in point.slis.items() if name not in gone})
        for point in lost.record.points
    ]
    without = dataclasses.replace(lost, record=dataclasses.replace(lost.record, points=points), baselines=None)
    assert health_panels(without) == ()
    assert "The model and its data" not in Page(debrief_html(without)).text
    some = [dataclasses.replace(points[0], slis={**points[0].slis, "null_rate": 0.2}), *points[1:]]
    partly = dataclasses.replace(without, record=dataclasses.replace(lost.record, points=some))
    assert [one.title for one in health_panels(partly)] == ["Missing values"]


def test_curves_are_summed_up_over_the_fault(lost: Result) -> None:
    panel = Panel("x", "y", 10.0, str, ())
    curve = ((0.0, 1.0), (5.0, 2.0), (10.0, None), (15.0, 4.0), (20.0, 9.0))
    assert summary(panel, curve, 5.0, 15.0) == pytest.approx(3.0)
    assert summary(dataclasses.replace(panel, summed=True), curve, 5.0, 15.0) == pytest.approx(9.0)
    assert summary(panel, curve, 6.0, 9.0) is None
    assert lost.baselines is not None
    text = Page(debrief_html(lost)).text
    assert f"this drill ${lost.harm.total:,.0f} idle ${lost.baselines.harm(lost.baselines.idle):,.0f}" in text


def test_each_action_has_a_mark_that_leads_to_its_row(lost: Result) -> None:
    page = Page(debrief_html(lost))
    rows = [value for tag, name, value in page.attributes if tag == "tr" and name == "id"]
    assert rows == [f"action-{number}" for number in range(1, len(lost.record.commands) + 1)]
    assert set(rows) == {link[1:] for link in links(page) if link.startswith("#")}


def test_marks_never_cover_each_other_and_refused_ones_look_so(lost: Result) -> None:
    commands = [CommandRecord(9.0 * place, "me", place, "declare", {}, "completed") for place in range(20)]
    commands[3].outcome = "rejected"
    html = debrief_html(dataclasses.replace(lost, record=dataclasses.replace(lost.record, commands=commands)))
    for drawing in re.findall(r'<div class="(?:wide|narrow)">.*?</div>', html, re.DOTALL):
        room = 560 if 'class="wide"' in drawing else 250
        marks = re.findall(r'<circle cx="([\d.]+)%" cy="(\d+)"', drawing)
        places = [(float(x) / 100 * room, float(y)) for x, y in marks]
        assert len(places) == 20
        assert all(abs(one[0] - two[0]) >= 2 * MARK or abs(one[1] - two[1]) >= 2 * MARK for one, two in combinations(places, 2))
    assert html.count('class="mark refused"') == 2


def test_alerts_are_told_from_firing_to_resolved(lost: Result) -> None:
    def alert(window: str, state: str) -> Alerted:
        return Alerted("Burn", {"severity": "page", "window": window}, "", state, 1.0, "", True)

    alerts = [
        (10.0, alert("5m", "pending")),
        (20.0, alert("5m", "firing")),
        (30.0, alert("1h", "firing")),
        (40.0, alert("5m", "resolved")),
        (60.0, alert("1h", "resolved")),
        (90.0, alert("5m", "firing")),
    ]
    html = debrief_html(dataclasses.replace(lost, record=dataclasses.replace(lost.record, alerts=alerts)))
    assert 'aria-label="page: Burn, 00:20 to 01:00, 01:30 to 04:00"' in html


def test_in_a_control_idling_is_right(lost: Result) -> None:
    control = dataclasses.replace(lost, scenario=dataclasses.replace(lost.scenario, control=True), impact=95.0)
    text = Page(debrief_html(control)).text
    assert "worst temptation: 0" in text
    assert "idle: 100" in text
    assert "idle: 0" not in text
    assert "(the worst temptation is 0, idle 100)" in debrief(control)


def test_who_acted_is_told_where_several_did(lost: Result) -> None:
    commands = [CommandRecord(9.0 * place, who, place, "declare", {}, "completed") for place, who in enumerate(("ann", "bob"))]
    text = Page(debrief_html(dataclasses.replace(lost, record=dataclasses.replace(lost.record, commands=commands)))).text
    assert "1 00:00 ann declare" in text
    assert "2 00:09 bob declare" in text


def test_tables_say_what_they_hold(lost: Result) -> None:
    page = Page(debrief_html(lost))
    assert page.tags.count("caption") == page.tags.count("table") == 4
    scopes = [value for tag, name, value in page.attributes if tag == "th" and name == "scope"]
    assert len(scopes) == page.tags.count("th")


def test_it_is_not_too_large_to_send(lost: Result) -> None:
    assert len(debrief_html(lost).encode()) < 300_000
