"""Settings of the model server: what is fixed for its life, and what controls change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from ....sandbox.model.errors import nearest
from ....sandbox.model.features import ONLINE, listed, names_in
from ....sandbox.model.platform import USUAL_SETTINGS
from ....sandbox.model.service import Fallback
from ..common.settings import ADDRESS, Finite, Settings

REVISION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


def _features(text: str) -> str:
    names = [name.strip() for name in names_in(text)]
    for name in names:
        if name not in ONLINE:
            raise ValueError(f"{name!r} is no online feature: {nearest(name, ONLINE)}")
    return listed(names)


def _catalogue(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        found = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError('an object is wanted, such as {"v1": "flights-20130301-1f0c9a2b"}')
    return found


Quarantined = Annotated[str, AfterValidator(_features)]


class ModelSettings(Settings):
    """The environment of a model server."""

    model: str = Field("flights", alias="MODEL_NAME", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="the model's name")
    version: str = Field(alias="MODEL_VERSION", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="the version that it serves")
    artifact: str = Field("", alias="MODEL_ARTIFACT", description="that version's id in the store; the version itself if not set")
    catalogue: Annotated[dict[str, str], BeforeValidator(_catalogue)] = Field(
        default_factory=dict,
        alias="MODEL_CATALOGUE",
        description="ids in the store by version, as JSON, for want of MODEL_ARTIFACT",
    )
    reference: str = Field("", alias="MODEL_REFERENCE", description="id of the version whose medians stand in; the artifact's")
    deployment: str = Field("", alias="MODEL_DEPLOYMENT", description="label of its metrics; empty: none")
    pod: str = Field("", alias="MODEL_POD", description="label of its metrics; empty: none")
    features_url: str = Field(
        "", alias="MODEL_FEATURES_URL", pattern=r"^(https?://.+)?$", description="the feature store's address"
    )
    store_url: str = Field("", alias="MODEL_STORE_URL", pattern=ADDRESS, description="the registry that models are fetched from")
    log_file: Path | None = Field(None, alias="MODEL_PREDICTION_LOG", description="file that predictions are appended to")
    log_url: str = Field("", alias="MODEL_PREDICTION_URL", pattern=ADDRESS, description="what predictions are posted to")
    body_limit: int = Field(1 << 20, alias="MODEL_BODY_LIMIT", ge=1024, le=1 << 28, description="largest request, in bytes")
    batch: int = Field(64, alias="MODEL_BATCH", ge=1, le=4096, description="requests in a micro-batch, at most")
    batch_delay: Finite = Field(0.0, alias="MODEL_BATCH_DELAY", ge=0, le=1, description="seconds that a batch waits to fill")
    cancel: bool = Field(False, alias="MODEL_CANCEL_ON_TIMEOUT", description="whether work stops that nobody waits for")
    seed: int = Field(0, alias="DRILL_SEED", ge=0, description="of the drill")
    load_time: Finite = Field(
        0.0, alias="MODEL_LOAD_TIME", ge=0, le=3600, description="seconds from the process's start to ready, at least"
    )

    concurrency: int = Field(1, alias="MODEL_CONCURRENCY", ge=1, le=1024, description="requests served at once")
    queue: int = Field(16, alias="MODEL_QUEUE", ge=0, le=100_000, description="requests that may wait")
    fallback: Fallback = Field(Fallback.OFF, alias="MODEL_FALLBACK", description="when rules answer")
    quarantined: Quarantined = Field("", alias="MODEL_QUARANTINED", description="features served as their median, with commas")
    lookup_timeout: Finite = Field(0.05, alias="MODEL_LOOKUP_TIMEOUT", gt=0, le=60, description="seconds for a look-up")
    slowness: Finite = Field(1.0, alias="MODEL_SLOWNESS", ge=1, le=1000, description="factor on the work of an answer")
    slow_share: Finite = Field(1.0, alias="MODEL_SLOW_SHARE", ge=0, le=1, description="share of the answers that it is for")
    work: Finite = Field(0.0, alias="MODEL_WORK", ge=0, le=10_000, description="more milliseconds of CPU for each answer")
    work_cv: Finite = Field(0.0, alias="MODEL_WORK_CV", ge=0, le=10, description="its coefficient of variation, log-normal")
    hold: Finite = Field(
        0.0, alias="MODEL_HOLD", ge=0, le=600_000, description="milliseconds that an answer takes a slot, at least"
    )
    hold_cv: Finite = Field(0.0, alias="MODEL_HOLD_CV", ge=0, le=10, description="its coefficient of variation, log-normal")
    rules_hold: Finite = Field(
        0.0, alias="MODEL_RULES_HOLD", ge=0, le=600_000, description="the same of an answer from the rules"
    )
    memory: Finite = Field(0.0, alias="MODEL_MEMORY", ge=0, le=65_536, description="MiB of memory of its own, at least")
    leak: Finite = Field(0.0, alias="MODEL_LEAK", ge=0, le=100, description="MiB of memory that an answer leaves behind")
    effort: Finite = Field(0.0, alias="MODEL_EFFORT", ge=0, le=1, description="share of its time that an answer computes")
    threshold: Finite = Field(0.0, alias="MODEL_THRESHOLD", ge=0, le=1, description="score of a late flight; 0: the version's")
    revision: str = Field(USUAL_SETTINGS, alias="MODEL_REVISION", pattern=REVISION, description="name of these settings")
    exit_after: Finite = Field(
        0.0, alias="MODEL_EXIT_AFTER", ge=0, le=36_000, description="seconds that it lives once it is ready; 0: until it is ended"
    )
    unfit: bool = Field(False, alias="MODEL_UNFIT", description="whether it says that it is not ready, though it works")
    slow_bound: Finite = Field(
        0.0, alias="MODEL_SLOW_BOUND", ge=0, le=600, description="seconds from which an answer counts as slow"
    )

    @field_validator("log_url")
    @classmethod
    def _one_log(cls, url: str, info: ValidationInfo) -> str:
        if url and info.data.get("log_file") is not None:
            raise ValueError("give either MODEL_PREDICTION_LOG or MODEL_PREDICTION_URL")
        return url

    @property
    def model_id(self) -> str:
        """The id in the store of the version that it serves."""
        return self.artifact or self.catalogue.get(self.version, self.version)

    @property
    def live(self) -> Live:
        """What controls can change, as the environment has it."""
        return Live(**{name: getattr(self, name) for name in Live.model_fields})


class Live(BaseModel):
    """What controls change while it serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = Field(1, ge=1, le=1024)
    queue: int = Field(16, ge=0, le=100_000)
    fallback: Fallback = Fallback.OFF
    quarantined: Quarantined = ""
    lookup_timeout: Finite = Field(0.05, gt=0, le=60)
    slowness: Finite = Field(1.0, ge=1, le=1000)
    slow_share: Finite = Field(1.0, ge=0, le=1)
    work: Finite = Field(0.0, ge=0, le=10_000)
    work_cv: Finite = Field(0.0, ge=0, le=10)
    hold: Finite = Field(0.0, ge=0, le=600_000)
    hold_cv: Finite = Field(0.0, ge=0, le=10)
    rules_hold: Finite = Field(0.0, ge=0, le=600_000)
    memory: Finite = Field(0.0, ge=0, le=65_536)
    leak: Finite = Field(0.0, ge=0, le=100)
    effort: Finite = Field(0.0, ge=0, le=1)
    threshold: Finite = Field(0.0, ge=0, le=1)
    revision: str = Field(USUAL_SETTINGS, pattern=REVISION)
    exit_after: Finite = Field(0.0, ge=0, le=36_000)
    unfit: bool = False
