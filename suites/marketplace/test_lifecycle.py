"""States and transitions: what is possible when, and what happens by itself (catalogue theme LCY)."""

from datetime import timedelta
from pathlib import Path

import pytest

from fulfillment_conformance.backend.judgements import has_status, value_is
from fulfillment_conformance.backend.story_files import curl_lines, in_words, load, save
from fulfillment_conformance.backend.storyteller import Teller
from fulfillment_conformance.dates import day_of, term_end
from fulfillment_conformance.interruptions import Interruption, MissingCapability, Precondition
from fulfillment_conformance.marks import requirement

STATUSES = ["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"]
POSSIBLE_IN = {
    "ChangePlan": ["Subscribed"],
    "ChangeQuantity": ["Subscribed"],
    "Renew": ["Subscribed"],
    "Suspend": ["Subscribed"],
    "Reinstate": ["Suspended"],
    "Unsubscribe": ["PendingFulfillmentStart", "Subscribed", "Suspended"],
}
STORIES, STEPS = 20, 20
BOTH_KINDS = pytest.mark.parametrize("kind", ["plan", "seats"])


@pytest.fixture
def told(run, situations, webhook, pytestconfig, tmp_path):
    """What came of telling stories, or of the one to replay; a disagreement is written down for another time."""
    teller = Teller(situations, webhook if situations.has("webhook") else None, run.profile)
    replayed = pytestconfig.getoption("--fc-replay")
    try:
        if replayed:
            told = teller.replay(load(Path(replayed)))
        else:
            told = teller.explore(number=run.seed, stories=STORIES, steps=STEPS, folder=tmp_path)
    except Interruption as interruption:
        told = teller.told
        told.reason = str(interruption)
    if told.disagreement is not None:
        told.notes = in_words(told.steps) + curl_lines(told.exchanges, run.redactor)
        if run.options.output is not None:
            file = run.options.output / "stories" / f"{told.disagreement.requirement}-seed-{run.seed}.json"
            save(file, told.steps, told.disagreement, notes=told.notes, profile=run.profile, seed=run.seed)
            told.notes.append(f"play it again: --fc-replay {file}")
    return told


@pytest.fixture
def attempt(situations):
    """Return a function that tries an event and returns its refusal, None when it happened."""

    def attempt(purchase, action):
        details = {}
        if action == "ChangePlan":
            details = {"plan_id": situations.other_plan(purchase).plan_id}
        elif action == "ChangeQuantity":
            details = {"quantity": situations.other_quantity(purchase)}
        return situations.refused_event(purchase, action, **details)

    return attempt


@requirement("LCY-001")
@pytest.mark.parametrize("status", STATUSES)
def test_there_are_four_states(marketplace, situations, check, status):
    """In whatever situation a subscription is, its status is one of the four words."""
    shown = marketplace.get_subscription(situations.in_status(status).id).status

    check("LCY-001").that(
        shown.value in [*STATUSES, "NotStarted"],
        expected=f"saasSubscriptionStatus one of {', '.join(STATUSES)}",
        actual=shown.value,
        rests_on=[shown],
        notes=["NotStarted is a word of the OpenAPI file alone"] if shown.value == "NotStarted" else [],
    )


@requirement("LCY-002")
def test_a_purchase_begins_pending(marketplace, purchase, check):
    """The purchase of a manually activated plan is PendingFulfillmentStart."""
    check("LCY-002").equals(marketplace.get_subscription(purchase.id).status, "PendingFulfillmentStart")


@requirement("LCY-003")
def test_resolving_a_purchase_does_not_activate_it(marketplace, situations, purchase, check):
    """Resolved and left alone for a minute it is as it was; activate makes it Subscribed."""
    before = marketplace.get_subscription(purchase.id)
    marketplace.resolve(purchase.token)
    if situations.has("clock"):
        situations.pass_time(minutes=1)
    left_alone = marketplace.get_subscription(purchase.id)
    situations.activate(purchase)

    check("LCY-003").equals(left_alone.status, before.status)
    check("LCY-003").equals(marketplace.get_subscription(purchase.id).status, "Subscribed")


@requirement("LCY-004")
@pytest.mark.parametrize("by", ["customer", "publisher"])
def test_a_pending_purchase_is_cancelled(marketplace, situations, purchase, check, by):
    """Cancelled before activation, by the customer or by the publisher, it is Unsubscribed."""
    if by == "customer":
        operation = situations.event(purchase, "Unsubscribe")
    else:
        operation = marketplace.cancel(purchase.id).operation_id
    after = situations.wait_for_status(purchase, "Unsubscribed", operation=operation)

    check("LCY-004").equals(after.status, "Unsubscribed")


@requirement("LCY-005")
def test_a_purchase_that_nobody_configures_is_voided(marketplace, situations, status_of, check):
    """After 30 days in PendingFulfillmentStart, and not before, a purchase is Unsubscribed or gone."""
    situations.needs("clock")
    situations.start_over()
    purchase = situations.buy()
    bought = status_of(purchase)
    situations.pass_time(days=29)
    waiting = marketplace.get_subscription(purchase.id)
    situations.pass_time(days=2)
    voided = marketplace.get_subscription(purchase.id)

    check("LCY-005").equals(waiting.status, bought)
    check("LCY-005").that(
        voided.status.value == "Unsubscribed" or voided.status_code == 404,
        expected="Unsubscribed, or 404",
        actual=voided.status.value if voided.is_success else voided.status_code,
        rests_on=[voided],
    )


@requirement("LCY-006")
def test_a_pending_purchase_is_not_suspended(purchase, status_of, attempt, check):
    """Suspension of a purchase that is not active yet is refused, and changes nothing."""
    before = status_of(purchase)
    refusal = attempt(purchase, "Suspend")
    after = status_of(purchase)

    check("LCY-006").that(
        refusal is not None,
        expected="Suspend refused",
        actual="Suspend accepted" if refusal is None else f"refused with {refusal.status}",
        rests_on=[refusal] if refusal else [],
    )
    check("LCY-006").equals(after, before)


@requirement("LCY-007")
def test_a_missing_payment_suspends_at_once(marketplace, situations, webhook, subscribed, check):
    """The subscription is Suspended when the event is over, and when the publisher hears of it; no other one is."""
    try:
        bystanders = [situations.subscribed()]
    except MissingCapability:  # as on a live service that lists one
        bystanders = []
    seen = {}
    if situations.has("webhook"):
        seen = webhook.at_receipt(subscribed, lambda _: marketplace.get_subscription(subscribed.id))
    situations.event(subscribed, "Suspend")

    check("LCY-007").equals(marketplace.get_subscription(subscribed.id).status, "Suspended")
    for bystander in bystanders:
        check("LCY-007").equals(marketplace.get_subscription(bystander.id).status, "Subscribed")
    if webhook.hears(subscribed, "Suspend") and seen:
        check("LCY-007").equals(seen["Suspend"].status, "Suspended")


@requirement("LCY-008")
def test_a_payment_reinstates(marketplace, situations, check):
    """Reinstated and confirmed, a Suspended subscription is Subscribed again."""
    purchase, operation_id = situations.happening("Reinstate")
    marketplace.update_operation(purchase.id, operation_id, "Success")

    check("LCY-008").equals(situations.wait_for_status(purchase, "Subscribed").status, "Subscribed")


@requirement("LCY-009")
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Subscribed", "Unsubscribed"])
def test_only_what_is_suspended_is_reinstated(situations, status_of, attempt, check, status):
    """Reinstatement in any other state is refused, and changes nothing."""
    purchase = situations.in_status(status)
    before = status_of(purchase)
    refusal = attempt(purchase, "Reinstate")

    check("LCY-009").that(
        refusal is not None,
        expected="Reinstate refused",
        actual="Reinstate accepted" if refusal is None else f"refused with {refusal.status}",
        rests_on=[refusal] if refusal else [],
    )
    check("LCY-009").equals(status_of(purchase), before)


@requirement("LCY-010")
def test_a_subscription_stays_suspended_while_it_is_reinstated(marketplace, situations, webhook, check):
    """The state is Suspended after the event, and when the publisher hears of it."""
    suspended = situations.suspended()
    seen = {}
    if situations.has("webhook"):
        seen = webhook.at_receipt(suspended, lambda _: marketplace.get_subscription(suspended.id))
    situations.event(suspended, "Reinstate")
    looks = [marketplace.get_subscription(suspended.id)]
    if webhook.hears(suspended, "Reinstate") and seen:
        looks.append(seen["Reinstate"])

    for look in looks:
        early = "Subscribed before the notification is sent" if look.status.value == "Subscribed" else None
        check("LCY-010").equals(look.status, "Suspended", observed=early)


@requirement("LCY-008", "CHP-001", "CHQ-002")
@pytest.mark.parametrize("kind", ["flat", "per-seat"])
def test_a_reinstated_subscription_is_what_it_was(marketplace, situations, check, kind):
    """Plan, seats, automatic renewal and customer are after suspension and reinstatement what they were before.

    And it can be changed again.
    """
    with situations.further():
        situations.needs("events")
        purchase = situations.subscribed(kind)
        situations.changed(purchase, "plan" if kind == "flat" else "seats")
    before = marketplace.get_subscription(purchase.id)
    situations.event(purchase, "Suspend")
    situations.reaches(purchase, "Suspended", because="after Suspend (LCY-007)")
    marketplace.update_operation(purchase.id, situations.event(purchase, "Reinstate"), "Success")
    after = situations.wait_for_status(purchase, "Subscribed")

    if not check("LCY-008").equals(after.status, "Subscribed"):
        for each in check.each("CHP-001", "CHQ-002"):
            each.not_applicable("it was not reinstated")
        return
    for name in ("planId", "quantity", "autoRenew", "offerId", "beneficiary", "purchaser"):
        check("LCY-008").equals(after[name], before[name])
    changed, other = ("CHP-001", "CHQ-002") if kind == "flat" else ("CHQ-002", "CHP-001")
    check(other).not_applicable("another kind of plan is for that")
    check(changed).status(
        marketplace.change_plan(purchase.id, purchase.plan)
        if kind == "flat"
        else marketplace.change_quantity(purchase.id, purchase.quantity),
        202,
    )


@requirement("LCY-011")
def test_every_suspension_has_its_own_grace_period(marketplace, situations, check):
    """Suspended again, a subscription has all of its 30 days again; reinstated, it outlives them."""
    with situations.further():
        situations.needs("clock", "events")
        situations.start_over()
        purchase = situations.subscribed(**_a_year(situations))
    situations.event(purchase, "Suspend")
    situations.pass_time(days=5)
    situations.reinstate(purchase)
    situations.pass_time(days=10)
    situations.event(purchase, "Suspend")
    situations.pass_time(days=20)  # 35 after the first suspension began, and 20 after the second
    again = marketplace.get_subscription(purchase.id)
    if not check("LCY-011").equals(again.status, "Suspended"):
        return
    situations.reinstate(purchase)
    situations.pass_time(days=25)

    check("LCY-011").equals(marketplace.get_subscription(purchase.id).status, "Subscribed")


@requirement("LCY-011", "EVT-032")
def test_thirty_days_without_payment_end_a_subscription(marketplace, situations, webhook, contract, check):
    """A suspended subscription is Unsubscribed after 30 days, and not before; the publisher is told."""
    situations.needs("clock")
    situations.start_over()
    suspended = situations.suspended()
    situations.pass_time(days=29)
    before = marketplace.get_subscription(suspended.id)
    situations.pass_time(days=2)
    after = marketplace.get_subscription(suspended.id)
    notification = webhook.hears(suspended, "Unsubscribe")

    _tells_the_end(check("EVT-032"), contract, notification)
    check("LCY-011").equals(before.status, "Suspended")
    check("LCY-011").equals(after.status, "Unsubscribed")
    check("LCY-011").that(
        notification is not None,
        expected="a webhook call with action Unsubscribe",
        actual="a call" if notification else "no such call",
        rests_on=[notification] if notification else [after],
    )


@requirement("LCY-012")
@pytest.mark.parametrize("by", ["customer", "publisher"])
def test_an_active_subscription_is_cancelled(marketplace, situations, webhook, subscribed, check, by):
    """Cancelled by the customer or the publisher, it is Unsubscribed, and no other; the publisher is told."""
    try:
        bystanders = [situations.subscribed()]
    except MissingCapability:  # as on a live service that lists one
        bystanders = []
    if by == "customer":
        operation = situations.event(subscribed, "Unsubscribe")
    else:
        operation = marketplace.cancel(subscribed.id).operation_id
    after = situations.wait_for_status(subscribed, "Unsubscribed", operation=operation)
    notification = webhook.hears(subscribed, "Unsubscribe", operation=operation)

    check("LCY-012").equals(after.status, "Unsubscribed")
    for bystander in bystanders:
        check("LCY-012").equals(marketplace.get_subscription(bystander.id).status, "Subscribed")
    check("LCY-012").that(
        notification is not None,
        expected="a webhook call with action Unsubscribe",
        actual="a call" if notification else "no such call",
        rests_on=[notification] if notification else [after],
    )


@requirement("LCY-013")
def test_a_cancelled_subscription_stays_cancelled(marketplace, situations, check):
    """Activation is answered 404, a change of plan or seats 4xx, and the status stays Unsubscribed."""
    cancelled, pending = situations.unsubscribed("per-seat"), situations.buy("per-seat")
    active, reseated = (situations.subscribed("per-seat") for _ in range(2))
    target, seats = situations.other_plan(cancelled).plan_id, situations.other_quantity(cancelled)
    activated = marketplace.activate(cancelled.id, plan=cancelled.plan, quantity=cancelled.quantity)
    planned = marketplace.change_plan(cancelled.id, target)
    seated = marketplace.change_quantity(cancelled.id, seats)
    status = marketplace.get_subscription(cancelled.id).status

    check("LCY-013").refused(
        activated,
        with_status=404,
        while_twin=marketplace.activate(pending.id, plan=pending.plan, quantity=pending.quantity),
    )
    check("LCY-013").refused(planned, while_twin=marketplace.change_plan(active.id, target))
    check("LCY-013").refused(seated, while_twin=marketplace.change_quantity(reseated.id, seats))
    check("LCY-013").equals(status, "Unsubscribed")


@requirement("LCY-013")
def test_nothing_happens_to_a_cancelled_subscription_any_more(marketplace, situations, webhook, check):
    """Cancelled while active, or while suspended: neither a term nor a grace period ends it again or brings it back."""
    with situations.further():
        situations.needs("clock")
        situations.start_over()
        cancelled = [situations.unsubscribed()]
        if situations.has("events"):
            cancelled.append(situations.suspended())
            situations.unsubscribe(cancelled[-1])
        before = [len({call.operation_id for call in webhook.heard(each)}) for each in cancelled]
    situations.pass_time(days=62)

    for each, count in zip(cancelled, before, strict=True):
        check("LCY-013").equals(marketplace.get_subscription(each.id).status, "Unsubscribed")
        calls = webhook.heard(each)
        check("LCY-013").that(
            len({call.operation_id for call in calls}) == count,
            expected="no webhook call about a new event",
            actual=", ".join(str(call.action) for call in calls),
            rests_on=calls,
        )


@requirement("LCY-014")
@BOTH_KINDS
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Suspended", "Unsubscribed"])
def test_only_active_subscriptions_are_updated(marketplace, situations, check, status, kind):
    """A change of plan or seats in any other state is answered 4xx."""
    inactive, active = situations.in_status(status, "per-seat"), situations.subscribed("per-seat")
    if kind == "plan":
        target = situations.other_plan(inactive).plan_id
        refused, twin = (marketplace.change_plan(each.id, target) for each in (inactive, active))
    else:
        seats = situations.other_quantity(inactive)
        refused, twin = (marketplace.change_quantity(each.id, seats) for each in (inactive, active))

    check("LCY-014").refused(refused, while_twin=twin)


@requirement("LCY-015")
@BOTH_KINDS
@pytest.mark.parametrize("by", ["customer", "publisher"])
def test_an_update_leaves_the_state_alone(marketplace, situations, check, kind, by):
    """While a change is pending, and after it, the status is Subscribed, whoever began it."""
    purchase = situations.changeable(kind)
    change = situations.begin_change(purchase, kind, by=by)
    during = marketplace.get_subscription(purchase.id)
    situations.complete(change)

    check("LCY-015").equals(during.status, "Subscribed")
    check("LCY-015").equals(marketplace.get_subscription(purchase.id).status, "Subscribed")


@requirement("LCY-016")
def test_what_a_reseller_sold_is_updated_at_the_marketplace_only(marketplace, situations, webhook, subscribed, check):
    """Through the publisher a change is answered 400; the reseller's change comes by webhook."""
    situations.needs("csp")
    resold, changed = (situations.subscribed(channel="csp") for _ in range(2))
    target = situations.other_plan(resold).plan_id
    refused = marketplace.change_plan(resold.id, target)
    situations.event(changed, "ChangePlan", plan_id=target)
    notification = webhook.hears(changed, "ChangePlan")

    check("LCY-016").refused(refused, with_status=400, while_twin=marketplace.change_plan(subscribed.id, target))
    check("LCY-016").that(
        notification is not None,
        expected="a webhook call with action ChangePlan",
        actual="a call" if notification else "no such call",
        rests_on=[notification] if notification else [refused],
    )


@requirement("LCY-017")
def test_the_publishers_own_change_is_announced_as_an_operation_of_the_marketplace(
    marketplace, situations, webhook, subscribed, check
):
    """When the publisher hears of its own change, Get operation knows it under the id that the PATCH was given."""
    seen = webhook.at_receipt(
        subscribed, lambda notification: marketplace.get_operation(subscribed.id, str(notification.operation_id))
    )
    change = situations.begin_change(subscribed, by="publisher")
    webhook.expects(subscribed, "ChangePlan", operation=change.operation_id)

    check("LCY-017").status(seen["ChangePlan"], 200)
    read = seen["ChangePlan"]["id"]
    check("LCY-017").that(
        str(read.value).lower() == change.operation_id.lower(),
        expected=f"the operation {change.operation_id}",
        actual=read.value,
        rests_on=[read],
    )
    value_is(check("LCY-017"), seen["ChangePlan"]["planId"], change.wanted)


@requirement("LCY-020", "LCY-021", "EVT-021", "EVT-022")
def test_a_term_is_followed_by_another(marketplace, situations, webhook, contract, check):
    """With autoRenew, the default, the day after the last one is the first of a new term; the publisher is told."""
    situations.needs("clock")
    situations.start_over()
    subscribed = situations.with_a_term()
    default = marketplace.get_subscription(subscribed.id)["autoRenew"]
    _, last = situations.pass_to_the_last_day(subscribed)
    situations.pass_time(days=1)
    after = marketplace.get_subscription(subscribed.id)
    notification = webhook.hears(subscribed, "Renew")
    term, unit = after["term"], after["term"]["termUnit"].value
    first, end = day_of(term["startDate"].value), day_of(term["endDate"].value)

    if notification is None:
        for each in check.each("EVT-021", "EVT-022"):
            each.not_applicable("no renewal was announced, which LCY-020 is about")
    else:
        has_status(check("EVT-021"), contract, notification, "Succeeded")
        check("EVT-021").equals(notification.subscription["saasSubscriptionStatus"], "Subscribed")
        told = day_of(notification.subscription["term"]["endDate"].value)
        check("EVT-022").that(
            told is not None and told > last,
            expected=f"a term that ends after {last}",
            actual=notification.subscription["term"].value,
            rests_on=[notification],
            observed="the old term is still shown" if told in (None, last) else None,
        )
    check("LCY-020").equals(default, True)
    check("LCY-020").equals(after.status, "Subscribed")
    check("LCY-020").that(
        notification is not None,
        expected="a webhook call with action Renew",
        actual="a call" if notification else "no such call",
        rests_on=[notification] if notification else [after],
    )
    check("LCY-021").that(
        first == last + timedelta(days=1) and end is not None and end == (term_end(first, unit) or end),
        expected=f"a term of {unit} from {last + timedelta(days=1)}",
        actual=f"{term['startDate'].value} to {term['endDate'].value}",
        rests_on=[term],
    )


@requirement("LCY-020", "LCY-021")
def test_every_term_is_followed_by_another(marketplace, situations, webhook, check):
    """The second term is followed by a third, once each; so it is after a reinstatement, and after a change of mind."""
    with situations.further():
        situations.needs("clock")
        situations.start_over()
        renewed = {"left alone": situations.with_a_term()}
        if situations.has("auto-renew"):
            renewed["auto-renewal off and on again"] = switched = situations.subscribed()
            for auto_renew in (False, True):
                situations.driver.set_auto_renew(switched.id, auto_renew)
        if situations.has("events"):
            renewed["suspended and reinstated"] = reinstated = situations.suspended()
            situations.reinstate(reinstated)
    last = None
    for renewals in (1, 2):
        before, (_, last) = last, situations.pass_to_the_last_day(renewed["left alone"])
        if before is not None and last <= before:
            break  # the term does not show its new days, which is decided below
        situations.pass_time(days=2)  # one for those that were bought after midnight
        for what, purchase in renewed.items():
            shown = marketplace.get_subscription(purchase.id)
            told = {call.operation_id for call in webhook.heard(purchase, "Renew")}
            check("LCY-020").that(
                shown.status.value == "Subscribed" and len(told) == renewals,
                expected=f"Subscribed, and {renewals} times Renew ({what})",
                actual=f"{shown.status.value}, and {len(told)} times",
                rests_on=[shown],
            )
    term = marketplace.get_subscription(renewed["left alone"].id)["term"]
    first, end = day_of(term["startDate"].value), day_of(term["endDate"].value)
    length = term_end(first, term["termUnit"].value)
    check("LCY-021").that(
        first == last + timedelta(days=1)
        and end is not None
        and (length is None or abs(end - length) <= timedelta(days=3)),  # the 31st has no day in every month
        expected=f"a third term, of {term['termUnit'].value}, from {last + timedelta(days=1)}",
        actual=f"{term['startDate'].value} to {term['endDate'].value}",
        rests_on=[term],
    )


@requirement("LCY-020", "LCY-021")
def test_a_year_is_followed_by_another(marketplace, situations, webhook, check):
    """A subscription for a year is not renewed after a month; after its year it is, for a year."""
    with situations.further():
        situations.needs("clock")
        situations.start_over()
        details = _a_year(situations)
        if not details:
            raise MissingCapability("purchases", ": no plan on offer has a term of a year")
        purchase = situations.with_a_term(lambda: situations.subscribed(**details))
    situations.pass_time(days=40)
    too_early = webhook.heard(purchase, "Renew")
    _, last = situations.pass_to_the_last_day(purchase)
    situations.pass_time(days=1)
    shown = marketplace.get_subscription(purchase.id)
    told = {call.operation_id for call in webhook.heard(purchase, "Renew")}
    term, begins = shown["term"], last + timedelta(days=1)
    first, end = day_of(term["startDate"].value), day_of(term["endDate"].value)

    check("LCY-020").that(
        not too_early and shown.status.value == "Subscribed" and len(told) == 1,
        expected="Subscribed, with one Renew, at the end of its year",
        actual=f"{shown.status.value}, with {len(told)}, of which {len(too_early)} came in the first 40 days",
        rests_on=[shown, *too_early],
    )
    check("LCY-021").that(
        first == begins and end == term_end(begins, "P1Y"),
        expected=f"a term of a year from {begins}",
        actual=f"{term['startDate'].value} to {term['endDate'].value}",
        rests_on=[term],
    )


@requirement("LCY-022", "EVT-032")
def test_without_auto_renewal_the_term_is_the_last(marketplace, situations, webhook, contract, check):
    """With auto-renewal switched off a subscription lasts until its last day, and is Unsubscribed the day after."""
    situations.needs("clock", "auto-renew")
    situations.start_over()
    subscribed = situations.with_a_term()
    situations.driver.set_auto_renew(subscribed.id, False)
    situations.pass_to_the_last_day(subscribed)
    last_day = marketplace.get_subscription(subscribed.id)
    situations.pass_time(days=1)
    after = marketplace.get_subscription(subscribed.id)
    notification = webhook.hears(subscribed, "Unsubscribe")

    _tells_the_end(check("EVT-032"), contract, notification)
    check("LCY-022").equals(last_day.status, "Subscribed")
    check("LCY-022").equals(after.status, "Unsubscribed")
    check("LCY-022").that(
        notification is not None,
        expected="a webhook call with action Unsubscribe",
        actual="a call" if notification else "no such call",
        rests_on=[notification] if notification else [after],
    )


@requirement("LCY-023")
def test_a_renewal_that_is_not_paid_suspends(marketplace, situations, webhook, check):
    """Payment that is missing when the term ends: the subscription is Suspended, and the publisher told."""
    situations.needs("clock")
    situations.start_over()
    subscribed = situations.with_a_term()
    situations.pass_to_the_last_day(subscribed)
    situations.event(subscribed, "Suspend")
    situations.pass_time(days=2)
    notification = webhook.hears(subscribed, "Suspend")
    after = marketplace.get_subscription(subscribed.id)

    check("LCY-023").equals(after.status, "Suspended")
    check("LCY-023").that(
        notification is not None,
        expected="a webhook call with action Suspend",
        actual="a call" if notification else "no such call",
        rests_on=[notification] if notification else [after],
    )


@requirement("LCY-024")
def test_what_is_suspended_is_not_renewed(marketplace, situations, webhook, check):
    """When the term of a Suspended subscription ends there is no Renew, while an active one renews and stays active."""
    situations.needs("clock")
    situations.start_over()
    active, suspended = situations.with_a_term(), situations.subscribed()
    situations.pass_to_the_last_day(active)
    if webhook.heard(suspended, "Renew"):
        raise Precondition("the term had ended before its last day came (GET-030)")
    situations.event(suspended, "Suspend")
    situations.pass_time(days=2)
    renewed = webhook.expects(active, "Renew")
    renewals = webhook.heard(suspended, "Renew")

    check("LCY-024").that(
        not renewals,
        expected="no webhook call with action Renew for the suspended subscription",
        actual=f"{len(renewals)} such calls",
        rests_on=[renewed, *renewals],
    )
    check("LCY-024").equals(marketplace.get_subscription(active.id).status, "Subscribed")


@requirement("LCY-025")
def test_what_can_be_done_while_suspended(marketplace, situations, check):
    """Activation and changes are answered 400, reading and resolving 200, cancellation 202."""
    suspended = situations.suspended()
    answers = {
        400: [
            marketplace.activate(suspended.id, plan=suspended.plan),
            marketplace.change_plan(suspended.id, situations.other_plan(suspended).plan_id),
        ],
        200: [marketplace.get_subscription(suspended.id)],
        202: [marketplace.cancel(suspended.id)],
    }

    for status, given in answers.items():
        for answer in given:
            check("LCY-025").status(answer, status)


@requirement("LCY-029")
def test_managing_an_active_subscription_opens_the_landing_page_with_a_token(
    marketplace, situations, subscribed, check
):
    """Manage account gives the landing page a token, which resolves to the Subscribed subscription."""
    resolved = marketplace.resolve(situations.manage_token(subscribed))

    check("LCY-029").accepted(resolved)
    check("LCY-029").equals(resolved["id"], subscribed.id)
    check("LCY-029").equals(resolved.subscription.status, "Subscribed")


@requirement("LCY-031")
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("action", POSSIBLE_IN)
def test_every_event_has_its_states(situations, status_of, attempt, check, action, status):
    """An event happens in the states that it belongs to; in any other it is refused and changes nothing."""
    purchase = situations.in_status(status, "per-seat" if action == "ChangeQuantity" else None)
    before = status_of(purchase)
    refusal = attempt(purchase, action)
    possible = status in POSSIBLE_IN[action]

    check("LCY-031").that(
        (refusal is None) == possible,
        expected=f"{action} of a subscription that is {status} {'possible' if possible else 'refused'}",
        actual="it happened" if refusal is None else f"refused with {refusal.status}",
        rests_on=[refusal] if refusal else [],
    )
    if not possible:
        check("LCY-031").equals(status_of(purchase), before)


@requirement(
    "LCY-002", "LCY-003", "LCY-004", "LCY-005", "LCY-007", "LCY-008", "LCY-010", "LCY-011", "LCY-012", "LCY-013",
    "LCY-014", "LCY-015", "LCY-020", "LCY-021", "LCY-022", "LCY-024", "LCY-031",
    "ACT-001", "ACT-012", "ACT-013",
    "CHP-001", "CHP-003", "CHP-010", "CHP-011", "CHP-013",
    "CHQ-001", "CHQ-002", "CHQ-008", "CHQ-009", "CHQ-011", "CHQ-012", "CHQ-020",
    "DEL-001", "DEL-006", "DEL-010", "DEL-018", "DEL-019",
    "EVT-016",
    "GET-011", "GET-012", "GET-029", "GET-030",
    "OPG-003", "OPL-001", "OPL-011", "OPP-001", "OPP-002", "OPP-010", "OPP-012",
    "WHK-025", "WHK-027",
)  # fmt: skip
def test_stories_of_several_subscriptions_end_as_the_pages_say(told, check):
    """Whatever customers, banks, calendars and the publisher do, in any order, answers and states are the core's own.

    Each story is played on the target and on the pure core, which are compared after every step; the requirement that
    is about the first step at which they differ fails. `--fc-replay` plays a story again that a run has written down.
    """
    found = told.disagreement
    if found is not None and told.unrepeated:
        check(found.requirement).undecided(f"once in a story, and not again: {found}", rests_on=found.exchanges)
    elif found is not None:
        check(found.requirement).that(
            False, expected=found.expected, actual=found.actual, rests_on=found.exchanges, notes=told.notes
        )
    for requirement_id in check.claims:
        if told.came_across[requirement_id]:
            check(requirement_id).that(
                True,
                expected="the target as the pages say, in every story",
                actual=f"so it was, {told.came_across[requirement_id]} times in {told.stories} stories",
            )
        elif found is None or requirement_id != found.requirement:
            check(requirement_id).not_applicable(f"no story came to this: {told.reason}")


def _a_year(situations):
    """Return the plan and the term of a purchase for a year; nothing where no plan is sold so."""
    return next(
        ({"plan": pair, "term_unit": "P1Y"} for pair in situations.plans("flat") if "P1Y" in pair[1].term_units), {}
    )


def _tells_the_end(check, contract, notification):
    """Check what Unsubscribe says where nobody but the calendar has ended the subscription."""
    if notification is None:
        check.not_applicable("the end was not announced, which other requirements of this test are about")
        return
    has_status(check, contract, notification, "Succeeded")
    check.equals(notification.subscription["saasSubscriptionStatus"], "Unsubscribed")
