"""PSI by hand, KS as scipy has it, ranges and missing values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ks_2samp  # type: ignore[import-untyped]  # has no stubs

from drillbox.sandbox.learning.drift import BINS, FLOOR, MARGIN, Distribution, distribution, null_rate, psi

EXACT = 1e-9
Floats = NDArray[np.float64]
NAN = float("nan")

numbers = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-5.0, 5.0)), min_size=1, max_size=50)
with_gaps = st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(NAN)), min_size=1, max_size=50)


def decile_reference() -> Distribution:
    """1 to 100: the bins are (.., 10], (10, 20] and so on."""
    return distribution(np.arange(1.0, 101.0))


def test_psi_of_two_bins_by_hand() -> None:
    # (0.7 - 0.5) ln(0.7 / 0.5) + (0.3 - 0.5) ln(0.3 / 0.5) = 0.2 ln(7 / 3)
    assert psi(np.array([0.7, 0.3]), np.array([0.5, 0.5])) == pytest.approx(0.2 * math.log(7 / 3), abs=1e-12)


def test_psi_of_quantile_bins_by_hand() -> None:
    reference = decile_reference()
    assert reference.edges.tolist() == [10.0 * k for k in range(1, 10)]
    assert reference.shares.tolist() == pytest.approx([0.1] * 10 + [0.0])
    # the upper half vanishes, the lower half doubles: 5 x (0.2 - 0.1) ln 2 + 5 x (FLOOR - 0.1) ln(FLOOR / 0.1)
    by_hand = 0.5 * math.log(2.0) + 5.0 * (0.1 - FLOOR) * math.log(0.1 / FLOOR)
    assert reference.psi(np.arange(1.0, 51.0)) == pytest.approx(by_hand, abs=EXACT)


def test_missing_values_have_a_bin_of_their_own() -> None:
    reference = decile_reference()
    now = np.concatenate([np.arange(1.0, 101.0), np.full(100, NAN)])
    by_hand = 10 * (0.05 - 0.1) * math.log(0.5) + (0.5 - FLOOR) * math.log(0.5 / FLOOR)
    assert reference.psi(now) == pytest.approx(by_hand, abs=EXACT)
    assert null_rate(now) == 0.5


def test_rare_and_unknown_codes_share_a_bin() -> None:
    training = np.repeat([0.0, 1.0, 2.0, 3.0], [500, 495, 3, 2])
    reference = distribution(training, categorical=True)
    assert reference.edges.tolist() == [0.0, 1.0]
    assert reference.shares.tolist() == [0.5, 0.495, 0.005, 0.0]
    assert reference.imputation == 0.0
    assert reference.shares_of(np.array([0.0, 2.0, 3.0, 9.0])).tolist() == [0.25, 0.0, 0.75, 0.0]
    assert reference.outside(np.array([0.0, 2.0, 3.0, 9.0])) == 0.25
    assert math.isnan(reference.ks(np.array([0.0])))


def test_equal_quantiles_are_one_bin() -> None:
    reference = distribution(np.repeat([0.0, 0.1, 0.2], [95, 3, 2]))
    assert reference.edges.tolist() == [0.0]
    assert reference.shares.tolist() == pytest.approx([0.95, 0.05, 0.0])
    constant = distribution(np.full(9, 4.0))
    assert constant.shares.tolist() == [1.0, 0.0]
    assert constant.outside(np.array([4.0, 5.0])) == 0.5


def test_nothing_is_known_of_a_feature_that_is_always_missing() -> None:
    reference = distribution(np.full(5, NAN))
    now = np.array([1.0, NAN])
    assert all(
        math.isnan(value) for value in (reference.ks(now), reference.outside(now), reference.imputation, *reference.limits)
    )
    assert reference.null_rate == 1.0
    # half of the values are in the bin that training left empty, half are missing as all were
    by_hand = (0.5 - FLOOR) * math.log(0.5 / FLOOR) + (0.5 - 1.0) * math.log(0.5)
    assert reference.psi(now) == pytest.approx(by_hand, abs=EXACT)


def test_without_values_there_is_nothing() -> None:
    reference, nothing = decile_reference(), np.empty(0)
    found = (*reference.psi_and_ks(nothing), reference.psi(nothing), reference.ks(nothing), reference.outside(nothing))
    assert all(math.isnan(value) for value in (*found, null_rate(nothing)))
    assert math.isnan(decile_reference().ks_p(np.full(3, NAN)))
    assert distribution(np.zeros(1)).ks_p(np.ones(1)) == 1.0
    with pytest.raises(ValueError, match="at least one row"):
        distribution(np.empty(0))


def test_the_range_leaves_out_single_broken_values() -> None:
    reference = distribution(np.append(np.linspace(0.0, 40.0, 4001), 1048.36))
    low, high = reference.limits
    assert (low, high) == pytest.approx((-40.0 * MARGIN, 40.0 * (1 + MARGIN)), abs=0.2)
    assert reference.outside(np.array([20.0, 51.0, 53.0, NAN])) == 0.25
    unbounded = distribution(np.linspace(0.0, 40.0, 4001), bounded=False)
    assert unbounded.limits == (-math.inf, math.inf)
    assert unbounded.outside(np.array([-1e9, 1e9])) == 0.0


@settings(max_examples=80, deadline=None)
@given(numbers, numbers.filter(lambda values: len(values) > 1))  # scipy divides by zero for one value each
def test_ks_is_that_of_scipy(training: list[float], now: list[float]) -> None:
    reference = distribution(np.array(training))
    wanted = ks_2samp(now, training, method="asymp")
    assert reference.ks(np.array(now)) == pytest.approx(wanted.statistic, abs=EXACT)
    assert reference.ks_p(np.array(now)) == pytest.approx(wanted.pvalue, abs=EXACT)


def test_ks_of_a_day_against_six_weeks_is_that_of_scipy() -> None:
    generator = np.random.default_rng(7)
    training, now = np.round(generator.normal(60, 12, 38000), 1), np.round(generator.normal(62, 8, 920), 1)
    reference = distribution(training)
    wanted = ks_2samp(now, training, method="asymp")
    assert reference.ks(now) == pytest.approx(wanted.statistic, abs=EXACT)
    assert reference.ks_p(now) == pytest.approx(wanted.pvalue, rel=1e-6, abs=EXACT)


@settings(max_examples=80, deadline=None)
@given(with_gaps, with_gaps, st.booleans())
def test_shares_are_a_distribution_and_psi_a_distance(training: list[float], now: list[float], categorical: bool) -> None:
    reference, values = distribution(np.array(training), categorical=categorical), np.array(now)
    shares = reference.shares_of(values)
    assert float(np.sum(shares)) == pytest.approx(1.0)
    assert float(shares[-1]) == pytest.approx(null_rate(values))
    assert len(shares) == len(reference.edges) + 2
    assert len(reference.edges) <= (7 if categorical else BINS - 1)
    assert reference.psi(values) >= 0.0
    assert reference.psi(np.array(training)) == pytest.approx(0.0, abs=EXACT)
    assert psi(shares, reference.shares) == pytest.approx(psi(reference.shares, shares), abs=EXACT)
    assert reference.psi(np.flip(values)) == reference.psi(values)
    assert np.array_equal(reference.psi_and_ks(values), (reference.psi(values), reference.ks(values)), equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(with_gaps, with_gaps)
def test_bins_hold_what_they_say(training: list[float], now: list[float]) -> None:
    """One value at a time, compared with the documented bounds."""
    reference = distribution(np.array(training))
    bounds = [-math.inf, *reference.edges.tolist(), math.inf]
    for value in now:
        shares = reference.shares_of(np.array([value])).tolist()
        place = len(shares) - 1 if math.isnan(value) else next(i for i, top in enumerate(bounds[1:]) if bounds[i] < value <= top)
        assert shares.index(1.0) == place
