"""A client of the registry service: for the host, model servers, the pipeline and training jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from ....sandbox.learning import store
from ....sandbox.learning.version import ModelVersion
from ....sandbox.model.errors import Exit, UsageError
from .artifacts import MEDIA_TYPE, MOST, Artifact, digest, is_damaged, pack, unpack
from .http import TOKEN_HEADER

T = TypeVar("T")

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
"""Seconds of silence after which a request has failed."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds until a failed request is made again: the first time, and at most; they double in between."""

_OK, _CREATED, _NOT_FOUND, _CONFLICT = 200, 201, 404, 409


class RegistryError(UsageError):
    """The registry does not give or take a model now; it may do so later."""

    exit_code = Exit.STACK


class RegistryClient:
    """Downloads models into this machine's store, and uploads models from there.

    Args:
        url: of the registry, such as `http://registry:8080`, or of its mirror (`.../mirror`).
        token: for uploads.
        client: sends the requests; one of its own if not given. Its credentials are used where a proxy wants any.
    """

    def __init__(self, url: str, token: str = "", client: httpx.Client | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {TOKEN_HEADER: token} if token else {}
        self._client = client or httpx.Client(timeout=TIMEOUT, trust_env=False)
        self._own = client is None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        """Close it."""
        self.close()

    def models(self) -> tuple[str, ...]:
        """Ids of all models that there are.

        Raises:
            RegistryError: it does not answer.
        """
        answer = self._send("GET", "")
        self._expect(answer, _OK)
        try:
            return tuple(str(one["id"]) for one in answer.json()["models"])
        except (ValueError, KeyError, TypeError) as error:
            raise RegistryError(f"{self.url} is no registry: {error!r}") from None

    def has(self, model: str) -> bool:
        """Whether there is such a model.

        Raises:
            RegistryError: it does not answer.
        """
        answer = self._send("HEAD", model)
        if answer.status_code == _NOT_FOUND:
            return False
        self._expect(answer, _OK)
        return True

    def download(self, model: str) -> Artifact:
        """The files of a model.

        Raises:
            RegistryError: it is not there, or not to be had now.
            ArtifactError: what came is damaged, hostile or another model.
        """
        try:
            with self._client.stream("GET", self._address(model)) as answer:
                if answer.status_code != _OK:
                    answer.read()
                self._expect(answer, _OK)
                content = bytearray()
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > MOST:
                        raise RegistryError(f"model {model} from {self.url} has more than {MOST:,} bytes")
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if is_damaged(content, answer.headers.get("Content-Digest", "")):
            raise RegistryError(f"model {model} from {self.url} was damaged on its way")
        return unpack(bytes(content), model)

    def fetch(self, model: str) -> ModelVersion:
        """A model that is in this machine's store after that.

        Raises:
            RegistryError: it is not there, or not to be had now.
            UsageError: it is damaged or hostile, or the store cannot be written.
        """
        return store.find(model) or self.download(model).install()

    def upload(self, model: str) -> bool:
        """Let the registry have a model of this machine's store, unless it has one of that id; whether it had none.

        Raises:
            RegistryError: it does not take it.
            UsageError: there is no such model in the store.
        """
        return not self.has(model) and self.add(model, pack(model))

    def add(self, model: str, content: bytes) -> bool:
        """Let the registry have an archive, unless it has one of that id; whether it had none.

        Raises:
            RegistryError: it does not take it.
        """
        answer = self._send("PUT", model, content, {"Content-Type": MEDIA_TYPE, "Content-Digest": digest(content)})
        if answer.status_code == _CONFLICT:  # somebody was faster, and training is the same but for its bytes
            return False
        self._expect(answer, _OK, _CREATED)
        return answer.status_code == _CREATED

    def close(self) -> None:
        """Give the connections back."""
        if self._own:
            self._client.close()

    def _address(self, model: str) -> str:
        return f"{self.url}/v1/models" + (f"/{model}" if model else "")

    def _send(self, method: str, model: str, content: bytes | None = None, more: dict[str, str] | None = None) -> httpx.Response:
        try:
            return self._client.request(method, self._address(model), content=content, headers=self._headers | (more or {}))
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def _away(self, error: httpx.HTTPError) -> RegistryError:
        return RegistryError(f"no answer from the artifact store at {self.url}: {str(error) or type(error).__name__}")

    def _expect(self, answer: httpx.Response, *statuses: int) -> None:
        if answer.status_code in statuses:
            return
        try:
            why = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            why = ""
        status = f"{answer.status_code} {answer.reason_phrase}".strip()
        raise RegistryError(f"{status} from the artifact store at {self.url}" + (f": {why}" if why else ""))


def persist(
    task: Callable[[], T], told: Callable[[RegistryError, float], None], stop: threading.Event, patience: float | None = None
) -> T:
    """Do something with the registry, again and again until it is done.

    Args:
        task: that is done.
        told: hears of each failure, and in how many seconds the next try is.
        stop: ends it.
        patience: seconds after which it is given up; never if not given.

    Raises:
        RegistryError: it was ended or given up: the last failure.
    """
    pause, deadline = FIRST_PAUSE, None if patience is None else time.monotonic() + patience
    while True:
        try:
            return task()
        except RegistryError as error:
            if stop.is_set() or (deadline is not None and time.monotonic() + pause > deadline):
                raise
            told(error, pause)
            if stop.wait(pause):
                raise
        pause = min(2.0 * pause, LONGEST_PAUSE)
