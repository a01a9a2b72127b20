"""The catalogue of actions: what an operator can do. Each is declared once, with the `ServiceSpec` fields that it may change."""

from __future__ import annotations

from . import releases
from .action import Action, InapplicableError, Plan
from .action import setting as _set
from .faults import FAULTS
from .features import ALL, ONLINE, listed, names_in
from .params import Kind, Param, Params, Value
from .platform_actions import PLATFORM
from .retraining import RETRAINING
from .service import Fallback, ServiceSpec, with_fields

__all__ = ["ACTIONS", "Action", "InapplicableError", "Plan"]


NOTHING = "none"
"""What a diagnosis names when nothing is wrong."""
_OF_THE_SERVICE = ("gateway", "model-server", "autoscaler", "retraining")
COMPONENTS = tuple(dict.fromkeys((*_OF_THE_SERVICE, *(one.component for one in FAULTS.values()), NOTHING)))
"""Components that a diagnosis can name: those of the service, and those where a fault of the catalogue can be."""


def _scale(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    replicas = int(params["replicas"])
    scaler = spec.autoscaler
    if scaler.enabled and not scaler.minimum <= replicas <= scaler.maximum:
        raise InapplicableError(
            f"the autoscaler keeps between {scaler.minimum} and {scaler.maximum} replicas; change its bounds with set-autoscaler"
        )
    return with_fields(spec, {"champion.replicas": replicas})


def _autoscaler(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    new = _set(
        enabled="autoscaler.enabled", minimum="autoscaler.minimum", maximum="autoscaler.maximum", target="autoscaler.target"
    )(spec, params, _number)
    if new.autoscaler.minimum > new.autoscaler.maximum:
        raise InapplicableError(f"minimum {new.autoscaler.minimum} is above maximum {new.autoscaler.maximum}")
    return new


def _restart(spec: ServiceSpec, params: Params, number: int) -> ServiceSpec:
    return with_fields(spec, {"champion.restarted": f"{params['replica']}#{number}"})


def _fallback(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    value: Value = Fallback(str(params["mode"]))
    return with_fields(spec, {"fallback": value})


def _quarantine(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    wanted = str(params["feature"])
    names = ONLINE if wanted == ALL else (*names_in(spec.features.quarantined), wanted)
    return with_fields(spec, {_QUARANTINED: listed(names)})


def _release(spec: ServiceSpec, params: Params, _number: int) -> ServiceSpec:
    names, name = names_in(spec.features.quarantined), str(params["feature"])
    if name == ALL:
        return with_fields(spec, {_QUARANTINED: ""})
    if name not in names:
        raise InapplicableError(f"{name} is not in quarantine; {', '.join(names) or 'nothing'} is")
    return with_fields(spec, {_QUARANTINED: listed(one for one in names if one != name)})


def _restart_pipeline(spec: ServiceSpec, _params: Params, number: int) -> ServiceSpec:
    return with_fields(spec, {"features.restarted": f"all#{number}"})


_QUARANTINED = "features.quarantined"

SCALE = Action(
    "scale",
    "model-server",
    "Set the number of champion replicas; new ones serve once they have started and loaded the model.",
    (Param("replicas", Kind.COUNT, "wanted number of replicas", minimum=0, maximum=64),),
    ("champion.replicas",),
    _scale,
    mitigating=True,
)
RESTART = Action(
    "restart",
    "model-server",
    "Restart one replica, or all of them; what it is serving and what waits there is lost.",
    (Param("replica", Kind.NAME, "name of the replica, or all", default="all"),),
    ("champion.restarted",),
    _restart,
    destructive=True,
    mitigating=True,
)
SET_AUTOSCALER = Action(
    "set-autoscaler",
    "autoscaler",
    "Change the autoscaler's bounds or target, or switch it on or off.",
    (
        Param("enabled", Kind.SWITCH, "whether it scales at all", optional=True),
        Param("minimum", Kind.COUNT, "fewest replicas", optional=True, minimum=0, maximum=64),
        Param("maximum", Kind.COUNT, "most replicas", optional=True, minimum=1, maximum=64),
        Param("target", Kind.SHARE, "share of busy slots it aims at", optional=True, minimum=0.05, maximum=1.0),
    ),
    ("autoscaler.enabled", "autoscaler.minimum", "autoscaler.maximum", "autoscaler.target"),
    _autoscaler,
    mitigating=True,
)
SHED = Action(
    "shed",
    "gateway",
    "Refuse a share of the requests at the gateway at once (429), so that the rest is served in time; 0% ends it.",
    (Param("share", Kind.SHARE, "share of requests to refuse", minimum=0.0, maximum=1.0),),
    ("gateway.shed",),
    _set(share="gateway.shed"),
    destructive=True,
    mitigating=True,
)
FALLBACK = Action(
    "fallback",
    "model-server",
    "Answer from simple rules in place of the model: off, on overflow (when a queue is full), or always.",
    (Param("mode", Kind.CHOICE, "when rules answer", choices=tuple(Fallback)),),
    ("fallback",),
    _fallback,
    mitigating=True,
)
SET_TIMEOUT = Action(
    "set-timeout",
    "gateway",
    "Set how long the gateway waits for an answer, all tries together, before it gives up (504).",
    (Param("timeout", Kind.DURATION, "longest wait", minimum=0.05, maximum=60.0),),
    ("gateway.timeout",),
    _set(timeout="gateway.timeout"),
    mitigating=True,
)
SET_RETRIES = Action(
    "set-retries",
    "gateway",
    "Set how often the gateway tries again after a 503 or a broken connection, and which share of its requests may be retries.",
    (
        Param("retries", Kind.COUNT, "further tries of one request", optional=True, minimum=0, maximum=10),
        Param("budget", Kind.SHARE, "share of the requests in flight that may be retries", optional=True),
    ),
    ("gateway.retries", "gateway.retry_budget"),
    _set(retries="gateway.retries", budget="gateway.retry_budget"),
    mitigating=True,
)
ROLL_BACK = Action(
    "roll-back",
    "model-server",
    "Return the champion to the version before, by a rolling update; canary traffic ends.",
    fields=("champion.version", "champion.previous", "gateway.canary_weight"),
    plan=releases.roll_back,
    mitigating=True,
)
STAGE = Action(
    "stage",
    "model-server",
    "Start replicas of a candidate version; they get no traffic yet.",
    (
        Param("version", Kind.NAME, "version of the model"),
        Param("replicas", Kind.COUNT, "how many", default=1, minimum=0, maximum=64),
    ),
    ("candidate.version", "candidate.replicas", "candidate.concurrency", "candidate.queue"),
    releases.stage,
)
SET_CANARY = Action(
    "set-canary",
    "gateway",
    "Route a share of the requests to the candidate; 0% takes it out.",
    (Param("weight", Kind.SHARE, "the candidate's share of the requests", minimum=0.0, maximum=1.0),),
    ("gateway.canary_weight",),
    releases.set_canary,
)
PROMOTE = Action(
    "promote",
    "model-server",
    "Make the candidate's version the champion's, by a rolling update.",
    fields=("champion.version", "champion.previous", "candidate.replicas", "gateway.canary_weight"),
    plan=releases.promote,
    destructive=True,
)
SHADOW = Action(
    "shadow",
    "gateway",
    "Mirror a share of the requests to a version that answers nobody; 0% ends it.",
    (
        Param("version", Kind.NAME, "version of the model"),
        Param("share", Kind.SHARE, "share of the requests to copy", default=1.0, minimum=0.0, maximum=1.0),
    ),
    ("shadow.version", "shadow.replicas", "shadow.concurrency", "shadow.queue", "gateway.shadow_share"),
    releases.shadow,
)
QUARANTINE = Action(
    "quarantine",
    "feature-store",
    "Serve a feature as the median of the training data, whatever the store has.",
    (Param("feature", Kind.CHOICE, "which feature, or all", choices=(*ONLINE, ALL)),),
    (_QUARANTINED,),
    _quarantine,
    duration=10.0,
    mitigating=True,
)
RELEASE_FEATURE = Action(
    "release-feature",
    "feature-store",
    "End the quarantine of a feature: serve what the store has.",
    (Param("feature", Kind.CHOICE, "which feature, or all", choices=(*ONLINE, ALL)),),
    (_QUARANTINED,),
    _release,
    duration=10.0,
)
PIN_FEED = Action(
    "pin-feed",
    "feature-pipeline",
    "Read a version of the weather suppliers' interface, and load the present values again through it.",
    (Param("feed", Kind.CHOICE, "which version", choices=("v1", "latest")),),
    ("features.feed",),
    _set(feed="features.feed"),
    duration=60.0,
    mitigating=True,
)
RESTART_PIPELINE = Action(
    "restart-pipeline",
    "feature-pipeline",
    "Restart the consumers of the feature pipeline: they log on anew and catch up.",
    (),
    ("features.restarted",),
    _restart_pipeline,
    duration=60.0,
    mitigating=True,
)
ACKNOWLEDGE = Action(
    "acknowledge",
    "monitoring",
    "Take an alert on: it stops calling, and stays as it is.",
    (Param("alert", Kind.NAME, "name of a firing alert, or all", default="all"),),
)
SILENCE = Action(
    "silence",
    "monitoring",
    "Tell nobody of an alert for a while; its state stays as it is.",
    (
        Param("alert", Kind.NAME, "name of the alert"),
        Param("duration", Kind.DURATION, "for how long", default=600.0, minimum=1.0, maximum=86400.0),
    ),
)
DECLARE = Action("declare", "incident", "Declare the incident: you have noticed it and are on it.")
DIAGNOSE = Action(
    "diagnose",
    "incident",
    "Name what is at fault and why; the last diagnosis counts, and it changes nothing in the service.",
    (
        Param("component", Kind.CHOICE, "the component at fault", choices=COMPONENTS),
        Param("cause", Kind.CHOICE, "what went wrong there", choices=(*FAULTS, NOTHING)),
    ),
)
HINT = Action("hint", "incident", "Ask for the next hint; hints are counted, and the debrief tells them.")
NOTE = Action(
    "note",
    "incident",
    "Write a note for the debrief.",
    (Param("text", Kind.TEXT, "what to remember"),),
)
RESOLVE = Action("resolve", "incident", "Record that the incident is over; the drill runs on to its end.")

ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        SCALE, RESTART, SET_AUTOSCALER, SHED, FALLBACK, SET_TIMEOUT, SET_RETRIES, ROLL_BACK, STAGE, SET_CANARY, PROMOTE, SHADOW,
        QUARANTINE, RELEASE_FEATURE, PIN_FEED, RESTART_PIPELINE, *PLATFORM, *RETRAINING, ACKNOWLEDGE, SILENCE, DECLARE, DIAGNOSE,
        HINT, NOTE, RESOLVE,
    )
}  # fmt: skip
