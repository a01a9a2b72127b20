"""What a drill on a cluster leaves, and how it goes away, whoever's host died at whatever moment.

It has a part on this machine, which is as that of the local stack (host, processes, undo log, folder), and a part elsewhere: its
namespace, what is beside that, and the folder of a socket. On a cluster that goes as a whole the namespace goes with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from ....sandbox.model.errors import DrillboxError, StackError
from ....sandbox.model.housekeeping import Standing
from ...real.machine.remains import Remains
from ...real.machine.undo import UndoLog
from ..cluster.engine import Engine
from ..cluster.engines import check_engine
from ..cluster.node_hands import undo_log
from ..cluster.others import lost_to
from ..cluster.readiness import wait_for_nodes
from ..records.clusters import ClusterFolder
from ..records.drills import DrillRecord, heirs, host_of, read
from .standing import standing_of

Tell = Callable[[str], None]
PATIENCE = 90.0
"""Wall seconds that a host has to end its drill: a namespace, or a cluster, goes with it."""
AWAKE = 120.0
"""Wall seconds that nodes have to be ready again once they were woken."""
Reach = Callable[[], tuple[Engine | None, str]]
"""Gives the engine, or why there is none."""


class DrillRemains(Remains):
    """What there is of one drill.

    Args:
        folder: of the drill.
        base: of the clusters.
        reach: gives the engine.
        whole: whether its cluster is about to be removed, with all that is on it.
    """

    patience = PATIENCE

    def __init__(self, folder: Path, base: Path, reach: Reach, *, whole: bool = False) -> None:
        super().__init__(folder)
        self._base, self._reach, self._whole, self._forced = base, reach, whole, False
        self._record = read(folder)
        self._trouble = ""

    @property
    def record(self) -> DrillRecord | None:
        """Where it is; None if nothing had been made."""
        return self._record

    def log(self) -> UndoLog:
        """How to take back what faults did to nodes."""
        engine, _ = self._engine()
        return UndoLog(self.folder) if engine is None else undo_log(self.folder, engine)

    def clear(self, tell: Tell, *, force: bool) -> None:
        """See the base. `force`: also if somebody else's cluster does not answer any more."""
        self._forced = force
        super().clear(tell, force=force)

    def stands(self) -> Standing:
        """What runs of it."""
        record = self._record
        return standing_of(self.folder, host_of(self.folder), record.scenario if record else "", record.since if record else None)

    def elsewhere(self) -> Sequence[str]:
        """See above."""
        record = self._record
        if record is None:
            return ()
        why = f" ({self._trouble})" if self._trouble else ""
        found = [f"{_place(record)}{why}"] if self._cluster_known(record) else []
        return [*found, *([f"folder {record.far}"] if record.far is not None and record.far.is_dir() else [])]

    def clear_elsewhere(self, tell: Tell) -> bool:
        """The namespace, if its cluster is there and stays, and the folder of the socket."""
        record = self._record
        if record is None:
            return True
        try:
            if not self._whole and self._cluster_stands(record):
                self._remove(record, tell)
        except DrillboxError as error:
            tell(f"{self.folder.name}: {error}")
            if record.cluster or not self._forced:
                self._trouble = str(error)
                if not record.cluster:
                    tell(f"{self.folder.name}: if that cluster is gone for good: drillbox down --force {self.folder.name}")
                return False
            tell(f"{self.folder.name}: what is left, if anything: {_place(record)}")
        if record.far is not None:
            shutil.rmtree(record.far, ignore_errors=True)
        return True

    # ------------------------------------------------------------------------------------------------------------- own work

    def _engine(self) -> tuple[Engine | None, str]:
        """The engine on which the drill's cluster is, or why it cannot be asked."""
        engine, why = self._reach()
        cluster = ClusterFolder(self._base / self._record.cluster) if self._record and self._record.cluster else None
        known = cluster.read() if cluster else None
        if engine is not None and cluster is not None and known is not None:
            try:
                check_engine(cluster, known, engine)
            except StackError as error:
                return None, str(error)
        return engine, why

    def _undo(self, tell: Tell) -> bool:
        """What faults did to nodes; of a cluster that goes nothing has to be undone."""
        if self._whole:
            return True
        engine, why = self._engine()
        if engine is None and self.log().pending():
            tell(f"{self.folder.name}: {why}; then repeat: drillbox down --stack kind {self.folder.name}")
            return False
        return super()._undo(tell)

    def _cluster_known(self, record: DrillRecord) -> bool:
        """Whether there may be such a cluster; somebody else's always may."""
        return not record.cluster or ClusterFolder(self._base / record.cluster).read() is not None

    def _cluster_stands(self, record: DrillRecord) -> bool:
        """Whether there is a cluster on which something of the drill may be.

        Nodes that sleep are woken, but for those that are lost to a fault of another drill on it, which lives.

        Raises:
            StackError: the engine does not tell.
        """
        if not record.cluster:
            return True
        known = ClusterFolder(self._base / record.cluster).read()
        if known is None or not known.ready:
            return False  # it is gone, or never was complete: then it goes as a whole
        engine, why = self._engine()
        if engine is None:
            raise StackError(f"{why}; then repeat: drillbox down --stack kind {self.folder.name}")
        nodes = [node for node in engine.nodes(record.cluster) if node.id in known.nodes]
        if all(node.role == "worker" for node in nodes):
            return False  # without a control plane nothing will ever run there again
        lost = lost_to(self._base, heirs(self._base, record.cluster, {self.folder.name}), engine)
        asleep = [node for node in nodes if node.state != "running" and not {node.id, node.name} & lost.keys()]
        for node in asleep:
            engine.wake(node)
        if asleep and not lost:
            wait_for_nodes(record.kubeconfig, len(nodes), AWAKE, lambda _step, _done: None)
        return True

    def _remove(self, record: DrillRecord, tell: Tell) -> None:
        """Through the cluster's API, which says when it is gone."""
        from .leaving import remove
        from .place import Place

        place = Place(record.kubeconfig, record.namespace, record.label, record.context, own=bool(record.cluster))
        remove(place, lambda _step, _done: None)
        tell(f"{self.folder.name}: removed {_place(record)}")


def _place(record: DrillRecord) -> str:
    """What it has on its cluster, for people."""
    if record.cluster:
        return f"namespace {record.namespace} of cluster {record.cluster}"
    return f"objects {record.label} in the namespace {record.namespace} of the context {record.context}"
