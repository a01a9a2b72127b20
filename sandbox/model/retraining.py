"""The actions on the retraining loop: to ask for a run, to hold the loop, to decide on a version, to change what begins a run."""

from __future__ import annotations

from .action import Action, InapplicableError, setting
from .params import Kind, Param, Params, Value
from .service import Approval, ServiceSpec, with_fields

COMPONENT = "retraining"
WAITS = "waiting for approval"
"""How the stage of a run ends that somebody has to decide on."""


def _retrain(spec: ServiceSpec, params: Params, number: int) -> ServiceSpec:
    loop = spec.retraining
    if loop.frozen:
        raise InapplicableError("retraining is frozen; end that first with resume-retraining")
    if loop.stage:
        raise InapplicableError(f"one run at a time: {loop.stage}; end it with reject, or wait")
    return with_fields(spec, {"retraining.requested": f"{params.get('days', loop.days)}d#{number}"})


def _freeze(spec: ServiceSpec, _params: Params, _number: int) -> ServiceSpec:
    return with_fields(spec, {"retraining.frozen": True})


def _resume(spec: ServiceSpec, _params: Params, _number: int) -> ServiceSpec:
    if not spec.retraining.frozen:
        raise InapplicableError("retraining is not frozen")
    return with_fields(spec, {"retraining.frozen": False})


def _approve(spec: ServiceSpec, _params: Params, number: int) -> ServiceSpec:
    if not spec.retraining.stage.endswith(WAITS):
        raise InapplicableError(f"no run is waiting for approval; {spec.retraining.stage or 'none is under way'}")
    return with_fields(spec, {"retraining.decided": f"approve#{number}"})


def _reject(spec: ServiceSpec, _params: Params, number: int) -> ServiceSpec:
    if not spec.retraining.stage:
        raise InapplicableError("no run is under way; a version that serves is taken back with roll-back or abort-canary")
    return with_fields(spec, {"retraining.decided": f"reject#{number}"})


def _abort(spec: ServiceSpec, _params: Params, _number: int) -> ServiceSpec:
    if not spec.candidate.replicas:
        raise InapplicableError("there is no candidate")
    return with_fields(spec, {"candidate.replicas": 0, "gateway.canary_weight": 0.0})


def _restart(spec: ServiceSpec, _params: Params, number: int) -> ServiceSpec:
    return with_fields(spec, {"retraining.restarted": f"all#{number}"})


def _tune(spec: ServiceSpec, params: Params, number: int) -> ServiceSpec:
    values: dict[str, Value] = {}
    if "approval" in params:
        values["retraining.approval"] = Approval(str(params["approval"]))
    return with_fields(_TUNE(spec, params, number), values)


_COPIED = {name: f"retraining.{name}" for name in ("every", "drift", "decay", "cooldown", "days", "gate", "margin", "canary")}
_TUNE = setting(**_COPIED)


def _number(name: str, text: str, most: float) -> Param:
    return Param(name, Kind.FACTOR, text, optional=True, minimum=0.0, maximum=most)


RETRAINING = (
    Action(
        "retrain",
        COMPONENT,
        "Begin a training run by hand, on the flights of the last days; it goes through the gate and the canary as any other.",
        (Param("days", Kind.COUNT, "length of the training window in days", optional=True, minimum=1, maximum=180),),
        ("retraining.requested",),
        _retrain,
        mitigating=True,
    ),
    Action(
        "freeze-retraining",
        COMPONENT,
        "Begin no run, and let none go on: the one that is under way is given up, a canary stays as it is.",
        (),
        ("retraining.frozen",),
        _freeze,
        mitigating=True,
    ),
    Action("resume-retraining", COMPONENT, "End the freeze.", (), ("retraining.frozen",), _resume),
    Action(
        "approve",
        COMPONENT,
        "Let the version go on that passed the gate and waits for approval.",
        (),
        ("retraining.decided",),
        _approve,
    ),
    Action(
        "reject",
        COMPONENT,
        "Give up the run that is under way; a candidate of it is taken out.",
        (),
        ("retraining.decided",),
        _reject,
    ),
    Action(
        "abort-canary",
        COMPONENT,
        "Take the candidate out: no requests, no replicas; the champion stays.",
        (),
        ("candidate.replicas", "gateway.canary_weight"),
        _abort,
    ),
    Action(
        "restart-scheduler",
        COMPONENT,
        "Restart the scheduler of the retraining loop: schedule and thresholds are looked at again from now on.",
        (),
        ("retraining.restarted",),
        _restart,
        duration=30.0,
        mitigating=True,
    ),
    Action(
        "set-retraining",
        COMPONENT,
        "Change what begins a run and what it must pass. Hours and days are those of the calendar.",
        (
            _number("every", "hours between scheduled runs; 0: no schedule", 8760.0),
            _number("drift", "a run begins when the drift is above it; 0: never", 1000.0),
            _number("decay", "a run begins when the Brier score is above it; 0: never", 1.0),
            _number("cooldown", "hours in which drift and decay begin no other", 8760.0),
            Param("days", Kind.COUNT, "length of the training window in days", optional=True, minimum=1, maximum=180),
            Param("gate", Kind.SWITCH, "whether checks of data and quality stop a run", optional=True),
            _number("margin", "how much lower the Brier score must be", 1.0),
            Param("approval", Kind.CHOICE, "who lets a version go on", optional=True, choices=tuple(Approval)),
            Param("canary", Kind.SWITCH, "whether a candidate serves a share of the requests first", optional=True),
        ),
        (*_COPIED.values(), "retraining.approval"),
        _tune,
    ),
)
"""In the order of the catalogue."""
