"""ConfigMaps, the Secret and the volume of a drill. Fields of the desired state are put in by `table`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from lightkube.models.core_v1 import PersistentVolumeClaimSpec, VolumeResourceRequirements
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim, Secret

from ....sandbox.model.scenario import Answer, Debrief, Expectations, Runbook, Scenario
from ...services.common.scenarios import dump_scenario
from .names import (
    CATALOGUE,
    CONTROL,
    GATEWAY_CONFIG,
    LOAD_TIME,
    ML_CONFIG,
    REGISTRY,
    SCENARIO_CONFIG,
    SCENARIO_FILE,
    TIMING_CONFIG,
    TRAINING_CONFIG,
    TRAINING_FILE,
    VERSIONS_CONFIG,
)
from .seen import MissingError, Patch, Seen
from .setup import Setup
from .training import training_job


def configs(setup: Setup) -> list[ConfigMap]:
    """What the drill's services read.

    At first model servers load as fast as they can, as on all stacks before the beginning; then `timing` gets what the scenario
    says, and when the drill begins.
    """
    scenario = setup.scenario
    return [
        _config(setup, GATEWAY_CONFIG, {}),
        _config(setup, ML_CONFIG, {}),
        _config(setup, SCENARIO_CONFIG, {SCENARIO_FILE: dump_scenario(of_the_service(scenario))}),
        _config(setup, TIMING_CONFIG, {LOAD_TIME: "0"}),
        _config(setup, VERSIONS_CONFIG, {CATALOGUE: catalogue(setup.artifacts)}),
        _config(setup, TRAINING_CONFIG, {TRAINING_FILE: json.dumps(training_job(setup).to_dict(), indent=1) + "\n"}),
    ]


def of_the_service(scenario: Scenario) -> Scenario:
    """What services have to know of a scenario: who reads it in the cluster learns nothing of the incident."""
    return replace(
        scenario,
        title="",
        group="",
        skills=(),
        pager="",
        timeline=(),
        answer=Answer("", ""),
        reference=Runbook("", ()),
        tempting=(),
        debrief=Debrief(""),
        hints=(),
        alerts=Expectations(),
        also_right="",
        also_right_because="",
        control=False,
        source="",
    )


def catalogue(artifacts: Mapping[str, object]) -> str:
    """The model behind each version, as JSON; those that are trained in the drill come to it."""
    return json.dumps(dict(artifacts), separators=(",", ":"))


def catalogued(seen: Seen, version: str, artifact: str) -> Patch:
    """What puts a version that was trained in the drill beside the others.

    Raises:
        MissingError: somebody has deleted the catalogue, or broken it.
    """
    known = _catalogue_in(seen)
    return Patch(ConfigMap, VERSIONS_CONFIG, {"data": {CATALOGUE: catalogue({**known, version: artifact})}})


def model_of(seen: Seen, version: str) -> str:
    """The model behind a version; empty if the catalogue does not have it.

    Raises:
        MissingError: somebody has deleted the catalogue, or broken it.
    """
    return str(_catalogue_in(seen).get(version, ""))


def _catalogue_in(seen: Seen) -> dict[str, object]:
    try:
        return dict(json.loads((seen.config(VERSIONS_CONFIG).data or {}).get(CATALOGUE, "{}")))
    except (TypeError, ValueError):
        raise MissingError(f"{CATALOGUE} in the ConfigMap {VERSIONS_CONFIG} is no JSON object") from None


def secret(setup: Setup) -> Secret:
    """What lets into the services' controls."""
    return Secret(metadata=setup.meta(CONTROL, CONTROL), type="Opaque", stringData={"token": setup.token})


def claim(setup: Setup) -> PersistentVolumeClaim:
    """The registry's volume."""
    resources = VolumeResourceRequirements(requests={"storage": "1Gi"})
    spec = PersistentVolumeClaimSpec(accessModes=["ReadWriteOnce"], resources=resources)
    return PersistentVolumeClaim(metadata=setup.meta(REGISTRY, REGISTRY), spec=spec)


def _config(setup: Setup, name: str, data: Mapping[str, str]) -> ConfigMap:
    return ConfigMap(metadata=setup.meta(name, name), data=dict(data))
