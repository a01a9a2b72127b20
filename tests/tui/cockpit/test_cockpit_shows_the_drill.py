"""Every panel shows the right numbers, at every size, and a panel that fails ends nothing."""

from __future__ import annotations

import logging

import pytest
from textual.geometry import Size

from drillbox.sandbox.session import DrillSession
from drillbox.tui.cockpit import money, state, words
from drillbox.tui.cockpit.board import FULL as FULL_SIZE
from drillbox.tui.cockpit.board import PANELS, Board, View, regions
from drillbox.tui.cockpit.gauges import GAUGES
from drillbox.tui.cockpit.panels import ChartPanel, GaugePanel, ListPanel

from .conftest import FULL, SMALL, Stage, perform


def test_the_status_line_tells_clock_calendar_speed_pages_and_money(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        line = stage.screen().splitlines()[0]
        cost = money.harm_of(stage.cockpit.picture.samples[-1].body.ledger, rush.scenario.world.prices)
        for text in (
            "● RUNNING",
            "Monday noon",
            "06:40 / 20:00",
            "2013-07-08 13:20",
            "unpaced",
            "▲ 4 pages",
            words.dollars(cost),
        ):
            assert text in line

    perform(rush, script)


def test_objectives_tell_value_target_budget_and_burn(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        slis = rush.snapshot().slis
        first, second, third, _ = stage.panel("objectives").split("\n")
        assert first.startswith("✗ availability")
        assert first.endswith("missed")
        assert words.share(slis["availability"], 2) in first
        assert "≥ 99%" in first
        assert "left" in second
        assert "burn" in second
        assert third.startswith("✗ latency")

    perform(rush, script)


def test_an_objective_fits_beside_the_alerts_of_a_small_terminal(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        assert "≥ 99% missed" in stage.screen()

    perform(rush, script, SMALL)


def test_alerts_are_sorted_by_state_with_shape_and_word(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        lines = stage.panel("alerts").split("\n")
        kinds = [line.split()[1] for line in lines]
        order = ["PAGE", "ticket", "pending", "resolved"]
        assert kinds == sorted(kinds, key=order.index)
        assert kinds.count("PAGE") == 4
        assert lines[0].startswith("▲ PAGE")
        assert any("AvailabilityBurnRate 5m" in line and line.endswith("02:40") for line in lines)

    perform(rush, script)


def test_the_service_is_a_tree_with_the_state_of_each_component_and_replica(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        told = stage.panel("service")
        for text in ("clients", "gateway", "▲ warns", "champion v1", "4/4 ready", "100%", "autoscaler", "3 to 4 at 60%"):
            assert text in told
        for text in ("feature store", "feature pipeline", "labels", "retraining", "timeout 600ms, retries 1"):
            assert text in told
        assert any(line.endswith("1 2 3 4") for line in told.split("\n"))

    perform(rush, script)


def test_gauges_and_the_big_chart_have_number_unit_and_verdict(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        slis = rush.snapshot().slis
        told = stage.screen()
        assert f"p95 {words.seconds(slis['latency_p95'])}" in told
        assert "objective: 95% within 300ms" in told
        assert "✗ objective missed" in told
        for gauge, sli in (("Traffic", "request_rate"), ("Saturation", "saturation"), ("Freshness", "feature_freshness")):
            assert f"{gauge:<11}{words.sli(sli, slis[sli]):>8}" in told

    perform(rush, script)


def test_every_gauge_can_be_the_big_chart(storm: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        chart = stage.cockpit.query_one(ChartPanel)
        for gauge in GAUGES[1:4]:
            await stage.press("right_square_bracket")
            assert chart.gauge is gauge
            assert f"4 {gauge.title}: " in stage.screen()
            assert stage.cockpit.query_one(GaugePanel).chosen == gauge.id
        await stage.press("left_square_bracket", "left_square_bracket", "left_square_bracket", "left_square_bracket", "z")
        assert chart.gauge is GAUGES[-1]
        assert "02:00" in stage.screen()  # the last five minutes begin there

    perform(storm, script)


def test_a_gauge_of_data_is_held_against_its_objective(storm: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        stage.cockpit.choose_gauge("quality")
        await stage.pilot.pause()
        told = stage.screen()
        assert "objective: at most 0.231" in told
        assert "✓ objective met" in told
        assert f"{'Bad data':<11}{words.share(storm.snapshot().slis['out_of_range']):>8}" in told

    perform(storm, script)


@pytest.mark.parametrize("size", [FULL, SMALL, (220, 60)])
def test_every_panel_can_be_reached_by_its_digit(rush: DrillSession, size: tuple[int, int]) -> None:
    async def script(stage: Stage) -> None:
        for digit, panel in enumerate(PANELS, 1):
            await stage.press(str(digit))
            assert stage.app.focused is not None
            assert stage.app.focused.id == panel
            assert stage.app.focused.region.area > 0
            assert stage.app.screen.region.contains_region(stage.app.focused.region)

    perform(rush, script, size)


def test_the_reduced_layout_has_pages(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        assert "1 2 4 Overview" in stage.screen()
        assert "3 Service " not in stage.screen().split("\n")[2]
        await stage.press("7")
        assert "7 Logs" in stage.screen().split("\n")[2]
        assert rush.logs()[-1].text[:30] in stage.screen()

    perform(rush, script, SMALL)


def test_too_small_a_terminal_is_told_what_is_needed(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        assert "60 by 20 cells" in stage.screen()
        assert "Objectives" not in stage.screen()
        await stage.pilot.resize_terminal(*SMALL)
        await stage.pilot.pause()
        assert "Objectives" in stage.screen()

    perform(rush, script, (59, 19))


@pytest.mark.parametrize("listed", ["events", "logs", "changes"])
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (200, 60), (300, 100)])
def test_panels_do_not_overlap_and_fill_the_board(size: tuple[int, int], listed: str) -> None:
    board = Size(size[0], size[1] - 2)
    for panel in ("objectives", "service", listed):
        found = list(regions(board, View(panel, listed), Size(*size)).values())
        assert sum(one.area for one in found) == board.area
        assert all(not a.overlaps(b) for index, a in enumerate(found) for b in found[index + 1 :])
        assert all(one.width >= 20 and one.height >= 4 for one in found)


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (60, 20)])
def test_the_legend_of_a_chart_is_one_line_however_narrow_it_is(rush: DrillSession, size: tuple[int, int]) -> None:
    async def script(stage: Stage) -> None:
        lines = stage.cockpit.query_one(ChartPanel).render().plain.splitlines()
        assert "p95" in lines[0]
        assert len(lines) <= stage.cockpit.query_one(ChartPanel).size.height
        assert max(map(len, lines)) <= stage.cockpit.query_one(ChartPanel).size.width

    perform(rush, script, size)


def test_a_panel_that_fails_says_so_and_the_others_go_on(
    rush: DrillSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> list[object]:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(state, "gauges", broken)

    async def script(stage: Stage) -> None:
        panel = stage.cockpit.query_one("#alerts", ListPanel)
        panel._build = broken  # type: ignore[assignment]  # a mistake of ours
        panel.redo()
        await stage.pilot.pause()
        assert "✗ this panel failed: ZeroDivisionError" in stage.panel("alerts")
        assert stage.screen().count("✗ this panel failed") == 2
        assert "✗ availability" in stage.panel("objectives")
        await stage.press("3", "enter")
        assert "Component clients" in stage.screen()

    with caplog.at_level(logging.ERROR, "drillbox.tui"):
        perform(rush, script)
    assert "the panel alerts failed" in caplog.text


def test_the_logs_follow_until_one_looks_back(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("7")
        logs = stage.cockpit.query_one("#logs", ListPanel)
        assert logs.current == logs.rows[-1]
        await stage.press("home")
        assert logs.current == logs.rows[0]
        assert logs.scroll_offset.y == 0

    perform(rush, script)


def test_nothing_is_shown_by_colour_alone(rush: DrillSession) -> None:
    """Without any style the text says the same."""

    async def script(stage: Stage) -> None:
        told = stage.screen()
        for text in ("✗ availability", "missed", "▲ PAGE", "◆ ticket", "▲ warns", "✗ objective missed", "● RUNNING"):
            assert text in told

    perform(rush, script)


def test_there_is_room_for_all_at_the_size_of_the_full_layout(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        board = stage.cockpit.query_one(Board)
        shown = [child.id for child in board.children if child.display]
        assert shown == ["objectives", "alerts", "service", "chart", "gauges", "events"]

    perform(rush, script, (FULL_SIZE.width, FULL_SIZE.height))
