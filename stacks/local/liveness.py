"""The kubelet's liveness probe, of replicas that do not answer the gateway: after three failures in a row comes a restart.

The values are those of a cluster (`stacks/deploy/kubernetes/pods.py`). Only who is unreachable is asked, and that in a thread:
who hangs holds nobody else up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from .replicas import Replica, State

PERIOD = 10.0
"""Seconds from one probe to the next."""
TIMEOUT = 5.0
"""Seconds that an answer may take."""
FAILURES = 3
_AT_ONCE = 8  # probes; more wait their turn


@dataclass(slots=True)
class _Probed:
    due: float
    failures: int = 0
    asked: Future[bool] | None = None


class Liveness:
    """Looks after those that do not answer.

    Args:
        ask: whether a service answers at its address, within so many seconds.
    """

    def __init__(self, ask: Callable[[str, float], bool]) -> None:
        self._ask = ask
        self._probed: dict[Replica, _Probed] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, "liveness")

    def look(self, replicas: Sequence[Replica], now: float) -> list[Replica]:
        """Those that have failed their last probe now, at drill time `now`."""
        hanging = [one for one in replicas if one.state is State.UNREACHABLE]
        self._probed = {one: self._probed.get(one) or _Probed(now) for one in hanging}
        return [one for one in hanging if self._fails(one, self._probed[one], now)]

    def close(self) -> None:
        """Ask nobody any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fails(self, one: Replica, probed: _Probed, now: float) -> bool:
        """Whether a replica has just failed for the last time."""
        if probed.asked is not None and probed.asked.done():
            probed.failures = 0 if probed.asked.result() else probed.failures + 1
            probed.asked = None
            return probed.failures == FAILURES
        if probed.asked is None and now >= probed.due and probed.failures < FAILURES:
            probed.due += PERIOD
            probed.asked = self._threads.submit(self._ask, one.url, TIMEOUT)
        return False
