"""The Deployments of a drill's own services. What the desired state says of them, `table` puts in."""

from __future__ import annotations

from pathlib import Path

from lightkube.models.apps_v1 import RollingUpdateDeployment
from lightkube.models.core_v1 import ExecAction, Lifecycle, LifecycleHandler, TopologySpreadConstraint
from lightkube.resources.apps_v1 import Deployment

from ....sandbox.control.rollout import SURGE, UNAVAILABLE
from ....sandbox.model.scenario import Runtime
from ...services.common.environment import as_variables, hold, of_features, of_load, of_model_server, of_pipeline
from ..envoy.gateway import BOOTSTRAP, command
from . import pods
from .deployments import common, contained, deployment, named, pod_of, program, run, service, service_mounts, service_volumes
from .names import (
    ADMIN_PORT,
    CATALOGUE,
    CONTROLLER,
    CONTROLLER_PORT,
    ENVOY,
    FEATURES,
    GATEWAY,
    LOAD,
    LOAD_TIME,
    METRICS_PORT,
    ML_CONFIG,
    MODEL_SERVER,
    PIPELINE,
    PORT,
    REGISTRY,
    SCENARIO_CONFIG,
    SCENARIO_FILE,
    TIMING_CONFIG,
    TRAINING_CONFIG,
    TRAINING_FILE,
    VERSIONS_CONFIG,
)
from .setup import Setup

GRACE = 10
"""Seconds that a pod has to finish what it has."""
LEAVING = 2
"""Seconds from the moment at which a model server shall end until it is told so: the gateway has left it by then."""
POD_START = 2.0
"""Seconds that Kubernetes usually takes until a container of an image that is there runs."""
SCENARIO_FOLDER, TRAINING_FOLDER = "/etc/drillbox/scenario", "/etc/drillbox/training"
GATEWAY_FOLDER, REGISTRY_FOLDER = "/run/gateway", "/var/lib/registry"

WAITING = (
    *("/bin/sh", "-c", 'trap "exit 0" TERM; until [ -e "$0" ]; do sleep 0.1; done; exec "$@"'),
    f"{GATEWAY_FOLDER}/{BOOTSTRAP}",
)
"""What comes before a program in an image without ours: it begins once the controller has written the bootstrap."""
_STORES = f"http://{REGISTRY}:{PORT}/$(ARTIFACT_SOURCE)"
"""The registry has a path for each place that artifacts can come from; Kubernetes puts the variable in."""


def load_time(runtime: Runtime) -> float:
    """Seconds from the start of a model server's process until it is ready, at least: what the scenario says, less the pod's."""
    return max(0.0, runtime.start_time + runtime.load_time - POD_START)


def url(service: str) -> str:
    """Where a service is, within the namespace."""
    return f"http://{service}:{PORT}"


# ----------------------------------------------------------------------------------------------------------------- model servers


def model_servers(setup: Setup, pool: str) -> Deployment:
    """One of the three deployments of model servers."""
    scenario, runtime = setup.scenario, setup.scenario.runtime
    told = of_model_server(scenario, pool, url(FEATURES)) | as_variables(hold(runtime))
    environment = [
        *common(setup, pods.from_pod("SERVICE_COMPONENT", "metadata.name")),
        *pods.plain(told | {"MODEL_PREDICTION_URL": f"{url(PIPELINE)}/predictions"}),
        *pods.plain({"MODEL_REFERENCE": setup.artifacts[scenario.deployable[0]]}),
        pods.from_pod("MODEL_POD", "metadata.name"),
        pods.from_config(LOAD_TIME, TIMING_CONFIG, LOAD_TIME),
        pods.from_config(CATALOGUE, VERSIONS_CONFIG, CATALOGUE),
        pods.from_config("ARTIFACT_SOURCE", ML_CONFIG, "servers.artifacts"),
        *pods.plain({"MODEL_STORE_URL": _STORES}),
    ]
    leaving = Lifecycle(preStop=LifecycleHandler(exec=ExecAction(command=["sleep", str(LEAVING)])))
    container = service(setup, MODEL_SERVER, "model_server", environment, lifecycle=leaving)
    rolling = RollingUpdateDeployment(maxSurge=f"{SURGE:.0%}", maxUnavailable=f"{UNAVAILABLE:.0%}")
    servers = deployment(setup, pool, MODEL_SERVER, [container], service_volumes(), rolling=rolling)
    pod = pod_of(servers)
    pod.terminationGracePeriodSeconds = GRACE + LEAVING
    anyway, node = "ScheduleAnyway", "kubernetes.io/hostname"
    spread = TopologySpreadConstraint(maxSkew=1, topologyKey=node, whenUnsatisfiable=anyway, labelSelector=servers.spec.selector)
    pod.topologySpreadConstraints = [spread]
    return servers


# ---------------------------------------------------------------------------------------------------------------- infrastructure


def gateway(setup: Setup) -> Deployment:
    """Envoy, and the controller that tells it what the desired state is."""
    folder = {"GATEWAY_FOLDER": GATEWAY_FOLDER}
    told = {
        "GATEWAY_PORT": str(PORT),
        "GATEWAY_METRICS_PORT": str(METRICS_PORT),
        "GATEWAY_ADMIN_PORT": str(ADMIN_PORT),
        "CONTROLLER_SERVERS_PORT": str(PORT),
        "CONTROLLER_PIPELINE_URL": url(PIPELINE),
        "DRILL_SCENARIO": f"{SCENARIO_FOLDER}/{SCENARIO_FILE}",
    }
    envoy = contained(
        ENVOY,
        setup.images.envoy or setup.images.application,
        setup.images.pull,
        env=pods.plain(folder),
        command=[*WAITING, *command(Path("envoy"), Path(GATEWAY_FOLDER))] if setup.images.envoy else run("controller.envoy"),
        ports=pods.ports(http=PORT, metrics=METRICS_PORT),
        readinessProbe=pods.ready(port="metrics"),
        livenessProbe=pods.alive(port="metrics"),
        startupProbe=pods.started(port="metrics"),
        resources=pods.amounts("96Mi", "512Mi", cpu=pods.PASSED),
        volumeMounts=[*service_mounts(), *pods.mounts(files=GATEWAY_FOLDER)],
    )
    environment = [
        *common(setup, named(CONTROLLER), CONTROLLER_PORT),
        *pods.plain(folder | told),
        pods.from_pod("CONTROLLER_NAMESPACE", "metadata.namespace"),
    ]
    controller = program(
        setup,
        CONTROLLER,
        environment,
        command=run("controller"),
        ports=pods.ports(control=CONTROLLER_PORT),
        readinessProbe=pods.ready(port="control"),
        livenessProbe=pods.alive(port="control"),
        startupProbe=pods.started(port="control"),
        resources=pods.amounts("96Mi", "512Mi"),
        volumeMounts=[*service_mounts(), *pods.mounts(files=GATEWAY_FOLDER, scenario=SCENARIO_FOLDER)],
    )
    volumes = [*service_volumes(), pods.scratch("files", "16Mi"), pods.mounted_config("scenario", SCENARIO_CONFIG)]
    return deployment(setup, GATEWAY, GATEWAY, [envoy, controller], volumes, account=CONTROLLER)


def feature_store(setup: Setup) -> Deployment:
    """The online features."""
    environment = [*common(setup, named(FEATURES)), *pods.plain(of_features(setup.scenario))]
    container = service(setup, FEATURES, "feature_store", environment, resources=pods.amounts("192Mi", "1Gi", cpu=pods.PASSED))
    return deployment(setup, FEATURES, FEATURES, [container], service_volumes())


def pipeline(setup: Setup) -> Deployment:
    """Quality monitor, retraining loop, autoscaler."""
    own = of_pipeline(f"{SCENARIO_FOLDER}/{SCENARIO_FILE}", url(FEATURES)) | {
        "PIPELINE_REGISTRY_URL": url(REGISTRY),
        "PIPELINE_JOB_TEMPLATE": f"{TRAINING_FOLDER}/{TRAINING_FILE}",
    }
    environment = [
        *common(setup, named(PIPELINE)),
        *pods.plain(own),
        pods.from_pod("PIPELINE_NAMESPACE", "metadata.namespace"),
    ]
    container = service(
        setup,
        PIPELINE,
        "pipeline",
        environment,
        resources=pods.amounts("384Mi", "2Gi"),
        volumes=pods.mounts(scenario=SCENARIO_FOLDER, training=TRAINING_FOLDER),
    )
    configs = {"scenario": SCENARIO_CONFIG, "training": TRAINING_CONFIG}
    volumes = [*service_volumes(), *(pods.mounted_config(name, config) for name, config in configs.items())]
    return deployment(setup, PIPELINE, PIPELINE, [container], volumes, account=PIPELINE)


def load(setup: Setup) -> Deployment:
    """The clients."""
    environment = [*common(setup, named(LOAD)), *pods.plain(of_load(setup.scenario, url(GATEWAY)))]
    container = service(setup, LOAD, "load", environment, resources=pods.amounts("192Mi", "1Gi", cpu=pods.PASSED))
    return deployment(setup, LOAD, LOAD, [container], service_volumes())


def registry(setup: Setup) -> Deployment:
    """The models, on a volume."""
    environment = [*common(setup, named(REGISTRY)), *pods.plain({"REGISTRY_FOLDER": REGISTRY_FOLDER})]
    container = service(
        setup,
        REGISTRY,
        "registry",
        environment,
        resources=pods.amounts("96Mi", "512Mi"),
        volumes=pods.mounts(models=REGISTRY_FOLDER),
    )
    return deployment(setup, REGISTRY, REGISTRY, [container], [*service_volumes(), pods.claimed("models", REGISTRY)])
