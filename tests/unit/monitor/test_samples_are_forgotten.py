"""A long drill needs no more memory than a day of samples: what no rule can ask for any more is forgotten, and nothing changes by it."""

from __future__ import annotations

import numpy as np
import pytest

from drillbox.sandbox.model.telemetry import Scrape, Series
from drillbox.sandbox.monitor import store as module
from drillbox.sandbox.monitor.promql import RangeBank
from drillbox.sandbox.monitor.store import KEEP, SeriesStore

REQUESTS, GAUGE, LATE = Series("requests_total"), Series("temperature"), Series("late_total")
EVERY = 5.0


def scrape(step: int) -> Scrape:
    """A counter that is reset now and then, a gauge, and a counter that comes and goes."""
    series = [REQUESTS, GAUGE]
    values = [float(step % 977) * 3.0, float(np.sin(step / 50.0))]
    if step % 1000 > 300:
        series.append(LATE)
        values.append(float(step))
    return Scrape(step * EVERY, _LAYOUTS.setdefault(tuple(series), tuple(series)), np.array(values))


_LAYOUTS: dict[tuple[Series, ...], tuple[Series, ...]] = {}


def rates(steps: int) -> tuple[list[list[float | None]], SeriesStore]:
    """What three windows give at every step."""
    store = SeriesStore()
    bank, found = RangeBank(store), []
    for step in range(steps):
        store.append(scrape(step))
        if step == 400:
            for name in ("requests_total", "late_total"):
                for window in (30.0, 1800.0, 21_600.0):
                    bank.lane(store.rows(name)[0], window, window)
        if step > 400:
            bank.evaluate(store.now)
            found.append(list(bank.values))
    return found, store


def test_nothing_changes_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    forgetting, small = rates(20_000)
    monkeypatch.setattr(module, "KEEP", 1e12)
    keeping, large = rates(20_000)
    assert small.values.shape[1] < large.values.shape[1]
    assert int(small.forgotten.max()) > 0
    assert forgetting == keeping


def test_memory_stays_as_it_is() -> None:
    widths = [rates(steps)[1].values.shape for steps in (9_000, 30_000)]
    assert widths[0] == widths[1]
    assert widths[0][1] * EVERY < 2.5 * KEEP


def test_totals_are_those_of_the_whole_drill() -> None:
    _, store = rates(20_000)
    falls = sum(977 - 1 for step in range(1, 20_000) if step % 977 == 0)
    last = (20_000 - 1) % 977
    assert store.increases(store.rows("requests_total")) == [3.0 * (falls + last)]


def test_a_window_beyond_what_is_kept_is_refused() -> None:
    store = SeriesStore()
    store.append(scrape(0))
    with pytest.raises(ValueError, match="samples are kept for 21900 s"):
        RangeBank(store).lane(0, KEEP + 1.0, 1.0)
