"""The programs of the local stack: what each service is told by its environment."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...sandbox.learning.version import ModelVersion
from ...sandbox.model.scenario import Runtime, Scenario, Version
from ...sandbox.model.service import ServiceSpec, Workload
from ..services.common.scenarios import dump_scenario
from ..services.load.config import dump_world
from .ports import HOST
from .programs import Program
from .replicas import Replica

FEATURES, LOAD, PIPELINE, GATEWAY = "feature-store", "load", "pipeline", "gateway"
_MODULES = {FEATURES: "feature_store", LOAD: "load", PIPELINE: "pipeline"}
_MS = 1000.0


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
    """

    scenario: Scenario
    seed: int
    places: Places
    token: str
    origin: float
    models: dict[str, ModelVersion | str]

    def features(self, port: int) -> Program:
        """The feature store."""
        world = self.scenario.world
        given = {"DRILL_START": world.start.isoformat(), "DRILL_PACE": repr(world.pace)}
        return self._service(FEATURES, port, given | {"FEATURES_FEED": self.scenario.service.features.feed})

    def pipeline(self, port: int, features_url: str) -> Program:
        """Quality monitor, retraining loop, autoscaler."""
        given = {
            "DRILL_SCENARIO": str(self.places.scenario),
            "PIPELINE_PREDICTIONS": str(self.places.predictions),
            "PIPELINE_FEATURES_URL": features_url,
            "PIPELINE_REGISTRY": str(self.places.folder / "registry"),
        }
        return self._service(PIPELINE, port, given)

    def load(self, port: int, gateway: str) -> Program:
        """The load generator; it sends nothing before it is told when the drill begins."""
        scenario = self.scenario
        given = {
            "LOAD_TARGET": f"http://{gateway}",
            "LOAD_WORLD": dump_world(scenario.world),
            "LOAD_WARMUP": repr(scenario.warmup),
            "LOAD_DURATION": repr(scenario.duration),
        }
        bound = scenario.latency_bound()
        if bound is not None:
            given["LOAD_SLOW_BOUND"] = repr(bound)
        return self._service(LOAD, port, given, origin=False)

    def replica(self, one: Replica, workload: Workload, spec: ServiceSpec, features_url: str, load_time: float) -> Program:
        """A model server. It is told the present spec; later changes reach it as controls."""
        runtime = self.scenario.runtime
        given = {
            "MODEL_VERSION": one.version,
            "MODEL_ARTIFACT": self._artifact(one.version),
            "MODEL_REFERENCE": self._artifact(self.scenario.deployable[0]),
            "MODEL_DEPLOYMENT": one.deployment,
            "MODEL_POD": one.name,
            "MODEL_FEATURES_URL": features_url,
            "MODEL_PREDICTION_LOG": str(self.places.predictions / f"{one.name}.jsonl"),
            "MODEL_CANCEL_ON_TIMEOUT": str(runtime.cancel_on_timeout).lower(),
            "MODEL_LOAD_TIME": repr(load_time),
            "MODEL_HOLD_CV": repr(runtime.service_time_cv),
            "MODEL_SLOW_BOUND": repr(self.scenario.latency_bound() or self.scenario.world.clients.timeout),
            "MODEL_CONCURRENCY": str(workload.concurrency),
            "MODEL_QUEUE": str(workload.queue),
            **_slowness(self.version(one.version)),
            **{f"MODEL_{name.upper()}": str(value) for name, value in (live(spec) | hold(runtime, one.slowness)).items()},
        }
        return Program(one.name, _python("model_server"), self._common(one.name, one.address.port) | given, spec.servers.memory)

    def version(self, name: str) -> Version:
        """What the scenario says of a version; one that was trained in the drill is an ordinary one."""
        known = name in self.scenario.deployable
        return self.scenario.version(name) if known else Version(name)

    def _artifact(self, name: str) -> str:
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
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        return given | ({"DRILL_ORIGIN": repr(self.origin)} if origin else {})


def live(spec: ServiceSpec) -> dict[str, object]:
    """The settings of a model server that follow from the desired state."""
    return {
        "fallback": spec.fallback.value,
        "quarantined": spec.features.quarantined,
        "lookup_timeout": spec.features.lookup_timeout,
        "threshold": spec.gateway.threshold,
    }


def hold(runtime: Runtime, factor: float = 1.0) -> dict[str, float]:
    """How long answers take their slots, in milliseconds, when a fault makes them `factor` times as long."""
    return {"hold": runtime.service_time * _MS * factor, "rules_hold": runtime.rules_time * _MS * factor}


def _slowness(version: Version) -> dict[str, str]:
    """Which share of a version's answers takes how many times as long."""
    if not version.slow_share or version.slow_factor == 1.0:
        return {}
    return {"MODEL_SLOWNESS": repr(version.slow_factor), "MODEL_SLOW_SHARE": repr(version.slow_share)}


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"drillbox.stacks.services.{module}")
