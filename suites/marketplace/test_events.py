"""The events, and what their payloads say (catalogue theme EVT)."""

from datetime import timedelta

import pytest

from fulfillment_conformance.backend.judgements import is_dated, keeps_to, number_of_seats, value_is
from fulfillment_conformance.checks import GUID
from fulfillment_conformance.dates import day_of
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement

ACTIONS = ["ChangePlan", "ChangeQuantity", "Renew", "Suspend", "Reinstate", "Unsubscribe"]
EVENTS = [*ACTIONS, "Subscribe"]
SUBSCRIPTION_KEYS = [
    "id", "name", "publisherId", "offerId", "planId", "beneficiary", "purchaser", "term", "autoRenew", "isTest",
    "isFreeTrial", "allowedCustomerOperations", "sessionMode", "sandboxType", "saasSubscriptionStatus",
]  # fmt: skip
"""What every nested subscription has; quantity is for seats, created a SHOULD, and lastModified is gone."""
IF_SHOWN = ["isTest", "isFreeTrial", "sessionMode", "sandboxType"]
"""What Get subscription may leave out: these are there when it shows them."""


def wanted_fields(shown):
    """Return the names of the fields that a nested subscription has, by what Get subscription shows."""
    return [name for name in SUBSCRIPTION_KEYS if name not in IF_SHOWN or not shown[name].absent]


@pytest.fixture
def announced(situations, webhook):
    """Return a function that lets an event happen and returns the subscription and the notification."""

    def announced(action):
        purchase, _ = situations.happening(action)
        return purchase, webhook.expects(purchase, action)

    return announced


@pytest.fixture
def is_sent(webhook):
    """Return a function that checks that a notification comes, and returns it; without it nothing more is decided."""

    def is_sent(check, purchase, action, *, operation=None):
        notification = webhook.hears(purchase, action, operation=operation)
        calls = [notification] if notification else webhook.heard(purchase)
        if not check.that(
            notification is not None,
            expected=f"a webhook call with action {action}",
            actual=", ".join(str(call.action) for call in calls) or "no call",
            rests_on=calls,
        ):
            raise Precondition(f"the webhook was not called with {action}")
        return notification

    return is_sent


@pytest.fixture
def has_its_status(contract):
    """Return a function that checks the status word of a notification, written in any way that the profile knows."""

    def has_its_status(check, notification, status):
        violations = contract.webhook_violations(notification.action, notification.body.value)
        known = not any("EVT-010" in violation.requirements for violation in violations)
        check.that(
            notification["status"].value == status or known,
            expected=f"status {status}",
            actual=notification["status"].value,
            rests_on=[notification],
        )

    return has_its_status


@requirement("EVT-001", "EVT-002", "EVT-003", "EVT-004", "EVT-007", "EVT-008", "EVT-010", "EVT-012", "EVT-013")
@pytest.mark.parametrize("action", ACTIONS)
def test_a_payload_has_what_all_events_have(marketplace, situations, webhook, contract, check, action):
    """Ids, publisher, offer, time, status and the whole subscription are there, and right."""
    now = situations.now()
    purchase, operation_id = situations.happening(action)
    notification = webhook.expects(purchase, action)
    shown = marketplace.get_subscription(purchase.id)
    violations = contract.webhook_violations(action, notification.body.value)
    nested = notification.subscription

    for requirement_id in ("EVT-001", "EVT-002", "EVT-007", "EVT-010", "EVT-013"):
        keeps_to(check(requirement_id), violations, notification.body)
    given = notification.operation_id or ""
    long_id = given.startswith("org:")
    check("EVT-001").that(
        long_id or (given.lower() == operation_id.lower() and GUID.fullmatch(given) is not None),
        expected=f"id the GUID of the operation, {operation_id}",
        actual=notification["id"].value,
        rests_on=[notification],
    )
    check("EVT-002").is_guid(notification["activityId"])
    for requirement_id, name in (("EVT-003", "publisherId"), ("EVT-004", "offerId")):
        blank = "empty or null" if notification[name].value in ("", None) else None
        preview = "suffix -preview" if notification[name].value == f"{shown[name].value}-preview" else None
        check(requirement_id).equals(notification[name], shown[name], observed=blank or preview)
    check("EVT-007").equals(notification["subscriptionId"], purchase.id)
    check("EVT-007").absent_or(nested["id"], [purchase.id])
    keeps_to(check("EVT-008"), violations, notification["timeStamp"])
    is_dated(
        check("EVT-008"),
        notification["timeStamp"],
        now,
        zones=["Z"],
        observed={"+00:00": "+00:00 in place of Z", "": "+00:00 in place of Z"},
    )
    wanted = wanted_fields(shown)
    missing = [name for name in wanted if nested[name].absent]
    check("EVT-012").that(
        not missing,
        expected=f"a subscription with {', '.join(wanted)}",
        actual=f"without {', '.join(missing)}" if nested else "no subscription",
        rests_on=[notification, shown],
        notes=["created is missing"] if nested["created"].absent else [],
        observed="term lacks its dates or is missing" if missing == ["term"] else None,
    )
    check("EVT-012").that(
        number_of_seats(nested["quantity"].value) is not None or purchase.quantity is None,
        expected="the seats of a per-seat plan",
        actual=nested["quantity"].value,
        rests_on=[notification],
    )


@requirement("EVT-009")
@pytest.mark.parametrize("action", ACTIONS)
def test_an_event_has_a_documented_name(situations, webhook, check, action):
    """The action is one of the seven names, letter by letter."""
    purchase, _ = situations.happening(action)
    webhook.hears(purchase, action)
    calls = webhook.heard(purchase)
    if not calls:
        raise Precondition(f"the webhook was not called for {action} (WHK-001)")

    for call in calls:
        transfer = "Transfer" if call.action == "Transfer" else None
        check("EVT-009").that(
            call.action in EVENTS,
            expected=f"action one of {', '.join(EVENTS)}",
            actual=call["action"].value,
            rests_on=[call],
            observed=transfer,
        )


@requirement("EVT-005")
@pytest.mark.parametrize("action", ACTIONS)
def test_a_payload_names_the_plan_after_the_event(announced, situations, check, action):
    """The planId is the new plan in ChangePlan, and the subscription's own in all other events."""
    purchase, notification = announced(action)
    expected = situations.other_plan(purchase).plan_id if action == "ChangePlan" else purchase.plan
    shown = notification["planId"]

    check("EVT-005").equals(shown, expected, observed="empty or null" if shown.value in ("", None) else None)


@requirement("EVT-006")
@pytest.mark.parametrize("action", ["ChangeQuantity", "Suspend", "Renew"])
def test_a_payload_counts_the_seats_after_the_event(situations, webhook, check, action):
    """The quantity of a per-seat plan is an integer: the new number in ChangeQuantity, else the present one."""
    purchase = situations.subscribed("per-seat")
    change = situations.begin_change(purchase, "seats") if action == "ChangeQuantity" else None
    if change is None:
        situations.event(purchase, action)
    wanted = purchase.quantity if change is None else change.wanted
    shown = webhook.expects(purchase, action)["quantity"]
    as_text = isinstance(shown.value, str) and number_of_seats(shown.value) == wanted

    check("EVT-006").equals(shown, wanted, observed="numeric string" if as_text else None)


@requirement("EVT-006")
def test_a_payload_of_a_flat_plan_counts_no_seats(announced, check):
    """The quantity is absent, null, 0 or empty where seats mean nothing."""
    shown = announced("Suspend")[1]["quantity"]

    check("EVT-006").that(
        shown.absent or shown.value in (None, 0, ""),
        expected="quantity absent, null, 0 or empty",
        actual=shown.value,
        rests_on=[shown],
        observed="flat-rate plan: 1" if shown.value in (1, "1") else None,
    )


@requirement("EVT-011")
@pytest.mark.parametrize("action", ACTIONS)
def test_what_began_at_microsoft_is_from_azure(announced, check, action):
    """The operationRequestSource of an event that the marketplace's side began is Azure."""
    check("EVT-011").equals(announced(action)[1]["operationRequestSource"], "Azure")


@requirement("EVT-016", "EVT-017")
def test_a_plan_change_is_announced_with_the_old_plan_inside(situations, is_sent, has_its_status, check):
    """ChangePlan: status InProgress, the new plan on top, and inside the Subscribed subscription with the old one."""
    change = situations.pending_change()
    notification = is_sent(check("EVT-017"), change.purchase, "ChangePlan")

    check("EVT-016").equals(notification.subscription["planId"], change.before)
    has_its_status(check("EVT-017"), notification, "InProgress")
    check("EVT-017").equals(notification["planId"], change.wanted)
    check("EVT-017").equals(notification.subscription["planId"], change.before)
    check("EVT-017").equals(notification.subscription["saasSubscriptionStatus"], "Subscribed")


@requirement("EVT-016", "EVT-019")
def test_a_seat_change_is_announced_with_the_old_seats_inside(situations, is_sent, has_its_status, check):
    """ChangeQuantity: status InProgress, the new seats on top, and inside the Subscribed one with the old seats."""
    change = situations.pending_change("seats")
    notification = is_sent(check("EVT-019"), change.purchase, "ChangeQuantity")

    value_is(check("EVT-016"), notification.subscription["quantity"], change.before)
    has_its_status(check("EVT-019"), notification, "InProgress")
    value_is(check("EVT-019"), notification["quantity"], change.wanted)
    value_is(check("EVT-019"), notification.subscription["quantity"], change.before)
    check("EVT-019").equals(notification["planId"], change.purchase.plan)
    check("EVT-019").equals(notification.subscription["saasSubscriptionStatus"], "Subscribed")


@requirement("EVT-021")
def test_a_renewal_is_announced(situations, is_sent, has_its_status, check):
    """Renew: status Succeeded, and inside a Subscribed subscription."""
    purchase, operation_id = situations.happening("Renew")
    notification = is_sent(check("EVT-021"), purchase, "Renew", operation=operation_id)

    has_its_status(check("EVT-021"), notification, "Succeeded")
    check("EVT-021").equals(notification.subscription["saasSubscriptionStatus"], "Subscribed")


@requirement("EVT-022")
def test_a_renewal_tells_the_new_term(marketplace, situations, webhook, check):
    """Renew: the dates inside are those of the new term."""
    purchase = situations.with_a_term()
    before = day_of(marketplace.get_subscription(purchase.id)["term"]["endDate"].value)
    situations.event(purchase, "Renew")
    term = webhook.expects(purchase, "Renew").subscription["term"]
    start, end = day_of(term["startDate"].value), day_of(term["endDate"].value)

    check("EVT-022").that(
        start == before + timedelta(days=1) and end is not None and end > start,
        expected=f"a term that begins the day after {before}",
        actual=f"{term['startDate'].value} to {term['endDate'].value}",
        rests_on=[term],
        observed="the old term is still shown" if end == before else None,
    )


@requirement("EVT-024", "EVT-025")
def test_a_suspension_is_announced_when_it_is_in_force(
    marketplace, situations, webhook, subscribed, is_sent, has_its_status, check
):
    """Suspend: status Succeeded; the marketplace shows Suspended at receipt, and so does the subscription inside."""
    seen = webhook.at_receipt(subscribed, lambda _: marketplace.get_subscription(subscribed.id))
    situations.event(subscribed, "Suspend")
    notification = is_sent(check("EVT-024"), subscribed, "Suspend")
    nested = notification.subscription["saasSubscriptionStatus"]

    has_its_status(check("EVT-024"), notification, "Succeeded")
    check("EVT-024").equals(seen["Suspend"].status, "Suspended")
    check("EVT-025").that(
        nested.value in ("Suspended", "Subscribed"),
        expected="nested saasSubscriptionStatus Suspended",
        actual=nested.value,
        rests_on=[notification],
        notes=["Subscribed, as in the sample of 03/2022"] if nested.value == "Subscribed" else [],
    )


@requirement("EVT-029")
def test_a_reinstatement_is_announced_before_it_is_done(situations, is_sent, has_its_status, check):
    """Reinstate: status InProgress, and inside a Suspended subscription."""
    purchase, operation_id = situations.happening("Reinstate")
    notification = is_sent(check("EVT-029"), purchase, "Reinstate", operation=operation_id)

    has_its_status(check("EVT-029"), notification, "InProgress")
    check("EVT-029").equals(notification.subscription["saasSubscriptionStatus"], "Suspended")


@requirement("EVT-031")
@pytest.mark.parametrize("word", ["PATCH Success", "no PATCH"])
def test_a_reinstated_subscription_becomes_active(marketplace, situations, webhook, check, word):
    """After the publisher has confirmed the reinstatement, or has merely answered 200, it is Subscribed."""
    purchase, operation_id = situations.happening("Reinstate")
    webhook.expects(purchase, "Reinstate")
    if word == "PATCH Success":
        marketplace.update_operation(purchase.id, operation_id, "Success")

    check("EVT-031").equals(situations.wait_for_status(purchase, "Subscribed").status, "Subscribed")


@requirement("EVT-032")
@pytest.mark.parametrize("by", ["customer", "publisher"])
def test_a_cancellation_is_announced(situations, subscribed, is_sent, has_its_status, check, by):
    """Unsubscribe: status Succeeded, and inside an Unsubscribed subscription, whoever cancelled."""
    if by == "customer":
        operation = situations.event(subscribed, "Unsubscribe")
    else:
        operation = str(situations.cancelled(subscribed)["id"].value)
    notification = is_sent(check("EVT-032"), subscribed, "Unsubscribe", operation=operation)

    has_its_status(check("EVT-032"), notification, "Succeeded")
    check("EVT-032").equals(notification.subscription["saasSubscriptionStatus"], "Unsubscribed")


@requirement("EVT-033")
def test_a_cancellation_waits_for_nobody(marketplace, announced, check):
    """After Unsubscribe no operation is pending."""
    purchase, notification = announced("Unsubscribe")
    operations = marketplace.list_operations(purchase.id)
    if not operations.is_success:
        raise Precondition(f"the list of operations was answered {operations.status_code} (OPL-002)")

    check("EVT-033").that(
        not operations.entries,
        expected="no outstanding operation",
        actual=operations.text[:200],
        rests_on=[notification, operations],
    )


@requirement("EVT-036")
def test_an_automatic_activation_is_announced_with_all_details(marketplace, situations, is_sent, contract, check):
    """Subscribe: sent for the purchase of an auto-activated plan, with the whole Subscribed subscription inside."""
    purchase = situations.buy(plan=situations.auto_activated_plan())
    notification = is_sent(check("EVT-036"), purchase, "Subscribe")
    violations = contract.webhook_violations("Subscribe", notification.body.value)
    nested = notification.subscription
    shown = marketplace.get_subscription(purchase.id)
    wanted = wanted_fields(shown)
    missing = [name for name in wanted if nested[name].absent]
    short = "a body of six fields" if nested.absent else None

    keeps_to(check("EVT-036"), violations, notification.body)
    check("EVT-036").that(
        not missing,
        expected=f"a subscription with {', '.join(wanted)}",
        actual=f"without {', '.join(missing)}" if nested else "no subscription",
        rests_on=[notification, shown],
        observed=short,
    )
    check("EVT-036").equals(nested["saasSubscriptionStatus"], "Subscribed", observed=short)
    check("EVT-036").equals(shown.status, "Subscribed")


@requirement("EVT-038")
def test_a_purchase_that_waits_for_activation_is_not_announced(situations, webhook, purchase, check):
    """The purchase of a manually activated plan calls no webhook, while its cancellation does."""
    before = webhook.heard(purchase)
    situations.unsubscribe(purchase)
    webhook.expects(purchase, "Unsubscribe")

    check("EVT-038").that(
        not before,
        expected="no webhook call",
        actual=", ".join(str(call.action) for call in before) or "no call",
        rests_on=before or webhook.heard(purchase),
    )


@requirement("EVT-039")
def test_whether_an_activation_is_announced_is_recorded(situations, webhook, purchase, check):
    """After a manual activation Subscribe may come or not."""
    situations.activate(purchase)
    calls = webhook.heard(purchase)
    situations.unsubscribe(purchase)
    notification = webhook.expects(purchase, "Unsubscribe")

    check("EVT-039").that(
        True,
        expected="a webhook call, or none",
        actual=", ".join(str(call.action) for call in calls) or "no call",
        rests_on=[*calls, notification],
    )


@requirement("EVT-041")
def test_whether_auto_renewal_is_announced_is_recorded(situations, webhook, subscribed, check):
    """Switching auto-renewal off and on calls no documented webhook; one that comes is noted."""
    situations.needs("auto-renew")
    for auto_renew in (False, True):
        situations.driver.set_auto_renew(subscribed.id, auto_renew)
    calls = webhook.heard(subscribed)
    situations.unsubscribe(subscribed)
    notification = webhook.expects(subscribed, "Unsubscribe")

    check("EVT-041").that(
        True,
        expected="no webhook call",
        actual=", ".join(str(call.action) for call in calls) or "no call",
        rests_on=[*calls, notification],
        notes=[f"{call.action} came" for call in calls],
    )
