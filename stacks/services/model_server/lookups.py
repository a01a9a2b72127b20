"""Look-ups of online features in the feature store, over HTTP, with a timeout beyond which the server does without."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import httpx
import numpy as np

from ....sandbox.model.features import ONLINE
from ..common.jsons import loads
from .tensors import Floats


class Lookups:
    """A client of the feature store.

    Args:
        url: of the store; empty: there is none, all features are missing.
        origins: names of the airports by code.
        timeout: gives the seconds that a look-up may take.
    """

    def __init__(self, url: str, origins: Sequence[str], timeout: Callable[[], float]) -> None:
        self._url = f"{url.rstrip('/')}/v1/features" if url else ""
        self._origins = origins
        self._timeout = timeout
        self._client = httpx.AsyncClient(timeout=60.0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=64))
        self.results: Counter[str] = Counter()  # by `ok`, `timeout`, `failed`

    async def features(self, origins: Floats) -> Floats:
        """[n, len(ONLINE)] the features of flights from these origins ([n] codes); NaN where the store did not answer in time."""
        codes = origins.astype(np.int64)
        found = np.full((len(codes), len(ONLINE)), np.nan)
        if self._url:
            for code in np.unique(codes).tolist():
                found[codes == code] = await self._one(self._origins[code])
        return found

    async def _one(self, origin: str) -> Floats:
        try:
            async with asyncio.timeout(self._timeout()):
                answer = await self._client.get(self._url, params={"origin": origin})
            values = _values(answer)
        except TimeoutError:
            self.results["timeout"] += 1
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, OverflowError):
            self.results["failed"] += 1
        else:
            self.results["ok"] += 1
            return values
        return np.full(len(ONLINE), np.nan)

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


def _values(answer: httpx.Response) -> Floats:
    answer.raise_for_status()
    raw = loads(answer.content)
    if not isinstance(raw, dict):
        raise TypeError("the store's answer is no object")
    features = raw["features"]
    values = np.array([np.nan if features[name] is None else features[name] for name in ONLINE], np.float64)
    values[np.isinf(values)] = np.nan
    return values
