"""sdist, wheel and editable install hold every room and data file; the wheel is the same from the tree and from the sdist."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOMS = ("sandbox", "scenarios", "stacks", "tui")

DATA = {
    "sandbox/reports/templates/page.html": "<p>",
    "sandbox/reports/templates/page.css": "p {}",
    "sandbox/api/v1.2/schema.json": "{}",
    "scenarios/of-a-new-group/some-drill.yaml": "id: some-drill",
    "stacks/deploy/Dockerfile": "FROM scratch",
    "stacks/deploy/.dockerignore": "*",
    "stacks/deploy/envoy.yaml.j2": "{{ a }}",
    "tui/theme.tcss": "",
}
"""Files of kinds and in places that the project may not have yet. Nobody should have to think of packaging when adding one."""

IMPORT_ALL = """
import importlib.util, pathlib, sys
import drillbox
folder = pathlib.Path(drillbox.__file__).parent
for room in ("sandbox", "scenarios", "stacks", "tui"):
    module = importlib.import_module(f"drillbox.{room}")
    assert pathlib.Path(list(module.__path__)[0]) == folder / room, module.__path__
    assert room not in sys.modules
    assert importlib.util.find_spec(room) is None, f"{room} is importable by itself"
import drillbox.sandbox.model.units
assert list((folder / "scenarios").rglob("*.yaml"))
print(folder)
"""


def build(source: Path, out: Path, *kinds: str) -> None:
    """Build without network and without looking at the checkout."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        *(f"--{kind}" for kind in kinds),
        "--outdir",
        str(out),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def wheel_files(folder: Path) -> dict[str, bytes]:
    """Name and content of all files of the only wheel in a folder."""
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        return {info.filename: wheel.read(info) for info in wheel.infolist() if not info.is_dir()}


@pytest.fixture(scope="module")
def source(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with files of further kinds, and with what work leaves behind."""
    copy = tmp_path_factory.mktemp("source") / "drillbox"
    shutil.copytree(pristine, copy, symlinks=True)
    for name, text in DATA.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, encoding="utf-8")
    cache = copy / "sandbox" / "__pycache__"
    cache.mkdir()
    (cache / "engine.cpython-311.pyc").write_bytes(b"stale")
    return copy


@pytest.fixture(scope="module")
def expected(tracked: tuple[Path, ...]) -> set[str]:
    """Files of the import package, as git knows them, and the added data."""
    rooms = {f"drillbox/{path.as_posix()}" for path in tracked if path.parts[0] in ROOMS}
    own = {path.as_posix() for path in tracked if path.parts[0] == "drillbox" and path.name not in ROOMS}
    return rooms | own | {f"drillbox/{name}" for name in DATA}


@pytest.fixture(scope="module")
def dist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the sdist and of the wheel, both built from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    build(source, folder, "sdist", "wheel")
    return folder


def test_wheel_holds_every_file_of_the_rooms(source: Path, expected: set[str], dist: Path) -> None:
    files = {name: content for name, content in wheel_files(dist).items() if ".dist-info/" not in name}
    assert files.keys() == expected
    assert {name: (source / name).read_bytes() for name in expected} == files
    assert {"drillbox/py.typed", "drillbox/scenarios/traffic/monday-rush.yaml"} <= expected


def test_wheel_from_the_sdist_is_the_wheel_from_the_tree(dist: Path, tmp_path: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    build(unpacked, tmp_path / "dist", "wheel")
    assert wheel_files(tmp_path / "dist") == wheel_files(dist)


def test_sdist_holds_all_that_is_needed_to_change_the_project(tracked: tuple[Path, ...], dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    assert all(member.isfile() or member.isdir() for member in members), "links do not survive every unpacker"
    files = {member.name.partition("/")[2] for member in members if member.isfile()}
    wanted = {f"drillbox/{path.as_posix()}" if path.parts[0] in ROOMS else path.as_posix() for path in tracked}
    assert wanted - {f"drillbox/{room}" for room in ROOMS} <= files


def test_wheel_can_be_imported(dist: Path, tmp_path: Path) -> None:
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(tmp_path)
    assert run_isolated(f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{IMPORT_ALL}") == str(tmp_path / "drillbox")


def test_editable_install_resolves_every_room(checkout: Path, tmp_path: Path) -> None:
    hook = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", hook, str(tmp_path)], cwd=checkout, capture_output=True, check=True)
    (path,) = tmp_path.glob("*.whl")
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(path) as wheel:
        wheel.extractall(site)
    assert run_isolated(f"import site; site.addsitedir({str(site)!r})\n{IMPORT_ALL}") == str(checkout / "drillbox")


def run_isolated(code: str) -> str:
    """What a Python without any installed package prints for `code`."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
