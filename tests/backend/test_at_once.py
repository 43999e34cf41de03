"""Tests of calls that are made at once."""

import threading

import pytest

from fulfillment_conformance.backend.at_once import at_once


def test_each_call_is_under_way_while_the_other_is() -> None:
    met = threading.Barrier(2)

    assert sorted(at_once(lambda: met.wait(5), lambda: met.wait(5))) == [0, 1]


def test_results_come_in_the_order_of_the_calls() -> None:
    other_is_over = threading.Event()

    def late() -> str:
        assert other_is_over.wait(5)
        return "late"

    def early() -> str:
        other_is_over.set()
        return "early"

    assert at_once(late, early) == ["late", "early"]


def test_what_goes_wrong_is_told_when_both_are_over() -> None:
    done = []

    def fail() -> None:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        at_once(fail, lambda: done.append("the other"))
    assert done == ["the other"]
