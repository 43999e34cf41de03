"""What an event in its ordinary form leads to at the publisher: the twin of whatever is odd about a test's event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.stage.customer import Customer
from fulfillment_conformance.stage.microsoft import Announcement

Event = Literal["change_plan", "suspend", "reinstate", "unsubscribe"]


@dataclass(frozen=True, slots=True)
class Usual:
    """How an ordinary event went.

    Attributes:
        taken: the publisher answered 2xx.
        works: it also has its effect on both sides, as far as that can be seen.
        rests_on: the exchanges that show it.
    """

    taken: bool
    works: bool
    rests_on: tuple[Exchange, ...] = ()


class UsualEvents:
    """Lets each ordinary event happen once in a run, to a customer of its own, when somebody first asks for it."""

    def __init__(self, subscribed: Callable[[], Customer]) -> None:
        """Try events on the customers that `subscribed` makes."""
        self._subscribed = subscribed
        self._known: dict[Event, Usual] = {}

    def __call__(self, event: Event) -> Usual:
        """Return how an ordinary event goes at this publisher."""
        if event not in self._known:
            try:
                customer = self._subscribed()
            except Precondition:
                self._known[event] = Usual(taken=False, works=False)
            else:
                self._known[event] = _TRIED[event](customer)
        return self._known[event]


def _changes_plan(customer: Customer) -> Usual:
    plan = customer.other_plan().plan_id
    announcement = customer.change_plan(plan)
    answer = customer.publisher.receives(announcement)
    outcome = customer.settles(announcement)
    account = customer.eventually(lambda now: now.has(plan=plan)) if answer.is_success else customer.account()
    return Usual(
        taken=answer.is_success,
        works=outcome.operation.status == "Succeeded" and (account is None or account.has(plan=plan)),
        rests_on=(answer.exchange, *outcome.patches, *([account.exchange] if account else [])),
    )


def _suspends(customer: Customer) -> Usual:
    return _has_access(customer, customer.suspend(), afterwards=False)


def _reinstates(customer: Customer) -> Usual:
    customer.publisher.receives(customer.suspend())
    customer.eventually(lambda now: not now.gives_access)
    return _has_access(customer, customer.reinstate(), afterwards=True)


def _unsubscribes(customer: Customer) -> Usual:
    return _has_access(customer, customer.unsubscribe(), afterwards=False)


def _has_access(customer: Customer, announcement: Announcement, *, afterwards: bool) -> Usual:
    answer = customer.publisher.receives(announcement)
    customer.settles(announcement)
    account = customer.eventually(lambda now: now.gives_access is afterwards)
    return Usual(
        taken=answer.is_success,
        works=answer.is_success and (account is None or account.gives_access is afterwards),
        rests_on=(answer.exchange, *([account.exchange] if account else [])),
    )


_TRIED: Final[dict[Event, Callable[[Customer], Usual]]] = {
    "change_plan": _changes_plan,
    "suspend": _suspends,
    "reinstate": _reinstates,
    "unsubscribe": _unsubscribes,
}
