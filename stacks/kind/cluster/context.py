"""What the application image is built from: the code of the services, their packages at this machine's versions, and a recipe.

The same content gives the same bytes, and so the same tag: an image is built once for each change.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ....sandbox.model.errors import StackError
from ....sandbox.world.source import PACKAGE, find_source

_PACKAGE = Path(__file__).parents[3]
"""The package drillbox, or the folder of its rooms."""
RECIPE = _PACKAGE / "stacks" / "deploy" / "image"
_ROOMS = (
    *(f"sandbox/{part}" for part in ("__init__.py", "model", "control", "monitor", "world", "learning", "paths.py")),
    *(f"stacks/{part}" for part in ("__init__.py", "control_plane", "deploy", "monitoring", "services", "sim")),
)
"""What services may import; a change elsewhere builds no image."""
_DATA = ("sandbox/__init__.py", "sandbox/model", "sandbox/world", "sandbox/paths.py")
"""What the cache of the flights is made with."""
_LEFT_OUT = frozenset(("numba", "rich", "textual", "websockets", "docker", "zstandard", PACKAGE))
"""Packages of the host's side, and the flights, of which only two files are wanted."""
_EXTRAS = ("local", "kind")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Context:
    """The files of a build.

    Attributes:
        tar: an archive of them, the recipe included.
        digest: of the archive, SHA-256.
    """

    tar: bytes
    digest: str


def context(prometheus: Path | None = None) -> Context:
    """Make it; `prometheus` is a program to bring along.

    Raises:
        StackError: part of drillbox, or the program, cannot be read.
        UsageError: the flights are not installed.
    """
    files: dict[str, bytes] = {}
    try:
        for name in ("Dockerfile", "trim.py"):
            files[name] = (RECIPE / name).read_bytes()
        files["bin/README"] = b"Programs that the image takes along.\n"
        if prometheus is not None:
            files["bin/prometheus"] = prometheus.read_bytes()
        files |= _code("data/drillbox", _DATA) | _code("app/drillbox", _ROOMS) | _flights()
    except OSError as error:
        raise StackError(f"application image: cannot read {error.filename}: {error.strerror}") from error
    files |= _distribution("app") | _packages()
    tar = _archive(files)
    return Context(tar, hashlib.sha256(tar).hexdigest())


def _code(folder: str, parts: Iterable[str]) -> dict[str, bytes]:
    """Parts of the package, and the folders that it wants to see."""
    package = _PACKAGE if (_PACKAGE / "__init__.py").is_file() else _PACKAGE / "drillbox"
    files = {f"{folder}/__init__.py": (package / "__init__.py").read_bytes(), f"{folder}/py.typed": b""}
    for room in ("sandbox", "scenarios", "stacks", "tui"):
        files[f"{folder}/{room}/README"] = b"Only what services need is here.\n"
    for part in parts:
        for path in _files(package / part):
            files[f"{folder}/{path.relative_to(package).as_posix()}"] = path.read_bytes()
    return files


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for one in sorted(path.rglob("*")):
        if one.is_file() and "__pycache__" not in one.parts and one.suffix in {".py", ".json", ".yaml", ".typed"}:
            yield one


def _flights() -> dict[str, bytes]:
    """The data, as a package of that name: whoever looks for it imports nothing."""
    source = find_source()
    folder = f"flights/{PACKAGE}"
    files = {f"{folder}/data/{path.name}": path.read_bytes() for path in (source.flights, source.weather)}
    return {f"{folder}/__init__.py": b'"""The flights of 2013; only the data is here."""\n', **files}


def _distribution(folder: str) -> dict[str, bytes]:
    """That drillbox is installed, for whoever asks for its version."""
    version = metadata.version("drillbox")
    text = f"Metadata-Version: 2.1\nName: drillbox\nVersion: {version}\n"
    return {f"{folder}/drillbox-{version}.dist-info/METADATA": text.encode()}


def _packages() -> dict[str, bytes]:
    """The packages that services need, and the versions that they, and what they need in turn, have on this machine.

    Models are trained on one side and read on the other, so the versions are the same on both.
    """
    wanted: dict[str, str] = {}
    for text in metadata.requires("drillbox") or ():
        spec, _, marker = text.partition(";")
        found = _NAME.match(spec)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        if found and found[0].lower() not in _LEFT_OUT and (extra is None or extra[1] in _EXTRAS):
            wanted[_normal(found[0])] = spec.strip()
    versions = _versions(wanted)
    requirements = [f"{name}=={versions[name]}" if name in versions else spec for name, spec in sorted(wanted.items())]
    constraints = [f"{name}=={version}" for name, version in sorted(versions.items())]
    return {
        "requirements.txt": ("\n".join(requirements) + "\n").encode(),
        "constraints.txt": ("\n".join(constraints) + "\n").encode(),
    }


def _versions(names: Iterable[str]) -> Mapping[str, str]:
    """Those of packages and of what they depend on, as far as they are installed here."""
    found: dict[str, str] = {}
    todo, seen = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = package.version
        todo += [_normal(match[0]) for text in package.requires or () if (match := _NAME.match(text)) and "extra ==" not in text]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _archive(files: Mapping[str, bytes]) -> bytes:
    """A tar archive that depends on names and contents alone."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(content), 0o644, 0
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
