"""Deployments as all of a drill's are: what its services have in common, wherever and whatever they are."""

from __future__ import annotations

from collections.abc import Sequence

from lightkube.models.apps_v1 import DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from lightkube.models.core_v1 import (
    Container,
    EnvVar,
    Lifecycle,
    PodSpec,
    PodTemplateSpec,
    ResourceRequirements,
    Volume,
    VolumeMount,
)
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment

from ...services.common.environment import THREADS
from ..envoy.names import EVERYWHERE
from . import pods
from .names import (
    COMPONENT,
    CONTROL,
    DRILL,
    EPOCH,
    MODEL_SERVER,
    POOL,
    PORT,
    TIMING_CONFIG,
    labels_of,
)
from .setup import Setup

STARTS_WITHIN = 180
"""Seconds after which a rollout that does not go on counts as failed."""


def named(component: str) -> EnvVar:
    """The name of a service in its logs."""
    return EnvVar(name="SERVICE_COMPONENT", value=component)


def common(setup: Setup, component: EnvVar, port: int = PORT) -> list[EnvVar]:
    """What every service is told.

    The beginning of the drill is not known when the first containers start: they are told by a control, later ones find it in a
    ConfigMap.
    """
    listening = {"SERVICE_HOST": EVERYWHERE, "SERVICE_PORT": str(port)}
    return [
        *pods.plain(listening),
        component,
        pods.from_secret("CONTROL_TOKEN", CONTROL, "token"),
        pods.from_config(EPOCH, TIMING_CONFIG, EPOCH),
        *pods.plain({"DRILL_SEED": str(setup.seed), "DRILLBOX_HOME": pods.STATE} | THREADS),
    ]


def program(setup: Setup, name: str, environment: Sequence[EnvVar], **given: object) -> Container:
    """A container of the application's image."""
    images = setup.images
    return contained(name, images.application, images.pull, env=list(environment), **given)


def contained(name: str, image: str, pull: str, **given: object) -> Container:
    """A container, whatever its image; `given` are fields of `Container`."""
    return Container(name=name, image=image, imagePullPolicy=pull, securityContext=pods.secured(), **given)  # type: ignore[arg-type]


def service(
    setup: Setup,
    name: str,
    module: str,
    environment: Sequence[EnvVar],
    *,
    resources: ResourceRequirements | None = None,
    volumes: Sequence[VolumeMount] = (),
    lifecycle: Lifecycle | None = None,
) -> Container:
    """The container of one of our services, which all listen, and are asked for their health, in the same way."""
    return program(
        setup,
        name,
        environment,
        command=run(module),
        ports=pods.ports(http=PORT),
        readinessProbe=pods.ready(patient=name != MODEL_SERVER),
        livenessProbe=pods.alive(patient=name != MODEL_SERVER),
        startupProbe=pods.started(),
        resources=resources or ResourceRequirements(),
        volumeMounts=[*service_mounts(), *volumes],
        lifecycle=lifecycle,
    )


def run(module: str) -> list[str]:
    """The command of a program of ours."""
    return ["python", "-m", f"drillbox.stacks.services.{module}"]


def service_volumes() -> list[Volume]:
    """What every container of ours may write to."""
    return [pods.scratch("tmp"), pods.scratch("state", "1Gi")]


def service_mounts() -> list[VolumeMount]:
    """Where these volumes are."""
    return pods.mounts(tmp="/tmp", state=pods.STATE)  # noqa: S108 -- a folder of the pod's own


def deployment(
    setup: Setup,
    name: str,
    component: str,
    containers: Sequence[Container],
    volumes: Sequence[Volume],
    *,
    account: str = "",
    rolling: RollingUpdateDeployment | None = None,
) -> Deployment:
    """A Deployment of one replica, unless the desired state says something else.

    Args:
        setup: of the drill.
        name: of the Deployment; for model servers it is also their pool.
        component: what it is.
        containers: of its pods.
        volumes: of its pods.
        account: the ServiceAccount, for pods that use the Kubernetes API.
        rolling: how an update goes on; without it the old pod ends first.
    """
    server = component == MODEL_SERVER
    pool = name if server else ""
    spec = PodSpec(
        containers=list(containers),
        volumes=list(volumes),
        automountServiceAccountToken=bool(account),
        enableServiceLinks=False,  # they would be taken for settings: GATEWAY_PORT
        securityContext=pods.secured_pod(),
        tolerations=pods.tolerations(of_control_plane=not server),
    )
    if account:
        spec.serviceAccountName = account
    if not server:
        spec.affinity = pods.beside_the_control_plane(always=setup.own_cluster)
    template = PodTemplateSpec(metadata=ObjectMeta(labels=labels_of(setup.label, component, pool)), spec=spec)
    return Deployment(
        metadata=setup.meta(name, component, pool),
        spec=DeploymentSpec(
            replicas=1,
            selector=LabelSelector(matchLabels=selected(setup, component, pool)),
            template=template,
            strategy=DeploymentStrategy(type="RollingUpdate" if rolling else "Recreate", rollingUpdate=rolling),
            progressDeadlineSeconds=STARTS_WITHIN,
            revisionHistoryLimit=10,
        ),
    )


def selected(setup: Setup, component: str, pool: str = "") -> dict[str, str]:
    """The labels by which Deployments and Services know their pods."""
    return {DRILL: setup.label, COMPONENT: component} | ({POOL: pool} if pool else {})


def pod_of(one: Deployment) -> PodSpec:
    """The pod in a template of ours."""
    spec = one.spec.template.spec
    if spec is None:
        raise ValueError("a template without a pod")
    return spec
