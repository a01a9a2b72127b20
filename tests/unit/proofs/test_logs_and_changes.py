"""What an on-call finds in logs and change log."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from drillbox.sandbox.logbook import SEVERITIES, changes_of, logs_of
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.model.events import Audience, Changed, Event, Injected, Logged
from drillbox.sandbox.model.faults import FAULTS
from drillbox.stacks.sim.logs import PERIOD, shedding

EVENTS = [
    Event(0, 1.0, Audience.ALL, Logged(0.5, "gateway", "warning", "12 requests refused by load shedding in the last 10 s")),
    Event(1, 2.0, Audience.ALL, Logged(1.5, "model-champion-1", "info", "model v1 loaded, ready")),
    Event(2, 2.0, Audience.ALL, Logged(2.0, "model-champion-2", "error", "Killed")),
    Event(3, 3.0, Audience.FACILITATOR, Logged(3.0, "injector", "info", "only the facilitator sees this")),
    Event(4, 4.0, Audience.FACILITATOR, Injected("beat", "traffic.spike", {})),
    Event(5, 5.0, Audience.ALL, Changed("gateway.shed", 0.0, 0.3, "you")),
    Event(6, 6.0, Audience.ALL, Changed("champion.replicas", 3, 4, "autoscaler")),
    Event(7, 7.0, Audience.FACILITATOR, Changed("champion.replicas", 4, 5, "nobody")),
]


def test_log_lines_are_found_by_component_text_and_severity() -> None:
    texts = [line.text for line in logs_of(EVENTS)]
    assert len(texts) == 3
    assert [line.component for line in logs_of(EVENTS, "model-champion")] == ["model-champion-1", "model-champion-2"]
    assert [line.text for line in logs_of(EVENTS, text="LOADED")] == ["model v1 loaded, ready"]
    assert [line.severity for line in logs_of(EVENTS, severity="warning")] == ["warning", "error"]
    assert [line.text for line in logs_of(EVENTS, "model", "kill", "error")] == ["Killed"]
    assert logs_of(EVENTS, "model", "kill", "error")[0].when == 2.0


def test_an_unknown_severity_is_named_with_its_nearest() -> None:
    with pytest.raises(UsageError, match="unknown severity 'warn'.*warning"):
        logs_of(EVENTS, severity="warn")


def test_changes_are_found_by_field_and_author() -> None:
    assert [(entry.at, entry.change.field) for entry in changes_of(EVENTS)] == [(5.0, "gateway.shed"), (6.0, "champion.replicas")]
    assert [entry.change.by for entry in changes_of(EVENTS, "champion")] == ["autoscaler"]
    assert [entry.change.field for entry in changes_of(EVENTS, by="you")] == ["gateway.shed"]
    assert changes_of(EVENTS, "champion", "you") == []


def test_what_the_gateway_says_of_shedding() -> None:
    assert shedding(0.0, 0.35) == "load shedding begins: 35% of all requests are refused"
    assert shedding(0.7, 0.3) == "load shedding changes: 30% of all requests are refused"
    assert shedding(0.3, 0.0) == "load shedding ends"


def test_components_tell_what_went_wrong_and_no_more_than_a_line_in_ten_seconds(scenario_named, playing) -> None:
    played = playing(scenario_named("monday-rush", "short"), "reference")
    session, record = played.session, played.record
    lines = session.logs(text="in the last 10 s")
    assert lines
    assert set(Counter((line.component, line.when) for line in lines).values()) == {1}
    assert {line.when % PERIOD for line in lines} == {0.0}
    full = session.logs("model-champion", "queue full", "warning")
    assert {line.component for line in full} >= {"model-champion-1", "model-champion-2", "model-champion-3"}
    refused = sum(int(found[1]) for line in full if (found := re.search(r"(\d+) requests? refused: queue full", line.text)))
    at = [index for index, scrape in enumerate(played.scrapes) if scrape.at in (0.0, 240.0)]
    counted = [
        sum(
            value
            for series, value in zip(played.scrapes[index].series, played.scrapes[index].values, strict=True)
            if series.name == "model_server_requests_total" and series.label("code") == "503"
        )
        for index in at
    ]
    assert refused == counted[-1] - counted[0] > 0
    assert session.logs("model-champion", "after the caller had timed out")
    begins, ends = session.logs("gateway", "shedding begins"), session.logs("gateway", "shedding ends")
    shed = [entry.at for entry in session.changes("gateway.shed")]
    assert [line.when for line in (*begins, *ends)] == shed
    assert [entry.change.by for entry in session.changes(by="autoscaler")]
    assert all(line.severity in SEVERITIES for line in record.logs)


@pytest.mark.parametrize("name", ["monday-rush", "after-the-burst", "slow-afternoon"])
def test_no_log_line_and_no_change_names_the_injector(scenario_named, playing, name: str) -> None:
    scenario = scenario_named(name, "short")
    session = playing(scenario).session
    said = [f"{line.component} {line.text}" for line in session.logs()]
    said += [f"{entry.change.field} {entry.change.by}" for entry in session.changes()]
    words = {
        "fault",
        "inject",
        "storm",
        "spike",
        "crowd",
        "drill",
        "beat",
        *(beat.id for beat in scenario.timeline if beat.id != "rollout"),
        *FAULTS,
    }
    assert said
    assert [text for text in said if any(word in text.casefold() for word in words)] == []


def test_a_quiet_service_logs_nothing_of_the_kind(scenario_named, playing) -> None:
    session = playing(scenario_named("slow-afternoon", "short"), "reference").session
    assert session.logs(severity="warning") == []
    assert session.logs("release-pipeline", "champion.version: v7 -> v8")
