"""Keeps secrets out of what allure-pytest writes on its own: the messages and traces of errors.

allure-pytest takes them from the exception itself, past the report that everything else is made from. So they are
cleaned where they are written.
"""

from collections.abc import Callable, Iterator
from typing import Any

from allure_commons import hookimpl, plugin_manager

from fulfillment_conformance.report.plain import visible


class AllureRedaction:
    """A plugin of Allure that cleans every result before it reaches the file."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact

    def start(self) -> None:
        """Clean from now on."""
        plugin_manager.register(self)

    def stop(self) -> None:
        """Clean no more."""
        plugin_manager.unregister(self)

    @hookimpl(tryfirst=True)
    def report_result(self, result: Any) -> None:
        """Clean the result of a test."""
        for part in _parts(result):
            self._clean(part)

    @hookimpl(tryfirst=True)
    def report_container(self, container: Any) -> None:
        """Clean the results of fixtures."""
        for fixture in (*container.befores, *container.afters):
            for part in _parts(fixture):
                self._clean(part)

    def _clean(self, part: Any) -> None:
        details = part.statusDetails
        if details is not None:
            details.message = visible(self._redact(details.message or ""))
            details.trace = visible(self._redact(details.trace or ""))


def _parts(executable: Any) -> Iterator[Any]:
    yield executable
    for step in executable.steps:
        yield from _parts(step)
