"""The part of a container engine's API that faults of nodes use: containers that remember what was done to them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import docker
import docker.errors

from drillbox.stacks.kind.cluster.engine import Engine

NETWORK = "drillbox-test"


class FakeDocker:
    """Containers by their names, which are their ids as well; `silent`: the engine does not answer."""

    def __init__(self, *names: str) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        self.done: list[tuple[object, ...]] = []
        self.processes: dict[str, str] = {}  # by container in a node: running, stopped
        self.silent = False
        self.addresses = iter(range(2, 200))
        for name in names:
            self.containers[name] = {
                "Id": name,
                "State": {"Running": True, "Paused": False},
                "HostConfig": {"CpuQuota": 0, "CpuPeriod": 0, "NanoCpus": 0},
                "NetworkSettings": {"Networks": {NETWORK: {"IPAddress": f"172.18.0.{next(self.addresses)}"}}},
            }

    @property
    def engine(self) -> Engine:
        """An engine that has them."""
        return Engine(cast("docker.DockerClient", SimpleNamespace(api=self)), "unix:///fake.sock")

    def one(self, name: str) -> dict[str, Any]:
        if self.silent:
            raise ConnectionRefusedError(111, "Connection refused")
        if name not in self.containers:
            raise docker.errors.NotFound(f"no such container: {name}")
        return self.containers[name]

    def inspect_container(self, name: str) -> dict[str, Any]:
        return self.one(name)

    def pause(self, name: str) -> None:
        self.one(name)["State"]["Paused"] = True
        self.done.append(("pause", name))

    def unpause(self, name: str) -> None:
        self.one(name)["State"]["Paused"] = False
        self.done.append(("unpause", name))

    def kill(self, name: str) -> None:
        self.one(name)["State"]["Running"] = False
        self.done.append(("kill", name))

    def start(self, name: str) -> None:
        self.one(name)["State"]["Running"] = True
        self.done.append(("start", name))

    def restart(self, name: str, timeout: int) -> None:
        assert timeout > 0
        self.done.append(("restart", self.one(name)["Id"]))

    def disconnect_container_from_network(self, name: str, network: str, *, force: bool) -> None:
        assert force
        self.one(name)["NetworkSettings"]["Networks"] = {}
        self.done.append(("disconnect", name, network))

    def connect_container_to_network(self, name: str, network: str) -> None:
        self.one(name)["NetworkSettings"]["Networks"] = {network: {"IPAddress": f"172.18.0.{next(self.addresses)}"}}
        self.done.append(("connect", name, network))

    def update_container(self, name: str, *, cpu_quota: int, cpu_period: int) -> None:
        self.one(name)["HostConfig"] |= {"CpuQuota": cpu_quota, "CpuPeriod": cpu_period}
        self.done.append(("cpu", name, cpu_quota, cpu_period))

    def exec_create(self, name: str, command: list[str]) -> dict[str, str]:
        if self.one(name)["State"]["Paused"]:
            raise docker.errors.APIError(f"Container {name} is paused, unpause the container before exec")
        *_, process, signal = command
        return {"Id": f"{process} {signal}"}

    def exec_start(self, given: str) -> bytes:
        process, signal = given.split()
        if process in self.processes:
            self.processes[process] = {"STOP": "stopped", "CONT": "running"}[signal]
        return b""

    def exec_inspect(self, given: str) -> dict[str, int]:
        return {"ExitCode": 0 if given.split(maxsplit=1)[0] in self.processes else 1}
