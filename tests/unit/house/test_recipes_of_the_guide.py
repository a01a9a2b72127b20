"""Each recipe of docs/extending.md, followed on a copy of the tree, gives what it promises and touches at most four files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drillbox.sandbox.model.errors import StackError
from drillbox.wiring import Wiring

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r"<!-- recipe: (\w+); (edit|new): (\S+?)(?:; (before|after): (.*?))? -->\n```\w+\n(.*?)```", re.DOTALL)
LINKED = ("drillbox", "sandbox", "stacks", "scenarios", "tui", "tests", "docs")
MOST_FILES = 4


@dataclass(frozen=True)
class Edit:
    """One block of the guide: text for a new file, or for a place in one."""

    recipe: str
    path: str
    where: str
    anchor: str
    text: str

    def apply(self, tree: Path) -> None:
        target = tree / self.path
        if not self.where:
            assert not target.exists()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.text, encoding="utf-8")
            return
        text = target.read_text(encoding="utf-8")
        assert self.anchor in text, f"{self.path} has no {self.anchor!r}"
        place = text.rindex(self.anchor)
        place += len(self.anchor) if self.where == "after" else 0
        added = self.text.rstrip("\n") if self.where == "after" else self.text
        target.write_text(text[:place] + added + text[place:], encoding="utf-8")


def edits(recipe: str) -> list[Edit]:
    found = [
        Edit(name, path, where or "", anchor or "", text)
        for name, _, path, where, anchor, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    ]
    return [edit for edit in found if edit.recipe == recipe]


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    for name in LINKED:
        shutil.copytree(
            ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.png", "*.svg")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    cache = os.environ.get("DRILLBOX_TEST_CACHE", str(ROOT / ".cache" / "drillbox-tests"))
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "DRILLBOX_TEST_CACHE": cache}
    return subprocess.run([sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, check=False)


def passes(tree: Path, *tests: str) -> None:
    done = run(tree, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("recipe", ["fault", "action", "sli"])
def test_a_recipe_touches_few_files(recipe: str) -> None:
    made = {"docs/metrics.md"} if recipe == "sli" else set()
    assert 2 <= len({edit.path for edit in edits(recipe)} | made) <= MOST_FILES


def test_the_recipes_work_as_they_are_written(tree: Path) -> None:
    """All three on one tree: the kernel is compiled once for it."""
    todo = [edit for recipe in ("fault", "action", "sli") for edit in edits(recipe)]
    for edit in todo:
        edit.apply(tree)
    page = run(tree, "-m", "drillbox", "export", "metrics")
    assert page.returncode == 0, page.stderr
    (tree / "docs" / "metrics.md").write_text(page.stdout, encoding="utf-8")
    new = [edit.path for edit in todo if not edit.where]
    known = "tests/unit/core/test_catalogues.py"
    passes(
        tree,
        *new,
        f"{known}::test_every_action_with_a_plan_is_tried_below",
        f"{known}::test_every_field_of_the_table_can_change[set-lookup-timeout]",
        "tests/unit/proofs/test_the_page_of_metrics.py",
    )


def test_a_stack_of_somebody_else_keeps_the_contract_and_is_found(tmp_path: Path) -> None:
    for edit in edits("stack"):
        edit.apply(tmp_path)
    (tmp_path / "nightly-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: nightly\nVersion: 1.0\n", encoding="utf-8"
    )
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    passes(tmp_path, "-p", "no:socket", "test_nightly.py")
    ran = run(tmp_path, "-m", "drillbox", "run", "monday-rush", "--profile", "short", "--stack", "nightly")
    assert ran.returncode == 0, ran.stderr
    assert "PASSED" in ran.stdout


def test_a_stack_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[drillbox.stacks]\nbroken = no_such_module:Stack\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    scenario = Wiring().library().load(Wiring().library().find("monday-rush"), "short")
    assert "broken" not in Wiring().stacks()
    with pytest.raises(StackError, match=r"the stack 'broken' of no_such_module:Stack cannot be made: No module named"):
        Wiring().session(scenario, 1, "broken")
