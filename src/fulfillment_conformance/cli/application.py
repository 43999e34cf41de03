"""The command group, and what every command has in common: exit codes, messages instead of tracebacks, signals.

Exit codes: 0 conformant, 1 a MUST failed, 2 interrupted, 3 the suite's own fault, 4 usage or configuration, 5 nothing
selected, 6 target or environment unavailable, 7 incomplete. docs/exit-codes.md says what to do about each.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import click

from fulfillment_conformance import __version__
from fulfillment_conformance.cli.certify import certify
from fulfillment_conformance.cli.check import check
from fulfillment_conformance.cli.compare import compare
from fulfillment_conformance.cli.demo import demo
from fulfillment_conformance.cli.drift import drift
from fulfillment_conformance.cli.emulate import emulate
from fulfillment_conformance.cli.explain import explain
from fulfillment_conformance.cli.inventory import inventory
from fulfillment_conformance.cli.list import list_requirements
from fulfillment_conformance.cli.listen import listen
from fulfillment_conformance.cli.matrix import matrix
from fulfillment_conformance.cli.record import record
from fulfillment_conformance.cli.restore import restore
from fulfillment_conformance.cli.run import run
from fulfillment_conformance.cli.verify import verify
from fulfillment_conformance.errors import ConformanceError
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.termination import termination_interrupts

_EPILOG = (
    "Exit codes: 0 conformant; 1 a MUST failed; 2 interrupted; 3 the suite's own fault; 4 usage or configuration; "
    "5 nothing selected; 6 target or environment unavailable; 7 incomplete."
)


class _Commands(click.Group):
    """Suggests the nearest command for one that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            near = get_close_matches(args[0], known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ";"
            raise click.UsageError(f"there is no command '{args[0]}'{hint} commands: {', '.join(known)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; that its reader has gone is told apart from what click makes of it, exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderGone from None


class _ReaderGone(Exception):  # noqa: N818 - an ending, not an error
    """Whoever read our output, such as `head`, has seen enough."""


@click.group(
    cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="fulfillment-conformance")
def app() -> None:
    """Judge implementations of the Azure Marketplace SaaS Fulfillment API v2, and publishers that integrate with it."""


for _command in (
    demo,
    emulate,
    check,
    run,
    list_requirements,
    explain,
    inventory,
    restore,
    record,
    drift,
    listen,
    compare,
    matrix,
    certify,
    verify,
):
    app.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process; every error becomes a message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that lacks a character must not end a run
    try:
        with termination_interrupts():
            given = None if arguments is None else list(arguments)
            app.main(args=given, prog_name="fulfillment-conformance", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except _ReaderGone:
        # What is still in the buffer has nobody to go to, and must not be complained about at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.INTERRUPTED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("fulfillment-conformance: interrupted", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except ConformanceError as error:
        click.echo(f"fulfillment-conformance: {error}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:  # what nobody foresaw is our fault, and must not read as exit code 1
        click.echo(_own_fault(error), err=True)
        sys.exit(ExitCode.SUITE_FAULT)


def _own_fault(error: Exception) -> str:
    from fulfillment_conformance.redaction import Redactor

    told = "".join(traceback.format_exception(error))
    return Redactor().text(
        f"{told}fulfillment-conformance: the suite's own fault, nobody else's: {type(error).__name__}: {error}\n"
        "Please report it with the lines above."
    )
