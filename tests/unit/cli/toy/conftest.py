"""The command with a stack of a few lines, for what would take too long, or cannot be provoked, with the real simulation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are no packages; this one has a module of its own: fake_drillbox

import fake_drillbox

from drillbox.sandbox.cli.main import run


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one scenario."""
    folder = tmp_path_factory.mktemp("pack")
    (folder / "toy-rush.yaml").write_text(fake_drillbox.SCENARIO, encoding="utf-8")
    return folder


@pytest.fixture
def wiring(pack: Path) -> fake_drillbox.FakeWiring:
    """A wiring on that folder."""
    return fake_drillbox.FakeWiring(pack)


@pytest.fixture
def drillbox(wiring: fake_drillbox.FakeWiring, drillbox_home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`drillbox("run", "toy-rush")`: the command in this process, with a state folder of its own."""

    def call(*argv: object) -> Ran:
        capsys.readouterr()
        code = run([str(word) for word in argv], wiring)
        text = capsys.readouterr()
        return Ran(code, text.out, text.err)

    return call


@pytest.fixture
def journals(drillbox_home: Path) -> Callable[[], list[Path]]:
    """The journals that have been written so far."""
    return lambda: sorted((drillbox_home / "drills").glob("*.jsonl"))
