"""Look-ups of online features in the feature store, over HTTP, with a timeout beyond which the server does without."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import quote, urlsplit

import numpy as np

from ....sandbox.model.features import ONLINE
from ..common.client import Pool
from ..common.jsons import loads
from .tensors import Floats

OK = 200


class Attempt:
    """One look-up under way; its result is the answer's status and body, or the reason why there is none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.result: asyncio.Future[tuple[int, bytes]] = loop.create_future()

    def answered(self, status: int, body: bytes) -> None:
        """The whole answer is there."""
        if not self.result.done():
            self.result.set_result((status, body))

    def broken(self, reason: str) -> None:
        """There is none."""
        if not self.result.done():
            self.result.set_exception(ConnectionError(reason))


class Lookups:
    """A client of the feature store; it costs each request, so it is the light one (docs/decisions/0009).

    Args:
        url: of the store; empty: there is none, all features are missing.
        origins: names of the airports by code.
        timeout: gives the seconds that a look-up may take.
    """

    def __init__(self, url: str, origins: Sequence[str], timeout: Callable[[], float]) -> None:
        address = urlsplit(url)
        self._pool = Pool(address.hostname or "", address.port or 80) if url else None
        path = f"{address.path.rstrip('/')}/v1/features?origin="
        self._requests = tuple(
            f"GET {path}{quote(name, safe='')} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode() for name in origins
        )
        self._timeout = timeout
        self.results: Counter[str] = Counter()  # by `ok`, `timeout`, `failed`

    async def features(self, origins: Floats) -> Floats:
        """[n, len(ONLINE)] the features of flights from these origins ([n] codes); NaN where the store did not answer in time."""
        codes = origins.astype(np.int64)
        found = np.full((len(codes), len(ONLINE)), np.nan)
        if self._pool is not None:
            for code in np.unique(codes).tolist():
                found[codes == code] = await self._one(self._pool, self._requests[code])
        return found

    async def _one(self, pool: Pool, request: bytes) -> Floats:
        attempt = Attempt(asyncio.get_running_loop())
        connection = pool.send((request,), attempt)
        try:
            async with asyncio.timeout(self._timeout()):
                status, body = await attempt.result
            values = _values(status, body)
        except TimeoutError:
            connection.give_up()
            self.results["timeout"] += 1
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            self.results["failed"] += 1
        else:
            self.results["ok"] += 1
            return values
        return np.full(len(ONLINE), np.nan)

    async def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            self._pool.close()


def _values(status: int, body: bytes) -> Floats:
    if status != OK:
        raise ValueError(f"the store answered {status}")
    raw = loads(body)
    if not isinstance(raw, dict):
        raise TypeError("the store's answer is no object")
    features = raw["features"]
    values = np.array([np.nan if features[name] is None else features[name] for name in ONLINE], np.float64)
    values[np.isinf(values)] = np.nan
    return values
