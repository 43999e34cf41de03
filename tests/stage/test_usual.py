from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.stage.customer import Customer
from fulfillment_conformance.stage.usual import UsualEvents

SHOWN = Exchange(sender="suite", receiver="publisher", method="GET", url="https://publisher.example/accounts/1")
SENT = Exchange(sender="marketplace", receiver="publisher", method="POST", url="https://publisher.example/webhook")

Make = Callable[..., Callable[[], Customer]]


@pytest.fixture
def customers() -> Make:
    """Return what makes customers of a publisher that takes events or not, with an effect or not, shown or not."""

    def customers(*, taken: bool, effect: bool, shown: bool = True, made: list[Any] | None = None) -> Any:
        account = SimpleNamespace(has=lambda plan: effect, gives_access=not effect, exchange=SHOWN) if shown else None

        def reinstate() -> str:
            if account is not None:
                account.gives_access = effect
            return "reinstatement"

        def make() -> Customer:
            operation = SimpleNamespace(status="Succeeded" if taken else "Failed")
            customer = SimpleNamespace(
                publisher=SimpleNamespace(receives=lambda _: SimpleNamespace(is_success=taken, exchange=SENT)),
                other_plan=lambda: SimpleNamespace(plan_id="gold"),
                change_plan=lambda plan: plan,
                suspend=lambda: "suspension",
                reinstate=reinstate,
                unsubscribe=lambda: "cancellation",
                settles=lambda _: SimpleNamespace(operation=operation, patches=()),
                eventually=lambda _: account,
                account=lambda: account,
            )
            if made is not None:
                made.append(customer)
            return cast("Customer", customer)

        return make

    return customers


@pytest.mark.parametrize("event", ["change_plan", "suspend", "reinstate", "unsubscribe"])
@pytest.mark.parametrize(
    ("taken", "effect", "shown", "works"),
    [(True, True, True, True), (True, False, True, False), (True, False, False, True), (False, False, True, False)],
)
def test_an_event_works_if_it_is_taken_and_has_its_effect_as_far_as_that_can_be_seen(
    customers: Make, event: Any, taken: bool, effect: bool, shown: bool, works: bool
) -> None:
    usual = UsualEvents(customers(taken=taken, effect=effect, shown=shown))(event)

    assert (usual.taken, usual.works) == (taken, works)
    assert usual.rests_on == ((SENT, SHOWN) if shown else (SENT,))


def test_each_event_happens_once_in_a_run(customers: Make) -> None:
    made: list[Any] = []
    usual = UsualEvents(customers(taken=True, effect=True, made=made))

    assert usual("suspend") is usual("suspend")
    assert usual("change_plan") is not usual("suspend")
    assert len(made) == 2


def test_without_a_customer_nothing_works() -> None:
    def nobody() -> Customer:
        raise Precondition("the purchase was not activated")

    usual = UsualEvents(nobody)("suspend")

    assert not usual.taken
    assert not usual.works
