"""`ServiceSpec`: the desired state of the service under drill, one home per field.

Operators and controllers change nothing else. A field is named by its path (`gateway.timeout`); a difference between two specs
is a list of `Change`, whoever made it: a drillbox action and the same change made with kubectl are equal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from .params import Value
from .platform import ORIGIN, USUAL_SETTINGS


class Fallback(StrEnum):
    """When a model server answers from rules in place of the model."""

    OFF = "off"
    OVERFLOW = "overflow"  # when its queue is full
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Workload:
    """One deployment of model servers.

    `previous` is the version before the present one, to which a roll-back returns.
    `restarted` names the last restart that was asked for, as `REPLICA#N` or `all#N`; a new value is a new restart.
    """

    version: str = ""
    previous: str = ""
    replicas: int = 0
    concurrency: int = 1  # requests that one replica serves at once
    queue: int = 16  # requests that may wait at one replica
    restarted: str = ""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Horizontal autoscaling of the champion, with the HPA's algorithm."""

    enabled: bool = False
    minimum: int = 1
    maximum: int = 1
    target: float = 0.6  # share of busy slots


@dataclass(frozen=True, slots=True)
class Gateway:
    """Traffic policy of the gateway."""

    timeout: float = 1.0  # seconds, for all tries together
    retries: int = 1  # further tries after a 503 or a broken connection
    retry_budget: float = 1.0  # share of the requests in flight that may be retries; at least 3 always may
    shed: float = 0.0  # share of requests refused at once with 429
    canary_weight: float = 0.0  # share of requests routed to the candidate
    shadow_share: float = 0.0  # share of requests mirrored to the shadow
    threshold: float = 0.0  # score from which a flight is called late; 0: that of each version


@dataclass(frozen=True, slots=True)
class Features:
    """Serving and pipeline of the online features.

    `quarantined` lists features that are served as the median of the training data, whatever the store has. `feed` is the version
    of the weather suppliers' interface that the pipeline reads. `restarted` names the last restart of the pipeline, as `all#N`.
    """

    quarantined: str = ""
    feed: str = "latest"
    restarted: str = ""
    lookup_timeout: float = 0.05  # seconds that a model server waits for the store before it does without


@dataclass(frozen=True, slots=True)
class Servers:
    """The containers of the model servers, of all deployments. `settings` names the revision of their settings."""

    memory: float = 1024.0  # MiB at which a container is killed
    cpu: float = 0.0  # cores that it may use; 0: no limit
    artifacts: str = ORIGIN  # where they load models from
    settings: str = USUAL_SETTINGS


@dataclass(frozen=True, slots=True)
class Platform:
    """What the service runs on.

    `cordoned` lists nodes that no replica is placed on, `drained` names the last drain, as `NODE#N`. `partner` and `batch` are
    the shares that these clients get of what they ask for. `pushed` is what the last push of configuration replaced, as
    `PATH=VALUE` separated by semicolons.
    """

    cordoned: str = ""
    drained: str = ""
    partner: float = 1.0
    batch: float = 1.0
    pushed: str = ""


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Scraping: labels that are dropped, and the last restart of the scrapers, as `all#N`."""

    dropped: str = ""
    restarted: str = ""


class Approval(StrEnum):
    """Who lets a version that passed the gate go on."""

    AUTO = "auto"
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class Retraining:
    """The retraining loop: when it trains, and what a version must do to serve. Hours and days are those of the calendar.

    `requested` names the last run that was asked for by hand, as `DAYSd#N`, `decided` the last decision on the run that waits for
    one, as `approve#N`, and `restarted` the last restart of its scheduler, as `all#N`. `stage` is where its run stands.
    """

    frozen: bool = False  # no run begins, and none goes on to serve
    every: float = 0.0  # hours from one scheduled run to the next; 0: no schedule
    drift: float = 0.0  # a run begins when the SLI `drift` is above it; 0: never
    decay: float = 0.0  # a run begins when the champion's Brier score is above it; 0: never
    cooldown: float = 48.0  # hours after the beginning of a run in which drift and decay begin no other
    days: int = 42  # length of the training window
    gate: bool = True  # whether the checks of data and quality stop a run
    margin: float = 0.002  # by how much a candidate's Brier score must be lower than the champion's
    approval: Approval = Approval.AUTO
    canary: bool = True  # whether a candidate serves a share of the requests first
    requested: str = ""
    decided: str = ""
    restarted: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """The desired state. Pools are those of the three deployments `model-champion`, `model-candidate`, `model-shadow`."""

    champion: Workload = field(default_factory=Workload)
    candidate: Workload = field(default_factory=Workload)
    shadow: Workload = field(default_factory=Workload)
    autoscaler: Autoscaler = field(default_factory=Autoscaler)
    gateway: Gateway = field(default_factory=Gateway)
    features: Features = field(default_factory=Features)
    retraining: Retraining = field(default_factory=Retraining)
    fallback: Fallback = Fallback.OFF
    servers: Servers = field(default_factory=Servers)
    platform: Platform = field(default_factory=Platform)
    monitoring: Monitoring = field(default_factory=Monitoring)


@dataclass(frozen=True, slots=True)
class Change:
    """One field of the spec that changed: by whom, from what, to what, and why if that is known."""

    field: str
    before: Value
    after: Value
    by: str
    why: str = ""


def fields_of(spec: ServiceSpec) -> Iterator[tuple[str, Value]]:
    """Every field's path and value, in the order of declaration."""
    for outer in dataclasses.fields(spec):
        part = getattr(spec, outer.name)
        if dataclasses.is_dataclass(part):
            for inner in dataclasses.fields(part):
                yield f"{outer.name}.{inner.name}", getattr(part, inner.name)
        else:
            yield outer.name, part


def get(spec: ServiceSpec, path: str) -> Value:
    """The value of the field at `path`.

    Raises:
        KeyError: if there is no such field.
    """
    return dict(fields_of(spec))[path]


def with_fields(spec: ServiceSpec, values: dict[str, Value]) -> ServiceSpec:
    """A copy with the fields at the given paths set.

    Raises:
        KeyError: if there is no such field.
    """
    known = dict(fields_of(spec))
    for path, value in values.items():
        if path not in known:
            raise KeyError(path)
        outer, _, inner = path.partition(".")
        new = dataclasses.replace(getattr(spec, outer), **{inner: value}) if inner else value
        spec = dataclasses.replace(spec, **{outer: new})  # type: ignore[arg-type]  # the path was checked above
    return spec


def differences(before: ServiceSpec, after: ServiceSpec, by: str, why: str = "") -> tuple[Change, ...]:
    """What changed between two specs, in the order of declaration."""
    pairs = zip(fields_of(before), fields_of(after), strict=True)
    return tuple(Change(path, old, new, by, why) for (path, old), (_, new) in pairs if old != new)
