"""Archives of images are made once, kept for the next cluster, and given up where a node does not take them."""

from __future__ import annotations

import errno
import io
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import FakeEngine, archive, programs

from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.stacks.kind.cluster import archives as archives_module
from drillbox.stacks.kind.cluster import loading
from drillbox.stacks.kind.cluster.archives import Archives, pieces
from drillbox.stacks.kind.cluster.loading import Early, Loader
from drillbox.stacks.kind.cluster.packing import pack

DEADLINE = 60.0
NODE = {"role": "worker", "state": "running", "cluster": "drillbox-a", "networks": [], "volumes": []}


def silent(_step: str, _done: float) -> None:
    """Nobody is watching."""


class Engine(FakeEngine):
    """One whose images are archives."""

    saved: list[str]

    def save(self, name: str) -> Iterator[bytes]:
        self.saved.append(name)
        yield archive(name)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = Engine(tmp_path / "state.json")
    made.saved = []
    nodes = [NODE | {"id": name, "name": f"drillbox-a-{name}"} for name in ("one", "two")]
    images = {"app:1": {"Id": "sha256:1", "Size": 5}, "app:2": {"Id": "sha256:2", "Size": 5}}
    made.put(made.state() | {"containers": nodes, "images": images})
    return made


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_image_is_packed_once_for_all_clusters(engine: Engine, tmp_path: Path) -> None:
    archives, environment = Archives(tmp_path / "kept"), programs(tmp_path / "bin", engine.path)
    for _ in range(2):
        Loader(engine, environment, archives).load("app:1", engine.nodes("drillbox-a"), silent)
        got = engine.state()["loaded"]
        assert sorted(node for node, _ in got) == ["drillbox-a-one", "drillbox-a-two"]
        assert all("app:1" in content for _, content in got)
        engine.put(engine.state() | {"loaded": []})
    assert engine.saved == ["app:1"]
    assert files(tmp_path / "kept") == ["app-1-sha256-1.tar"]


def test_another_name_of_the_same_image_is_another_archive(engine: Engine, tmp_path: Path) -> None:
    engine.put(engine.state() | {"images": {"app:1": {"Id": "sha256:1", "Size": 5}, "app:2": {"Id": "sha256:1", "Size": 5}}})
    archives, environment = Archives(tmp_path / "kept"), programs(tmp_path / "bin", engine.path)
    for name in ("app:1", "app:2"):
        Loader(engine, environment, archives).load(name, engine.nodes("drillbox-a"), silent)
        assert sum(name in content for _, content in engine.state()["loaded"]) == 2


def test_only_the_newest_is_kept_and_nothing_of_whoever_was_killed(tmp_path: Path) -> None:
    archives = Archives(tmp_path)
    assert archives.find("app:1", "sha256:1") is None
    dead, living = tmp_path / ".one.tar.99999999", tmp_path / f".two.tar.{os.getpid()}"
    for path in (dead, living):
        path.write_bytes(b"half")
    archives.keep("app:1", "sha256:1", [archive("one")])
    path = archives.keep("app:2", "sha256:2", [archive("two")])
    assert files(tmp_path) == [living.name, "app-2-sha256-2.tar"]
    assert archives.find("app:2", "sha256:2") == path
    assert archives.find("app:1", "sha256:1") is None
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces(path)))) as tar:
        assert (tar.extractfile("name") or io.BytesIO()).read() == b"two"


def test_what_is_no_archive_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(tarfile.TarError):
        Archives(tmp_path).keep("app:1", "sha256:1", [b"no archive"])
    assert files(tmp_path) == []


def test_without_room_for_it_an_image_is_packed_on_its_way(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives_module, "pack", full)
    archives = Archives(tmp_path / "kept")
    with pytest.raises(UsageError, match="the disk is full"):
        archives.keep("app:1", "sha256:1", [archive("one")])
    assert files(tmp_path / "kept") == []
    ways: list[str] = []
    monkeypatch.setattr(loading, "pack", lambda given, write: ways.append("packed") or pack(given, write))
    monkeypatch.setattr(loading, "_as_it_is", lambda *_: ways.append("as it is"))
    one = Loader(engine, programs(tmp_path / "bin", engine.path), archives)
    one.pack("app:1", silent)
    one.load("app:1", engine.nodes("drillbox-a"), silent)
    assert sorted(node for node, _ in engine.state()["loaded"]) == ["drillbox-a-one", "drillbox-a-two"]
    assert ways == ["packed"]
    assert files(tmp_path / "kept") == []


def test_a_node_that_takes_nothing_is_not_waited_for_for_ever(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by whoever writes to it: a pipe has room for little."""
    monkeypatch.setattr(loading, "LOAD", 1.0)
    monkeypatch.setattr(Engine, "save", lambda *_: iter([bytes(2**20)] * 8))
    monkeypatch.setattr(loading, "pack", loading._as_it_is)
    one = Loader(engine, programs(tmp_path / "bin", engine.path, "asleep"))
    with pytest.raises(StackError, match="the node drillbox-a-one did not take it in within 1 s"):
        one.load("app:1", engine.nodes("drillbox-a"), silent)


def test_an_archive_that_turns_out_to_be_damaged_is_given_up(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = Archives(tmp_path / "kept")
    path = archives.keep("app:1", "sha256:1", [archive("damaged since")])
    first: list[Path] = []

    def torn(found: Path) -> Iterator[bytes]:
        first.append(found)
        raise OSError(errno.EIO, "Input/output error")
        yield b""

    monkeypatch.setattr(loading, "pieces", torn)
    Loader(engine, programs(tmp_path / "bin", engine.path), archives).load("app:1", engine.nodes("drillbox-a"), silent)
    assert first == [path]
    assert all("app:1" in content for _, content in engine.state()["loaded"])
    assert engine.saved == ["app:1"], "once more as the engine has it"
    assert archives.find("app:1", "sha256:1") is None


def test_an_archive_that_is_not_at_fault_stays(engine: Engine, tmp_path: Path) -> None:
    archives = Archives(tmp_path / "kept")
    path = archives.keep("app:1", "sha256:1", [archive("app:1")])
    full = programs(tmp_path / "bin", engine.path, "full")
    with pytest.raises(StackError, match="no space left on device"):
        Loader(engine, full, archives).load("app:1", engine.nodes("drillbox-a"), silent)
    assert archives.find("app:1", "sha256:1") == path


def test_nodes_get_a_packed_image_once_they_may(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archives = Archives(tmp_path / "kept")
    one = Early(engine, "drillbox-a", 2, programs(tmp_path / "bin", engine.path), archives)
    waits = threading.Event()
    wait = one.begin.wait
    monkeypatch.setattr(one.begin, "wait", lambda: (waits.set(), wait()))
    one.pack("app:1", silent)
    assert archives.find("app:1", "sha256:1") is not None
    thread = threading.Thread(target=one.load, args=("app:1", silent), daemon=True)
    looked: list[str] = []
    nodes = engine.nodes
    monkeypatch.setattr(engine, "nodes", lambda cluster: looked.append(cluster) or nodes(cluster))
    thread.start()
    assert waits.wait(DEADLINE)
    assert looked == []
    one.begin.set()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert sorted(node for node, _ in engine.state()["loaded"]) == ["drillbox-a-one", "drillbox-a-two"]
