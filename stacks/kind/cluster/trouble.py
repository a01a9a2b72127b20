"""What kind's output means when it fails, and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ....sandbox.model.errors import StackError
from .programs import ProgramError

_SLOW = r"timed out waiting for the condition|context deadline exceeded|kubelet isn't running"
_INOTIFY = "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288"
_KNOWN: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), advice)
    for pattern, advice in (
        (r"port is already allocated|address already in use", "a port is taken by another program: stop it (ss -tlnp)"),
        (r"permission denied.*docker.*sock", "you may not use the container engine: sudo usermod -aG docker $USER"),
        (
            r"cannot connect to the docker daemon|error during connect",
            "the container engine does not answer any more: start it again",
        ),
        (r"node\(s\) already exist", "another process made a cluster of the same name at the same time; choose another name"),
        (r"too many open files|inotify", f"the system's inotify limits are too low: {_INOTIFY}"),
        (r"no space left on device", "the engine's disk is full: docker system prune"),
        (
            r"failed to pull image|manifest (for .* )?(not found|unknown)|no such image|pull access denied|from daemon: get ",
            "the node image cannot be had; DRILLBOX_KIND_IMAGE names one that is here or can be pulled",
        ),
        (r"could not find a log line that matches", f"a node did not start; often inotify limits are too low: {_INOTIFY}"),
        (
            r"no such container|container \S+ is not running",
            "a node went away while the cluster was made: somebody deleted or stopped it",
        ),
        (_SLOW, "the machine was too slow, or had too little memory: see drillbox doctor --stack kind"),
    )
)


class SlowError(StackError):
    """One of kubeadm's own deadlines passed: on a busy machine a second attempt may well be in time."""


def failure(name: str, error: ProgramError, step: str) -> StackError:
    """What to tell when kind failed at a cluster."""
    slow = re.search(_SLOW, error.output, re.IGNORECASE) is not None
    return (SlowError if slow else StackError)(f"cluster {name}: {explain(error, step)}")


def explain(error: ProgramError, step: str) -> str:
    """One line: the step, what kind said, and the advice for what is known."""
    where = f"at the step {step.removeprefix('kind: ')!r}" if step else "at its beginning"
    advice = next((advice for pattern, advice in _KNOWN if pattern.search(error.output)), "")
    said = _said(error.output)
    if "did not end within" in str(error):
        said = str(error)
    return f"kind failed {where}: {said or error}{f'; {advice}' if advice else ''}"


def _said(output: str) -> str:
    """The line with the error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    return errors[-1].removeprefix("ERROR: ") if errors else ""
