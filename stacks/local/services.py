"""The programs of the local stack: what each service is told by its environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...sandbox.learning.version import ModelVersion
from ...sandbox.model.scenario import Scenario, Version
from ...sandbox.model.service import ServiceSpec, Workload
from ...sandbox.world.streams import Stream
from ..real.machine.ports import HOST
from ..real.machine.programs import HOME, Program
from ..services.common.environment import (
    THREADS,
    as_variables,
    hold,
    live,
    of_features,
    of_load,
    of_model_server,
    of_pipeline,
    of_workload,
    slowness,
)
from ..services.common.scenarios import dump_scenario
from .replicas import Replica

__all__ = ["FEATURES", "GATEWAY", "LOAD", "PIPELINE", "Places", "Programs", "hold", "live"]

FEATURES, LOAD, PIPELINE, GATEWAY = "feature-store", "load", "pipeline", "gateway"
_MODULES = {FEATURES: "feature_store", LOAD: "load", PIPELINE: "pipeline"}


@dataclass(frozen=True, slots=True)
class Places:
    """Files of a drill."""

    folder: Path

    @property
    def predictions(self) -> Path:
        """Folder of the prediction logs."""
        return self.folder / "predictions"

    @property
    def scenario(self) -> Path:
        """The scenario as the pipeline reads it."""
        return self.folder / "scenario.json"

    def make(self, scenario: Scenario) -> None:
        """Make the folders and write the scenario.

        Raises:
            OSError: they cannot be written.
        """
        self.predictions.mkdir(parents=True, exist_ok=True)
        self.scenario.write_text(dump_scenario(scenario), encoding="utf-8")


@dataclass(slots=True)
class Programs:
    """Makes the programs of one drill.

    Attributes:
        scenario: of the drill.
        seed: of its random streams.
        places: its files.
        token: what controls ask for.
        origin: CLOCK_MONOTONIC at t = 0, as far as it is known.
        models: by the drill's name of a version, the model behind it; grows.
        strain: settings of all model servers beside those that follow from the desired state, by limits and faults.
        deadly: by the name of pushed settings, seconds that a process lives with them; settings that are not here do no harm.
        imageless: pushed settings that name an image which nobody has.
        stores: by version a state folder to take its model from, in place of the host's.
    """

    scenario: Scenario
    seed: int
    places: Places
    token: str
    origin: float
    models: dict[str, ModelVersion | str]
    strain: dict[str, float] = field(default_factory=dict)
    deadly: dict[str, float] = field(default_factory=dict)
    imageless: set[str] = field(default_factory=set)
    stores: dict[str, Path] = field(default_factory=dict)

    def pushed(self) -> str:
        """A name for settings that nobody has pushed yet."""
        return f"revision-{len(self.deadly) + len(self.imageless) + 2}"

    def features(self, port: int) -> Program:
        """The feature store."""
        return self._service(FEATURES, port, of_features(self.scenario))

    def pipeline(self, port: int, features_url: str) -> Program:
        """Quality monitor, retraining loop, autoscaler."""
        places = self.places
        own = {"PIPELINE_PREDICTIONS": str(places.predictions), "PIPELINE_REGISTRY": str(places.folder / "registry")}
        return self._service(PIPELINE, port, of_pipeline(str(places.scenario), features_url) | own)

    def load(self, port: int, gateway: str) -> Program:
        """The load generator; it sends nothing before it is told when the drill begins."""
        return self._service(LOAD, port, of_load(self.scenario, f"http://{gateway}"), origin=False)

    def replica(self, one: Replica, workload: Workload, spec: ServiceSpec, features_url: str, load_time: float) -> Program:
        """A model server. It is told the present spec; later changes reach it as controls."""
        settings = live(spec) | hold(self.scenario.runtime, one.slowness) | slowness(self.version(one.version))
        settings |= self.strain | self.revision(one, spec)
        given = {
            **of_model_server(self.scenario, one.deployment, features_url),
            **of_workload(workload),
            **as_variables(settings),
            "MODEL_VERSION": one.version,
            "MODEL_ARTIFACT": self.artifact(one.version),
            "MODEL_REFERENCE": self.artifact(self.scenario.deployable[0]),
            "MODEL_POD": one.name,
            "MODEL_PREDICTION_LOG": str(self.places.predictions / f"{one.name}.jsonl"),
            "MODEL_LOAD_TIME": repr(load_time),
            **({HOME: str(self.stores[one.version])} if one.version in self.stores else {}),
        }
        return Program(one.name, _python("model_server"), self._common(one.name, one.address.port) | given, spec.servers.memory)

    def revision(self, one: Replica, spec: ServiceSpec) -> dict[str, object]:
        """The settings that are pushed to all model servers, and how long a process lives with them: not all just as long."""
        name = spec.servers.settings
        spread = 0.8 + 0.4 * float(Stream(self.seed, "faults/crashes").uniform(one.ordinal, 1)[0])
        return {"revision": name, "exit_after": round(self.deadly.get(name, 0.0) * spread, 3)}

    def version(self, name: str) -> Version:
        """What the scenario says of a version; one that was trained in the drill is an ordinary one."""
        known = name in self.scenario.deployable
        return self.scenario.version(name) if known else Version(name)

    def artifact(self, name: str) -> str:
        """The id of the model behind a version."""
        model = self.models[name]
        return model if isinstance(model, str) else model.id

    def _service(self, name: str, port: int, given: Mapping[str, str], *, origin: bool = True) -> Program:
        return Program(name, _python(_MODULES[name]), self._common(name, port, origin=origin) | dict(given))

    def _common(self, component: str, port: int, *, origin: bool = True) -> dict[str, str]:
        given = {
            "SERVICE_HOST": HOST,
            "SERVICE_PORT": str(port),
            "SERVICE_COMPONENT": component,
            "CONTROL_TOKEN": self.token,
            "DRILL_SEED": str(self.seed),
            **THREADS,
        }
        return given | ({"DRILL_ORIGIN": repr(self.origin)} if origin else {})


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"drillbox.stacks.services.{module}")
