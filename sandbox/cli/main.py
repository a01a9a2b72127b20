"""The command's entry: subcommands by name, and what becomes of errors."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from ..model.errors import DrillboxError, Exit, nearest

if TYPE_CHECKING:
    from .wiring import SessionMaker

COMMANDS = {
    "list": "listing:list_command",
    "show": "listing:show_command",
    "validate": "listing:validate_command",
    "play": "play:play_command",
    "run": "run:run_command",
    "prove": "prove:prove_command",
    "replay": "journals:replay_command",
    "report": "journals:report_command",
    "export": "export:export_group",
}
"""Where each subcommand lives; only the one that is called is imported."""


class LazyGroup(click.Group):
    """Imports a subcommand when it is called; suggests the nearest name for an unknown one."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's interface
        """Names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's interface
        """The subcommand of a name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(f".{module}", __package__), name)
        return command if isinstance(command, click.Command) else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a hint."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no such command {args[0]!r}; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from ..provenance import versions

        click.echo(f"drillbox {versions()['drillbox']}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit.")
def cli() -> None:
    """Bring up a small machine-learning service, let an incident happen to it, and take charge.

    \b
    Examples:
      drillbox list                                     the incidents
      drillbox play monday-rush                         take charge of one
      drillbox run monday-rush --operator reference     play it headless, as in CI
    """


def run(argv: Sequence[str], wiring: SessionMaker) -> int:
    """Run the command and give its exit code; every error becomes a message, never a traceback."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = cli.main(args=list(argv), prog_name="drillbox", standalone_mode=False, obj=wiring)
        sys.stdout.flush()
        return int(code or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return int(Exit.USAGE)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return int(Exit.INTERRUPTED)
    except DrillboxError as error:
        click.echo(f"drillbox: {error}", err=True)
        return int(error.exit_code)
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has gone (click makes a SystemExit of it): no error. Nothing must fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.PASSED)
    except OSError as error:
        click.echo(f"drillbox: {error.filename or 'output'}: {error.strerror}", err=True)
        return int(Exit.USAGE)
    except Exception as error:  # noqa: BLE001  # the last resort: a bug of ours must not look like the user's
        return _bug(error)


def _bug(error: Exception) -> int:
    from ..paths import atomic_write, home

    text = "".join(traceback.format_exception(error))
    where = home() / "crash.log"
    try:
        atomic_write(where, text.encode())
        click.echo(f"drillbox: this is a bug in drillbox: {error!r}; the details are in {where}", err=True)
    except DrillboxError:
        click.echo(f"drillbox: this is a bug in drillbox: {text}", err=True)
    return int(Exit.STACK)


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends a drill as Ctrl-C does."""
    raise KeyboardInterrupt
