"""Why an engine cannot be used, in words; what one tells, as facts. A small daemon on a socket speaks its protocol."""

from __future__ import annotations

import errno
import hashlib
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.stacks.kind.cluster import engine as engines
from drillbox.stacks.kind.cluster.engine import CLUSTER, OWNER, ROLE, AbsentError, NodeContainer, connect, trouble

NETWORKS = [
    {"Id": "b", "Name": "bridge", "Options": {"com.docker.network.driver.mtu": "1400"}, "Labels": {}},
    {"Id": "n", "Name": "drillbox-a", "Labels": {OWNER: "t"}},
    {"Id": "m", "Name": "drillbox-ab", "Labels": {}},
]
CONTAINER = {
    "Id": "c1",
    "Names": ["/drillbox-a-worker"],
    "State": "paused",
    "Labels": {CLUSTER: "drillbox-a", ROLE: "worker"},
    "NetworkSettings": {"Networks": {"drillbox-a": {"NetworkID": "n"}}},
    "Mounts": [{"Type": "volume", "Name": "v1"}, {"Type": "bind", "Source": "/lib/modules"}],
}


class Daemon(socketserver.ThreadingUnixStreamServer):
    """Answers by path; keeps what was asked."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Answer)
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {
            ("GET", "/version"): (200, {"ApiVersion": "1.41", "MinAPIVersion": "1.24", "Version": "28.1.0"}),
            ("GET", "/_ping"): (200, "OK"),
            ("GET", "/info"): (
                200,
                {
                    "ID": "engine-1",
                    "ServerVersion": "28.1.0",
                    "CgroupVersion": "2",
                    "MemTotal": 8 * 2**30,
                    "NCPU": 4,
                    "Architecture": "x86_64",
                    "DockerRootDir": "/var/lib/docker",
                    "SecurityOptions": ["name=seccomp", "name=rootless"],
                },
            ),
            ("GET", "/networks"): (200, NETWORKS),
            ("POST", "/networks/create"): (201, {"Id": "new"}),
            ("DELETE", "/networks/n"): (204, ""),
            ("DELETE", "/networks/gone"): (404, {"message": "no such network"}),
            ("DELETE", "/networks/used"): (403, {"message": "network used has active endpoints"}),
            ("GET", "/containers/json"): (200, [CONTAINER]),
            ("POST", "/containers/c1/unpause"): (204, ""),
            ("DELETE", "/containers/c1"): (204, ""),
            ("GET", "/volumes"): (200, {"Volumes": [{"Name": "v1"}]}),
            ("GET", "/images/there:1/json"): (200, {"Id": "sha256:1", "Size": 1}),
            ("GET", "/images/gone:1/json"): (404, {"message": "No such image"}),
        }


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Daemon  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        code, told = self.server.answers.get((self.command, path), (500, {"message": f"unexpected {self.command} {path}"}))
        if isinstance(told, bytes):  # the beginning of a stream that breaks off
            self.send_response(code)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(told) + 10, told))
            self.close_connection = True
            return
        content = told.encode() if isinstance(told, str) else json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        if code != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if code != 204:
            self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 -- the names that the base class asks for

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
        """Nobody reads it."""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with Daemon(tmp_path / "docker.sock") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")
        yield server
        server.shutdown()
        thread.join()


def test_what_an_engine_tells_of_itself(daemon: Daemon, tmp_path: Path) -> None:
    engine = connect()
    facts = engine.facts()
    assert engine.address == f"unix://{tmp_path / 'docker.sock'}"
    assert (facts.version, facts.cgroup, facts.rootless, facts.memory, facts.cpus) == ("28.1.0", 2, True, 8192.0, 4)
    assert facts.id == "engine-1"
    engine.close()


@pytest.fixture
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of `docker`, with a context `near` that leads to the daemon, and one in use that leads nowhere."""
    for name, address in (("near", tmp_path / "docker.sock"), ("far", tmp_path / "no.sock")):
        folder = tmp_path / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
        folder.mkdir(parents=True)
        endpoint = {"Host": f"unix://{address}", "SkipTLSVerify": False}
        (folder / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("daemon")
def test_the_engine_is_the_one_that_the_command_docker_uses(contexts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    connect().close()  # DOCKER_HOST goes first
    monkeypatch.delenv("DOCKER_HOST")
    with pytest.raises(StackError, match=r"no container engine answers at unix://.*no\.sock"):
        connect()
    monkeypatch.setenv("DOCKER_CONTEXT", "near")
    engine = connect()
    assert engine.address == f"unix://{contexts / 'docker.sock'}"
    engine.close()
    monkeypatch.delenv("DOCKER_CONTEXT")
    with pytest.raises(StackError, match=r"no container engine answers at unix://.*no\.sock"):
        connect()


@pytest.mark.usefixtures("daemon")
def test_a_context_that_is_not_there_is_told(contexts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "lost")
    with pytest.raises(StackError, match="the docker context lost, which DOCKER_CONTEXT names, is not there: docker context ls"):
        connect()
    monkeypatch.delenv("DOCKER_CONTEXT")
    (contexts / "config.json").write_text(json.dumps({"currentContext": "lost"}))
    with pytest.raises(StackError, match="the docker context that is in use is not there"):
        connect()


def test_an_engine_that_goes_away_in_the_middle_of_an_answer_is_told(daemon: Daemon) -> None:
    engine = connect()
    daemon.answers["POST", "/images/create"] = (200, b'{"status": "Pulling"}\r\n')
    with pytest.raises(StackError, match="pulling python:3: the container engine at unix://"):
        list(engine.pull("python:3"))
    engine.close()


def test_the_things_of_a_cluster(daemon: Daemon) -> None:
    engine = connect()
    (node,) = engine.nodes("drillbox-a")
    assert (node.name, node.role, node.state, node.networks, node.volumes) == (
        "drillbox-a-worker",
        "worker",
        "paused",
        ("n",),
        ("v1",),
    )
    assert node.awaits == ()
    assert "io.x-k8s.kind.cluster%3Ddrillbox-a" in daemon.asked[-1][1]
    created = CONTAINER | {"State": "created", "NetworkSettings": {"Networks": {"drillbox-a": {"NetworkID": ""}}}}
    daemon.answers["GET", "/containers/json"] = (200, [created])
    assert [(one.networks, one.awaits) for one in engine.nodes("drillbox-a")] == [((), ("drillbox-a",))]
    engine.wake(node)
    engine.remove_node(node.id)
    assert "v=True" in daemon.asked[-1][1]
    assert "force=True" in daemon.asked[-1][1]
    assert [one.id for one in engine.networks(name="drillbox-a")] == ["n"]
    assert engine.make_network("drillbox-b", {OWNER: "t"}) == "new"
    made = daemon.asked[-1][2]
    assert made["Labels"] == {OWNER: "t"}
    assert made["Options"]["com.docker.network.driver.mtu"] == "1400"
    assert engine.volumes() == {"v1"}
    assert engine.image("gone:1") is None
    assert (engine.image("there:1") or {})["Id"] == "sha256:1"
    engine.close()


def test_what_is_gone_is_removed_and_what_stays_is_told(daemon: Daemon) -> None:
    engine = connect()
    engine.remove_network("n")
    engine.remove_network("gone")
    with pytest.raises(StackError, match="removing the network used: network used has active endpoints"):
        engine.remove_network("used")
    daemon.answers["POST", "/networks/create"] = (500, {"message": "all predefined address pools have been fully subnetted"})
    with pytest.raises(StackError, match="remove networks that nobody uses: docker network prune"):
        engine.make_network("drillbox-b", {})
    engine.close()


def test_what_is_not_there_is_told_as_any_trouble(daemon: Daemon) -> None:
    engine = connect()
    gone = NodeContainer("c2", "drillbox-a-worker2", "worker", "paused")
    daemon.answers["POST", "/containers/c2/unpause"] = (404, {"message": "No such container: c2"})
    with pytest.raises(AbsentError, match="starting the node drillbox-a-worker2: No such container: c2"):
        engine.wake(gone)
    daemon.answers["GET", "/images/gone:1/get"] = (404, {"message": "No such image: gone:1"})
    with pytest.raises(AbsentError, match="reading the image gone:1: No such image"):
        list(engine.save("gone:1"))
    daemon.answers["POST", "/images/create"] = (404, {"message": "pull access denied for pyhton"})
    with pytest.raises(AbsentError, match=r"pulling pyhton:3: pull access denied for pyhton") as caught:
        list(engine.pull("pyhton:3"))
    assert caught.value.exit_code is Exit.STACK
    engine.close()


def test_no_engine_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'no.sock'}")
    with pytest.raises(
        StackError, match=r"no container engine answers at unix://.*no\.sock: start it \(sudo systemctl"
    ) as caught:
        connect()
    assert caught.value.exit_code is Exit.STACK


def test_an_engine_that_went_away_is_told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = connect()
    monkeypatch.setattr(engine.client.api, "_get", _refused)
    with pytest.raises(StackError, match="listing volumes: no container engine answers at unix://"):
        engine.volumes()
    engine.close()


def _refused(*_args: object, **_options: object) -> None:
    raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def test_no_permission_is_told_with_what_to_do() -> None:
    cause = PermissionError(errno.EACCES, "Permission denied")
    wrapped = RuntimeError("Error while fetching server API version", ("Connection aborted.", cause))
    wrapped.__cause__ = cause
    assert trouble(wrapped, "unix:///x").startswith("you may not use the container engine at unix:///x: sudo usermod -aG docker")


def test_other_trouble_is_told_in_the_engines_words() -> None:
    assert trouble(RuntimeError("client version 1.41 is too new"), "tcp://x") == (
        "the container engine at tcp://x cannot be used: client version 1.41 is too new"
    )
    assert trouble(TimeoutError("timed out"), "unix:///x").endswith(f"did not answer within {engines.PATIENCE:g} s")
