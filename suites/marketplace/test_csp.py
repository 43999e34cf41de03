"""Purchases through a reseller of the Cloud Solution Provider programme (catalogue theme CSP)."""

import pytest

from fulfillment_conformance.backend.judgements import value_is
from fulfillment_conformance.marks import requirement


@requirement("CSP-002", "OPP-001")
@pytest.mark.parametrize("kind", ["plan", "seats"])
def test_a_partners_change_is_announced_and_carried_out(marketplace, situations, webhook, check, kind):
    """What the partner changes for the customer reaches the webhook, and is in force when the operation has ended.

    The publisher confirms it like any other change, though it may begin none itself.
    """
    situations.needs("csp", "events")
    resold = situations.changeable(kind, channel="csp")
    change = situations.begin_change(resold, kind)
    notification = webhook.hears(resold, change.action)
    confirmed = marketplace.update_operation(resold.id, change.operation_id, "Success")
    ended = situations.ended(change)
    shown = change.value_in(marketplace.get_subscription(resold.id))

    check("CSP-002").that(
        notification is not None,
        expected=f"the webhook called with {change.action}",
        actual="not called" if notification is None else "called",
        rests_on=[ended],
    )
    if confirmed.status_code == 409:
        check("OPP-001").not_applicable("the change had ended by itself before the publisher said a word (OPP-010)")
    else:
        check("OPP-001").status(confirmed, 200)
    check("CSP-002").equals(ended.status, "Succeeded")
    # A reseller's seats have been seen to be missing from the subscription (GET-012); the operation has them, too.
    value_is(check("CSP-002"), shown or change.value_in(ended), change.wanted)


@requirement("CSP-002")
def test_a_partners_cancellation_is_announced_and_carried_out(marketplace, situations, webhook, check):
    """What the partner cancels is Unsubscribed, and the webhook hears Unsubscribe."""
    situations.needs("csp", "events")
    resold = situations.subscribed(channel="csp")
    situations.event(resold, "Unsubscribe")
    notification = webhook.hears(resold, "Unsubscribe")
    cancelled = marketplace.get_subscription(resold.id)

    check("CSP-002").that(
        notification is not None,
        expected="the webhook called with Unsubscribe",
        actual="not called" if notification is None else "called",
        rests_on=[cancelled],
    )
    check("CSP-002").equals(cancelled.status, "Unsubscribed")


@requirement("WHK-002")
@pytest.mark.parametrize("action", ["Renew", "Suspend", "Reinstate"])
def test_what_else_happens_to_a_resold_subscription_is_announced(situations, webhook, check, action):
    """Payment and calendar are announced to the publisher of a resold subscription as of any other."""
    with situations.further():
        situations.needs("csp", "events")
        make = situations.suspended if action == "Reinstate" else situations.subscribed
        resold = make(channel="csp")
    situations.event(resold, action)
    notification = webhook.hears(resold, action)
    calls = webhook.heard(resold)

    check("WHK-002").that(
        notification is not None,
        expected=f"a webhook call with action {action}",
        actual=", ".join(str(call.action) for call in calls) or "no call",
        rests_on=calls,
    )


@requirement("CSP-007")
def test_a_resold_purchase_has_no_term_before_activation(marketplace, situations, check):
    """Billing waits for the publisher's activation here as well: no term dates are shown before it."""
    situations.needs("csp")
    term = marketplace.get_subscription(situations.buy(channel="csp").id)["term"]

    check("CSP-007").absent_or(term["startDate"], [None, ""])
    check("CSP-007").absent_or(term["endDate"], [None, ""])


@requirement("CSP-008")
def test_the_sandbox_of_a_resold_purchase_is_recorded(marketplace, situations, check):
    """In a sandbox of the programme sandboxType is Csp; whatever it is goes into the report."""
    situations.needs("csp")
    sandbox = marketplace.get_subscription(situations.buy(channel="csp").id)["sandboxType"]

    check("CSP-008").that(
        True,
        expected="Csp in a sandbox of the programme",
        actual=sandbox.value,
        rests_on=[sandbox],
        notes=[f"sandboxType is {sandbox.value!r}"],
    )
