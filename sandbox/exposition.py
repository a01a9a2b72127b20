"""`/metrics` of a drill: the last scrape in Prometheus's text format, under the producers' own names, on loopback only.

A real Prometheus that scrapes a drill paced at 1x measures what the built-in monitor does. At another pace its rates are per
second of the wall clock, so they are higher by the drill's speed.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from threading import Thread
from types import TracebackType
from typing import Self
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.registry import Collector

from .model.errors import UsageError
from .model.telemetry import Scrape

ADDRESS = "127.0.0.1"
"""Nothing of a drill is served to other machines."""

Latest = Callable[[], Scrape | None]
"""Gives the scrape to serve; None as long as there is none."""

_OWN = {"scrape_duration_seconds", "scrape_samples_scraped", "up"}  # Prometheus makes them itself for every target
_HISTOGRAM = ("_bucket", "_sum", "_count")


class ScrapeCollector(Collector):
    """Gives prometheus_client a scrape, with names and values as they are.

    Counters keep names without `_total`, as Envoy's have them: those families are untyped, which changes nothing for PromQL.
    """

    def __init__(self, latest: Latest) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        """All families of the last scrape, in its order."""
        scrape = self._latest()
        if scrape is None:
            return
        histograms = {series.name.removesuffix("_bucket") for series in scrape.series if series.name.endswith("_bucket")}
        families: dict[str, Metric] = {}
        for series, value in zip(scrape.series, scrape.values.tolist(), strict=True):
            if series.name in _OWN:
                continue
            name, kind = _family(series.name, histograms)
            if name not in families:
                families[name] = Metric(name, "", kind)
            families[name].add_sample(series.name, dict(series.labels), value)
        yield from families.values()


def _family(name: str, histograms: set[str]) -> tuple[str, str]:
    """The family that a sample belongs to, and its type."""
    for suffix in _HISTOGRAM:
        if name.endswith(suffix) and name.removesuffix(suffix) in histograms:
            return name.removesuffix(suffix), "histogram"
    return (name.removesuffix("_total"), "counter") if name.endswith("_total") else (name, "unknown")


class Exposition:
    """A server of `/metrics` that runs in a thread until it is closed."""

    def __init__(self, server: WSGIServer, thread: Thread) -> None:
        self._server = server
        self._thread = thread
        self.port = int(server.server_address[1])
        """On which it listens."""

    @property
    def url(self) -> str:
        """Where the metrics are."""
        return f"http://{ADDRESS}:{self.port}/metrics"

    def close(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()


def serve(latest: Latest, port: int = 0) -> Exposition:
    """Serve the scrapes that `latest` gives, such as `lambda: session.last_scrape`.

    Args:
        latest: is called in another thread at every request.
        port: on loopback; 0 takes a free one.

    Raises:
        UsageError: the port is taken, or may not be used.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ScrapeCollector(latest))
    try:
        server, thread = start_http_server(port, ADDRESS, registry)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is in use: choose another one, or end the program that has it" if taken else f"cannot be used ({error})"
        raise UsageError(f"metrics cannot be served: port {port} {reason}") from None
    return Exposition(server, thread)
