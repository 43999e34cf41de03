from collections.abc import Callable
from typing import Any

import click
import pytest

from fulfillment_conformance.cli import options

OPTION = click.Option(["--option"])


def convert(callback: Callable[[click.Context, click.Parameter, Any], Any], value: str | None) -> Any:
    return callback(click.Context(click.Command("test")), OPTION, value)


def test_a_value_of_a_field_type_is_what_the_type_makes_of_it() -> None:
    guid = options.field_value("Guid")

    assert convert(guid, "8D1F3A52-64B0-4C4E-9B4E-0A5F7E2C1D10") == "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
    assert convert(guid, None) is None


def test_a_value_that_is_none_says_what_was_expected() -> None:
    with pytest.raises(click.BadParameter, match=r"'ftp://x': expected an address that begins with http"):
        convert(options.field_value("Address"), "ftp://x")


def test_workers_are_counted() -> None:
    assert convert(options.worker_count, "4") == 4


@pytest.mark.parametrize("value", ["-1", "auto", "2.5", "", "²"])
def test_other_numbers_of_workers_are_refused(value: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a number of processes such as 2"):
        convert(options.worker_count, value)


class TestVariables:
    def test_a_variable_that_holds_something_is_taken_by_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTROL_KEY", "canary")

        assert convert(options.from_variable, "CONTROL_KEY") == "CONTROL_KEY"
        assert convert(options.from_variable, None) is None

    def test_a_variable_that_is_not_set_is_named(self) -> None:
        with pytest.raises(click.BadParameter, match="variable NO_SUCH_KEY is not set; put the secret into"):
            convert(options.from_variable, "NO_SUCH_KEY")

    def test_a_variable_that_is_empty_is_told_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONTROL_KEY", "")

        with pytest.raises(click.BadParameter, match="CONTROL_KEY is empty"):
            convert(options.from_variable, "CONTROL_KEY")

    def test_a_secret_given_by_mistake_is_not_repeated(self) -> None:
        with pytest.raises(click.BadParameter) as refused:
            convert(options.from_variable, "s3cr3t-Canary")

        assert "Canary" not in str(refused.value)
