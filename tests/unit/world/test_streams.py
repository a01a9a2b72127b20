"""Keyed randomness: a draw depends on seed, name and index only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.world.streams import CHUNK, Stream

WHOLE = 5 * CHUNK


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, WHOLE - 1), st.integers(0, 2 * CHUNK)), max_size=8))
def test_any_slices_in_any_order_equal_the_whole(slices: list[tuple[bool, int, int]]) -> None:
    uniform, exponential = Stream(7, "a").uniform(0, WHOLE), Stream(7, "a").exponential(0, WHOLE)
    stream = Stream(7, "a")
    for is_uniform, start, n in slices:
        count = min(n, WHOLE - start)
        got = stream.uniform(start, count) if is_uniform else stream.exponential(start, count)
        assert np.array_equal(got, (uniform if is_uniform else exponential)[start : start + count])


def test_caller_may_change_what_it_got() -> None:
    stream = Stream(7, "a")
    first = stream.uniform(0, 10)
    expected = first.copy()
    first[:] = 0.0
    assert np.array_equal(stream.uniform(0, 10), expected)


def test_seeds_names_kinds_and_chunks_differ() -> None:
    streams = [Stream(seed, name).uniform(start, 1000) for seed in (1, 2) for name in ("a", "b") for start in (0, CHUNK)]
    streams.append(1.0 - np.exp(-Stream(1, "a").exponential(0, 1000)))  # as uniform numbers
    assert np.abs(np.corrcoef(streams) - np.eye(len(streams))).max() < 0.15


@pytest.mark.parametrize("kind", ["uniform", "exponential"])
def test_moments(kind: str) -> None:
    draws = getattr(Stream(3, "moments"), kind)(0, 100_000)
    mean, variance = (0.5, 1 / 12) if kind == "uniform" else (1.0, 1.0)
    assert draws.min() >= 0.0
    assert draws.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / len(draws)))
    assert draws.var() == pytest.approx(variance, rel=0.03)


def test_numbers_are_the_same_everywhere() -> None:
    assert Stream(1, "rows").uniform(0, 3).tolist() == PINNED


PINNED = [0.1489436181121475, 0.9099903020255088, 0.05225629041214819]
