"""What other drills that are played on a cluster mean for whoever wants it, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ....sandbox.model.errors import StackError
from ..records.drills import folder_of
from .engine import Engine, NodeContainer
from .node_hands import NODE, undo_log


def wreck_in_use(cluster: str, drills: Sequence[str]) -> StackError:
    """Why a cluster that cannot be used is not removed."""
    who = f"the drill {drills[0]} is" if len(drills) == 1 else f"the drills {', '.join(drills)} are"
    return StackError(
        f"cluster {cluster} lost a node, or does not get ready, and {who} played on it: end that first ({_down(drills)}), "
        "or choose another cluster"
    )


def lost_to(base: Path, drills: Sequence[str], engine: Engine) -> Mapping[str, str]:
    """Nodes' containers that are lost to faults of living drills, as their undo logs tell, and whose fault: theirs to undo."""
    return {
        str(entry.data.get("container")): drill
        for drill in drills
        for entry in undo_log(folder_of(base, drill), engine).pending()
        if entry.kind == NODE
    }


def check_lost(base: Path, cluster: str, nodes: Sequence[NodeContainer], drills: Sequence[str], engine: Engine) -> None:
    """See that no node is lost to a fault of a living drill: nobody else is to undo that.

    Raises:
        StackError: one is.
    """
    lost = lost_to(base, drills, engine)
    for node in nodes:
        if drill := lost.get(node.id) or lost.get(node.name):
            raise StackError(
                f"cluster {cluster}: the node {node.name} is lost to a fault of the drill {drill}, which is played on it: "
                f"wait until that is over, end it ({_down([drill])}), or choose another cluster"
            )


def _down(drills: Sequence[str]) -> str:
    return f"drillbox down --stack kind {' '.join(drills)}"
