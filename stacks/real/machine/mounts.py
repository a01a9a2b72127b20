"""What the kernel tells of mounted file systems and of our place among the cgroups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: what part of it (`root`), where, of which kind, with which options."""

    root: str
    path: Path
    kind: str
    options: frozenset[str]

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written."""
        return "ro" in self.options

    def folder(self, inside: str) -> Path:
        """Where a path inside the file system is; the mount itself if that part of it is not mounted, as in a container."""
        root = self.root.rstrip("/")
        if inside == root or inside.startswith(root + "/"):
            found = self.path / inside[len(root) :].lstrip("/")
            if found.is_dir():
                return found
        return self.path


def mounts() -> list[Mount]:
    """All of them. Source: proc_pid_mountinfo(5)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        options = frozenset(fields[5].split(",") + (kind[2].split(",") if len(kind) > 2 else []))
        found.append(Mount(_plain(fields[3]), Path(_plain(fields[4])), kind[0], options))
    return found


def own_cgroups() -> dict[str, str]:
    """Our cgroup by controller; that of version 2 under the empty name. Source: cgroups(7)."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _plain(text: str) -> str:
    """A path as it is: spaces and the like come as octal numbers."""
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, character)
    return text
