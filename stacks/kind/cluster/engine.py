"""The container engine, through the Docker SDK: whether it answers, what it is, and the things of a cluster that it holds."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....sandbox.model.errors import StackError
from ....sandbox.model.extras import install

if TYPE_CHECKING:
    import docker
    import requests
    from docker.context import Context

PATIENCE = 60.0
"""Wall seconds that the engine has to answer; to stop a container under load takes it a while."""
CLUSTER = "io.x-k8s.kind.cluster"
"""Label with the cluster's name that kind gives to the containers of its nodes."""
ROLE, CONTROL_PLANE = "io.x-k8s.kind.role", "control-plane"
"""Label with what a node is, and that of a control plane."""
OWNER = "dev.drillbox.owner"
"""Label of networks made by drillbox: the secret of the record that they belong to."""
HOME = "dev.drillbox.home"
"""Label of networks made by drillbox: the state folder that has the record."""
_SOCKET = "unix:///var/run/docker.sock"
_BRIDGE = "bridge"
_MTU = "com.docker.network.driver.mtu"
_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"


@dataclass(frozen=True, slots=True)
class Facts:
    """What an engine tells of itself.

    Attributes:
        version: of the engine.
        cgroup: version of cgroups, 1 or 2; 0 if it does not tell.
        rootless: whether it runs without root.
        memory: MiB in all that containers may take.
        cpus: number of them.
        architecture: of its images, as `x86_64`.
        root: folder of its data, on its own machine.
        here: whether that is this machine: it answers on a local socket, and its folder is there.
        id: that no other engine has; empty if it does not tell.
    """

    version: str
    cgroup: int
    rootless: bool
    memory: float
    cpus: int
    architecture: str
    root: Path
    here: bool
    id: str = ""


@dataclass(frozen=True, slots=True)
class NodeContainer:
    """The container of a cluster's node.

    Attributes:
        id: of the container.
        name: as `drillbox-default-worker`.
        role: `control-plane` or `worker`.
        state: `running`, `paused`, `exited` ...
        networks: ids of those that it is attached to.
        awaits: names of those that it is attached to once it starts: it was created, and never ran.
        volumes: names of its volumes.
    """

    id: str
    name: str
    role: str
    state: str
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    awaits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the engine."""

    id: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


class AbsentError(StackError):
    """What something was to be done with is not there."""


class Engine:
    """A container engine that answers. For one thread, but for `cancel`."""

    _building: requests.Response | None = None

    def __init__(self, client: docker.DockerClient, address: str) -> None:
        self.client, self.address = client, address

    def facts(self) -> Facts:
        """What it tells of itself.

        Raises:
            StackError: it does not answer any more.
        """
        with self.call("asking the engine"):
            told: Mapping[str, Any] = self.client.info()
        cgroup = str(told.get("CgroupVersion") or "")
        root = Path(told.get("DockerRootDir") or "/var/lib/docker")
        return Facts(
            version=str(told.get("ServerVersion") or ""),
            cgroup=int(cgroup) if cgroup.isdigit() else 0,
            rootless=any("rootless" in str(option) for option in told.get("SecurityOptions") or ()),
            memory=float(told.get("MemTotal") or 0) / 2**20,
            cpus=int(told.get("NCPU") or 0),
            architecture=str(told.get("Architecture") or ""),
            root=root,
            here=self.address.startswith("unix:") and root.parent.is_dir(),
            id=str(told.get("ID") or ""),
        )

    def nodes(self, cluster: str) -> list[NodeContainer]:
        """The containers of a cluster's nodes, in whatever state, by name.

        Raises:
            StackError: the engine does not answer.
        """
        with self.call(f"listing the nodes of {cluster}"):
            found = self.client.api.containers(all=True, filters={"label": f"{CLUSTER}={cluster}"})
        return sorted((_node(one) for one in found), key=lambda node: node.name)

    def networks(self, *, label: str = "", name: str = "") -> list[Network]:
        """The networks with a label (`key` or `key=value`) or of a name.

        Raises:
            StackError: the engine does not answer.
        """
        with self.call("listing networks"):
            found = self.client.api.networks(filters={"label": label} if label else None)
        networks = [Network(one["Id"], one["Name"], one.get("Labels") or {}) for one in found]
        return [one for one in networks if name in ("", one.name)]  # the engine's own filter takes parts of names

    def make_network(self, name: str, labels: Mapping[str, str]) -> str:
        """A bridge for the nodes of a cluster, with the packet size of the engine's own; its id.

        Raises:
            StackError: it cannot be made, for example because no addresses are left.
        """
        options = {_MASQUERADE: "true"}
        with self.call(f"making the network {name}"):
            own = self.client.api.networks(names=[_BRIDGE])
            if own and (size := (own[0].get("Options") or {}).get(_MTU)):
                options[_MTU] = size
            made = self.client.api.create_network(name, driver="bridge", options=options, labels=dict(labels))
        return str(made["Id"])

    def remove_node(self, container: str) -> None:
        """Remove a container with its volumes, whatever it does; one that is gone is no error.

        Raises:
            StackError: it stays.
        """
        with self.call(f"removing the container {container[:12]}", gone=True):
            self.client.api.remove_container(container, v=True, force=True)

    def remove_network(self, network: str) -> None:
        """Remove a network; one that is gone is no error.

        Raises:
            StackError: it stays.
        """
        with self.call(f"removing the network {network[:12]}", gone=True):
            self.client.api.remove_network(network)

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone is no error.

        Raises:
            StackError: it stays.
        """
        with self.call(f"removing the volume {name[:12]}", gone=True):
            self.client.api.remove_volume(name, force=True)

    def volumes(self) -> set[str]:
        """The names of all volumes.

        Raises:
            StackError: the engine does not answer.
        """
        with self.call("listing volumes"):
            found = self.client.api.volumes()
        return {one["Name"] for one in found.get("Volumes") or ()}

    def wake(self, node: NodeContainer) -> None:
        """Let a node run that is paused or stopped.

        Raises:
            StackError: it does not.
        """
        with self.call(f"starting the node {node.name}"):
            if node.state == "paused":
                self.client.api.unpause(node.id)
            elif node.state != "running":
                self.client.api.start(node.id)

    def image(self, name: str) -> Mapping[str, Any] | None:
        """What the engine knows of an image; None if it does not have it.

        Raises:
            StackError: the engine does not answer.
        """
        try:
            with self.call(f"looking for the image {name}"):
                found: Mapping[str, Any] = self.client.images.get(name).attrs
        except AbsentError:
            return None
        return found

    def tags(self, repository: str) -> list[str]:
        """The tags that there are of images of ours, the newest first.

        Raises:
            StackError: the engine does not answer.
        """
        with self.call(f"listing the images {repository}"):
            found = self.client.api.images(repository)
        newest = sorted(found, key=lambda one: int(one.get("Created") or 0), reverse=True)
        return [tag for one in newest for tag in one.get("RepoTags") or ()]

    def remove_image(self, tag: str) -> None:
        """Remove an image that nothing uses; one that is gone is no error.

        Raises:
            StackError: it stays, for example as a container uses it.
        """
        with self.call(f"removing the image {tag}", gone=True):
            self.client.api.remove_image(tag)

    def pull(self, name: str) -> Iterator[Mapping[str, Any]]:
        """Pull an image; what the engine says on the way.

        Raises:
            StackError: it cannot be had.
        """
        with self.call(f"pulling {name}"):
            repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
            yield from self.client.api.pull(repository, tag=tag, stream=True, decode=True)

    def build(
        self, tar: bytes, *, tag: str, arguments: Mapping[str, str], network: str | None, patience: float
    ) -> Generator[Mapping[str, Any], None, None]:
        """Build an image from an archive with a Dockerfile; what the engine says on the way, an error too.

        Raises:
            StackError: it does not build at all, or says nothing for `patience` seconds.
        """

        def hear(response: requests.Response, *_: object, **__: object) -> None:
            self._building = response

        with self.call("building the image"):
            self.client.api.hooks["response"] = [hear]
            try:
                yield from self.client.api.build(
                    fileobj=io.BytesIO(tar),
                    custom_context=True,
                    tag=tag,
                    buildargs=dict(arguments),
                    network_mode=network,
                    rm=True,
                    forcerm=True,
                    decode=True,
                    timeout=int(patience),
                )
            finally:
                if self._building is not None:
                    self._building.close()  # also if its rest is not wanted any more

    def save(self, name: str) -> Iterator[bytes]:
        """An image as an archive, in pieces.

        Raises:
            StackError: it cannot be had.
        """
        with self.call(f"reading the image {name}"):
            yield from self.client.api.get_image(name)

    def again(self) -> Engine:
        """Another client of the same engine, for another thread.

        Raises:
            StackError: it does not answer any more.
        """
        return connect()

    def cancel(self) -> None:
        """End a build that another thread waits for: the engine stops when nobody listens any more."""
        from docker.errors import DockerException
        from docker.types import CancellableStream

        if self._building is not None:
            with contextlib.suppress(DockerException, OSError, AttributeError):  # it has ended, or goes by SSH
                CancellableStream(iter(()), self._building).close()

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()

    @contextlib.contextmanager
    def call(self, doing: str, *, gone: bool = False) -> Iterator[None]:
        """Errors of the SDK as messages. `gone`: that the thing is not there is none.

        Raises:
            AbsentError: the thing is not there.
            StackError: anything else.
        """
        import docker.errors
        import requests
        import urllib3

        try:
            yield
        except AbsentError:
            if not gone:
                raise
        except docker.errors.NotFound as error:
            if not gone:
                raise AbsentError(f"{doing}: {str(error.explanation or error).strip()}") from error
        except docker.errors.APIError as error:
            raise StackError(f"{doing}: {_advised(str(error.explanation or error))}") from error
        # Of what a build or a pull says the SDK reads the stream itself: if that breaks, it is urllib3's error.
        except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StackError(f"{doing}: {trouble(error, self.address)}") from error


def connect() -> Engine:
    """The engine that `docker` uses: `DOCKER_HOST`, the context that `DOCKER_CONTEXT` names, or the current one.

    Raises:
        StackError: none answers, or it may not be used; the message says what to do.
    """
    try:
        import requests
        from docker.errors import DockerException
    except ImportError as error:
        raise StackError(f"the kind stack needs Python packages that are not installed: {install('kind')}") from error
    address = ""
    try:
        address = _address()
        _probe(address)
        client = _client(address)
        client.ping()
    except (DockerException, requests.RequestException, OSError, ValueError) as error:
        raise StackError(trouble(error, address or _SOCKET)) from error
    return Engine(client, address)


def _address() -> str:
    """As the command does: the environment first, then the context."""
    host: str = os.environ.get("DOCKER_HOST") or _context().Host or _SOCKET
    return host.replace("http+unix:", "unix:")


def _context() -> Context:
    """That of the command: named by the environment, else the current one.

    Raises:
        StackError: there is none of that name.
    """
    from docker.context import ContextAPI

    found: Context | None = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT") or None)
    if found is None:
        named = os.environ.get("DOCKER_CONTEXT")
        which = f"{named}, which DOCKER_CONTEXT names," if named else "that is in use"
        raise StackError(f"the docker context {which} is not there: docker context ls shows those that are")
    return found


def _client(address: str) -> docker.DockerClient:
    import docker

    if os.environ.get("DOCKER_HOST"):
        return docker.from_env(timeout=int(PATIENCE))
    tls = _context().TLSConfig if address.startswith("https:") else False
    return docker.DockerClient(base_url=address, tls=tls, timeout=int(PATIENCE))


def _probe(address: str) -> None:
    """Whether anything listens on a local socket: the SDK would leave one open that cannot be connected."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PATIENCE)
            probe.connect(address.removeprefix("unix://"))


def trouble(error: BaseException, address: str) -> str:
    """Why an engine cannot be used, and what to do."""
    numbers = {one.errno for one in _causes(error) if isinstance(one, OSError)}
    if errno.EACCES in numbers or errno.EPERM in numbers:
        return (
            f"you may not use the container engine at {address}: "
            "sudo usermod -aG docker $USER, then log out and in again; or run drillbox as root"
        )
    if numbers & {errno.ENOENT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE}:
        start = "start it (sudo systemctl start docker, or open Docker Desktop), or set DOCKER_HOST to the one to use"
        return f"no container engine answers at {address}: {start}"
    text = str(error).strip().splitlines()
    if "timed out" in str(error).lower():
        return f"the container engine at {address} did not answer within {PATIENCE:g} s"
    return f"the container engine at {address} cannot be used: {text[-1] if text else type(error).__name__}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps: urllib3 keeps what happened among the arguments."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            todo += [one.__cause__, one.__context__, *one.args]


def _advised(explanation: str) -> str:
    if "non-overlapping" in explanation or "predefined address pools" in explanation:
        return f"{explanation.strip()}; remove networks that nobody uses: docker network prune"
    return explanation.strip()


def _node(found: Mapping[str, Any]) -> NodeContainer:
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    return NodeContainer(
        id=found["Id"],
        name=found["Names"][0].lstrip("/"),
        role=str((found.get("Labels") or {}).get(ROLE, "")),
        state=str(found.get("State", "")),
        networks=tuple(one["NetworkID"] for one in networks.values() if one.get("NetworkID")),
        volumes=tuple(one["Name"] for one in found.get("Mounts") or () if one.get("Type") == "volume" and one.get("Name")),
        awaits=tuple(name for name, one in networks.items() if not one.get("NetworkID")),
    )
