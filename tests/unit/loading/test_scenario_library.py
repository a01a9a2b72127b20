"""The library: a listing that is fast and light, ids and paths, duplicate ids."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading import Library, find_scenario, load_scenario
from drillbox.sandbox.model.errors import InvalidScenarioError, UsageError

HEAVY = ("numpy", "pandas", "pydantic", "numba", "sklearn", "scipy", "simpy", "textual", "fastapi")


@pytest.fixture
def shelf(tmp_path: Path, valid: str) -> Callable[..., Path]:
    """Writes scenarios by id into a folder per group."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / "traffic" / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(valid.replace("id: quiet-hours", f"id: {name}"), encoding="utf-8")
        return tmp_path

    return write


def test_entry_tells_what_a_listing_shows(shelf: Callable[..., Path]) -> None:
    """Spoilers are there, too; whoever prints it decides."""
    (entry,) = Library([shelf("one")]).entries()
    assert (entry.id, entry.title, entry.pager, entry.difficulty, entry.skills) == (
        "one",
        "Quiet hours",
        "Something is wrong.",
        2,
        ("patience",),
    )
    assert (entry.minutes, entry.stacks, entry.group, entry.cause, entry.control) == (
        20.0,
        ("sim",),
        "traffic",
        "traffic.spike",
        False,
    )
    assert entry.path.name == "one.yaml"


def test_entries_are_sorted_by_difficulty_and_id(shelf: Callable[..., Path]) -> None:
    """Easiest first, whatever the files are called."""
    folder = shelf("b", "a", "c")
    path = folder / "traffic" / "c.yaml"
    path.write_text(path.read_text().replace("difficulty: 2", "difficulty: 1"))
    assert [entry.id for entry in Library([folder]).entries()] == ["c", "a", "b"]


def test_minutes_of_a_length_in_calendar_time(shelf: Callable[..., Path]) -> None:
    """As the loader counts it."""
    path = shelf("one") / "traffic" / "one.yaml"
    path.write_text(path.read_text().replace("duration: 20m", "duration: {cal: 6h}"))
    (entry,) = Library([path.parent]).entries()
    assert entry.minutes * 60 == load_scenario(path).duration == 1800.0


def test_scenario_is_found_by_id_or_path(shelf: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An id first; a path is a path even if there is no such file."""
    folder = shelf("one", "two")
    library = Library([folder])
    assert find_scenario("two", library) == folder / "traffic" / "two.yaml"
    assert find_scenario("elsewhere/two.yaml", library) == Path("elsewhere/two.yaml")
    assert find_scenario("two.yml", library) == Path("two.yml")
    monkeypatch.chdir(folder)
    (folder / "draft").write_text("schema: 1")
    assert find_scenario("draft", library) == Path("draft")
    with pytest.raises(UsageError, match="unknown scenario 'tow'; did you mean 'two'"):
        find_scenario("tow", library)


def test_duplicate_ids_name_both_files(shelf: Callable[..., Path], tmp_path: Path, valid: str) -> None:
    """Also across packs."""
    folder = shelf("one")
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "mine.yaml").write_text(valid.replace("id: quiet-hours", "id: one"))
    with pytest.raises(InvalidScenarioError) as raised:
        Library([folder / "traffic", pack]).entries()
    (problem,) = raised.value.problems
    assert problem.place.file.endswith("pack/mine.yaml")
    assert (problem.place.line, problem.place.key) == (2, "id")
    assert problem.message == f"'one' is the id of {folder / 'traffic' / 'one.yaml'} already"


def test_broken_file_does_not_hide_the_others(shelf: Callable[..., Path]) -> None:
    """Its problems are told beside the listing, and in full to whoever asks for it."""
    folder = shelf("good", "bad")
    path = folder / "traffic" / "bad.yaml"
    path.write_text(path.read_text().replace("difficulty: 2", "difficulty: two"))
    library = Library([folder])
    assert [entry.id for entry in library.entries()] == ["good"]
    assert [problem.place.key for problem in library.listing().problems] == ["difficulty"]
    with pytest.raises(InvalidScenarioError, match="'two' is not a whole number"):
        find_scenario("bad", library)
    path.write_text("a: [")
    assert "not valid YAML" in Library([folder]).listing().problems[0].message


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """A pack with a typo is not an empty pack."""
    with pytest.raises(UsageError, match="no such folder of scenarios"):
        Library([tmp_path / "nothing"]).entries()


def test_packaged_scenarios_are_listed_in_full() -> None:
    """Every file of the package is valid, stands in the folder of its group, and is named by its id."""
    library = Library.packaged()
    assert library.listing().problems == ()
    assert len(library.entries()) == len(library.paths()) >= 1
    for entry in library.entries():
        assert (entry.path.parent.name, entry.path.stem) == (entry.group, entry.id)
        scenario = load_scenario(entry.path)
        assert (scenario.id, scenario.duration / 60) == (entry.id, entry.minutes)
        for profile in entry.profiles:
            assert load_scenario(entry.path, profile).duration <= 240
    assert {entry.id for entry in library.entries() if "short" in entry.profiles} >= {"monday-rush", "slow-afternoon"}


def test_listing_imports_nothing_heavy() -> None:
    """A new interpreter lists the library without the libraries that are slow to import."""
    code = (
        "import sys\n"
        "from drillbox.sandbox.loading import Library, find_scenario\n"
        "library = Library.packaged()\n"
        "assert library.entries() and find_scenario('monday-rush', library)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
