"""The prediction log: JSON Lines, one for each prediction, written by a thread of its own so that no answer waits for a disk."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from ....sandbox.world.data import FEATURES
from ..common.jsons import dumps
from ..common.logs import Log
from .tensors import Floats

PERIOD = 0.25
"""Seconds between two writes."""

MOST = 50_000
"""Answers that may wait to be written; more are dropped and counted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is logged of one answered request."""

    id: str
    time: float  # seconds of drill time
    rows: tuple[int, ...]  # of the data; empty if the client did not say
    features: Floats  # [n, len(FEATURES)] as served
    scores: Floats
    source: str  # model or rules


class PredictionLog:
    """Appends to a file; None: to nothing.

    A line holds `id`, `time` (seconds of drill time), `row` (of the data, or null), `features` (in the order of `FEATURES`, null
    for what is missing), `score`, `version` and `source`.
    """

    def __init__(self, path: Path | None, version: str, log: Log) -> None:
        self._path = path
        self._version = version
        self._log = log
        self._waiting: list[Answer] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._complained = False
        self.dropped = 0
        self._thread: threading.Thread | None = None
        if path is not None:
            self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
            self._thread.start()

    def add(self, answer: Answer) -> None:
        """Log an answer soon."""
        if self._thread is None:
            return
        if len(self._waiting) >= MOST:
            self.dropped += len(answer.scores)
            return
        self._waiting.append(answer)

    def close(self, patience: float) -> None:
        """Write what waits, for at most `patience` seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        while not self._stop.wait(PERIOD):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        taken, self._waiting = self._waiting, []
        if not taken or self._path is None:
            return
        lines = b"".join(line for answer in taken for line in self._lines(answer))
        try:
            with self._lock, self._path.open("ab") as file:
                start = file.tell()
                try:
                    file.write(lines)
                    file.flush()
                except OSError:
                    os.truncate(self._path, start)  # no half line stays
                    raise
        except OSError as error:
            self.dropped += sum(len(answer.scores) for answer in taken)
            if not self._complained:
                self._log("error", f"predictions cannot be logged to {self._path}: {error.strerror}; they are dropped")
            self._complained = True
        else:
            self._complained = False

    def _lines(self, answer: Answer) -> list[bytes]:
        rows = answer.rows or (None,) * len(answer.scores)
        return [
            dumps(
                {
                    "id": answer.id,
                    "time": round(answer.time, 6),
                    "row": row,
                    "features": features,
                    "score": score,
                    "version": self._version,
                    "source": answer.source,
                }
            )
            + b"\n"
            for row, features, score in zip(rows, answer.features.tolist(), answer.scores.tolist(), strict=True)
        ]


def columns() -> tuple[str, ...]:
    """Names of the features in a line."""
    return FEATURES
