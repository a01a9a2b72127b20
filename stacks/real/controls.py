"""Orders to the services of a drill: HTTP, with the session's token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from ...sandbox.model.errors import StackError
from ..services.common.http import TOKEN_HEADER

PATIENCE = 5.0
"""Seconds that a service has to answer."""


class RefusedError(StackError):
    """A service answered, but not with success; `why` is what it said, with an HTTP status."""

    def __init__(self, request: str, status: int, why: str) -> None:
        super().__init__(f"{request}: {status}: {why}")
        self.status, self.why = status, why


class Controls:
    """A client of all services.

    Args:
        token: what they ask for.
        transport: leads to them; plain connections if not given. Something on another way may take the usual header for itself.
    """

    def __init__(self, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if transport is None else {TOKEN_HEADER: token}
        self._client = httpx.Client(headers=headers, timeout=PATIENCE, trust_env=False, transport=transport)

    def ready(self, url: str) -> bool:
        """Whether a service can do its work."""
        try:
            return self._client.get(f"{url}/readyz", timeout=0.5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def alive(self, url: str, patience: float) -> bool:
        """Whether a service answers within so many seconds. May be called from any thread."""
        try:
            return self._client.get(f"{url}/healthz", timeout=patience).is_success
        except httpx.HTTPError:
            return False

    def get(self, url: str, **params: str | int) -> Any:
        """What a service tells, as JSON.

        Raises:
            StackError: it does not answer, or not with success.
        """
        return self._ask("GET", url, None, params)

    def put(self, url: str, body: Mapping[str, object] | Sequence[object] | None = None, patience: float = PATIENCE) -> Any:
        """Set something; the service has `patience` seconds.

        Raises:
            StackError: the service does not answer, or not with success.
        """
        return self._ask("PUT", url, body, {}, patience)

    def post(self, url: str, body: Mapping[str, object]) -> Any:
        """Change something.

        Raises:
            StackError: the service does not answer, or not with success.
        """
        return self._ask("POST", url, body, {})

    def delete(self, url: str) -> None:
        """Take something away.

        Raises:
            StackError: the service does not answer, or not with success.
        """
        self._ask("DELETE", url, None, {})

    def close(self) -> None:
        """Give connections back."""
        self._client.close()

    def _ask(
        self, method: str, url: str, body: object, params: Mapping[str, str | int | float], patience: float = PATIENCE
    ) -> Any:
        try:
            answer = self._client.request(method, url, json=body, params=dict(params), timeout=patience)
        except httpx.HTTPError as error:
            raise StackError(f"{method} {url}: no answer: {str(error) or type(error).__name__}") from error
        if answer.is_error:
            raise RefusedError(f"{method} {url}", answer.status_code, _why(answer))
        return answer.json() if answer.content else None


def _why(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
