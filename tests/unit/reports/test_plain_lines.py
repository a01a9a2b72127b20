"""What is printed while a drill goes on: every fact that an on-call may see in one line, and none that gives the answer away."""

from __future__ import annotations

import pytest

from drillbox.sandbox.cli.play import printer
from drillbox.sandbox.model.events import (
    Accepted,
    Alerted,
    Audience,
    Began,
    Body,
    Changed,
    Cleared,
    Completed,
    Ended,
    Event,
    Failed,
    Injected,
    Logged,
    Observed,
    Rejected,
    Settled,
)
from drillbox.sandbox.model.scenario import Prices
from drillbox.sandbox.reports.plain import event_line, status_line


def at(seconds: float, body: Body, audience: Audience = Audience.ALL) -> Event:
    return Event(0, seconds, audience, body)


PAGE = {"severity": "page"}
PRICES = Prices(failed=0.5, slow=0.1, missed=0.0, false_alarm=0.0, replica_hour=0.0)
LEDGER = {"failed": 20.0, "slow": 0.0, "ok": 80.0, "prediction_cost": 2.4, "replica_seconds": 0.0, "training_seconds": 0.0}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (Accepted("you", 1, "shed", {"share": 0.35}), "[01:05] you: shed share=35%"),
        (Accepted("you", 1, "declare", {}), "[01:05] you: declare"),
        (Rejected("you", 1, "scale", {"replicas": "6"}, "no room"), "[01:05] you: scale replicas=6 - REJECTED: no room"),
        (Failed("you", 1, "silence", "no alert is firing"), "[01:05] you: silence - FAILED: no alert is firing"),
        (Completed("you", 1, "declare"), None),
        (Changed("gateway.shed", 0.0, 0.35, "you"), "[01:05] change: gateway.shed 0 -> 0.35 (you)"),
        (Changed("autoscaler.enabled", True, False, "you"), "[01:05] change: autoscaler.enabled on -> off (you)"),
        (Changed("champion.restarted", "", "all#1", "you"), "[01:05] change: champion.restarted none -> all#1 (you)"),
        (Alerted("Burn", PAGE, "pending", "firing", 15.0, "too fast", True), "[01:05] PAGE firing: Burn - too fast"),
        (Alerted("Burn", PAGE, "firing", "resolved", 0.0, "too fast", True), "[01:05] PAGE resolved: Burn"),
        (Alerted("Burn", PAGE, "pending", "firing", 15.0, "too fast", False), None),
        (Alerted("Burn", PAGE, "inactive", "pending", 15.0, "too fast", True), None),
        (Logged(64.2, "gateway", "warning", "queue full"), "[01:05] log: gateway warning: queue full"),
        (Logged(64.2, "gateway", "info", "started"), None),
        (Settled({}), None),
        (Ended("finished"), "[01:05] the drill is over: finished"),
        (Injected("crowd", "traffic.spike", {"factor": 3.5}), None),
        (Cleared("crowd"), None),
    ],
)
def test_one_line_for_what_matters(body: Body, line: str | None) -> None:
    assert event_line(at(65.0, body)) == line


def test_a_status_line_says_where_there_is_no_data() -> None:
    slis = {"request_rate": 120.4, "availability": 0.99949, "latency_p95": 0.0921, "queue_length": 3.0}
    line = status_line(at(65.0, Observed(slis, {}, LEDGER)), PRICES)
    assert line == "[01:05]   120/s  answered 99.9%  in time -  p95 92ms  busy -  queue 3  replicas -/-  harm $12"
    with pytest.raises(TypeError):
        status_line(at(65.0, Ended("finished")), PRICES)


def test_the_printer_tells_no_secrets_and_does_not_drown_the_screen() -> None:
    lines: list[str] = []
    show = printer(lines.append, PRICES)
    show(at(0.0, Began("toy", "Toy rush", "It is slow.")))
    assert lines == ["[00:00] Toy rush. You are on call; this page is about to reach you:\n\nIt is slow.\n", ""]
    lines.clear()
    show(at(1.0, Injected("crowd", "traffic.spike", {}), Audience.FACILITATOR))
    show(at(1.0, Changed("gateway.shed", 0.0, 0.5, "chaos"), Audience.FACILITATOR))
    assert lines == []
    for second in range(0, 65, 5):
        show(at(second, Observed({}, {}, LEDGER)))
        show(at(second, Logged(second, "gateway", "error", f"{100 + second} requests refused")))
    assert [line[:7] for line in lines if "replicas" in line] == ["[00:00]", "[00:30]", "[01:00]"]
    assert [line for line in lines if "refused" in line] == [
        "[00:00] log: gateway error: 100 requests refused",
        "[00:30] log: gateway error: 130 requests refused",
        "[01:00] log: gateway error: 160 requests refused",
    ]
