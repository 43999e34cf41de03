import dataclasses

import pytest
from tests.marketplace.conftest import BUYER, PUBLISHER, World

from fulfillment_conformance.marketplace import Channel, Page, Purchase, SubscriptionStatus


def test_the_states_carry_microsofts_words() -> None:
    assert [str(status) for status in SubscriptionStatus] == [
        "PendingFulfillmentStart",
        "Subscribed",
        "Suspended",
        "Unsubscribed",
    ]


def test_a_purchase_is_direct_renewing_and_paid_unless_it_says_otherwise() -> None:
    purchase = Purchase(offer_id="crm", plan_id="silver", beneficiary=BUYER)

    assert purchase.channel is Channel.DIRECT
    assert purchase.auto_renew
    assert not any((purchase.free_trial, purchase.sandbox, purchase.is_test))


def test_what_was_returned_never_changes(world: World) -> None:
    before = world.show(world.buy())
    world.market.activate(PUBLISHER, before.id)

    assert before.status is SubscriptionStatus.PENDING_FULFILLMENT_START
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.plan_id = "gold"  # type: ignore[misc]


def test_a_page_without_continuation_is_the_last() -> None:
    assert Page((), None).continuation is None
