"""What predictions cost under the true label, and what follows from that for thresholds and price lists."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..model.errors import UsageError
from ..model.scenario import Prices

Floats = NDArray[np.float64]


def prediction_costs(scores: Floats, labels: NDArray[np.uint8], threshold: float, prices: Prices) -> Floats:
    """Dollars that each prediction costs: late is predicted for a score of at least `threshold`."""
    predicted, late = scores >= threshold, labels != 0
    return np.where(late & ~predicted, prices.missed, 0.0) + np.where(predicted & ~late, prices.false_alarm, 0.0)


def decision_threshold(prices: Prices) -> float:
    """The score from which predicting late costs less on average, for scores that are calibrated probabilities.

    Predicting late costs (1 - p) x false alarm, predicting on time p x missed; they are equal at the threshold (Elkan, "The
    foundations of cost-sensitive learning", IJCAI 2001).
    """
    both = prices.false_alarm + prices.missed
    return prices.false_alarm / both if both > 0 else 0.5


def best_constant_cost(labels: NDArray[np.uint8], prices: Prices) -> float:
    """Dollars that a prediction is expected to cost when it is always the same, whichever of the two is cheaper."""
    late = float(np.mean(labels)) if len(labels) else 0.0
    return min(late * prices.missed, (1.0 - late) * prices.false_alarm)


def validate_prices(labels: NDArray[np.uint8], prices: Prices) -> None:
    """Check that it never pays to fail requests in place of answering them with a constant.

    Raises:
        UsageError: a failed request does not cost more than the best constant prediction; the message has the figures.
    """
    constant = best_constant_cost(labels, prices)
    if not prices.failed > constant:
        late = float(np.mean(labels)) if len(labels) else 0.0
        raise UsageError(
            f"prices: a failed request costs {prices.failed:g}, but the best constant prediction is expected to cost "
            f"{constant:.4g} ({late:.1%} of the flights are late, missed {prices.missed:g}, false alarm "
            f"{prices.false_alarm:g}): failing must cost more"
        )
