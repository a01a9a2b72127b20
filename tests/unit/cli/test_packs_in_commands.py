"""A scenario of a pack in every command that takes one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drillbox.sandbox.loading import Library


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack with one scenario, whose traffic comes from a trace."""
    folder = tmp_path / "acme"
    folder.mkdir()
    text = Library.packaged().find("monday-rush").read_text(encoding="utf-8")
    traffic = "  traffic: {rate: 120/s}\n"
    assert traffic in text
    text = text.replace("id: monday-rush", "id: slow-lane").replace(
        traffic, "  traffic: {rate: 120/s, shapes: [{replay: {file: trace.csv}}]}\n"
    )
    (folder / "lane.yaml").write_text(text, encoding="utf-8")
    (folder / "trace.csv").write_text("time,rate\n0,40\n4m,43\n", encoding="utf-8")
    monkeypatch.setenv("DRILLBOX_SCENARIOS", str(folder))
    return folder


def test_list(command, acme: Path) -> None:
    assert "acme/slow-lane" in command("list").out
    listed = json.loads(command("list", "--pack", "acme", "--json").out)
    assert [entry["id"] for entry in listed] == ["acme/slow-lane"]
    ran = command("list", "--pack", "acne")
    assert ran.code == 2
    assert "unknown pack 'acne'; did you mean 'acme'?" in ran.err


def test_list_tells_what_is_left_out(command, acme: Path) -> None:
    (acme / "other.yaml").write_text("nothing", encoding="utf-8")
    ran = command("list")
    assert ran.code == 0
    assert f"left out: {acme / 'other.yaml'}:1:1: is not a scenario" in ran.err


def test_show_and_validate(command, acme: Path) -> None:
    assert "Monday noon  (acme/slow-lane)" in command("show", "acme/slow-lane").out
    assert "replay" in command("show", "acme/slow-lane", "--spoilers").out
    assert command("validate", "acme/slow-lane").out == "acme/slow-lane: valid\n"


def test_run_and_replay_after_the_pack_has_gone(command, acme: Path, tmp_path: Path) -> None:
    """The journal holds the whole scenario, the trace too."""
    ran = command("run", "acme/slow-lane", "--profile", "short", "--out", str(tmp_path / "drills"))
    assert ran.code == 0, ran.err
    (acme / "trace.csv").unlink()
    (acme / "lane.yaml").unlink()
    (journal,) = (tmp_path / "drills").glob("*.jsonl")
    assert journal.name == "acme-slow-lane-reference-1.jsonl"
    again = command("replay", str(journal))
    assert again.code == 0
    assert again.out.startswith("identical: ")


def test_play_without_a_terminal(command, acme: Path) -> None:
    ran = command("play", "acme/slow-lane", "--profile", "short")
    assert ran.code == 0, ran.err
    assert "acme/slow-lane reference seed 1" in ran.out


def test_prove(command, acme: Path) -> None:
    ran = command("prove", "acme/slow-lane", "--profile", "short", "--json")
    (proof,) = json.loads(ran.out)
    assert proof["scenario"] == "acme/slow-lane"
    assert proof["harms"]["idle"] > proof["harms"]["reference"]


def test_rules(command, acme: Path) -> None:
    assert "AvailabilityBurnRate" in command("export", "prometheus-rules", "acme/slow-lane").out


def test_a_missing_trace(command, acme: Path) -> None:
    (acme / "trace.csv").unlink()
    ran = command("run", "acme/slow-lane")
    assert ran.code == 2
    assert "lane.yaml:" in ran.err
    assert "world.traffic.shapes[0].replay.file: trace.csv: no such file" in ran.err


def test_a_scenario_of_a_pack_is_another_one_however_it_is_named(command, acme: Path, tmp_path: Path) -> None:
    """Equal ids must not share scores and baselines."""
    (acme / "lane.yaml").write_text(
        (acme / "lane.yaml").read_text(encoding="utf-8").replace("slow-lane", "monday-rush"), encoding="utf-8"
    )
    out = str(tmp_path / "drills")
    names = ["monday-rush", "acme/monday-rush", str(acme / "lane.yaml")]
    html = str(tmp_path / "debriefs")
    ran = command("run", *names, "--operator", "idle", "--profile", "short", "--out", out, "--json", "-", "--html", html)
    results = json.loads(ran.out)
    assert [one["scenario"] for one in results] == ["monday-rush", "acme/monday-rush", "acme/monday-rush"]
    assert results[0]["impact"] == results[1]["impact"] == 0
    assert results[0]["harm"] != results[1]["harm"]
    assert "acme-monday-rush-idle-1.html" in {path.name for path in (tmp_path / "debriefs").iterdir()}


def test_a_file_of_a_pack_does_not_name_the_pack(command, acme: Path) -> None:
    text = (acme / "lane.yaml").read_text(encoding="utf-8")
    (acme / "lane.yaml").write_text(text.replace("id: slow-lane", "id: acme/slow-lane"), encoding="utf-8")
    assert "'acme/slow-lane' names a pack: that is known from where the file is" in command("list").err
