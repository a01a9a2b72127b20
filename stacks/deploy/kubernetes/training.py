"""The Job of a training run, as the pipeline makes it: it adds its name, the run, and what is to be trained."""

from __future__ import annotations

from lightkube.models.batch_v1 import JobSpec
from lightkube.models.core_v1 import PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.batch_v1 import Job

from ...services.common.environment import THREADS
from . import pods
from .deployments import program, run, service_mounts, service_volumes
from .names import CONTROL, PORT, REGISTRY, TRAINING, labels_of
from .setup import Setup


def training_job(setup: Setup) -> Job:
    """The template; a failed pod is tried again once, as its node may have been lost."""
    environment = [
        pods.from_pod("SERVICE_COMPONENT", "metadata.name"),
        pods.from_secret("CONTROL_TOKEN", CONTROL, "token"),
        *pods.plain({"MODEL_STORE_URL": f"http://{REGISTRY}:{PORT}", "DRILLBOX_HOME": pods.STATE} | THREADS),
    ]
    container = program(
        setup,
        TRAINING,
        environment,
        command=run("training"),
        resources=pods.amounts("256Mi", "2Gi"),
        volumeMounts=service_mounts(),
    )
    pod = PodSpec(
        containers=[container],
        volumes=service_volumes(),
        restartPolicy="Never",
        automountServiceAccountToken=False,
        enableServiceLinks=False,
        securityContext=pods.secured_pod(),
        tolerations=pods.tolerations(of_control_plane=True),
        affinity=pods.beside_the_control_plane(always=setup.own_cluster),
    )
    template = PodTemplateSpec(metadata=ObjectMeta(labels=labels_of(setup.label, TRAINING)), spec=pod)
    return Job(metadata=setup.meta(TRAINING, TRAINING), spec=JobSpec(template=template, backoffLimit=1))
