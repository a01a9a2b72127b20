"""The controller as a process beside a real Envoy, in front of replicas that do as they are told and a Kubernetes API of the tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent))
from envoy_kit import INFER, Replica, free_address, until
from kubernetes_kit import NAMESPACE, FakeKubernetes, config_map, deployment, node, pod

TOKEN = "of-the-tests"  # noqa: S105
PATIENCE = 180.0


def free_port_of(*hosts: str) -> int:
    """A port that is free on all of these addresses."""
    while True:
        port = free_address().port
        with contextlib.ExitStack() as taken:
            try:
                for host in hosts:
                    taken.enter_context(contextlib.closing(socket.socket())).bind((host, port))
            except OSError:
                continue
        return port


class World:
    """All of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
        self.servers_port = free_port_of(*self.hosts)
        self.api = FakeKubernetes()
        self.replicas: dict[str, Replica] = {}
        self.requests, self.metrics, self.admin, self.own = (free_address() for _ in range(4))
        self.log = folder / "controller.log"
        self.client = httpx.Client(trust_env=False, timeout=10.0)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.envoy: subprocess.Popen[bytes]
        self.controller: subprocess.Popen[bytes]

    def environment(self, **more: str) -> dict[str, str]:
        (self.folder / "kubeconfig").write_text(self.api.kubeconfig())
        given = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "CONTROLLER_", "DRILL_"))}
        return given | {
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "CONTROLLER_NAMESPACE": NAMESPACE,
            "CONTROLLER_SERVERS_PORT": str(self.servers_port),
            "CONTROL_TOKEN": TOKEN,
            "SERVICE_PORT": str(self.own.port),
            "GATEWAY_FOLDER": str(self.folder / "envoy"),
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.requests.port),
            "GATEWAY_METRICS_PORT": str(self.metrics.port),
            "GATEWAY_ADMIN_PORT": str(self.admin.port),
            **more,
        }

    def fill(self) -> None:
        """Two champions, ready."""
        self.api.put("nodes", node("control", control_plane=True))
        self.api.put("nodes", node("worker"))
        self.api.put("deployments", deployment("model-champion", 2))
        self.serve("a", "127.0.0.1")
        self.serve("b", "127.0.0.2")
        self.reset()

    def reset(self) -> None:
        """As at the beginning, but for what `told` and the logs have."""
        self.api.put("configmaps", config_map("gateway", timeout="5s", retries="0", shed="0%"))
        self.api.put("configmaps", config_map("ml", fallback="off", features__quarantined="", servers__settings="usual"))
        for kind, name in list(self.api.objects):
            if kind == "pods" and name not in {"a", "b"}:
                self.api.delete("pods", name)
        for name, ip in (("a", "127.0.0.1"), ("b", "127.0.0.2")):
            self.api.put("pods", pod(name, ip))
        for name in self.replicas.keys() - {"a", "b"}:
            self.replicas.pop(name).close()

    def serve(self, name: str, ip: str, **more: str) -> Replica:
        """A model server and its pod."""
        self.replicas[name] = replica = Replica(ip, self.servers_port)
        self.api.put("pods", pod(name, ip, **more))
        return replica

    def start(self, module: str = "controller", **more: str) -> subprocess.Popen[bytes]:
        with self.log.open("a") as log:
            argv = [sys.executable, "-m", f"drillbox.stacks.services.{module}"]
            process = subprocess.Popen(argv, env=self.environment(**more), stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def lines(self) -> list[str]:
        """Texts in the logs so far."""
        found = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                found.append(str(json.loads(line).get("text")))
        return found

    def said(self, text: str) -> bool:
        return any(text in line for line in self.lines())

    def end(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        self.processes.remove(process)
        return process.wait(60.0)

    def series(self, port: int = 0) -> dict[str, float]:
        """The controller's metrics."""
        text = self.client.get(f"http://127.0.0.1:{port or self.own.port}/metrics").text
        rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in rows}

    def ready(self) -> bool:
        try:
            return all(
                self.client.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
                for port in (self.own.port, self.metrics.port)
            )
        except httpx.HTTPError:
            return False

    def healthy(self, pool: str = "model-champion") -> set[str]:
        """Addresses of a pool that get requests."""
        told = self.client.get(f"http://{self.admin}/clusters?format=json").json()
        hosts = next((one.get("host_statuses", []) for one in told["cluster_statuses"] if one["name"] == pool), [])
        return {
            host["address"]["socket_address"]["address"] for host in hosts if set(host["health_status"]) == {"eds_health_status"}
        }

    def ask(self) -> int:
        return self.client.post(f"http://{self.requests}{INFER}", content=b"{}").status_code

    def order(
        self, method: str, body: dict[str, object] | None = None, token: str = TOKEN, what: str = "injected"
    ) -> httpx.Response:
        url = f"http://127.0.0.1:{self.own.port}/control/{what}"
        return self.client.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"})

    def wait(self, done: Callable[[], bool]) -> None:
        try:
            until(done, PATIENCE)
        except AssertionError:
            raise AssertionError("\n".join(self.lines()[-20:])) from None

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(20.0)
        for replica in self.replicas.values():
            replica.close()
        self.client.close()
        self.api.close()


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    made = World(folder)
    try:
        yield made
    finally:
        made.close()
