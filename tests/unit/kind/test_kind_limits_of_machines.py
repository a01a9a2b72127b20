"""What machines and clusters have no room for: a disk that is full is the stack's trouble, and no name is too long."""

from __future__ import annotations

import errno
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from docker_kit import FakeDocker

from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.sandbox.model.stack import ClearFault, InjectFault
from drillbox.stacks.control_plane.faults import Faults
from drillbox.stacks.deploy.kubernetes.names import namespace_of
from drillbox.stacks.kind.cluster.node_hands import Reach
from drillbox.stacks.kind.faults.container_faults import Hang
from drillbox.stacks.kind.stack import KindStack
from drillbox.stacks.real.machine import undo
from drillbox.stacks.real.models import label_of
from drillbox.stacks.services.controller.pods import ServerPod


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_when_a_fault_begins_is_the_stacks_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = FakeDocker("w1")
    docker.processes = {"a": "running"}
    hang = Hang(
        Reach.of(docker.engine, tmp_path), 1, lambda: [cast("ServerPod", SimpleNamespace(node="w1", life="containerd://a"))]
    )
    stack = KindStack(tmp_path)
    service = SimpleNamespace(blaming=nullcontext)
    stack._drill = cast("Any", SimpleNamespace(service=service, faults=Faults({"pods.hang": hang})))
    with monkeypatch.context() as patch:
        patch.setattr(undo, "_write_all", full)
        with pytest.raises(
            StackError, match=rf"cannot write {tmp_path}/undo\.jsonl: the disk is full: free some space"
        ) as caught:
            stack.apply(InjectFault("beat", "pods.hang", {"count": 1}))
    assert caught.value.exit_code is Exit.STACK
    assert docker.processes == {"a": "running"}, "it is not done before it is noted"
    stack.apply(InjectFault("next", "pods.hang", {"count": 1}))
    monkeypatch.setattr(undo, "_write_all", full)
    with pytest.raises(StackError, match="the disk is full"):
        stack.apply(ClearFault("next"))


@pytest.mark.parametrize("scenario", ["x", "monday-rush", "a-" * 40, "a-scenario-whose-id-is-forty-characters-x"])
@pytest.mark.parametrize("seed", [0, 1234567890, 2**63, 10**80])
def test_names_of_drills_are_those_of_namespaces(scenario: str, seed: int) -> None:
    label = label_of(scenario, seed)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", namespace_of(label))
    assert label != label_of(scenario, seed)
    assert scenario[:8].rstrip("-") in label
    if seed < 10**20:
        assert f"-{seed}-" in label
