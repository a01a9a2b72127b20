"""Removes from an environment what no service needs: the tests of packages, headers, static libraries, type stubs.

Run in the build of the image: python trim.py /opt/drillbox/venv
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

FOLDERS = ("tests", "test", "include")
KEPT = ("numpy/testing", "numpy/_core/tests")
"""Imported by the packages themselves."""
SUFFIXES = frozenset((".a", ".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx"))


def trim(site: Path) -> int:
    """Remove it; how many bytes that were."""
    freed = 0
    for path in sorted(site.rglob("*"), reverse=True):  # what is in a folder comes before it
        if path.is_symlink() or not path.exists() or path.relative_to(site).as_posix().startswith(KEPT):
            continue
        if path.is_dir() and path.name in FOLDERS:
            freed += sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in SUFFIXES:
            freed += path.stat().st_size
            path.unlink()
    return freed


if __name__ == "__main__":
    for lib in Path(sys.argv[1]).glob("lib/python*/site-packages"):
        sys.stdout.write(f"{trim(lib) / 2**20:.0f} MiB removed from {lib}\n")
