"""The prediction log: JSON Lines, one for each prediction, handed over by a thread of its own so that no answer waits for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from ..common.jsons import dumps
from ..common.logs import Log
from .outlets import Outlet, UnwrittenError
from .tensors import Floats

PERIOD = 0.25
"""Seconds between two writes."""
LONGEST = 2.0
"""Seconds between two tries, at most, while nothing is taken; they double from `PERIOD`."""

MOST = 50_000
"""Answers that may wait to be written; more are dropped and counted."""
BATCH = 512 * 1024
"""Bytes of a batch from which no further line goes into it."""


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
    """Writes to an outlet; None: to nothing. What an outlet may take later waits, up to `MOST` answers.

    A line holds `id`, `time` (seconds of drill time), `row` (of the data, or null), `features` (in the order of `FEATURES`, null
    for what is missing), `score`, `version` and `source`.
    """

    def __init__(self, outlet: Outlet | None, version: str, log: Log) -> None:
        self._outlet = outlet
        self._version = version
        self._log = log
        self._waiting: deque[Answer] = deque()
        self._lines: deque[bytes] = deque()  # of the answers taken last
        self._stop = threading.Event()
        self._until = float("inf")
        self._pause = PERIOD
        self._complained = False
        self.dropped = 0
        self._thread: threading.Thread | None = None
        if outlet is not None:
            self._thread = threading.Thread(target=self._run, args=(outlet,), name="prediction-log", daemon=True)
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
        self._until = time.monotonic() + patience
        self._stop.set()
        if self._thread is None:
            return
        self._thread.join(patience)
        left = len(self._lines) + sum(len(answer.scores) for answer in tuple(self._waiting))
        if left:
            self.dropped += left
            self._log("error", f"{left} predictions are lost: nobody took them in time")

    def _run(self, outlet: Outlet) -> None:
        while not self._stop.wait(self._pause):
            self._flush(outlet)
        while not self._flush(outlet) and time.monotonic() + self._pause < self._until:
            time.sleep(self._pause)
        outlet.close()

    def _flush(self, outlet: Outlet) -> bool:
        """Write all that waits; whether nothing waits any more."""
        while batch := self._batch():
            try:
                outlet.write(b"".join(batch))
            except UnwrittenError as error:
                if not self._complained:
                    self._log("error", str(error))
                self._complained = True
                if error.keep:
                    self._lines.extendleft(reversed(batch))
                    self._pause = min(2.0 * self._pause, LONGEST)
                    return False
                self.dropped += len(batch)
            else:
                if self._complained:
                    self._log("info", "predictions are written again")
                self._complained, self._pause = False, PERIOD
        return True

    def _batch(self) -> list[bytes]:
        """Take the next lines, of more answers if there are more."""
        batch: list[bytes] = []
        size = 0
        while size < BATCH:
            if not self._lines:
                if not self._waiting:
                    break
                self._lines.extend(self._told(self._waiting.popleft()))
            batch.append(self._lines.popleft())
            size += len(batch[-1])
        return batch

    def _told(self, answer: Answer) -> list[bytes]:
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
