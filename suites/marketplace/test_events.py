"""The events, and what their payloads say (catalogue theme EVT)."""

from contextlib import nullcontext
from datetime import timedelta

import pytest

from fulfillment_conformance.backend.judgements import has_status, is_dated, keeps_to, number_of_seats, value_is
from fulfillment_conformance.checks import GUID
from fulfillment_conformance.dates import day_of, term_end
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


SNAPSHOT = ["name", "publisherId", "beneficiary", "purchaser", "isTest", "sessionMode", "sandboxType"]
"""What no event changes: a nested subscription shows of it what Get subscription shows."""
SNAPSHOT_WHILE_IT_LASTS = ["autoRenew", "allowedCustomerOperations"]
"""What no event but the last one changes."""


def differences(nested, shown, purchase, action, now):
    """Describe what a nested subscription says otherwise than Get subscription, and than what is known of the purchase.

    What either leaves out, or writes in another form, is the matter of other checks.
    """
    names = [*SNAPSHOT, *([] if action == "Unsubscribe" else SNAPSHOT_WHILE_IT_LASTS)]
    pairs = [(name, nested[name].value, shown[name].value) for name in names]
    pairs += [("isFreeTrial", nested["isFreeTrial"].value, False)]
    offer_id = nested["offerId"].value
    if offer_id != f"{purchase.offer.offer_id}-preview":  # see EVT-004
        pairs += [("offerId", offer_id, purchase.offer.offer_id)]
    found = [f"{name} {one!r} in place of {other!r}" for name, one, other in pairs if not _alike(one, other)]
    first, last = (day_of(nested["term"][name].value) for name in ("startDate", "endDate"))
    end = term_end(first, nested["term"]["termUnit"].value)
    # Of renewals EVT-022 tells.
    first_one = action not in {"Renew", "Unsubscribe"} and first is not None and last is not None and end is not None
    if first_one and max(abs(first - now.date()), abs(last - end)) > timedelta(days=1):
        found.append(f"a term from {first} to {last}, for what was activated on {now.date()}")
    return found


def _alike(one, other):
    if type(one) is not type(other):
        return True
    if isinstance(one, dict):
        return all(_alike(one[name], other[name]) for name in one.keys() & other.keys())
    if isinstance(one, list):
        return {*one} & OPERATIONS == {*other} & OPERATIONS
    return not one or not other or one == other if isinstance(one, str) else one == other


OPERATIONS = {"Read", "Update", "Delete"}


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
    """Return a function that checks the status word of a notification; see `has_status`."""
    return lambda check, notification, status: has_status(check, contract, notification, status)


@requirement("EVT-001", "EVT-002", "EVT-003", "EVT-004", "EVT-007", "EVT-008", "EVT-010", "EVT-012", "EVT-013")
@pytest.mark.parametrize("action", ACTIONS)
def test_a_payload_has_what_all_events_have(marketplace, situations, webhook, contract, check, action):
    """Ids, publisher, offer, time, status and the whole subscription are there, and right."""
    now = situations.now()
    purchase, operation_id = situations.happening(action)
    notification = webhook.expects(purchase, action)
    shown = marketplace.get_subscription(purchase.id)

    keeps_to(check("EVT-010"), contract.webhook_violations(action, notification.body.value), notification.body)
    _has_what_all_have(check, contract, notification, purchase, shown, operation_id, now)


@requirement("EVT-001", "EVT-002", "EVT-003", "EVT-004", "EVT-007", "EVT-008", "EVT-012", "EVT-013")
@pytest.mark.parametrize("action", ["ChangePlan", "ChangeQuantity", "Unsubscribe"])
def test_a_payload_about_what_the_publisher_began_has_the_same(
    marketplace, situations, webhook, contract, check, action
):
    """A change or cancellation through the API is announced under the id that its answer named, with all of it."""
    now = situations.now()
    with situations.further():
        purchase = situations.changeable("seats" if action == "ChangeQuantity" else "plan")
        if action == "Unsubscribe":
            operation_id = marketplace.cancel(purchase.id).operation_id
        else:
            kind = "plan" if action == "ChangePlan" else "seats"
            operation_id = situations.begin_change(purchase, kind, by="publisher").operation_id
        notification = webhook.expects(purchase, action)
    if operation_id is None:
        raise Precondition("the cancellation does not name its operation (DEL-002)", notification.exchange)

    shown = marketplace.get_subscription(purchase.id)
    _has_what_all_have(check, contract, notification, purchase, shown, operation_id, now)


def _has_what_all_have(check, contract, notification, purchase, shown, operation_id, now):
    """Check what the payloads of all events have in common, beside what Get subscription shows."""
    violations = contract.webhook_violations(notification.action, notification.body.value)
    nested = notification.subscription
    for requirement_id in ("EVT-001", "EVT-002", "EVT-007", "EVT-013"):
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
        zones=["Z", "+00:00"],
        observed={"": "no zone"},
    )
    _nests_all_of(check("EVT-012"), notification, purchase, shown, now)


def _nests_all_of(check, notification, purchase, shown, now):
    """Check that the nested subscription has everything that Get subscription shows, and nothing else in its place."""
    nested = notification.subscription
    wanted = wanted_fields(shown)
    missing = [name for name in wanted if nested[name].absent]
    missing += [
        f"term.{day}"
        for day in ("startDate", "endDate")
        if nested["term"] and shown["term"][day] and not nested["term"][day]
    ]
    check.that(
        not missing,
        expected=f"a subscription with {', '.join(wanted)}",
        actual=f"without {', '.join(missing)}" if nested else "no subscription",
        rests_on=[notification, shown],
        notes=["created is missing"] if nested["created"].absent else [],
        observed="term lacks its dates or is missing" if {name[:4] for name in missing} == {"term"} else None,
    )
    check.that(
        number_of_seats(nested["quantity"].value) is not None or number_of_seats(shown["quantity"].value) is None,
        expected="the seats of a per-seat plan",
        actual=nested["quantity"].value,
        rests_on=[notification],
    )
    if nested:
        otherwise = differences(nested, shown, purchase, notification.action, now)
        check.that(
            not otherwise,
            expected="what the event does not change as Get subscription shows it",
            actual="; ".join(otherwise) or "as it shows it",
            rests_on=[notification, shown],
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
@pytest.mark.parametrize("action", ACTIONS)
def test_a_payload_counts_the_seats_after_the_event(situations, webhook, check, action):
    """The quantity of a per-seat plan is an integer: the new number in ChangeQuantity, else the present one."""
    with situations.further() if action == "ChangePlan" else nullcontext():
        purchase = situations.suspended("per-seat") if action == "Reinstate" else situations.subscribed("per-seat")
        change = None
        if action in {"ChangePlan", "ChangeQuantity"}:
            change = situations.begin_change(purchase, "plan" if action == "ChangePlan" else "seats")
        else:
            situations.event(purchase, action)
    wanted = change.wanted if change is not None and action == "ChangeQuantity" else purchase.quantity
    shown = webhook.expects(purchase, action)["quantity"]
    as_text = isinstance(shown.value, str) and number_of_seats(shown.value) == wanted
    blank = action == "Unsubscribe" and shown.value in ("", None)
    observed = "numeric string" if as_text else "empty or null in Unsubscribe" if blank else None

    check("EVT-006").equals(shown, wanted, observed=observed)


@requirement("EVT-005", "EVT-006", "EVT-012", "EVT-016", "LCY-020")
@pytest.mark.parametrize("kind", ["plan", "seats"])
def test_payloads_show_what_earlier_changes_have_led_to(marketplace, situations, webhook, check, kind):
    """After a change Renew names the plan and the seats of today, and the next change shows them as those before.

    They are what is renewed.
    """
    with situations.further():
        situations.needs("events")
        purchase = situations.changeable(kind)
        change = situations.changed(purchase, kind)
    plan, seats = change.plan or purchase.plan, change.quantity or purchase.quantity
    situations.event(purchase, "Renew")
    renewal = webhook.expects(purchase, "Renew")
    renewed = marketplace.get_subscription(purchase.id)
    back = situations.event(
        purchase,
        change.action,
        **({"plan_id": purchase.plan} if kind == "plan" else {"quantity": purchase.quantity}),
    )
    again = next((call for call in webhook.heard(purchase, change.action) if call.operation_id == back), None)
    blank = "empty or null" if renewal["planId"].value in ("", None) else None

    check("EVT-005").equals(renewal["planId"], plan, observed=blank)
    check("EVT-012").equals(renewal.subscription["planId"], plan)
    check("LCY-020").equals(renewed.plan, plan)
    if seats is None:
        check("EVT-006").not_applicable("a flat plan has no seats")
    else:
        value_is(check("EVT-006"), renewal["quantity"], seats)
        value_is(check("EVT-012"), renewal.subscription["quantity"], seats)
        value_is(check("LCY-020"), renewed.quantity, seats)
    if again is None:
        check("EVT-016").not_applicable(f"the webhook was not called with {change.action} again (WHK-002)")
        return
    check("EVT-016").equals(again.subscription["planId"], plan)
    if seats is not None:
        value_is(check("EVT-016"), again.subscription["quantity"], seats)


@requirement("EVT-006")
def test_a_payload_of_a_flat_plan_counts_no_seats(situations, webhook, check):
    """The quantity is absent, null, 0 or empty where seats mean nothing."""
    purchase = situations.subscribed("flat")
    situations.event(purchase, "Suspend")
    shown = webhook.expects(purchase, "Suspend")["quantity"]

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
    change = situations.pending_change("plan")
    notification = is_sent(check("EVT-017"), change.purchase, "ChangePlan")

    check("EVT-016").equals(notification.subscription["planId"], change.before)
    has_its_status(check("EVT-017"), notification, "InProgress")
    check("EVT-017").equals(notification["planId"], change.wanted)
    check("EVT-017").equals(notification.subscription["planId"], change.before)
    check("EVT-017").equals(notification.subscription["saasSubscriptionStatus"], "Subscribed")


@requirement("EVT-016")
def test_a_plan_change_is_announced_with_the_seats_inside(situations, webhook, check):
    """ChangePlan of a per-seat subscription: inside are its seats, which the change of plan does not touch."""
    with situations.further():
        change = situations.pending_change(of=situations.subscribed("per-seat"))
    nested = webhook.expects(change.purchase, "ChangePlan").subscription

    value_is(check("EVT-016"), nested["quantity"], change.purchase.quantity)


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
    check("EVT-019").equals(notification.subscription["planId"], change.purchase.plan)
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
    shown = marketplace.get_subscription(purchase.id)
    before = day_of(shown["term"]["endDate"].value)
    if before is None:
        raise Precondition("the term has no endDate, or none that is a day (GET-030)", shown.exchange)
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
