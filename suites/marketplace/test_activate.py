"""Activate: the subscription starts, and with it billing (catalogue theme ACT)."""

import pytest

from fulfillment_conformance.backend.judgements import UNUSABLE_TOKENS, value_is
from fulfillment_conformance.marks import requirement

NO_BODY = (404, 400)
"""What refuses an activation without a body: who asks for one may miss it first (ACT-007)."""


@requirement("ACT-001", "ACT-002", "ACT-003", "LCY-003")
def test_a_pending_purchase_is_activated(marketplace, situations, purchase, check):
    """Activate answers 200 without a body, and within minutes the subscription is Subscribed."""
    activated = marketplace.activate(purchase.id, plan=purchase.plan)
    later = situations.wait_for_status(purchase, "Subscribed")

    check("ACT-001").status(activated, 200)
    _has_no_body(check("ACT-002"), activated)
    for each in check.each("ACT-003", "LCY-003"):
        each.equals(later.status, "Subscribed")


@requirement("ACT-001", "ACT-002", "ACT-003")
@pytest.mark.parametrize("named", [True, False], ids=["with-a-body", "without-a-body"])
def test_whatever_was_bought_is_activated(marketplace, situations, check, named):
    """Flat-rate or per seat, direct or through a reseller: what activate accepts answers 200 and comes into force."""
    with situations.further():
        for purchase in _bought_in_every_way(situations):
            activated = marketplace.activate(purchase.id, **(_what_was_bought(purchase) if named else {}))
            if not named and activated.status_code == 400:
                for each in check.each("ACT-001", "ACT-002", "ACT-003"):
                    each.not_applicable("a body is asked for (ACT-007)")
                continue
            later = situations.wait_for_status(purchase, "Subscribed")
            check("ACT-001").status(activated, 200)
            _has_no_body(check("ACT-002"), activated)
            check("ACT-003").equals(later.status, "Subscribed")


@requirement("ACT-005")
def test_billing_has_no_term_before_activation(marketplace, purchase, check):
    """While the purchase is pending there is no billing term yet: term dates are absent or null."""
    term = marketplace.get_subscription(purchase.id)["term"]

    check("ACT-005").absent_or(term["startDate"], [None, ""])


@requirement("ACT-005", "GET-029")
def test_nothing_that_waits_has_a_term(marketplace, situations, check):
    """Neither does what was bought with seats, nor what a reseller bought, as long as it is pending."""
    with situations.further():
        for purchase in _bought_in_every_way(situations):
            term = marketplace.get_subscription(purchase.id)["term"]
            for each in check.each("ACT-005", "GET-029"):
                each.absent_or(term["startDate"], [None, ""])


@requirement("ACT-007")
def test_activate_without_a_body_is_accepted(marketplace, purchase, check):
    """The newest pages define no body."""
    check("ACT-007").status(marketplace.activate(purchase.id), 200, 202)  # which is the matter of ACT-001


@requirement("ACT-008")
def test_activate_with_what_was_bought_is_accepted(marketplace, situations, check):
    """A body that names the purchased plan and seats is accepted."""
    purchase = situations.buy(None)

    check("ACT-008").status(marketplace.activate(purchase.id, **_what_was_bought(purchase)), 200, 202)


@requirement("ACT-008")
def test_activate_with_the_seats_that_were_bought_is_accepted(marketplace, situations, check):
    """So is one for a plan with seats, which names their number."""
    with situations.further():
        situations.needs("purchases")
        purchase = situations.buy("per-seat")

        check("ACT-008").status(marketplace.activate(purchase.id, **_what_was_bought(purchase)), 200, 202)


@requirement("ACT-009")
def test_activating_with_a_plan_that_was_not_bought_never_sells_it(marketplace, situations, purchase, check):
    """Such a body is refused with 400, or ignored: the plan stays the purchased one."""
    answer = marketplace.activate(purchase.id, plan="a-plan-nobody-bought")
    plan = situations.wait_for_status(purchase, "Subscribed").plan if answer.is_success else None
    plan = plan or marketplace.get_subscription(purchase.id).plan
    twin = answer if answer.is_success else marketplace.activate(purchase.id, plan=purchase.plan)

    check("ACT-009").is_one_of(answer.status_line, [400, 200, 202])
    check("ACT-009").equals(plan, purchase.plan)
    check("ACT-009").accepted(twin)


@requirement("ACT-010")
def test_activating_with_other_seats_never_sells_them(marketplace, situations, check):
    """A body with another quantity is refused with 400, or ignored: the seats stay the purchased ones."""
    purchase = situations.buy("per-seat")
    answer = marketplace.activate(purchase.id, plan=purchase.plan, quantity=(purchase.quantity or 1) + 1)
    if answer.is_success:
        situations.wait_for_status(purchase, "Subscribed")

    check("ACT-010").is_one_of(answer.status_line, [400, 200, 202])
    value_is(check("ACT-010"), marketplace.get_subscription(purchase.id).quantity, purchase.quantity)


@requirement("ACT-011")
def test_a_body_without_a_plan_is_refused_or_ignored(marketplace, purchase, check):
    """An empty object is answered 400 or 200."""
    check("ACT-011").is_one_of(marketplace.activate(purchase.id, json={}).status_line, [400, 200, 202])


@requirement("ACT-012")
def test_a_suspended_subscription_is_not_activated(marketplace, situations, check):
    """Activate answers 400, and the subscription stays Suspended."""
    suspended = situations.suspended()
    refused = marketplace.activate(suspended.id, plan=suspended.plan)
    status = marketplace.get_subscription(suspended.id).status

    check("ACT-012").refused(refused, with_status=400, while_twin=_accepted(marketplace, situations))
    check("ACT-012").equals(status, "Suspended")


@requirement("ACT-012")
@pytest.mark.parametrize("named", [True, False], ids=["with-a-body", "without-a-body"])
def test_no_suspended_subscription_is_activated(marketplace, situations, check, named):
    """Neither with seats nor without, neither with a body nor without."""
    with situations.further():
        situations.needs("purchases")
        for suspended in situations.of_each_kind(situations.suspended):
            refused = marketplace.activate(suspended.id, **(_what_was_bought(suspended) if named else {}))
            status = marketplace.get_subscription(suspended.id).status

            check("ACT-012").refused(refused, with_status=400, while_twin=_accepted(marketplace, situations))
            check("ACT-012").equals(status, "Suspended")


@requirement("ACT-013")
def test_activating_twice_changes_nothing(marketplace, subscribed, check):
    """Activate on a Subscribed subscription is answered 200 or 400; it stays Subscribed."""
    again = marketplace.activate(subscribed.id, plan=subscribed.plan)

    check("ACT-013").is_one_of(again.status_line, [200, 202, 400])
    check("ACT-013").equals(marketplace.get_subscription(subscribed.id).status, "Subscribed")


@requirement("ACT-014")
def test_a_cancelled_subscription_is_not_activated(marketplace, situations, check):
    """Activate answers 404, and the subscription stays Unsubscribed."""
    cancelled = situations.unsubscribed()
    refused = marketplace.activate(cancelled.id, plan=cancelled.plan)
    status = marketplace.get_subscription(cancelled.id).status

    check("ACT-014").refused(refused, with_status=404, while_twin=_accepted(marketplace, situations))
    check("ACT-014").equals(status, "Unsubscribed")


@requirement("ACT-014")
@pytest.mark.parametrize("named", [True, False], ids=["with-a-body", "without-a-body"])
def test_nothing_that_was_cancelled_is_activated(marketplace, situations, check, named):
    """Neither what was active once nor what never was, neither with a body nor without."""
    with situations.further():
        situations.needs("purchases", "events")
        never_active = situations.buy()
        situations.unsubscribe(never_active)
        for cancelled in (situations.unsubscribed(), never_active):
            refused = marketplace.activate(cancelled.id, **(_what_was_bought(cancelled) if named else {}))
            status = marketplace.get_subscription(cancelled.id).status

            check("ACT-014").refused(
                refused, with_status=404 if named else NO_BODY, while_twin=_accepted(marketplace, situations)
            )
            check("ACT-014").equals(status, "Unsubscribed")


@requirement("ACT-015")
def test_an_unknown_subscription_is_not_activated(marketplace, purchase, unknown_id, check):
    """Activate of an id that does not exist is answered 404."""
    check("ACT-015").refused(
        marketplace.activate(unknown_id, plan=purchase.plan),
        with_status=404,
        while_twin=marketplace.activate(purchase.id, plan=purchase.plan),
    )


@requirement("ACT-015")
def test_an_unknown_subscription_is_not_activated_without_a_body_either(marketplace, situations, unknown_id, check):
    """The id alone decides."""
    with situations.further():
        situations.needs("purchases")
        check("ACT-015").refused(
            marketplace.activate(unknown_id), with_status=NO_BODY, while_twin=_accepted(marketplace, situations)
        )


@requirement("ACT-016")
@pytest.mark.parametrize("fault", UNUSABLE_TOKENS)
def test_without_a_usable_access_token_nothing_is_activated(marketplace, purchase, credentials, check, fault):
    """No usable access token: 401 or 403, and nothing starts."""
    before = marketplace.get_subscription(purchase.id).status
    refused = marketplace.activate(purchase.id, plan=purchase.plan, **credentials(fault))
    after = marketplace.get_subscription(purchase.id).status

    check("ACT-016").refused(
        refused, with_status=(401, 403), while_twin=marketplace.activate(purchase.id, plan=purchase.plan)
    )
    check("ACT-016").equals(after, before)


@requirement("ACT-017")
def test_another_publisher_cannot_activate(marketplace, marketplace_under_test, purchase, status_of, check):
    """An application that is not the offer's own is refused with 401 or 403, and nothing starts."""
    stranger = marketplace_under_test.as_publisher("foreign-publisher")
    before = status_of(purchase)
    refused = stranger.activate(purchase.id, plan=purchase.plan)
    after = status_of(purchase)

    check("ACT-017").refused(
        refused, with_status=(401, 403), while_twin=marketplace.activate(purchase.id, plan=purchase.plan)
    )
    check("ACT-017").equals(after, before)


@requirement("ACT-019")
def test_an_activation_that_fails_afterwards_is_announced(marketplace, situations, webhook, check):
    """Where an accepted activation ends in Unsubscribed instead of Subscribed, the webhook hears of it."""
    offer, plan = situations.a_plan()
    purchases = [situations.buy(plan=(offer, plan), term_unit=unit) for unit in plan.term_units]
    accepted = [purchase for purchase in purchases if marketplace.activate(purchase.id, plan=plan.plan_id).is_success]
    came_to_be = {purchase: situations.wait_for_status(purchase, "Subscribed") for purchase in accepted}
    failed = {purchase: shown for purchase, shown in came_to_be.items() if shown.status.value == "Unsubscribed"}
    if not failed:
        check("ACT-019").not_applicable("no accepted activation failed, and nothing can be asked to let one fail")

    for purchase, shown in failed.items():
        announced = webhook.hears(purchase, "Unsubscribe") is not None
        check("ACT-019").that(
            announced,
            expected="the webhook called with Unsubscribe",
            actual="called" if announced else "not called",
            rests_on=[shown],
        )


@requirement("ACT-024")
def test_activation_creates_no_operation(marketplace, purchase, check):
    """Activate documents no Operation-Location, and no operation is outstanding afterwards."""
    activated = marketplace.activate(purchase.id, plan=purchase.plan)
    operations = marketplace.list_operations(purchase.id)

    check("ACT-024").absent_or(activated.header("Operation-Location"), [])
    check("ACT-024").that(
        len(operations["operations"]) == 0,
        expected="no outstanding operation",
        actual=f"{len(operations['operations'])} outstanding",
        rests_on=[operations],
    )


def _bought_in_every_way(situations):
    """Buy a flat-rate plan, one with seats, and one through a reseller, as far as they can be had."""
    situations.needs("purchases")
    bought = [*situations.of_each_kind(situations.buy)]
    return [*bought, situations.buy(None, channel="csp")] if situations.has("csp") else bought


def _what_was_bought(purchase):
    """Return what the body of an activation names."""
    seats = {} if purchase.quantity is None else {"quantity": purchase.quantity}
    return {"plan": purchase.plan, **seats}


def _accepted(marketplace, situations):
    """Return the answer to an activation of a pending purchase."""
    purchase = situations.buy()
    return marketplace.activate(purchase.id, plan=purchase.plan)


def _has_no_body(check, activated):
    check.that(
        activated.text.strip() in {"", "{}"} if activated.is_success else False,
        expected="no body",
        actual=activated.text[:200] if activated.text else activated.status_code,
        rests_on=[activated],
        notes=["an empty JSON object is not quite no body"] if activated.text.strip() == "{}" else [],
    )
