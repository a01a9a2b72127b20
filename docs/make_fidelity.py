# ruff: noqa: INP001 - a script, no package
"""Play the matrix of fidelity on a stack, in real time, and write what was measured into `fidelity.md`.

    python docs/make_fidelity.py                       # local: every scenario, reference and idle, three times in a row
    python docs/make_fidelity.py --stack kind
    python docs/make_fidelity.py monday-rush --times 1 --no-write
    python docs/make_fidelity.py --lanes 3             # three drills at a time
    python docs/make_fidelity.py --stack kind --kept --results A --results B    # play nothing: write what A and B hold together

What is done is kept in the state folder and not repeated, so that it can be interrupted and gone on with; --fresh begins anew.
Each stack has a part of the page and a file of results of its own: to write one part leaves the others as they are.
Exits with 0 if each drill came to the expected verdict and kept every band.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from drillbox.sandbox.cli.comparing import Reduced, check_stack, held_against, simulated
from drillbox.sandbox.cli.output import say, tell
from drillbox.sandbox.cli.playing import Request, find, whole_library
from drillbox.sandbox.cli.terminal import ConsoleProgress, console_progress
from drillbox.sandbox.cli.wiring import SessionMaker
from drillbox.sandbox.fidelity.bands import Comparison
from drillbox.sandbox.fidelity.matrix import Cell, Results, Source, cells_of, fill, rows_of
from drillbox.sandbox.fidelity.page import measured, with_measured
from drillbox.sandbox.model.errors import DrillboxError, Exit, UsageError
from drillbox.sandbox.paths import home
from drillbox.sandbox.provenance import cpu_model, versions
from drillbox.wiring import Wiring

HERE = Path(__file__).parent
PAGE = HERE / "fidelity.md"


def commit() -> str:
    """That of the code, with a plus where files were changed since."""
    git = ["git", "-C", str(HERE)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "--", "../sandbox", "../stacks", "../scenarios", "../drillbox"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    return f"{name}+" if changed else name


def how(asked: argparse.Namespace) -> str:
    """What is played, and how often."""
    runs = f"{asked.times} run{'' if asked.times == 1 else 's'} each"
    lanes = f", {asked.lanes} drills at a time" if asked.lanes > 1 else ""
    return f"profile `{asked.profile}`, seed {asked.seed}, {runs}{lanes}"


def source() -> Source:
    """This code, on this machine, today."""
    named = ", ".join(f"{name} {version}" for name, version in versions().items())
    machine = f"{cpu_model()}, {os.cpu_count()} cores, {platform.system()}; {named}"
    return Source(commit(), f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}", machine)


class Player:
    """Plays cells; each drill is simulated once."""

    def __init__(self, wiring: SessionMaker, stack: str, profile: str, seed: int, *, quiet: bool = False) -> None:
        self._wiring = wiring
        self._quiet = quiet
        self._wanted = Request("", "", seed, profile, stack)
        self._simulated: dict[tuple[str, str], Reduced] = {}

    def __call__(self, cell: Cell) -> Comparison:
        """The cell on both stacks."""
        wanted = self._wanted
        request = Request(cell.scenario.id, cell.operator, wanted.seed, wanted.profile, wanted.stack)
        progress = ConsoleProgress(quiet=True) if self._quiet else console_progress()
        try:
            key = (request.scenario, request.operator)
            if key not in self._simulated:
                self._simulated[key] = simulated(self._wiring, request, progress)
            return held_against(self._wiring, self._simulated[key], request, progress)
        finally:
            progress.close()


def play_in_lanes(results: Results, names: Sequence[str], asked: argparse.Namespace) -> None:
    """Play several scenarios at a time, each in a process that does what this one is asked to do.

    Raises:
        KeyboardInterrupt: somebody interrupts; the drills have been taken down.
    """
    again = [sys.executable, __file__, "--stack", asked.stack, "--profile", asked.profile, "--seed", str(asked.seed)]
    again += ["--times", str(asked.times), "--no-write", "--quiet"]
    paths = [results.path.with_suffix(f".lane{number}.json") for number in range(1, min(asked.lanes, len(names)) + 1)]
    for path in () if asked.fresh else paths:
        results.take(Results.read(path))  # of a run that was killed
    started = []
    try:
        for number, path in enumerate(paths):
            Results(path).take(results)
            mine = names[number :: len(paths)]
            started.append(subprocess.Popen([*again, "--results", str(path), *mine], stdout=subprocess.DEVNULL))
        for process in started:
            process.wait()
    except KeyboardInterrupt:
        for process in started:
            process.terminate()
        raise
    finally:
        for process in started:
            process.wait()
        for path in paths:
            results.take(Results.read(path))
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def standing(stack: str) -> Iterator[None]:
    """A cluster for all drills, if they need one: else each would make its own, and remove it."""
    if stack != "kind":
        yield
        return
    from drillbox.stacks.kind.cluster.clusters import Clusters
    from drillbox.stacks.kind.cluster.engine import connect
    from drillbox.stacks.kind.cluster.making import Wanted
    from drillbox.stacks.kind.settings import Settings

    found, progress = Settings.read(), console_progress()
    with contextlib.closing(connect()) as engine:
        clusters = Clusters(home() / "kind", engine)
        made = clusters.ensure(Wanted(found.cluster, found.workers, found.node_image, found.api_port), progress).made
        progress.close()
        try:
            yield
        finally:
            if made:
                clusters.remove(found.cluster, progress)
                progress.close()


def file_of(path: Path, asked: argparse.Namespace) -> Path:
    """A file of results; that of a state folder if a folder is named."""
    name = f"matrix-{asked.stack}-{asked.profile}-{asked.seed}.json"
    return path / "fidelity" / name if path.is_dir() or path == home() else path


def there(path: Path) -> Results:
    """Results to merge in.

    Raises:
        UsageError: there are none, or they are damaged.
    """
    if not path.is_file():
        raise UsageError(f"there are no results to merge in at {path}")
    return Results.read(path)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenarios", nargs="*", help="ids of those to play; the whole library if none is named")
    parser.add_argument("--stack", default="local", help="what is compared with the simulation (default: local)")
    parser.add_argument("--profile", default="short", help="of the scenarios (default: short)")
    parser.add_argument("--seed", type=int, default=1, help="of the random streams (default: 1)")
    parser.add_argument("--times", type=int, default=3, help="drills in a row for each scenario and operator (default: 3)")
    parser.add_argument("--fresh", action="store_true", help="play again what was done before")
    parser.add_argument("--no-write", action="store_true", help=f"leave {PAGE.name} as it is")
    parser.add_argument("--lanes", type=int, default=1, help="drills at a time (default: 1)")
    parser.add_argument(
        "--results",
        type=Path,
        action="append",
        default=[],
        help="file that keeps what is done, or a state folder with one (default: the state folder); given again: merged in",
    )
    parser.add_argument("--kept", action="store_true", help="play nothing; write what is kept")
    parser.add_argument("--quiet", action="store_true", help="no progress but a line for each drill")
    asked = parser.parse_args()
    if asked.kept and (asked.fresh or asked.no_write):
        parser.error("--kept writes what is kept: it goes neither with --fresh nor with --no-write")
    for name in ("times", "lanes"):
        if getattr(asked, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return asked


def main(wiring: SessionMaker) -> int:
    """Play, print, write."""
    asked = parse()
    check_stack(wiring, asked.stack)
    library = [find(wiring, name, asked.profile) for name in whole_library(wiring, asked.profile)]
    chosen = [find(wiring, name, asked.profile) for name in asked.scenarios] or library
    cells = cells_of(chosen, asked.times)
    if not asked.no_write:
        with_measured(PAGE.read_text(encoding="utf-8"), asked.stack, "")  # before the drills, not after them
    path, *others = [file_of(one, asked) for one in asked.results or [home()]]
    results = Results(path) if asked.fresh else Results.read(path)
    for other in others:
        results.take(there(other))
    player = Player(wiring, asked.stack, asked.profile, asked.seed, quiet=asked.quiet)
    try:
        if asked.lanes > 1 and not asked.kept:
            if asked.stack == "kind":
                raise UsageError("--lanes: one drill at a time on a cluster: its nodes share this machine")
            play_in_lanes(results, [one.id for one in chosen], asked)
        if not asked.kept:
            with standing(asked.stack):
                fill(results, cells, player, source(), tell)
    except KeyboardInterrupt:
        tell(f"interrupted; what was finished is in {path}, and the same command goes on from there")
        return int(Exit.INTERRUPTED)
    rows = list(rows_of(results, cells))
    text = measured(list(rows_of(results, cells_of(library, asked.times))), how(asked))
    say(text)
    if not asked.no_write:
        PAGE.write_text(with_measured(PAGE.read_text(encoding="utf-8"), asked.stack, text), encoding="utf-8")
    return int(Exit.PASSED if all(row.met and row.as_expected for row in rows) else Exit.FAILED)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends a drill as Ctrl-C does
    try:
        sys.exit(main(Wiring()))
    except DrillboxError as error:
        tell(f"drillbox: {error}")
        sys.exit(int(error.exit_code))
