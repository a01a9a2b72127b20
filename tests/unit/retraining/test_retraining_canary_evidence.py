"""What a canary says is looked at, too: against its offline scores, and against the champion on the same flights."""

from __future__ import annotations

import pytest

from drillbox.sandbox.control.canary import LARGEST_SKEW, MIN_FLIGHTS, Evidence, Move, Tally, decide

FINE = Tally(1_000, 2, 10)
STEPS = (0.05, 0.25)


def move(evidence: Evidence | None, weight: float = 0.05, candidate: Tally = FINE) -> tuple[Move, float, str]:
    decision = decide(candidate, FINE, weight, STEPS, evidence)
    return decision.move, decision.weight, decision.reason


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence(80, 0.31), "its scores are 0.31 from what it says offline about the same 80 questions"),
        (Evidence(80, 0.0, 400, 0.04, 0.012), "its Brier score is higher by 0.040 on the same 400 flights"),
        (Evidence(80, 0.31, 400, 0.04, 0.012), "its scores are 0.31 from what it says offline about the same 80 questions"),
    ],
)
@pytest.mark.parametrize("weight", STEPS)
def test_a_model_that_says_something_else_or_is_worse_is_aborted(evidence: Evidence, reason: str, weight: float) -> None:
    assert move(evidence, weight) == (Move.ABORT, 0.0, reason)


@pytest.mark.parametrize(
    "evidence",
    [
        None,
        Evidence(),
        Evidence(MIN_FLIGHTS - 1, 0.9),
        Evidence(80, LARGEST_SKEW),
        Evidence(80, 0.0, MIN_FLIGHTS - 1, 0.5, 0.01),
        Evidence(80, 0.0, 400, 0.04, 0.014),
        Evidence(80, 0.0, 400, -0.04, 0.001),
    ],
    ids=["none", "nothing", "few answers", "small skew", "few flights", "may be luck", "better"],
)
def test_too_little_or_nothing_bad_lets_it_go_on(evidence: Evidence | None) -> None:
    assert move(evidence) == (Move.ADVANCE, 0.25, "no worse than the champion")
    assert move(evidence, 0.25) == (Move.PROMOTE, 1.0, "no worse than the champion at every step")


def test_errors_come_before_what_it_says_and_few_requests_before_all() -> None:
    worse = Evidence(80, 0.5, 400, 0.1, 0.001)
    assert move(worse, candidate=Tally(500, 50, 0))[2] == "10.00% failed against 0.20%"
    assert move(worse, candidate=Tally(99, 0, 0)) == (Move.HOLD, 0.05, "99 requests, 100 are needed")
