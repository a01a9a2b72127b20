"""What a drill stands on: a cluster that drillbox makes, or a namespace of somebody else's.

A drill leaves it as it was: a cluster that was made for the drill goes with it, one that was there stays without the drill's
namespace, and in a namespace of somebody else's the drill's objects go and the namespace stays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from ....sandbox.model.errors import UsageError
from ....sandbox.model.stack import Progress
from ...deploy.kubernetes.names import namespace_of
from ..cluster.clusters import Cluster, Clusters
from ..cluster.engine import CONTROL_PLANE, Engine, connect
from ..cluster.preparing import begin_cluster, wanted_of
from ..records.drills import DrillRecord
from ..settings import APP_IMAGE, Settings
from .leaving import check_room, remove, remove_objects
from .place import Place, kubeconfig_with


class Ground(ABC):
    """See above.

    Attributes:
        place: of the drill.
        namespace: to name in the drill's objects; empty if the drill makes one of its own.
        engine: that the nodes run on; None if nothing is known of it.
    """

    place: Place
    namespace: str = ""
    engine: Engine | None = None

    @property
    def own(self) -> bool:
        """Whether drillbox made the cluster: then nodes may be seen, and fail."""
        return self.place.own

    @property
    @abstractmethod
    def workers(self) -> int:
        """The number of nodes beside the control plane, as far as that is known before there are any."""

    @property
    def there(self) -> bool:
        """Whether its nodes are there already."""
        return True

    @property
    @abstractmethod
    def cluster(self) -> str:
        """Name of the cluster of ours; empty on somebody else's."""

    def record(self, scenario: str, far: Path | None) -> DrillRecord:
        """What is written down before anything is made."""
        place = self.place
        return DrillRecord(
            label=place.label,
            scenario=scenario,
            cluster=self.cluster,
            kubeconfig=place.kubeconfig.absolute(),
            context=place.context,
            namespace=place.namespace,
            far=far,
            since=datetime.now(UTC),
        )

    @abstractmethod
    def prepare(self, progress: Progress) -> str:
        """Have the cluster, and the application image where its nodes find it: the image's name.

        Of a cluster that had to be made only the control plane may be ready.

        Raises:
            StackError: that cannot be; what was begun is removed.
        """

    @abstractmethod
    def settle(self, progress: Progress) -> None:
        """Wait until all nodes are ready.

        Raises:
            StackError: they do not get there.
        """

    @abstractmethod
    def check(self) -> None:
        """See that what the drill stands on is still there, as far as anybody but its API knows; in any thread.

        Raises:
            StackError: it is gone; the message says what, and how to clear up.
        """

    @abstractmethod
    def leave(self, progress: Progress) -> None:
        """Take away what the drill has brought; it may not have brought anything yet.

        Raises:
            StackError: something stays.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


class OwnCluster(Ground):
    """A cluster of ours, made if it is not there.

    Args:
        base: of the clusters.
        label: of the drill.
        settings: name and shape of the cluster, and of the image.
    """

    def __init__(self, base: Path, label: str, settings: Settings) -> None:
        self.engine = self._engine = connect()
        self._base, self._settings, self._label = base, settings, label
        self._clusters = Clusters(base, self._engine)
        self._had: Cluster | None = None
        self.place = Place(self._clusters.folder(settings.cluster).kubeconfig, namespace_of(label), label)

    @property
    def workers(self) -> int:
        """Those of the cluster that is there, or those that it is made with."""
        return wanted_of(self._clusters, self._settings, "").workers

    @property
    def cluster(self) -> str:
        """Its name."""
        return self._settings.cluster

    @property
    def there(self) -> bool:
        """Whether there is such a cluster."""
        record = self._clusters.folder(self.cluster).read()
        return record is not None and record.ready

    def check(self) -> None:
        """See the base. The engine knows of containers; a client of it is for one thread."""
        with closing(self._engine.again()) as engine:
            Clusters(self._base, engine).check(self.cluster)

    def prepare(self, progress: Progress) -> str:
        """See the base. The image is built while the cluster is made."""
        _, image = begin_cluster(self._clusters, self._engine, self._settings, self._label, progress, self._use)
        return image.reference

    def settle(self, progress: Progress) -> None:
        """See the base."""
        if self._had is not None:
            self._clusters.settle(self._had, self._label, progress)

    def _use(self, cluster: Cluster) -> None:
        self._had = cluster

    def leave(self, progress: Progress) -> None:
        """See the base."""
        if self._clusters.release(self.cluster, self._label, progress) or self._had is None:
            return
        if any(node.role == CONTROL_PLANE for node in self._engine.nodes(self.cluster)):  # else it was deleted under our feet
            remove(self.place, progress)

    def close(self) -> None:
        """Let go of the engine."""
        self._engine.close()


class ForeignNamespace(Ground):
    """A namespace of a cluster that drillbox did not make.

    Args:
        label: of the drill.
        settings: context, namespace, and the image.

    Raises:
        UsageError: there is no such context, or no image is named that the cluster could pull.
    """

    def __init__(self, label: str, settings: Settings) -> None:
        if not settings.app_image:
            raise UsageError(
                f"the cluster of the context {settings.context} cannot have an image of this machine: push the application image "
                f"to a registry that it reaches, and set {APP_IMAGE} to its name there (docs/kind-cluster.md says how)"
            )
        kubeconfig = kubeconfig_with(settings.context)
        self.namespace, self._image = settings.namespace, settings.app_image
        self.place = Place(kubeconfig, settings.namespace, label, settings.context, own=False)
        self._used = False

    @property
    def workers(self) -> int:
        """Nobody asks for more than there are."""
        return 0

    @property
    def cluster(self) -> str:
        """None of ours."""
        return ""

    def check(self) -> None:
        """Nobody but its API knows of it."""

    def prepare(self, progress: Progress) -> str:
        """See the base: whether it may be done there."""
        progress(f"namespace {self.namespace}", 0.0)
        with self.place.client() as client:
            check_room(client, self.place)
        self._used = True
        progress(f"namespace {self.namespace}", 1.0)
        return self._image

    def settle(self, progress: Progress) -> None:
        """Its nodes are others' to wait for."""

    def leave(self, progress: Progress) -> None:
        """See the base: objects with the drill's labels, and nothing else."""
        if self._used:
            remove_objects(self.place, progress)

    def close(self) -> None:
        """There is none."""


def ground_of(base: Path, label: str, settings: Settings) -> Ground:
    """What the settings say that the drill stands on.

    Raises:
        StackError: no engine answers.
        UsageError: the context cannot be used.
    """
    return ForeignNamespace(label, settings) if settings.context else OwnCluster(base, label, settings)
