"""The command `fulfillment-conformance`.

Exit codes: 0 conformant, 1 a MUST failed, 2 interrupted, 3 the suite's own fault, 4 usage or configuration, 5 nothing
selected, 6 target or environment unavailable, 7 incomplete.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from fulfillment_conformance import __version__
from fulfillment_conformance.errors import ConformanceError, UsageProblem
from fulfillment_conformance.outcome import ExitCode
from fulfillment_conformance.run import DEFAULT_SEED, check_output

_PROFILES = click.Choice(["documented", "observed"])
_PLUGINS = ("fulfillment_conformance.plugin", "xdist.plugin", "pytest_timeout", "allure_pytest.plugin")


class _Commands(click.Group):
    """Suggests the nearest command for one that does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"no command {args[0]!r}{hint} There are {', '.join(self.list_commands(ctx))}.")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fulfillment-conformance")
def app() -> None:
    """Conformance suite for the Azure Marketplace SaaS Fulfillment API v2 and the publishers that integrate with it."""


@app.command(context_settings={"ignore_unknown_options": False})
@click.option("--target", required=True, type=click.Path(path_type=Path), help="Target file: what is judged, and how.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for results and reports.")
@click.option("--only", multiple=True, metavar="ID", help="Judge only this requirement; may be given several times.")
@click.option("--set", "set_name", metavar="NAME", help="Judge a frozen set of the catalogue, such as 2026.1.")
@click.option("--profile", type=_PROFILES, help="Whose behaviour is expected; the target's own, else documented.")
@click.option("--seed", type=click.IntRange(min=0), default=DEFAULT_SEED, show_default=True, help="Source of choices.")
@click.option("-n", "workers", type=click.IntRange(min=0), default=0, help="Worker processes; 0 runs in this one.")
@click.option("--progress", type=click.Choice(["auto", "quiet", "json"]), default="auto", help="What the terminal shows.")
@click.argument("pytest_options", nargs=-1, type=click.UNPROCESSED)
def run(
    target: Path,
    output: Path,
    only: tuple[str, ...],
    set_name: str | None,
    profile: str | None,
    seed: int,
    workers: int,
    progress: str,
    pytest_options: tuple[str, ...],
) -> None:
    """Judge a target and write results and reports. Options after -- go to pytest."""
    sys.exit(
        run_suite(
            target,
            output,
            only=only,
            set_name=set_name,
            profile=profile,
            seed=seed,
            workers=workers,
            progress=progress,
            pytest_options=pytest_options,
        )
    )


def run_suite(
    target: Path,
    output: Path,
    *,
    only: Sequence[str] = (),
    set_name: str | None = None,
    profile: str | None = None,
    seed: int = DEFAULT_SEED,
    workers: int = 0,
    progress: str = "auto",
    pytest_options: Sequence[str] = (),
) -> int:
    """Run the suite of the target's role in this process and return the exit code. Once a process: pytest keeps state."""
    import pytest

    from fulfillment_conformance import resources
    from fulfillment_conformance.catalogue import Catalogue
    from fulfillment_conformance.target import load_target

    role = load_target(target, os.environ).role
    catalogue = Catalogue.load()
    for requirement_id in only:
        catalogue[requirement_id]  # an unknown id is an error that names the nearest one
    if set_name is not None:
        catalogue.set(set_name)
    check_output(output)
    suites = resources.folder("suites")
    # The user's plugins and settings must not decide a verdict.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(output / ".hypothesis"))
    arguments = [str(suites / role), "-c", str(suites / "pytest.ini"), f"--rootdir={suites}", f"--confcutdir={suites}"]
    arguments += [argument for plugin in _PLUGINS for argument in ("-p", plugin)]
    arguments += [f"--target={target}", f"--fc-output={output}", f"--fc-seed={seed}", f"--fc-progress={progress}"]
    arguments += [f"--alluredir={output / 'allure-results'}", "--clean-alluredir"]
    arguments += [f"--fc-only={requirement_id}" for requirement_id in only]
    if set_name is not None:
        arguments.append(f"--fc-set={set_name}")
    if profile is not None:
        arguments.append(f"--fc-profile={profile}")
    if workers > 1:
        arguments += ["-n", str(workers), "--dist", "loadgroup"]
    with _termination_interrupts():
        return int(pytest.main([*arguments, *pytest_options]))


@app.command()
@click.option("--target", required=True, type=click.Path(path_type=Path), help="Target file to look at.")
@click.option("--profile", type=_PROFILES, help="Profile of the run that is to come.")
def check(target: Path, profile: str | None) -> None:
    """Look before a run: configuration, reachability, clocks, access token, plans. Judges nothing."""
    from fulfillment_conformance.backend.under_test import open_marketplace
    from fulfillment_conformance.preflight import Finding, Preflight
    from fulfillment_conformance.run import RunOptions, prepare
    from fulfillment_conformance.stage.opening import open_stage

    prepared = prepare(RunOptions(target=target, profile=profile))  # type: ignore[arg-type] # click has checked it

    def tell(finding: Finding) -> None:
        mark = click.style("ok  ", fg="green") if finding.good else click.style("FAIL", fg="red")
        click.echo(f"{mark} {finding.what}: {prepared.redactor.text(finding.seen)}")

    tell(Finding("target file", True, f"{target}, role {prepared.role}"))
    opener = open_marketplace if prepared.role == "marketplace" else open_stage
    with opener(prepared, Preflight(tell)):
        click.echo("ready: nothing stands in the way of a run")


@app.command("list")
@click.option("--role", type=click.Choice(["marketplace", "publisher"]), help="Only what this side is judged by.")
@click.option("--level", type=click.Choice(["MUST", "SHOULD", "MAY", "INFO"]), help="Only this level.")
@click.option("--theme", help="Only this theme of the catalogue, such as resolve.")
@click.option("--untested", is_flag=True, help="Only what no test decides.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_requirements(role: str | None, level: str | None, theme: str | None, untested: bool, as_json: bool) -> None:
    """Show the requirements, and the tests that decide them."""
    from fulfillment_conformance.catalogue import Catalogue
    from fulfillment_conformance.suite_index import read_suites, tests_by_requirement

    catalogue = Catalogue.load()
    if theme is not None and theme not in catalogue.themes():
        raise UsageProblem(f"--theme {theme}: there is no such theme; there are {', '.join(catalogue.themes())}")
    tested = tests_by_requirement(read_suites())
    rows = [
        row
        for row in catalogue.values()
        if (role is None or row.party == role)
        and (level is None or row.level == level)
        and (theme is None or row.theme == theme)
        and not (untested and row.id in tested)
    ]
    if as_json:
        shown = [
            {
                "id": row.id,
                "party": row.party,
                "level": row.level,
                "theme": row.theme,
                "statement": row.statement,
                "excluded": row.excluded or None,
                "tests": tested.get(row.id, []),
            }
            for row in rows
        ]
        click.echo(json.dumps({"requirements": shown}, indent=1))
        return
    table = Table("id", "party", "level", "statement", "tests", box=None, pad_edge=False)
    for row in rows:
        decided = str(len(tested.get(row.id, []))) if not row.excluded else "excluded"
        table.add_row(row.id, row.party, row.level, row.statement, decided)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    decided = sum(row.id in tested for row in rows)
    excluded = sum(bool(row.excluded) for row in rows)
    click.echo(f"{len(rows)} requirements: {decided} tested, {excluded} excluded, {len(rows) - decided - excluded} neither")


@app.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 picks a free one.")
@click.option("--tls-port", type=click.IntRange(0, 65535), help="Serve https as well, on this port; its CA is printed.")
@click.option("--ca-folder", type=click.Path(path_type=Path), default=Path(), help="Where the CA's certificate is written.")
@click.option("--profile", type=_PROFILES, default="documented", show_default=True, help="Whose behaviour to show.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Source of ids and tokens.")
@click.option("--deviation", "deviations", multiple=True, metavar="NAME", help="Seeded fault; may be given several times.")
@click.option("--webhook", metavar="URL", help="Where notifications go.")
@click.option("--landing-page", metavar="URL", help="Where buyers are sent.")
@click.option("--webhook-token-version", type=click.IntRange(1, 2), default=2, show_default=True, help="Token version.")
@click.option("--tenant-id", help="The publisher's tenant.")
@click.option("--client-id", help="The publisher's application.")
@click.option("--client-secret-env", metavar="NAME", help="Environment variable that holds the application's secret.")
@click.option("--control-key-env", metavar="NAME", help="Environment variable that holds the control key.")
def emulate(**options: Any) -> None:
    """Serve the emulator: Fulfillment API, identity provider, control surface and a web page, until interrupted."""
    from fulfillment_conformance.emulation import serve_emulator

    serve_emulator(**options)


@app.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("reports/demo"), show_default=True, help="Folder.")
@click.option("--profile", type=_PROFILES, default="documented", show_default=True, help="Whose behaviour is expected.")
@click.option("--seed", type=click.IntRange(min=0), default=DEFAULT_SEED, show_default=True, help="Source of choices.")
@click.option("-n", "workers", type=click.IntRange(min=0), default=0, help="Worker processes of each run.")
def demo(output: Path, profile: str, seed: int, workers: int) -> None:
    """Judge the embedded emulator and the reference publisher: both suites, reports, no network but loopback."""
    check_output(output)
    codes = []
    for role, target in _DEMO_TARGETS.items():
        file = output / f"{role}.yaml"
        file.write_text(target, encoding="utf-8")
        command = [sys.executable, "-m", "fulfillment_conformance.cli", "run", "--target", str(file)]
        command += ["--output", str(output / role), "--profile", profile, "--seed", str(seed), "-n", str(workers)]
        click.echo(f"── {role} " + "─" * (70 - len(role)))
        codes.append(_wait_for(command))
    click.echo(f"reports: {output / 'marketplace' / 'report.html'} and {output / 'publisher' / 'report.html'}")
    sys.exit(ExitCode.worst(codes))


_DEMO_TARGETS = {
    "marketplace": "role: marketplace\nmarketplace:\n  driver: embedded\n",
    "publisher": "role: publisher\npublisher:\n  embedded: true\n",
}


def _wait_for(command: list[str]) -> int:
    with subprocess.Popen(command) as process:  # noqa: S603 - our own interpreter with our own module
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The child got the same signal and writes what it has; give it the time to.
            process.wait()
            return ExitCode.INTERRUPTED


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let a polite request to end (SIGTERM) end a run like Ctrl-C, with everything recorded so far written."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors become one message and an exit code."""
    try:
        app.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.Abort:
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except ConformanceError as error:
        click.echo(f"fulfillment-conformance: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
