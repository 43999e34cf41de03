"""Tests that nothing secret gets into the files that allure-pytest writes on its own."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from allure_commons import hookimpl, plugin_manager

from fulfillment_conformance.report.allure_redaction import AllureRedaction


def redact(text: str) -> str:
    return text.replace("s3cret", "[hidden]")


def part(message: str | None, trace: str | None, *steps: Any) -> SimpleNamespace:
    return SimpleNamespace(statusDetails=SimpleNamespace(message=message, trace=trace), steps=list(steps))


def said(executable: SimpleNamespace) -> tuple[str, str]:
    return executable.statusDetails.message, executable.statusDetails.trace


@pytest.fixture
def cleaning() -> Iterator[AllureRedaction]:
    redaction = AllureRedaction(redact)
    redaction.start()
    yield redaction
    if plugin_manager.is_registered(redaction):
        redaction.stop()


@pytest.mark.usefixtures("cleaning")
def test_the_result_of_a_test_and_of_its_steps_is_cleaned_before_it_is_written() -> None:
    inner = part("inner s3cret", "at s3cret:1")
    result = part("token s3cret", "line s3cret", part("ok", "s3cret", inner))
    plugin_manager.hook.report_result(result=result)

    assert said(result) == ("token [hidden]", "line [hidden]")
    assert said(result.steps[0]) == ("ok", "[hidden]")
    assert said(inner) == ("inner [hidden]", "at [hidden]:1")


@pytest.mark.usefixtures("cleaning")
def test_the_results_of_fixtures_are_cleaned_before_they_are_written() -> None:
    before, after = part("s3cret", "trace", part("s3cret", "")), part("fine", "s3cret")
    plugin_manager.hook.report_container(container=SimpleNamespace(befores=[before], afters=[after]))

    assert said(before) == ("[hidden]", "trace")
    assert said(before.steps[0]) == ("[hidden]", "")
    assert said(after) == ("fine", "[hidden]")


@pytest.mark.usefixtures("cleaning")
def test_what_has_no_details_or_says_nothing_stays_empty() -> None:
    result = part(None, None, SimpleNamespace(statusDetails=None, steps=[]))
    plugin_manager.hook.report_result(result=result)

    assert said(result) == ("", "")
    assert result.steps[0].statusDetails is None


@pytest.mark.usefixtures("cleaning")
def test_control_characters_are_made_visible() -> None:
    result = part("bell \x07", "escape \x1b[31m")
    plugin_manager.hook.report_result(result=result)

    assert "\x07" not in said(result)[0]
    assert "\x1b" not in said(result)[1]


def test_after_the_end_nothing_is_cleaned_any_more(cleaning: AllureRedaction) -> None:
    cleaning.stop()
    result = part("s3cret", "s3cret")
    plugin_manager.hook.report_result(result=result)

    assert said(result) == ("s3cret", "s3cret")


class Writer:
    """Takes results down as allure-pytest's own writer does."""

    def __init__(self) -> None:
        self.written: list[str] = []

    @hookimpl
    def report_result(self, result: Any) -> None:
        self.written.append(result.statusDetails.message)

    @hookimpl
    def report_container(self, container: Any) -> None:
        self.written += [fixture.statusDetails.message for fixture in container.befores]


@pytest.mark.usefixtures("cleaning")
def test_it_cleans_before_whoever_writes() -> None:
    writer = Writer()
    plugin_manager.register(writer)  # later than the cleaning, so it would be called first if nothing were said
    try:
        plugin_manager.hook.report_result(result=part("s3cret", ""))
        plugin_manager.hook.report_container(container=SimpleNamespace(befores=[part("a s3cret", "")], afters=[]))
    finally:
        plugin_manager.unregister(writer)

    assert writer.written == ["[hidden]", "a [hidden]"]
