"""Completion in the shell, and `--quiet` wherever something may take long."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from drillbox.sandbox.cli.completion import VARIABLE
from drillbox.sandbox.cli.main import COMMANDS, LazyGroup, cli
from drillbox.sandbox.cli.terminal import ConsoleProgress, console_progress, quiet_option
from drillbox.wiring import Wiring


def complete(line: str) -> list[str]:
    """What the shell offers for the last word of a line; `FILES` where it completes files."""
    *args, begun = line.split(" ")
    found = ShellComplete(cli, {"obj": Wiring()}, "drillbox", VARIABLE).get_completions(args, begun)
    return ["FILES" if item.type == "file" else item.value for item in found]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("sh", ["show"]),
        ("show mon", ["monday-rush"]),
        ("play qui", ["quiet-decay", "quiet-night"]),
        ("validate mon", ["monday-rush"]),
        ("run monday-rush storm", ["stormy-sunday"]),
        ("prove mon", ["monday-rush"]),
        ("export prometheus-rules mon", ["monday-rush"]),
        ("show ./mine", ["FILES"]),
        ("run monday-rush --operator ", ["idle", "reference", "longer-timeouts", "restart-replicas"]),
        ("run --operator ref", ["reference"]),
        ("run --operator ./mine", ["FILES"]),
        ("run monday-rush --profile ", ["short"]),
        ("run monday-rush --stack ", ["kind", "local", "sim"]),
        ("play no-such-scenario --profile ", []),
        ("new --fault traffic", ["traffic.spike"]),
        ("new --fault traffic.spike --set ", ["factor=", "ramp="]),
        ("list --pack ", []),
        ("attach ", []),
        ("completion ", ["bash", "zsh", "fish"]),
        ("export ", ["prometheus-rules", "metrics", "openapi", "schema"]),
    ],
)
def test_names_complete(drillbox_home: Path, line: str, wanted: list[str]) -> None:
    assert sorted(complete(line)) == sorted(wanted)


def test_packs_complete(drillbox_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "acme").mkdir()
    text = Wiring().library().find("monday-rush").read_text(encoding="utf-8")
    (tmp_path / "acme" / "a.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DRILLBOX_SCENARIOS", f"{tmp_path / 'acme'}:{tmp_path / 'gone'}")
    assert complete("list --pack ") == ["acme"]
    assert complete("play ac") == ["acme/monday-rush"]


def test_a_library_that_cannot_be_listed_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Wiring) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(Wiring, "library", broken)
    assert complete("play mon") == ["FILES"]


def test_the_shell_asks_the_command_itself(drillbox_home: Path) -> None:
    """As bash calls it; nothing on stderr, and exit code 0."""
    asked = {VARIABLE: "bash_complete", "COMP_WORDS": "drillbox play mon", "COMP_CWORD": "2"}
    main = "import sys; from drillbox.wiring import main; sys.argv[0] = 'drillbox'; main()"
    ran = subprocess.run([sys.executable, "-c", main], env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "plain,monday-rush\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(command, shell: str) -> None:
    ran = command("completion", shell)
    assert ran.code == 0
    assert VARIABLE in ran.out
    if path := shutil.which(shell):
        subprocess.run([path, "-n"], input=ran.out, text=True, check=True)


def test_another_shell(command) -> None:
    ran = command("completion", "csh")
    assert ran.code == 2
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in ran.err


LONG = ("validate", "new", "play", "run", "prove", "replay", "report")


@pytest.mark.parametrize("name", LONG)
def test_whatever_may_take_long_can_be_quiet(name: str) -> None:
    assert set(LONG) <= set(COMMANDS)
    found = LazyGroup().get_command(click.Context(cli), name)
    assert found is not None
    assert "--quiet" in [option for param in found.params for option in param.opts]


@pytest.mark.parametrize("args", [("-q", "inner"), ("inner", "--quiet"), ("-q", "inner", "-q")])
def test_quiet_before_or_behind_the_command(args: tuple[str, ...]) -> None:
    assert not _progress_of(*args)


def test_progress_without_quiet() -> None:
    assert _progress_of("inner")


def _progress_of(*args: str) -> str:
    """What a command tells of its progress."""
    told: list[str] = []

    @click.group()
    @quiet_option
    def outer() -> None: ...

    @outer.command("inner")
    @quiet_option
    def inner() -> None:
        progress = console_progress()
        progress._write = told.append  # type: ignore[method-assign]
        progress("working", 0.0)
        progress.close()

    outer.main(list(args), standalone_mode=False)
    return "".join(told)


def test_quiet_is_quiet(command, tmp_path: Path) -> None:
    for args in (("-q", "run"), ("run", "-q")):
        ran = command(*args, "monday-rush", "--profile", "short", "--out", str(tmp_path))
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("PASSED")


class Lines:
    """Hears a progress."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []

    def __call__(self, step: str, done: float) -> None:
        self.heard.append((step, done))

    def of(self, step: str) -> list[float]:
        return [done for name, done in self.heard if name == step]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Lines:
    lines = Lines()
    monkeypatch.setattr(ConsoleProgress, "__call__", lambda _self, step, done: lines(step, done))
    return lines


def test_long_work_tells_how_far_it_is(command: Callable[..., object], heard: Lines, tmp_path: Path) -> None:
    command("run", "monday-rush", "--profile", "short", "--out", str(tmp_path))
    (journal,) = tmp_path.glob("*.jsonl")
    command("replay", str(journal))
    command("prove", "monday-rush", "--profile", "short")
    for step in ("playing monday-rush", "replaying monday-rush", "proving monday-rush"):
        shares = heard.of(step)
        assert len(shares) >= 8, step
        assert shares == sorted(shares), step
        assert shares[0] < 0.2
        assert shares[-1] == 1.0, step
