"""Envoy kept in step with a policy, by a thread of its own: files, priming after each of Envoy's starts, and the retry budget."""

from __future__ import annotations

import threading

from ....sandbox.model.errors import DrillboxError, StackError
from ...deploy.envoy.gateway import Envoy
from ...deploy.envoy.policy import Policy
from ..common.logs import Log

PERIOD = 0.2
"""Seconds between two looks at the retry budget."""
PRIMING = 2.0
"""Seconds that Envoy has to answer once it has said that it is ready."""


class Steering:
    """The thread. It begins with the first policy.

    Args:
        envoy: the gateway.
        log: of changes and troubles.
    """

    def __init__(self, envoy: Envoy, log: Log) -> None:
        self._envoy, self._log = envoy, log
        self._policy: Policy | None = None
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="steering", daemon=True)
        self._trouble = ""
        self.ready = False
        """Whether Envoy answers, and its statistics exist."""
        self.writes = 0
        """Policies that were put into force."""
        self.starts = 0
        """Times that Envoy was found to have started."""

    @property
    def written(self) -> bool:
        """Whether Envoy has anything to start with."""
        return self.writes > 0

    def steer(self, policy: Policy) -> None:
        """Put a policy into force; if the thread is busy, the last one counts."""
        self._policy = policy
        self._wake.set()
        if not self._thread.is_alive() and not self._end.is_set():
            self._envoy.adopt()
            self._thread.start()

    def close(self) -> None:
        """Stop; Envoy goes on with what it has."""
        self._end.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._envoy.close()

    def _run(self) -> None:
        done: Policy | None = None
        while not self._end.is_set():
            self._wake.clear()
            policy = self._policy
            try:
                if policy is not None and policy != done:
                    self._envoy.write(policy)
                    done = policy
                    self.writes += 1
                self._look()
                self._trouble = ""
            except DrillboxError as error:
                self._tell(str(error))
            except Exception as error:  # noqa: BLE001 -- a defect: it is told, and the gateway is steered all the same
                self.ready = False
                self._tell(f"the gateway is not steered: {error!r}")
            self._wake.wait(PERIOD)

    def _look(self) -> None:
        """Whether Envoy still is the one that we know; if so, see to the retry budget."""
        if not self._envoy.answers():
            if self.ready:
                self._log("warning", "Envoy does not answer: it ends, or starts again")
            self.ready = False
            return
        if not self.ready:
            self._envoy.restarted()
            self._envoy.wait_ready(PRIMING, lambda: not self._end.is_set())
            self.starts += 1
            self.ready = True
            self._log("info", "Envoy serves")
        try:
            self._envoy.limit_repeats()
        except StackError:  # it has ended since
            self.ready = False
            raise

    def _tell(self, trouble: str) -> None:
        """Once for each new one."""
        if trouble != self._trouble and not self._end.is_set():
            self._log("error", trouble)
        self._trouble = trouble
