"""Copies of the checkout, to build and to break."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def tracked(root: Path) -> tuple[Path, ...]:
    """Files and links of the project, relative to the checkout: what git tracks or would add, less what is deleted."""
    if not (root / ".git").exists():
        pytest.skip("no git checkout to compare with")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
    paths = sorted({Path(name) for name in listing.split("\0") if name})
    return tuple(path for path in paths if (root / path).is_symlink() or (root / path).is_file())


@pytest.fixture(scope="session")
def pristine(root: Path, tracked: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the checkout, with its links, to read and to build from; who changes files makes a copy first."""
    copy = tmp_path_factory.mktemp("checkout") / "drillbox-checkout"
    for path in tracked:
        target = copy / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, target, follow_symlinks=False)
    return copy


@pytest.fixture
def checkout(pristine: Path, tmp_path: Path) -> Path:
    """A copy of the checkout that a test may change."""
    copy = tmp_path / "checkout"
    shutil.copytree(pristine, copy, symlinks=True, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    return copy
