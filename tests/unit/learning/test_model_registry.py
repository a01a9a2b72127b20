"""The registry: numbered versions, aliases with a history, safe among processes, clear when its file cannot be used."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drillbox.sandbox.learning import database
from drillbox.sandbox.learning.entries import Alias, Difference, Stage
from drillbox.sandbox.learning.registry import Registry
from drillbox.sandbox.learning.version import Lineage, ModelVersion, Quality
from drillbox.sandbox.model.errors import UsageError

AT = dt.datetime(2013, 6, 1, 12)


def lineage(day: int) -> Lineage:
    return Lineage("data", "code", dt.datetime(2013, 4, 1), dt.datetime(2013, 5, day), 0.25, 60)


def version(day: int, auc: float = 0.8) -> ModelVersion:
    of = lineage(day)
    return ModelVersion(
        id=of.id,
        data_hash=of.data_hash,
        code_version=of.code_version,
        train_from=of.train_from,
        train_until=of.train_until,
        threshold=of.threshold,
        quality=Quality(40_000, 0.25, 0.251, auc, 0.13),
        packages={"scikit-learn": "1.7.0", "numpy": "2.2.0"},
        sha256=f"{day:064d}",
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "session", wait=0.2)


def test_versions_are_numbered_and_come_back_whole(registry: Registry) -> None:
    assert registry.versions() == ()
    first = registry.register(version(3), 60, AT, "schedule", "weekly")
    second = registry.register(version(2), 60, AT, "operator", "by hand")
    assert (first.number, second.number) == (1, 2)
    assert registry.versions() == (first, second)
    assert first.model == version(3)
    assert first.lineage == lineage(3)
    assert first.lineage.id == first.model.id
    assert (first.created, first.stage, first.reason) == (AT, Stage.REGISTERED, "weekly")
    assert registry.lineage(version(2).id) == second


def test_registering_twice_changes_nothing(registry: Registry) -> None:
    first = registry.register(version(3), 60, AT, "schedule", "weekly")
    assert registry.register(version(3), 60, AT + dt.timedelta(days=1), "operator", "again") == first
    assert len(registry.history()) == 1


def test_another_file_under_the_same_id_is_refused(registry: Registry) -> None:
    registry.register(version(3), 60, AT, "schedule", "weekly")
    with pytest.raises(
        UsageError, match=r"registry\.sqlite: version .* is registered with another file .* delete the registered one"
    ):
        registry.register(dataclasses.replace(version(3), sha256="f" * 64), 60, AT, "schedule", "weekly")


def test_an_auc_that_is_not_there_comes_back_as_such(registry: Registry) -> None:
    entry = registry.register(version(3, auc=math.nan), 60, AT, "schedule", "weekly")
    assert math.isnan(entry.model.quality.auc)
    registry.alias(Alias.CHAMPION, entry.model.id, AT, "operator", "first")
    registry.alias(Alias.CHAMPION, entry.model.id, AT, "operator", "first, again")
    assert registry.resolve(Alias.PREVIOUS) is None


def test_aliases_move_and_the_champion_leaves_its_predecessor(registry: Registry) -> None:
    old, new = (registry.register(version(day), 60, AT, "schedule", "weekly") for day in (1, 2))
    assert registry.resolve(Alias.CHAMPION) is None
    registry.alias(Alias.CHAMPION, old.model.id, AT, "drill", "serves at the start")
    registry.alias(Alias.CANDIDATE, new.model.id, AT, "gate", "better by 0.01")
    registry.alias(Alias.CHAMPION, new.model.id, AT, "canary", "healthy for 10 minutes")
    registry.alias(Alias.CANDIDATE, None, AT, "canary", "promoted")
    registry.alias(Alias.CANDIDATE, None, AT, "canary", "nothing to do")
    aliases = {name: (entry and entry.number) for name in Alias for entry in [registry.resolve(name)]}
    assert aliases == {Alias.CHAMPION: new.number, Alias.PREVIOUS: old.number, Alias.CANDIDATE: None}
    moves = [(line.subject, line.before, line.after, line.by, line.reason) for line in registry.history()[2:]]
    one, two = old.model.id, new.model.id
    assert moves == [
        ("champion", "", one, "drill", "serves at the start"),
        ("candidate", "", two, "gate", "better by 0.01"),
        ("champion", one, two, "canary", "healthy for 10 minutes"),
        ("previous", "", one, "canary", "was champion: healthy for 10 minutes"),
        ("candidate", two, "", "canary", "promoted"),
    ]
    registry.alias(Alias.CHAMPION, one, AT, "operator", "rolled back")
    assert registry.resolve(Alias.PREVIOUS) == new


def test_stages_keep_their_reason_and_their_history(registry: Registry) -> None:
    entry = registry.register(version(1), 60, AT, "schedule", "weekly")
    found = registry.stage(entry.model.id, Stage.REJECTED, AT, "gate", "Brier score 0.21, champion's 0.19")
    assert (found.stage, found.reason) == (Stage.REJECTED, "Brier score 0.21, champion's 0.19")
    assert registry.history()[-1].before == "registered"
    assert registry.history()[-1].after == "rejected"


def test_what_an_alias_points_at_is_not_deleted(registry: Registry) -> None:
    entry = registry.register(version(1), 60, AT, "schedule", "weekly")
    registry.alias(Alias.CHAMPION, entry.model.id, AT, "drill", "start")
    registry.alias(Alias.CANDIDATE, entry.model.id, AT, "drill", "start")
    with pytest.raises(UsageError, match=r"is candidate and champion; point candidate and champion elsewhere"):
        registry.delete(entry.model.id, AT, "operator", "tidy up")
    for name in (Alias.CHAMPION, Alias.CANDIDATE):
        registry.alias(name, None, AT, "operator", "tidy up")
    with pytest.raises(UsageError, match=r"is previous"):
        registry.delete(entry.model.id, AT, "operator", "tidy up")
    registry.alias(Alias.PREVIOUS, None, AT, "operator", "tidy up")
    registry.delete(entry.model.id, AT, "operator", "tidy up")
    assert registry.versions() == ()
    assert registry.register(version(1), 60, AT, "operator", "after all").number == 2
    assert registry.history()[-2].reason == "tidy up"


def test_differences_of_two_versions(registry: Registry) -> None:
    registry.register(version(1), 60, AT, "schedule", "weekly")
    registry.register(version(2, auc=0.75), 90, AT, "schedule", "weekly")
    assert registry.compare(version(1).id, version(1).id) == ()
    assert registry.compare(version(1).id, version(2).id) == (
        Difference("trained until", "2013-05-01 00:00", "2013-05-02 00:00"),
        Difference("trees", "60", "90"),
        Difference("file", version(1).sha256, version(2).sha256),
        Difference("AUC", "0.8000", "0.7500"),
    )


def test_an_unknown_version_is_named_with_the_nearest(registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"there is no version 'flights-x'; there is none"):
        registry.lineage("flights-x")
    registry.register(version(1), 60, AT, "schedule", "weekly")
    wrong = version(1).id[:-1] + "x"
    refused: list[Callable[[], object]] = [
        lambda: registry.lineage(wrong),
        lambda: registry.compare(version(1).id, wrong),
        lambda: registry.alias(Alias.CHAMPION, wrong, AT, "operator", "typed"),
        lambda: registry.stage(wrong, Stage.RETIRED, AT, "operator", "typed"),
        lambda: registry.delete(wrong, AT, "operator", "typed"),
    ]
    for ask in refused:
        with pytest.raises(UsageError, match=rf"registry\.sqlite: there is no version .*; did you mean '{version(1).id}'"):
            ask()
    assert len(registry.history()) == 1


def test_hostile_text_is_only_text(registry: Registry) -> None:
    text = "'; DROP TABLE versions; --"
    registry.register(version(1), 60, AT, text, text)
    with pytest.raises(UsageError, match="no version"):
        registry.lineage(text)
    assert registry.history()[0].reason == text
    assert len(registry.versions()) == 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(Alias), st.one_of(st.none(), st.integers(1, 3))), max_size=12))
def test_the_history_folds_to_the_aliases(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[Alias, int | None]]
) -> None:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    for day in (1, 2, 3):
        registry.register(version(day), 60, AT, "test", "")
    for name, day in moves:
        registry.alias(name, None if day is None else version(day).id, AT, "test", "")
    folded = dict.fromkeys(map(str, Alias), "")
    for line in registry.history():
        if line.subject in folded:
            assert folded[line.subject] == line.before
            folded[line.subject] = line.after
    assert folded == {str(name): entry.model.id if entry else "" for name in Alias for entry in [registry.resolve(name)]}


# --------------------------------------------------------------------------------------------------------------------- processes

_WORKER = """
import datetime as dt, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_model_registry import AT, version
from drillbox.sandbox.learning.entries import Alias
from drillbox.sandbox.learning.registry import Registry

registry = Registry(Path(sys.argv[1]), wait=60.0)
worker = int(sys.argv[2])
for day in range(1, 9):
    registry.register(version(day if day < 5 else day + 4 * worker), 60, AT, f"worker {worker}", "race")
    registry.alias(Alias.CHAMPION, version(1 + (day + worker) % 4 if day > 4 else 1).id, AT, f"worker {worker}", "race")
"""


def test_processes_share_a_registry(tmp_path: Path) -> None:
    """Each registers four versions that all register, four of its own, and moves the champion."""
    command = [sys.executable, "-W", "error", "-c", _WORKER, str(tmp_path)]
    workers = [
        subprocess.Popen([*command, str(worker), str(Path(__file__).parent)], stderr=subprocess.PIPE, text=True)
        for worker in range(3)
    ]
    for worker in workers:
        _, problem = worker.communicate(timeout=60)
        assert (worker.returncode, problem) == (0, "")
    registry = Registry(tmp_path)
    entries = registry.versions()
    assert len({entry.model.id for entry in entries}) == len(entries) == 4 + 3 * 4
    assert [entry.number for entry in entries] == list(range(1, 17))
    folded = ""
    for line in registry.history():
        if line.subject == Alias.CHAMPION:
            assert line.before == folded
            folded = line.after
    champion = registry.resolve(Alias.CHAMPION)
    assert champion is not None
    assert champion.model.id == folded
    assert sorted(path.name for path in tmp_path.iterdir()) == ["registry.sqlite"]


# --------------------------------------------------------------------------------------------------------------- unusable files


@pytest.mark.parametrize("content", [b"nonsense" * 500, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_a_damaged_file_is_named(registry: Registry, content: bytes) -> None:
    registry.versions()
    registry.path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot use the model registry .*registry\.sqlite: it is .*move the file away"):
        registry.versions()


def test_a_file_damaged_within_is_named(registry: Registry) -> None:
    for day in range(1, 29):
        registry.register(version(day), 60, AT, "schedule", "weekly" * 200)
    whole = registry.path.read_bytes()
    registry.path.write_bytes(whole[:4096] + b"\xab" * (len(whole) - 4096))
    with pytest.raises(UsageError, match=r"registry\.sqlite: it is damaged.*move the file away"):
        registry.versions()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE versions SET stage = 'nonsense'",
        "UPDATE versions SET quality = '[1]'",
        "UPDATE versions SET packages = '7'",
        "UPDATE versions SET created = 'yesterday'",
        "DROP TABLE aliases",
        "UPDATE history SET at = ''",
        "ALTER TABLE history RENAME COLUMN who TO whom",
        "PRAGMA user_version = 7",
    ],
)
def test_rows_that_were_never_written_are_named(registry: Registry, damage: str) -> None:
    registry.register(version(1), 60, AT, "schedule", "weekly")
    _execute(registry, damage)
    with pytest.raises(UsageError, match=r"registry\.sqlite: it (is damaged|has layout 7).*move the file away"):  # noqa: PT012
        registry.versions()
        registry.resolve(Alias.CHAMPION)
        registry.history()


def test_a_locked_file_is_named(registry: Registry) -> None:
    registry.register(version(1), 60, AT, "schedule", "weekly")
    with sqlite3.connect(registry.path, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(
            UsageError, match=r"registry\.sqlite: another process holds it locked; end that process, or try again"
        ):
            registry.stage(version(1).id, Stage.RETIRED, AT, "operator", "old")
        other.execute("ROLLBACK")
    other.close()
    assert registry.stage(version(1).id, Stage.RETIRED, AT, "operator", "old").stage is Stage.RETIRED


def test_a_full_disk_is_named_and_changes_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is told of a disk that ends where the file does."""
    registry.register(version(1), 60, AT, "schedule", "weekly")
    _connect_with(monkeypatch, lambda db: db.execute("PRAGMA max_page_count = 1"))
    with pytest.raises(UsageError, match=r"registry\.sqlite: the disk is full; make room"):
        registry.register(version(2), 60, AT, "schedule", "long " * 20_000)
    monkeypatch.undo()
    assert [entry.number for entry in registry.versions()] == [1]
    assert len(registry.history()) == 1


def test_a_read_only_file_can_be_read(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = registry.register(version(1), 60, AT, "schedule", "weekly")
    _connect_with(monkeypatch, lambda _: None, uri=f"{registry.path.as_uri()}?mode=ro")  # permissions do not stop a superuser
    assert registry.versions() == (entry,)
    with pytest.raises(
        UsageError, match=r"registry\.sqlite: it is read-only; make file and folder writable, or set DRILLBOX_HOME"
    ):
        registry.alias(Alias.CHAMPION, entry.model.id, AT, "operator", "typed")


def test_a_folder_in_the_way_is_named(registry: Registry) -> None:
    registry.path.mkdir(parents=True)
    with pytest.raises(UsageError, match=r"registry\.sqlite: it cannot be opened; make file and folder writable"):
        registry.versions()
    with pytest.raises(UsageError, match=r"cannot write .*: "):
        Registry(Path("/dev/null/session")).versions()


def test_an_error_within_rolls_back(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register(version(1), 60, AT, "schedule", "weekly")

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Registry, "_note", broken)
    with pytest.raises(KeyboardInterrupt):
        registry.stage(version(1).id, Stage.RETIRED, AT, "operator", "old")
    monkeypatch.undo()
    assert registry.lineage(version(1).id).stage is Stage.REGISTERED


def _execute(registry: Registry, statement: str) -> None:
    db = sqlite3.connect(registry.path, isolation_level=None)
    db.execute(statement)
    db.close()


def _connect_with(patch: pytest.MonkeyPatch, prepare: Callable[[sqlite3.Connection], object], uri: str | None = None) -> None:
    """Make connections of the registry differ from ordinary ones."""
    connect = sqlite3.connect

    def other(path: Path, timeout: float, isolation_level: None) -> sqlite3.Connection:
        db = connect(uri or path, timeout=timeout, isolation_level=isolation_level, uri=uri is not None)
        prepare(db)
        return db

    patch.setattr(database.sqlite3, "connect", other)
