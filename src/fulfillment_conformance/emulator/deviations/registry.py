"""How a deviation is written down, and the seams at which it alters an emulator.

A deviation is a small function with a docstring. It gets a freshly built emulator and changes it at one of three seams:
a decision of the core or of another part (`decision`), the answer to an operation (`answers`, `bodies`,
`subscription_objects`, `lets_in`, `refuses_with`), or a notification (`payloads`, `Emulator.wrap_notification`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fulfillment_conformance.emulator.delivery import Notification
from fulfillment_conformance.emulator.fulfillment import OPERATIONS, Answer
from fulfillment_conformance.emulator.messages import Reply, Request
from fulfillment_conformance.errors import SuiteFault, UsageProblem
from fulfillment_conformance.marketplace import Delivery

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

Json = dict[str, Any]
Alteration = Callable[["Emulator"], None]


@dataclass(frozen=True, slots=True)
class Deviation:
    """A seeded fault: its name, the requirements whose checks fail because of it, and what it does, in a sentence.

    `perhaps` names what may fail beside: made-up stories, which differ with the seed, end at the first step that goes
    wrong.
    """

    name: str
    breaks: tuple[str, ...]
    perhaps: tuple[str, ...]
    summary: str
    alter: Alteration


DEVIATIONS: Final[dict[str, Deviation]] = {}
"""Every deviation by its name."""


def deviation(name: str, *, breaks: Sequence[str], perhaps: Sequence[str] = ()) -> Callable[[Alteration], Alteration]:
    """Register the decorated function as the deviation `name`, which breaks the requirements `breaks`."""

    def register(alter: Alteration) -> Alteration:
        if name in DEVIATIONS:
            raise SuiteFault(f"two deviations are called {name!r}; rename one of them")
        DEVIATIONS[name] = Deviation(name, tuple(breaks), tuple(perhaps), (alter.__doc__ or "").strip(), alter)
        return alter

    return register


def apply(names: Sequence[str], emulator: "Emulator") -> None:
    """Alter an emulator.

    Raises:
        UsageProblem: there is no deviation of that name.
    """
    for name in names:
        known = DEVIATIONS.get(name)
        if known is None:
            near = get_close_matches(name, DEVIATIONS, n=1, cutoff=0)
            raise UsageProblem(f"there is no deviation {name!r}; the nearest name is {near[0]!r}")
        known.alter(emulator)


def decision(owner: object, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let the decorated function take the place of a method; it gets the method itself before the arguments."""

    def replace(decide: Callable[..., Any]) -> Callable[..., Any]:
        setattr(owner, name, partial(decide, getattr(owner, name)))
        return decide

    return replace


def answers(
    emulator: "Emulator", *operations: str
) -> Callable[[Callable[[Request, Answer], Reply]], Callable[[Request, Answer], Reply]]:
    """Let the decorated function answer operations, all when none is named; it gets the request and who answered."""

    def wrap(answer: Callable[[Request, Answer], Reply]) -> Callable[[Request, Answer], Reply]:
        for operation in operations or OPERATIONS:
            emulator.api.wrap(operation, answer)
        return answer

    return wrap


def bodies(emulator: "Emulator", *operations: str) -> Callable[[Callable[[Json], None]], Callable[[Json], None]]:
    """Let the decorated function change the JSON object in successful answers to operations."""

    def wrap(change: Callable[[Json], None]) -> Callable[[Json], None]:
        @answers(emulator, *operations)
        def changed(request: Request, answer: Answer) -> Reply:
            reply = answer(request)
            if reply.status == 200 and reply.document is not None:
                change(reply.document)
            return reply

        return change

    return wrap


def subscription_objects(emulator: "Emulator") -> Callable[[Callable[[Json], None]], Callable[[Json], None]]:
    """Let the decorated function change the subscription object alike in Get, List and Resolve."""

    def wrap(change: Callable[[Json], None]) -> Callable[[Json], None]:
        bodies(emulator, "get_subscription")(change)
        bodies(emulator, "resolve")(lambda document: change(document["subscription"]))

        @bodies(emulator, "list_subscriptions")
        def change_each(document: Json) -> None:
            for subscription in document["subscriptions"]:
                change(subscription)

        return change

    return wrap


def lets_in(emulator: "Emulator", operation: str, *codes: str) -> None:
    """Let an operation serve calls that it refuses with one of the error codes, as if the publisher had made them."""

    @answers(emulator, operation)
    def served(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) not in codes:
            return reply
        request.headers = {**request.headers, "authorization": f"Bearer {emulator.identity.access_token()}"}
        return answer(request)


def refuses_with(emulator: "Emulator", status: int, code: str, *operations: str) -> None:
    """Let operations refuse with another status where they refuse with this error code."""

    @answers(emulator, *operations)
    def otherwise(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if error_code(reply) == code:
            reply.status = status
        return reply


def payloads(
    emulator: "Emulator",
) -> Callable[[Callable[[Json, Delivery], None]], Callable[[Json, Delivery], None]]:
    """Let the decorated function change the payload of notifications; it gets the payload and the delivery."""

    def wrap(change: Callable[[Json, Delivery], None]) -> Callable[[Json, Delivery], None]:
        def compose(delivery: Delivery, inner: Callable[[Delivery], Notification]) -> Notification:
            notification = inner(delivery)
            if isinstance(notification.payload, dict):
                change(notification.payload, delivery)
            return notification

        emulator.wrap_notification(compose)
        return change

    return wrap


def error_code(reply: Reply) -> str | None:
    """Return the code in an error's body, None for any other answer."""
    document = reply.document
    error = document.get("error") if isinstance(document, dict) else None
    return error.get("code") if isinstance(error, dict) else None
