"""A state folder that is only read, such as that of an image: what it has is not made again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from drillbox.sandbox import paths
from drillbox.sandbox.learning import store
from drillbox.sandbox.learning.models import ensure_model, score_examples
from drillbox.sandbox.learning.references import reference
from drillbox.sandbox.loading import Library
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.world.cache import load_data
from drillbox.sandbox.world.data import FlightData
from drillbox.sandbox.world.flights import open_world

NOWHERE = "/proc/drillbox"
"""Where nobody can write, root included."""


@pytest.fixture
def read_only(flight_data: FlightData, world_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that a service needs is prebuilt, and nothing can be written."""
    library = Library.packaged()
    config = library.load(library.find("monday-rush")).world
    with monkeypatch.context() as patch:
        patch.setenv(paths.HOME_VARIABLE, str(world_home))
        version = ensure_model(config, flight_data)
        reference(version, flight_data)
        score_examples(version, open_world(config, 60.0, 0.0, 1).examples)
    monkeypatch.setenv(paths.HOME_VARIABLE, NOWHERE)
    monkeypatch.setenv(paths.PREBUILT_VARIABLE, str(world_home))
    return world_home


def test_everything_that_is_prebuilt_is_found_without_writing(read_only: Path, flight_data: FlightData) -> None:
    library = Library.packaged()
    config = library.load(library.find("monday-rush")).world
    data = load_data()
    assert np.array_equal(data.departure, flight_data.departure)
    version = ensure_model(config, data)
    assert store.place(version.id) == read_only / "models" / version.id
    assert hasattr(store.load(version), "predict_proba")
    assert reference(version, data).version == version.id
    examples = open_world(config, 60.0, 0.0, 1).examples
    assert len(score_examples(version, examples)) == len(examples)


def test_what_is_not_there_goes_to_the_state_folder_or_says_that_it_cannot(
    read_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.find("flights-20130101-00000000") is None
    known = next(found for path in sorted((read_only / "models").iterdir()) if (found := store.find(path.name)))
    other = dataclasses.replace(known, id="flights-20130101-00000000")
    with pytest.raises(UsageError, match=f"cannot write {NOWHERE}/models.*; set DRILLBOX_HOME"):
        store.keep(other, b"", b"{}")
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    store.keep(other, b"content", b"{}")
    assert (tmp_path / "models" / other.id / store.MODEL).read_bytes() == b"content"
    assert not (read_only / "models" / other.id).exists()


def test_the_state_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, prebuilt = tmp_path / "own", tmp_path / "prebuilt"
    for folder, names in ((own, ["a"]), (prebuilt, ["a", "b"])):
        (folder / "cache").mkdir(parents=True)
        for name in names:
            (folder / "cache" / name).write_text(folder.name)
    monkeypatch.setenv(paths.HOME_VARIABLE, str(own))
    monkeypatch.setenv(paths.PREBUILT_VARIABLE, str(prebuilt))
    assert [paths.found(paths.cached(name)) for name in "abc"] == [
        own / "cache" / "a", prebuilt / "cache" / "b", own / "cache" / "c",
    ]  # fmt: skip
    monkeypatch.delenv(paths.PREBUILT_VARIABLE)
    assert paths.found(paths.cached("b")) == own / "cache" / "b"
