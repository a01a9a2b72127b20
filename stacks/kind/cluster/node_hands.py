"""What is done to the containers of a cluster's nodes, through the container engine, and how it is taken back.

    nodes = Reach.of(engine, folder)
    nodes.undo.note(node, *nodes.hands.as_it_is(node))   # on the disk when this returns
    nodes.hands.lose(node, PAUSE)
    ...
    nodes.take_back()                                    # at the end, or whoever clears up

A container that is gone went with all that was done to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....sandbox.model.errors import StackError
from ....sandbox.model.platform_faults import DISCONNECT, PAUSE, STOP
from ...real.machine.undo import Back, UndoLog, Way
from .engine import Engine

NODE, CPU, PROCESS = "node", "node-cpu", "container-process"
"""Kinds of entries in the undo log of a drill."""
PERIOD = 100_000
"""Microseconds of a period of the CPU quota: the kernel's usual one."""
_UNLIMITED = -1
_LEAST_QUOTA = 1_000  # microseconds: the kernel takes no less
_SIGNAL = """
for one in /proc/[0-9]*; do
  if grep -q "$1" "$one/cgroup" 2>/dev/null; then kill -"$2" "${one#/proc/}" && found=yes; fi
done
test "$found" = yes
"""
"""A container's processes are those whose cgroups have its id in their names, whatever runs them."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Whatever can be done to a node.

    Args:
        engine: that its container runs on.
    """

    engine: Engine

    def as_it_is(self, node: str) -> Way:
        """The entry of the undo log for whether a node runs and is connected."""
        found = self._inspected(node)
        networks = {name: one.get("IPAddress", "") for name, one in found["NetworkSettings"]["Networks"].items()}
        return NODE, {"container": found["Id"], "name": node, "networks": networks}

    def cpu_as_it_is(self, node: str) -> Way:
        """The entry for the CPU that a node may use."""
        limits = self._inspected(node)["HostConfig"]
        quota, period = int(limits.get("CpuQuota") or _UNLIMITED), int(limits.get("CpuPeriod") or PERIOD)
        if cores := int(limits.get("NanoCpus") or 0):
            quota, period = round(cores * PERIOD / 1e9), PERIOD
        return CPU, {"container": node, "quota": quota, "period": period}

    def lose(self, node: str, how: str) -> None:
        """Let a node answer nobody any more.

        Raises:
            StackError: the engine does not do it.
        """
        api = self.engine.client.api
        with self.engine.call(f"{how} of the node {node}"):
            if how == PAUSE:
                api.pause(node)
            elif how == STOP:
                api.kill(node)  # as by a cut of its power
            elif how == DISCONNECT:
                for network in self._inspected(node)["NetworkSettings"]["Networks"]:
                    api.disconnect_container_from_network(node, network, force=True)
            else:
                raise StackError(f"a node cannot be lost by {how!r}")

    def restore(self, data: Mapping[str, Any]) -> None:
        """A node is as its entry says: running and connected. Nothing happens to one that is."""
        api, name = self.engine.client.api, str(data["name"])
        with self.engine.call(f"bringing the node {name} back", gone=True):
            found = self._inspected(str(data["container"]))
            state = found["State"]
            if state.get("Paused"):
                api.unpause(found["Id"])
            networks = found["NetworkSettings"]["Networks"]
            moved = False
            for network, address in data["networks"].items():
                if network not in networks:
                    api.connect_container_to_network(found["Id"], network)
                    now = self._inspected(found["Id"])["NetworkSettings"]["Networks"].get(network) or {}
                    moved |= bool(address) and now.get("IPAddress", address) not in ("", address)
            if not state.get("Running"):
                api.start(found["Id"])
            elif moved:  # the entry point of kind's nodes sees to an address that has changed
                api.restart(found["Id"], timeout=1)

    def limit_cpu(self, node: str, cores: float) -> None:
        """Let a node use so many cores.

        Raises:
            StackError: the engine does not do it, as with cgroups v1 if a container on the node has a higher limit of its own.
        """
        try:
            self.set_cpu({"container": node, "quota": max(_LEAST_QUOTA, round(cores * PERIOD)), "period": PERIOD})
        except StackError as error:
            if "invalid argument" not in str(error):
                raise
            raise StackError(f"{error} (with cgroups v1 no container on a node may have a higher limit than the node)") from error

    def set_cpu(self, data: Mapping[str, Any]) -> None:
        """A node may use as much CPU as an entry says."""
        with self.engine.call(f"CPU of the node {data['container']}", gone=True):
            self.engine.client.api.update_container(
                str(data["container"]), cpu_quota=int(data["quota"]), cpu_period=int(data["period"])
            )

    def stop_process(self, node: str, container: str) -> bool:
        """Stop (SIGSTOP) what runs in a container of a node; whether it was there."""
        return self._signal(node, container, "STOP")

    def carry_on(self, data: Mapping[str, Any]) -> None:
        """What was stopped in a container goes on, if it is there still."""
        with self.engine.call(f"a process on the node {data['node']}", gone=True):
            self._signal(str(data["node"]), str(data["container"]), "CONT")

    def _signal(self, node: str, container: str, signal: str) -> bool:
        api, short = self.engine.client.api, container.rpartition("/")[2]
        if not short.isalnum():  # it goes into a command
            raise StackError(f"{container!r} is no id of a container")
        with self.engine.call(f"signal {signal} on the node {node}"):
            made = api.exec_create(node, ["sh", "-c", _SIGNAL, "sh", short, signal])
            api.exec_start(made["Id"])
            return api.exec_inspect(made["Id"]).get("ExitCode") == 0

    def _inspected(self, container: str) -> Mapping[str, Any]:
        with self.engine.call(f"looking at the node {container[:40]}"):
            found: Mapping[str, Any] = self.engine.client.api.inspect_container(container)
        return found


def stopped(node: str, container: str) -> Way:
    """The entry for a process that is to be stopped."""
    return PROCESS, {"node": node, "container": container}


def kinds(engine: Engine) -> Mapping[str, Back]:
    """How each kind of entry is undone."""
    hands = Hands(engine)
    return {NODE: hands.restore, CPU: hands.set_cpu, PROCESS: hands.carry_on}


def undo_log(folder: Path, engine: Engine) -> UndoLog:
    """The undo log of the drill in a folder, whose cluster runs on an engine."""
    return UndoLog(folder, kinds(engine))


@dataclass(frozen=True, slots=True)
class Reach:
    """What a drill can do to nodes, and the log of how that is undone.

    Attributes:
        hands: do it.
        undo: log in the drill's folder.
    """

    hands: Hands
    undo: UndoLog

    @classmethod
    def of(cls, engine: Engine, folder: Path) -> Reach:
        """Of the drill in a folder, whose cluster runs on an engine."""
        return cls(Hands(engine), undo_log(folder, engine))

    def take_back(self) -> None:
        """Undo whatever was done to nodes and is not undone: at the end, or by whoever clears up, also in a new process.

        Raises:
            StackError: some of it cannot be undone; the message says what, and why.
        """
        if trouble := self.undo.undo_all():
            raise StackError(f"nodes are not as they were: {'; '.join(trouble)}")
