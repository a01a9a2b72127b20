"""Settings of the pipeline."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ..common.settings import Settings


class PipelineSettings(Settings):
    """The environment of the pipeline."""

    scenario: Path = Field(alias="DRILL_SCENARIO", description="file with the scenario as JSON")
    seed: int = Field(0, alias="DRILL_SEED", ge=0, description="of the drill")
    predictions: Path = Field(alias="PIPELINE_PREDICTIONS", description="folder of the model servers' prediction logs, *.jsonl")
    features_url: str = Field(
        "",
        alias="PIPELINE_FEATURES_URL",
        pattern=r"^(https?://[^\s/]+/?)?$",
        description="the feature store, as http://HOST:PORT",
    )
    registry: Path | None = Field(
        None, alias="PIPELINE_REGISTRY", description="folder of the model registry; a temporary one if not given"
    )
