"""The HTML debrief: what it tells, that it needs nothing else, and that nobody can put anything into it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from drillbox.sandbox.drill import Result
from drillbox.sandbox.model.scenario import Debrief, Runbook
from drillbox.sandbox.reports.html import debrief_html
from drillbox.sandbox.reports.panels import panels
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


@pytest.fixture
def lost(explained: Explained) -> Result:
    return explained("monday-rush", "longer-timeouts", "short")


def test_it_tells_everything(lost: Result) -> None:
    text = Page(debrief_html(lost)).text
    for told in (
        "Monday noon",
        "✗ Failed",
        "impact 8, at least 50 is needed",
        "Impact 8",
        "Detected 01:35",
        "Diagnosed never",
        "fault: traffic.spike factor=3.5 ramp=10s",
        "page: AvailabilityBurnRate",
        "set-timeout timeout=10s",
        "99% answered",
        "95% answered within 300ms",
        "Cause traffic.spike , component clients",
        "restart-replicas :",
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
    assert "you: 100" in text
    assert "✗" not in text


def test_it_needs_nothing_from_outside(lost: Result) -> None:
    page = Page(debrief_html(lost))
    assert "script" not in page.tags
    assert not [one for one in page.attributes if one[1].startswith("on") or one[1] in ("src", "srcset", "data", "action")]
    assert {value.partition(":")[0] for tag, name, value in page.attributes if name == "href" and tag == "link"} == {"data"}
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
    record = dataclasses.replace(lost.record, commands=[command])
    html = debrief_html(dataclasses.replace(lost, scenario=scenario, record=record, operator=HOSTILE, counterfactuals=None))
    page = Page(html)
    assert "script" not in page.tags
    assert not [one for one in page.attributes if one[1].startswith("on")]
    assert [value for tag, name, value in page.attributes if tag == "a" and name == "href"] == ["https://x.example/"]
    assert "alert(1)" in page.text, "it is told, as text"
    assert "{{ 7*7 }}" in page.text


def test_without_baselines_it_is_still_a_page(lost: Result) -> None:
    alone = dataclasses.replace(lost, baselines=None, impact=None, counterfactuals=None)
    text = Page(debrief_html(alone)).text
    assert "n/a" in text
    assert "nothing to compare with" in text
    assert "What each action was worth was not looked into" in text


def test_a_drill_that_broke_off_at_once_has_a_page(lost: Result) -> None:
    nothing = dataclasses.replace(lost, record=record_of(()), baselines=None, impact=None, counterfactuals=None)
    assert "Nothing was done." in Page(debrief_html(nothing)).text


def test_axes_do_not_depend_on_what_was_played(explained: Explained, lost: Result) -> None:
    other = explained("monday-rush", "restart-replicas", "short")
    assert [(one.title, one.bottom, one.top, one.limit) for one in panels(lost)] == [
        (one.title, one.bottom, one.top, one.limit) for one in panels(other)
    ]
    assert all(one.top > one.bottom for one in panels(lost))


def test_every_curve_stays_within_its_drawing(lost: Result) -> None:
    html = debrief_html(lost)
    for width in (920, 360):
        drawings = re.findall(rf'<svg viewBox="0 0 {width} (\d+)".*?</svg>', html)
        assert len(drawings) == 1 + len(panels(lost))
    for path in re.findall(r'<path class="(?:you|idle|reference|wanted)" d="(M[^"H]*)"', html):
        places = [tuple(map(float, place.split())) for place in re.split("[ML]", path) if place]
        assert all(0 <= place[0] <= 920 and 0 <= place[1] <= 132 for place in places)


def test_it_is_not_too_large_to_send(lost: Result) -> None:
    assert len(debrief_html(lost).encode()) < 300_000
