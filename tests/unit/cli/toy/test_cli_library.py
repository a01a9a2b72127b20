"""`list`, `show`, `validate`: what is there, without spoilers, and what is wrong with a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_drillbox import SCENARIO

Command = Callable[..., Any]

SPOILERS = ("traffic.spike", "crowd", "wait-longer", "It was full.", "reference")


def test_list_is_a_table(drillbox: Command) -> None:
    ran = drillbox("list")
    assert ran.code == 0
    heading, row = ran.out.splitlines()
    assert heading.split() == ["ID", "DIFFICULTY", "MINUTES", "STACKS", "TITLE"]
    assert row.split(maxsplit=4) == ["toy-rush", "**", "10", "sim", "Toy rush"]
    assert heading.index("TITLE") == row.index("Toy rush"), "columns are aligned"


def test_list_as_json_has_what_scripts_need(drillbox: Command) -> None:
    [entry] = json.loads(drillbox("list", "--json").out)
    assert entry == {
        "id": "toy-rush",
        "title": "Toy rush",
        "difficulty": 2,
        "skills": ["patience", "overload"],
        "minutes": 10.0,
        "stacks": ["sim"],
    }


@pytest.mark.parametrize(
    ("words", "found"),
    [(["--skill", "OVER"], 1), (["--skill", "reading"], 0), (["--difficulty", "2"], 1), (["--difficulty", "1"], 0)],
)
def test_list_filters(drillbox: Command, words: list[str], found: int) -> None:
    assert len(json.loads(drillbox("list", "--json", *words).out)) == found


def test_list_leaves_a_broken_file_out_and_says_so(drillbox: Command, pack: Path) -> None:
    (pack / "broken.yaml").write_text("id: [", encoding="utf-8")
    ran = drillbox("list")
    assert ran.code == 0
    assert "toy-rush" in ran.out
    assert "broken.yaml:2" in ran.err


@pytest.mark.parametrize("command", [["list"], ["list", "--json"], ["show", "toy-rush"], ["show", "toy-rush", "--json"]])
def test_nothing_spoils_the_drill(drillbox: Command, command: list[str]) -> None:
    ran = drillbox(*command)
    assert ran.code == 0
    assert not [word for word in SPOILERS if word in ran.out + ran.err]


def test_show_tells_what_the_on_call_knows(drillbox: Command) -> None:
    out = drillbox("show", "toy-rush").out
    for text in ("Toy rush", "The toys are slow.", "3 replicas", "99%", "within 300ms", "120/s", "set-timeout"):
        assert text in out


def test_show_takes_a_file_and_a_profile(drillbox: Command, pack: Path) -> None:
    assert "10m" in drillbox("show", pack / "toy-rush.yaml").out
    assert "4m of drill time" in drillbox("show", "toy-rush", "--profile", "short").out


def test_show_spoils_on_request(drillbox: Command) -> None:
    out = drillbox("show", "toy-rush", "--spoilers").out
    for text in ("traffic.spike", "crowd", "wait-longer", "The log is full of timeouts."):
        assert text in out


def test_show_as_json(drillbox: Command) -> None:
    data = json.loads(drillbox("show", "toy-rush", "--json").out)
    assert data["id"] == "toy-rush"
    assert data["pager"] == "The toys are slow."
    assert data["duration_seconds"] == 600.0
    assert data["service"]["champion.replicas"] == 3
    assert {"id": "fast", "sli": "latency", "target": 0.95, "bound_seconds": 0.3, "brier": None} in data["objectives"]
    assert "scale" in {action["name"] for action in data["actions"]}
    assert "answer" not in data
    spoiled = json.loads(drillbox("show", "toy-rush", "--json", "--spoilers").out)
    assert spoiled["answer"] == {"component": "clients", "cause": "traffic.spike"}
    assert spoiled["operators"]["wait-longer"]["steps"][0]["action"] == "set-timeout"


@pytest.mark.parametrize("command", [["show"], ["play"], ["run"], ["validate"], ["prove"]])
def test_an_unknown_id_names_the_nearest(drillbox: Command, command: list[str], journals: Callable[[], list[Path]]) -> None:
    ran = drillbox(*command, "toy-rsh")
    assert ran.code == 2
    assert "unknown scenario 'toy-rsh'; did you mean 'toy-rush'?" in ran.err
    assert journals() == []


def test_an_unknown_profile_is_named(drillbox: Command) -> None:
    ran = drillbox("run", "toy-rush", "--profile", "shrt")
    assert ran.code == 2
    assert "'shrt'" in ran.err
    assert "'short'" in ran.err


def test_validate_finds_nothing_wrong(drillbox: Command, pack: Path) -> None:
    ran = drillbox("validate", "toy-rush", pack / "toy-rush.yaml")
    assert ran.code == 0
    assert ran.out.count("valid\n") == 2
    assert json.loads(drillbox("validate", "toy-rush", "--json").out) == []


def test_validate_names_file_line_key_and_the_nearest(drillbox: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        SCENARIO.replace("fault: traffic.spike", "fault: traffic.spik", 1).replace("do: scale", "do: scael"), encoding="utf-8"
    )
    ran = drillbox("validate", path)
    assert ran.code == 2
    first, second = ran.err.splitlines()
    assert first.startswith(f"{path}:")
    assert "timeline" in first
    assert "did you mean 'traffic.spike'?" in first
    assert "did you mean 'scale'?" in second
    problems = json.loads(drillbox("validate", "--json", path).out)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [lines[problem["line"] - 1].strip() for problem in problems] == ["fault: traffic.spik", "do: scael"]


def test_validate_goes_on_after_a_bad_file(drillbox: Command, tmp_path: Path, pack: Path) -> None:
    ran = drillbox("validate", tmp_path / "nowhere.yaml", pack / "toy-rush.yaml")
    assert ran.code == 2
    assert "nowhere.yaml" in ran.err
    assert "toy-rush.yaml: valid" in ran.out


def test_validate_asks_the_data(drillbox: Command, tmp_path: Path) -> None:
    path = tmp_path / "free.yaml"
    path.write_text(SCENARIO.replace("failed: 0.1", "failed: 0.04"), encoding="utf-8")
    ran = drillbox("validate", path)
    assert ran.code == 2
    assert "a failed request must cost something" in ran.err


@pytest.mark.parametrize("command", ["validate", "show", "run", "play"])
def test_a_folder_in_place_of_a_file(drillbox: Command, command: str, tmp_path: Path) -> None:
    ran = drillbox(command, tmp_path)
    assert ran.code == 2
    assert "is a folder" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", ["validate", "show", "run", "play"])
def test_a_huge_file_is_not_read(drillbox: Command, command: str, tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    ran = drillbox(command, path)
    assert ran.code == 2
    assert "huge.yaml" in ran.err
    assert "is 104.9 MB" in ran.err


def test_a_file_that_is_no_text(drillbox: Command, tmp_path: Path) -> None:
    path = tmp_path / "picture.yaml"
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    ran = drillbox("validate", path)
    assert ran.code == 2
    assert "picture.yaml" in ran.err
