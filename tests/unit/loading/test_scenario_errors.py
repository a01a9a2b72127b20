"""Bad scenarios: each mistake has its own message, with line, column, key and the nearest valid choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.model.errors import InvalidScenarioError, Problem

Problems = Callable[..., tuple[Problem, ...]]

CASES: list[tuple[str, str, int, str, str]] = [
    # old text, new text, line, key, part of the message
    ("start: 2013-07-08T06:00", "start: 2014-07-08T06:00", 11, "world.start", "the calendar leaves the data"),
    ("from: 2013-05-20", "from: 2012-05-20", 15, "world.train", "the training window leaves the data"),
    (
        "answer: {component",
        "alerts: {forbid: [AvailableBurnRat]}\nanswer: {component",
        31,
        "alerts.forbid[0]",
        "unknown alert 'AvailableBurnRat'; did you mean 'AvailableBurnRate'?",
    ),
    (
        "answer: {component",
        "alerts: {expect: [A after B]}\nanswer: {component",
        31,
        "alerts.expect[0]",
        "is not an order: write `A before B`",
    ),
    (
        "fault: traffic.spike\n    with",
        "fault: trafic.spike\n    with",
        26,
        "timeline[0].fault",
        "unknown fault 'trafic.spike'; did you mean 'traffic.spike'?",
    ),
    ("do: shed", "do: sched", 37, "operators.reference.steps[0].do", "unknown action 'sched'; did you mean 'shed'?"),
    ("sli: availability", "sli: availabilty", 29, "objectives[0].sli", "unknown SLI 'availabilty'; did you mean 'availability'?"),
    (
        "sli: availability",
        "sli: saturation",
        29,
        "objectives[0].sli",
        "does not count good events; choose one of availability, latency",
    ),
    (
        "{factor: 4, ramp",
        "{facter: 4, factor: 4, ramp",
        27,
        "timeline[0].with.facter",
        "unknown parameter 'facter'; did you mean 'factor'?",
    ),
    ("{factor: 4, ramp: 30s}\nobj", "{ramp: 30s}\nobj", 27, "timeline[0].with", "parameter 'factor' is missing"),
    ("{factor: 4, ramp", "{factor: 0.5, ramp", 27, "timeline[0].with.factor", "out of bounds: between 1 and 100"),
    ("ramp: 30s", "ramp: 30", 27, "timeline[0].with.ramp", "30 is not a duration: write a number and its unit"),
    ("with: {share: 50%}", "with: {share: 50/s}", 38, "operators.reference.steps[0].with.share", "'50/s' is not a share"),
    ("with: {maximum: 10}", "with: {maximum: [10]}", 40, "operators.reference.steps[1].with.maximum", "is not a number"),
    ("difficulty: 2", "difficulty: two", 5, "difficulty", "'two' is not a whole number"),
    ("difficulty: 2", "difficulty: 7", 5, "difficulty", "7 is out of bounds: it must be at most 5"),
    ("difficulty: 2", "difficulty: true", 5, "difficulty", "true is not a whole number"),
    ("skills: [patience]", "skills: patience", 6, "skills", "'patience' is not a list"),
    ("skills: [patience]", "skills: []", 6, "skills", "at least one entry is needed"),
    ("title: Quiet hours", "title:", 3, "title", "nothing is not text"),
    ("id: quiet-hours", "id: Quiet Hours", 2, "id", "write it in small letters and digits, joined by hyphens"),
    ("schema: 1", "schema: 2", 1, "schema", "2 is out of bounds"),
    (
        "traffic: {rate: 120/s}",
        "traffic: {rate: 120}",
        13,
        "world.traffic.rate",
        "120 is not a rate: write a number and its unit",
    ),
    ("traffic: {rate: 120/s}", "traffic: {rate: 0/s}", 13, "world.traffic.rate", "'0/s' is out of bounds: it must be above 0/s"),
    ("runtime: {service_time: 50ms}", "runtime: {service_time: 50%}", 21, "runtime.service_time", "'50%' is not a duration"),
    ("runtime: {service_time: 50ms}", "runtime: {service_time: 2h}", 21, "runtime.service_time", "must be at most 1m"),
    (
        "runtime: {service_time: 50ms}",
        "runtime: {servicetime: 50ms}",
        21,
        "runtime.servicetime",
        "unknown key 'servicetime'; did you mean 'service_time'?",
    ),
    ("runtime: {service_time: 50ms}", "runtime: 50ms", 21, "runtime", "'50ms' is not a mapping"),
    ("pager: Something is wrong.\n", "", 1, "pager", "is missing: what the pager says"),
    ("  pace: 12\n", "", 9, "world.pace", "is missing: calendar seconds per second of drill time"),
    ("name: flights", "name: trains", 10, "world.name", "unknown world 'trains'"),
    ("start: 2013-07-08T06:00", "start: last Monday", 11, "world.start", "'last Monday' is not a date"),
    ("start: 2013-07-08T06:00", "start: 2013-07-08T06:00Z", 11, "world.start", "is not a date"),
    ("until: 2013-07-05", "until: 2013-07-09", 15, "world.train.until", "that leaks the future"),
    ("from: 2013-05-20", "from: 2013-07-06", 15, "world.train.from", "must be before until"),
    ("slow: 0.03", "slow: 0.3", 14, "world.prices.slow", "must not cost more than none at all"),
    ("failed: 0.1,", "failed: 0,", 14, "world.prices.failed", "must be above 0"),
    ("{minimum: 3, maximum: 4", "{minimum: 5, maximum: 4", 18, "service.autoscaler.minimum", "5 is above maximum, 4"),
    (
        "champion: {replicas: 3",
        "champion: {replicas: 6",
        17,
        "service.champion.replicas",
        "outside the autoscaler's bounds, 3 to 4",
    ),
    ("fallback: off", "fallback: sometimes", 20, "service.fallback", "unknown value 'sometimes'"),
    ("timeout: 1s, retries", "timeout: 10ms, retries", 19, "service.gateway.timeout", "must be at least 50ms"),
    ("at: 3m\n", "at: 25m\n", 24, "timeline[0].at", "25m is after the end of the drill, 20m"),
    ("at: 3m\n", "when: saturation > 0.5\n", 24, "timeline[0].when", "needs a latest time: add by"),
    ("at: 3m\n", "when: saturation > 0.5\n    by: 20m\n", 25, "timeline[0].by", "20m is after the end of the drill"),
    ("at: 3m\n", "at: 3m\n    by: 5m\n", 25, "timeline[0].by", "goes with when"),
    ("at: 3m\n", "at: 3m\n    when: saturation > 0.5\n", 25, "timeline[0].when", "either at or when, not both"),
    ("    at: 3m\n", "", 23, "timeline[0]", "when is it due?"),
    ("for: 15m", "for: 0s", 25, "timeline[0].for", "must be above 0s"),
    ("for: 15m", "for: -5m", 25, "timeline[0].for", "'-5m' is not a duration"),
    ("{id: fast, sli", "{id: available, sli", 30, "objectives[1].id", "'available' is the id of objectives[0] already"),
    ("target: 99%", "target: 100%", 29, "objectives[0].target", "leaves no error budget"),
    ("target: 99%", "target: 99", 29, "objectives[0].target", "99 is not a share"),
    (", bound: 300ms", "", 30, "objectives[1]", "a latency objective needs its bound"),
    (
        "bound: 300ms",
        "bound: 320ms",
        30,
        "objectives[1].bound",
        "320ms is not a bound of the latency histogram; the nearest is 300ms",
    ),
    ("target: 99%}", "target: 99%, bound: 1s}", 29, "objectives[0].bound", "only a latency objective has a bound"),
    ("component: clients", "component: gateway", 31, "answer.component", "that is 'clients'"),
    (
        "cause: traffic.spike",
        "cause: traffic.spik",
        31,
        "answer.cause",
        "unknown cause 'traffic.spik'; did you mean 'traffic.spike'?",
    ),
    (
        "when: saturation > 0.9",
        "when: saturtion > 0.9",
        35,
        "operators.reference.steps[0].when",
        "unknown SLI 'saturtion'; did you mean 'saturation'?",
    ),
    ("error_ratio > 5%", "error_ratio", 35, "operators.reference.steps[0].when", "a condition is needed"),
    (
        "when: saturation > 0.9 and error_ratio > 5%\n        for: 10s",
        "for: 10s",
        35,
        "operators.reference.steps[0].for",
        "goes with when",
    ),
    (
        "when: saturation > 0.9 and error_ratio > 5%\n        for: 10s\n        do",
        "do",
        35,
        "operators.reference.steps[0]",
        "when is the first step due?",
    ),
    ("- at: 4m", "- at: 40m", 44, "operators.tempting.wait-longer.steps[0].at", "40m is after the end of the drill"),
    (
        "- do: set-autoscaler",
        "- at: 1m\n        for: 10s\n        do: set-autoscaler",
        40,
        "operators.reference.steps[1].for",
        "goes with when",
    ),
    (
        "    wait-longer:\n      steps:\n        - at: 4m",
        "    idle:\n      steps:\n        - at: 1m",
        42,
        "operators.tempting.idle",
        "the name of another operator",
    ),
    (
        "    wait-longer:\n      steps",
        "    Wait longer:\n      steps",
        42,
        "operators.tempting.Wait longer",
        "write it in small letters",
    ),
    ("reference:\n    steps", "reference:\n    notice: 10s\n    steps", 34, "operators.reference.notice", "at least 1m"),
    (
        "reference:\n    steps",
        "reference:\n    step: 5s\n    steps",
        34,
        "operators.reference.step",
        "faster than people are: at least 30s",
    ),
    ("duration: 20m", "duration: 20m\nverdict_window: 21m", 9, "verdict_window", "21m, is longer than the drill, 20m"),
    (
        "duration: 20m",
        "duration: 20m\nstacks: [sim, local, kind, simm]",
        9,
        "stacks[3]",
        "unknown value 'simm'; did you mean 'sim'?",
    ),
    ("duration: 20m", "duration: 20m\nstacks: [sim, sim]", 9, "stacks[1]", "stands here twice"),
    ("duration: 20m", "duration: 20m\ncontrol: true", 32, "answer.cause", "component and cause are `none`"),
    ("duration: 20m", "duration: 20m\ndifficult: 1", 9, "difficult", "unknown key 'difficult'; did you mean 'difficulty'?"),
    ("duration: 20m", "duration: {calendar: 2h}", 8, "duration", "{cal: 6h} (calendar time)"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "message"), CASES, ids=[f"{case[3]}-{n}" for n, case in enumerate(CASES)])
def test_one_mistake_gives_one_message(problems: Problems, old: str, new: str, line: int, key: str, message: str) -> None:
    """The message says what; the place says where."""
    found = [problem for problem in problems((old, new)) if not problem.place.key.startswith("profiles")]
    assert [problem.place.key for problem in found] == [key]
    assert message in found[0].message
    assert found[0].place.line == line


@pytest.mark.parametrize(
    ("old", "new", "key", "told"),
    [
        ("id: quiet-hours", "id: traffic-spike", "id", "traffic"),
        ("id: quiet-hours", "id: spike-at-noon", "id", "traffic.spike"),
        ("title: Quiet hours", "title: Of spikes and lights", "title", "traffic.spike"),
        ("title: Quiet hours", "title: Traffic on Monday", "title", "traffic"),
    ],
)
def test_names_do_not_tell_the_cause(problems: Problems, old: str, new: str, key: str, told: str) -> None:
    """No spoilers in what the listing shows; `traffic-spike` tells both."""
    found = problems((old, new))
    assert {problem.place.key for problem in found} == {key}
    assert f"{told!r}: choose a name that does not give the incident away" in found[0].message


def test_beats_have_unique_ids(problems: Problems) -> None:
    """Two beats of one name."""
    (found,) = problems(
        (
            "timeline:\n  - id: crowd\n    at",
            "timeline:\n  - {id: crowd, at: 1m, fault: traffic.spike, with: {factor: 2}}\n  - id: crowd\n    at",
        )
    )
    assert (found.place.line, found.place.key) == (24, "timeline[1].id")
    assert "'crowd' is the id of timeline[0] already" in found.message


def test_steps_are_in_order(problems: Problems) -> None:
    """A runbook's step cannot be due before the one above it."""
    (found,) = problems(("- at: 4m\n", "- {at: 5m, do: declare}\n        - at: 4m\n"))
    assert "4m is before an earlier step, 5m" in found.message


def test_cause_must_be_in_the_timeline(problems: Problems) -> None:
    """Without a beat there is nothing to find."""
    (found,) = problems(
        ("  - id: crowd\n    at: 3m\n    for: 15m\n    fault: traffic.spike\n    with: {factor: 4, ramp: 30s}\n", "  []\n"),
    )
    assert "without a fault it is a control" in found.message


def test_real_stacks_need_a_short_profile(valid: str, write: Callable[[str], Path]) -> None:
    """They run in real time."""
    text = valid[: valid.index("profiles:")].replace("duration: 20m", "duration: 20m\nstacks: [sim, kind]")
    with pytest.raises(InvalidScenarioError, match="needs a profile `short`"):
        load_scenario(write(text))


def test_expression_errors_have_their_column(problems: Problems) -> None:
    """The column is that of the wrong name in the file, not that of the expression."""
    (found,) = problems(("error_ratio > 5%", "eror_ratio > 5%"))
    assert (found.place.line, found.place.column) == (35, 36)


def test_all_mistakes_are_reported_in_the_files_order(problems: Problems) -> None:
    """One run shows everything that the parts can tell by themselves."""
    found = problems(
        ("do: shed", "do: shet"),
        ("difficulty: 2", "difficulty: 9"),
        ("{factor: 4, ramp: 30s}\nobj", "{ramp: 30, factr: 4}\nobj"),
        ("pager: ", "pagr: "),
    )
    assert [(problem.place.line, problem.place.key) for problem in found] == [
        (1, "pager"),
        (5, "difficulty"),
        (7, "pagr"),
        (27, "timeline[0].with"),
        (27, "timeline[0].with.ramp"),
        (27, "timeline[0].with.factr"),
        (37, "operators.reference.steps[0].do"),
    ]
    assert str(found[1]).endswith("drill.yaml:5:13: difficulty: 9 is out of bounds: it must be at most 5")


def test_a_flood_of_mistakes_is_cut_off(problems: Problems) -> None:
    """Fifty, then a count."""
    found = problems(("skills: [patience]", "skills: [a]\n" + "\n".join(f"wrong{n}: 1" for n in range(80))))
    assert len(found) == 51
    assert found[-1].message == "and 30 more problems"


def test_long_values_are_cut_off(problems: Problems) -> None:
    """A message fits in a terminal."""
    for old, new in (
        ("difficulty: 2", "difficulty: " + "x" * 5000),
        ("do: shed", "do: " + "y" * 5000),
        ("at: 3m\n", "at: '" + "1" * 500_000 + "'\n"),
    ):
        assert all(len(problem.message) < 320 for problem in problems((old, new)))


def test_release_of_an_unknown_version(problems: Problems) -> None:
    """The version that a fault rolls out must be described, or be the one that serves."""
    found = problems(
        ("fault: traffic.spike\n    with: {factor: 4, ramp: 30s}", "fault: release.slow_model\n    with: {version: v9}"),
        ("answer: {component: clients, cause: traffic.spike}", "answer: {component: model-server, cause: release.slow_model}"),
    )
    assert (found[0].place.line, found[0].place.key) == (27, "timeline[0].with.version")
    assert "unknown version 'v9'; did you mean 'v1'?" in found[0].message
