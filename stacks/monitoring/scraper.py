"""Scrapes real producers over HTTP, as Prometheus does, and gives what the built-in monitor takes.

    scraper = Scraper(lambda: stack.targets())
    scrape = scraper.scrape(at)           # waits for the slowest target, 2.5 s at most
    pending = scraper.begin(at)           # does not wait: `pending.done()`, `pending.result()`

A target that fails has `up` 0 and no other series: those that it had are stale.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import httpx
import numpy as np
from numpy.typing import NDArray

from ...sandbox.model.telemetry import Scrape, Series
from .exposition import Reader
from .rules import wanted_metrics
from .targets import SAMPLE_LIMIT, TIMEOUT, Target, Targets

LARGEST = 16 * 2**20
"""Bytes of an exposition beyond which its scrape has failed."""

_AT_ONCE = 32
_LAYOUTS = 8  # a fleet that flaps goes back and forth between a few sets of series
_HEADERS = {"accept": "text/plain;version=0.0.4", "accept-encoding": "identity", "user-agent": "drillbox"}
_HEAD = (Series("prometheus_tsdb_head_series"),)


@dataclass(frozen=True, slots=True)
class Answer:
    """An exposition, and the seconds that it took; `error` says why there is none."""

    text: str
    seconds: float
    error: str = ""


@dataclass(slots=True)
class Known:
    """What is kept of a target between scrapes; `own` are the series that tell of the target itself."""

    reader: Reader
    own: tuple[Series, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The series of a scrape, sorted, and where in the values that were read theirs are; `parts` are the series by target."""

    parts: tuple[tuple[Series, ...], ...]
    series: tuple[Series, ...]
    places: NDArray[np.intp]


class Scraper:
    """Scrapes all targets at once. One thread at a time uses it.

    Args:
        targets: gives those that there are; asked at every scrape.
        wanted: names of the metrics that are kept; those that anything reads if not given.
        timeout: seconds after which the scrape of a target has failed.
        limit: samples of one target, of those that are kept, beyond which its scrape has failed.
        failed: is told of a target whose scrapes begin to fail, and why; with an empty text once they succeed again.
        transport: leads to the targets; plain connections if not given.
    """

    def __init__(
        self,
        targets: Targets,
        wanted: frozenset[str] | None = None,
        timeout: float = TIMEOUT,
        limit: int = SAMPLE_LIMIT,
        failed: Callable[[Target, str], None] = lambda _target, _why: None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._targets = targets
        self._wanted = wanted_metrics() if wanted is None else wanted
        self._timeout, self._limit, self._failed = timeout, limit, failed
        self._known: dict[Target, Known] = {}
        self._layouts: list[Layout] = []
        self._seen: set[Series] = set()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.Client(timeout=timeout, limits=limits, headers=_HEADERS, trust_env=False, transport=transport)
        self._workers = ThreadPoolExecutor(_AT_ONCE, "scrape")
        self._waiter = ThreadPoolExecutor(1, "scraper")
        self._closed = False

    def begin(self, at: float) -> Future[Scrape]:
        """Begin a scrape that counts as of drill time `at`, and do not wait for it."""
        return self._waiter.submit(self.scrape, at)

    def scrape(self, at: float) -> Scrape:
        """All values as of drill time `at`. Waits for the slowest target, at most as long as one may take."""
        targets = tuple(dict.fromkeys(self._targets()))
        self._known = {target: self._known.get(target) or self._new(target) for target in targets}
        parts: list[tuple[Series, ...]] = []
        values: list[float] = []
        for target, answer in zip(targets, self._fetch_all(targets), strict=True):
            known = self._known[target]
            series, numbers, error = self._read(known, answer)
            if error != known.error:
                known.error = error
                self._failed(target, error)
            parts += (known.own, series)
            values += (float(not error), answer.seconds, *numbers)
        layout = self._layout((*parts, _HEAD))
        values.append(float(len(self._seen)))
        return Scrape(at, layout.series, np.array(values, np.float64)[layout.places])

    def close(self) -> None:
        """Let go of connections and threads, and do not wait for scrapes that hang: they end by themselves."""
        if self._closed:
            return
        self._closed = True
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._waiter.submit(self._let_go)
        self._waiter.shutdown(wait=False)

    def _let_go(self) -> None:
        """After the last scrape: a connection that is only just made when all others are closed would stay open."""
        self._workers.shutdown()
        self._client.close()

    # ------------------------------------------------------------------------------------------------------------- own work

    def _new(self, target: Target) -> Known:
        own = tuple(Series.of(name, job=target.job, instance=target.name) for name in ("up", "scrape_duration_seconds"))
        return Known(Reader(self._wanted, target.labels), own)

    def _fetch_all(self, targets: Sequence[Target]) -> list[Answer]:
        asked = [self._workers.submit(self._fetch, target) for target in targets]
        wait(asked, self._timeout)
        late = Answer("", self._timeout, f"no answer within {self._timeout:g} s")
        return [one.result() if one.done() else late for one in asked]

    def _fetch(self, target: Target) -> Answer:
        """Runs in a thread of its own."""
        began = time.monotonic()
        try:
            try:
                text = self._get(target.url, began + self._timeout)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # A server may close an idle connection just when it is used again.
                text = self._get(target.url, began + self._timeout)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeDecodeError, RuntimeError) as error:  # the last: it was closed
            return Answer("", time.monotonic() - began, str(error) or type(error).__name__)
        return Answer(text, time.monotonic() - began)

    def _get(self, url: str, deadline: float) -> str:
        with self._client.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                raise httpx.HTTPError(f"it answered {response.status_code} {response.reason_phrase}")
            chunks, size = [], 0
            for chunk in response.iter_raw():
                chunks.append(chunk)
                size += len(chunk)
                if size > LARGEST:
                    raise httpx.HTTPError(f"its metrics have more than {LARGEST} bytes")
                if time.monotonic() > deadline:
                    raise httpx.HTTPError(f"no answer within {self._timeout:g} s")
        return b"".join(chunks).decode()

    def _read(self, known: Known, answer: Answer) -> tuple[tuple[Series, ...], list[float], str]:
        if answer.error:
            return (), [], answer.error
        try:
            series, numbers = known.reader.read(answer.text)
        except ValueError as error:
            return (), [], str(error)
        if len(series) > self._limit:
            return (), [], f"sample limit of {self._limit} exceeded"
        return series, numbers, ""

    def _layout(self, parts: tuple[tuple[Series, ...], ...]) -> Layout:
        """The layout of these series, of which the latest ones are kept: readers know a set of series by its object."""
        for layout in self._layouts:
            if len(layout.parts) == len(parts) and all(map(operator.is_, layout.parts, parts)):
                return layout
        first: dict[Series, int] = {}
        for place, series in enumerate(one for part in parts for one in part):
            first.setdefault(series, place)  # of two targets that say the same, the first counts
        names = tuple(sorted(first))
        known = next((layout.series for layout in self._layouts if layout.series == names), names)
        layout = Layout(parts, known, np.array([first[name] for name in names], np.intp))
        self._layouts = [layout, *self._layouts[: _LAYOUTS - 1]]
        self._seen.update(names)
        return layout
