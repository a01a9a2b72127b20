"""`drillbox cluster`: clusters that stay, so that drills and services come up sooner."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..model.errors import Exit, StackError, UsageError, nearest
from .listing import table
from .output import say, tell
from .terminal import console_progress, quiet_option

if TYPE_CHECKING:
    from ..model.grounds import Cluster, Grounds
    from .wiring import SessionMaker

STACK = "kind"
"""Whose clusters they are."""


@click.group("cluster")
def cluster_group() -> None:
    """Keep Kubernetes clusters for drills.

    A drill on the stack kind makes a cluster if there is none, and takes it away at its end. One that was made here stays until
    `drillbox cluster down`, or `drillbox down` without names: drills on it have a namespace each, and come up in half the time.

    \b
    Examples:
      drillbox cluster up                              the usual one
      drillbox play monday-rush --stack kind           plays on it
      drillbox cluster up lab --workers 3              another one, drillbox-lab
      drillbox run monday-rush --stack kind --cluster lab
      drillbox cluster down lab
    """


@cluster_group.command("up")
@click.argument("name", default="")
@click.option("--workers", type=click.IntRange(0, 8), help="Nodes beside the control plane; DRILLBOX_KIND_WORKERS, else 2.")
@click.option(
    "--port", type=click.IntRange(1024, 65535), help="Of its API on 127.0.0.1; DRILLBOX_KIND_API_PORT, else a free one."
)
@quiet_option
@click.pass_obj
def up_command(wiring: SessionMaker, name: str, workers: int | None, port: int | None) -> int:
    """Make a cluster that stays; NAME begins with drillbox-, which may be left out.

    One that is there is woken if it sleeps, and used as it is, unless an option asks for another; one that was made for a drill
    stays from now on. The application image is built while the nodes come up, and brought onto them.

    \b
    Example:
      drillbox cluster up lab --workers 3

    \b
    Exit codes: 0 it is ready, 2 usage, 3 it could not be made, 130 interrupted: nothing is left of it.
    """
    progress = console_progress()
    try:
        made = _grounds(wiring).up(name, workers, port, progress)
    finally:
        progress.close()
    say(f"{made.name} is ready, with {len(made.nodes)} node{'s' if len(made.nodes) != 1 else ''}.")
    say(f"  kubectl  export KUBECONFIG={made.kubeconfig}")
    say(f"Play on it with: drillbox play SCENARIO --stack {STACK} --cluster {made.name}")
    say(f"End it with: drillbox cluster down {made.name}")
    return int(Exit.PASSED)


@cluster_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print an array of objects.")
@click.pass_obj
def list_command(wiring: SessionMaker, as_json: bool) -> int:
    """List the clusters of this state folder, with what is on them.

    \b
    Example:
      drillbox cluster list --json | jq -r '.[].kubeconfig'

    \b
    Exit codes: 0 listed, 3 the container engine does not answer.
    """
    found = _grounds(wiring).clusters()
    if as_json:
        say(json.dumps([_data(one) for one in found], indent=2))
    elif not found:
        say("There is no cluster. Make one with: drillbox cluster up")
    else:
        say(table([["CLUSTER", "STATE", "NODES", "SINCE", "STAYS", "DRILLS"], *map(_row, found)]))
    return int(Exit.PASSED)


@cluster_group.command("down")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--force", is_flag=True, help="Kill hosts of drills that do not end when they are asked.")
@click.pass_obj
def down_command(wiring: SessionMaker, names: tuple[str, ...], everything: bool, force: bool) -> int:
    """Remove clusters, with the drills that are on them, and verify that nothing is left.

    \b
    Examples:
      drillbox cluster down lab
      drillbox cluster down --all

    \b
    Exit codes: 0 nothing is left, 2 there is no such cluster, 3 something stays: it is named on stderr.
    """
    if everything == bool(names):
        raise click.UsageError("name the clusters to remove, or give --all")
    grounds, keeper = _grounds(wiring), wiring.housekeeping()[STACK]
    known = grounds.names()
    wanted = list(known) if everything else [grounds.full_name(name) for name in names]
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no cluster {name}; {nearest(name, known) if known else 'there is none at all'}")
    left = keeper.down(wanted, _tell, force=force)
    for one in left:
        for thing in one.things:
            tell(f"drillbox: {one.session}: still there: {thing}")
    if left:
        return int(Exit.STACK)
    say("Nothing is left.")
    return int(Exit.PASSED)


def _tell(text: str) -> None:
    """What was done is what the command was asked for: data, not a diagnostic."""
    say(text)


def _grounds(wiring: SessionMaker) -> Grounds:
    found = wiring.grounds().get(STACK)
    if found is None:
        raise StackError(f"there is no stack {STACK}")
    return found


def _row(one: Cluster) -> list[str]:
    states = {node.state for node in one.nodes}
    state = "gone" if not one.nodes else "incomplete" if not one.ready else ", ".join(sorted(states))
    since = "-" if one.since is None else one.since.astimezone().strftime("%H:%M:%S")
    stays = f"goes with {one.session}" if one.session else "yes"
    return [one.name, state, str(len(one.nodes)), since, stays, " ".join(one.drills) or "-"]


def _data(one: Cluster) -> dict[str, object]:
    return {
        "cluster": one.name,
        "ready": one.ready,
        "nodes": {node.name: node.state for node in one.nodes},
        "since": None if one.since is None else one.since.isoformat(timespec="seconds"),
        "kubeconfig": one.kubeconfig,
        "session": one.session or None,
        "drills": list(one.drills),
    }
