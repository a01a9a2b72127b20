"""Canary analysis: the candidate against the champion over the same minutes; pure decisions.

The error rates are compared with Fisher's exact test, one-sided, so that a few unlucky requests abort nothing: a z-test would
take one failure in the candidate's first hundred for significant when the champion has none. The same test compares the shares of
slow answers. Source: any statistics textbook; Kayenta and Argo Rollouts follow the same outline.

What a model says is looked at, too. It must be what the same model says offline about the same flights: features that reach it in
another form than in training show at once. And as labels come, its squared errors must not be larger than the champion's on the
same flights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

MIN_REQUESTS = 100
"""Fewest requests of the candidate between two decisions; with fewer the analysis holds, and never promotes."""
LEVEL = 0.001
"""Of significance, one-sided: a decision comes often, a false abort must be rare."""
DEVIATIONS = 3.09
"""The normal deviate of `LEVEL`."""
MIN_FLIGHTS = 50
"""Fewest answers, or flights with known labels, that are looked at."""
LARGEST_SKEW = 0.1
"""Mean distance between what the candidate answered and what it says offline.

How far it is from the champion tells nothing: on a stormy day a summer's model says 0.46 more than a winter's, and is right.
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests of one side since the last decision: all, failed, and answered later than the latency bound."""

    requests: int
    failed: int
    slow: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the candidate said.

    `answers` were compared with what it says offline, `skew` is their mean distance. Of `judged` flights that both scored the
    label is known; `excess` is the mean of the candidate's squared errors less the champion's there, `error` its standard error.
    """

    answers: int = 0
    skew: float = 0.0
    judged: int = 0
    excess: float = 0.0
    error: float = 0.0


class Move(StrEnum):
    """What to do with the canary."""

    HOLD = "hold"
    ADVANCE = "advance"
    ABORT = "abort"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Decision:
    """The move, the candidate's new share of traffic, and why."""

    move: Move
    weight: float
    reason: str


def worse(candidate: tuple[int, int], champion: tuple[int, int]) -> bool:
    """Whether the candidate's share of bad requests is significantly higher; each side as (bad, all)."""
    (bad_a, all_a), (bad_b, all_b) = candidate, champion
    if not all_a or not all_b or bad_a * all_b <= bad_b * all_a:
        return False
    bad, tail = bad_a + bad_b, 0.0
    for count in range(bad_a, min(all_a, bad) + 1):  # the chance of so many by luck: above the mean the terms only fall
        term = math.exp(_log_ways(all_a, count) + _log_ways(all_b, bad - count) - _log_ways(all_a + all_b, bad))
        tail += term
        if tail >= LEVEL or term < 1e-9 * LEVEL:
            break
    return tail < LEVEL


def _log_ways(among: int, chosen: int) -> float:
    """Logarithm of the binomial coefficient."""
    return math.lgamma(among + 1) - math.lgamma(chosen + 1) - math.lgamma(among - chosen + 1)


def decide(
    candidate: Tally, champion: Tally, weight: float, steps: tuple[float, ...], evidence: Evidence | None = None
) -> Decision:
    """The next move.

    Args:
        candidate: what the canary did since the last decision.
        champion: what the champion did meanwhile.
        weight: the canary's present share of traffic.
        steps: shares to go through, growing and below 1, for the champion is compared with; after the last comes promotion.
        evidence: what the candidate said, as far as it is known.
    """
    if candidate.requests < MIN_REQUESTS:
        return Decision(Move.HOLD, weight, f"{candidate.requests} requests, {MIN_REQUESTS} are needed")
    if not champion.requests:
        return Decision(Move.HOLD, weight, "the champion had no requests to compare with")
    if worse((candidate.failed, candidate.requests), (champion.failed, champion.requests)):
        return Decision(
            Move.ABORT, 0.0, f"{_share(candidate.failed, candidate)} failed against {_share(champion.failed, champion)}"
        )
    if worse((candidate.slow, candidate.requests), (champion.slow, champion.requests)):
        return Decision(Move.ABORT, 0.0, f"{_share(candidate.slow, candidate)} slow against {_share(champion.slow, champion)}")
    doubt = _doubt(evidence or Evidence())
    if doubt:
        return Decision(Move.ABORT, 0.0, doubt)
    ahead = [step for step in steps if step > weight]
    if ahead:
        return Decision(Move.ADVANCE, ahead[0], "no worse than the champion")
    return Decision(Move.PROMOTE, 1.0, "no worse than the champion at every step")


def _doubt(evidence: Evidence) -> str:
    """What speaks against the model; empty if nothing does."""
    if evidence.answers >= MIN_FLIGHTS and evidence.skew > LARGEST_SKEW:
        return f"its scores are {evidence.skew:.2f} from what it says offline about the same {evidence.answers} questions"
    if evidence.judged >= MIN_FLIGHTS and evidence.excess > DEVIATIONS * evidence.error:
        return f"its Brier score is higher by {evidence.excess:.3f} on the same {evidence.judged} flights"
    return ""


def _share(part: int, tally: Tally) -> str:
    return f"{part / max(1, tally.requests):.2%}"
