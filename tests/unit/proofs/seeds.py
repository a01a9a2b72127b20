"""The seeds that incidents are proved with."""

from __future__ import annotations

import pytest

ALWAYS, ON_REQUEST = (1,), (2, 3, 4, 5)
SEEDS = (*ALWAYS, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in ON_REQUEST))
"""For `parametrize`."""
