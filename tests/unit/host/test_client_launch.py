"""A host is started apart from whoever wants it; if it does not come up, or is not wanted any more, nothing is left of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from drillbox.sandbox.api import launch as launching
from drillbox.sandbox.api.client import RemoteSession
from drillbox.sandbox.api.folders import sessions
from drillbox.sandbox.api.launch import launch
from drillbox.sandbox.clock import WallClock
from drillbox.sandbox.model.errors import StackError, UsageError

PATIENCE = 60.0
REQUEST = {"scenario": "monday-rush", "profile": "short", "speed": 60}
Fake = Callable[[str], Path]


@pytest.fixture
def fake_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drillbox_home: Path) -> Fake:
    """`fake_host("exit 3")` stands for a host; gives the file in which it writes its number."""

    def make(script: str) -> Path:
        program, number = tmp_path / "host", tmp_path / "number"
        program.write_text(f"#!/bin/sh\necho $$ > {number}.part\nmv {number}.part {number}\n{script}\n", encoding="utf-8")
        program.chmod(0o700)
        monkeypatch.setattr(launching.sys, "executable", str(program))
        return number

    return make


def wait_for(condition: Callable[[], object]) -> None:
    """Look again and again, up to a deadline."""
    clock = WallClock()
    deadline = clock.now() + PATIENCE
    while not condition():
        assert clock.now() < deadline
        clock.sleep(0.01)


def lives(number: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    return Path(f"/proc/{number}").exists()


def test_a_host_lives_apart_from_its_terminal_and_is_no_zombie_after_its_end(drillbox_home: Path) -> None:
    info = launch(json.dumps(REQUEST))
    with closing(RemoteSession(info)) as session:
        assert os.getsid(info.pid) == info.pid != os.getsid(0)
        assert sessions() == [info]
        assert session.snapshot().scenario == "monday-rush"
        session.abort("interrupted")
    wait_for(lambda: not lives(info.pid))
    assert sessions() == []
    assert not info.folder.exists()
    assert Path(info.journal).exists()


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (REQUEST | {"scenario": "monday-rus"}, "unknown scenario 'monday-rus'; did you mean 'monday-rush'?"),
        (REQUEST | {"stack": "simm"}, "unknown stack 'simm'; did you mean 'sim'?"),
        (REQUEST | {"out": "/dev/null/there"}, "cannot write /dev/null/there"),
    ],
)
def test_what_a_host_refuses_is_told_here(drillbox_home: Path, request_: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as error:
        launch(json.dumps(request_))
    assert str(error.value).startswith(told)
    assert sessions() == []
    assert not list(drillbox_home.glob("drills/*"))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'drillbox: this is a bug' >&2; exit 3", "this is a bug"),
        ("exit 3", "the session host ended with code 3"),
        ("kill -9 $$", "the session host ended with code -9"),
    ],
)
def test_a_host_that_breaks_is_told(fake_host: Fake, script: str, told: str) -> None:
    fake_host(script)
    with pytest.raises(StackError) as error:
        launch("{}")
    assert str(error.value) == told


@pytest.mark.parametrize("script", ["exec sleep 60", "trap '' TERM; while :; do sleep 0.05; done"])
def test_a_host_that_never_comes_up_is_ended(fake_host: Fake, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(launching, "DEADLINE", 0.5)
    monkeypatch.setattr(launching, "GRACE", 0.5)
    number = fake_host(script)
    with pytest.raises(StackError, match=r"the session host did not come up within 0\.5 seconds"):
        launch("{}")
    assert not lives(int(number.read_text(encoding="ascii")))


def test_who_changes_their_mind_leaves_no_host(fake_host: Fake) -> None:
    number = fake_host("exec sleep 60")

    class Impatient(WallClock):
        def sleep(self, seconds: float) -> None:
            if number.exists():
                raise KeyboardInterrupt
            super().sleep(seconds)

    with pytest.raises(KeyboardInterrupt):
        launch("{}", Impatient())
    assert not lives(int(number.read_text(encoding="ascii")))
