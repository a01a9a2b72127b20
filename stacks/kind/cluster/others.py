"""What other drills that are played on a cluster mean for whoever wants it, too."""

from __future__ import annotations

from collections.abc import Sequence
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


def check_lost(base: Path, cluster: str, nodes: Sequence[NodeContainer], drills: Sequence[str], engine: Engine) -> None:
    """See that no node is lost to a fault of a living drill, as its undo log tells: nobody else is to undo that.

    Raises:
        StackError: one is.
    """
    for drill in drills:
        pending = undo_log(folder_of(base, drill), engine).pending()
        lost = {entry.data.get("container") for entry in pending if entry.kind == NODE}
        for node in nodes:
            if {node.id, node.name} & lost:
                raise StackError(
                    f"cluster {cluster}: the node {node.name} is lost to a fault of the drill {drill}, which is played on it: "
                    f"wait until that is over, end it ({_down([drill])}), or choose another cluster"
                )


def _down(drills: Sequence[str]) -> str:
    return f"drillbox down --stack kind {' '.join(drills)}"
