"""The images of a drill's containers: which they are, and that those of this machine's engine are on the nodes of our cluster."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from ....sandbox.model.errors import StackError, UsageError
from ....sandbox.model.stack import Progress
from ...deploy.kubernetes.setup import CONTROLLER, KUBERNETES, Images
from ...real.machine.installed import find_prometheus
from ..cluster.loading import Loader
from ..settings import DISCOVERY, ENVOY_IMAGE, GRAFANA_IMAGE, PROMETHEUS, PROMETHEUS_IMAGE, Settings
from .ground import Ground

_DISCOVERY = b"prometheus/discovery/kubernetes"
"""A package's name is in every program of Go that has it."""


def images_of(settings: Settings) -> Images:
    """Those that the settings name; that of the application is known once it is built.

    Raises:
        UsageError: Prometheus shall ask the Kubernetes API, and is built without that.
    """
    return Images(
        settings.app_image,
        prometheus=settings.prometheus_image,
        grafana=settings.grafana,
        envoy=settings.envoy,
        discovery=_discovery(settings),
    )


def bring(settings: Settings, ground: Ground, progress: Progress) -> list[str]:
    """Bring the images beside that of the application onto the nodes, if this machine's engine has them.

    What cannot be brought the nodes pull: whether they can is seen when its containers start.

    Returns:
        What could not be.
    """
    return [] if ground.engine is None else list(_bring(settings, ground, progress))


def _bring(settings: Settings, ground: Ground, progress: Progress) -> Iterator[str]:
    engine = ground.engine
    wanted = {ENVOY_IMAGE: settings.envoy, PROMETHEUS_IMAGE: settings.prometheus_image, GRAFANA_IMAGE: settings.grafana}
    for variable, name in wanted.items():
        if not name or "@" in name or engine is None:  # by a digest it is not known to nodes that did not pull it
            continue
        reference = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        try:
            if engine.image(reference) is not None:
                Loader(engine).load(reference, engine.nodes(ground.cluster), progress)
        except StackError as error:
            yield f"{variable}={name}: the nodes have to pull it: {error}"


def _discovery(settings: Settings) -> str:
    """Whom Prometheus is to ask, of those whom it can."""
    wanted, own = settings.discovery, not settings.prometheus_image and not settings.app_image
    if not own:
        return wanted
    able = settings.prometheus == "host" and asks_kubernetes(find_prometheus())
    if wanted == KUBERNETES and not able:
        raise UsageError(
            f"{DISCOVERY}={KUBERNETES}: the Prometheus of the application image ({PROMETHEUS}={settings.prometheus}) is built "
            f"without that: set {PROMETHEUS_IMAGE}=prom/prometheus:v3.5.0, or {PROMETHEUS}=host with one of its own releases "
            f"on the PATH; or unset {DISCOVERY}"
        )
    return wanted or (KUBERNETES if able else CONTROLLER)


def asks_kubernetes(program: Path | None) -> bool:
    """Whether a Prometheus is built with the discovery by the Kubernetes API; Debian's is not."""
    try:
        if program is None:
            return False
        with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(_DISCOVERY) >= 0
    except (OSError, ValueError):  # it cannot be read, or is empty
        return False
