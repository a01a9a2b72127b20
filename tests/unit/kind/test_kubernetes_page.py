"""The commands of docs/first-incident-on-kubernetes.md are commands that there are, about things that there are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from drillbox.sandbox.cli.main import LazyGroup, cli
from drillbox.sandbox.loading import Library
from drillbox.sandbox.model.actions import ACTIONS
from drillbox.stacks.deploy.kubernetes import names
from drillbox.stacks.deploy.kubernetes.fields import read_map
from drillbox.wiring import Wiring

PAGE = Path(__file__).parents[3] / "docs" / "first-incident-on-kubernetes.md"
TEXT = PAGE.read_text(encoding="utf-8")
TYPED = [line[3:] for line in re.findall(r"^[12]\$ .*$", TEXT, re.MULTILINE)]
MENTIONED = re.findall(r"`((?:kubectl|drillbox) [^`]+)`", TEXT)
ALL = [*TYPED, *(one.replace("\n", " ") for one in MENTIONED)]
DRILLBOX = [found for line in ALL for found in re.findall(r"drillbox [^\")]+", line)]
KUBECTL = [line for line in ALL if line.startswith("kubectl ")]
VERBS = {"get", "logs", "scale", "patch", "delete pod", "set env", "set resources"} | {
    f"rollout {one}" for one in ("undo", "status", "history", "restart")
}
DEPLOYMENTS = {*names.POOLS, *names.INFRASTRUCTURE}


def test_the_page_has_commands() -> None:
    assert len(TYPED) > 10
    assert DRILLBOX
    assert KUBECTL


@pytest.mark.parametrize("line", DRILLBOX)
def test_drillbox_takes_it(line: str) -> None:
    name, *words = shlex.split(line)[1:]
    context = click.Context(cli, obj=Wiring())
    assert isinstance(cli, LazyGroup)
    command = cli.get_command(context, name)
    assert command is not None, f"no such command: {name}"
    with command.make_context(name, words, parent=context) as made:
        scenario, profile = made.params.get("scenario"), made.params.get("profile")
        stack = made.params.get("stack")
    if scenario:
        entry = next(one for one in Library.packaged().entries() if one.id == scenario)
        assert profile in (None, *entry.profiles)
        assert stack in entry.stacks


@pytest.mark.parametrize("line", KUBECTL)
def test_kubectl_has_the_verb_and_the_drill_the_object(line: str) -> None:
    words = shlex.split(line)[1:]
    verb = next((one for one in VERBS if words[: len(one.split())] == one.split()), "")
    assert verb, f"which is not known here: {line}"
    found = re.search(r"deployment[/ ](\S+)", line)
    assert found is None or found[1] in DEPLOYMENTS
    if verb == "patch":
        (patch,) = [json.loads(word.partition("=")[2]) for word in words if word.startswith("--patch=")]
        assert words[1] == "configmap"
        found_values = read_map(words[2], patch["data"])
        assert found_values.values
        assert not found_values.problems


def test_the_actions_of_the_table_are_actions() -> None:
    named = set(re.findall(r"^\|.*\| `([a-z-]+)` \|$", TEXT, re.MULTILINE))
    assert len(named) > 6
    assert named <= set(ACTIONS)
