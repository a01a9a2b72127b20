"""From the validated parts of a file to the frozen `Scenario`, with its digest."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json

from ..model.actions import ACTIONS
from ..model.faults import FAULTS
from ..model.scenario import (
    Answer,
    Beat,
    Clients,
    Debrief,
    Expectations,
    Objective,
    Prices,
    Runbook,
    Runtime,
    Scenario,
    Step,
    Trigger,
    Version,
    WorldConfig,
)
from ..model.service import Approval, Autoscaler, Fallback, Gateway, Retraining, ServiceSpec, Workload
from .checks import Timing, timing_of
from .parts_drill import AlertsPart, BeatPart, RunbookPart, StepPart, parse_all
from .parts_traffic import traffic_of
from .parts_world import ServicePart, VersionPart, WorldPart
from .schema import ScenarioPart


def scenario_of(part: ScenarioPart, profile: str, source: str) -> Scenario:
    """The scenario of a valid file with a profile applied."""
    timing, pace = timing_of(profile), part.world.pace
    scenario = Scenario(
        id=part.id,
        title=part.title,
        group=part.group,
        difficulty=part.difficulty,
        skills=tuple(part.skills),
        pager=part.pager,
        world=_world(part.world),
        service=_service(part.service),
        runtime=Runtime(**part.runtime.model_dump()),
        duration=part.duration,
        warmup=part.warmup if part.warmup is not None else timing.warmup,
        verdict_window=part.verdict_window if part.verdict_window is not None else timing.verdict_window,
        timeline=tuple(_beat(beat, pace) for beat in part.timeline),
        objectives=tuple(Objective(goal.id, goal.sli, goal.target, goal.bound, goal.brier) for goal in part.objectives),
        answer=Answer(part.answer.component, part.answer.cause, part.answer.required),
        reference=runbook_of("reference", part.operators.reference, timing, pace),
        tempting=tuple(runbook_of(name, book, timing, pace) for name, book in part.operators.tempting.items()),
        debrief=Debrief(part.debrief.story, part.debrief.sooner, tuple(part.debrief.sources)),
        versions=tuple(_version(name, own) for name, own in part.service.versions.items()),
        hints=tuple(" ".join(hint.split()) for hint in part.hints),
        alerts=_expectations(part.alerts),
        also_right=next(iter(part.also_right), ""),
        also_right_because=next(iter(part.also_right.values()), ""),
        stacks=tuple(part.stacks),
        control=part.control,
        profile=profile,
        source=source,
    )
    return dataclasses.replace(scenario, digest=digest(scenario))


def digest(scenario: Scenario) -> str:
    """SHA-256 over the canonical JSON (sorted keys, no spaces, UTF-8) of everything but `digest` and `source`."""
    content = dataclasses.asdict(scenario)
    del content["digest"], content["source"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a scenario")


def _world(part: WorldPart) -> WorldConfig:
    return WorldConfig(
        name=part.name,
        start=part.start,
        pace=part.pace,
        traffic=traffic_of(part.traffic, part.pace),
        prices=Prices(**part.prices.model_dump()),
        clients=Clients(**part.clients.model_dump()),
        train_from=part.train.from_ if part.train else None,
        train_until=part.train.until if part.train else None,
    )


def _service(part: ServicePart) -> ServiceSpec:
    return ServiceSpec(
        champion=Workload(**part.champion.model_dump()),
        autoscaler=Autoscaler(**part.autoscaler.model_dump()) if part.autoscaler else Autoscaler(),
        gateway=Gateway(**part.gateway.model_dump()),
        retraining=Retraining(**{**part.retraining.model_dump(), "approval": Approval(part.retraining.approval)}),
        fallback=Fallback(part.fallback),
    )


def _expectations(part: AlertsPart) -> Expectations:
    pairs = [text.split(" before ") for text in part.expect]
    return Expectations(tuple((first.strip(), second.strip()) for first, second in pairs), tuple(part.forbid))


def _version(name: str, part: VersionPart) -> Version:
    window = (part.train.from_, part.train.until) if part.train else (None, None)
    return Version(name, part.trees, part.slow_share, part.slow_factor, *window)


def _beat(part: BeatPart, pace: float) -> Beat:
    params, _ = parse_all(FAULTS[part.fault].params, part.with_, pace)
    return Beat(part.id, part.fault, params, part.at, part.when or "", part.by, part.for_)


def runbook_of(name: str, part: RunbookPart, timing: Timing, pace: float) -> Runbook:
    """The runbook of a valid part, with the times of the profile where it gives none."""
    return Runbook(
        id=name,
        steps=tuple(_step(step, pace) for step in part.steps),
        why=part.why,
        notice=part.notice if part.notice is not None else timing.notice,
        step=part.step if part.step is not None else timing.step,
    )


def _step(part: StepPart, pace: float) -> Step:
    params, _ = parse_all(ACTIONS[part.do].params, part.with_, pace)
    trigger = Trigger(part.at, part.when or "", part.for_ or 0.0, part.alert or "", part.log or "")
    return Step(trigger, part.do, params, part.why)
