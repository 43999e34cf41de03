"""Tests of how long waits may take."""

import pytest

from fulfillment_conformance.backend.patience import EXAMPLES, MARGIN, Patience


def seen(*seconds: float) -> float:
    patience = Patience(shortest=2.0, longest=10.0)
    for each in seconds:
        patience.took(each)
    return patience.seconds


def test_nothing_is_known_at_first() -> None:
    assert seen() == 10.0


def test_a_few_examples_prove_nothing() -> None:
    assert seen(*[0.01] * (EXAMPLES - 1)) == 10.0


def test_a_quick_target_is_not_waited_for_long() -> None:
    assert seen(*[0.01] * EXAMPLES) == 2.0


@pytest.mark.parametrize("slowest", [0.2, 0.4])
def test_the_slowest_example_decides(slowest: float) -> None:
    assert seen(0.01, slowest, 0.01) == pytest.approx(MARGIN * slowest)


def test_a_slow_target_gets_no_more_than_at_first() -> None:
    assert seen(*[5.0] * EXAMPLES) == 10.0
