"""Where predictions go: to the end of a file, or to the pipeline over HTTP."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..common.http import TOKEN_HEADER
from .settings import ModelSettings

if TYPE_CHECKING:
    import httpx

TIMEOUT = 5.0
"""Seconds of silence after which the pipeline does not take a batch."""

_REFUSED = frozenset((400, 413, 422))


class UnwrittenError(Exception):
    """Nothing of a batch was taken; the message says why.

    Args:
        text: where it was to go, and why it did not.
        keep: whether the same batch may be taken later.
    """

    def __init__(self, text: str, *, keep: bool) -> None:
        super().__init__(text)
        self.keep = keep


class Outlet(Protocol):
    """Takes batches of lines."""

    def write(self, lines: bytes) -> None:
        """Take whole lines.

        Raises:
            UnwrittenError: it cannot.
        """

    def close(self) -> None:
        """Nothing comes any more."""


def outlet_of(settings: ModelSettings) -> Outlet | None:
    """Where predictions go by the settings; None: nowhere."""
    if settings.log_url:
        return HttpOutlet(settings.log_url, settings.token)
    return FileOutlet(settings.log_file) if settings.log_file else None


class FileOutlet:
    """Appends to a file. What cannot be written is lost: who reads the file goes on with what comes later."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, lines: bytes) -> None:
        """As `Outlet`."""
        try:
            with self._path.open("ab") as file:
                start = file.tell()
                try:
                    file.write(lines)
                    file.flush()
                except OSError:
                    os.truncate(self._path, start)  # no half line stays
                    raise
        except OSError as error:
            text = f"predictions cannot be logged to {self._path}: {error.strerror}; they are dropped"
            raise UnwrittenError(text, keep=False) from error

    def close(self) -> None:
        """As `Outlet`."""


class HttpOutlet:
    """Posts to the pipeline. What it does not take now waits: the pipeline may be starting anew.

    Args:
        url: that takes `POST` of JSON Lines.
        token: that it asks for.
        client: sends the requests; one of its own if not given.
    """

    def __init__(self, url: str, token: str, client: httpx.Client | None = None) -> None:
        import httpx  # only here: a server that logs to a file does without

        self._error = httpx.HTTPError
        self._url = url
        self._headers = {"Content-Type": "application/jsonl", TOKEN_HEADER: token}
        self._client = client or httpx.Client(timeout=TIMEOUT, trust_env=False)

    def write(self, lines: bytes) -> None:
        """As `Outlet`."""
        try:
            status = self._client.post(self._url, content=lines, headers=self._headers).status_code
        except self._error as error:
            why = str(error) or type(error).__name__
            raise UnwrittenError(f"predictions cannot be sent to {self._url}: {why}; they wait", keep=True) from error
        if 200 <= status < 300:
            return
        keep = status not in _REFUSED
        fate = "they wait" if keep else "they are dropped"
        raise UnwrittenError(f"predictions cannot be sent to {self._url}: it answers {status}; {fate}", keep=keep)

    def close(self) -> None:
        """As `Outlet`."""
        self._client.close()
