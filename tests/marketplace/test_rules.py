from dataclasses import fields
from datetime import timedelta

from fulfillment_conformance.marketplace import DOCUMENTED, OBSERVED, Action, Rules

LIMITS_ALIKE = {
    "acceptance_window",
    "delivery_attempts",
    "retry_spacing",
    "token_lifetime",
    "grace",
    "unconfigured",
    "activation_delay",
    "silence_accepts",
}
"""What both profiles share: limits of the newest pages, and silence as consent, which they state now."""


def test_the_documented_limits_are_those_of_the_pages() -> None:
    assert Rules() == DOCUMENTED
    assert DOCUMENTED.page_size == 100
    assert DOCUMENTED.acceptance_window == timedelta(seconds=10)
    assert DOCUMENTED.token_lifetime == timedelta(hours=24)
    assert DOCUMENTED.grace == DOCUMENTED.unconfigured == timedelta(days=30)
    assert DOCUMENTED.activation_delay == timedelta(0)


def test_five_hundred_attempts_fall_within_eight_hours() -> None:
    first_to_last = DOCUMENTED.retry_spacing * (DOCUMENTED.delivery_attempts - 1)

    assert DOCUMENTED.delivery_attempts == 500
    assert first_to_last < timedelta(hours=8) <= first_to_last + DOCUMENTED.retry_spacing


def test_the_profiles_differ_in_every_switch_and_in_no_other_limit() -> None:
    alike = {field.name for field in fields(Rules) if getattr(DOCUMENTED, field.name) == getattr(OBSERVED, field.name)}

    assert alike == LIMITS_ALIKE


def test_every_rule_is_explained() -> None:
    assert Rules.__doc__ is not None
    assert [field.name for field in fields(Rules) if field.name not in Rules.__doc__] == []


def test_observed_finds_every_operation_documented_only_those_that_the_pages_name() -> None:
    assert OBSERVED.fetchable_actions == set(Action)
    assert DOCUMENTED.fetchable_actions == {
        Action.CHANGE_PLAN,
        Action.CHANGE_QUANTITY,
        Action.REINSTATE,
        Action.UNSUBSCRIBE,
    }
