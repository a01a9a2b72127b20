"""ConfigMaps, the Secret and the volume of a drill. Fields of the desired state are put in by `table`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lightkube.models.core_v1 import PersistentVolumeClaimSpec, VolumeResourceRequirements
from lightkube.resources.core_v1 import ConfigMap, PersistentVolumeClaim, Secret

from ....sandbox.model.scenario import Scenario, Version
from ...services.common.environment import slowness
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
    VERSIONS_CONFIG,
)
from .setup import Setup


def configs(setup: Setup) -> list[ConfigMap]:
    """What the drill's services read.

    At first model servers load as fast as they can, as on all stacks before the beginning; then `timing` gets what the scenario
    says, and when the drill begins.
    """
    scenario = setup.scenario
    return [
        _config(setup, GATEWAY_CONFIG, {}),
        _config(setup, ML_CONFIG, {}),
        _config(setup, SCENARIO_CONFIG, {SCENARIO_FILE: dump_scenario(scenario)}),
        _config(setup, TIMING_CONFIG, {LOAD_TIME: "0"}),
        _config(setup, VERSIONS_CONFIG, {CATALOGUE: catalogue(scenario, setup.artifacts)}),
    ]


def catalogue(scenario: Scenario, artifacts: Mapping[str, str]) -> str:
    """What model servers have to know of versions, as JSON: the model behind each, and which of its answers take longer.

    Args:
        scenario: of the drill.
        artifacts: ids of models by version; those trained in the drill come with it.
    """
    known = set(scenario.deployable)
    told = {
        name: {"artifact": artifact, **slowness(scenario.version(name) if name in known else Version(name))}
        for name, artifact in artifacts.items()
    }
    return json.dumps(told, separators=(",", ":"))


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
