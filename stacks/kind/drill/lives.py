"""Which pods serve for a component, and which run of their containers that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lightkube.resources.core_v1 import Pod

from ...deploy.kubernetes.names import COMPONENT


def of_component(pods: Iterable[Pod], component: str) -> Iterator[Pod]:
    """The pods of a component, but for those that are to end."""
    for pod in pods:
        meta = pod.metadata
        if meta is not None and not meta.deletionTimestamp and (meta.labels or {}).get(COMPONENT) == component:
            yield pod


def is_ready(pod: Pod) -> bool:
    """Whether the cluster calls it ready."""
    conditions = (pod.status.conditions if pod.status else None) or ()
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def runs(pod: Pod) -> frozenset[str]:
    """The runs of the containers of a pod: another one after each restart."""
    statuses = (pod.status.containerStatuses if pod.status else None) or ()
    return frozenset(one.containerID for one in statuses if one.containerID and one.state and one.state.running)


class Essential:
    """Components whose one life is the drill's.

    Args:
        components: their names.
    """

    def __init__(self, components: Sequence[str]) -> None:
        self._components = components
        self._known: dict[str, str] = {}  # the run of its container, by component

    def ended(self, pods: Iterable[Pod]) -> str:
        """Which of them began anew or is gone, once it was there; empty if none."""
        pods = tuple(pods)
        for component in self._components:
            lives = {run for pod in of_component(pods, component) for run in runs(pod)}
            known = self._known.get(component)
            if known is None and lives:
                self._known[component] = min(lives)
            elif known is not None and known not in lives:
                return component
        return ""
