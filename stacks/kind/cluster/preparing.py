"""A cluster with the application image on its nodes, for drills to come: the image is built while the cluster is made."""

from __future__ import annotations

from collections.abc import Callable

from ....sandbox.model.stack import Progress
from ..settings import Settings
from .beside import Beside
from .clusters import Cluster, Clusters
from .engine import Engine
from .images import Builder, Image
from .loading import Early
from .making import BEGINS, RUNS, Wanted


def wanted_of(clusters: Clusters, settings: Settings, label: str) -> Wanted:
    """The cluster that is there, as it is, where the settings do not insist on another; else one as they say."""
    record = clusters.folder(settings.cluster).read()
    if record is None or not record.ready:
        return Wanted(settings.cluster, settings.workers, settings.node_image, settings.api_port, label)
    workers = settings.workers if "workers" in settings.asked else record.workers
    port = settings.api_port if "api_port" in settings.asked else record.port
    image = settings.node_image if settings.asked and settings.node_image else record.image
    return Wanted(settings.cluster, workers, image, port, label)


def have_cluster(
    clusters: Clusters,
    engine: Engine,
    settings: Settings,
    label: str,
    progress: Progress,
    there: Callable[[Cluster], None] = lambda _cluster: None,
) -> Image:
    """Have a cluster with the application image on its nodes, all of which are ready; see `begin_cluster`."""
    cluster, image = begin_cluster(clusters, engine, settings, label, progress, there)
    clusters.settle(cluster, label, progress)
    return image


def begin_cluster(
    clusters: Clusters,
    engine: Engine,
    settings: Settings,
    label: str,
    progress: Progress,
    there: Callable[[Cluster], None] = lambda _cluster: None,
) -> tuple[Cluster, Image]:
    """Have a cluster with the application image on its nodes; its workers may not be ready yet, see `Clusters.settle`.

    The image is built while the cluster is made, and brought onto the nodes while kind waits for the workers.

    Args:
        clusters: of the state folder.
        engine: that the nodes run on.
        settings: of cluster and image.
        label: of the drill that the cluster is for; empty if it is to stay.
        progress: hears of both.
        there: is called once the cluster is.

    Raises:
        StackError: one of both fails; a cluster that was begun is removed.
    """
    other = engine.again()  # of its own: a client is for one thread
    wanted = wanted_of(clusters, settings, label)
    record = clusters.folder(wanted.name).read()
    new = record is None or not record.ready
    early = Early(other, wanted.name, wanted.workers + 1, archives=clusters.archives)

    def cancel() -> None:
        early.stop()
        other.cancel()

    def work(told: Progress) -> Image:
        image = Builder(other, settings).ensure(told)
        if new:
            early.pack(image.reference, told)
        early.load(image.reference, told)
        return image

    with Beside(work, progress, cancel) as build:

        def hear(step: str, done: float) -> None:
            if step.startswith(RUNS):
                early.begin.set()
            elif step.startswith(BEGINS):  # perhaps once more
                early.begin.clear()
            build.progress(step, done)

        try:
            cluster = clusters.begin(wanted, hear)
            there(cluster)
            early.begin.set()
            early.there.set()
            image = build.result()
        finally:
            build.close()
            other.close()
    Builder(engine, settings).load(image, cluster.name, progress, clusters.archives)
    return cluster, image
