"""The command's entry: subcommands by name, and what becomes of errors."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from ..model.errors import DrillboxError, Exit, nearest
from .output import fill_missing_streams, has_screen, mute, say, tell, tell_error
from .terminal import quiet_option

if TYPE_CHECKING:
    from .wiring import SessionMaker

Handler = Callable[[int, FrameType | None], object] | int | None

COMMANDS = {
    "list": "listing:list_command",
    "show": "listing:show_command",
    "validate": "listing:validate_command",
    "new": "new:new_command",
    "play": "play:play_command",
    "attach": "attach:attach_command",
    "up": "up:up_command",
    "status": "status:status_command",
    "open": "open:open_command",
    "env": "env:env_command",
    "down": "down:down_command",
    "cluster": "cluster:cluster_group",
    "doctor": "doctor:doctor_command",
    "host": "host:host_command",
    "run": "run:run_command",
    "prove": "prove:prove_command",
    "fidelity": "fidelity:fidelity_command",
    "calibrate": "calibrate:calibrate_command",
    "replay": "journals:replay_command",
    "report": "journals:report_command",
    "export": "export:export_group",
    "completion": "completion:completion_command",
}
"""Where each subcommand lives; only the one that is called is imported."""


HIDDEN = {"cockpit": "play:cockpit_command"}
"""What is called by another name: by no name at all."""


class LazyGroup(click.Group):
    """Imports a subcommand when it is called; suggests the nearest name for an unknown one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's interface
        """Names in the order of use."""
        return list(COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without any in a terminal: the terminal UI."""
        return super().parse_args(ctx, args or (["cockpit"] if has_screen() else []))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's interface
        """The subcommand of a name."""
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        module, _, name = {**COMMANDS, **HIDDEN}[cmd_name].partition(":")
        command = getattr(importlib.import_module(f".{module}", __package__), name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a hint."""
        if args and args[0] not in COMMANDS and args[0] not in HIDDEN and not args[0].startswith("-"):
            ctx.fail(f"no such command {args[0]!r}; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from ..provenance import versions

        say(f"drillbox {versions()['drillbox']}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit.")
@quiet_option
def cli() -> None:
    """Bring up a small machine-learning service, let an incident happen to it, and take charge.

    Without anything behind it, in a terminal, it opens the terminal UI.

    \b
    Examples:
      drillbox                                          the terminal UI
      drillbox list                                     the incidents
      drillbox play monday-rush                         take charge of one
      drillbox run monday-rush --operator reference     play it headless, as in CI

    \b
    Exit codes: 0 passed, 1 a drill was failed, 2 usage or an invalid scenario, 3 the stack broke (or drillbox has a bug: the
    details are in crash.log of the state folder), 4 aborted, 130 interrupted; of several drills the gravest.
    """


def run(argv: Sequence[str], wiring: SessionMaker) -> int:
    """Run the command and give its exit code; every error becomes a message, never a traceback."""
    fill_missing_streams()
    with _signals():
        return _run(argv, wiring)


def _run(argv: Sequence[str], wiring: SessionMaker) -> int:
    try:
        code = cli.main(args=list(argv), prog_name="drillbox", standalone_mode=False, obj=wiring)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return int(Exit.USAGE)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        tell_error(error.__cause__ or error)
        return int(Exit.INTERRUPTED)
    except DrillboxError as error:
        tell_error(error)
        return int(error.exit_code)
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has gone (click makes a SystemExit of it): no error. Nothing must fail again at exit.
        mute()
        return int(Exit.PASSED)
    except OSError as error:
        mute()
        tell(f"drillbox: {error.filename or 'cannot write to stdout'}: {error.strerror}")
        return int(Exit.USAGE)
    except Exception as error:  # noqa: BLE001  # the last resort: a bug of ours must not look like the user's
        return _bug(error)


def _bug(error: Exception) -> int:
    from ..paths import atomic_write, home

    text = "".join(traceback.format_exception(error))
    where = home() / "crash.log"
    try:
        atomic_write(where, text.encode())
        tell(f"drillbox: this is a bug in drillbox: {error!r}; the details are in {where}")
    except DrillboxError:
        tell(f"drillbox: this is a bug in drillbox: {text}")
    return int(Exit.STACK)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that was closed, end a drill as Ctrl-C does; one that is ignored stays so."""
    before: dict[int, Handler] = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, _terminated)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends a drill as Ctrl-C does."""
    raise KeyboardInterrupt
