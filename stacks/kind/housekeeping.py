"""What clusters of kind are on this machine, and how they go away, whoever's host died at whatever moment.

A cluster is known by its folder, in which its record was before the first container was. Without a folder nothing is asked of the
engine: it may not even be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ...sandbox.model.errors import DrillboxError, StackError
from ...sandbox.model.housekeeping import Address, Check, Leftover, Part, Standing
from ..local.claim import held
from .engine import Engine, connect

if TYPE_CHECKING:
    from .records import ClusterFolder

Tell = Callable[[str], None]


class KindHousekeeping:
    """Clears up clusters below one folder. Implements `sandbox.model.housekeeping.Housekeeping`; a session is a cluster."""

    def __init__(self, base: Path, checks: Callable[[Path], Sequence[Check]], reach: Callable[[], Engine] = connect) -> None:
        """`checks` are made of the machine and `base`; `reach` gives the engine."""
        self._base, self._checks, self._reach = base, checks, reach

    def leftovers(self) -> list[Leftover]:
        """The clusters of which there is something."""
        found = self._folders()
        if not found:
            return []
        with ExitStack() as ends:
            engine, trouble = self._engine(ends)
            return [_look(folder, engine, trouble) for folder in found]

    def down(self, sessions: Collection[str], tell: Tell, *, force: bool = False) -> list[Leftover]:  # noqa: ARG002 -- see `_lock`
        """See the protocol. Nothing of a cluster is a host that could be killed, so `force` adds nothing."""
        wanted = [folder for folder in self._folders() if folder.name in sessions]
        if not wanted:
            return []
        left = []
        with ExitStack() as ends:
            engine, trouble = self._engine(ends)
            for folder in wanted:
                if engine is None and folder.read() is not None:
                    tell(f"{folder.name}: {trouble}; then repeat: drillbox down --stack kind {folder.name}")
                else:
                    _clear(folder, engine, tell)
                if folder.exists():
                    left.append(_look(folder, engine, trouble))
        return left

    def standing(self) -> list[Standing]:
        """See the protocol. A cluster stands from its first node on."""
        found = self._folders()
        if not found:
            return []
        with ExitStack() as ends:
            engine, _ = self._engine(ends)
            return [] if engine is None else [one for folder in found if (one := _stands(folder, engine)) is not None]

    def checks(self) -> Sequence[Check]:
        """See the protocol."""
        return self._checks(self._base)

    def _folders(self) -> list[ClusterFolder]:
        if not self._base.is_dir():
            return []
        from .records import folders  # not for nothing: most machines have no cluster

        return folders(self._base)

    def _engine(self, ends: ExitStack) -> tuple[Engine | None, str]:
        """The engine, or why there is none."""
        try:
            engine = self._reach()
        except StackError as error:
            return None, str(error)
        ends.callback(engine.close)
        return engine, ""


def _stands(folder: ClusterFolder, engine: Engine) -> Standing | None:
    """What runs of a cluster; None if nothing does."""
    record = folder.read()
    try:
        nodes = engine.nodes(folder.name) if record is not None else []
    except StackError:
        return None
    if record is None or not nodes:
        return None
    parts = tuple(Part(node.name, node.state, record.since) for node in nodes)
    reach = (Address("kubectl", f"export KUBECONFIG={folder.kubeconfig}"),) if record.ready else ()
    return Standing(folder.name, _host(folder), "", record.since, parts, reach)


def _host(folder: ClusterFolder) -> int | None:
    """The process that makes or removes a cluster at this moment; one that is complete has none."""
    record = folder.read()
    return record.host.pid if record and record.host and held(folder.path) and record.host.alive() else None


def _look(folder: ClusterFolder, engine: Engine | None, trouble: str) -> Leftover:
    from .removal import Removal

    record, host = folder.read(), _host(folder)
    if engine is not None:
        try:
            return Leftover(folder.name, host, Removal(folder, engine).look())
        except StackError as error:
            trouble = str(error)
    things = [f"network, {len(record.nodes)} or more containers and their volumes ({trouble})"] if record else []
    return Leftover(folder.name, host, (*things, f"folder {folder.path}"))


def _clear(folder: ClusterFolder, engine: Engine | None, tell: Tell) -> None:
    from .removal import Removal

    try:
        with folder.lock():
            if engine is not None:
                Removal(folder, engine).clear(tell)
            else:  # its host died before it wrote anything down, and so before it made anything
                folder.remove()
                tell(f"{folder.name}: removed {folder.path}")
    except DrillboxError as error:
        tell(f"{folder.name}: {error}")
