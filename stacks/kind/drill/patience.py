"""A way to the services that a busy machine does not break: what could not be delivered is sent again for a while.

The API's proxy answers for a service that is not ready for a moment (`no endpoints available`), and a machine that is short of
processors answers late. Orders are the same when they come twice, so neither is the end of a drill.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

PATIENCE = 15.0
"""Wall seconds after the first attempt in which there may be another."""
PAUSE = 0.5
"""Wall seconds between two of them."""
_HEALTH = ("/readyz", "/healthz")
"""Who asks for these wants to know how it is now."""
_GATEWAY = frozenset((httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT))


class Patient(httpx.BaseTransport):
    """Sends again what did not reach its service, or was not answered in time.

    Args:
        inner: the way.
        clock: gives wall seconds.
        sleep: waits so many of them.
    """

    def __init__(
        self,
        inner: httpx.BaseTransport,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner, self._clock, self._sleep = inner, clock, sleep
        self.worth_it: Callable[[], bool] = lambda: True
        """Says whether there is hope; if not, the first failure is the last."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """As `httpx.BaseTransport`.

        Raises:
            httpx.TransportError: as the way itself does, when patience is at its end.
        """
        request.read()  # what is sent twice has to be there twice
        deadline = self._clock() + (0.0 if request.url.path.endswith(_HEALTH) else PATIENCE)
        while True:
            try:
                answer = self._inner.handle_request(request)
            except httpx.TransportError:
                if self._is_over(deadline):
                    raise
            else:
                if not _is_of_proxy(answer) or self._is_over(deadline):
                    return answer
                answer.close()
            self._sleep(PAUSE)

    def close(self) -> None:
        """As `httpx.BaseTransport`."""
        self._inner.close()

    def _is_over(self, deadline: float) -> bool:
        return self._clock() + PAUSE > deadline or not self.worth_it()


def _is_of_proxy(answer: httpx.Response) -> bool:
    """Whether the API answers in place of the service: its errors are objects of the kind `Status`."""
    if answer.status_code not in _GATEWAY:
        return False
    answer.read()
    try:
        return bool(answer.json()["kind"] == "Status")
    except (ValueError, KeyError, TypeError):
        return False
