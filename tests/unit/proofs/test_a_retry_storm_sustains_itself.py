"""The retry storm lives on its mechanism, and the page about it quotes the numbers of real runs."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[3] / "docs"
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drillbox_docs_pictures", DOCS / "make_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs(pictures: ModuleType, warm_data: None) -> tuple:
    return pictures.play_both()


def test_the_storm_outlives_its_burst_until_the_end(runs, scenario_named) -> None:
    storm, _ = runs
    scenario = scenario_named("after-the-burst")
    after = storm.after(storm.rush[1] + 30.0)  # the SLIs look back 30 s
    assert after[-1].at == scenario.duration
    assert min(moment.utilisation for moment in after) > 0.99
    assert max(moment.in_time for moment in after) < 0.01
    # The offered load is that of any day, and would be less than two thirds of the capacity.
    usual = scenario.world.traffic.rate
    asked = (after[-1].asked - after[0].asked) / (after[-1].at - after[0].at)
    assert asked == pytest.approx(usual, rel=0.03)
    capacity = scenario.service.champion.replicas * scenario.service.champion.concurrency / scenario.runtime.service_time
    assert asked < 0.65 * capacity
    # Every request is tried as often as the clients ever try: once and four times again.
    assert storm.mean("requests") == pytest.approx(5.0 * usual, rel=0.03)
    before = [moment for moment in storm.moments if 60.0 <= moment.at <= storm.rush[0]]
    assert max(moment.utilisation for moment in before) < 0.7
    assert min(moment.in_time for moment in before) > 0.99


def test_with_a_retry_budget_the_same_rush_passes_by_itself(runs, scenario_named) -> None:
    storm, tamed = runs
    usual = scenario_named("after-the-burst").world.traffic.rate
    in_the_rush = [moment for moment in tamed.moments if tamed.rush[0] + 40.0 <= moment.at <= tamed.rush[1]]
    assert max(moment.in_time for moment in in_the_rush) < 0.01  # the rush itself is as bad
    assert storm.recovery is None
    assert tamed.recovery is not None
    assert 0.0 < tamed.recovery <= 120.0
    settled = tamed.after(tamed.rush[1] + 120.0)
    assert max(moment.utilisation for moment in settled) < 0.75
    assert max(moment.requests for moment in settled) < 1.1 * usual


@pytest.mark.parametrize("seed", [2, 3])
def test_it_is_no_luck_of_one_seed(scenario_named, playing, with_retry_budget, seed: int) -> None:
    scenario = scenario_named("after-the-burst")
    storm, tamed = playing(scenario, seed=seed), playing(with_retry_budget(scenario, 0.1), seed=seed)
    assert min(point.slis["saturation"] for point in storm.record.points if point.at >= 270.0) > 0.99
    assert max(point.slis["saturation"] for point in tamed.record.points if point.at >= 360.0) < 0.75


def test_the_page_quotes_the_runs(pictures: ModuleType, runs) -> None:
    page = pictures.PAGE.read_text(encoding="utf-8")
    assert pictures.with_table(page, pictures.table(runs)) == page
    prose = " ".join(page.split(pictures.END)[1].split())
    storm, tamed = runs
    for quoted in (
        f"{round(storm.offered, -1):.0f} requests per second, {tamed.mean('utilisation'):.0%} busy",
        f"{round(storm.mean('requests'), -2):,.0f} attempts per second",
        f"{tamed.recovery:.0f} s after the rush all is in order",
    ):
        assert quoted in prose, quoted


def test_the_picture_shows_the_runs(pictures: ModuleType, runs) -> None:
    """Within a pixel: another processor may round the last digit of a draw differently."""
    kept, fresh = pictures.PICTURE.read_text(encoding="utf-8"), pictures.picture(runs)
    assert NUMBER.sub("0", kept) == NUMBER.sub("0", fresh)
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (kept, fresh)]
    assert max(abs(a - b) for a, b in zip(*numbers, strict=True)) <= 1.0
    assert kept.count("<polyline") == 4
