"""Where state lives, and that nothing is left half-written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from drillbox.sandbox import paths
from drillbox.sandbox.model.errors import UsageError


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def test_home_is_the_override_and_nothing_is_created_by_asking(own_home: Path) -> None:
    assert paths.home() == own_home
    assert not own_home.exists()


def test_home_without_override_is_the_platforms_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert paths.home().name == "drillbox"


def test_cache_dir_is_created(own_home: Path) -> None:
    assert paths.cache_dir() == own_home / "cache"
    assert (own_home / "cache").is_dir()


def test_home_below_a_file_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "file" / "home"))
    with pytest.raises(UsageError, match=r"cannot write .*home.*is a file, not a folder; set DRILLBOX_HOME"):
        paths.cache_dir()


@pytest.mark.parametrize(
    ("number", "reason"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "not writable"), (errno.EROFS, "read-only")]
)
def test_failure_to_write_is_explained_and_leaves_the_old_file(tmp_path: Path, number: int, reason: str) -> None:
    target = tmp_path / "target"
    target.write_text("old")

    def write(file: BinaryIO) -> None:
        file.write(b"half of the ne")
        raise OSError(number, "from the system")

    with pytest.raises(UsageError, match=f"cannot write .*target: .*{reason}"):
        paths.atomic_write(target, write)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_interrupt_while_writing_leaves_nothing(tmp_path: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paths.atomic_write(tmp_path / "new" / "target", write)
    assert list((tmp_path / "new").iterdir()) == []


def test_write_makes_the_folder_and_replaces_the_file(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "target"
    paths.atomic_write(target, b"one")
    paths.atomic_write(target, lambda file: file.writelines([b"t", b"wo"]))
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_folder_in_the_way_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with pytest.raises(UsageError, match="a folder is in the way"):
        paths.atomic_write(tmp_path / "target", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_import_is_cheap() -> None:
    code = "import sys, drillbox.sandbox.paths; print([m for m in ('numpy', 'platformdirs', 'pandas') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_devices_are_refused_and_links_stay(tmp_path: Path) -> None:
    """A temporary file must never take a device's or a link's place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is not a regular file"):
        paths.atomic_write(pipe, b"x")
    assert pipe.is_fifo()
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    paths.atomic_write(link, b"through")
    assert link.is_symlink()
    assert target.read_bytes() == b"through"
