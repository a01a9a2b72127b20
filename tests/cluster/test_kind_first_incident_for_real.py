"""Every command of docs/first-incident-on-kubernetes.md against a real cluster: in its order, in two terminals, and those of its table."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cluster_kit import Played, Standing, calm

from drillbox.stacks.kind.cluster.programs import KUBECTL, find

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.soak]
PAGE = Path(__file__).parents[2] / "docs" / "first-incident-on-kubernetes.md"
FIELDS = {
    "scale": "champion.replicas",
    "roll-back": "champion.version",
    "restart": "champion.restarted",
    "set-limits": "servers.memory",
    "shed": "gateway.shed",
    "set-autoscaler": "autoscaler.maximum",
    "fallback": "fallback",
}
"""What an action of the page's table changes."""
PATIENCE = 400.0
"""Wall seconds for one command: the first brings a drill up."""
_LOOK = 0.1
_DONE = "::done::"


def lines() -> list[str]:
    """Those of the page that are typed (`1$ `, `2$ `), or that the first terminal has to say before one goes on (`[00:35] `)."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


class First:
    """The first terminal, a real one: what is begun there goes on."""

    def __init__(self, told: Path) -> None:
        self.told = told
        self.running: subprocess.Popen[bytes] | None = None
        self._keys, self._terminal = pty.openpty()
        threading.Thread(target=self._listen, daemon=True).start()

    def type(self, line: str) -> None:
        """A drill is begun, and is up when it has told its first observation; all else is waited for."""
        process = subprocess.Popen(
            shlex.split(line), stdin=self._terminal, stdout=self._terminal, stderr=self._terminal, start_new_session=True
        )
        if line.startswith("drillbox play"):
            self.running = process
            self.until("answered")
        else:
            assert process.wait(PATIENCE) == 0, self.told.read_text(encoding="utf-8")

    def until(self, text: str) -> None:
        """Wait until it has told something."""
        deadline = time.monotonic() + PATIENCE
        while text not in (told := self.told.read_text(encoding="utf-8", errors="replace")):
            assert self.running is not None
            assert self.running.poll() is None, told
            assert time.monotonic() < deadline, f"waited for {text!r}:\n{told}"
            time.sleep(_LOOK)

    def end(self) -> None:
        """Its drill has come to an end, or does now."""
        if self.running is not None:
            with suppress(ProcessLookupError):
                self.running.send_signal(signal.SIGINT)
            self.running.wait(PATIENCE)
        os.close(self._terminal)

    def _listen(self) -> None:
        with self.told.open("wb", buffering=0) as file, suppress(OSError):  # EIO: nobody has it open any more
            while said := os.read(self._keys, 65536):
                file.write(said)
        os.close(self._keys)


class Second:
    """The second terminal: a shell."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )

    def type(self, line: str) -> str:
        """What a command says; it must succeed."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{line}\necho {_DONE} $?\n")
        told = []
        for said in self._shell.stdout:
            text, done, code = said.partition(_DONE)
            told.append(text)
            if done:
                assert int(code) == 0, f"{line}: {''.join(told)}"
                return "".join(told)
        raise AssertionError(f"{line}: the shell ended: {''.join(told)}")

    def end(self) -> None:
        """No more is typed."""
        self._shell.communicate(timeout=PATIENCE)


@pytest.fixture
def terminals(standing: Standing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[First, Second]]:
    """Both, with the command on their PATH."""
    command = tmp_path / "bin" / "drillbox"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m drillbox "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("TERM", "dumb")  # lines, which can be read
    first, second = First(tmp_path / "first.log"), Second()
    yield first, second
    first.end()
    second.end()


def test_every_command_of_the_page(terminals: tuple[First, Second], standing: Standing) -> None:
    first, second = terminals
    said: dict[str, str] = {}
    for line in lines():
        if line.startswith("1$ "):
            first.type(line[3:])
        elif line.startswith("2$ "):
            said[line[3:]] = second.type(line[3:])
        else:
            first.until(line.partition("] ")[2])
    pods = next(text for line, text in said.items() if "get pods" in line)
    assert pods.count("model-champion-") == 3
    assert next(text for line, text in said.items() if "jsonpath" in line).strip() == "v8"
    assert "rolled out" in next(text for line, text in said.items() if "rollout status" in line)
    *_, last = said.values()
    assert last.endswith("Nothing is left.\n")
    assert "drill-slow-afternoon" not in standing.kubectl("get", "namespaces", "--output=name")


def rows() -> list[tuple[str, str]]:
    """The page's table: a command of kubectl, and the field of the desired state that it changes."""
    found = re.findall(
        r"^\| .* \| `kubectl ([^`]+)` \| (?:`([a-z-]+)`|\(.*\)) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [(command, FIELDS[action or "roll-back"]) for command, action in found]


def test_every_command_of_the_table_is_a_change_by_kubectl(played: Played) -> None:
    """One after the other in one drill, the pods at rest before each: in a rollout nobody can tell who takes a pod away."""

    def act(command: str, field: str, editor: str = "") -> None:
        before = len(played.changed(field, "kubectl"))
        words = (played.service.names()[0] if word == "NAME" else word for word in shlex.split(command))
        where = (f"--kubeconfig={played.standing.kubeconfig}", f"--namespace={played.namespace}")
        typed = subprocess.Popen(  # some wait for what they do, and the drill goes on
            [find(KUBECTL).path, *where, *words], env={**os.environ, "KUBE_EDITOR": editor}
        )
        played.until(lambda _told: len(played.changed(field, "kubectl")) == before + 1, f"{command}: no change is told")
        assert typed.wait(PATIENCE) == 0, command
        played.until(lambda _told: at_rest(), f"{command}: not all replicas are ready, or old ones do not go")

    def at_rest() -> bool:
        leaving = any(pod.metadata.deletionTimestamp for pod in played.service.watch.pods())
        return played.serve(played.service.spec.champion.replicas) and not leaving

    played.up(calm())
    played.until(lambda _told: played.serve(3))
    assert len(rows()) > 8
    for command, field in rows():
        if field == FIELDS["roll-back"]:
            act("set env deployment/model-champion MODEL_VERSION=v8", field)
        act(command, field)
    spec = played.service.spec
    assert (spec.champion.replicas, spec.champion.version, spec.servers.memory) == (6, "v7", 2048.0)
    assert (spec.gateway.shed, spec.autoscaler.maximum, spec.fallback) == (0.2, 10, "always")
    assert {change.by for change in played.changes} == {"kubectl"}

    act("edit configmap gateway", "gateway.shed", "sed -i 's/^  shed: .*/  shed: 10%/'")
    assert played.service.spec.gateway.shed == 0.1
    image = played.standing.image
    played.kubectl("set", "image", "deployment/model-champion", f"model-server={image}-of-nobody")
    played.until(lambda _told: bool(played.changed("champion.image", "kubectl")), "nobody tells of the image")
    act("rollout undo deployment/model-champion", "champion.image")
    assert played.changed("champion.image", "kubectl") == [(image, f"{image}-of-nobody"), (f"{image}-of-nobody", image)]

    played.kubectl("patch", "configmap", "gateway", "--type=merge", '--patch={"data":{"shed":"a lot"}}')
    played.until(lambda _told: played.logged("the last good value stays in force"))
    assert played.service.spec.gateway.shed == 0.1
