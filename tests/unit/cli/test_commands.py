"""Every command: data on stdout, diagnostics on stderr, the right exit code, no spoilers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import drillbox
from drillbox.sandbox.cli.main import COMMANDS
from drillbox.sandbox.drill import Result
from drillbox.sandbox.model.errors import Exit
from drillbox.sandbox.scoring.verdict import Verdict

HEAVY = ("numba", "pandas", "pydantic", "scipy", "simpy", "sklearn", "textual", "fastapi", "prometheus_client", "rich")


@pytest.mark.parametrize("args", [["list"], ["list", "--json"], ["--help"], ["--version"], ["play", "--help"]])
def test_light_commands_import_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys; from drillbox.wiring import Wiring; from drillbox.sandbox.cli.main import run; "
        f"code = run({args!r}, Wiring()); loaded = [name for name in {HEAVY!r} if name in sys.modules]; "
        "sys.exit(f'loaded {loaded}' if loaded else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(command: Callable[..., object], name: str) -> None:
    args = [name, "metrics"] if name == "export" else [name]
    ran = command(*args, "--help")
    assert ran.code == 0
    assert "Example" in ran.out
    assert f"drillbox {name}" in ran.out


def test_list_as_json_has_no_spoilers_unless_asked(command) -> None:
    plain = json.loads(command("list", "--json").out)
    assert {"id", "title", "difficulty", "skills", "minutes", "stacks"} == set(plain[0])
    spoiled = json.loads(command("list", "--json", "--spoilers").out)
    assert {"group", "cause", "control"} <= set(spoiled[0])
    assert {one["id"] for one in plain} >= {"monday-rush", "after-the-burst", "slow-afternoon"}


def test_list_filters(command) -> None:
    assert "slow-afternoon" not in command("list", "--difficulty", "1").out
    assert "after-the-burst" in command("list", "--skill", "METASTABLE").out


def test_what_is_shown_before_the_end_names_no_cause(command) -> None:
    texts = [command("list").out, *(command("show", name).out for name in ("monday-rush", "after-the-burst", "slow-afternoon"))]
    for text in texts:
        assert "traffic.spike" not in text
        assert "retry_storm" not in text
        assert "slow_model" not in text
    assert "traffic.spike" in command("show", "monday-rush", "--spoilers").out


def test_validate_accepts_the_library(command) -> None:
    ran = command("validate", "monday-rush", "after-the-burst", "slow-afternoon")
    assert (ran.code, ran.out.count("valid")) == (0, 3)
    assert json.loads(command("validate", "monday-rush", "--json").out) == []


def test_run_gives_a_line_and_the_verdicts_code(command, tmp_path: Path) -> None:
    won = command("run", "monday-rush", "--profile", "short", "--operator", "reference", "--out", str(tmp_path))
    assert (won.code, won.out.split()[:3]) == (0, ["PASSED", "monday-rush", "reference"])
    lost = command("run", "monday-rush", "--profile", "short", "--operator", "idle", "--out", str(tmp_path))
    assert (lost.code, lost.out.split()[0]) == (1, "FAILED")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["monday-rush-idle-1.jsonl", "monday-rush-reference-1.jsonl"]


def test_run_as_json_prints_nothing_else(command) -> None:
    ran = command("run", "monday-rush", "slow-afternoon", "--profile", "short", "--json", "-")
    results = json.loads(ran.out)
    assert [(one["scenario"], one["verdict"]) for one in results] == [("monday-rush", "passed"), ("slow-afternoon", "passed")]
    parts = results[0]["harm"]
    assert parts["total"] == pytest.approx(sum(value for name, value in parts.items() if name != "total"))


def test_the_gravest_code_of_several_wins(command, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: 1\n", encoding="utf-8")
    ran = command("run", "monday-rush", str(bad), "--profile", "short", "--operator", "idle")
    assert ran.code == Exit.USAGE
    assert "FAILED" in ran.out
    assert "bad.yaml" in ran.err
    assert Exit.gravest([Exit.FAILED, Exit.STACK, Exit.ABORTED]) is Exit.STACK


def test_play_without_a_terminal_plays_the_reference(command, drillbox_home: Path) -> None:
    ran = command("play", "monday-rush", "--profile", "short")
    assert ran.code == 0
    assert "Monday noon. You are on call" in ran.out
    assert "PAGE firing: AvailabilityBurnRate" in ran.out
    assert "PASSED   monday-rush reference" in ran.out
    before_the_end = ran.out[: ran.out.index("the drill is over")]
    named = [line for line in before_the_end.splitlines() if "spike" in line]
    assert [line.partition("] ")[2] for line in named] == ["reference: diagnose component=clients cause=traffic.spike"]
    debrief = drillbox_home / "drills" / "monday-rush-reference-1.md"
    assert f"debrief  {debrief.with_suffix('.html')} (and .md)" in ran.out
    assert "`traffic.spike`" in debrief.read_text(encoding="utf-8")


def test_two_drills_of_a_seed_are_equal_bytes_and_replay_says_so(command, tmp_path: Path) -> None:
    for _ in range(2):
        command("run", "after-the-burst", "--profile", "short", "--operator", "reference", "--seed", "3", "--out", str(tmp_path))
    first, second = sorted(tmp_path.iterdir())
    assert first.read_bytes() == second.read_bytes()
    ran = command("replay", str(first))
    assert (ran.code, ran.out.split(":")[0]) == (0, "identical")
    other = command("run", "after-the-burst", "--profile", "short", "--seed", "4", "--out", str(tmp_path / "four"))
    assert other.code == 0
    assert next((tmp_path / "four").iterdir()).read_bytes() != first.read_bytes()


def test_replay_names_the_first_event_that_differs(command, tmp_path: Path) -> None:
    command("run", "monday-rush", "--profile", "short", "--out", str(tmp_path))
    journal = next(tmp_path.iterdir())
    lines = journal.read_text(encoding="utf-8").splitlines()
    place = next(number for number, line in enumerate(lines) if '"is":"Changed"' in line)
    lines[place] = lines[place].replace('"by":"', '"by":"not-')
    journal.write_text("\n".join(lines) + "\n", encoding="utf-8")
    ran = command("replay", str(journal))
    assert ran.code == 1
    assert ran.out.startswith(f"event {place - 1} differs")


def test_replay_and_report_of_a_journal_that_breaks_off(command, tmp_path: Path) -> None:
    command("run", "monday-rush", "--profile", "short", "--out", str(tmp_path))
    journal = next(tmp_path.iterdir())
    journal.write_bytes(journal.read_bytes()[:-400])
    ran = command("replay", str(journal))
    assert ran.code == 0
    assert "breaks off" in ran.out
    report = command("report", str(journal))
    assert report.code == 0
    assert "## Aborted" in report.out


def test_run_drill_from_python(drillbox_home: Path) -> None:
    result: Result = drillbox.run_drill("monday-rush", operator="idle", profile="short", out=drillbox_home / "mine")
    assert result.judgement.verdict is Verdict.FAILED
    assert result.harm.total > 0
    assert result.journal is not None
    assert result.journal.is_file()


def test_export_gives_rules_and_the_table(command) -> None:
    assert command("export", "prometheus-rules", "monday-rush").out.startswith("groups:\n")
    assert "| `availability` |" in command("export", "metrics").out
