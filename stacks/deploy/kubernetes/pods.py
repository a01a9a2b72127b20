"""Pods as all of a drill's are: within the restricted Pod Security Standard, with probes, and moved soon from a lost node."""

from __future__ import annotations

from collections.abc import Mapping

from lightkube.models.core_v1 import (
    Affinity,
    Capabilities,
    ConfigMapKeySelector,
    ConfigMapVolumeSource,
    ContainerPort,
    EmptyDirVolumeSource,
    EnvVar,
    EnvVarSource,
    HTTPGetAction,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource,
    PodSecurityContext,
    PreferredSchedulingTerm,
    Probe,
    ResourceRequirements,
    SeccompProfile,
    SecretKeySelector,
    SecurityContext,
    Toleration,
    Volume,
    VolumeMount,
)

from ....sandbox.model.platform import TOLERATION

USER = 10001
"""User and group of every container; the image's own files can be read by anybody."""
STATE = "/var/lib/drillbox"
"""Where services may write; empty when a pod starts."""
CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Label and taint of a control plane's nodes: today's, and that of Kubernetes before 1.24."""

_UNHEARD = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


# ------------------------------------------------------------------------------------------------------------------ environment


def plain(variables: Mapping[str, str]) -> list[EnvVar]:
    """Variables with their values."""
    return [EnvVar(name=name, value=value) for name, value in variables.items()]


def from_secret(name: str, secret: str, key: str) -> EnvVar:
    """A variable with the value that a Secret has when the container starts."""
    return EnvVar(name=name, valueFrom=EnvVarSource(secretKeyRef=SecretKeySelector(key=key, name=secret)))


def from_config(name: str, config: str, key: str) -> EnvVar:
    """A variable with the value that a ConfigMap has when the container starts; not set if it has none."""
    selector = ConfigMapKeySelector(key=key, name=config, optional=True)
    return EnvVar(name=name, valueFrom=EnvVarSource(configMapKeyRef=selector))


def from_pod(name: str, field: str) -> EnvVar:
    """A variable with a field of the pod."""
    return EnvVar(name=name, valueFrom=EnvVarSource(fieldRef=ObjectFieldSelector(fieldPath=field)))


# -------------------------------------------------------------------------------------------------------------------- containers


def secured() -> SecurityContext:
    """What the restricted standard asks of a container, and a root file system that nobody writes to."""
    return SecurityContext(
        allowPrivilegeEscalation=False,
        capabilities=Capabilities(drop=["ALL"]),
        readOnlyRootFilesystem=True,
        runAsNonRoot=True,
    )


def secured_pod() -> PodSecurityContext:
    """What it asks of a pod."""
    return PodSecurityContext(
        runAsNonRoot=True,
        runAsUser=USER,
        runAsGroup=USER,
        fsGroup=USER,
        seccompProfile=SeccompProfile(type="RuntimeDefault"),
    )


PASSED = "100m"
"""Processor requested by what every request passes: Kubernetes weighs containers by it, and these come before what looks after
them, and before a training beside them."""


def amounts(memory: str, limit: str, cpu: str = "20m", cpu_limit: str = "2") -> ResourceRequirements:
    """What a container is sure to get, and what it may take at most."""
    return ResourceRequirements(requests={"cpu": cpu, "memory": memory}, limits={"cpu": cpu_limit, "memory": limit})


def ports(**numbers: int) -> list[ContainerPort]:
    """Ports by name; old API servers merge them by the protocol as well, and know no default for it."""
    return [ContainerPort(name=name, containerPort=number, protocol="TCP") for name, number in numbers.items()]


def ready(path: str = "/readyz", port: str = "http", *, patient: bool = True) -> Probe:
    """Whether it shall get requests: asked every other second, as most of what is to be seen in a drill takes seconds.

    Who is patient gives a busy machine time: what is not under drill shall not fail because of it.
    """
    timeout, failures = (5, 6) if patient else (2, 3)
    return Probe(httpGet=HTTPGetAction(path=path, port=port), periodSeconds=2, timeoutSeconds=timeout, failureThreshold=failures)


def alive(path: str = "/healthz", port: str = "http", *, patient: bool = True) -> Probe:
    """Whether it has to be started again: after half a minute without an answer, or after two."""
    failures = 12 if patient else 3
    return Probe(httpGet=HTTPGetAction(path=path, port=port), periodSeconds=10, timeoutSeconds=5, failureThreshold=failures)


def started(path: str = "/healthz", port: str = "http") -> Probe:
    """Whether it has begun to listen: a slow machine has three minutes for that."""
    return Probe(httpGet=HTTPGetAction(path=path, port=port), periodSeconds=2, timeoutSeconds=2, failureThreshold=90)


# ----------------------------------------------------------------------------------------------------------------------- volumes


def scratch(name: str, size: str = "256Mi") -> Volume:
    """An empty folder that lives as long as the pod."""
    return Volume(name=name, emptyDir=EmptyDirVolumeSource(sizeLimit=size))


def mounted_config(name: str, config: str) -> Volume:
    """The files of a ConfigMap."""
    return Volume(name=name, configMap=ConfigMapVolumeSource(name=config))


def claimed(name: str, claim: str) -> Volume:
    """A volume that outlives the pod."""
    return Volume(name=name, persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=claim))


def mounts(**paths: str) -> list[VolumeMount]:
    """Where volumes are, by their names; `_` in a name stands for `-`."""
    return [VolumeMount(name=name.replace("_", "-"), mountPath=path) for name, path in paths.items()]


def mounted_files(volume: str, folder: str, *names: str) -> list[VolumeMount]:
    """Single files of a volume."""
    return [VolumeMount(name=volume, mountPath=f"{folder}/{name}", subPath=name) for name in names]


# --------------------------------------------------------------------------------------------------------------------- placement


def beside_the_control_plane(*, always: bool) -> Affinity:
    """Where the control plane is, so that what happens to other nodes happens to model servers only.

    Args:
        always: or not at all, as in a cluster that drillbox made; elsewhere the cluster may not let us. To the scheduler a wish
            is one among others: a node that is empty may outweigh it.
    """
    terms = [
        NodeSelectorTerm(matchExpressions=[NodeSelectorRequirement(key=label, operator="Exists")]) for label in CONTROL_PLANE
    ]
    if always:
        selector = NodeSelector(nodeSelectorTerms=terms)
        return Affinity(nodeAffinity=NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution=selector))
    wishes = [PreferredSchedulingTerm(weight=100, preference=term) for term in terms]
    return Affinity(nodeAffinity=NodeAffinity(preferredDuringSchedulingIgnoredDuringExecution=wishes))


def tolerations(*, of_control_plane: bool) -> list[Toleration]:
    """How long a pod stays on a lost node, and whether a control plane's may have it."""
    soon = [Toleration(key=key, operator="Exists", effect="NoExecute", tolerationSeconds=TOLERATION) for key in _UNHEARD]
    there = [Toleration(key=key, operator="Exists", effect="NoSchedule") for key in CONTROL_PLANE]
    return [*soon, *(there if of_control_plane else ())]
