"""Models come from the registry before they are loaded, as soon as it gives them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..common.logs import Log

if TYPE_CHECKING:
    from ..common.registry import RegistryError


class Fetcher:
    """Puts models of the registry into this machine's store.

    Args:
        url: of the registry; empty: there is none, the models are in the store.
        version: as clients know the model that is loaded.
        log: of the server.
        told: hears why the model is not there yet, from another thread.
    """

    def __init__(self, url: str, version: str, log: Log, told: Callable[[str], object]) -> None:
        self._url = url
        self._version = version
        self._log = log
        self._told = told
        self._stop = threading.Event()

    def fetch(self, models: Iterable[str]) -> None:
        """Wait until all are there.

        Raises:
            RegistryError: it was stopped meanwhile.
            UsageError: what came is damaged or hostile, or the store cannot be written.
        """
        if not self._url:
            return
        from ..common.registry import RegistryClient, persist  # only here: who finds its models does without a client

        with RegistryClient(self._url) as client:
            for model in dict.fromkeys(models):
                persist(lambda model=model: client.fetch(model), self._failed, self._stop)  # type: ignore[misc]

    def stop(self) -> None:
        """Try no more."""
        self._stop.set()

    def _failed(self, error: RegistryError, pause: float) -> None:
        self._told(f"model {self._version} is not loaded yet: {error}")
        self._log("error", f"loading model {self._version}: {error}; next try in {pause:g} s")
