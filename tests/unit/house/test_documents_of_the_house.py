"""Internal links in the documents resolve, decisions are numbered and dated, and changelog fragments are of a known kind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
EXTERNAL = re.compile(r"[a-z]+:", re.IGNORECASE)


@pytest.fixture(scope="session")
def documents(root: Path, tracked: tuple[Path, ...]) -> tuple[Path, ...]:
    """All Markdown files of the project."""
    return tuple(root / path for path in tracked if path.suffix == ".md")


def prose(document: Path) -> str:
    """The text less fenced code."""
    return re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Names that headings can be linked by."""
    headings = re.findall(r"^#+ +(.*)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(document: Path) -> list[str]:
    """Links of a document that lead nowhere in this checkout."""
    wrong = []
    for match in LINK.finditer(re.sub(r"`[^`\n]*`", "``", prose(document))):
        target = match[1] or match[2]
        if EXTERNAL.match(target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            wrong.append(f"{document.name}: {target}")
    return wrong


def test_internal_links_resolve(documents: tuple[Path, ...]) -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "principles.md"} <= {path.name for path in documents}
    assert [link for document in documents for link in broken(document)] == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A b\n[1](#a-b) [2](nowhere.md) [3](#c) `[4](x)` [5](https://example.org/x) ![6](no.png)", encoding="utf-8")
    assert broken(page) == ["page.md: nowhere.md", "page.md: #c", "page.md: no.png"]


def test_decisions_are_numbered_and_dated(root: Path) -> None:
    pages = sorted((root / "docs" / "decisions").glob("*.md"))
    assert len(pages) >= 3
    for number, page in enumerate(pages, start=1):
        title, blank, date, *_ = page.read_text(encoding="utf-8").splitlines()
        assert page.name.startswith(f"{number:04d}-")
        assert title.startswith(f"# {number}. ")
        assert blank == ""
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", date)


def test_changelog_can_be_built(checkout: Path) -> None:
    (checkout / "changelog.d" / "+of-this-test.fixed.md").write_text("Nothing breaks.\n", encoding="utf-8")
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9", "--date", "2026-11-21"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "## 9.9.9 (2026-11-21)" in done.stdout
    assert "\n- Nothing breaks." in done.stdout.partition("### Fixed\n")[2]


def test_fragments_are_of_a_known_kind(root: Path) -> None:
    names = {path.name for path in (root / "changelog.d").iterdir()} - {"README.md"}
    assert [name for name in names if not re.fullmatch(r"(\d+|\+[\w-]+)\.(added|changed|fixed|removed)\.md", name)] == []


def test_licence_is_the_whole_apache_licence(root: Path) -> None:
    text = (root / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License")
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.splitlines()) == 202
