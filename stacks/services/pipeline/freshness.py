"""What the feature store says of the age of its values."""

from __future__ import annotations

import datetime as dt

import httpx

from ....sandbox.model.errors import UsageError
from ....sandbox.model.features import SOURCES
from ...control_plane.views import Freshness

TIMEOUT = 0.5
"""Seconds for one answer."""


class StoreClient:
    """A client of the feature store; without an address there is none."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=TIMEOUT, trust_env=False)

    def read(self) -> Freshness:
        """Source, hour of its values, and their age.

        Raises:
            UsageError: there is no store, or it does not answer.
        """
        if not self._url:
            raise UsageError("there is no feature store: PIPELINE_FEATURES_URL is not set")
        found = []
        for source in SOURCES:
            try:
                answer = self._client.get(f"{self._url}/v1/features", params={"origin": source})
                answer.raise_for_status()
                raw = answer.json()
                hour = None if raw["event_time"] is None else dt.datetime.fromisoformat(raw["event_time"])
                found.append((source, hour, float(raw["age_seconds"])))
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                raise UsageError(f"the feature store does not answer for {source}: {error!r}") from None
        return found

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()
