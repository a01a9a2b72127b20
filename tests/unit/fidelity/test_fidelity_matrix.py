"""The matrix goes on where it was interrupted, tells what is not met, and never counts what was not played as met."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from drillbox.sandbox.fidelity.bands import Comparison, compare
from drillbox.sandbox.fidelity.figures import WHOLE, Figures, Outcome
from drillbox.sandbox.fidelity.matrix import Cell, Entry, Results, Source, cells_of, fill, rows_of
from drillbox.sandbox.fidelity.page import BEGIN, END, measured, with_measured
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.sandbox.model.scenario import Scenario
from drillbox.sandbox.model.stack import Capabilities
from drillbox.sandbox.session import DrillSession, Sink
from drillbox.wiring import Wiring

ROOT = Path(__file__).parents[3]
FIGURES = Figures(100.0, 0.2, 0.05, 0.85)


@pytest.fixture(scope="module")
def rush() -> Scenario:
    return load_scenario(Library.packaged().find("monday-rush"), "short")


@pytest.fixture(scope="module")
def control() -> Scenario:
    return load_scenario(Library.packaged().find("early-season"))


def outcome(cell: Cell, stack: str, **changed: object) -> Outcome:
    figures = {WHOLE: FIGURES, "verdict window": FIGURES}
    plain = Outcome(stack, cell.operator, 1, cell.expected, ("why",), (("A", 30.0), ("B", 90.5)), figures)
    return dataclasses.replace(plain, **changed)  # type: ignore[arg-type]


def good(cell: Cell) -> Comparison:
    return compare(outcome(cell, "sim"), outcome(cell, "local"))


def row_of(text: str, *, operator: str) -> list[str]:
    (row,) = [line for line in text.splitlines() if line.startswith(f"| monday-rush | {operator} ")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def quiet(_text: str) -> None:
    pass


def test_what_must_come_out(rush: Scenario, control: Scenario) -> None:
    cells = cells_of([rush, control], 2)
    assert [(cell.key, cell.expected) for cell in cells[::2]] == [
        ("monday-rush/reference/1", "passed"),
        ("monday-rush/idle/1", "failed"),
        ("early-season/reference/1", "passed"),
        ("early-season/idle/1", "passed"),
    ]


def test_an_interrupted_matrix_goes_on_where_it_was(rush: Scenario, tmp_path: Path) -> None:
    path, cells, played = tmp_path / "state" / "matrix.json", cells_of([rush], 3), []

    def play(cell: Cell) -> Comparison:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(cell.key)
        return good(cell)

    with pytest.raises(KeyboardInterrupt):
        fill(Results(path), cells, play, Source("abc"), quiet)
    again: list[str] = []
    fill(Results.read(path), cells, lambda cell: again.append(cell.key) or good(cell), Source("def"), quiet)
    assert played + again == [cell.key for cell in cells]
    first, second = rows_of(Results.read(path), cells)
    assert (first.met, second.met, first.as_expected) == (True, True, True)
    assert (first.commits, second.commits) == (("abc", "def"), ("def",))
    assert first.comparisons[0] == good(cells[0])
    assert first.comparisons[0].other.crowd is None


def test_a_drill_that_breaks_is_noted_and_tried_again(rush: Scenario, tmp_path: Path) -> None:
    results, cells, told = Results(tmp_path / "matrix.json"), cells_of([rush], 1), []

    def play(cell: Cell) -> Comparison:
        if cell.operator == "idle":
            raise StackError("the port 9 is taken")
        return good(cell)

    fill(results, cells, play, Source("abc"), told.append)
    assert told == [
        "1/2 monday-rush/reference/1: passed, every band met",
        "2/2 monday-rush/idle/1: the port 9 is taken",
    ]
    row = list(rows_of(results, cells))[1]
    assert (row.met, row.as_expected, row.errors) == (False, False, ("the port 9 is taken",))
    assert "could not be played: the port 9 is taken" in measured([row], "here")
    fill(Results.read(results.path), cells, good, Source("abc"), told.append)
    assert told[2:] == ["1/2 monday-rush/reference/1: done before", "2/2 monday-rush/idle/1: failed, every band met"]


def test_a_changed_scenario_is_played_again(rush: Scenario, tmp_path: Path) -> None:
    results = Results(tmp_path / "matrix.json")
    fill(results, cells_of([rush], 1), good, Source("abc"), quiet)
    changed = cells_of([dataclasses.replace(rush, digest="another")], 1)
    assert [results.of(cell) for cell in changed] == [None, None]
    assert not any(row.met for row in rows_of(results, changed))


def test_the_page_tells_the_worst_of_all_runs_and_why(rush: Scenario, tmp_path: Path) -> None:
    results, cells = Results(tmp_path / "matrix.json"), cells_of([rush], 3)
    slow = {WHOLE: Figures(99.0, 0.3, 0.05, None)}

    def play(cell: Cell) -> Comparison:
        other = outcome(cell, "local", figures=slow) if cell.key.endswith("idle/2") else outcome(cell, "local")
        if cell.key.endswith("idle/3"):
            other = outcome(cell, "local", verdict="passed", pages=(("A", 30.0),), crowd=4.56)
        return compare(outcome(cell, "sim"), other)

    fill(results, cells, play, Source("abc"), quiet)
    text = measured(list(rows_of(results, cells)), "here")
    assert row_of(text, operator="reference") == [
        "monday-rush", "reference", "3 of 3", "3 passed", "yes", "same", "+0.0%", "+0.0%", "+0.00 points", "+0.000", "met",
    ]  # fmt: skip
    idle = row_of(text, operator="idle")
    assert idle[3:9] == ["2 failed, 1 passed", "**no**: failed", "**2 of 3 same**", "-1.0%", "**+50.0%**", "+0.00 points"]
    assert idle[9:] == ["**no data**", "**not met**: auc, p95, pages, verdict"]
    assert "`monday-rush`, idle, run 2: p95: 200 ms against 300 ms, +50.0% where 25% is allowed; auc: no data on local" in text
    assert "`monday-rush`, idle, run 3: verdict: failed against passed (why); pages:" in text
    assert text.count("the machine was crowded: 4.6 processes per core wanted to run at a time") == 1
    assert text.startswith("Commit abc; here.")
    assert "1 of 2 rows came to the expected verdict each time; 1 kept every band each time." in text


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"schema": 2}',
        '{"schema": 1, "entries": {"a": {}}}',
        '{"schema": 1, "entries": {"a": {"sim": 3, "other": null}}}',
    ],
)
def test_damaged_results_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "matrix.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="--fresh begins anew"):
        Results.read(path)


def test_only_the_measured_part_of_the_page_is_replaced() -> None:
    page = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    changed = with_measured(page, "local", "| new |")
    begin, end = BEGIN.format(stack="local"), END.format(stack="local")
    assert changed.partition(begin)[0] == page.partition(begin)[0]
    assert changed.partition(end)[2] == page.partition(end)[2]
    assert f"{begin}\n\n| new |\n\n{end}" in changed
    assert with_measured(changed, "local", "| new |") == changed
    with pytest.raises(UsageError, match="no part for this stack"):
        with_measured(page, "moon", "")


class TwoStacks(Wiring):
    """The simulation under two names."""

    def stacks(self) -> Mapping[str, Capabilities]:
        known = dict(super().stacks())
        return {**known, "twin": known["sim"]}

    def session(self, scenario: Scenario, seed: int, stack: str, sinks: Iterable[Sink] = ()) -> DrillSession:
        return super().session(scenario, seed, "sim" if stack == "twin" else stack, sinks)


@pytest.fixture
def script(drillbox_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Path]]:
    """`script("--times", "1")` runs what `make fidelity` does, with a page of its own."""
    assert drillbox_home.is_dir()
    module = _module(ROOT / "docs" / "make_fidelity.py")
    page = tmp_path / "page.md"
    page.write_text(f"# T\n{BEGIN.format(stack='twin')}\nold\n{END.format(stack='twin')}\nrest\n", encoding="utf-8")
    monkeypatch.setattr(module, "PAGE", page)

    def call(*args: str) -> tuple[int, Path]:
        monkeypatch.setattr(sys, "argv", ["make_fidelity.py", *args])
        return module.main(TwoStacks()), page

    return call


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_plays_and_writes(script, drillbox_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, page = script("monday-rush", "--stack", "twin", "--times", "1")
    assert code == 0
    text = page.read_text(encoding="utf-8")
    assert row_of(text, operator="idle")[:6] == ["monday-rush", "idle", "1 of 1", "1 failed", "yes", "same"]
    assert "old" not in text
    assert "`slow-afternoon`, idle: 1 of 1 runs are still to be played" in text
    assert text.endswith("rest\n")
    kept = json.loads((drillbox_home / "fidelity" / "matrix-twin-short-1.json").read_bytes())
    assert set(kept["entries"]) == {"monday-rush/reference/1", "monday-rush/idle/1"}
    capsys.readouterr()
    assert script("monday-rush", "--stack", "twin", "--times", "1", "--no-write")[0] == 0
    assert capsys.readouterr().err.count("done before") == 2


def test_the_script_names_what_there_is(script) -> None:
    with pytest.raises(UsageError, match="did you mean 'twin'"):
        script("--stack", "twn")
    with pytest.raises(UsageError, match="did you mean 'monday-rush'"):
        script("monday-rsh", "--stack", "twin")
    with pytest.raises(UsageError, match="no part for this stack"):
        script("monday-rush", "--stack", "sim")


@pytest.mark.slow
def test_the_script_plays_several_drills_at_a_time(script, drillbox_home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = ("monday-rush", "early-season")
    asked = (*names, "--stack", "sim", "--times", "1", "--no-write", "--lanes", "2")
    assert script(*asked)[0] == 0
    told = capfd.readouterr().err
    assert all(f"1/2 {name}/reference/1: passed, every band met" in told for name in names)
    assert [path.name for path in (drillbox_home / "fidelity").glob("matrix*")] == ["matrix-sim-short-1.json"]
    assert script(*asked)[0] == 0
    assert capfd.readouterr().err.count("done before") == 2 * 2 + 2 * 2  # in the lanes, and together


def test_a_drill_that_broke_in_a_lane_replaces_none_that_was_played(tmp_path: Path, rush: Scenario) -> None:
    (cell, _) = cells_of([rush], 1)
    results, lane = Results(tmp_path / "a.json"), Results(tmp_path / "b.json")
    lane.put(cell, Entry(rush.digest, "abc", error="it broke"))
    results.take(lane)
    assert results.of(cell) == Entry(rush.digest, "abc", error="it broke")
    played = Entry(rush.digest, "abc", outcome(cell, "sim"), outcome(cell, "local"))
    results.put(cell, played)
    results.take(lane)
    assert Results.read(tmp_path / "a.json").of(cell) == played


def test_the_page_says_when_and_where_each_run_was_played(rush: Scenario, tmp_path: Path) -> None:
    results, cells = Results(tmp_path / "matrix.json"), cells_of([rush], 2)
    sources = [Source("abc", "2026-11-22", "a small machine"), Source("def", "2026-11-21", "a large one")]
    for cell, source in zip(cells, [*sources, *sources], strict=True):
        fill(results, [cell], good, source, quiet)
    rows = list(rows_of(Results.read(results.path), cells))
    assert measured(rows, "here").startswith("Commits abc, def; 2026-11-21 to 2026-11-22; here; a small machine; a large one.")
    assert measured(rows[:0], "here").startswith("No run yet; here.")
    data = json.loads(results.path.read_bytes())
    for entry in data["entries"].values():
        del entry["day"], entry["machine"]  # as older versions wrote it
    results.path.write_text(json.dumps(data), encoding="utf-8")
    assert measured(list(rows_of(Results.read(results.path), cells)), "here").startswith("Commits abc, def; here.")


def test_the_script_writes_what_several_folders_hold_and_plays_nothing(
    script, drillbox_home: Path, tmp_path: Path, rush: Scenario
) -> None:
    cells = cells_of([rush], 1)
    for name, cell in zip(("one", "two"), cells, strict=True):
        (tmp_path / name).mkdir()
        results = Results(tmp_path / name / "fidelity" / "matrix-twin-short-1.json")
        results.put(cell, Entry(rush.digest, "abc", outcome(cell, "sim"), outcome(cell, "twin"), day="2026-11-21"))
    given = [word for name in ("one", "two") for word in ("--results", str(tmp_path / name))]
    code, page = script("monday-rush", "--stack", "twin", "--times", "1", "--kept", *given)
    assert code == 0
    text = page.read_text(encoding="utf-8")
    assert text.splitlines()[3].startswith("Commit abc; 2026-11-21; profile `short`, seed 1, 1 run each.")
    assert row_of(text, operator="reference")[2] == row_of(text, operator="idle")[2] == "1 of 1"
    assert "`slow-afternoon`, idle: 1 of 1 runs are still to be played" in text
    assert not (drillbox_home / "fidelity").exists()
    with pytest.raises(UsageError, match="no results to merge in at .*three"):
        script("--stack", "twin", "--kept", *given, "--results", str(tmp_path / "three"))
