"""Settings of the pipeline."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from ..common.settings import ADDRESS, Finite, Settings


class PipelineSettings(Settings):
    """The environment of the pipeline."""

    scenario: Path = Field(alias="DRILL_SCENARIO", description="file with the scenario as JSON")
    seed: int = Field(0, alias="DRILL_SEED", ge=0, description="of the drill")
    predictions: Path | None = Field(
        None, alias="PIPELINE_PREDICTIONS", description="folder of the model servers' prediction logs, *.jsonl"
    )
    features_url: str = Field(
        "",
        alias="PIPELINE_FEATURES_URL",
        pattern=r"^(https?://[^\s/]+/?)?$",
        description="the feature store, as http://HOST:PORT",
    )
    registry: Path | None = Field(
        None, alias="PIPELINE_REGISTRY", description="folder of the model registry; a temporary one if not given"
    )
    registry_url: str = Field(
        "", alias="PIPELINE_REGISTRY_URL", pattern=ADDRESS, description="the registry service that models come from and go to"
    )
    job_template: Path | None = Field(
        None,
        alias="PIPELINE_JOB_TEMPLATE",
        description="YAML file with the Kubernetes Job that trains; without it, it trains itself",
    )
    namespace: str = Field("", alias="PIPELINE_NAMESPACE", description="where jobs are made; the pod's own if not given")
    job_deadline: Finite = Field(300.0, alias="PIPELINE_JOB_DEADLINE", gt=0, le=86_400, description="seconds that a job may take")
    job_history: int = Field(5, alias="PIPELINE_JOB_HISTORY", ge=0, le=1000, description="finished jobs that are kept")

    @field_validator("job_template")
    @classmethod
    def _with_registry(cls, template: Path | None, info: ValidationInfo) -> Path | None:
        if template is not None and not info.data.get("registry_url"):
            raise ValueError("set PIPELINE_REGISTRY_URL, too: the models of jobs come from there")
        return template
