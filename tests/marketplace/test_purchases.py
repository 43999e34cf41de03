from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from tests.marketplace.conftest import (
    BUYER,
    OFFERS,
    OTHER_APP,
    PUBLISHER,
    RESELLER,
    START,
    STRANGER,
    World,
    actions,
    refusal,
)

from fulfillment_conformance.marketplace import (
    DOCUMENTED,
    OBSERVED,
    Action,
    Channel,
    Purchase,
    Refused,
    SubscriptionStatus,
)

DAY = timedelta(hours=24)
MOMENT = timedelta(microseconds=1)


def bought(world: World, **details: Any) -> tuple[str, str]:
    values: dict[str, Any] = {"offer_id": "crm", "plan_id": "silver", "beneficiary": BUYER} | details
    subscription, token = world.market.purchase(Purchase(**values))
    return subscription.id, token


# --- purchases ---


def test_a_purchase_waits_for_activation_and_nobody_is_told(world: World) -> None:
    subscription = world.show(world.buy())

    assert subscription.status is SubscriptionStatus.PENDING_FULFILLMENT_START
    assert (subscription.term.start, subscription.term.end) == (None, None)
    assert subscription.term.unit == "P1M"
    assert subscription.created == START
    assert subscription.auto_renew
    assert world.market.take_deliveries() == []


def test_a_subscription_shows_what_was_bought_by_whom_for_whom(world: World) -> None:
    subscription = world.show(
        world.buy("team", quantity=7, term_unit="P1Y", purchaser=RESELLER, name="Our team", auto_renew=False)
    )

    assert (subscription.publisher_id, subscription.offer_id, subscription.plan_id) == ("contoso", "seats", "team")
    assert (subscription.quantity, subscription.term.unit, subscription.name) == (7, "P1Y", "Our team")
    assert (subscription.beneficiary, subscription.purchaser) == (BUYER, RESELLER)
    assert not subscription.auto_renew


def test_without_details_the_minimum_is_bought_for_oneself_with_the_first_term(world: World) -> None:
    seats, flat = world.show(world.buy("business")), world.show(world.buy("multiyear"))

    assert (seats.quantity, seats.purchaser, seats.name) == (5, BUYER, "Seats")
    assert (flat.quantity, flat.term.unit) == (None, "P1Y")


@pytest.mark.parametrize(
    ("channel", "allowed"),
    [
        (Channel.DIRECT, ("Read", "Update", "Delete")),
        (Channel.FIELD, ("Read", "Update", "Delete")),
        (Channel.CSP, ("Read",)),
    ],
)
def test_the_channel_decides_what_the_customer_may_do(world: World, channel: Channel, allowed: tuple[str, ...]) -> None:
    subscription = world.show(world.buy(channel=channel, purchaser=RESELLER))

    assert subscription.allowed_customer_operations == allowed
    assert (subscription.channel, subscription.purchaser, subscription.beneficiary) == (channel, RESELLER, BUYER)


def test_a_resellers_sandbox_is_marked(world: World) -> None:
    assert world.show(world.buy(channel=Channel.CSP, sandbox=True)).sandbox_type == "Csp"
    assert world.show(world.buy(channel=Channel.CSP)).sandbox_type == "None"


CANNOT: list[tuple[str, dict[str, Any]]] = [
    ("There is no offer 'nothing'; on sale are crm, seats, desk", {"offer_id": "nothing"}),
    ("Offer 'crm' has no plan 'bronze'; it has silver, gold", {"plan_id": "bronze"}),
    ("Plan 'withdrawn' is no longer sold", {"plan_id": "withdrawn"}),
    ("Plan 'hidden' is private; tenant 'customer' is not in its audience", {"plan_id": "hidden"}),
    ("resellers can buy public plans only", {"plan_id": "private", "channel": Channel.CSP}),
    ("Plan 'silver' has no free trial", {"free_trial": True}),
    ("not sold with a term of 'P3Y'; it has P1M, P1Y", {"term_unit": "P3Y"}),
    ("Plan 'silver' has a flat price; 1 seats cannot be ordered", {"quantity": 1}),
    ("101 seats are outside the limits of plan 'team': at least 1 and at most 100", {"quantity": 101}),
    ("4 seats are outside the limits of plan 'business': at least 5 and no upper limit", {"quantity": 4}),
]


@pytest.mark.parametrize(("complaint", "details"), CANNOT, ids=[complaint for complaint, _ in CANNOT])
def test_what_cannot_be_bought_is_refused_with_the_reason(
    world: World, complaint: str, details: dict[str, Any]
) -> None:
    seats = {"offer_id": "seats", "plan_id": complaint.partition("plan '")[2].partition("'")[0]}
    before = world.frozen()

    with pytest.raises(Refused, match=complaint) as refused:
        bought(world, **(seats if "outside" in complaint else {}) | details)

    assert refused.value.status == 400
    assert world.frozen() == before


def test_a_private_plan_is_sold_to_its_audience(world: World) -> None:
    assert world.show(world.buy("private")).plan_id == "private"
    assert world.show(world.buy("private", channel=Channel.FIELD)).plan_id == "private"


def test_an_automatically_activated_plan_is_in_service_at_once_and_announced(world: World) -> None:
    subscription = world.show(world.buy("auto"))
    (delivery,) = world.market.take_deliveries()

    assert subscription.status is SubscriptionStatus.SUBSCRIBED
    assert (subscription.term.start, subscription.term.end) == (date(2026, 1, 31), date(2026, 2, 27))
    assert (delivery.action, delivery.subscription) == (Action.SUBSCRIBE, subscription)
    assert not delivery.operation.is_pending


def test_thirty_days_without_activation_void_a_purchase(world: World) -> None:
    subscription_id = world.buy()
    assert world.wait(timedelta(days=30) - MOMENT) == []
    assert world.show(subscription_id).status is SubscriptionStatus.PENDING_FULFILLMENT_START

    assert actions(world.wait(MOMENT)) == [Action.UNSUBSCRIBE]
    assert world.show(subscription_id).status is SubscriptionStatus.UNSUBSCRIBED
    assert refusal(lambda: world.market.activate(PUBLISHER, subscription_id)) == 404


# --- tokens ---


@pytest.mark.parametrize("status", SubscriptionStatus)
def test_a_token_resolves_in_every_state(world: World, status: SubscriptionStatus) -> None:
    subscription_id = world.in_status(status)

    assert world.market.resolve(PUBLISHER, world.market.issue_token(subscription_id)) == world.show(subscription_id)


def test_a_token_resolves_again_and_again_for_24_hours(world: World) -> None:
    subscription_id, token = bought(world)
    world.wait(DAY - MOMENT)
    assert world.market.resolve(PUBLISHER, token) == world.market.resolve(PUBLISHER, token)
    assert world.market.resolve(PUBLISHER, token).id == subscription_id
    world.wait(MOMENT)

    with pytest.raises(Refused, match="400 TokenExpired: The purchase token expired at 2026-02-01T09:30"):
        world.market.resolve(PUBLISHER, token)


def test_tokens_of_one_subscription_are_independent(world: World) -> None:
    subscription_id, first = bought(world)
    world.wait(DAY / 2)
    second = world.market.issue_token(subscription_id)
    world.wait(DAY / 2)

    assert first != second
    assert refusal(lambda: world.market.resolve(PUBLISHER, first)) == 400
    assert world.market.resolve(PUBLISHER, second).id == subscription_id


def test_a_token_can_be_issued_expired(world: World) -> None:
    token = world.market.issue_token(world.buy(), expired=True)

    with pytest.raises(Refused, match="TokenExpired"):
        world.market.resolve(PUBLISHER, token)


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_is_refused(world: World, token: str | None) -> None:
    with pytest.raises(Refused, match="400 HeaderNotPresent"):
        world.market.resolve(PUBLISHER, token)


def test_a_token_that_is_not_ours_is_refused_without_being_shown(world: World) -> None:
    _, token = bought(world)
    elsewhere = World(seed=8)
    _, foreign = bought(elsewhere)

    for wrong in ("nonsense", token[:-1], token.swapcase(), token.replace("+", " "), foreign):
        with pytest.raises(Refused, match="400 InvalidValue") as refused:
            world.market.resolve(PUBLISHER, wrong)
        assert wrong not in str(refused.value)


def test_a_token_of_a_forgotten_subscription_is_refused(world: World) -> None:
    _, token = bought(world)
    world.market.reset()

    assert refusal(lambda: world.market.resolve(PUBLISHER, token)) == 400


def test_a_token_in_strange_hands_is_refused_with_403(world: World) -> None:
    _, token = bought(world)

    assert refusal(lambda: world.market.resolve(STRANGER, token)) == 403
    assert refusal(lambda: world.market.resolve(OTHER_APP, token)) == 403
    assert refusal(lambda: world.market.issue_token("nobody")) == 404


# --- activation ---


def test_activation_starts_service_and_the_term_on_its_day_and_announces_nothing(world: World) -> None:
    subscription_id = world.buy()
    world.wait(timedelta(days=5))
    shown = world.market.activate(PUBLISHER, subscription_id)

    assert shown == world.show(subscription_id)
    assert shown.status is SubscriptionStatus.SUBSCRIBED
    assert (shown.term.start, shown.term.end) == (date(2026, 2, 5), date(2026, 3, 4))
    assert world.wait(timedelta(days=27)) == []


@pytest.mark.parametrize("values", [{}, {"plan_id": "team"}, {"plan_id": "team", "quantity": 5}])
def test_activation_takes_no_values_or_the_purchased_ones(world: World, values: dict[str, Any]) -> None:
    assert world.market.activate(PUBLISHER, world.buy("team", quantity=5), **values).plan_id == "team"


@pytest.mark.parametrize(
    "values",
    [
        {"plan_id": "business", "quantity": 5},
        {"plan_id": "team", "quantity": 6},
        {"plan_id": "team", "quantity": None},
        {"plan_id": None, "quantity": 5},
        {"quantity": 5},
    ],
)
def test_activation_with_other_values_is_refused_where_they_are_checked(world: World, values: dict[str, Any]) -> None:
    subscription_id = world.buy("team", quantity=5)
    before = world.frozen()
    assert refusal(lambda: world.market.activate(PUBLISHER, subscription_id, **values)) == 400
    assert world.frozen() == before

    lenient = World(OBSERVED)
    activated = lenient.market.activate(PUBLISHER, lenient.buy("team", quantity=5), **values)
    assert (activated.status, activated.plan_id, activated.quantity) == (SubscriptionStatus.SUBSCRIBED, "team", 5)


def test_a_refused_activation_tells_what_was_named_and_what_was_bought(world: World) -> None:
    subscription_id = world.buy("team", quantity=5)

    named: list[tuple[dict[str, Any], str]] = [
        ({"plan_id": "gold"}, f"The body names plan 'gold'; subscription '{subscription_id}' has 'team'"),
        ({"quantity": 5}, f"The body names no plan; subscription '{subscription_id}' has 'team'"),
        ({"plan_id": "team", "quantity": 6}, f"The body names 6 seats; subscription '{subscription_id}' has 5"),
    ]
    for values, complaint in named:
        with pytest.raises(Refused, match=complaint):
            world.market.activate(PUBLISHER, subscription_id, **values)


def test_a_flat_plan_is_activated_with_null_seats_but_not_with_one(world: World) -> None:
    subscription_id = world.buy()

    assert refusal(lambda: world.market.activate(PUBLISHER, subscription_id, plan_id="silver", quantity=1)) == 400
    world.market.activate(PUBLISHER, subscription_id, plan_id="silver", quantity=None)


def test_activating_twice_is_no_matter(world: World) -> None:
    subscription_id = world.active()
    before = world.frozen()
    world.market.activate(PUBLISHER, subscription_id)

    assert world.frozen() == before


def test_where_activation_takes_time_the_state_follows_later() -> None:
    world = World(replace(DOCUMENTED, activation_delay=timedelta(minutes=3)))
    subscription_id = world.active()
    assert world.show(subscription_id).status is SubscriptionStatus.PENDING_FULFILLMENT_START
    world.wait(timedelta(minutes=2))
    world.market.activate(PUBLISHER, subscription_id)
    world.wait(timedelta(minutes=1))

    assert world.show(subscription_id).status is SubscriptionStatus.SUBSCRIBED
    assert world.wait(timedelta(days=27)) == []


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(minutes=3)])
def test_an_accepted_activation_that_fails_cancels(delay: timedelta) -> None:
    world = World(replace(DOCUMENTED, activation_delay=delay))
    subscription_id = world.active()
    world.market.fail_activation(subscription_id)

    assert actions(world.wait(timedelta(days=40))) == [Action.UNSUBSCRIBE]
    assert world.show(subscription_id).status is SubscriptionStatus.UNSUBSCRIBED


def test_only_an_accepted_activation_can_fail(world: World) -> None:
    for subscription_id in (world.buy(), world.buy("auto")):
        with pytest.raises(Refused, match="409 NotActivated"):
            world.market.fail_activation(subscription_id)


def test_purchases_of_an_offer_that_changes_hands_of_application_go_on(world: World) -> None:
    world.market.publish(replace(OFFERS[0], app_id="another-app"))
    subscription_id, token = bought(world)

    assert world.market.resolve(OTHER_APP, token).id == subscription_id


def test_a_subscription_that_exists_elsewhere_is_built_after_under_its_own_id(world: World) -> None:
    wanted = "2b1c9f04-7a53-4d18-9e6f-c0a4d8b35e71"

    assert bought(world, subscription_id=wanted)[0] == wanted
    assert bought(world)[0] != wanted
