"""The registry service as the pipeline uses it: models come from there, and those that are trained go there."""

from __future__ import annotations

import threading

from ....sandbox.learning.version import ModelVersion
from ..common.logs import Log
from ..common.registry import RegistryClient, RegistryError, persist

PATIENCE = 30.0
"""Seconds for which the registry may be away when a model is trained; at the beginning it is waited for."""


class Remote:
    """Shares models with the registry.

    Args:
        client: of the registry.
        log: of the service.
        stop: ends what waits for the registry.
    """

    def __init__(self, client: RegistryClient, log: Log, stop: threading.Event) -> None:
        self._client = client
        self._log = log
        self._stop = stop

    def look_for(self, model: str) -> bool:
        """Wait for the registry, and put a model into this machine's store if it is there; whether it is.

        Raises:
            UsageError: it is damaged, the store cannot be written, or the service stops.
        """

        def look() -> bool:
            if not self._client.has(model):
                return False
            self._client.fetch(model)
            return True

        return persist(look, self._told, self._stop)

    def fetch(self, model: str) -> ModelVersion:
        """A model that is there.

        Raises:
            UsageError: it is not, it is damaged, or the store cannot be written.
        """
        return persist(lambda: self._client.fetch(model), self._told, self._stop, PATIENCE)

    def offer(self, model: str) -> None:
        """Let the registry have a model of this machine's store, if it has not.

        Raises:
            UsageError: it does not take it, or the service stops.
        """
        if persist(lambda: self._client.upload(model), self._told, self._stop, PATIENCE):
            self._log("info", f"{model} is in the registry")

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _told(self, error: RegistryError, pause: float) -> None:
        self._log("warning", f"{error}; next try in {pause:g} s")
