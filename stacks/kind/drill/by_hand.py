"""What people do to a drill with kubectl that is in no field of the desired state: another image, a pod that is deleted.

Kubernetes notes who wrote a field, and nowhere who deleted a pod. A pod of a Deployment that leaves is somebody's doing if its
Deployment stays as it was, misses it and makes another of the same template, and neither drillbox nor its node is the reason.
In the middle of a rollout nobody can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lightkube.resources.core_v1 import Node, Pod

from ....sandbox.model.service import Change
from ...deploy.kubernetes.names import COMPONENT, MODEL_SERVER, POOL
from ...deploy.kubernetes.seen import MissingError, Seen
from ...services.controller.pods import node_ready
from .authors import author_of_image
from .following import WORKLOADS

ANOTHER = 10.0
"""Drill seconds within which a Deployment has made another pod."""
_TEMPLATE = "pod-template-hash"
"""Label that Deployments give to pods of the same template."""
_DISRUPTED = "DisruptionTarget"
"""Condition of a pod that is evicted or preempted, from Kubernetes 1.26 on."""


class PoolImages:
    """The images of the model servers, as they were seen last."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def look(self, seen: Seen) -> Iterator[Change]:
        """What somebody else has changed since the last look, as `champion.image`."""
        for part, deployment in WORKLOADS.items():
            try:
                now = str(seen.container(deployment, MODEL_SERVER).image or "")
            except MissingError:
                continue
            before = self._known.get(part, now)
            self._known[part] = now
            if now != before and (by := author_of_image(seen.deployments[deployment])):
                yield Change(f"{part}.image", before, now, by)


@dataclass(slots=True)
class _Left:
    """A pod that leaves, or is gone."""

    pod: Pod
    generation: int  # of its Deployment's specification, when it was still there
    others: Collection[str]  # pods that there were then
    since: float


class Deletions:
    """Finds pods that somebody deleted.

    Args:
        now: gives drill time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._there: dict[str, tuple[Pod, int]] = {}  # that were not leaving at the last look
        self._left: dict[str, _Left] = {}
        self._ours: set[str] = set()

    def ours(self, pod: str) -> None:
        """Drillbox deletes this one."""
        self._ours.add(pod)

    def look(self, seen: Seen, pods: Iterable[Pod], nodes: Iterable[Node]) -> list[Pod]:
        """Those that turn out to have been deleted by somebody since the last look."""
        present = {_name(pod): pod for pod in pods if _TEMPLATE in _labels(pod)}
        there = {name: pod for name, pod in present.items() if not _leaves(pod)}
        at_work = {str(node.metadata.name): _at_work(node) for node in nodes if node.metadata}
        known = frozenset(self._there)
        for name, (pod, generation) in self._there.items():
            if name not in there and name not in self._ours:
                last = present.get(name, pod)
                staying = [one for other, one in there.items() if other in known and deployment_of(one) == deployment_of(pod)]
                if not _has_a_reason(last, at_work) and self._is_missed(seen, last, staying, present.values()):
                    self._left[name] = _Left(last, generation, known, self._now())
        self._there = {name: (pod, _generation(seen, pod)) for name, pod in there.items()}
        found = [one for one in self._left.values() if self._is_replaced(one, seen)]
        self._left = {
            name: one
            for name, one in self._left.items()
            if one not in found and _generation(seen, one.pod) == one.generation and self._now() - one.since < ANOTHER
        }
        return [one.pod for one in found]

    def _is_missed(self, seen: Seen, pod: Pod, staying: Sequence[Pod], present: Iterable[Pod]) -> bool:
        """Whether its Deployment did not want to be rid of it: no other template is rolled out, and without it one is missing."""
        templates = {_template(one) for one in present if deployment_of(one) == deployment_of(pod)}
        deployment = seen.deployments.get(deployment_of(pod))
        if deployment is None or not templates <= {_template(pod)}:
            return False
        wanted = deployment.spec.replicas
        return len(staying) < (1 if wanted is None else wanted)

    def _is_replaced(self, one: _Left, seen: Seen) -> bool:
        """Whether its Deployment wants what it wanted, and so has made another."""
        if _generation(seen, one.pod) != one.generation:
            return False
        return any(name not in one.others and _template(pod) == _template(one.pod) for name, (pod, _) in self._there.items())


def deployment_of(pod: Pod) -> str:
    """The name of the Deployment that made it."""
    labels = _labels(pod)
    return labels.get(POOL) or labels.get(COMPONENT, "")


def _generation(seen: Seen, pod: Pod) -> int:
    deployment = seen.deployments.get(deployment_of(pod))
    return int((deployment and deployment.metadata and deployment.metadata.generation) or 0)


def _template(pod: Pod) -> tuple[str, str]:
    """Deployment and template."""
    return deployment_of(pod), _labels(pod).get(_TEMPLATE, "")


def _labels(pod: Pod) -> Mapping[str, str]:
    return (pod.metadata.labels if pod.metadata else None) or {}


def _name(pod: Pod) -> str:
    return str(pod.metadata.name if pod.metadata else "")


def _leaves(pod: Pod) -> bool:
    return bool(pod.metadata and pod.metadata.deletionTimestamp)


def _has_a_reason(pod: Pod, at_work: Mapping[str, bool]) -> bool:
    """Whether it goes because it is over, is evicted, or its node is lost or being emptied."""
    status = pod.status
    if status and status.phase in {"Succeeded", "Failed"}:
        return True
    if any(one.type == _DISRUPTED and one.status == "True" for one in (status.conditions if status else None) or ()):
        return True
    return not at_work.get(str(pod.spec.nodeName if pod.spec else ""), True)


def _at_work(node: Node) -> bool:
    """Whether pods may stay on a node; those that are not known are taken for such."""
    spec = node.spec
    driven = any(one.effect == "NoExecute" for one in (spec.taints if spec else None) or ())
    return node_ready(node) and not (spec and spec.unschedulable) and not driven
