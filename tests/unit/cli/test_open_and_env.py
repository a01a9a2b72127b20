"""`open` leads to what runs for a session, `env` tells a second terminal of it; who names what is not there is told what is."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from drillbox.sandbox.api.folders import SessionInfo
from drillbox.sandbox.cli import attach
from drillbox.sandbox.cli import open as opening
from drillbox.sandbox.model.housekeeping import Address, Standing, Trial
from drillbox.wiring import Wiring

Command = Callable[..., object]
NONE = "start one with: drillbox up --stack local, or: drillbox play SCENARIO --stack kind\n"
SERVES = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    server.accept()
"""
"""Listens, and ends when somebody has been there: as a way whose pod goes."""
HANGS_UP = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        server.accept()[0].close()
"""
"""Takes connections and closes them: as kubectl does when the pod has gone."""
GATEWAY = "http://127.0.0.1:7"


def stands(name: str, host: int | None = 1, *, way: tuple[str, ...] = (), up: bool = True) -> Standing:
    addresses = (
        Address("gateway", GATEWAY),
        Address("prometheus", "drillbox open prometheus", way or (sys.executable, "-c", SERVES, "{port}")),
        Address("grafana", "not there: set GRAFANA to an image"),
    )
    trial = Trial(f"{GATEWAY}/infer", "{}") if up else None
    return Standing(name, host, "monday-rush", None, (), addresses, trial, {"KUBECONFIG": f"/some where/{name}/it's"})


class Keeper:
    """What stands, as a test says."""

    def __init__(self) -> None:
        self.there: list[Standing] = []
        self.hosts: list[SessionInfo] = []

    def standing(self) -> Sequence[Standing]:
        return self.there

    def host(self, name: str, pid: int, stack: str = "real") -> None:
        given = {
            "scenario": "x",
            "title": "x",
            "seed": 1,
            "profile": "",
            "operator": "you",
            "speed": 1.0,
            "journal": "",
            "socket": "",
        }
        self.hosts.append(SessionInfo(name=name, stack=stack, pid=pid, **given))  # type: ignore[arg-type]  # they vary


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Keeper:
    made = Keeper()
    monkeypatch.setattr(Wiring, "housekeeping", lambda _self: {"real": made})
    monkeypatch.setattr("drillbox.sandbox.api.folders.sessions", lambda: made.hosts)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "DRILLBOX_ATTACH"):
        monkeypatch.delenv(name, raising=False)
    return made


@pytest.fixture
def browsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(opening.webbrowser, "open", lambda url: bool(found.append(url)) or True)
    return found


def test_what_has_a_port_is_opened_in_the_browser_or_only_printed(command: Command, keeper: Keeper, browsed: list[str]) -> None:
    keeper.there = [stands("drill")]
    ran = command("open", "gateway")
    assert (ran.code, ran.out, ran.err, browsed) == (0, f"{GATEWAY}\n", "", [GATEWAY])
    ran = command("open", "gateway", "--print")
    assert (ran.code, ran.out, browsed) == (0, f"{GATEWAY}\n", [GATEWAY])


def test_without_a_screen_the_url_is_enough(command: Command, keeper: Keeper) -> None:
    keeper.there = [stands("drill")]
    ran = command("open", "gateway")
    assert (ran.code, ran.out) == (0, f"{GATEWAY}\n")
    assert ran.err == "note: there is no screen for a browser here; the URL is above\n"


def test_a_way_is_opened_again_when_it_is_lost_and_ends_with_the_session(
    command: Command, keeper: Keeper, browsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.there = [stands("drill")]
    monkeypatch.setattr(opening, "PAUSE", 0.0)
    lives, seen = opening._lives, []

    def look(wiring: Wiring, found: object) -> bool:
        seen.append(found)
        if len(seen) > 1:
            keeper.there = []
        return lives(wiring, found)

    monkeypatch.setattr(opening, "_lives", look)
    ran = command("open", "prometheus")
    assert (ran.code, [f"{url}\n" for url in browsed]) == (0, [ran.out]), ran.err
    leads, lost = "leads to prometheus of drill until Ctrl-C\n", "note: the way to prometheus was lost\n"
    assert ran.err == f"{leads}{lost}{leads}{lost}note: drill is over\n\n{ran.out.strip()} is closed\n"


def test_a_way_that_leads_nowhere_any_more_is_lost(
    command: Command, keeper: Keeper, browsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.there = [stands("drill", way=(sys.executable, "-c", HANGS_UP, "{port}"))]
    monkeypatch.setattr(opening, "CHECK", 0.01)
    monkeypatch.setattr(opening, "PAUSE", 0.0)
    monkeypatch.setattr(opening, "_lives", lambda *_: False)
    ran = command("open", "prometheus")
    assert (ran.code, len(browsed)) == (0, 1)
    assert "note: the way to prometheus was lost\nnote: drill is over\n" in ran.err


def test_ctrl_c_ends_the_program_that_leads_there(
    command: Command, keeper: Keeper, browsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.there = [stands("drill")]
    running: list[subprocess.Popen[bytes]] = []

    def interrupt(url: str, *, only_print: bool) -> None:
        raise KeyboardInterrupt

    popen = subprocess.Popen

    def start(*args: object, **options: object) -> subprocess.Popen[bytes]:
        running.append(popen(*args, **options))  # type: ignore[call-overload]  # as it is called
        return running[-1]

    monkeypatch.setattr(opening.subprocess, "Popen", start)
    monkeypatch.setattr(opening, "_show", interrupt)
    ran = command("open", "prometheus", "--print")
    assert (ran.code, [one.poll() is not None for one in running]) == (0, [True])
    assert ran.err.endswith(" is closed\n")


def test_a_way_that_does_not_open_is_told(command: Command, keeper: Keeper) -> None:
    fails = "import sys; sys.exit('error: services \"prometheus\" not found')"
    keeper.there = [stands("drill", way=(sys.executable, "-c", fails))]
    ran = command("open", "prometheus", "--print")
    assert (ran.code, ran.out) == (3, "")
    assert 'the way does not open: error: services "prometheus" not found' in ran.err
    keeper.there = [stands("drill", way=("/no/such/kubectl", "port-forward"))]
    ran = command("open", "prometheus", "--print")
    assert (ran.code, ran.err) == (3, "drillbox: /no/such/kubectl cannot be run: No such file or directory\n")


def test_a_port_that_is_taken_is_told(command: Command, keeper: Keeper) -> None:
    keeper.there = [stands("drill")]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = command("open", "prometheus", "--port", str(port))
    assert (ran.code, ran.out) == (2, "")
    assert f"port {port} of 127.0.0.1 cannot be used: Address already in use; choose another, or none" in ran.err


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("open", "gatway"), "drill on the stack real has no 'gatway' to open; did you mean 'gateway'?"),
        (("open", "grafana"), "grafana of drill on the stack real: not there: set GRAFANA to an image"),
        (("open",), "Missing argument 'WHAT'"),
        (
            ("open", "gateway", "--session", "dril"),
            "there is no session 'dril' on a stack with real services; did you mean 'drill'?",
        ),
        (
            ("open", "gateway", "--session", "you"),
            "you runs on the stack sim, where there is nothing to reach: it is a simulation",
        ),
        (("env", "new"), "new is not up yet on the stack real; drillbox status shows how far it is"),
        (("env", "--shell", "csh"), "'csh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_who_names_what_is_not_there_is_told_what_is(asked: tuple[str, ...], told: str, command: Command, keeper: Keeper) -> None:
    keeper.there = [stands("drill"), stands("half", 2, up=False), stands("dead", None)]
    keeper.host("you", 7, "sim")
    keeper.host("new", 2)
    ran = command(*asked)
    assert ran.code == 2
    assert told in ran.err
    assert ran.out == (f"false  # {told}: when it is up, try again\n" if "new" in asked else "")


SHELLS = {
    "sh": ("/bin/sh", "-c", 'eval "$1"', "sh"),
    "bash": ("bash", "-c", 'eval "$1"', "bash"),
    "zsh": ("zsh", "-f", "-i", "-c", 'eval "$1"', "zsh"),
    "fish": ("fish", "--no-config", "-c", "echo $argv[1] | source"),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("asked", "early"),
    [((), True), (("new",), True), (("it's `gone`\n$(exit 0)",), False), (("a", "--shell", "fish"), False)],
)
def test_where_nothing_can_be_reached_the_eval_fails(
    shell: str, asked: tuple[str, ...], early: bool, command: Command, keeper: Keeper
) -> None:
    if not shutil.which(SHELLS[shell][0]):
        pytest.skip(f"{shell} is not here")
    keeper.there = [stands("real-new", 2, up=False)]
    keeper.host("new", 2)
    ran = command("env", *asked)
    assert ran.code == 2
    if early:
        told = "new is not up yet on the stack real; drillbox status shows how far it is: when it is up, try again"
        assert (ran.out, ran.err) == (f"false  # {told}\n", f"drillbox: {told}\n")
    evaluated = subprocess.run([*SHELLS[shell], ran.out], capture_output=True, text=True, check=False)
    assert (evaluated.returncode, evaluated.stdout, evaluated.stderr) == (1, "", "")


def test_a_drill_without_a_host_that_comes_up_is_told_of_too(command: Command, keeper: Keeper) -> None:
    keeper.there = [stands("real-new", 2, up=False)]
    assert "real-new is not up yet on the stack real" in command("env").err
    keeper.there = [stands("dead", None, up=False)]
    assert NONE in command("env").err


def test_where_nothing_runs_it_is_told_what_to_start(command: Command, keeper: Keeper) -> None:
    for words in (("open", "gateway"), ("env",)):
        ran = command(*words)
        assert (ran.code, ran.err) == (2, f"drillbox: no session runs on a stack with real services; {NONE}")
    ran = command("env", "gone")
    assert (ran.code, ran.err) == (2, f"drillbox: there is no session 'gone' on a stack with real services; {NONE}")


def test_of_several_sessions_one_is_named_or_chosen_by_the_environment(
    command: Command, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.there = [stands("real-a", 1), stands("real-b", 2)]
    keeper.host("a", 1)
    keeper.host("b", 2)
    ran = command("env")
    assert (ran.code, ran.err) == (2, "drillbox: 2 sessions run: choose one of a, b\n")
    by_name, by_stack = command("env", "b"), command("env", "real-b")
    assert (by_name.code, by_name.out) == (0, by_stack.out)
    monkeypatch.setenv("DRILLBOX_ATTACH", "b")
    assert command("env").out == by_name.out
    monkeypatch.setattr(attach, "_is_over", lambda _info: False)
    assert attach._choose("").name == "b"
    monkeypatch.setenv("DRILLBOX_ATTACH", "long-gone")
    assert command("env").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_settings_are_written_as_the_shell_reads_them(shell: str, command: Command, keeper: Keeper) -> None:
    keeper.there = [stands("drill", 3)]
    keeper.host("you", 3)
    ran = command("env", "--shell", shell)
    assert ran.code == 0
    if shell == "fish":
        assert ran.out == "set -gx KUBECONFIG '/some where/drill/it\\'s'\nset -gx DRILLBOX_ATTACH 'you'\n"
        return
    line = f'{ran.out}printf "%s|%s" "$KUBECONFIG" "$DRILLBOX_ATTACH"'
    told = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert told == "/some where/drill/it's|you"


def test_the_persons_shell_is_known_and_a_session_without_a_host_cannot_be_attached_to(
    command: Command, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.there = [stands("drill", os.getpid())]
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert command("env").out == "set -gx KUBECONFIG '/some where/drill/it\\'s'\n"
    monkeypatch.setenv("SHELL", "/bin/dash")
    assert command("env").out.startswith("export KUBECONFIG=")


def test_where_no_tool_has_to_be_set_it_is_told(command: Command, keeper: Keeper) -> None:
    keeper.there = [Standing("drill", 1, "x", None, (), (Address("gateway", GATEWAY),), Trial(GATEWAY, "{}"))]
    ran = command("env")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "note: drill runs on the stack real, for which no tool has to be set: see drillbox status\n"


def test_where_nobody_reads_the_rest_nothing_breaks(drillbox_home: Path) -> None:
    line = f"{sys.executable} -m drillbox open --help | head -1"
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == (
        "Usage: python -m drillbox open [OPTIONS] WHAT\n".replace("python -m drillbox", "drillbox"),
        "",
    )
