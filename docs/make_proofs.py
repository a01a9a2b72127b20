# ruff: noqa: INP001 - a script, no package
"""Make the tables of `proofs.md`: `python docs/make_proofs.py [PROFILE ...]`; without names all of them, which takes minutes."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "proofs.md"
FULL = "full"
PROFILES = (FULL, "short")
"""In the page each has `drillbox prove …` between back-ticks, and its table as the next block."""


def command(profile: str) -> list[str]:
    """What makes the table of a profile."""
    return ["prove", "--all", "--seeds", "5", "--jobs", "2", *(["--profile", profile] if profile != FULL else [])]


def table(profile: str) -> str:
    """The proofs of the whole library in a profile.

    Raises:
        CalledProcessError: a scenario did not prove itself, or could not be played.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "drillbox", *command(profile), "--quiet"], check=True, stdout=subprocess.PIPE, text=True
    )
    return "\n".join(line.rstrip() for line in ran.stdout.strip().splitlines())


def filled(page: str, profile: str, made: str) -> str:
    """The page with another table of a profile.

    Raises:
        ValueError: the page has no place for it.
    """
    told = re.escape(f"`drillbox {' '.join(command(profile))}`")
    place = re.compile(rf"({told}\n\n```text\n).*?(\n```\n)", re.DOTALL)
    if not place.search(page):
        raise ValueError(f"{PAGE.name} has no block after {told}")
    return place.sub(lambda found: f"{found[1]}{made}{found[2]}", page)


def main() -> None:
    """Fill the page in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", nargs="*", default=list(PROFILES), help=f"which tables: {', '.join(PROFILES)}")
    wanted: list[str] = parser.parse_args().profile
    if unknown := [name for name in wanted if name not in PROFILES]:
        parser.error(f"unknown profile {unknown[0]!r}; choose from {', '.join(PROFILES)}")
    page = PAGE.read_text(encoding="utf-8")
    for profile in wanted:
        page = filled(page, profile, table(profile))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
