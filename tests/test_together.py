"""Tests of doing several things at one instant."""

import threading

import pytest

from fulfillment_conformance.together import at_once


def test_everything_is_begun_before_anything_can_end() -> None:
    """Each waits for all the others to have begun: done one after the other, none would ever end."""
    begun = threading.Barrier(4, timeout=10)

    def action() -> int:
        begun.wait()
        return threading.get_ident()

    assert len(set(at_once(*[action] * 4))) == 4


def test_what_is_returned_comes_in_the_order_of_the_actions() -> None:
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(10)
        return "first"

    def second() -> str:
        second_is_done.set()
        return "second"

    assert at_once(first, second) == ["first", "second"]


def test_what_goes_wrong_in_one_of_them_is_raised() -> None:
    def fail() -> str:
        raise LookupError("nothing found")

    with pytest.raises(LookupError, match="nothing found"):
        at_once(lambda: "fine", fail)


def test_one_thing_alone_is_done_too() -> None:
    assert at_once(lambda: 5) == [5]
