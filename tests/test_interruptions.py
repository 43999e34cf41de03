"""Tests of what an early end of a test says about its requirements."""

import pytest

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import (
    Beside,
    CannotArrange,
    Interruption,
    MissingCapability,
    NotClaimed,
    NotUnderstood,
    Precondition,
    TargetGone,
)
from fulfillment_conformance.outcome import Outcome

EXCHANGE = Exchange(sender="suite", receiver="control", method="POST", url="http://127.0.0.1/", status=409)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (Interruption, Outcome.UNDECIDED),
        (MissingCapability, Outcome.UNTESTABLE),
        (CannotArrange, Outcome.UNTESTABLE),
        (Precondition, Outcome.UNDECIDED),
        (NotUnderstood, Outcome.UNDECIDED),
        (Beside, Outcome.NOT_APPLICABLE),
        (NotClaimed, Outcome.NOT_APPLICABLE),
        (TargetGone, Outcome.UNTESTABLE),
    ],
)
def test_each_reason_has_its_outcome(kind: type[Interruption], outcome: Outcome) -> None:
    assert kind.outcome is outcome
    assert issubclass(kind, Interruption)
    assert kind.reopens == (kind is NotUnderstood)


@pytest.mark.parametrize("kind", [Interruption, CannotArrange, Precondition, NotUnderstood, NotClaimed, TargetGone])
def test_the_reason_and_its_exchange_are_kept(kind: type[Interruption]) -> None:
    assert str(kind("this is so")) == "this is so"
    assert kind("this is so").exchange is None
    assert kind("this is so", EXCHANGE).exchange is EXCHANGE


def test_a_missing_capability_is_named() -> None:
    bare, explained = MissingCapability("clock"), MissingCapability("purchases", ": nothing is on offer")

    assert bare.capability == "clock"
    assert str(bare) == "the target cannot arrange it: capability 'clock' is missing"
    assert str(explained) == "the target cannot arrange it: capability 'purchases' is missing: nothing is on offer"
    assert explained.exchange is None
