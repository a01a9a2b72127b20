"""Clusters that are kept, and where drills of this process are played. Implements `sandbox.model.grounds.Grounds`."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from contextlib import closing, suppress
from pathlib import Path

from ...sandbox.model.errors import StackError
from ...sandbox.model.grounds import Choice, Cluster
from ...sandbox.model.housekeeping import Part
from ...sandbox.model.stack import Progress
from . import settings
from .cluster.engine import Engine, connect
from .records.clusters import ClusterFolder, folders
from .records.drills import folders as drills_of
from .records.drills import read
from .settings import PREFIX, Settings


class KindGrounds:
    """The clusters of one state folder.

    Args:
        base: has a folder for each.
        reach: gives the engine.
        environment: in which choices are put down, for this process and those that it starts.
    """

    def __init__(
        self, base: Path, reach: Callable[[], Engine] = connect, environment: MutableMapping[str, str] = os.environ
    ) -> None:
        self._base, self._reach, self._environment = base, reach, environment

    def full_name(self, name: str) -> str:
        """With the prefix that all have."""
        return name if name.startswith(PREFIX) else f"{PREFIX}{name}"

    def names(self) -> list[str]:
        """See the protocol."""
        return [folder.name for folder in folders(self._base)]

    def choose(self, choice: Choice) -> None:
        """See the protocol. Whatever the choice does not say is as the environment has it."""
        wanted = {
            settings.CLUSTER: self.full_name(choice.cluster) if choice.cluster else "",
            settings.CONTEXT: choice.context,
            settings.NAMESPACE: choice.namespace,
            settings.NO_SANDBOX: "yes" if choice.confirmed else "",
        }
        found = {**self._environment, **{name: value for name, value in wanted.items() if value}}
        if choice.cluster and not choice.context:  # a cluster of our own is no place of somebody else's
            for name in (settings.CONTEXT, settings.NAMESPACE):
                found.pop(name, None)
                self._environment.pop(name, None)
        read_again = Settings.read(found)
        if read_again.context:
            from .drill.ground import ForeignNamespace

            ForeignNamespace("none", read_again)
        else:
            from .cluster.making import Wanted

            Wanted(read_again.cluster)
        self._environment.update({name: value for name, value in wanted.items() if value})

    def up(self, name: str, workers: int | None, port: int | None, progress: Progress) -> Cluster:
        """See the protocol. The application image is brought onto its nodes, too."""
        from .cluster.clusters import Cluster as Had
        from .cluster.clusters import Clusters
        from .cluster.preparing import have_cluster

        found = Settings.read({**self._environment, settings.CONTEXT: "", settings.NAMESPACE: ""})
        chosen = self.full_name(name) if name else found.cluster
        with closing(self._reach()) as engine:
            clusters = Clusters(self._base, engine, environment=self._environment)
            had: list[Had] = []
            try:
                have_cluster(clusters, engine, found.of(chosen, workers, port), "", progress, had.append)
            except BaseException:
                if any(one.made or one.kept for one in had):  # what had to be made for it and failed is gone already
                    with suppress(StackError):  # `drillbox down` finds it, and what is told is why it is not wanted
                        clusters.withdraw(chosen, progress)
                raise
            return self._look(clusters.folder(chosen), engine)

    def clusters(self) -> list[Cluster]:
        """See the protocol."""
        found = folders(self._base)
        if not found:
            return []
        with closing(self._reach()) as engine:
            return [self._look(folder, engine) for folder in found]

    def _look(self, folder: ClusterFolder, engine: Engine) -> Cluster:
        record = folder.read()
        since = record.since if record else None
        nodes = tuple(Part(node.name, node.state, since) for node in engine.nodes(folder.name)) if record else ()
        on_it = [(path.name, read(path)) for path in drills_of(self._base)]
        drills = tuple(label for label, drill in on_it if drill is not None and drill.cluster == folder.name)
        ready, session = (record.ready, record.session) if record else (False, "")
        return Cluster(folder.name, nodes, ready, since, str(folder.kubeconfig), session, drills)
