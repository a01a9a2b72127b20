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
from .programs import kill_group

Tell = Callable[[str], None]
PATIENCE = 90.0
"""Wall seconds that the engine has to remove everything."""
_LOOK = 0.2


class Removal:
    """What there is of one cluster."""

    def __init__(self, folder: ClusterFolder, engine: Engine) -> None:
        self._folder, self._engine = folder, engine

    def look(self) -> tuple[str, ...]:
        """Each thing that is there, for people.

        Raises:
            StackError: the engine does not answer.
        """
        record = self._folder.read()
        things: list[str] = []
        if record is not None:
            if record.creator is not None and record.creator.alive():
                things.append(f"process {record.creator.pid} of kind")
            things += [f"container {node.name} ({node.state})" for node in self._nodes(record)]
            things += [f"network {network.name}" for network in self._networks(record)]
            there = self._engine.volumes()
            things += [f"volume {name[:12]}" for name in record.volumes if name in there]
        if self._folder.kubeconfig.exists():
            things.append(f"kubeconfig {self._folder.kubeconfig}")
        if self._folder.exists():
            things.append(f"folder {self._folder.path}")
        return tuple(things)

    def clear(self, tell: Tell, *, keep: bool = False) -> tuple[str, ...]:
        """Remove everything; whoever calls has the folder's lock.

        Args:
            tell: hears of each thing that was removed.
            keep: whether folder and lock stay, for the next cluster of the name.

        Returns:
            What is still there.

        Raises:
            StackError: the engine does not answer.
        """
        record = self._folder.read()
        if record is not None:
            self._end_creator(record, tell)
            record = self._empty(record, tell)
            if self._nodes(record) or self._networks(record) or self._left_volumes(record):
                return self.look()
        if keep:
            self._folder.empty()
            return ()
        self._folder.remove()
        tell(f"{self._folder.name}: removed {self._folder.path}")
        return ()

    # ---------------------------------------------------------------------------------------------------------- own work

    def _end_creator(self, record: Record, tell: Tell) -> None:
        """Kind works on if its host died; it and what it runs are one process group."""
        if record.creator is not None and record.creator.alive():
            kill_group(record.creator.pid)
            tell(f"{record.name}: killed kind, process {record.creator.pid}")

    def _empty(self, record: Record, tell: Tell) -> Record:
        """Remove containers, network and volumes until there are none: the engine may still be at work on one for kind."""
        deadline = time.monotonic() + PATIENCE
        while True:
            trouble = ""
            nodes = self._nodes(record)
            volumes = {volume for node in nodes for volume in node.volumes}
            if volumes - set(record.volumes):  # once the container is gone nobody knows whose they were
                record = record.model_copy(update={"volumes": tuple(sorted(volumes | set(record.volumes)))})
                self._folder.write(record)
            try:
                self._remove(record, nodes, tell)
            except StackError as error:
                trouble = str(error)
            if not trouble and not self._nodes(record) and not self._networks(record):
                return record
            if time.monotonic() > deadline:
                tell(f"{record.name}: {trouble or 'containers keep appearing'}")
                return record
            time.sleep(_LOOK)

    def _remove(self, record: Record, nodes: list[NodeContainer], tell: Tell) -> None:
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:  # each takes the engine some seconds
            for node, _ in zip(nodes, pool.map(self._engine.remove_node, (one.id for one in nodes)), strict=True):
                tell(f"{record.name}: removed the container {node.name}")
        for network in self._networks(record):
            self._engine.remove_network(network.id)
            tell(f"{record.name}: removed the network {network.name}")
        for volume in self._left_volumes(record):
            self._engine.remove_volume(volume)
            tell(f"{record.name}: removed the volume {volume[:12]}")

    def _nodes(self, record: Record) -> list[NodeContainer]:
        """Containers that are ours: in the record, or on the network that carries its secret."""
        own = {network.id for network in self._networks(record)}
        return [node for node in self._engine.nodes(record.name) if node.id in record.nodes or own & set(node.networks)]

    def _networks(self, record: Record) -> list[Network]:
        return self._engine.networks(label=f"{OWNER}={record.token}")

    def _left_volumes(self, record: Record) -> list[str]:
        return sorted(self._engine.volumes() & set(record.volumes))
