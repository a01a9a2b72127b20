"""The scenario file's parts on the world and the service, key by key. See `schema`."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from ..model.errors import nearest
from ..model.service import Approval, Fallback
from .fields import Date, Duration, Line, LocatedError, Number, Part, Share
from .parts_traffic import TrafficPart

WORLDS = ("flights",)


class ClientsPart(Part):
    """How the clients behave; the operator cannot change it."""

    timeout: Duration = Field(default=2.0, gt=0)
    """How long a client waits before it hangs up."""
    retries: int = Field(default=0, ge=0, le=20)
    """Further attempts after a failure."""
    backoff: Duration = 0.2
    """Wait before the first further attempt; doubled each time, with full jitter."""
    backoff_limit: Duration = 5.0
    """The longest such wait."""


class PricesPart(Part):
    """What things cost, in dollars."""

    failed: Number = Field(gt=0)
    """A request that got no answer."""
    slow: Number = Field(ge=0)
    """An answer later than the latency objective's bound."""
    missed: Number = Field(ge=0)
    """A prediction of "on time" for a flight that arrived late."""
    false_alarm: Number = Field(ge=0)
    """A prediction of "late" for a flight that arrived on time."""
    replica_hour: Number = Field(ge=0)
    """One replica for an hour of drill time."""
    training_hour: Number = Field(default=0.0, ge=0)
    """One training job for an hour of drill time."""

    @model_validator(mode="after")
    def _sane(self) -> PricesPart:
        if self.slow > self.failed:
            raise LocatedError(
                (("slow",), f"a slow answer ({self.slow:g}) must not cost more than none at all ({self.failed:g})")
            )
        return self


class TrainPart(Part):
    """Which data the model was trained on that serves at the start. Labels are used only as far as they were known then."""

    from_: Date = Field(alias="from")
    """First day."""
    until: Date
    """End of the window."""


class WorldPart(Part):
    """The data behind the service, and its calendar: calendar time = `start` + `pace` x drill time."""

    name: str
    """The data set: `flights`."""
    start: Date
    """Calendar time at t = 0."""
    pace: Number = Field(gt=0, le=100_000)
    """Calendar seconds per second of drill time."""
    traffic: TrafficPart
    """How many requests arrive."""
    clients: ClientsPart = ClientsPart()
    """How the clients behave."""
    prices: PricesPart
    """What things cost."""
    train: TrainPart | None = None
    """Training data of the first model; without it the world chooses."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in WORLDS:
            raise ValueError(f"unknown world {name[:60]!r}; {nearest(name[:60], WORLDS)}")
        return name

    @model_validator(mode="after")
    def _in_order(self) -> WorldPart:
        if self.train is None:
            return self
        if self.train.from_ >= self.train.until:
            raise LocatedError((("train", "from"), f"must be before until, {self.train.until.isoformat()}"))
        return self


class ChampionPart(Part):
    """The model servers that answer."""

    version: Line = "v1"
    """Version of the model."""
    previous: Line = ""
    """The version before, to which a roll-back returns."""
    replicas: int = Field(ge=1, le=64)
    """How many replicas."""
    concurrency: int = Field(ge=1, le=256)
    """Requests that one replica serves at once."""
    queue: int = Field(ge=0, le=10_000)
    """Requests that may wait at one replica; a full queue answers 503 at once."""


class VersionPart(Part):
    """A version of the model that can be deployed in the drill."""

    trees: int = Field(default=60, ge=1, le=1000)
    """Boosted trees of the model that is trained for it."""
    slow_share: Share = 0.0
    """Share of its answers that take longer."""
    slow_factor: Number = Field(default=1.0, ge=1, le=1000)
    """How many times as long these take."""
    train: TrainPart | None = None
    """The data that it was trained on; those of the world's `train` if not given."""


class AutoscalerPart(Part):
    """Horizontal autoscaling with the HPA's algorithm."""

    enabled: bool = True
    """Whether it scales at all."""
    minimum: int = Field(ge=0, le=64)
    """Fewest replicas."""
    maximum: int = Field(ge=1, le=64)
    """Most replicas."""
    target: Share = Field(default=0.6, ge=0.05, le=1)
    """The share of busy slots that it aims at."""

    @model_validator(mode="after")
    def _bounds(self) -> AutoscalerPart:
        if self.minimum > self.maximum:
            raise LocatedError((("minimum",), f"{self.minimum} is above maximum, {self.maximum}"))
        return self


class GatewayPart(Part):
    """Traffic policy of the gateway."""

    timeout: Duration = Field(default=1.0, ge=0.05, le=60)
    """How long it waits for an answer, all tries together."""
    retries: int = Field(default=1, ge=0, le=10)
    """Further tries after a 503 or a broken connection."""
    retry_budget: Share = 1.0
    """Share of the requests in flight that may be retries."""
    shed: Share = 0.0
    """Share of the requests that it refuses from the start."""


class RetrainingPart(Part):
    """The retraining loop. Hours and days are those of the calendar."""

    every: Number = Field(default=0.0, ge=0, le=8760)
    """Hours between scheduled runs, counted from the end of the champion's training data; 0: no schedule."""
    drift: Number = Field(default=0.0, ge=0, le=1000)
    """A run begins when the SLI `drift` is above it; 0: never."""
    decay: Number = Field(default=0.0, ge=0, le=1)
    """A run begins when the champion's Brier score is above it; 0: never."""
    cooldown: Number = Field(default=48.0, ge=0, le=8760)
    """Hours after the beginning of a run in which drift and decay begin no other."""
    days: int = Field(default=42, ge=1, le=180)
    """Length of the training window in days."""
    gate: bool = True
    """Whether the checks of data and quality stop a run."""
    margin: Number = Field(default=0.002, ge=0, le=1)
    """By how much a candidate's Brier score must be lower than the champion's."""
    approval: str = Approval.AUTO.value
    """Who lets a version go on that passed the gate: auto or hand."""
    canary: bool = True
    """Whether a candidate serves a share of the requests first."""
    frozen: bool = False
    """Whether no run begins until somebody resumes it."""

    @field_validator("approval")
    @classmethod
    def _known(cls, approval: str) -> str:
        known = [one.value for one in Approval]
        if approval not in known:
            raise ValueError(f"unknown value {approval[:60]!r}; {nearest(approval[:60], known)}")
        return approval


class ServicePart(Part):
    """The service under drill as it is at the start."""

    champion: ChampionPart
    """The pool of model servers that answers at the start."""
    autoscaler: AutoscalerPart | None = None
    """Autoscaling; without it the number of replicas is fixed."""
    gateway: GatewayPart = GatewayPart()
    """Traffic policy."""
    retraining: RetrainingPart = RetrainingPart()
    """When new versions are trained, and what they must pass."""
    versions: dict[Line, VersionPart] = Field(default_factory=dict)
    """Versions that differ from an ordinary one, by name."""
    fallback: str = Fallback.OFF.value
    """When rules answer in place of the model: off, overflow, always."""

    @field_validator("fallback")
    @classmethod
    def _mode(cls, mode: str) -> str:
        modes = [fallback.value for fallback in Fallback]
        if mode not in modes:
            raise ValueError(f"unknown value {mode[:60]!r}; {nearest(mode[:60], modes)}")
        return mode

    @model_validator(mode="after")
    def _within_bounds(self) -> ServicePart:
        scaler = self.autoscaler
        if scaler and scaler.enabled and not scaler.minimum <= self.champion.replicas <= scaler.maximum:
            raise LocatedError(
                (
                    ("champion", "replicas"),
                    f"{self.champion.replicas} is outside the autoscaler's bounds, {scaler.minimum} to {scaler.maximum}",
                )
            )
        return self


class RuntimePart(Part):
    """How the simulated service behaves; real stacks have these facts by nature. All are drill time."""

    service_time: Duration = Field(default=0.05, gt=0, le=60)
    """Mean time to answer one request from the model."""
    service_time_cv: Number = Field(default=0.4, ge=0, le=10)
    """Its coefficient of variation (log-normal)."""
    rules_time: Duration = Field(default=0.004, gt=0, le=60)
    """Mean time to answer one request from the rules."""
    start_time: Duration = Field(default=8.0, le=3600)
    """Time until a new replica's process runs."""
    load_time: Duration = Field(default=12.0, le=3600)
    """Time to load the model."""
    cancel_on_timeout: bool = False
    """Whether a server stops work that nobody waits for."""
    training_time: Duration = Field(default=60.0, ge=1, le=3600)
    """Time that a training job takes."""
