"""A container engine and a program `kind` in small: both keep what there is in one file, as the real ones keep it in the engine."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker.errors

from drillbox.sandbox.model.errors import StackError
from drillbox.stacks.kind.cluster.engine import Engine, Facts, Network, NodeContainer
from drillbox.stacks.kind.records.clusters import ClusterFolder
from drillbox.stacks.kind.records.drills import DrillRecord, folder_of, write
from drillbox.stacks.real.machine.claim import Claim

CLUSTER = "drillbox-test"
READY = {f"{CLUSTER}-control-plane": "", "b": "", "c": ""}
"""Its nodes, and why they are not ready."""
KIND = """#!{python} -IS
import json, os, pathlib, sys, time
state, told, mode = pathlib.Path({state!r}), sys.argv[1:], {mode!r}
def change(f):
    import fcntl
    mine = os.open(str(state) + ".lock", os.O_CREAT | os.O_RDWR); fcntl.flock(mine, fcntl.LOCK_EX)
    found = json.loads(state.read_text()); f(found); new = state.with_suffix(f".{{os.getpid()}}"); new.write_text(json.dumps(found)); new.replace(state); os.close(mine)
if told[0] == "version":
    print("kind v{version} go1.24 linux/amd64"); sys.exit(0)
name = told[told.index("--name") + 1]
config = sys.stdin.read()
network = next((one["id"] for one in json.loads(state.read_text())["networks"] if one["name"] == os.environ.get("KIND_EXPERIMENTAL_DOCKER_NETWORK")), None)
def node(role, number):
    suffix = role + (str(number) if number > 1 else "")
    one = dict(id=f"{{name}}-{{suffix}}-id", name=f"{{name}}-{{suffix}}", role=role, state="running", cluster=name, networks=[network], volumes=[f"volume-of-{{suffix}}"])
    change(lambda found: (found["containers"].append(one), found["volumes"].extend(one["volumes"])))
print("Creating cluster", repr(name), "...", file=sys.stderr)
print(" • Ensuring node image (kindest/node:v1.34.0) \\U0001f5bc  ...", file=sys.stderr, flush=True)
print(" ✓ Ensuring node image (kindest/node:v1.34.0) \\U0001f5bc", file=sys.stderr)
print(" • Preparing nodes \\U0001f4e6 \\U0001f4e6  ...", file=sys.stderr, flush=True)
if mode == "creating":
    import subprocess
    roles = ["control-plane", *(["worker"] * config.count("role: worker"))]
    clients = [subprocess.Popen(["docker", "run", name, role, f"{{name}}-{{role}}{{number or ''}}", os.environ["KIND_EXPERIMENTAL_DOCKER_NETWORK"]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for number, role in enumerate(roles)]
    [client.wait() for client in clients]; sys.exit(1)
node("control-plane", 1)
for number in range(1, config.count("role: worker") + 1):
    node("worker", number)
if mode == "hang":
    time.sleep(1000)
if mode == "fail":
    print(" ✗ Preparing nodes", file=sys.stderr)
    print("ERROR: failed to create cluster: docker run error: Bind for 127.0.0.1:6443 failed: port is already allocated", file=sys.stderr)
    sys.exit(1)
if mode == "slow" and not state.with_suffix(".tried").exists():
    state.with_suffix(".tried").touch()
    print("ERROR: failed to create cluster: failed to init node with kubeadm\\nOutput:\\ntimed out waiting for the condition", file=sys.stderr)
    sys.exit(1)
if mode == "vanish":
    change(lambda found: (found["containers"].clear(), found["volumes"].clear()))
print(" ✓ Preparing nodes \\U0001f4e6 \\U0001f4e6", file=sys.stderr)
print(" • Joining worker nodes \\U0001f69c ...", file=sys.stderr, flush=True)
while mode == "patient" and len(json.loads(state.read_text())["loaded"]) < 1 + config.count("role: worker"):
    time.sleep(0.02)
print(" ✓ Joining worker nodes \\U0001f69c", file=sys.stderr)
pathlib.Path(told[told.index("--kubeconfig") + 1]).write_text(pathlib.Path({api!r}).read_text() if {api!r} else config)
"""


def archive(text: str) -> bytes:
    """What `docker save` might give of an image: in this small engine it holds its name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("name")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


class FakeEngine(Engine):
    """What a test says is there. `gone`: it does not answer; in any process while the file `off` is there."""

    def __init__(self, state: Path, *, gone: bool = False) -> None:
        self.path, self.address, self.gone = state, "unix:///fake.sock", gone
        self.off, self.number = state.with_suffix(".off"), "engine-1"
        self.stuck: set[str] = set()
        self.told: list[Mapping[str, Any]] = []
        self.built: list[Mapping[str, Any]] = []
        if not state.exists():
            self.put({"containers": [], "networks": [], "volumes": [], "images": {}, "loaded": []})

    def state(self) -> dict[str, Any]:
        """What there is."""
        if self.gone or self.off.exists():
            raise StackError("no container engine answers at unix:///fake.sock: start it")
        found: dict[str, Any] = json.loads(self.path.read_text())
        return found

    def put(self, state: dict[str, Any]) -> None:
        """Make it so."""
        new = self.path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(state))
        new.replace(self.path)

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """What there is, to be changed by nobody else meanwhile: builds, and programs, go on side by side."""
        with Path(f"{self.path}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = self.state()
            yield state
            self.put(state)

    def facts(self) -> Facts:
        self.state()
        return Facts(
            "28.1.0",
            2,
            rootless=False,
            memory=16000.0,
            cpus=4,
            architecture="x86_64",
            root=Path("/nowhere/docker"),
            here=False,
            id=self.number,
        )

    def nodes(self, cluster: str) -> list[NodeContainer]:
        if self.state().get("creating"):
            self._go_on_creating()
        found = [one for one in self.state()["containers"] if one["cluster"] == cluster]
        return [
            NodeContainer(
                one["id"],
                one["name"],
                one["role"],
                one["state"],
                tuple(one["networks"]),
                tuple(one["volumes"]),
                tuple(one.get("awaits", ())),
            )
            for one in found
        ]

    def _go_on_creating(self, looks: int = 1) -> None:
        """What clients have asked for comes about, whether they are still there or not; it is in no list before."""
        with self.changing() as state:
            for one in state["creating"]:
                one["looks"] -= looks
            for one in [one for one in state["creating"] if one["looks"] <= 0]:
                state["creating"].remove(one)
                state["containers"].append(one["container"])
                state["volumes"] += one["container"]["volumes"]

    def settle(self) -> None:
        """All that is being created comes about."""
        if self.state().get("creating"):
            self._go_on_creating(LOOKS)

    def networks(self, *, label: str = "", name: str = "") -> list[Network]:
        key, _, value = label.partition("=")
        found = [Network(one["id"], one["name"], one["labels"]) for one in self.state()["networks"]]
        return [
            one for one in found if name in ("", one.name) and (not key or (key in one.labels and value in ("", one.labels[key])))
        ]

    def make_network(self, name: str, labels: Mapping[str, str]) -> str:
        with self.changing() as state:
            state["networks"].append({"id": f"{name}-network", "name": name, "labels": dict(labels)})
        return f"{name}-network"

    def remove_node(self, container: str) -> None:
        if container in self.stuck:
            raise StackError(f"removing the container {container}: it is stuck")
        with self.changing() as state:
            gone = [one for one in state["containers"] if one["id"] == container]
            state["containers"] = [one for one in state["containers"] if one not in gone]
            for one in gone:
                state["volumes"] = [name for name in state["volumes"] if name not in one["volumes"]]

    def remove_network(self, network: str) -> None:
        with self.changing() as state:
            if any(network in one["networks"] for one in state["containers"]):
                raise StackError(f"removing the network {network}: it has active endpoints")
            state["networks"] = [one for one in state["networks"] if one["id"] != network]

    def remove_volume(self, name: str) -> None:
        with self.changing() as state:
            state["volumes"] = [one for one in state["volumes"] if one != name]

    def volumes(self) -> set[str]:
        return set(self.state()["volumes"])

    def wake(self, node: NodeContainer) -> None:
        with self.changing() as state:
            for one in state["containers"]:
                if one["id"] == node.id:
                    one["state"] = "running"

    def image(self, name: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.state()["images"].get(name)
        return found

    def save(self, name: str) -> Iterator[bytes]:
        yield archive(name)

    def tags(self, repository: str) -> list[str]:
        return [name for name in reversed(self.state()["images"]) if name.startswith(repository)]

    def remove_image(self, tag: str) -> None:
        with self.changing() as state:
            state["images"].pop(tag, None)

    def pull(self, name: str) -> Iterator[Mapping[str, Any]]:
        with self.call(f"pulling {name}"):  # the engine refuses before it says anything
            raise docker.errors.NotFound("404 Client Error", explanation=f"pull access denied for {name}")
        yield {}

    def build(
        self, tar: bytes, *, tag: str, arguments: Mapping[str, str], network: str | None, patience: float
    ) -> Generator[Mapping[str, Any], None, None]:
        self.built.append({"tar": tar, "tag": tag, "arguments": dict(arguments), "network": network, "patience": patience})
        yield from self.told
        if not any("error" in one for one in self.told):
            with self.changing() as state:
                state["images"][tag] = {"Id": "sha256:1", "Size": 700 * 2**20}

    def again(self) -> FakeEngine:
        return self

    def close(self) -> None:
        """Nothing is open."""


class Heard:
    """Progress, as it came."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []

    def __call__(self, step: str, done: float, /) -> None:
        self.steps.append((step, done))


def nothing_left(engine: FakeEngine, base: Path) -> bool:
    """Whether nothing of any cluster is on an engine, nor in a state folder."""
    state = engine.state()
    return not any(state[what] for what in ("containers", "networks", "volumes")) and not any(base.glob("*"))


LOOKS = 6
"""So often a container that is being created is not in the list of nodes yet."""
DOCKER = """#!{python} -IS
import json, os, pathlib, sys, time
state, told = pathlib.Path({state!r}), sys.argv[1:]
def change(f):
    import fcntl
    mine = os.open(str(state) + ".lock", os.O_CREAT | os.O_RDWR); fcntl.flock(mine, fcntl.LOCK_EX)
    found = json.loads(state.read_text()); f(found); new = state.with_suffix(f".{{os.getpid()}}"); new.write_text(json.dumps(found)); new.replace(state); os.close(mine)
if told[0] == "--version":
    print("Docker version 28.1.0, build x"); sys.exit(0)
if told[0] == "run":
    _, cluster, role, name, network = told
    one = dict(id=name + "-id", name=name, role=role, state="created", cluster=cluster, networks=[], volumes=["volume-of-" + name], awaits=[network])
    change(lambda found: found.setdefault("creating", []).append(dict(looks={looks}, container=one)))
    def start(found):
        ids = [one["id"] for one in found["networks"] if one["name"] == network]
        for one in found["containers"]:
            if ids and one["name"] == name:
                one |= dict(state="running", networks=ids, awaits=[])
    while one in (each["container"] for each in json.loads(state.read_text())["creating"]):
        time.sleep(0.02)
    change(start); sys.exit(0)
found = json.loads(state.read_text())
(node,) = [name for name in told if name in {{one["name"] for one in found["containers"]}}]
if "ls" in told:
    print("docker.io/kindest/x:1", *("docker.io/library/" + image for where, image in found["loaded"] if where == node), sep=chr(10))
elif {full!r}:
    print("ctr: no space left on device"); sys.exit(1)
elif {asleep!r}:
    time.sleep(600)
else:
    import io, tarfile
    image = tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())).extractfile("name").read().decode()
    change(lambda found: found["loaded"].append([node, image]))
"""
"""Nodes keep what they get: in this small engine an image holds its own name."""
KUBECTL = """#!{python} -IS
import socket, sys, time
told = dict(part.partition("=")[::2] for part in sys.argv[1:])
if "proxy" not in told:
    print('{{"clientVersion": {{"gitVersion": "v1.34.1"}}}}'); sys.exit(0)
at = socket.socket(socket.AF_UNIX); at.bind(told["--unix-socket"]); at.listen()
while True:
    one, _ = at.accept(); one.recv(65536); one.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n"); one.close()
"""
"""It says yes to whatever is asked by way of its proxy."""


@contextmanager
def playing(base: Path, label: str, cluster: str) -> Iterator[Path]:
    """A living drill on a cluster, played by this process; its folder."""
    folder = folder_of(base, label)
    claim = Claim(folder, label)
    where = ClusterFolder(base / cluster).kubeconfig
    write(
        folder,
        DrillRecord(
            label=label, scenario="x", cluster=cluster, kubeconfig=where, namespace=f"drill-{label}", since=datetime.now(UTC)
        ),
    )
    try:
        yield folder
    finally:
        claim.release()
        shutil.rmtree(folder)


def programs(folder: Path, state: Path, mode: str = "", version: str = "0.33.0", api: Path | None = None) -> dict[str, str]:
    """An environment in whose PATH `kind`, `docker` and `kubectl` are; clusters have the kubeconfig `api`, if that is given."""
    folder.mkdir(exist_ok=True)
    kind = folder / "kind"
    kind.write_text(
        KIND.format(python=sys.executable, state=str(state), mode=mode, version=version, api=str(api or "")), encoding="utf-8"
    )
    docker = folder / "docker"
    docker.write_text(
        DOCKER.format(python=sys.executable, state=str(state), full=mode == "full", asleep=mode == "asleep", looks=LOOKS),
        encoding="utf-8",
    )
    kubectl = folder / "kubectl"
    kubectl.write_text(KUBECTL.format(python=sys.executable), encoding="utf-8")
    for path in (kind, docker, kubectl):
        path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}
