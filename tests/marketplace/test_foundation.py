from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.marketplace.conftest import BUYER, OFFERS, OTHER_APP, PUBLISHER, STRANGER, World, refusal

from fulfillment_conformance.marketplace import Caller, Offer, Plan, Refused, SubscriptionStatus
from fulfillment_conformance.marketplace.foundation import as_utc

CRM = OFFERS[0]


def test_the_clock_is_in_utc_whatever_zone_it_was_started_in() -> None:
    tokyo = datetime(2026, 2, 1, 3, tzinfo=timezone(timedelta(hours=9)))
    world = World(start=tokyo)

    assert world.market.now == tokyo
    assert world.market.now.tzinfo is UTC
    assert world.market.now.day == 31


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        as_utc(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake to be noticed


def test_published_offers_are_shown_in_order_and_replaced_by_id(world: World) -> None:
    renamed = replace(CRM, display_name="Renamed")
    world.market.publish(renamed)
    world.market.publish(replace(CRM, offer_id="new"))

    assert [offer.offer_id for offer in world.market.offers()] == ["crm", "seats", "desk", "new"]
    assert world.market.offers()[0] is renamed


def test_an_offer_in_use_keeps_its_plans(world: World) -> None:
    smaller = replace(CRM, plans=CRM.plans[1:])
    world.market.publish(smaller)
    world.market.publish(CRM)
    world.buy()

    with pytest.raises(ValueError, match=r"would lose its plans \['silver'\]; keep them and set is_stop_sell"):
        world.market.publish(smaller)


def test_only_the_configured_application_of_the_publisher_has_access(world: World) -> None:
    subscription_id = world.buy()

    for stranger in (STRANGER, OTHER_APP, Caller("contoso", "another-tenant", "app-of-contoso")):
        with pytest.raises(Refused) as refused:
            world.market.subscription(stranger, subscription_id)
        assert refused.value.status == 403
    assert world.market.subscription(PUBLISHER, subscription_id).id == subscription_id


def test_access_follows_the_technical_configuration_as_it_is_now(world: World) -> None:
    subscription_id = world.buy()
    world.market.publish(replace(CRM, app_id="another-app"))

    assert refusal(lambda: world.market.subscription(PUBLISHER, subscription_id)) == 403
    assert world.market.subscription(OTHER_APP, subscription_id).id == subscription_id


def test_an_unknown_subscription_is_named_in_the_refusal(world: World) -> None:
    with pytest.raises(Refused, match="404 SubscriptionNotFound: There is no subscription 'nobody'"):
        world.market.find("nobody")


def test_an_operation_is_found_under_its_own_subscription_only(world: World) -> None:
    one, two = world.active(), world.active()
    operation = world.market.customer_changes_plan(one, "gold")

    assert world.market.operation(PUBLISHER, one, operation.id) == operation
    assert refusal(lambda: world.market.operation(PUBLISHER, two, operation.id)) == 404
    assert refusal(lambda: world.market.operation(PUBLISHER, one, "nothing")) == 404


def test_operations_carry_ids_of_their_own_and_the_time_of_the_event(world: World) -> None:
    subscription_id = world.active()
    world.market.advance_to(world.market.now + timedelta(days=1))
    operation = world.market.customer_changes_plan(subscription_id, "gold")

    assert operation.created == world.market.now
    assert len({operation.id, operation.activity_id, subscription_id}) == 3
    assert (operation.publisher_id, operation.offer_id) == ("contoso", "crm")


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_plans_to_switch_to_are_for_sale_visible_and_of_the_same_market_and_the_present_one_is_always_there(
    world: World, status: SubscriptionStatus
) -> None:
    subscription = world.show(world.in_status(status))

    plans = [plan.plan_id for plan in world.market.plans_for(subscription)]

    assert plans == ["silver", "gold", "trial", "private", "multiyear", "auto"]


def test_a_plan_that_is_no_longer_sold_stays_visible_to_those_who_have_it(world: World) -> None:
    subscription_id = world.buy("gold")
    plans = tuple(replace(plan, is_stop_sell=plan.plan_id == "gold") for plan in CRM.plans)
    world.market.publish(Offer(offer_id="crm", publisher_id="contoso", tenant_id="t", app_id="a", plans=plans))
    subscription = world.market.find(subscription_id).subscription

    assert "gold" in [plan.plan_id for plan in world.market.plans_for(subscription)]
    other = world.market.find(world.buy("silver")).subscription
    assert "gold" not in [plan.plan_id for plan in world.market.plans_for(other)]


def test_the_audience_is_the_beneficiarys_tenant_not_the_purchasers(world: World) -> None:
    elsewhere = replace(BUYER, tenant_id="elsewhere")
    subscription = world.show(world.buy(beneficiary=elsewhere, purchaser=BUYER))

    assert "private" not in [plan.plan_id for plan in world.market.plans_for(subscription)]


def test_a_plan_of_the_buyers_market_only(world: World) -> None:
    overseas = world.show(world.buy("overseas"))

    assert [plan.plan_id for plan in world.market.plans_for(overseas)] == ["overseas"]


def test_a_plan_is_found_in_its_offer_as_it_is_published_now(world: World) -> None:
    subscription = world.show(world.buy())

    assert world.market.offer_of(subscription) is CRM
    assert world.market.plan_of(subscription) == Plan(plan_id="silver")
