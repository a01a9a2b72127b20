"""Horizontal autoscaling with the algorithm of the Kubernetes HorizontalPodAutoscaler.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling: Algorithm details" and the defaults of its `behavior` field:
tolerance 0.1; scaling up by at most 4 pods or 100% every 15 s, whichever is more; scaling down only to the highest
recommendation of the last 300 s. What the documentation leaves open follows the controller (kubernetes
`pkg/controller/podautoscaler/horizontal.go`): the number of pods that it finds at first counts as a recommendation; without
metrics nothing is recommended; a number outside the bounds is brought to the nearest one at once; zero pods, set by hand, stay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..model.service import Autoscaler

PERIOD = 15.0
"""Seconds between decisions."""
TOLERANCE = 0.1
STABILISATION = 300.0
"""Seconds over which the highest recommendation holds against scaling down."""
BURST_PODS = 4
BURST_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Observed:
    """What the autoscaler sees: pods wanted now, pods ready, and the mean utilisation of the ready ones (None: no metrics)."""

    replicas: int
    ready: int
    utilisation: float | None


@dataclass(frozen=True, slots=True)
class State:
    """Recommendations within the stabilisation window, as (time, replicas)."""

    recommendations: tuple[tuple[float, int], ...] = ()


def recommend(observed: Observed, spec: Autoscaler) -> int | None:
    """Replicas that would bring the utilisation to its target, before limits and stabilisation; None without metrics."""
    if observed.utilisation is None or observed.ready == 0:
        return None
    ratio = observed.utilisation / spec.target
    if 1.0 - TOLERANCE <= ratio <= 1.0 + TOLERANCE:
        return observed.replicas
    if ratio < 1.0 or observed.ready >= observed.replicas:
        return math.ceil(_round(ratio * observed.ready))
    # Pods that are not ready count as idle when scaling up, which damps it.
    damped = observed.utilisation * observed.ready / observed.replicas / spec.target
    if damped <= 1.0 + TOLERANCE:
        return observed.replicas
    return math.ceil(_round(damped * observed.replicas))


def decide(observed: Observed, spec: Autoscaler, state: State, now: float) -> tuple[int, State]:
    """The number of replicas to want now, and the state for the next decision.

    Args:
        observed: what is seen at `now`.
        spec: bounds and target.
        state: as returned by the decision before; `State()` at first.
        now: drill time in seconds.
    """
    if not spec.enabled:
        return observed.replicas, State()
    known = state.recommendations or ((now, observed.replicas),)
    bounded = min(max(observed.replicas, spec.minimum), spec.maximum)
    if observed.replicas == 0 or bounded != observed.replicas:
        return (bounded if observed.replicas else 0), State(known)
    wanted = recommend(observed, spec)
    if wanted is None:
        return observed.replicas, State(known)
    recent = (*(item for item in known if item[0] > now - STABILISATION), (now, wanted))
    if wanted < observed.replicas:
        wanted = min(observed.replicas, max(replicas for _, replicas in recent))
    elif wanted > observed.replicas:
        wanted = min(wanted, max(observed.replicas + BURST_PODS, observed.replicas * BURST_FACTOR))
    return min(max(wanted, spec.minimum), spec.maximum), State(recent)


def _round(value: float) -> float:
    """Keeps floating-point dust from adding a replica."""
    return round(value, 9)
