"""The tree of errors that end a command, each with the exit code that says whose fault it is.

    ConformanceError
    ├── SuiteFault              3  the suite itself is wrong
    ├── UsageProblem            4  command line, target file, catalogue or OpenAPI is wrong
    ├── NothingSelected         5  the selection matches no test
    └── EnvironmentUnavailable  6  target or environment cannot be reached

A message names the value that caused it, what was expected, and the next step; it never carries a secret.
"""

from typing import ClassVar


class ConformanceError(Exception):
    """Base of every error that is reported to the user without a traceback."""

    exit_code: ClassVar[int] = 3


class SuiteFault(ConformanceError):  # noqa: N818 - named for what is so
    """The suite broke its own rules; nothing is booked on the target."""

    exit_code = 3


class UsageProblem(ConformanceError):  # noqa: N818 - named for what is so
    """What the user gave cannot be used: command line, target file, catalogue, OpenAPI, output folder."""

    exit_code = 4


class NothingSelected(ConformanceError):  # noqa: N818 - named for what is so
    """The selection is well formed but matches no test."""

    exit_code = 5


class EnvironmentUnavailable(ConformanceError):  # noqa: N818 - named for what is so
    """Target, identity provider or machine could not be used; says nothing about conformance."""

    exit_code = 6
