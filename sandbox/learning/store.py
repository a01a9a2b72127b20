"""The store of model versions: a folder each, with `model.skops` and `meta.json`, which appears whole or not at all."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import json
import shutil
import uuid
import zipfile
from pathlib import Path

from ..model.errors import UsageError
from ..paths import atomic_write, folder, found, home, unwritable
from ..world.data import DAMAGED
from .training import Classifier
from .version import Lineage, ModelVersion, Quality, package_versions

TRUSTED = (
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)
"""Types that a model file may hold beyond those that skops knows to be harmless: the parts of the boosted trees."""

MODEL, META = "model.skops", "meta.json"
LARGEST = 256 * 2**20
"""Bytes that a model file may have, and may unpack to: a hundred times as many as the largest of the library takes."""


def models_dir() -> Path:
    """The folder of all versions. It may not exist yet."""
    return home() / "models"


def place(version: str) -> Path:
    """The folder of one version, where it is to be read. It need not exist."""
    return found(models_dir() / version)


def find(version: str) -> ModelVersion | None:
    """A stored version's facts; None if there is no such version. Loads no learning library.

    Raises:
        UsageError: its facts are damaged.
    """
    path = place(version) / META
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if path.parent.exists():
            raise _damaged(version, f"it has no {META}") from None
        return None
    except OSError as error:
        raise _damaged(version, f"{META} cannot be read: {error}") from error
    try:
        return facts_of(content, version)
    except ValueError as error:
        raise _damaged(version, str(error)) from error


def facts_of(content: bytes, version: str) -> ModelVersion:
    """The facts in a `meta.json`.

    Raises:
        ValueError: they cannot be read, or are those of another version.
    """
    try:
        raw = json.loads(content.decode("utf-8"))
        known = ModelVersion(
            id=str(raw["id"]),
            data_hash=str(raw["data_hash"]),
            code_version=str(raw["code_version"]),
            train_from=dt.datetime.fromisoformat(raw["train_from"]),
            train_until=dt.datetime.fromisoformat(raw["train_until"]),
            threshold=float(raw["threshold"]),
            quality=Quality(**raw["quality"]),
            packages={str(name): str(value) for name, value in raw["packages"].items()},
            sha256=str(raw["sha256"]),
            predictions=str(raw.get("predictions", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{META} cannot be read: {error}") from error
    if known.id != version:
        raise ValueError(f"its {META} is that of {known.id}")
    return known


def save(model: Classifier, lineage: Lineage, quality: Quality, predictions: str = "") -> ModelVersion:
    """Store a model under the id of its lineage. Another process may store the same at the same time: one of them wins.

    Raises:
        UsageError: the store cannot be written.
    """
    import skops.io  # type: ignore[import-untyped]  # has no stubs

    content: bytes = skops.io.dumps(model)
    sha256 = hashlib.sha256(content).hexdigest()
    version = ModelVersion(
        id=lineage.id,
        data_hash=lineage.data_hash,
        code_version=lineage.code_version,
        train_from=lineage.train_from,
        train_until=lineage.train_until,
        threshold=lineage.threshold,
        quality=quality,
        packages=package_versions(),
        sha256=sha256,
        predictions=predictions,
    )
    meta = json.dumps(dataclasses.asdict(version), default=_text, indent=2).encode()
    return keep(version, content, meta)


def keep(version: ModelVersion, content: bytes, meta: bytes) -> ModelVersion:
    """Store the files of a version: its model, and its facts. If another process was faster, the version as that stored it.

    Raises:
        UsageError: the store cannot be written.
    """
    target = folder(models_dir()) / version.id
    temporary = target.with_name(f".{version.id}.{uuid.uuid4().hex[:12]}.part")
    try:
        atomic_write(temporary / MODEL, content)
        atomic_write(temporary / META, meta)
        temporary.rename(target)
    except OSError as error:
        if target.exists() and (other := find(version.id)) is not None:
            return other
        raise unwritable(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return version


def warm_up() -> None:
    """Import what `load` does, which takes longer than all else of it: for whoever has still to wait for the file."""
    import sklearn.ensemble  # type: ignore[import-untyped]  # noqa: F401  # has no stubs
    import skops.io  # noqa: F401


def load(version: ModelVersion) -> Classifier:
    """The model of a version. Nothing in its file is executed: unknown types are refused.

    Raises:
        UsageError: the file is missing, damaged, or holds types that are not trusted.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException  # type: ignore[import-untyped]  # has no stubs

    path = place(version.id) / MODEL
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise _damaged(version.id, f"{MODEL} cannot be read: {error.strerror}") from error
    if size > LARGEST:
        raise _damaged(version.id, f"{MODEL} has {size} bytes, at most {LARGEST} are read")
    if hashlib.sha256(content).hexdigest() != version.sha256:
        raise _damaged(version.id, f"{MODEL} is not the file that was stored")
    try:
        unpacked = _unpacked(content)
        if unpacked > LARGEST:
            raise _damaged(version.id, f"{MODEL} would unpack to {unpacked} bytes, at most {LARGEST} are read")
        model: Classifier = skops.io.loads(content, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise _damaged(version.id, f"{MODEL} holds types that are not trusted and was not loaded: {error}") from error
    except (*DAMAGED, TypeError, AttributeError, ImportError) as error:
        raise _damaged(version.id, f"{MODEL} cannot be read: {error}") from error
    if not hasattr(model, "predict_proba"):
        raise _damaged(version.id, f"{MODEL} holds a {type(model).__name__}, not a classifier")
    return model


def _unpacked(content: bytes) -> int:
    """Bytes that a file says it unpacks to; more than it says are never read.

    Raises:
        BadZipFile: it is none of its kind.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return sum(one.file_size for one in packed.infolist())


def _damaged(version: str, why: str) -> UsageError:
    return UsageError(f"model {version} is damaged: {why}; remove {place(version)} and it is trained anew")


def _text(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not part of a version's facts")
