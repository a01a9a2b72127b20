"""Drill-downs: from every panel and by name to what there is to know, back with esc, and what says y copies."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from drillbox.sandbox.model.features import ONLINE
from drillbox.sandbox.session import DrillSession
from drillbox.tui.cockpit.detail_screen import DetailScreen
from drillbox.tui.cockpit.details import detail_of, targets
from drillbox.tui.cockpit.details.base import Asked
from drillbox.tui.cockpit.lists import LogFilter
from drillbox.tui.cockpit.panels import ListPanel
from drillbox.tui.cockpit.picture import Picture, fold
from drillbox.tui.widgets.rows import Rows

from .conftest import SMALL, Stage, perform, played


def shown(stage: Stage) -> str:
    """What the drill-down says."""
    assert isinstance(stage.app.screen, DetailScreen), stage.app.screen
    return "\n".join(row.plain for row in stage.app.screen.query_one(Rows).rows)


async def jump(stage: Stage, name: str) -> str:
    """To something by its name."""
    await stage.press("colon")
    await stage.type(name)
    await stage.press("enter")
    return shown(stage)


def test_everything_that_can_be_jumped_to_has_rows(rush: DrillSession) -> None:
    seen = fold(Picture(), rush.snapshot(), rush.events())
    found = targets(seen, rush.catalogue().metrics)
    assert len({row.key for row in found}) == len(found) > 60
    for row in found:
        assert isinstance(row.key, tuple)
        detail = detail_of((row.key[0], row.key[1]), seen)
        assert detail is not None, row.key
        tables: dict[Asked, object] = {asked: rush.look(*asked) for asked in detail.views}
        rows = list(detail.rows(seen, tables, 76))  # type: ignore[arg-type]  # tables only
        assert rows or detail.expr, row.key
        assert not any("asking" in one.plain for one in rows)
        if detail.plot is not None:
            assert detail.plot(seen).curves
    for lines in (seen.feed, seen.logs, seen.changes):
        kind = {"Line": "feed", "Log": "log", "Change": "change"}[type(lines[0]).__name__] if lines else ""
        assert all(detail_of((kind, line.number), seen) for line in lines)


def test_a_component_tells_metrics_configuration_changes_and_logs(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        told = await jump(stage, "component gateway")
        for text in ("warns", "request_rate", "423/s", "gateway.timeout: 600ms", "Recent changes", "answered with 5xx"):
            assert text in told
        await stage.press("L")
        assert stage.app.screen is stage.cockpit
        logs = stage.panel("logs").split("\n")
        assert logs
        assert all("gateway" in line for line in logs)

    perform(rush, script)


def test_a_deployment_is_as_troubled_as_its_replicas(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        told = await jump(stage, "component model-champion")
        assert told.startswith("state: ▲ warns: ")
        assert sum("▲ warns" in line and " v1 " in line for line in told.split("\n")) == 4
        await stage.press("escape")
        told = await jump(stage, "component model-champion-2")
        assert "model-champion-3" not in told
        times = [line.split()[0] for line in told.split("\n") if "model-champion-2 warning" in line]
        assert times == sorted(times, reverse=True)

    perform(rush, script)


def test_a_version_is_compared_with_the_one_before(session_home: Path) -> None:
    assert session_home.is_dir()

    async def script(stage: Stage) -> None:
        await stage.press("3", "down", "down")
        rows = stage.cockpit.query_one("#service", ListPanel)
        assert rows.current is not None
        assert rows.current.key == ("version", "v8")
        await stage.press("enter")
        await stage.until(lambda: "trees: v8 300 | v7 60" in shown(stage))
        assert "trained until" in shown(stage)
        assert "carrier" in shown(stage)

    with played("slow-afternoon", "short", until=60.0) as session:
        perform(session, script)


def test_features_lead_to_the_distribution_of_one(storm: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("v")
        await stage.until(lambda: "asking" not in shown(stage))
        lines = shown(stage).split("\n")
        assert [line.split()[0] for line in lines[1:]] == list(ONLINE)
        psi = storm.look("feature", "temp").facts["psi"]
        assert isinstance(psi, float)
        assert f"{psi:.4g}" in lines[1]
        await stage.press("enter")
        label, reference, now = storm.look("feature", "temp").rows[0][:3]
        await stage.until(lambda: f"{label}: {reference} in training, {now} now" in shown(stage))
        assert f"psi: {psi:.4g}" in shown(stage)
        assert "EWR" in shown(stage)
        await stage.press("escape", "escape")
        assert stage.app.screen is stage.cockpit

    perform(storm, script)


def test_an_alert_tells_rule_history_and_charts_its_burn_rate(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("2", "enter")
        told = shown(stage)
        assert "state: ▲ firing since" in told
        assert "History" in told
        assert "rule: " in told
        assert "fires above" in stage.screen()
        await stage.press("y")
        assert stage.app.copied.startswith("state: ▲ firing")
        await stage.press("Y")
        assert stage.app.copied.startswith("Alert ")

    perform(rush, script)


def test_any_expression_is_charted_and_a_wrong_one_explained(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("m")
        await stage.type("request_rate*error_ratio")
        await stage.press("enter")
        await stage.until(lambda: "highest" in shown(stage))
        assert "81 of 81 have data" in shown(stage)
        await stage.press("escape", "m")
        await stage.type("request_rat")
        await stage.press("enter")
        await stage.until(lambda: "request_rate'?" in stage.screen())

    perform(rush, script)


def test_a_small_terminal_shows_a_drill_down_as_well(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("1", "enter")
        assert "error budget left" in shown(stage)
        assert "burn rate" in stage.screen()
        assert "14.4x" in stage.screen()

    perform(rush, script, SMALL)


def test_a_line_leads_to_its_component_or_alert(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("7", "home", "enter")
        assert "champion.replicas: 3 -> 4" in shown(stage)
        assert "component autoscaler" in shown(stage)
        await stage.press("down", "down", "enter")
        assert "autoscaler.maximum: 4" in shown(stage)
        await stage.press("escape", "escape", "6", "end", "enter")
        assert "firing" in shown(stage)

    perform(rush, script)


def test_logs_are_filtered_by_component_severity_and_words(rush: DrillSession) -> None:
    async def script(stage: Stage) -> None:
        await stage.press("slash")
        assert isinstance(stage.app.focused, Input)
        await stage.type("gateway warning retried")
        expected = rush.logs("gateway", "retried", "warning")
        assert len(stage.panel("logs").split("\n")) == len(expected)
        await stage.press("enter")
        logs = stage.cockpit.query_one("#logs", ListPanel)
        assert "of gateway…, warning or graver, 'retried'" in str(logs.border_title)
        await stage.press("y")
        assert stage.app.copied.endswith(expected[-1].text)
        await stage.press("slash", "ctrl+u", "enter")
        assert len(logs.rows) == len(rush.logs())

    perform(rush, script)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", LogFilter()),
        ("gate error", LogFilter("gate", (), "error")),
        ("Queue FULL", LogFilter("", ("queue", "full"))),
        ("model-champion-2 gateway", LogFilter("model-champion-2", ("gateway",))),
    ],
)
def test_a_filter_is_what_one_types(text: str, expected: LogFilter) -> None:
    assert LogFilter.parse(text, ("gateway", "model-champion-2")) == expected
