"""Break each invariant of the engine on purpose: some test must fail for each, or nobody guards it.

    python tests/mutations.py            # all of them, some minutes
    python tests/mutations.py order      # those whose name holds a word

Works on a copy of the tree. Exits with 1 if a broken engine passes its tests, and names what was broken.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from os import environ
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/unit/engine/test_engine_properties.py",
    "tests/unit/engine/test_hints_and_notes.py",
    "tests/unit/engine/test_journal_survives.py",
    "tests/unit/engine/test_pacer.py",
    "tests/unit/engine/test_session_and_replay.py",
    "tests/unit/drill/test_engine_keeps_its_invariants.py",
    "tests/unit/core/test_sessions_and_pacing.py",
)
"""Those that guard the engine."""
LINKED = ("drillbox", "sandbox", "stacks", "scenarios", "tui", "tests")
ENGINE = "sandbox/engine.py"


@dataclass(frozen=True)
class Mutation:
    """An invariant, and the line of code that keeps it, as it is and broken. The line occurs once."""

    invariant: str
    before: str
    after: str
    file: str = ENGINE


MUTATIONS = (
    Mutation("events are numbered without gaps", "        self._number += 1\n", "        self._number += 2\n"),
    Mutation("an event carries the time at which it happened", "Event(self._number, self.now,", "Event(self._number, 0.0,"),
    Mutation("injected faults are for the facilitator", "Injected(beat.id, beat.fault, beat.params), Audience.FACILITATOR)", "Injected(beat.id, beat.fault, beat.params))"),
    Mutation("the end of a fault is for the facilitator", "Cleared(beat), Audience.FACILITATOR)", "Cleared(beat))"),
    Mutation("commands are ordered by actor and number", "    return command.actor, command.number\n", "    return command.number, command.actor\n"),
    Mutation("commands take effect at the next step only", "        self._inbox.append(command)\n", "        self._take(command, [], [])\n"),
    Mutation("a command is taken once", "sorted(self._inbox, key=_order), []", "sorted(self._inbox, key=_order), self._inbox"),
    Mutation("an action takes its duration", "self.now + action.duration, command.actor", "self.now, command.actor"),
    Mutation("an action without duration completes at once", "        if action.duration > 0:\n", "        if action.duration >= 0:\n"),
    Mutation("what is due is completed", "self._pending[0].due <= now:", "self._pending[0].due < now:"),
    Mutation("an unknown action is rejected", "        if action is None:\n            raise", "        if action is None:\n            action = ACTIONS['declare']\n        if action is None:\n            raise"),
    Mutation("a stack is asked for nothing that it cannot do", "if action.name not in self._capabilities.actions:", "if action.name in ():"),
    Mutation("parameters are within their bounds", "params = parse_params(action.params, command.params, base_units=True)", "params = dict(command.params)"),
    Mutation("names of versions and replicas are known", "if isinstance(name, str) and name not in known:", "if name == '':"),
    Mutation("an action that makes no sense is rejected when it is asked for", "            action.plan(self.spec, params, self._commands)\n        if action is HINT", "            pass\n        if action is HINT"),
    Mutation("a rejected command changes nothing", 'else f"{error.param}: {error}")))\n            return\n', 'else f"{error.param}: {error}")))\n            action, params = ACTIONS["restart"], {"replica": "all"}\n'),
    Mutation("a plan sees the state in which it is completed", "action.plan(self.spec, pending.params, pending.serial)", "action.plan(self.scenario.service, pending.params, pending.serial)"),
    Mutation("each command has a number of its own", "        self._commands += 1\n", "        self._commands = 1\n"),
    Mutation("a change names who made it", "differences(self.spec, wanted, pending.actor)", "differences(self.spec, wanted, 'you')"),
    Mutation("the stack is told of each change", "effects.append(ApplySpec(wanted, changes))", "effects.append(ApplySpec(wanted, ()))"),
    Mutation("nothing is asked of the stack if nothing changes", "            if changes:\n", "            if True:\n"),
    Mutation("the desired state follows what is recorded", "        self._desire(change)\n        events.append", "        events.append"),
    Mutation("a fault begins at its time", "            return beat.at <= self.now\n", "            return beat.at < self.now\n"),
    Mutation("a fault begins once", "            self._beats.remove(beat)\n", "            pass\n"),
    Mutation("a condition has a latest time", "        if beat.by is not None and beat.by <= self.now:\n            return True\n", ""),
    Mutation("a condition looks at the service", "bool(self._conditions[beat.id].evaluate(self.slis))", "False"),
    Mutation("a fault lasts as long as it lasts", "(self.now + beat.lasts, beat.id)", "(self.now + 2 * beat.lasts, beat.id)"),
    Mutation("the stack is told that a fault is over", "            effects.append(ClearFault(beat))\n", ""),
    Mutation("faults end before others begin", "        self._end_faults(effects, events)\n        self._begin_faults(effects, events)\n", "        self._begin_faults(effects, events)\n        self._end_faults(effects, events)\n"),
    Mutation("what is under way at the end fails", "for one in sorted(self._pending)]", "for one in ()]"),
    Mutation("what was not looked at by the end is rejected", "for command in sorted(self._inbox, key=_order)]\n        self._pending", "for command in ()]\n        self._pending"),
    Mutation("the last ledger is settled", "        if settled is not None:\n", "        if settled is None:\n"),
    Mutation("the last event is the end", "        events.append(self._event(Ended(reason)))\n", "        events.insert(0, self._event(Ended(reason)))\n"),
    Mutation("the warm-up leaves its state behind", "            self.slis, self._first = readings.slis, readings\n", "            self._first = readings\n"),
    Mutation("what fires at the beginning is told", "events += [self._event(_alerted(alert, State.INACTIVE, told=True)) for alert in self.firing.values()]", "pass"),
    Mutation("an alert that is over fires no more", "            self.firing.pop((alert.name, alert.labels), None)\n", "            pass\n"),
    Mutation("a silenced alert is told to nobody", "told=not self.notifications.silenced(alert, transition.at)", "told=True"),
    Mutation("only a firing alert is acknowledged", "            if not chosen:\n", "            if False:\n"),
    Mutation("a version can be named once it is known", "tuple(dict.fromkeys((*self._versions, version.version)))", "self._versions"),
    Mutation("hints come to an end", "self._hints >= len(self.scenario.hints)", "self._hints > len(self.scenario.hints)"),
    Mutation("replicas are those that there are now", "        self._replicas = telemetry.replicas\n        events: list[Event] = []\n", "        events: list[Event] = []\n"),
)  # fmt: skip


def main(words: list[str]) -> int:
    """Try the mutations whose invariant holds one of the words, or all; the exit code."""
    chosen = [one for one in MUTATIONS if not words or any(word in one.invariant for word in words)]
    with tempfile.TemporaryDirectory(prefix="drillbox-mutations-") as folder:
        tree = Path(folder)
        for name in LINKED:
            shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        if not passes(tree):
            print("the tests fail without any mutation", file=sys.stderr)
            return 2
        survivors = [one for one in chosen if survives(one, tree)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} broken engines were noticed")
    return 1 if survivors else 0


def survives(mutation: Mutation, tree: Path) -> bool:
    """Whether no test notices it."""
    path = tree / mutation.file
    text = path.read_text(encoding="utf-8")
    path.write_text(broken(mutation, text), encoding="utf-8")
    try:
        survived = passes(tree)
    finally:
        path.write_text(text, encoding="utf-8")
    print(f"{'NOT NOTICED' if survived else 'noticed':11}  {mutation.invariant}", flush=True)
    return survived


def broken(mutation: Mutation, text: str) -> str:
    """The text of a file, mutated.

    Raises:
        ValueError: what is to be broken is not there once.
    """
    if text.count(mutation.before) != 1:
        raise ValueError(
            f"{mutation.invariant}: found {text.count(mutation.before)} times in {mutation.file}: {mutation.before!r}"
        )
    return text.replace(mutation.before, mutation.after)


def passes(tree: Path) -> bool:
    """Whether the tests pass on a tree; the first that fails is enough."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS]
    cache = environ.get("DRILLBOX_TEST_CACHE", str(ROOT / ".cache" / "drillbox-tests"))
    environment = environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "DRILLBOX_TEST_CACHE": cache}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
