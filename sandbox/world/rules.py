"""The rules that answer in place of the model: delays pile up over the day, so flights of the evening are called late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .data import FEATURES

EVENING = 17
"""Scheduled hour of departure from which the rules predict late."""

RULES_THRESHOLD = 0.5
"""The decision threshold that goes with the scores of the rules."""

_HOUR = FEATURES.index("hour")


def rule_scores(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """1.0 for late and 0.0 for on time, from a feature matrix [n, len(FEATURES)]. It needs no weather, so no feature store."""
    return (features[:, _HOUR] >= EVENING).astype(np.float64)
