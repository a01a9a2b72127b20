"""Removes a cluster and verifies that nothing of it is left: containers, network, volumes, kubeconfig, the process that made it.

It needs neither kind nor a cluster that answers, can be repeated, and finds what a host left that died in the middle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ....sandbox.model.errors import StackError
from ..records.clusters import ClusterFolder, Record
from .engine import OWNER, Engine, Network, NodeContainer
from .engines import check_engine
from .makers import Makers

Tell = Callable[[str], None]
PATIENCE = 90.0
"""Wall seconds that the engine has to remove everything."""
GRACE = 60.0
"""Wall seconds that a container has to come about that is being created, before it is not waited for any more."""
QUIET = 15.0
"""Wall seconds in which no container may appear where nobody has seen how its creation ended: the engine may be at it still."""
_LOOK = 0.2


class Removal:
    """What there is of one cluster."""

    def __init__(self, folder: ClusterFolder, engine: Engine) -> None:
        self._folder, self._engine = folder, engine

    def look(self) -> tuple[str, ...]:
        """Each thing that is there, for people.

        Raises:
            StackError: the engine does not answer, or is another one than the cluster's.
        """
        record = self._folder.read()
        things: list[str] = []
        if record is not None:
            check_engine(self._folder, record, self._engine)
            things += [f"process {one.pid} of kind" for one in Makers(record).living()]
            things += [f"container {node.name} ({node.state})" for node in self._nodes(record)]
            things += [f"network {network.name}" for network in self._networks(record)]
            there = self._engine.volumes()
            things += [f"volume {name[:12]}" for name in record.volumes if name in there]
        if self._folder.kubeconfig.exists():
            things.append(f"kubeconfig {self._folder.kubeconfig}")
        if self._folder.exists():
            things.append(f"folder {self._folder.path}")
        return tuple(things)

    def clear(self, tell: Tell, *, keep: bool = False, seen: bool = False) -> tuple[str, ...]:
        """Remove everything; whoever calls has the folder's lock.

        Args:
            tell: hears of each thing that was removed.
            keep: whether folder and lock stay, for the next cluster of the name.
            seen: whether this process has seen how kind ended.

        Returns:
            What is still there.

        Raises:
            StackError: the engine does not answer, or is another one than the cluster's.
        """
        record = self._folder.read()
        if record is not None:
            check_engine(self._folder, record, self._engine)
            record = self._empty(record, tell, seen=seen)
            if self._nodes(record) or self._networks(record) or self._left_volumes(record) or Makers(record).living():
                return self.look()
        if keep:
            self._folder.empty()
            return ()
        self._folder.remove()
        tell(f"{self._folder.name}: removed {self._folder.path}")
        return ()

    # ---------------------------------------------------------------------------------------------------------- own work

    def _empty(self, record: Record, tell: Tell, *, seen: bool) -> Record:
        """Remove everything, the network last: for as long as that is there nobody else makes a cluster of the name."""
        begun = now = time.monotonic()
        makers = Makers(record)
        unseen = record.creator is not None and not seen and not makers.living()
        quiet = now + QUIET if unseen else now
        while True:
            impatient = now - begun > GRACE
            making = self._end(makers, record, tell, force=impatient)
            unseen |= making and impatient
            record, trouble = self._remove_nodes(record, tell)
            now = time.monotonic()
            if self._nodes(record) or (making and impatient):
                quiet = now + QUIET if unseen else now
            elif not trouble and not making and now >= quiet:
                trouble = self._remove_rest(record, tell)
                if not trouble and not self._networks(record):
                    return record
            if now - begun > PATIENCE:
                tell(f"{record.name}: {trouble or 'containers keep appearing'}")
                return record
            time.sleep(_LOOK)

    def _end(self, makers: Makers, record: Record, tell: Tell, *, force: bool) -> bool:
        """Let nobody make containers any more, as far as that can be; whether somebody was still at it."""
        found = makers.end(force=force)
        if record.creator is not None and record.creator in found:
            tell(f"{record.name}: killed kind, process {record.creator.pid}")
        return bool(found)

    def _remove_nodes(self, record: Record, tell: Tell) -> tuple[Record, str]:
        """Remove the containers that there are; the record, with the names of their volumes, and what went wrong."""
        nodes = self._nodes(record)
        volumes = {volume for node in nodes for volume in node.volumes}
        if volumes - set(record.volumes):  # once the container is gone nobody knows whose they were
            record = record.model_copy(update={"volumes": tuple(sorted(volumes | set(record.volumes)))})
            self._folder.write(record)
        try:
            with ThreadPoolExecutor(max(1, len(nodes))) as pool:  # each takes the engine some seconds
                for node, _ in zip(nodes, pool.map(self._engine.remove_node, (one.id for one in nodes)), strict=True):
                    tell(f"{record.name}: removed the container {node.name}")
        except StackError as error:
            return record, str(error)
        return record, ""

    def _remove_rest(self, record: Record, tell: Tell) -> str:
        """Remove network and volumes; what went wrong."""
        try:
            for network in self._networks(record):
                self._engine.remove_network(network.id)
                tell(f"{record.name}: removed the network {network.name}")
            for volume in self._left_volumes(record):
                self._engine.remove_volume(volume)
                tell(f"{record.name}: removed the volume {volume[:12]}")
        except StackError as error:
            return str(error)
        return ""

    def _nodes(self, record: Record) -> list[NodeContainer]:
        """Containers that are ours: in the record, on the network that carries its secret, or created for that.

        One that never ran knows only the network's name. That is as good as its id while no other network is called so.
        """
        own = {network.id for network in self._networks(record)}
        alone = {network.id for network in self._engine.networks(name=record.name)} <= own
        return [
            node
            for node in self._engine.nodes(record.name)
            if node.id in record.nodes or own & set(node.networks) or (alone and record.name in node.awaits)
        ]

    def _networks(self, record: Record) -> list[Network]:
        return self._engine.networks(label=f"{OWNER}={record.token}")

    def _left_volumes(self, record: Record) -> list[str]:
        return sorted(self._engine.volumes() & set(record.volumes))
