"""Reasons to end a test early that say something about its requirements, and nothing about the suite.

Interruption
├── MissingCapability   untestable: the target cannot be put into the situation
├── CannotArrange       untestable: the sandbox refused to arrange it
├── Precondition        undecided: something else, judged elsewhere, did not work before
├── NotUnderstood       undecided, what has passed before included: what the target shows cannot be understood
├── Beside               not applicable: a further situation, which is not needed to decide, cannot be had
├── NotClaimed          not applicable: the target does not offer what the test is about
└── TargetGone          untestable: the target stopped answering
"""

from typing import ClassVar

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.outcome import Outcome


class Interruption(Exception):  # noqa: N818 - named for what is so
    """Base: every id of the test that no check has decided yet gets `outcome`, with the message as its reason."""

    outcome: ClassVar[Outcome] = Outcome.UNDECIDED
    reopens: ClassVar[bool] = False
    """Whether ids that a check has decided already get `outcome` as well: more checks of them were to come."""

    def __init__(self, message: str, exchange: Exchange | None = None) -> None:
        super().__init__(message)
        self.exchange = exchange


class MissingCapability(Interruption):
    """The target's driver lacks a capability, named as in the control protocol."""

    outcome = Outcome.UNTESTABLE

    def __init__(self, capability: str, because: str = "") -> None:
        super().__init__(f"the target cannot arrange it: capability {capability!r} is missing{because}")
        self.capability = capability


class CannotArrange(Interruption):
    """The sandbox was asked to arrange a situation and refused."""

    outcome = Outcome.UNTESTABLE


class Precondition(Interruption):
    """A step on the way to the situation did not work; the requirement that names this step judges it."""

    outcome = Outcome.UNDECIDED


class NotUnderstood(Interruption):
    """A value that the target shows, and that the test turns on, is none that anybody has said the meaning of."""

    outcome = Outcome.UNDECIDED
    reopens = True


class Beside(Interruption):
    """A further situation of a requirement that other tests decide cannot be had: what it lacks is no gap."""

    outcome = Outcome.NOT_APPLICABLE


class NotClaimed(Interruption):
    """The target file does not say that the target offers what the requirements are about."""

    outcome = Outcome.NOT_APPLICABLE


class TargetGone(Interruption):
    """The target stopped answering in an earlier test."""

    outcome = Outcome.UNTESTABLE
