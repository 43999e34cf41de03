"""Change the number of seats, within the limits of a per-seat plan (catalogue theme CHQ)."""

import pytest

from fulfillment_conformance.backend.judgements import (
    BAD_CREDENTIALS,
    nothing_has_begun,
    number_of_seats,
    operation_is_located,
    value_is,
)
from fulfillment_conformance.backend.situations import same_market
from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.marks import requirement

NO_NUMBERS_OF_SEATS = {"zero": 0, "negative": -1, "fraction": 1.5, "word": "abc"}


@pytest.fixture
def seats(situations):
    """An active subscription to a per-seat plan."""
    return situations.subscribed("per-seat")


@requirement("CHQ-001")
def test_a_seat_change_is_accepted(marketplace, situations, seats, check):
    """PATCH with another quantity on a Subscribed per-seat subscription is answered 202."""
    check("CHQ-001").status(marketplace.change_quantity(seats.id, situations.other_quantity(seats)), 202)


@requirement("CHQ-002")
def test_seats_can_be_raised_and_lowered(marketplace, situations, seats, check):
    """One seat more, and then two fewer, or one where the plan's limits leave no room: 202 each."""
    other, least = situations.other_quantity(seats), seats.plan_info.min_quantity or 1
    changed = marketplace.change_quantity(seats.id, other)
    if check("CHQ-002").status(changed, 202):
        situations.complete(situations.change_of(seats, changed, quantity=other))
        back = max(seats.quantity - 1, least) if other > seats.quantity else seats.quantity
        check("CHQ-002").status(marketplace.change_quantity(seats.id, back), 202)


@requirement("CHQ-002", "CHQ-011", "CHQ-020")
def test_the_seats_can_be_changed_again(marketplace, situations, seats, check):
    """What counts are the seats of today: changed to are the present ones, refused with 400, and fewer are given."""
    with situations.further():
        more, fewer = _more_and_fewer(seats)
    raised = situations.change_of(seats, marketplace.change_quantity(seats.id, more), quantity=more)
    situations.complete(raised)
    situations.shows(raised, marketplace.get_subscription(seats.id))
    refused = marketplace.change_quantity(seats.id, more)
    accepted = marketplace.change_quantity(seats.id, fewer)

    check("CHQ-011").refused(refused, with_status=400, while_twin=accepted)
    if refused.is_success:
        for each in check.each("CHQ-002", "CHQ-020"):
            each.not_applicable("a change to the present number was accepted, and stands in the way (CHQ-011)")
    elif check("CHQ-002").status(accepted, 202):
        situations.complete(situations.change_of(seats, accepted, quantity=fewer))
        shown = marketplace.get_subscription(seats.id)
        value_is(check("CHQ-020"), shown.quantity, fewer)
        check("CHQ-020").equals(shown.plan, seats.plan)


@requirement("CHQ-001", "CHQ-008", "CHQ-020")
def test_the_limits_are_those_of_the_present_plan(marketplace, situations, check):
    """After a change to a plan with a higher maximum, as many seats can be had as that one allows, and no more.

    The seats change then, and the plan does not.
    """
    with situations.further():
        plan, wider = _plan_and_a_wider_one(situations)
        seats = situations.subscribed(plan=plan)
    moved = situations.change_of(seats, marketplace.change_plan(seats.id, wider.plan_id), plan=wider.plan_id)
    situations.complete(moved)
    situations.shows(moved, marketplace.get_subscription(seats.id))
    refused = marketplace.change_quantity(seats.id, wider.max_quantity + 1)
    accepted = marketplace.change_quantity(seats.id, plan[1].max_quantity + 1)

    check("CHQ-008").refused(refused, with_status=400, while_twin=accepted)
    if refused.is_success:
        for each in check.each("CHQ-001", "CHQ-020"):
            each.not_applicable("more seats than there may be were accepted, and stand in the way (CHQ-008)")
    elif check("CHQ-001").status(accepted, 202):
        situations.complete(situations.change_of(seats, accepted, quantity=plan[1].max_quantity + 1))
        check("CHQ-020").equals(marketplace.get_subscription(seats.id).plan, wider.plan_id)


@requirement("CHQ-003")
def test_the_answer_locates_the_operation(marketplace, situations, seats, check):
    """Operation-Location is an absolute URL of the operation, api-version included, and answers."""
    accepted = marketplace.change_quantity(seats.id, situations.other_quantity(seats))

    operation_is_located(check("CHQ-003"), marketplace, seats.id, accepted)


@requirement("CHQ-005")
def test_the_webhook_is_called_when_the_change_is_ready(marketplace, situations, webhook, seats, check):
    """ChangeQuantity comes with the new value, under the id of the operation that the PATCH began."""
    change = situations.begin_change(seats, "seats", by="publisher")
    notification = webhook.hears(seats, "ChangeQuantity", operation=change.operation_id)
    shown = marketplace.get_operation(seats.id, change.operation_id)

    if check("CHQ-005").that(
        notification is not None,
        expected="a webhook call with action ChangeQuantity",
        actual="a call" if notification else f"no such call, {shown.status}",
        rests_on=[notification or shown],
    ):
        check("CHQ-005").equals(notification["id"], change.operation_id)
        value_is(check("CHQ-005"), notification["quantity"], change.wanted)


@requirement("CHQ-002")
@pytest.mark.parametrize("bound", ["min_quantity", "max_quantity"])
def test_the_limits_themselves_can_be_had(marketplace, situations, check, bound):
    """From one seat beside it, minQuantity or maxQuantity is accepted with 202."""
    with situations.further():
        situations.needs("purchases")
        plan = situations.plan_with_a_limit(bound)
        limit, others = getattr(plan[1], bound), plan[1]
        beside = limit + 1 if bound == "min_quantity" else max(others.min_quantity or 1, limit - 1)
        seats = situations.subscribed(plan=plan, quantity=min(beside, others.max_quantity or beside))
    if seats.quantity == limit:
        check("CHQ-002").not_applicable("the plan can be had with one number of seats only")
        return

    check("CHQ-002").status(marketplace.change_quantity(seats.id, limit), 202)


@requirement("CHQ-008")
def test_more_seats_than_the_maximum_are_refused(marketplace, situations, check):
    """One more than maxQuantity is answered 400 and sets nothing."""
    plan = situations.plan_with_a_limit("max_quantity")
    most = plan[1].max_quantity
    seats, twin = _with_seats(situations, plan, max(plan[1].min_quantity or 1, most - 1))
    refused = marketplace.change_quantity(seats.id, most + 1)
    accepted = marketplace.change_quantity(twin.id, most)
    if situations.has("clock"):
        situations.pass_time(minutes=1)

    check("CHQ-008").refused(refused, with_status=400, while_twin=accepted)
    check("CHQ-008").that(
        not _are(most + 1, shown := marketplace.get_subscription(seats.id).quantity),
        expected="the seats as they were",
        actual=shown.value,
        rests_on=[refused, shown],
    )


@requirement("CHQ-009")
def test_fewer_seats_than_the_minimum_are_refused(marketplace, situations, check):
    """One less than minQuantity is answered 400 and sets nothing."""
    plan = situations.plan_with_a_limit("min_quantity")
    least, most = plan[1].min_quantity, plan[1].max_quantity
    seats, twin = _with_seats(situations, plan, min(most or least + 1, least + 1))
    refused = marketplace.change_quantity(seats.id, least - 1)
    accepted = marketplace.change_quantity(twin.id, least)
    if situations.has("clock"):
        situations.pass_time(minutes=1)

    check("CHQ-009").refused(refused, with_status=400, while_twin=accepted)
    check("CHQ-009").that(
        not _are(least - 1, shown := marketplace.get_subscription(seats.id).quantity),
        expected="the seats as they were",
        actual=shown.value,
        rests_on=[refused, shown],
    )


@requirement("CHQ-010")
@pytest.mark.parametrize("body", [{}, {"quantity": None}], ids=["absent", "null"])
def test_a_missing_quantity_is_refused(marketplace, situations, seats, check, body):
    """A body without a quantity, or with null for one, is answered 400."""
    refused = marketplace.change_quantity(seats.id, None, json=body)

    check("CHQ-010").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_quantity(seats.id, situations.other_quantity(seats)),
    )


@requirement("CHQ-011")
def test_the_present_number_is_refused(marketplace, situations, seats, check):
    """A change to the seats that there are is answered 400."""
    refused = marketplace.change_quantity(seats.id, seats.quantity)

    check("CHQ-011").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_quantity(seats.id, situations.other_quantity(seats)),
    )


@requirement("CHQ-012")
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Suspended"])
def test_only_active_subscriptions_change_their_seats(marketplace, situations, seats, check, status):
    """A pending or suspended subscription is refused with 400, and keeps its seats."""
    inactive = {"PendingFulfillmentStart": situations.buy, "Suspended": situations.suspended}[status]("per-seat")
    target = situations.other_quantity(inactive)
    before = marketplace.get_subscription(inactive.id).quantity
    refused = marketplace.change_quantity(inactive.id, target)
    after = marketplace.get_subscription(inactive.id).quantity

    check("CHQ-012").refused(refused, with_status=400, while_twin=marketplace.change_quantity(seats.id, target))
    check("CHQ-012").equals(after, before)


@requirement("CHQ-013")
def test_a_customer_of_a_reseller_changes_no_seats_here(marketplace, situations, seats, check):
    """Where allowedCustomerOperations lacks Update the change is answered 400, and the seats stay."""
    situations.needs("csp")
    resold = situations.subscribed("per-seat", channel="csp")
    target = situations.other_quantity(resold)
    before = marketplace.get_subscription(resold.id)
    refused = marketplace.change_quantity(resold.id, target)

    nothing_has_begun(check("CHQ-013"), marketplace, resold.id, before, refused, listed=situations.has("purchases"))
    check("CHQ-013").refused(refused, with_status=400, while_twin=marketplace.change_quantity(seats.id, target))


@requirement("CHQ-014")
@pytest.mark.parametrize("fault", BAD_CREDENTIALS)
def test_without_good_credentials_no_seats_are_changed(marketplace, situations, seats, credentials, check, fault):
    """No usable token, or another publisher's: 401 or 403, and nothing is begun."""
    target = situations.other_quantity(seats)
    before = marketplace.get_subscription(seats.id)
    refused = marketplace.change_quantity(seats.id, target, **credentials(fault))

    nothing_has_begun(check("CHQ-014"), marketplace, seats.id, before, refused, listed=situations.has("purchases"))
    check("CHQ-014").refused(refused, with_status=(401, 403), while_twin=marketplace.change_quantity(seats.id, target))


@requirement("CHQ-015")
def test_an_unknown_subscription_changes_no_seats(marketplace, situations, seats, unknown_id, check):
    """An id that names nothing is answered 404."""
    target = situations.other_quantity(seats)

    check("CHQ-015").refused(
        marketplace.change_quantity(unknown_id, target),
        with_status=404,
        while_twin=marketplace.change_quantity(seats.id, target),
    )


@requirement("CHQ-018")
def test_a_flat_plan_has_no_seats_to_change(marketplace, situations, seats, check):
    """A quantity for a flat-rate subscription is refused with 400."""
    refused = marketplace.change_quantity(situations.subscribed("flat").id, 5)

    check("CHQ-018").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_quantity(seats.id, situations.other_quantity(seats)),
    )


@requirement("CHQ-019")
@pytest.mark.parametrize("what", NO_NUMBERS_OF_SEATS)
def test_what_is_no_number_of_seats_is_refused(marketplace, situations, seats, check, what):
    """Zero, negative numbers, fractions and words are answered 400."""
    before = marketplace.get_subscription(seats.id)
    refused = marketplace.change_quantity(seats.id, NO_NUMBERS_OF_SEATS[what])

    nothing_has_begun(check("CHQ-019"), marketplace, seats.id, before, refused, listed=situations.has("purchases"))
    check("CHQ-019").refused(
        refused,
        with_status=400,
        while_twin=marketplace.change_quantity(seats.id, situations.other_quantity(seats)),
    )


@requirement("CHQ-020")
def test_the_quantity_is_the_new_one_when_the_operation_has_succeeded(marketplace, situations, seats, check):
    """After the operation has Succeeded Get Subscription shows the seats asked for."""
    change = situations.begin_change(seats, "seats", by="publisher")
    situations.complete(change)

    value_is(check("CHQ-020"), marketplace.get_subscription(seats.id).quantity, change.wanted)


def _more_and_fewer(purchase):
    """Return one more and one fewer seat than a subscription has."""
    info, seats = purchase.plan_info, purchase.quantity
    if not (info.min_quantity or 1) < seats < (info.max_quantity or seats + 1):
        raise MissingCapability("purchases", f": plan {info.plan_id} has no room for more seats and for fewer")
    return seats + 1, seats - 1


def _plan_and_a_wider_one(situations):
    """Return a per-seat plan, and another one of its offer that allows what it allows to begin with, and more."""
    for offer, plan in situations.plans("per-seat"):
        for own, other in situations.plans("per-seat"):
            begins_with = max(plan.min_quantity or 1, min(10, plan.max_quantity or 10))
            if (
                own.offer_id == offer.offer_id
                and same_market(plan, other)
                and (other.max_quantity or 0) > (plan.max_quantity or other.max_quantity or 0)
                and (other.min_quantity or 1) <= begins_with
            ):
                return (offer, plan), other
    raise MissingCapability("purchases", ": no per-seat plan has a sibling with a higher maximum")


def _with_seats(situations, plan, quantity):
    """Return two subscriptions with so many seats; where none can be had, one that there is stands for both."""
    try:
        return tuple(situations.subscribed(plan=plan, quantity=quantity) for _ in range(2))
    except MissingCapability:
        there = situations.subscribed(plan=plan)
        return there, there


def _are(seats, shown):
    """Whether a reading shows so many seats, as a number or as text."""
    return number_of_seats(shown.value) == seats
