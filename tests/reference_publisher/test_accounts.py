import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fulfillment_conformance.reference_publisher.accounts import Account, Accounts, Request
from fulfillment_conformance.reference_publisher.messages import Operation, Status, Subscription, Term

Document = Callable[..., dict[str, Any]]

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
GOLD = Operation(id="change", action="ChangePlan", plan_id="gold", quantity=99)
SEATS = Operation(id="seats", action="ChangeQuantity", plan_id="other", quantity=9)
REINSTATE = Operation(id="back", action="Reinstate", plan_id="other", quantity=1)


@pytest.fixture
def bought(subscription: Document) -> Subscription:
    return Subscription.read(subscription(quantity=5))


@pytest.fixture
def account(bought: Subscription) -> Account:
    return Account.opened(bought, contact_name="Ann", contact_email="ann@customer.example")


def test_an_account_belongs_to_the_beneficiary(subscription: Document) -> None:
    reseller = {"emailId": "r@r.example", "tenantId": "0C4F7F1A-7D1F-4F5C-8F58-6F3F1D2C9B11"}
    account = Account.opened(Subscription.read(subscription(purchaser=reseller)))

    assert account.tenant_id == "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"
    assert account.purchaser_tenant_id == "0c4f7f1a-7d1f-4f5c-8f58-6f3f1d2c9b11"


def test_no_account_is_opened_in_an_unknown_state(bought: Subscription) -> None:
    with pytest.raises(ValueError, match="no status that we know"):
        Account.opened(replace(bought, status=None))


@pytest.mark.parametrize("status", list(Status))
def test_access_is_for_active_subscriptions_only(bought: Subscription, status: Status) -> None:
    assert Account.opened(replace(bought, status=status)).access is (status is Status.SUBSCRIBED)


@pytest.mark.parametrize("status", list(Status))
def test_an_account_follows_every_state_and_keeps_its_settings(
    account: Account, bought: Subscription, status: Status
) -> None:
    followed = account.following(replace(bought, status=status, plan_id="gold"))

    assert (followed.status, followed.plan_id) == (status, "gold")
    assert (followed.contact_name, followed.contact_email) == ("Ann", "ann@customer.example")


@pytest.mark.parametrize("status", list(Status))
def test_cancelled_is_final(account: Account, bought: Subscription, status: Status) -> None:
    cancelled = account.following(replace(bought, status=Status.UNSUBSCRIBED))

    assert cancelled.following(replace(bought, status=status, plan_id="gold")) == cancelled


def test_an_unknown_state_changes_nothing(account: Account, bought: Subscription) -> None:
    assert account.following(replace(bought, status=None, plan_id="gold")) is account


def test_what_the_marketplace_leaves_out_is_kept(account: Account, bought: Subscription) -> None:
    bare = Subscription(id=bought.id, status=Status.SUSPENDED, auto_renew=False)
    followed = account.following(bare)

    assert followed == replace(account, status=Status.SUSPENDED, auto_renew=False)
    assert followed.term == Term(start="2026-01-01T00:00:00Z", end="2026-01-31T00:00:00Z", unit="P1M")


@pytest.mark.parametrize(
    ("operation", "plan", "quantity"), [(GOLD, "gold", 5), (SEATS, "silver", 9), (REINSTATE, "silver", 5)]
)
def test_a_change_touches_only_what_it_is_about(
    account: Account, operation: Operation, plan: str, quantity: int
) -> None:
    changed = account.accepting(operation)

    assert (changed.plan_id, changed.quantity) == (plan, quantity)


def test_an_accepted_change_outlasts_looks_that_do_not_show_it_yet(account: Account, bought: Subscription) -> None:
    changed = account.accepting(GOLD)

    assert changed.following(bought).plan_id == "gold"
    assert changed.following(replace(bought, status=Status.SUSPENDED)).status is Status.SUSPENDED
    assert changed.settled("another").following(bought).plan_id == "gold"
    assert changed.settled("change").following(bought).plan_id == "silver"


def test_a_reinstated_account_outlasts_looks_that_still_say_suspended(account: Account, bought: Subscription) -> None:
    suspended = replace(bought, status=Status.SUSPENDED)
    back = account.following(suspended).accepting(REINSTATE)

    assert back.access
    assert back.following(suspended).access
    assert not back.settled("back").following(suspended).access


def test_cancellation_ends_what_was_accepted_and_asked_for(account: Account, bought: Subscription) -> None:
    busy = account.accepting(GOLD).asking(Request(plan_id="gold"))
    ended = busy.following(replace(bought, status=Status.UNSUBSCRIBED, plan_id="silver"))

    assert (ended.accepted, ended.requests, ended.plan_id) == (None, (), "silver")


def test_the_later_of_two_changes_counts(account: Account, bought: Subscription) -> None:
    twice = account.accepting(GOLD).accepting(replace(GOLD, id="later", plan_id="platinum"))

    assert twice.settled("change").following(bought).plan_id == "platinum"


def test_handled_events_are_remembered(account: Account) -> None:
    assert account.having_handled("a").having_handled("b").handled == {"a", "b"}


@pytest.mark.parametrize(
    ("request_", "operation", "asked"),
    [
        (Request(plan_id="gold"), GOLD, True),
        (Request(plan_id="platinum"), GOLD, False),
        (Request(quantity=9), SEATS, True),
        (Request(quantity=8), SEATS, False),
        (Request(plan_id="other"), SEATS, False),
        (Request(quantity=99), GOLD, False),
    ],
)
def test_our_own_changes_are_known_by_their_value(
    account: Account, request_: Request, operation: Operation, asked: bool
) -> None:
    assert account.asking(request_).asked_for(operation) is asked
    assert not account.asking(request_).answered(request_, "done").asked_for(operation)


def test_a_customer_may_do_what_the_marketplace_allows(account: Account) -> None:
    assert account.allows("Update")
    assert not replace(account, allowed_operations=frozenset({"Read"})).allows("Update")
    assert replace(account, allowed_operations=None).allows("Delete")


def test_accounts_are_kept_by_subscription_id_in_any_case(account: Account) -> None:
    accounts = Accounts()
    accounts.save(account)

    assert accounts.get(SUBSCRIPTION.upper()) == account
    assert accounts.get("another") is None
    assert accounts.all() == [account]


@pytest.mark.anyio
async def test_one_subscription_has_one_lock_for_as_long_as_somebody_holds_it() -> None:
    accounts = Accounts()
    lock = accounts.lock(SUBSCRIPTION)

    assert accounts.lock(SUBSCRIPTION.upper()) is lock
    assert accounts.lock("another") is not lock
    async with accounts.lock("passing"):
        await asyncio.sleep(0)
    assert "passing" not in accounts._locks
