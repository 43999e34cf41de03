"""Cancel: the subscription ends, at once and for good (catalogue theme DEL)."""

from contextlib import nullcontext

import pytest

from fulfillment_conformance.backend.judgements import BAD_CREDENTIALS, operation_is_located
from fulfillment_conformance.backend.situations import FINAL
from fulfillment_conformance.marks import requirement

BOTH_SIDES = pytest.mark.parametrize("by", ["customer", "publisher"])


@requirement("DEL-001", "DEL-021")
def test_an_active_subscription_is_cancelled(marketplace, subscribed, check):
    """DELETE is answered 202, and not 204."""
    cancelled = marketplace.cancel(subscribed.id)

    for each in check.each("DEL-001", "DEL-021"):
        each.status(cancelled, 202)


@requirement("DEL-002")
def test_the_answer_locates_the_operation(marketplace, subscribed, check):
    """Operation-Location is an absolute URL of the operation, api-version included, and answers."""
    operation_is_located(check("DEL-002"), marketplace, subscribed.id, marketplace.cancel(subscribed.id))


@requirement("DEL-003")
def test_a_cancelled_subscription_becomes_unsubscribed(marketplace, situations, subscribed, check):
    """Within minutes saasSubscriptionStatus is Unsubscribed."""
    marketplace.cancel(subscribed.id)

    check("DEL-003").equals(situations.wait_for_status(subscribed, "Unsubscribed").status, "Unsubscribed")


@requirement("DEL-004", "EVT-001")
@pytest.mark.parametrize("status", ["Subscribed", "Suspended"])
def test_the_webhook_is_called_when_the_cancellation_is_complete(marketplace, situations, webhook, check, status):
    """Unsubscribe comes for the subscription, under the id of the operation that the DELETE began."""
    with situations.further() if status == "Suspended" else nullcontext():
        purchase = situations.in_status(status)
    cancelled = marketplace.cancel(purchase.id)
    if status == "Suspended" and cancelled.is_client_error:
        for each in check.each("DEL-004", "EVT-001"):
            each.not_applicable("a suspended subscription cannot be cancelled here, which DEL-019 is about")
        return
    notification = webhook.hears(purchase, "Unsubscribe", operation=cancelled.operation_id)

    check("DEL-004").that(
        notification is not None,
        expected="a webhook call with action Unsubscribe",
        actual="a call" if notification else "no such call",
        rests_on=[cancelled, *([notification] if notification else [])],
    )
    if notification is None or cancelled.operation_id is None:
        check("EVT-001").not_applicable("there is no call, or no operation, whose ids could be compared (DEL-002)")
        return
    given = notification.operation_id or ""
    check("EVT-001").that(
        given.lower() == cancelled.operation_id.lower(),
        expected=f"id the GUID of the operation, {cancelled.operation_id}",
        actual=notification["id"].value,
        rests_on=[cancelled, notification],
        observed="org:" if given.startswith("org:") else None,
    )


@requirement("DEL-006")
@BOTH_SIDES
def test_cancelling_twice_is_answered_200(marketplace, situations, check, by):
    """DELETE of a subscription that is Unsubscribed is answered 200, whoever cancelled it."""
    if by == "customer":
        with situations.further():
            situations.needs("events")
        cancelled = situations.unsubscribed()
    else:
        cancelled = situations.subscribed()
        situations.cancelled(cancelled)
        situations.reaches(cancelled, "Unsubscribed", because="after the cancellation (DEL-003)")

    check("DEL-006").status(marketplace.cancel(cancelled.id), 200)


@requirement("DEL-007")
def test_a_customer_of_a_reseller_cancels_nothing_here(marketplace, situations, subscribed, check):
    """Where allowedCustomerOperations lacks Delete the call is answered 400, and the subscription goes on."""
    situations.needs("csp")
    resold = situations.subscribed(channel="csp")
    refused = marketplace.cancel(resold.id)

    check("DEL-007").refused(refused, with_status=400, while_twin=marketplace.cancel(subscribed.id))
    check("DEL-007").equals(marketplace.get_subscription(resold.id).status, "Subscribed")


@requirement("DEL-008")
@pytest.mark.parametrize("fault", [fault for fault in BAD_CREDENTIALS if fault != "foreign-publisher"])
def test_without_a_usable_token_nothing_is_cancelled(marketplace, subscribed, credentials, check, fault):
    """No usable access token: 401 or 403, and the subscription goes on."""
    refused = marketplace.cancel(subscribed.id, **credentials(fault))
    status = marketplace.get_subscription(subscribed.id).status

    check("DEL-008").refused(refused, with_status=(401, 403), while_twin=marketplace.cancel(subscribed.id))
    check("DEL-008").equals(status, "Subscribed")


@requirement("DEL-009")
def test_an_unknown_subscription_is_not_cancelled(marketplace, subscribed, unknown_id, check):
    """An id that names nothing is answered 404."""
    check("DEL-009").refused(
        marketplace.cancel(unknown_id), with_status=404, while_twin=marketplace.cancel(subscribed.id)
    )


@requirement("DEL-010")
@pytest.mark.parametrize(("kind", "by"), [("plan", "customer"), ("plan", "publisher"), ("seats", "customer")])
def test_a_locked_subscription_is_not_cancelled(marketplace, situations, subscribed, check, kind, by):
    """While a change is pending, whoever began it, DELETE is answered 409, and the subscription goes on."""
    if (kind, by) == ("plan", "customer"):
        change = situations.pending_change()
    else:
        with situations.further():
            purchase = situations.changeable(kind)
            change = situations.begin_change(purchase, kind, by=by)
    refused = marketplace.cancel(change.purchase.id)
    shown = marketplace.get_subscription(change.purchase.id)
    operation = marketplace.get_operation(change.purchase.id, change.operation_id)
    if by == "publisher" and refused.status_code != 409 and operation.status.key in FINAL:
        check("DEL-010").not_applicable(f"the change was {operation.status.value} when the subscription was cancelled")
        return

    check("DEL-010").refused(refused, with_status=409, while_twin=marketplace.cancel(subscribed.id))
    if refused.is_client_error:
        check("DEL-010").that(
            shown.status.value != "Unsubscribed",
            expected="a subscription that goes on, as its cancellation was refused",
            actual=shown.status.value,
            rests_on=[refused, shown],
        )


@requirement("DEL-017")
def test_a_cancellation_is_in_force_when_it_is_done(situations, subscribed, check):
    """Once the operation has Succeeded the subscription is Unsubscribed in seconds, however long its term lasts."""
    operation = situations.cancelled(subscribed)
    at_once = situations.shows_soon(subscribed, "Unsubscribed")

    check("DEL-017").equals(operation.status, "Succeeded")
    check("DEL-017").equals(at_once.status, "Unsubscribed")


@requirement("DEL-018")
def test_a_pending_purchase_can_be_cancelled(marketplace, situations, purchase, check):
    """DELETE before activation is answered 202, and the subscription becomes Unsubscribed."""
    cancelled = marketplace.cancel(purchase.id)

    check("DEL-018").status(cancelled, 202)
    after = situations.wait_for_status(purchase, "Unsubscribed", operation=cancelled.operation_id)
    check("DEL-018").equals(after.status, "Unsubscribed")


@requirement("DEL-019")
def test_a_suspended_subscription_can_be_cancelled(marketplace, situations, check):
    """DELETE while payment is missing is answered 202, and the subscription becomes Unsubscribed."""
    suspended = situations.suspended()
    cancelled = marketplace.cancel(suspended.id)

    check("DEL-019").status(cancelled, 202)
    check("DEL-019").equals(situations.wait_for_status(suspended, "Unsubscribed").status, "Unsubscribed")
