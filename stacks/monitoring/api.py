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


class GoneError(StackError):
    """Nobody listens there any more."""


class PrometheusApi:
    """Asks one Prometheus.

    Args:
        url: where its pages are.
        origin: of CLOCK_MONOTONIC at t = 0.
    """

    def __init__(self, url: str, origin: float) -> None:
        self.url = url
        self._origin = origin
        self._ready_at: float | None = None
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)

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
        """The alerts that are pending or firing.

        Args:
            now: drill time in seconds.

        Raises:
            GoneError: nobody listens there any more.
            StackError: it does not answer, or does not evaluate its rules.
        """
        groups = self._groups()
        if self._ready_at is None:
            self._ready_at = now  # the first evaluation comes within the interval
        found: list[AlertState] = []
        evaluated = self._ready_at
        for group in groups:
            evaluated = max(evaluated, self._drill_time(group["lastEvaluation"]))
            for rule in group["rules"]:
                if rule.get("health") == "err":
                    raise StackError(f"Prometheus cannot evaluate {rule['name']}: {rule.get('lastError', '')}")
                found += [self._alert(alert) for alert in rule.get("alerts", ())]
        if now - evaluated > SILENT:
            raise StackError(f"Prometheus has not evaluated its rules for {now - evaluated:.0f} s")
        return tuple(found)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _groups(self) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]] = self._get("/api/v1/rules").get("groups", [])
        return groups

    def _get(self, path: str) -> dict[str, Any]:
        try:
            document = self._client.get(path).raise_for_status().json()
        except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError) as error:
            raise GoneError(f"Prometheus at {self.url} is gone: {error}") from error
        except (httpx.HTTPError, ValueError) as error:
            raise StackError(f"Prometheus at {self.url} does not answer: {error}") from error
        data: dict[str, Any] = document["data"]
        return data

    def _alert(self, told: dict[str, Any]) -> AlertState:
        labels = dict(told["labels"])
        name = labels.pop("alertname", "")
        since, summary = self._drill_time(told["activeAt"]), told.get("annotations", {}).get("summary", "")
        return AlertState(name, tuple(sorted(labels.items())), told["state"] == "firing", since, float(told["value"]), summary)

    def _drill_time(self, text: str) -> float:
        """A moment of the wall clock in drill time; the present difference of the clocks counts."""
        return dt.datetime.fromisoformat(text).timestamp() - (time.time() - time.monotonic()) - self._origin
