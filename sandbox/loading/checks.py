"""Checks across the parts of a scenario: times against its length, unique names, no spoilers, the limits of a profile."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..gamers import MAY_BE_RIGHT
from ..model.errors import UsageError, nearest
from ..model.scenario import Objective
from ..model.units import format_duration
from ..monitor.objectives import alert_name
from ..monitor.thresholds import threshold_alerts
from ..world.calendar import validate_calendar, validate_window
from .fields import Finding
from .parts_drill import RunbookPart
from .parts_world import TrainPart
from .schema import ScenarioPart

SHORT = "short"
RESERVED = ("idle", "reference")
"""Names that no tempting runbook may have."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Default times of a profile in seconds; `notice` and `step` are lower limits, too."""

    warmup: float
    verdict_window: float
    notice: float
    step: float


FULL_TIMING = Timing(warmup=1800.0, verdict_window=300.0, notice=60.0, step=30.0)
SHORT_TIMING = Timing(warmup=60.0, verdict_window=60.0, notice=20.0, step=10.0)
SHORT_DURATION = 240.0
SHORT_FAULT_BY = 20.0


def timing_of(profile: str) -> Timing:
    """The times of a profile."""
    return SHORT_TIMING if profile == SHORT else FULL_TIMING


def findings(part: ScenarioPart, profile: str) -> Iterator[Finding]:
    """Everything that is wrong between the parts; paths begin at the root."""
    yield from _spoilers(part)
    yield from _names(part)
    yield from _times(part, profile)
    yield from _calendar(part, profile)
    yield from _runbooks(part, profile)
    yield from _answer(part)
    yield from _versions(part)
    yield from _alerts(part)
    for name in part.also_right:
        if name not in MAY_BE_RIGHT:
            yield ("also_right", name), f"unknown gamer {name[:60]!r}; {nearest(name[:60], MAY_BE_RIGHT)}"
    if profile == SHORT:
        yield from _short(part)
    if profile == "" and SHORT not in part.profiles and set(part.stacks) - {"sim"}:
        yield ("stacks",), "a scenario for real stacks needs a profile `short` of at most 4 minutes"


def _spoilers(part: ScenarioPart) -> Iterator[Finding]:
    for key, text in (("id", part.id.rpartition("/")[2]), ("title", part.title)):
        words = _words(text)
        if _contains(words, _words(part.group)):
            yield (key,), f"tells the group, {part.group!r}: choose a name that does not give the incident away"
        cause = part.answer.cause
        if cause != "none" and _contains(words, _words(cause.rpartition(".")[2])):
            yield (key,), f"tells the cause, {cause!r}: choose a name that does not give the incident away"


def _words(text: str) -> list[str]:
    """Words in small letters, without the s of a plural."""
    return [word.removesuffix("s") for word in re.findall(r"[a-z0-9]+", text.lower())]


def _contains(words: list[str], wanted: list[str]) -> bool:
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1))


def _names(part: ScenarioPart) -> Iterator[Finding]:
    for key, ids in (("timeline", [beat.id for beat in part.timeline]), ("objectives", [goal.id for goal in part.objectives])):
        for index, name in enumerate(ids):
            if name in ids[:index]:
                yield (key, index, "id"), f"{name!r} is the id of {key}[{ids.index(name)}] already"
    for index, stack in enumerate(part.stacks):
        if stack in part.stacks[:index]:
            yield ("stacks", index), f"{stack!r} stands here twice"
    for name in part.operators.tempting:
        if name in RESERVED:
            yield ("operators", "tempting", name), f"{name!r} is the name of another operator: choose a different one"


def _times(part: ScenarioPart, profile: str) -> Iterator[Finding]:
    window = part.verdict_window if part.verdict_window is not None else timing_of(profile).verdict_window
    if window > part.duration:
        key = "verdict_window" if part.verdict_window is not None else "duration"
        yield (key,), f"the verdict window, {format_duration(window)}, is longer than the drill, {format_duration(part.duration)}"
    for index, beat in enumerate(part.timeline):
        for key, value in (("at", beat.at), ("by", beat.by)):
            if value is not None and value >= part.duration:
                yield ("timeline", index, key), _late(value, part.duration)


def _calendar(part: ScenarioPart, profile: str) -> Iterator[Finding]:
    """The world's data must cover the warm-up, the drill and the training window."""
    world = part.world
    warmup = part.warmup if part.warmup is not None else timing_of(profile).warmup
    try:
        validate_calendar(world.start, world.pace, part.duration, warmup)
    except UsageError as error:
        yield ("world", "start"), str(error)
    windows: list[tuple[tuple[str, ...], TrainPart | None]] = [(("world", "train"), world.train)]
    windows += [(("service", "versions", name, "train"), version.train) for name, version in part.service.versions.items()]
    for where, train in windows:
        if train is not None:
            yield from _training_window(train, world.start, where)


def _training_window(train: TrainPart, start: dt.datetime, where: tuple[str, ...]) -> Iterator[Finding]:
    try:
        validate_window(train.from_, train.until)
    except UsageError as error:
        yield where, str(error)
    if train.until > start:
        yield (*where, "until"), f"must not be after the world's start, {start.isoformat()}: that leaks the future"


def _late(value: float, duration: float) -> str:
    return f"{format_duration(value)} is after the end of the drill, {format_duration(duration)}"


def _runbooks(part: ScenarioPart, profile: str) -> Iterator[Finding]:
    timing = timing_of(profile)
    may_be_empty = part.control
    yield from runbook_findings(part.operators.reference, timing, part.duration, ("operators", "reference"), may_be_empty)
    for name, book in part.operators.tempting.items():
        yield from runbook_findings(book, timing, part.duration, ("operators", "tempting", name))


def runbook_findings(
    book: RunbookPart, timing: Timing, duration: float, path: tuple[str, ...] = (), may_be_empty: bool = False
) -> Iterator[Finding]:
    """Everything that is wrong with a runbook in a drill of `duration` seconds; `path` is where it stands in the file."""
    for key, value, least in (("notice", book.notice, timing.notice), ("step", book.step, timing.step)):
        if value is not None and value < least:
            yield (*path, key), f"{format_duration(value)} is faster than people are: at least {format_duration(least)}"
    if not book.steps and not may_be_empty:
        yield (*path, "steps"), "is empty; at least one step is needed"
    if book.steps and not (book.steps[0].at is not None or book.steps[0].when or book.steps[0].alert or book.steps[0].log):
        yield (*path, "steps", 0), "when is the first step due? give at (a drill time), when (a condition), alert or log"
    before = 0.0
    for index, step in enumerate(book.steps):
        if step.at is None:
            continue
        if step.at >= duration:
            yield (*path, "steps", index, "at"), _late(step.at, duration)
        if step.at < before:
            message = f"{format_duration(step.at)} is before an earlier step, {format_duration(before)}: steps are taken in order"
            yield (*path, "steps", index, "at"), message
        before = max(before, step.at)


def _answer(part: ScenarioPart) -> Iterator[Finding]:
    causes = [beat.fault for beat in part.timeline]
    if part.control:
        if part.answer.cause != "none":
            yield ("answer", "cause"), "in a control nothing is wrong: component and cause are `none`"
        return
    if not causes:
        yield ("timeline",), "is empty; without a fault it is a control: set `control: true`"
    elif part.answer.cause not in causes:
        yield ("answer", "cause"), f"{part.answer.cause!r} is not in the timeline, which has {', '.join(sorted(set(causes)))}"


def _versions(part: ScenarioPart) -> Iterator[Finding]:
    known = {part.service.champion.version, *part.service.versions}
    for index, beat in enumerate(part.timeline):
        version = beat.with_.get("version")
        if isinstance(version, str) and version not in known:
            yield ("timeline", index, "with", "version"), f"unknown version {version[:60]!r}; {nearest(version[:60], known)}"


def _alerts(part: ScenarioPart) -> Iterator[Finding]:
    known = {alert_name(Objective(goal.id, goal.sli, goal.target)) for goal in part.objectives} | {
        rule.name for rule in threshold_alerts()
    }
    named = [(("alerts", "forbid", index), name) for index, name in enumerate(part.alerts.forbid)]
    for index, text in enumerate(part.alerts.expect):
        named += [(("alerts", "expect", index), name) for name in text.split(" before ")]
    books = {"reference": part.operators.reference} | part.operators.tempting
    for name, book in books.items():
        where = ("operators", "reference") if name == "reference" else ("operators", "tempting", name)
        named += [((*where, "steps", place, "alert"), step.alert) for place, step in enumerate(book.steps) if step.alert]
    for path, name in named:
        if name not in known:
            yield path, f"unknown alert {name[:60]!r}; {nearest(name[:60], known)}"


def _short(part: ScenarioPart) -> Iterator[Finding]:
    """The limits that make runs on real stacks comparable."""
    if part.duration > SHORT_DURATION:
        yield ("duration",), f"the profile `short` lasts at most {format_duration(SHORT_DURATION)}"
    for key, value, wanted in (
        ("warmup", part.warmup, SHORT_TIMING.warmup),
        ("verdict_window", part.verdict_window, SHORT_TIMING.verdict_window),
    ):
        if value is not None and value != wanted:
            yield (key,), f"in the profile `short` it is {format_duration(wanted)}"
    begins = [beat.at if beat.at is not None else beat.by for beat in part.timeline]
    known = [begin for begin in begins if begin is not None]
    if known and min(known) > SHORT_FAULT_BY:
        yield ("timeline", 0), f"in the profile `short` the first fault begins by {format_duration(SHORT_FAULT_BY)}"
