"""Leads a person through the clicks in the Azure portal that no program can make, one at a time, each checked."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from fulfillment_conformance.live.listener import Caught


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, and what comes of it when it was done."""

    do: str
    expects: str
    is_it: Callable[[Caught], bool]


def _event(*actions: str) -> Callable[[Caught], bool]:
    return lambda caught: caught.kind == "notification" and caught.action in actions


STEPS: Final = (
    Step(
        "In the Azure portal open Marketplace > your preview offer > Subscribe, choose a plan that costs nothing, wait "
        "for the purchase to be made, and choose 'Configure account now'",
        "the landing page is opened with a purchase token",
        lambda caught: caught.kind == "visit",
    ),
    Step(
        "List the purchase token and its subscription in the target file, and run the tests of resolve and activate "
        "within 24 hours; afterwards choose 'Manage account' of the subscription in the portal",
        "the landing page is opened with another purchase token",
        lambda caught: caught.kind == "visit",
    ),
    Step(
        "In the portal open SaaS > the subscription > Change plan, choose another plan that costs nothing, and Save",
        "the notification ChangePlan",
        _event("ChangePlan"),
    ),
    Step(
        "In the portal open the subscription of a plan per seat > Change quantity, choose one more seat, and Save",
        "the notification ChangeQuantity",
        _event("ChangeQuantity"),
    ),
    Step(
        "In the portal open a subscription that is of no further use > Cancel subscription, and confirm",
        "the notification Unsubscribe",
        _event("Unsubscribe"),
    ),
)


class Guide:
    """Says one step at a time; the next one follows when what the present one leads to has come."""

    def __init__(self, tell: Callable[[str], object], steps: Iterable[Step] = STEPS) -> None:
        """Begin: the first step is told to `tell` at once."""
        self._tell = tell
        self._steps: Iterator[tuple[int, Step]] = iter(enumerate(steps, 1))
        self._present: Step | None = None
        self._next()

    @property
    def is_done(self) -> bool:
        """Whether all steps have been made."""
        return self._present is None

    def caught(self, caught: Caught) -> None:
        """Take note of something that came."""
        if self._present is None or not self._present.is_it(caught):
            return
        self._tell(f"   there it is: {self._present.expects}")
        for violation in caught.violations:
            self._tell(f"   not as described: {violation}")
        self._next()

    def _next(self) -> None:
        number, self._present = next(self._steps, (0, None))
        if self._present is None:
            self._tell("That was the last step.")
        else:
            self._tell(f"{number}. {self._present.do}.\n   Then comes: {self._present.expects}. Waiting ...")
