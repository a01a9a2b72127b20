"""What a valid file becomes: units, defaults, calendar time, profiles, digest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.loading.schema import ScenarioPart
from drillbox.sandbox.model.errors import InvalidScenarioError, UsageError
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.service import Fallback

Write = Callable[[str], Path]


@pytest.fixture
def load(write: Write) -> Callable[..., Scenario]:
    """Loads a text."""
    return lambda text, profile="": load_scenario(write(text), profile)


def test_values_are_in_base_units(load: Callable[..., Scenario], valid: str) -> None:
    """Seconds, requests per second, shares; defaults as documented."""
    scenario = load(valid)
    assert scenario.id == "quiet-hours"
    assert (scenario.duration, scenario.warmup, scenario.verdict_window) == (1200.0, 1800.0, 300.0)
    assert scenario.world.start == dt.datetime(2013, 7, 8, 6)
    assert scenario.world.train_until == dt.datetime(2013, 7, 5)
    assert scenario.world.traffic.rate == 120.0
    assert scenario.service.autoscaler.target == 0.6
    assert scenario.service.autoscaler.enabled
    assert scenario.service.champion.version == "v1"
    assert scenario.service.fallback is Fallback.OFF
    assert scenario.runtime.service_time == 0.05
    (beat,) = scenario.timeline
    assert (beat.at, beat.lasts, dict(beat.params)) == (180.0, 900.0, {"factor": 4.0, "ramp": 30.0})
    assert scenario.latency_bound() == 0.3
    first, second = scenario.reference.steps
    assert (first.trigger.metric, first.trigger.hold, dict(first.params)) == (
        "saturation > 0.9 and error_ratio > 5%",
        10.0,
        {"share": 0.5},
    )
    assert (second.trigger.at, second.trigger.metric, dict(second.params)) == (None, "", {"maximum": 10})
    assert (scenario.reference.notice, scenario.reference.step) == (60.0, 30.0)
    assert list(scenario.runbooks) == ["reference", "wait-longer"]


def test_calendar_time_is_divided_by_the_pace(load: Callable[..., Scenario], valid: str) -> None:
    """Six hours at pace 12 are 30 minutes of drill time, for moments of the drill and for a fault's durations."""
    text = (
        valid.replace("at: 3m\n", "at: {cal: 1h}\n")
        .replace("ramp: 30s", "ramp: {cal: 6m}")
        .replace("duration: 20m", "duration: {cal: 4h}")
    )
    scenario = load(text)
    assert scenario.duration == 1200.0
    assert scenario.timeline[0].at == 300.0
    assert scenario.timeline[0].params["ramp"] == 30.0


def test_calendar_time_has_no_meaning_for_the_service(load: Callable[..., Scenario], valid: str) -> None:
    """A service time is physics: drill time only."""
    with pytest.raises(InvalidScenarioError, match="is not a duration"):
        load(valid.replace("service_time: 50ms", "service_time: {cal: 1m}"))


def test_beat_on_a_condition(load: Callable[..., Scenario], valid: str) -> None:
    """It has a latest time."""
    (beat,) = load(valid.replace("at: 3m\n", "when: request_rate > 100/s\n    by: 5m\n")).timeline
    assert (beat.at, beat.when, beat.by) == (None, "request_rate > 100/s", 300.0)


def test_profile_merges_mappings_and_replaces_lists(load: Callable[..., Scenario], valid: str) -> None:
    """Whatever it does not name stays as it is."""
    short = load(valid, "short")
    assert (short.profile, short.duration, short.warmup, short.verdict_window) == ("short", 240.0, 60.0, 60.0)
    assert short.timeline[0].at == 20.0
    assert short.timeline[0].params == {"factor": 4.0, "ramp": 0.0}
    assert (short.reference.notice, short.reference.step) == (20.0, 10.0)
    assert len(short.reference.steps) == 2
    assert short.tempting[0].steps[0].trigger.at == 60.0
    assert short.world == load(valid).world


def test_unknown_profile_names_the_nearest(load: Callable[..., Scenario], valid: str) -> None:
    """And a file without profiles says so."""
    with pytest.raises(UsageError, match="unknown profile 'shorty'; did you mean 'short'"):
        load(valid, "shorty")
    with pytest.raises(UsageError, match="unknown profile 'short'; there is none"):
        load(valid[: valid.index("profiles:")], "short")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "message"),
    [
        ("duration: 4m", "duration: 5m", 51, "profiles.short.duration", "lasts at most 4m"),
        ("duration: 4m", "duration: 4m\n    warmup: 2m", 52, "profiles.short.warmup", "in the profile `short` it is 1m"),
        ("duration: 4m", "duration: 4m\n    verdict_window: 2m", 52, "profiles.short.verdict_window", "it is 1m"),
        ("at: 20s", "at: 30s", 53, "profiles.short.timeline[0]", "the first fault begins by 20s"),
        ("{notice: 20s}", "{notice: 5s}", 55, "profiles.short.operators.reference.notice", "at least 20s"),
        (
            "{notice: 20s}",
            "{notic: 20s}",
            55,
            "profiles.short.operators.reference.notic",
            "unknown key 'notic'; did you mean 'notice'?",
        ),
        ("duration: 4m", "duration: 4m\n    title: 5", 52, "profiles.short.title", "5 is not text"),
        ("duration: 4m", "duration: 4m\n    id: other", 52, "profiles.short.id", "a profile cannot change 'id'"),
        ("duration: 4m", "duration: 4m\n    world: {start: now}", 52, "profiles.short.world.start", "'now' is not a date"),
    ],
)
def test_mistakes_in_a_profile_are_found_without_asking_for_it(
    load: Callable[..., Scenario], valid: str, old: str, new: str, line: int, key: str, message: str
) -> None:
    """Their place is in the profile."""
    assert valid.count(old) == 1
    with pytest.raises(InvalidScenarioError) as raised:
        load(valid.replace(old, new))
    (problem,) = raised.value.problems
    assert (problem.place.line, problem.place.key) == (line, key)
    assert message in problem.message


def test_profile_that_is_no_mapping(load: Callable[..., Scenario], valid: str) -> None:
    """A shape error like any other."""
    with pytest.raises(InvalidScenarioError, match=r"profiles\.short: 'x' is not a mapping"):
        load(valid[: valid.index("profiles:")] + "profiles: {short: x}\n")


def test_digest_follows_content_not_form(load: Callable[..., Scenario], valid: str) -> None:
    """Comments, quoting, order of keys and units change nothing; a value does, and so does a profile."""
    digest = load(valid).digest
    assert len(digest) == 64
    same = valid.replace("duration: 20m", "duration: 1200s  # twenty minutes").replace(
        "title: Quiet hours", "title: 'Quiet hours'"
    )
    same = same.replace("id: quiet-hours\n", "").replace("group: traffic\n", "group: traffic\nid: quiet-hours\n")
    assert load(same).digest == digest
    assert load(valid.replace("rate: 120/s", "rate: 121/s")).digest != digest
    assert load(valid, "short").digest != digest


def test_control_needs_no_fault(load: Callable[..., Scenario], valid: str) -> None:
    """Nothing is wrong, and the reference does nothing."""
    start, end = valid.index("timeline:"), valid.index("objectives:")
    text = valid[:start] + "timeline: []\n" + valid[end : valid.index("operators:")]
    text = text.replace("{component: clients, cause: traffic.spike}", "{component: none, cause: none}").replace(
        "duration:", "control: true\nduration:"
    )
    scenario = load(text + "operators: {reference: {steps: []}}\ndebrief: {story: It was fine.}\n")
    assert scenario.control
    assert scenario.timeline == ()
    assert scenario.reference.steps == ()


def test_every_key_is_described() -> None:
    """The JSON schema, and with it the docs, has a description for every key."""
    schema = ScenarioPart.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    missing = [
        f"{part['title']}.{key}" for part in parts for key, entry in part["properties"].items() if not entry.get("description")
    ]
    assert missing == []
