"""Programs that are missing, too old or broken are told with what to do; those that run are heard, and end with what they began."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import programs

from drillbox.sandbox.model.errors import Exit, StackError, UsageError
from drillbox.stacks.kind.cluster.programs import DOCKER, KIND, KUBECTL, ProgramError, find, run
from drillbox.stacks.kind.cluster.trouble import explain
from drillbox.stacks.kind.settings import Settings


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_programs_are_found_with_their_versions(tmp_path: Path) -> None:
    environment = programs(tmp_path / "bin", tmp_path / "state.json")
    assert find(KIND, environment).version == "0.33.0"
    assert find(KUBECTL, environment).version == "1.34.1"
    assert find(DOCKER, environment).version == "28.1.0"
    elsewhere = script(tmp_path / "my-kind", "echo kind v0.27.0 go1.23 linux/amd64")
    assert find(KIND, {**environment, "DRILLBOX_KIND": str(elsewhere)}).path == elsewhere


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        StackError, match=r"kind is not on the PATH: install it \(https://kind.*\), or set DRILLBOX_KIND"
    ) as caught:
        find(KIND, {"PATH": str(tmp_path)})
    assert caught.value.exit_code is Exit.STACK
    with pytest.raises(StackError, match=r"DRILLBOX_KUBECTL=.*: /no/kubectl is not there; give the path of kubectl"):
        find(KUBECTL, {"DRILLBOX_KUBECTL": "/no/kubectl"})


def test_a_version_that_is_too_old_is_told(tmp_path: Path) -> None:
    environment = programs(tmp_path / "bin", tmp_path / "state.json", version="0.11.1")
    with pytest.raises(StackError, match=r"kind 0\.11\.1 \(.*/bin/kind\) is too old, it takes 0\.20 or later: https://kind"):
        find(KIND, environment)


def test_a_broken_program_is_told(tmp_path: Path) -> None:
    broken = script(tmp_path / "kind", "echo no such loader >&2; exit 127")
    with pytest.raises(StackError, match=r"kind: .* cannot be run: no such loader; install it again"):
        find(KIND, {"PATH": os.environ["PATH"], "DRILLBOX_KIND": str(broken)})
    silent = script(tmp_path / "silent", "true")
    with pytest.raises(StackError, match="tells no version; set DRILLBOX_KIND to the path of kind"):
        find(KIND, {"PATH": os.environ["PATH"], "DRILLBOX_KIND": str(silent)})


def test_what_a_program_prints_is_heard_and_what_it_reads_is_given(tmp_path: Path) -> None:
    heard: list[str] = []
    numbers: list[int] = []
    echo = script(tmp_path / "echo", "cat; echo to stderr >&2")
    assert run([echo, "x"], 30.0, given="one\ntwo\n", hear=heard.append, started=numbers.append) == "one\ntwo\nto stderr"
    assert heard == ["one", "two", "to stderr"]
    assert len(numbers) == 1


def test_a_failure_has_the_output(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="fails load failed: last") as caught:
        run([script(tmp_path / "fails", "echo first; echo last >&2; exit 3"), "load"], 30.0)
    assert caught.value.output == "first\nlast"
    with pytest.raises(ProgramError, match="nothing cannot be run: No such file"):
        run([tmp_path / "nothing", "x"], 30.0)


def test_a_program_that_takes_too_long_goes_with_all_that_it_started(tmp_path: Path) -> None:
    numbers: list[int] = []
    hangs = script(tmp_path / "hangs", "sleep 1000 & echo $!; wait")
    begun = time.monotonic()
    with pytest.raises(ProgramError, match="hangs create did not end within 2 s") as caught:
        run([hangs, "create"], 2.0, started=numbers.append)
    assert time.monotonic() - begun < 60.0
    child = int(caught.value.output)
    deadline = time.monotonic() + 30.0
    while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        os.sched_yield()


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("ERROR: failed: Bind for 127.0.0.1:80 failed: port is already allocated", "a port is taken by another program"),
        ("ERROR: x: Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "does not answer any more"),
        ("ERROR: permission denied while trying to connect to the Docker daemon socket", "usermod -aG docker"),
        ("ERROR: node(s) already exist for a cluster with the name", "choose another name"),
        ('ERROR: could not find a log line that matches "Reached target"', "max_user_instances=512"),
        ("ERROR: failed to pull image kindest/node:v9", "DRILLBOX_KIND_IMAGE names one"),
        ("ERROR: write /var: no space left on device", "docker system prune"),
    ],
)
def test_what_kind_says_comes_with_advice(output: str, advice: str) -> None:
    told = explain(ProgramError("kind create failed", f"Creating\n{output}\nStack Trace:\n"), "kind: preparing nodes")
    assert told.startswith(f"kind failed at the step 'preparing nodes': {output.removeprefix('ERROR: ')}; ")
    assert advice in told


def test_settings_are_read_and_checked() -> None:
    assert Settings.read({}) == Settings()
    assert Settings.read({"DRILLBOX_KIND_IMAGE": "node:1", "DRILLBOX_KIND_API_PORT": "6443"}).api_port == 6443
    named = Settings.read({"DRILLBOX_KIND_CLUSTER": "drillbox-mine", "DRILLBOX_KIND_WORKERS": "0"})
    assert (named.cluster, named.workers) == ("drillbox-mine", 0)
    with pytest.raises(UsageError, match="DRILLBOX_KIND_WORKERS=many: give a number of nodes from 0 to 8"):
        Settings.read({"DRILLBOX_KIND_WORKERS": "many"})
    with pytest.raises(UsageError, match="DRILLBOX_KIND_API_PORT=80: give a port from 1024"):
        Settings.read({"DRILLBOX_KIND_API_PORT": "80"})
    with pytest.raises(UsageError, match="DRILLBOX_KIND_PROMETHEUS=hots: did you mean 'host'"):
        Settings.read({"DRILLBOX_KIND_PROMETHEUS": "hots"})
