"""What the pods of a job said last, or why they never said anything."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightkube import AsyncClient
    from lightkube.resources.core_v1 import Pod

LINES = 20
"""Lines of a log that are looked at from its end."""
LONGEST = 500
"""Characters of a line that are told."""


def reason(error: Exception) -> str:
    """An error in one line."""
    text = str(error).strip().splitlines()
    return text[0][:LONGEST] if text else type(error).__name__


async def last_words(client: AsyncClient, job: str) -> str:
    """The last line of a job's log, and how its latest pod ended or why it does not run."""
    from lightkube.resources.core_v1 import Pod

    try:
        pods = [pod async for pod in client.list(Pod, labels={"job-name": job})]
    except Exception as error:  # noqa: BLE001 -- which errors there are depends on the client's version
        return f"its pods cannot be looked at: {reason(error)}"
    if not pods:
        return "it has no pod"
    latest = max(pods, key=_begun)
    parts = (await _last_line(client, latest), _state(latest))
    return "; ".join(part for part in parts if part) or "it said nothing"


async def _last_line(client: AsyncClient, pod: Pod) -> str:
    try:
        lines = [
            line async for line in client.log(str(pod.metadata.name if pod.metadata else ""), tail_lines=LINES, newlines=False)
        ]
    except Exception:  # noqa: BLE001 -- a container that never ran has no log; its state says why
        return ""
    told = [line for line in lines if line.strip()]
    return _text(told[-1])[:LONGEST] if told else ""


def _text(line: str) -> str:
    """What a line of ours says, without time and component; any other as it is."""
    try:
        raw = json.loads(line)
        return str(raw["text"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return line


def _state(pod: Pod) -> str:
    """How the pod's container ended, or why it waits; empty if there is nothing to add."""
    status = pod.status
    for container in (status.containerStatuses or ()) if status else ():
        state = container.state
        if state and state.terminated:
            why = state.terminated.reason or "ended"
            return f"{why}, exit code {state.terminated.exitCode}"
        if state and state.waiting:
            return f"{state.waiting.reason or 'it waits'}: {state.waiting.message or 'no more is known'}"[:LONGEST]
    for condition in (status.conditions or ()) if status else ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason or 'it has no node'}: {condition.message or 'no more is known'}"[:LONGEST]
    return ""


def _begun(pod: Pod) -> dt.datetime:
    made = pod.metadata.creationTimestamp if pod.metadata else None
    return made or dt.datetime.min.replace(tzinfo=dt.UTC)
