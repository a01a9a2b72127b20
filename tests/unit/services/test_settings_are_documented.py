"""Every variable that a service reads is in the table of its document."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillbox.stacks.services.common.settings import Settings
from drillbox.stacks.services.model_server.settings import ModelSettings
from drillbox.stacks.services.pipeline.settings import PipelineSettings
from drillbox.stacks.services.registry.settings import RegistrySettings
from drillbox.stacks.services.training.settings import TrainingSettings

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (Settings, "pipeline.md"),
        (PipelineSettings, "pipeline.md"),
        (ModelSettings, "model-server.md"),
        (RegistrySettings, "registry.md"),
        (TrainingSettings, "registry.md"),
    ],
)
def test_every_variable_is_in_the_table(kind: type[Settings], page: str) -> None:
    rows = [line.split("|")[1] for line in (DOCS / page).read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    told = {name.strip("` *") for row in rows for name in row.split(",")}
    own = {field.alias for name, field in kind.model_fields.items() if kind is Settings or name not in Settings.model_fields}
    assert {name for name in own if name} <= told
