"""What drills and clusters of kind are on this machine, and how they go away, whoever's host died at whatever moment.

Both are known by their folders, in which their records were before the first container or object was. Without a folder nothing is
asked of the engine: it may not even be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...sandbox.model.errors import DrillboxError, StackError
from ...sandbox.model.housekeeping import Address, Check, Leftover, Part, Standing
from ..real.machine.claim import held
from .cluster.engine import Engine, NodeContainer, connect
from .records.drills import folder_of, heirs, host_of, read
from .records.drills import folders as drills_of

if TYPE_CHECKING:
    from .drill.remains import DrillRemains
    from .records.clusters import ClusterFolder

Tell = Callable[[str], None]


class KindHousekeeping:
    """Clears up below one folder. Implements `sandbox.model.housekeeping.Housekeeping`; a session is a drill, or a cluster.

    A cluster that was made for a drill goes with it, one that was made to be kept stays.
    """

    def __init__(self, base: Path, checks: Callable[[Path], Sequence[Check]], reach: Callable[[], Engine] = connect) -> None:
        """`checks` are made of the machine and `base`; `reach` gives the engine."""
        self._base, self._checks, self._reach = base, checks, reach

    def leftovers(self) -> list[Leftover]:
        """The drills and clusters of which there is something."""
        drills, clusters = self._drills(), self._clusters()
        if not drills and not clusters:
            return []
        with ExitStack() as ends:
            engine, trouble = self._engine(ends)
            found = [self._remains(path, (engine, trouble)).look() for path in drills]
            return found + [self._look(folder, engine, trouble) for folder in clusters]

    def down(self, sessions: Collection[str], tell: Tell, *, force: bool = False) -> list[Leftover]:
        """See the protocol. Of a cluster its drills go first."""
        named = {folder.name for folder in self._clusters() if folder.name in sessions}
        drills = {path for path in self._drills() if path.name in sessions or self._cluster_of(path) in named}
        bound = self._bound({*sessions, *(path.name for path in drills)}) - named
        drills |= {path for path in self._drills() if self._cluster_of(path) in bound}
        going = named | bound
        if not drills and not going:
            return []
        with ExitStack() as ends:
            reached = self._engine(ends)
            for path in sorted(drills):
                cluster = self._cluster_of(path)
                whole = cluster in going and not heirs(self._base, cluster, {path.name})
                self._remains(path, reached, whole=whole).clear(tell, force=force)
            for folder in self._clusters():
                if folder.name in going:
                    self._clear(folder, reached, tell)
                else:
                    self._bequeath(folder, {path.name for path in drills})
            left = [self._remains(path, reached).look() for path in self._drills() if path in drills]
            return left + [self._look(one, *reached) for one in self._clusters() if one.name in going]

    def standing(self) -> list[Standing]:
        """See the protocol. A cluster stands from its first node on, and for as long as nobody can look whether it does."""
        drills, clusters = self._drills(), self._clusters()
        if not drills and not clusters:
            return []
        with ExitStack() as ends:
            engine, trouble = self._engine(ends)
            found = [self._remains(path, (engine, trouble)).stands() for path in drills]
            return found + [one for folder in clusters if (one := self._stands(folder, engine, trouble)) is not None]

    def checks(self) -> Sequence[Check]:
        """See the protocol."""
        return self._checks(self._base)

    # ------------------------------------------------------------------------------------------------------------- own work

    def _clusters(self) -> list[ClusterFolder]:
        if not self._base.is_dir():
            return []
        from .records.clusters import folders  # not for nothing: most machines have no cluster

        return folders(self._base)

    def _drills(self) -> list[Path]:
        return drills_of(self._base) if self._base.is_dir() else []

    def _remains(self, path: Path, reached: tuple[Engine | None, str], *, whole: bool = False) -> DrillRemains:
        from .drill.remains import DrillRemains

        return DrillRemains(path, self._base, lambda: reached, whole=whole)

    def _cluster_of(self, path: Path) -> str:
        record = read(path)
        return record.cluster if record is not None else ""

    def _bound(self, labels: Collection[str]) -> set[str]:
        """The clusters that were made for these drills, but for those on which others play: they go with the last."""
        found = set()
        for folder in self._clusters():
            record = folder.read()
            if record is not None and record.session in labels and not heirs(self._base, folder.name, labels):
                found.add(folder.name)
        return found

    def _engine(self, ends: ExitStack) -> tuple[Engine | None, str]:
        """The engine, or why there is none."""
        try:
            engine = self._reach()
        except StackError as error:
            return None, str(error)
        ends.callback(engine.close)
        return engine, ""

    def _bequeath(self, folder: ClusterFolder, labels: Collection[str]) -> None:
        """The cluster of a drill that is no more goes with another one that is on it."""
        record, others = folder.read(), heirs(self._base, folder.name, labels)
        if record is not None and record.session in labels and others:
            with suppress(DrillboxError), folder.lock():
                folder.write(record.model_copy(update={"session": others[0]}))

    def _host(self, folder: ClusterFolder) -> int | None:
        """The process that makes or removes a cluster at this moment, or plays the drill that it was made for."""
        record = folder.read()
        if record is None:
            return None
        if record.host and held(folder.path) and record.host.alive():
            return record.host.pid
        return host_of(folder_of(self._base, record.session)) if record.session else None

    def _stands(self, folder: ClusterFolder, engine: Engine | None, trouble: str) -> Standing | None:
        """What runs of a cluster; None if nothing does."""
        from .cluster.engines import check_engine

        record, nodes = folder.read(), list[NodeContainer]()
        if record is None:
            return None
        if engine is not None:
            try:
                check_engine(folder, record, engine)
                nodes = engine.nodes(folder.name)
            except StackError as error:
                trouble = str(error)
        if not nodes and not trouble:
            return None
        parts = tuple(Part(node.name, node.state, record.since) for node in nodes)
        reach = (Address("kubectl", f"export KUBECONFIG={folder.kubeconfig}"),) if record.ready else ()
        return Standing(folder.name, self._host(folder), "", record.since, parts, reach, ground="cluster", trouble=trouble)

    def _look(self, folder: ClusterFolder, engine: Engine | None, trouble: str) -> Leftover:
        from .cluster.removal import Removal

        record, host = folder.read(), self._host(folder)
        kept = record is not None and record.ready and not record.session
        if engine is not None:
            try:
                return Leftover(folder.name, host, Removal(folder, engine).look(), kept)
            except StackError as error:
                trouble = str(error)
        things = [f"network, {len(record.nodes)} or more containers and their volumes ({trouble})"] if record else []
        return Leftover(folder.name, host, (*things, f"folder {folder.path}"), kept)

    def _clear(self, folder: ClusterFolder, reached: tuple[Engine | None, str], tell: Tell) -> None:
        """Remove a cluster, unless somebody still plays on it."""
        from .cluster.removal import Removal

        engine, trouble = reached
        if engine is None and folder.read() is not None:
            tell(f"{folder.name}: {trouble}; then repeat: drillbox down --stack kind {folder.name}")
            return
        players = heirs(self._base, folder.name, ())
        if players:
            tell(f"{folder.name}: {players[0]} is still played on it")
            return
        try:
            with folder.lock():
                if engine is not None:
                    Removal(folder, engine).clear(tell)
                else:  # its host died before it wrote anything down, and so before it made anything
                    folder.remove()
                    tell(f"{folder.name}: removed {folder.path}")
        except DrillboxError as error:
            tell(f"{folder.name}: {error}")
