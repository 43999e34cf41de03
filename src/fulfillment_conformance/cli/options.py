"""Options that several commands share, and the types of their values."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

PROFILE = click.Choice(["documented", "observed"])


def field_value(kind: str) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return a callback that makes a value one of the types in `fieldtypes`, or says what it expected."""

    def convert(_ctx: click.Context, _option: click.Parameter, value: str | None) -> Any:
        from pydantic import TypeAdapter, ValidationError

        from fulfillment_conformance import fieldtypes

        try:
            return None if value is None else TypeAdapter(getattr(fieldtypes, kind)).validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise click.BadParameter(f"'{value}': {said}") from None

    return convert


def each(
    convert: Callable[[click.Context, click.Parameter, str | None], Any],
) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], tuple[Any, ...]]:
    """Return the callback of an option that may be given several times."""

    def convert_all(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(convert(ctx, option, value) for value in values)

    return convert_all


def worker_count(_ctx: click.Context, _option: click.Parameter, value: str) -> int:
    """Return the number of worker processes, or say what was expected."""
    if not value.isdecimal():
        raise click.BadParameter(f"'{value}': expected a number of processes such as 2, or 0 for this process alone")
    return int(value)


def from_variable(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return the name of an environment variable, once it is sure that it holds something."""
    if value is None or os.environ.get(value):
        return value
    # Whoever mistakes the option gives the secret itself, so only what looks like a name is shown.
    shown = f"environment variable {value}" if re.fullmatch("[A-Z][A-Z0-9_]*", value) else "the variable of this name"
    found = "is empty" if value in os.environ else "is not set"
    raise click.BadParameter(f"{shown} {found}; put the secret into a variable and give the variable's name here")


target = click.option(
    "--target",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Target file: what is judged, and how.",
)
output = click.option(
    "--output", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder for results and reports."
)
profile = click.option(
    "--profile", type=PROFILE, help="Whose behaviour is expected. Default: the target file's, else documented."
)
seed = click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Where all choices come from. Default: 1; fresh for a publisher that keeps its accounts between runs.",
)
workers = click.option(
    "-n",
    "workers",
    default="0",
    metavar="N",
    callback=worker_count,
    help="Worker processes. Default: none but this one.",
)
progress = click.option(
    "--progress",
    type=click.Choice(["auto", "quiet", "json"]),
    default="auto",
    show_default=True,
    help="What is shown while it runs: auto fits the terminal, quiet only the end, json a line for every test.",
)
