"""What a Prometheus says of the drill's alerts, over its HTTP API."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

import httpx

from ...sandbox.model.errors import StackError
from ...sandbox.model.telemetry import SCRAPE_INTERVAL, AlertState

TIMEOUT = 2.0
"""Seconds that it has for an answer."""
SILENT = 6 * SCRAPE_INTERVAL
"""Seconds without an evaluation after which it counts as broken."""
ITSELF = "prometheus"
"""The job of its own metrics."""

_LONG_AGO = -1e9  # drill seconds; what never happened is in the year 1


class GoneError(StackError):
    """Nobody listens there any more."""


class PrometheusApi:
    """Asks one Prometheus.

    Args:
        url: where its pages are.
        origin: of CLOCK_MONOTONIC at t = 0.
        transport: leads to it; plain connections if not given.
    """

    def __init__(self, url: str, origin: float, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        self._origin = origin
        self._asked_at: float | None = None  # for the first time
        self._fed_at: float | None = None  # when all targets had been scraped
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False, transport=transport)

    def ready(self) -> bool:
        """Whether it has loaded its rules and serves."""
        try:
            return self._client.get("/-/ready").status_code == httpx.codes.OK and bool(self._groups())
        except (httpx.HTTPError, StackError):
            return False

    def version(self) -> str:
        """Its version.

        Raises:
            StackError: it does not answer.
        """
        return str(self._get("/api/v1/status/buildinfo").get("version", "of an unknown version"))

    def alerts(self, now: float) -> tuple[AlertState, ...]:
        """The alerts that are pending or firing; none before the first evaluation that has seen all targets.

        Args:
            now: drill time in seconds.

        Raises:
            GoneError: nobody listens there any more.
            StackError: it does not answer, or does not evaluate its rules.
        """
        groups = self._groups()
        if self._asked_at is None:
            self._asked_at = now
        found: list[AlertState] = []
        for rule in (rule for group in groups for rule in group["rules"]):
            if rule.get("health") == "err":
                raise StackError(f"Prometheus cannot evaluate {rule['name']}: {rule.get('lastError', '')}")
            found += [self._alert(alert) for alert in rule.get("alerts", ())]
        evaluated = min((self._drill_time(group["lastEvaluation"]) for group in groups), default=_LONG_AGO)
        silent = now - max(evaluated, self._asked_at)
        if silent > SILENT:
            raise StackError(f"Prometheus has not evaluated its rules for {silent:.0f} s")
        if self._fed_at is None:
            self._fed_at = self._last_scraped() if now - self._asked_at < SILENT else self._asked_at
        return tuple(found) if self._fed_at is not None and self._fed_at < evaluated else ()

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _last_scraped(self) -> float | None:
        """When the last target was scraped; None if one never was: without data it would say that there is no replica."""
        targets = self._get("/api/v1/targets?state=active").get("activeTargets", [])
        scraped = [self._drill_time(one["lastScrape"]) for one in targets if one["labels"].get("job") != ITSELF]
        return max(scraped) if scraped and min(scraped) > _LONG_AGO else None

    def _groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self._get("/api/v1/rules?type=alert").get("groups", [])
        return groups

    def _get(self, path: str) -> dict[str, Any]:
        try:
            data = dict(self._client.get(path).raise_for_status().json()["data"])
        except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError) as error:
            raise GoneError(f"Prometheus at {self.url} is gone: {error}") from error
        except (httpx.HTTPError, ValueError, LookupError, TypeError, RuntimeError) as error:
            raise StackError(f"Prometheus at {self.url} does not answer: {error}") from error
        return data

    def _alert(self, told: dict[str, Any]) -> AlertState:
        labels = dict(told["labels"])
        name = labels.pop("alertname", "")
        since, summary = self._drill_time(told["activeAt"]), told.get("annotations", {}).get("summary", "")
        return AlertState(name, tuple(sorted(labels.items())), told["state"] == "firing", since, float(told["value"]), summary)

    def _drill_time(self, text: str) -> float:
        """A moment of the wall clock in drill time; the present difference of the clocks counts."""
        return dt.datetime.fromisoformat(text).timestamp() - (time.time() - time.monotonic()) - self._origin
