"""`python -m drillbox.stacks.services.training`: one training, configured by its environment. It exits with 0, or with 1."""

from __future__ import annotations

import os
import sys
import threading

from ....sandbox.learning import snapshots
from ....sandbox.learning.snapshots import Snapshot
from ....sandbox.model.errors import DrillboxError, UsageError
from ....sandbox.world.cache import load_data
from ..common.logs import Log, adopt_libraries
from ..common.registry import RegistryClient, RegistryError, persist
from ..common.settings import read
from .settings import TrainingSettings

NAME = "training"


def main() -> int:
    """Train; the exit code."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # read once, when scikit-learn is loaded
    log = Log(NAME)
    adopt_libraries(log)
    try:
        settings = read(TrainingSettings, os.environ)
        log.component = settings.component or NAME
        train(settings, log)
    except DrillboxError as error:
        log("error", str(error))
        return 1
    return 0


def train(settings: TrainingSettings, log: Log) -> None:
    """Take the snapshot, train, and hand the model over.

    Raises:
        UsageError: the data are others, too few to be trained on, or the registry does not take the model.
    """
    snapshot = _snapshot(settings)
    log("info", f"snapshot until {settings.until:%Y-%m-%d %H:%M}: {len(snapshot.rows):,} rows, {snapshot.late:.1%} late")
    model = snapshots.train(snapshot, settings.threshold, settings.trees)
    quality = model.quality
    log("info", f"trained {model.id}: AUC {quality.auc:.3f}, Brier score {quality.brier:.4f} on its training data")

    def told(error: RegistryError, pause: float) -> None:
        log("warning", f"{error}; next try in {pause:g} s")

    with RegistryClient(settings.store_url, settings.token) as registry:
        new = persist(lambda: registry.upload(model.id), told, threading.Event(), settings.patience)
    log("info", f"{model.id} is in the registry" if new else f"{model.id} was in the registry before")


def _snapshot(settings: TrainingSettings) -> Snapshot:
    snapshot = snapshots.take(
        load_data(), settings.start, settings.until, before_hour=settings.before_hour, as_on_time=settings.as_on_time
    )
    if settings.data and snapshot.digest != settings.data:
        raise UsageError(
            f"the snapshot is another than was ordered ({snapshot.digest[:12]}, not {settings.data[:12]}): "
            "is the image of another version than the pipeline's?"
        )
    return snapshot


if __name__ == "__main__":
    sys.exit(main())
