"""Open-loop arrivals: exact across steps and changes of rate."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drillbox.sandbox.world.streams import CHUNK, Stream
from drillbox.sandbox.world.traffic import Arrivals

END = 100.0
cuts = st.lists(st.floats(0.0, END, exclude_min=True, exclude_max=True), max_size=30).map(lambda xs: [0.0, *sorted(set(xs)), END])


def play(pieces: list[tuple[float, float, float]], seed: int = 5) -> np.ndarray:
    """Arrivals over (from, until, rate) pieces; checks indices and bounds on the way."""
    arrivals, parts, count = Arrivals(seed), [], 0
    for t0, t1, rate in pieces:
        first, times = arrivals.step(t0, t1, rate)
        assert first == count
        assert np.all((times >= t0) & (times < t1))
        count += len(times)
        parts.append(times)
    whole = np.concatenate(parts)
    assert np.all(np.diff(whole) >= 0)
    return whole


def recursion(pieces: list[tuple[float, float, float]], seed: int = 5) -> list[float]:
    """The same by its definition, one request and one piece at a time."""
    luck = iter(Stream(seed, "arrivals").exponential(0, 200_000))
    times, left = [], next(luck)
    for t0, t1, rate in pieces:
        now = t0
        while rate > 0 and now + left / rate < t1:
            now += left / rate
            times.append(now)
            left = next(luck)
        left -= (t1 - now) * rate
    return times


@settings(derandomize=True, max_examples=40, deadline=None)
@given(cuts, st.sampled_from([0.05, 3.0, 100.0]))
def test_a_steady_rate_gives_the_same_times_for_any_cut(edges: list[float], rate: float) -> None:
    whole = play([(0.0, END, rate)])
    cut = play([(a, b, rate) for a, b in itertools.pairwise(edges)])
    assert np.array_equal(whole, cut)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.5, 2.0, 50.0, 400.0]), min_size=10, max_size=10))
def test_changing_rates_agree_with_the_definition(rates: list[float]) -> None:
    pieces = [(10.0 * i, 10.0 * i + 10.0, rate) for i, rate in enumerate(rates)]
    expected = recursion(pieces)
    got = play(pieces)
    assert len(got) == len(expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def test_negative_time_and_many_chunks_in_one_step() -> None:
    pieces = [(-300.0, -100.0, 10.0), (-100.0, 50.0, 300.0), (50.0, 60.0, 0.0), (60.0, 70.0, 10.0)]
    got = play(pieces)
    assert len(got) > 5 * CHUNK
    np.testing.assert_allclose(got, recursion(pieces), rtol=0, atol=1e-9)


def test_a_spike_moves_requests_but_not_their_luck() -> None:
    hazard_calm = play([(0.0, END, 20.0)]) * 20.0
    spiked = play([(0.0, 30.0, 20.0), (30.0, 60.0, 90.0), (60.0, END, 20.0)])
    hazard = np.interp(spiked, [0, 30, 60, END], np.cumsum([0, 600, 2700, 800]))
    np.testing.assert_allclose(hazard[: len(hazard_calm)], hazard_calm, atol=1e-9)


def test_counts_are_poisson() -> None:
    counts = np.histogram(play([(0.0, 20_000.0, 5.0)], seed=11), bins=20_000, range=(0.0, 20_000.0))[0]
    assert counts.mean() == pytest.approx(5.0, abs=5 * math.sqrt(5.0 / 20_000))
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.05)
    assert abs(np.corrcoef(counts[1:], counts[:-1])[0, 1]) < 0.03


def test_wrong_steps_are_refused() -> None:
    arrivals = Arrivals(1)
    arrivals.step(0.0, 1.0, 5.0)
    for t0, t1, rate in [(2.0, 3.0, 5.0), (1.0, 0.5, 5.0), (1.0, 2.0, -1.0), (1.0, 2.0, math.inf), (1.0, 2.0, math.nan)]:
        with pytest.raises(ValueError, match="after one that ended at 1"):
            arrivals.step(t0, t1, rate)
