"""The import of `drillbox` itself: what it costs, its version, and what it says when the links are broken."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import drillbox

ROOMS = ("sandbox", "scenarios", "stacks", "tui")


def load(package: Path) -> types.ModuleType:
    """Import the package in a folder under another name."""
    spec = importlib.util.spec_from_file_location("drillbox_copy", package / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(root: Path, tmp_path: Path) -> Path:
    """A copy of the import package whose rooms are folders."""
    folder = tmp_path / "drillbox"
    folder.mkdir()
    shutil.copy(root / "drillbox" / "__init__.py", folder)
    for room in ROOMS:
        (folder / room).mkdir()
    return folder


def test_whole_copy_can_be_imported(package: Path) -> None:
    assert load(package).__doc__ == drillbox.__doc__


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    "breakage",
    [
        pytest.param(lambda path: path.write_text(f"../{path.name}"), id="text file"),
        pytest.param(lambda path: path.symlink_to(f"../nowhere/{path.name}"), id="dangling link"),
        pytest.param(lambda _path: None, id="nothing"),
    ],
)
def test_broken_links_are_recognised(package: Path, room: str, breakage: Callable[[Path], object]) -> None:
    (package / room).rmdir()
    breakage(package / room)
    with pytest.raises(ImportError) as raised:
        load(package)
    message = str(raised.value)
    assert f"incomplete: {room} in {package}" in message
    assert "pip install drillbox" in message
    assert "core.symlinks=true" in message


def test_import_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import drillbox; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["drillbox"]


def test_version_is_that_of_the_distribution() -> None:
    assert drillbox.__version__ == importlib.metadata.version("drillbox")


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'drillbox' has no attribute 'run_dril'"):
        _ = drillbox.run_dril


def test_run_drill_is_found_in_the_wiring(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = types.ModuleType("drillbox.wiring")
    wiring.__dict__["run_drill"] = offered = object()
    monkeypatch.setitem(sys.modules, "drillbox.wiring", wiring)
    names = vars(drillbox)
    monkeypatch.setitem(names, "run_drill", None)  # whatever is cached comes back at the end
    del names["run_drill"]
    assert drillbox.run_drill is offered
