"""The store of versions: whole or absent, and never a way to run code."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]  # has no stubs

from drillbox.sandbox.learning import store, training
from drillbox.sandbox.learning.version import Lineage, ModelVersion, Quality
from drillbox.sandbox.model.errors import UsageError

LINEAGE = Lineage("data", "code", dt.datetime(2013, 1, 1), dt.datetime(2013, 2, 1), 0.25, 60)
QUALITY = Quality(1000, 0.2, 0.2, 0.8, 0.13)


@pytest.fixture(scope="module")
def model() -> training.Classifier:
    """A small trained pipeline."""
    generator = np.random.default_rng(1)
    features = generator.integers(0, 9, (1000, 14)).astype(float)
    fitted = training.new_model(60)
    fitted.fit(features, (features[:, 3] + generator.normal(size=1000) > 4).astype(np.uint8))
    return fitted


@pytest.fixture
def stored(model: training.Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path))
    return store.save(model, LINEAGE, QUALITY)


def replace_model(version: ModelVersion, content: bytes) -> ModelVersion:
    """Put another model file in place, with facts that vouch for it, as a hostile source would."""
    folder = store.models_dir() / version.id
    (folder / store.MODEL).write_bytes(content)
    facts = json.loads((folder / store.META).read_text())
    facts["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / store.META).write_text(json.dumps(facts))
    found = store.find(version.id)
    assert found is not None
    return found


def test_a_stored_model_comes_back(stored: ModelVersion, model: training.Classifier) -> None:
    assert store.find(stored.id) == stored
    features = np.random.default_rng(2).integers(0, 9, (50, 14)).astype(float)
    assert np.array_equal(training.score(store.load(stored), features), training.score(model, features))
    assert sorted(path.name for path in store.models_dir().iterdir()) == [stored.id]


def test_unknown_version_is_not_there(stored: ModelVersion) -> None:
    assert store.find("flights-20130101-00000000") is None


def test_a_second_save_of_the_same_keeps_the_first(stored: ModelVersion, model: training.Classifier) -> None:
    again = store.save(model, LINEAGE, dataclasses.replace(QUALITY, auc=0.9))
    assert again == stored
    assert [path.name for path in store.models_dir().iterdir()] == [stored.id]


def test_an_interrupted_save_leaves_nothing(model: training.Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.save(model, LINEAGE, QUALITY)
    assert list(store.models_dir().iterdir()) == []


def test_unwritable_store_says_so(model: training.Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRILLBOX_HOME", str(tmp_path))
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot write .*models.*in the way"):
        store.save(model, LINEAGE, QUALITY)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('{"id": "flights-20130201-xyz"', "cannot be read"),
    ],
)
def test_damaged_facts(stored: ModelVersion, facts: str, why: str) -> None:
    (store.models_dir() / stored.id / store.META).write_text(facts)
    with pytest.raises(
        UsageError, match=rf"model {stored.id} is damaged: meta.json {why}.*remove .*{stored.id} and it is trained"
    ):
        store.find(stored.id)


def test_missing_or_foreign_facts(stored: ModelVersion) -> None:
    folder = store.models_dir() / stored.id
    folder.rename(folder.with_name("other"))
    with pytest.raises(UsageError, match=f"its meta.json is that of {stored.id}"):
        store.find("other")
    (folder.with_name("other") / store.META).unlink()
    with pytest.raises(UsageError, match=r"it has no meta.json"):
        store.find("other")


def test_damaged_model_file(stored: ModelVersion) -> None:
    path = store.models_dir() / stored.id / store.MODEL
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError, match="is not the file that was stored"):
        store.load(stored)
    path.unlink()
    with pytest.raises(UsageError, match="model.skops cannot be read"):
        store.load(stored)


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("exploded",))


def test_hostile_model_files_are_refused_and_nothing_runs(
    stored: ModelVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (pickle.dumps(Bomb()), b"", b"PK\x03\x04 not a zip"):
        with pytest.raises(UsageError, match="model.skops cannot be read"):
            store.load(replace_model(stored, content))
    for hostile in (functools.partial(os.mkdir, "exploded"), Bomb()):
        with pytest.raises(UsageError, match="holds types that are not trusted and was not loaded"):
            store.load(replace_model(stored, skops.io.dumps(hostile)))
    with pytest.raises(UsageError, match="holds a list, not a classifier"):
        store.load(replace_model(stored, skops.io.dumps([1, 2])))
    assert not (tmp_path / "exploded").exists()


def test_a_model_file_that_is_a_bomb_is_refused_before_it_is_unpacked(
    stored: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", b" " * 4_000_000)
    monkeypatch.setattr(store, "LARGEST", 1_000_000)
    bomb = replace_model(stored, packed.getvalue())
    with pytest.raises(UsageError, match="model.skops would unpack to 4000000 bytes, at most 1000000 are read"):
        store.load(bomb)
    monkeypatch.setattr(store, "LARGEST", 1_000)
    with pytest.raises(UsageError, match=r"model.skops has \d+ bytes, at most 1000 are read; remove .* and it is trained anew"):
        store.load(bomb)


def test_a_model_file_that_understates_its_size_is_damaged(stored: ModelVersion) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", b" " * 100_000)
    understated = packed.getvalue().replace(struct.pack("<I", 100_000), struct.pack("<I", 10))
    with pytest.raises(UsageError, match="model.skops cannot be read"):
        store.load(replace_model(stored, understated))
