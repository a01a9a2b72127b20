"""The clusters of a state folder: made if they are not there, used again if they are, kept, left and removed.

    cluster = Clusters(base, connect()).ensure(Wanted("drillbox-default", workers=2), progress)
    kubectl(f"--kubeconfig={cluster.kubeconfig}", ...)

A cluster has a network of its own, made by drillbox and labelled with the secret of its record: containers on that network are
the cluster's, whoever asks, and all of it goes with the cluster.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ....sandbox.model.errors import StackError
from ....sandbox.model.stack import Progress
from ...real.machine.ports import check_port
from ..records.clusters import ClusterFolder, Record, folders
from ..records.drills import heirs
from .archives import Archives
from .beside import heedless
from .engine import CONTROL_PLANE, HOME, OWNER, Engine, NodeContainer
from .engines import check_engine
from .making import Kind, Wanted
from .others import check_lost, wreck_in_use
from .readiness import Nodes, wait_for_nodes
from .removal import Removal
from .trouble import SlowError

_LEAVING = 30.0
"""Wall seconds that a drill waits for another that has come to its cluster, and waits for its nodes."""
CREATION, READINESS = 900.0, 300.0
"""Wall seconds that kind has to make the nodes, with an image that may have to be pulled, and that these have to become ready."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster.

    Attributes:
        name: of the cluster.
        kubeconfig: the file with which to reach it.
        nodes: containers, by the node's name.
        made: whether it was made just now.
        session: the drill that it was made for then; empty if it was made to stay.
        kept: whether it was there for a drill, and stays from now on.
    """

    name: str
    kubeconfig: Path
    nodes: Mapping[str, NodeContainer]
    made: bool
    kept: bool = False
    session: str = ""


class Clusters:
    """The clusters of one state folder on one engine."""

    def __init__(
        self,
        base: Path,
        engine: Engine,
        *,
        environment: Mapping[str, str] = os.environ,
        look: Callable[[Path], Nodes] | None = None,
        creation: float = CREATION,
        readiness: float = READINESS,
    ) -> None:
        """`base` has a folder for each; `look` tells of the nodes behind a kubeconfig whether they are ready."""
        self._base, self._engine, self._environment = base, engine, environment
        self._look, self._creation, self._readiness = look, creation, readiness

    def names(self) -> list[str]:
        """Those that there are, or that left something."""
        return [folder.name for folder in folders(self._base)]

    @property
    def archives(self) -> Archives:
        """Images for their nodes: in the cache of the state folder, of which the clusters have a folder, too."""
        return Archives(self._base.parent / "cache" / "images")

    def folder(self, name: str) -> ClusterFolder:
        """Of a cluster, whether it is there or not."""
        return ClusterFolder(self._base / name)

    def ensure(self, wanted: Wanted, progress: Progress) -> Cluster:
        """The cluster, made if it is not there. One that is only asleep (paused, stopped) is woken; a wreck is made anew.

        One that was made for a drill stays from now on if it is wanted for none. What faults of another drill that is played on
        it do to its nodes is not undone, and a wreck on which one is played is not removed: then it cannot be had.

        Raises:
            StackError: it cannot be made or had, or is another than wanted; what was begun is removed.
            UsageError: the state folder cannot be written.
        """
        cluster = self.begin(wanted, progress)
        self.settle(cluster, wanted.session, progress)
        return cluster

    def begin(self, wanted: Wanted, progress: Progress) -> Cluster:
        """As `ensure`, but of a cluster that had to be made only the control plane is ready; `settle` waits for the workers.

        Raises:
            StackError: see `ensure`.
            UsageError: see `ensure`.
        """
        folder = self.folder(wanted.name)
        with folder.lock():
            try:
                return self._have(folder, wanted, progress)
            finally:
                folder.discard()

    def settle(self, cluster: Cluster, label: str, progress: Progress) -> None:
        """Wait until all nodes of a cluster that has begun are ready; one that was made and does not get there is removed.

        If another drill has come to it meanwhile it stays, and goes with that.

        Args:
            cluster: that has begun.
            label: of the drill that it was wanted for; empty for none.
            progress: hears of it.

        Raises:
            StackError: they do not get there.
        """
        if not cluster.made:
            return
        try:
            self._wait(self.folder(cluster.name), len(cluster.nodes), progress)
        except BaseException as error:
            self._give_up(cluster, label, error, progress)
            raise

    def check(self, name: str) -> None:
        """See that a cluster in use is still there.

        Raises:
            StackError: it is gone, or not all of its nodes are there.
        """
        folder = self.folder(name)
        record = folder.read()
        there = {node.id for node in self._engine.nodes(name)}
        known = set(record.nodes) if record is not None else set()
        missing = max(len(known - there), (record.workers + 1 if record else 1) - len(there))
        if missing > 0:
            what = f"{missing} of its nodes are gone" if there else "it was deleted"
            raise StackError(f"cluster {name}: {what} while it was in use; clear up with: drillbox down --stack kind {name}")

    def remove(self, name: str, progress: Progress) -> None:
        """Remove a cluster and all that belongs to it.

        Raises:
            StackError: something of it stays; the message names it.
        """
        folder = self.folder(name)
        with folder.lock():
            left = self._remove(folder, progress)
            folder.discard()
        if left:
            raise StackError(f"cluster {name}: what could not be removed: {', '.join(left)}")

    def withdraw(self, name: str, progress: Progress) -> bool:
        """Whoever wanted a cluster to stay does not any more: it goes, or with the last of the drills that are on it.

        Returns:
            Whether it is gone.

        Raises:
            StackError: something of it stays; the message names it.
        """
        return self.release(name, "", progress)

    def release(self, name: str, label: str, progress: Progress) -> bool:
        """A drill leaves a cluster: one that was made for it goes, unless another drill is on it, with which it goes then.

        Returns:
            Whether it is gone.

        Raises:
            StackError: something of it stays; the message names it.
        """
        folder = self.folder(name)
        with folder.lock(_LEAVING):
            record = folder.read()
            if record is None:
                folder.discard()
                return True
            if record.session != label:
                return False
            others = heirs(self._base, name, {label})
            if others:
                folder.write(record.model_copy(update={"session": others[0]}))
                return False
            left = self._remove(folder, progress)
            folder.discard()
        if left:
            raise StackError(f"cluster {name}: what could not be removed: {', '.join(left)}")
        return True

    def _have(self, folder: ClusterFolder, wanted: Wanted, progress: Progress) -> Cluster:
        record = folder.read()
        if record is not None:
            check_engine(folder, record, self._engine)
        if record is not None and record.ready:
            _check_same(record, wanted)
            others = heirs(self._base, record.name, {wanted.session})
            found = self._again(folder, record, others, progress)
            if found is not None:
                if not wanted.session and record.session:
                    folder.write(record.model_copy(update={"session": ""}))
                    found = replace(found, kept=True)
                return found
            if others:
                raise wreck_in_use(record.name, others)
        if record is not None:
            if left := self._remove(folder, progress):
                raise StackError(f"cluster {record.name}: what could not be removed of an earlier one: {', '.join(left)}")
            if record.ready and not record.session:  # whoever wanted it to stay still does
                wanted = replace(wanted, session="")
        try:
            return self._create(folder, wanted, progress)
        except SlowError:
            progress("kind was too slow: once more", 0.0)
            return self._create(folder, wanted, progress)

    # ------------------------------------------------------------------------------------------------------------- again

    def _again(self, folder: ClusterFolder, record: Record, others: Sequence[str], progress: Progress) -> Cluster | None:
        """A cluster whose nodes were all there once; None if it cannot be used. `others` are drills that are played on it.

        Raises:
            StackError: it can be used once what these do to its nodes is over.
        """
        nodes = self._engine.nodes(record.name)
        if {node.id for node in nodes} != set(record.nodes) or not folder.kubeconfig.is_file():
            return None
        check_lost(self._base, record.name, nodes, others, self._engine)
        step = f"cluster {record.name} is there"
        progress(step, 0.0)
        for node in nodes:
            self._engine.wake(node)
        try:
            self._wait(folder, record.workers + 1, progress)
        except StackError:
            return None
        progress(step, 1.0)
        return Cluster(record.name, folder.kubeconfig, {node.name: node for node in self._engine.nodes(record.name)}, made=False)

    # ------------------------------------------------------------------------------------------------------------ create

    def _create(self, folder: ClusterFolder, wanted: Wanted, progress: Progress) -> Cluster:
        kind = Kind(self._environment, self._creation)
        if wanted.port:
            check_port(wanted.port, f"API of cluster {wanted.name}")
        self._refuse_others(wanted.name)
        on = (self._engine.facts().id, self._engine.address)
        record = Record.new(wanted.name, wanted.workers, wanted.image, wanted.port, wanted.session, *on)
        folder.write(record)
        try:
            labels = {OWNER: record.token, HOME: str(self._base)}
            self._engine.make_network(wanted.name, labels)
            kind.make(wanted, folder, record, progress)
            record = record.model_copy(update={"creator": None, "nodes": self._ids(wanted.name)})
            folder.write(record)
            self.check(wanted.name)
            nodes = self._engine.nodes(wanted.name)
            self._wait(folder, record.workers + 1, progress, [node.name for node in nodes if node.role == CONTROL_PLANE])
            volumes = tuple(sorted(volume for node in nodes for volume in node.volumes))
            folder.write(record.model_copy(update={"ready": True, "volumes": volumes}))  # whoever finds it waits for its workers
        except BaseException as error:
            self._remove_after(error, folder, progress)
            raise
        return Cluster(wanted.name, folder.kubeconfig, {node.name: node for node in nodes}, made=True, session=wanted.session)

    def _refuse_others(self, name: str) -> None:
        """Nodes or a network of that name that are in no record of ours belong to somebody else."""
        networks, nodes = self._engine.networks(name=name), self._engine.nodes(name)
        if not networks:
            for node in (debris := [one for one in nodes if name in one.awaits]):  # their network is gone: they will never run
                self._engine.remove_node(node.id)
            nodes = [one for one in nodes if one not in debris]
        if nodes:
            raise StackError(
                f"a cluster {name} is there, but not in this state folder: it was made with another one (DRILLBOX_HOME), or by "
                f"hand; choose another name, or remove it: kind delete cluster --name {name}"
            )
        for network in networks:
            home = network.labels.get(HOME)
            how = f"DRILLBOX_HOME={Path(home).parent} drillbox down --stack kind" if home else "docker network rm"
            raise StackError(f"a network {name} is there, but not made from this state folder; remove it: {how} {name}")

    def _wait(self, folder: ClusterFolder, count: int, progress: Progress, first: Sequence[str] = ()) -> None:
        try:
            wait_for_nodes(folder.kubeconfig, count, self._readiness, progress, self._look, first)
        except StackError as error:
            self.check(folder.name)  # that a node was deleted says more than that it is not ready
            raise StackError(f"cluster {folder.name}: {error}") from error

    def _ids(self, name: str) -> tuple[str, ...]:
        return tuple(node.id for node in self._engine.nodes(name))

    def _give_up(self, cluster: Cluster, label: str, error: BaseException, progress: Progress) -> None:
        """See `settle`."""
        folder = self.folder(cluster.name)
        with ExitStack() as held:
            try:
                held.enter_context(folder.lock())
            except StackError:  # whoever has it waits for the same nodes
                return
            record = folder.read()
            if record is None:
                folder.discard()
                return
            same = set(record.nodes) == {node.id for node in cluster.nodes.values()} and record.session == cluster.session
            if same and not heirs(self._base, cluster.name, {label}):
                self._remove_after(error, folder, progress)
                folder.discard()

    def _remove_after(self, error: BaseException, folder: ClusterFolder, progress: Progress) -> None:
        """What was begun, as it failed.

        Raises:
            StackError: something stays; the message has the failure, too.
        """
        left = self._remove(folder, progress, seen=True)
        if left and isinstance(error, StackError):
            raise StackError(f"{error}; what could not be removed: {', '.join(left)}") from error

    def _remove(self, folder: ClusterFolder, progress: Progress, *, seen: bool = False) -> tuple[str, ...]:
        """Everything, whatever it is in the middle of; what stays. `seen`: this process has seen how kind ended."""
        progress = heedless(progress)
        step = f"removing cluster {folder.name}"
        progress(step, 0.0)
        try:
            left = Removal(folder, self._engine).clear(lambda _text: None, keep=True, seen=seen)
        except StackError as error:
            return (str(error),)
        progress(step, 1.0)
        return left


def _check_same(record: Record, wanted: Wanted) -> None:
    """A cluster of the name that is another one is not silently taken, nor thrown away."""
    differences = [
        f"{name}: {has or 'any'} there, {asked or 'any'} wanted"
        for name, has, asked in (
            ("workers", str(record.workers), str(wanted.workers)),
            ("node image", record.image, wanted.image),
            ("API port", record.port, wanted.port),
        )
        if has != asked
    ]
    if differences:
        raise StackError(
            f"cluster {record.name} is there, but not as wanted ({'; '.join(differences)}): "
            f"remove it (drillbox down --stack kind {record.name}), or choose another name"
        )
