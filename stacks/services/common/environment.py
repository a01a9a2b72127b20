"""What each service is told by its environment, wherever it runs: as a process on this machine or as a container on a cluster.

Where a service listens, by which clock it counts and how it is let in differ from stack to stack, and are the stack's own.
"""

from __future__ import annotations

from ....sandbox.model.scenario import Runtime, Scenario, Version
from ....sandbox.model.service import ServiceSpec, Workload
from ..load.config import dump_world

Environment = dict[str, str]

_MS = 1000.0
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Libraries for numbers take no more than one core each."""


def of_features(scenario: Scenario) -> Environment:
    """The feature store."""
    world = scenario.world
    return {
        "DRILL_START": world.start.isoformat(),
        "DRILL_PACE": repr(world.pace),
        "FEATURES_FEED": scenario.service.features.feed,
    }


def of_pipeline(scenario_file: str, features_url: str) -> Environment:
    """Quality monitor, retraining loop, autoscaler."""
    return {"DRILL_SCENARIO": scenario_file, "PIPELINE_FEATURES_URL": features_url}


def of_load(scenario: Scenario, target: str) -> Environment:
    """The load generator; it sends nothing before it is told when the drill begins.

    Args:
        scenario: of the drill.
        target: the gateway, as `http://HOST:PORT`.
    """
    given = {
        "LOAD_TARGET": target,
        "LOAD_WORLD": dump_world(scenario.world),
        "LOAD_WARMUP": repr(scenario.warmup),
        "LOAD_DURATION": repr(scenario.duration),
    }
    bound = scenario.latency_bound()
    return given | ({} if bound is None else {"LOAD_SLOW_BOUND": repr(bound)})


def of_model_server(scenario: Scenario, deployment: str, features_url: str) -> Environment:
    """What all model servers of a deployment have in common, whatever their version."""
    runtime = scenario.runtime
    return {
        "MODEL_DEPLOYMENT": deployment,
        "MODEL_FEATURES_URL": features_url,
        "MODEL_CANCEL_ON_TIMEOUT": str(runtime.cancel_on_timeout).lower(),
        "MODEL_HOLD_CV": repr(runtime.service_time_cv),
        "MODEL_SLOW_BOUND": repr(scenario.latency_bound() or scenario.world.clients.timeout),
    }


def of_workload(workload: Workload) -> Environment:
    """The capacity of one model server."""
    return {"MODEL_CONCURRENCY": str(workload.concurrency), "MODEL_QUEUE": str(workload.queue)}


def as_variables(settings: dict[str, object]) -> Environment:
    """Settings that controls can change, as a model server finds them when it starts."""
    return {f"MODEL_{name.upper()}": str(value) for name, value in settings.items()}


def live(spec: ServiceSpec) -> dict[str, object]:
    """The settings of a model server that follow from the desired state."""
    return {
        "fallback": spec.fallback.value,
        "quarantined": spec.features.quarantined,
        "lookup_timeout": spec.features.lookup_timeout,
        "threshold": spec.gateway.threshold,
    }


def hold(runtime: Runtime, factor: float = 1.0) -> dict[str, object]:
    """How long answers take their slots, in milliseconds, when a fault makes them `factor` times as long."""
    return {"hold": runtime.service_time * _MS * factor, "rules_hold": runtime.rules_time * _MS * factor}


def slowness(version: Version) -> dict[str, object]:
    """Which share of a version's answers takes how many times as long; empty if all take the usual time."""
    if not version.slow_share or version.slow_factor == 1.0:
        return {}
    return {"slowness": version.slow_factor, "slow_share": version.slow_share}
