"""Prometheus itself comes to the same alerts as the built-in monitor, at the same times, on every scenario's drill."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from drillbox.sandbox.model.telemetry import SCRAPE_INTERVAL
from drillbox.sandbox.monitor.alerts import State
from drillbox.sandbox.monitor.export import prometheus_rules, rule_file
from drillbox.sandbox.monitor.objectives import rule_group
from drillbox.sandbox.monitor.promtool import play, trial_file
from drillbox.sandbox.monitor.thresholds import threshold_alerts
from drillbox.sandbox.observing import burn_windows

pytestmark = pytest.mark.prometheus

LEAD = 360.0
"""Seconds before t = 0 that are played: more than the page's long window. The drill in full would take promtool half a minute."""


@pytest.fixture(scope="module")
def program() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool (Debian: prometheus) is not on the PATH")
    return found


def run(*command: str | Path) -> str:
    """The program's complaints; empty if it is content."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[:6000] or f"exit code {done.returncode}"


@pytest.mark.parametrize("name", ["monday-rush", "after-the-burst", "slow-afternoon"])
def test_the_same_alerts_at_the_same_times(scenario_named, playing, program: str, tmp_path: Path, name: str) -> None:
    scenario = scenario_named(name)
    scrapes = [scrape for scrape in playing(scenario).scrapes if scrape.at >= -LEAD]
    assert len(scrapes) == (LEAD + scenario.duration) / SCRAPE_INTERVAL + 1
    group = rule_group(scenario.objectives, threshold_alerts(), burn_windows(scenario))
    trial = play(name, group, scrapes, every=40)
    firing = {alert.name for moment in trial.moments for alert in moment.alerts if alert.state is State.FIRING}
    assert firing >= {earlier for earlier, _ in scenario.alerts.order}
    (tmp_path / "rules.yml").write_text(rule_file(group))
    (tmp_path / "trial.yml").write_text(trial_file([trial], "rules.yml"))
    assert run(program, "test", "rules", tmp_path / "trial.yml") == ""


@pytest.mark.parametrize("profile", ["", "short"], ids=["full", "short"])
def test_the_drill_s_alerts_are_those_of_the_rules(scenario_named, playing, profile: str) -> None:
    """What the session was told is what the rules say on the same scrapes, although it skips most of the warm-up's evaluations."""
    scenario = scenario_named("monday-rush", profile)
    played = playing(scenario)
    group = rule_group(scenario.objectives, threshold_alerts(), burn_windows(scenario))
    moments = play("whole", group, played.scrapes).moments
    firing = [{(alert.name, alert.labels) for alert in now.alerts if alert.state is State.FIRING} for now in moments]
    told: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for scrape, readings, expected in zip(played.scrapes, played.readings, firing, strict=True):
        for transition in readings.transitions:
            key = (transition.alert.name, transition.alert.labels)
            told = told | {key} if transition.alert.state is State.FIRING else told - {key}
        assert told == expected, scrape.at
    assert any(firing)


@pytest.mark.parametrize("profile", ["", "short"], ids=["full", "short"])
@pytest.mark.parametrize("name", ["monday-rush", "after-the-burst", "slow-afternoon"])
def test_promtool_accepts_the_exported_rules(scenario_named, program: str, tmp_path: Path, name: str, profile: str) -> None:
    scenario = scenario_named(name, profile)
    rules = prometheus_rules(scenario.objectives, threshold_alerts(), burn_windows(scenario))
    (tmp_path / "rules.yml").write_text(rules)
    assert run(program, "check", "rules", tmp_path / "rules.yml") == ""
    assert rules.count("- alert: AvailabilityBurnRate") == len(burn_windows(scenario))
