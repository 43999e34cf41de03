"""The webhook: how events reach the publisher, and what its answer does (catalogue theme WHK)."""

from contextlib import nullcontext
from datetime import timedelta

import pytest

from fulfillment_conformance.backend.bearer import BearerToken, faults, read_bearer, wall_clock
from fulfillment_conformance.backend.judgements import value_is
from fulfillment_conformance.backend.receiver import Reaction
from fulfillment_conformance.dates import day_of
from fulfillment_conformance.marks import requirement

BOTH_KINDS = pytest.mark.parametrize("kind", ["plan", "seats"])
MOST_ATTEMPTS = 501
"""A first call and its repetitions, "up to 500 times"."""
ACTIONS = ["ChangePlan", "ChangeQuantity", "Renew", "Suspend", "Unsubscribe", "Reinstate"]
FURTHER = ["ChangePlan", "ChangeQuantity", "Renew", "Reinstate"]
SAME_IN_EVERY_CALL = ["id", "subscriptionId", "publisherId", "offerId", "planId", "quantity", "action"]
SEEN_CLAIMS = ["aud", "iss", "iat", "exp", "tid", "ver"]


@pytest.fixture
def is_signed(notified):
    """Return a function that checks the Authorization header of a call, and returns its token, None without one."""

    def is_signed(check, notification):
        token = read_bearer(notification.header("authorization").value)
        whose = {"tenant_id": notified.tenant_id, "client_id": notified.client_id, "keys": notified.keys}
        found = faults(token, **whose, now=wall_clock()) if isinstance(token, BearerToken) else [token]
        check.that(
            not found,
            expected="Authorization: Bearer with a JWT of the publisher's tenant, for its application, by Microsoft's",
            actual="; ".join(found) or "such a token",
            rests_on=[notification],
            notes=[] if notified.keys else ["the signature was not verified: nobody says where the keys are"],
        )
        return token if isinstance(token, BearerToken) else None

    return is_signed


@requirement("WHK-001")
@pytest.mark.parametrize("action", ACTIONS)
def test_an_event_is_posted_once(situations, webhook, check, action):
    """A webhook call that is accepted is one POST with a JSON body, and no other about it follows."""
    with situations.further() if action in FURTHER else nullcontext():
        purchase, _ = situations.happening(action)
    webhook.hears(purchase, action)
    if situations.has("clock"):
        situations.pass_time(minutes=5)
    calls = webhook.heard(purchase)  # how they name the event is what WHK-002 is about
    calls = [call for call in calls if call.action == calls[0].action]
    if action in FURTHER and not calls:
        check("WHK-001").not_applicable(f"no call came about {action}, which WHK-002 is about")
        return

    if check("WHK-001").that(
        bool(calls),
        expected=f"a webhook call about {action}",
        actual="a call" if calls else "no call",
        rests_on=calls,
    ):
        first = calls[0]
        content_type = str(first.header("content-type").value)
        check("WHK-001").that(
            first.exchange.method == "POST"
            and content_type.lower().startswith("application/json")
            and bool(first.body),
            expected="POST of JSON",
            actual=f"{first.exchange.method} of {content_type}",
            rests_on=[first],
        )
        again = len(calls) > 1 and all(call.operation_id == first.operation_id for call in calls)
        check("WHK-001").that(
            len(calls) == 1,
            expected="one call",
            actual=f"{len(calls)} calls",
            rests_on=calls,
            observed="delivered again within seconds" if again else None,
        )


@requirement("WHK-002")
@pytest.mark.parametrize("action", ACTIONS)
def test_every_event_is_announced_by_its_name(situations, webhook, check, action):
    """The action of the webhook call is the name of the event."""
    purchase, _ = situations.happening(action)
    notification = webhook.hears(purchase, action)
    calls = webhook.heard(purchase)

    check("WHK-002").that(
        notification is not None,
        expected=f"a webhook call with action {action}",
        actual=", ".join(str(call.action) for call in calls) or "no call",
        rests_on=calls,
    )


@requirement("WHK-002")
def test_automatic_activation_is_announced_by_its_name(situations, webhook, check):
    """The purchase of an auto-activated plan is announced as Subscribe."""
    if not situations.has("auto-activate"):
        check("WHK-002").not_applicable("no plan is activated automatically here (EVT-036)")
        return
    purchase = situations.buy(plan=situations.auto_activated_plan())
    notification = webhook.hears(purchase, "Subscribe")

    check("WHK-002").that(
        notification is not None,
        expected="a webhook call with action Subscribe",
        actual="a call" if notification else "no such call",
        rests_on=webhook.heard(purchase),
    )


@requirement("WHK-006", "WHK-007")
def test_a_call_that_is_not_accepted_is_repeated_for_eight_hours(marketplace, situations, webhook, subscribed, check):
    """A webhook that answers 503 is called again, at most 500 times within eight hours; then the operation fails."""
    webhook.reacts(subscribed, Reaction(status=503))
    change = situations.begin_change(subscribed, by="customer" if situations.has("events") else "publisher")
    first = webhook.expects(subscribed, change.action)
    second = webhook.hears(subscribed, change.action, more_than=1, operation=change.operation_id)
    operation = marketplace.get_operation(subscribed.id, change.operation_id)
    if second is not None:
        check("WHK-006").equals(second["id"], first["id"])
    if not situations.has("clock"):
        if second is None and operation.status.value == "InProgress":
            check("WHK-006").undecided("no second call came yet, and the operation is still open", rests_on=[operation])
        else:
            check("WHK-006").that(
                second is not None,
                expected="a second call",
                actual=f"one call, {operation.status}",
                rests_on=[operation],
            )
        if operation.status.value == "InProgress":
            check("WHK-007").untestable("capability 'clock' is missing: eight hours cannot pass")
        else:
            check("WHK-007").equals(operation.status, "Failed")
        return

    counts = []
    for hours in (1, 7, 8):
        situations.pass_time(hours=hours)
        counts.append(len(webhook.heard(subscribed, change.action)))
    ended = situations.ended(change)
    in_an_hour, in_eight, in_sixteen = counts

    check("WHK-006").that(
        1 < in_an_hour < in_eight <= MOST_ATTEMPTS,
        expected=f"calls again and again for eight hours, {MOST_ATTEMPTS} at most",
        actual=f"{in_an_hour} calls in an hour, {in_eight} in eight",
        rests_on=[operation, *([second] if second else [])],
    )
    check("WHK-006").that(
        in_sixteen == in_eight,
        expected="no more calls after eight hours",
        actual=f"{in_sixteen - in_eight} more",
        rests_on=[ended],
    )
    check("WHK-007").equals(ended.status, "Failed")
    value_is(check("WHK-007"), marketplace.get_subscription(subscribed.id).plan, change.before)


@requirement("WHK-006")
@pytest.mark.parametrize(
    ("action", "status"), [("Suspend", 503), ("Unsubscribe", None), ("Renew", 500), ("Reinstate", 503)]
)
def test_whatever_is_not_accepted_is_repeated_until_it_is(situations, webhook, check, action, status):
    """A call that is answered 5xx, or not at all, comes again and says the same; once it is accepted, no more."""
    with situations.further():
        situations.needs("clock")
        purchase = situations.suspended() if action == "Reinstate" else situations.subscribed()
        webhook.reacts(purchase, Reaction(status=status), Reaction(), action=action)
        situations.event(purchase, action)
    first = webhook.expects(purchase, action)
    if webhook.hears(purchase, action, more_than=1) is None:
        check("WHK-006").that(
            False,
            expected=f"{action} again, after it was {'answered ' + str(status) if status else 'not answered'}",
            actual="one call in ten minutes",
            rests_on=[first],
        )
        return
    situations.pass_time(minutes=10)
    calls = webhook.heard(purchase, action)

    _say_the_same(check("WHK-006"), calls[:2])
    check("WHK-006").that(
        len(calls) == 2,
        expected="no call after the one that was accepted",
        actual=f"{len(calls)} calls",
        rests_on=calls,
        observed="delivered again within seconds",
    )


@requirement("WHK-006", "WHK-013", "WHK-025")
def test_a_change_goes_on_when_a_later_call_is_accepted(marketplace, situations, webhook, subscribed, is_signed, check):
    """The call that comes again is signed as well; accepted and followed by silence, the change is carried out."""
    with situations.further():
        situations.needs("clock")
        webhook.reacts(subscribed, Reaction(status=503), Reaction(), action="ChangePlan")
    change = situations.begin_change(subscribed, by="customer" if situations.has("events") else "publisher")
    first = webhook.expects(subscribed, "ChangePlan")
    second = webhook.hears(subscribed, "ChangePlan", more_than=1)
    if second is None:
        check("WHK-006").that(
            False, expected="ChangePlan again, after it was answered 503", actual="one call", rests_on=[first]
        )
        for each in check.each("WHK-013", "WHK-025"):
            each.not_applicable("no second call came, which WHK-006 is about")
        return
    situations.pass_time(seconds=30)
    ended = marketplace.get_operation(subscribed.id, change.operation_id)

    _say_the_same(check("WHK-006"), [first, second])
    is_signed(check("WHK-013"), second)
    check("WHK-025").equals(ended.status, "Succeeded")
    check("WHK-025").equals(marketplace.get_subscription(subscribed.id).plan, change.wanted)


@requirement("WHK-013", "WHK-023")
def test_a_notification_carries_a_token_of_entra(situations, webhook, is_signed, check):
    """The Authorization header holds a JWT that a careful publisher accepts: signature, audience, tenant, caller."""
    purchase, _ = situations.happening("Suspend")
    notification = webhook.expects(purchase, "Suspend")
    token = is_signed(check("WHK-013"), notification)
    if token is None:
        check("WHK-023").not_applicable("no token came whose claims there are, which WHK-013 is about")
        return
    claims = token.claims
    missing = [name for name in SEEN_CLAIMS if name not in claims]
    check("WHK-023").that(
        not missing and ("azp" in claims or "appid" in claims),
        expected=f"the claims {', '.join(SEEN_CLAIMS)}, and azp or appid",
        actual=f"the claims {', '.join(sorted(claims))}",
        rests_on=[notification],
    )


@requirement("WHK-013")
@pytest.mark.parametrize("by", ["customer", "publisher"])
@pytest.mark.parametrize("action", ["ChangePlan", "ChangeQuantity", "Renew", "Unsubscribe", "Reinstate", "Subscribe"])
def test_every_notification_carries_such_a_token(marketplace, situations, webhook, is_signed, check, action, by):
    """Whatever it announces, and whoever began that, a webhook call is signed."""
    with situations.further():
        if by == "customer":
            if action == "Subscribe":
                purchase = situations.buy(plan=situations.auto_activated_plan())
            else:
                purchase, _ = situations.happening(action)
        elif action in ("ChangePlan", "ChangeQuantity"):
            purchase = situations.changeable("plan" if action == "ChangePlan" else "seats")
            situations.begin_change(purchase, "plan" if action == "ChangePlan" else "seats", by="publisher")
        elif action == "Unsubscribe":
            purchase = situations.subscribed()
            marketplace.cancel(purchase.id)
        else:
            check("WHK-013").not_applicable(f"a publisher begins no {action}")
            return
        notification = webhook.hears(purchase, action)
    if notification is None:
        check("WHK-013").not_applicable(f"the webhook was not called with {action}, which WHK-002 is about")
        return

    is_signed(check("WHK-013"), notification)


@requirement("WHK-025")
@pytest.mark.parametrize(("kind", "by"), [("plan", "customer"), ("seats", "customer"), ("plan", "publisher")])
def test_silence_accepts_a_change(marketplace, situations, webhook, check, kind, by):
    """Answered 200 and not patched, a change is Succeeded after about ten seconds, and the new value visible."""
    if by == "publisher":
        with situations.further():
            change = situations.begin_change(situations.subscribed(), by=by)
    else:
        change = situations.pending_change(kind)
    webhook.expects(change.purchase, change.action)
    if situations.has("clock"):
        situations.pass_time(seconds=30)
        operation = marketplace.get_operation(change.purchase.id, change.operation_id)
    else:
        operation = situations.ended(change)
    value = change.value_in(marketplace.get_subscription(change.purchase.id))
    fails = "ends in Failed" if operation.status.key in {"InProgress", "Failed"} else None

    check("WHK-025").equals(operation.status, "Succeeded", observed=fails)
    value_is(check("WHK-025"), value, change.wanted, observed=fails)


@requirement("WHK-026", "WHK-029")
@BOTH_KINDS
def test_patch_failure_in_time_rejects_a_change(marketplace, situations, webhook, check, kind):
    """PATCH Failure three seconds after the call: the operation is Failed, and the value stays."""
    change = situations.pending_change(kind)
    webhook.expects(change.purchase, change.action)
    if situations.has("clock"):
        situations.pass_time(seconds=3)
    marketplace.update_operation(change.purchase.id, change.operation_id, "Failure")
    ended = situations.ended(change)
    value = change.value_in(marketplace.get_subscription(change.purchase.id))
    all_the_same = "the change is carried out all the same" if ended.status.value == "Succeeded" else None

    check("WHK-026").equals(ended.status, "Failed", observed=all_the_same)
    for each in check.each("WHK-026", "WHK-029"):
        value_is(each, value, change.before, observed=all_the_same)


@requirement("WHK-027", "WHK-029")
@pytest.mark.parametrize(("kind", "status"), [("plan", 400), ("seats", 404), ("plan", 422)])
def test_a_4xx_answer_rejects_a_change(marketplace, situations, webhook, check, kind, status):
    """A webhook that answers 4xx: the operation is Failed, the value stays, and the call is not repeated."""
    purchase = situations.changeable(kind)
    webhook.reacts(purchase, Reaction(status=status))
    change = situations.begin_change(purchase, kind)
    webhook.expects(purchase, change.action)
    ended = situations.ended(change)
    if situations.has("clock"):
        situations.pass_time(minutes=10)
    # A service that takes the change back announces that as an operation of its own.
    calls = [call for call in webhook.heard(purchase, change.action) if call.operation_id == change.operation_id]
    value = change.value_in(marketplace.get_subscription(purchase.id))

    check("WHK-027").equals(ended.status, "Failed")
    check("WHK-027").that(len(calls) == 1, expected="one call", actual=f"{len(calls)} calls", rests_on=calls or [ended])
    for each in check.each("WHK-027", "WHK-029"):
        value_is(each, value, change.before)


@requirement("WHK-028")
@BOTH_KINDS
def test_patch_success_in_time_completes_a_change(marketplace, situations, webhook, check, kind):
    """PATCH Success three seconds after the call: the operation is Succeeded, and the new value visible."""
    change = situations.pending_change(kind)
    webhook.expects(change.purchase, change.action)
    if situations.has("clock"):
        situations.pass_time(seconds=3)
    marketplace.update_operation(change.purchase.id, change.operation_id, "Success")
    operation, subscription = situations.ended_at_a_word(change)

    check("WHK-028").equals(operation.status, "Succeeded")
    value_is(check("WHK-028"), change.value_in(subscription), change.wanted)


@requirement("WHK-028")
def test_patch_success_from_within_the_call_completes_a_change(marketplace, situations, webhook, subscribed, check):
    """PATCH Success before the webhook has answered counts as well."""
    patched = webhook.at_receipt(
        subscribed,
        lambda notification: marketplace.update_operation(subscribed.id, str(notification.operation_id), "Success"),
    )
    change = situations.begin_change(subscribed)
    webhook.expects(subscribed, "ChangePlan")
    ended = situations.ended(change)

    check("WHK-028").accepted(patched["ChangePlan"])
    check("WHK-028").equals(ended.status, "Succeeded")
    value_is(check("WHK-028"), marketplace.get_subscription(subscribed.id).plan, change.wanted)


@requirement("WHK-030")
@pytest.mark.parametrize(
    ("action", "status"), [("Suspend", "Suspended"), ("Renew", "Subscribed"), ("Unsubscribe", "Unsubscribed")]
)
def test_what_is_only_announced_cannot_be_rejected(marketplace, situations, webhook, subscribed, check, action, status):
    """A webhook that answers 400 to Suspend, Renew or Unsubscribe, and PATCH Failure: the state is as announced."""
    webhook.reacts(subscribed, Reaction(status=400))
    bought = marketplace.get_subscription(subscribed.id)
    operation_id = situations.event(subscribed, action)
    webhook.expects(subscribed, action)
    before = marketplace.get_subscription(subscribed.id)
    marketplace.update_operation(subscribed.id, operation_id, "Failure")  # however that is answered
    if situations.has("clock"):
        situations.pass_time(minutes=1)
    after = marketplace.get_subscription(subscribed.id)

    check("WHK-030").equals(after.status, status)
    check("WHK-030").equals(after["term"]["startDate"], before["term"]["startDate"])
    first, now = (day_of(shown["term"]["startDate"].value) for shown in (bought, after))
    if action == "Renew" and first is not None and now is not None:
        check("WHK-030").that(
            now > first,
            expected=f"a term that begins after {first}, as renewed",
            actual=now,
            rests_on=[bought, after],
        )


@requirement("WHK-030")
def test_automatic_activation_cannot_be_rejected(marketplace, situations, webhook, check):
    """A webhook that answers 400 to Subscribe: the subscription stays Subscribed."""
    if not situations.has("auto-activate"):
        check("WHK-030").not_applicable("no plan is activated automatically here (EVT-036)")
        return
    with webhook.usually(Reaction(status=400)):
        purchase = situations.buy(plan=situations.auto_activated_plan())
        webhook.expects(purchase, "Subscribe")
        if situations.has("clock"):
            situations.pass_time(minutes=1)

    check("WHK-030").equals(marketplace.get_subscription(purchase.id).status, "Subscribed")


@requirement("WHK-038")
def test_the_id_of_a_notification_works_in_the_operations_api(marketplace, situations, webhook, check):
    """GET and PATCH with the payload's id are answered 200."""
    change = situations.pending_change()
    operation_id = str(webhook.expects(change.purchase, change.action)["id"].value)
    got = marketplace.get_operation(change.purchase.id, operation_id)
    patched = marketplace.update_operation(change.purchase.id, operation_id, "Success")
    long_form = "org:" if operation_id.startswith("org:") else None

    check("WHK-038").equals(got.status_line, 200, observed=long_form)
    check("WHK-038").equals(patched.status_line, 200, observed=long_form)


@requirement("WHK-038")
@pytest.mark.parametrize("action", ["ChangePlan", "ChangeQuantity", "Reinstate"])
def test_the_id_of_a_notification_works_while_its_call_is_open(marketplace, situations, webhook, check, action):
    """A publisher that asks before it answers is told: GET with the payload's id is answered 200 at receipt."""
    with situations.further():
        if action == "Reinstate":
            purchase = situations.suspended()
        else:
            purchase = situations.changeable("plan" if action == "ChangePlan" else "seats")
        seen = webhook.at_receipt(
            purchase, lambda notification: marketplace.get_operation(purchase.id, str(notification.operation_id))
        )
        if action == "Reinstate":
            situations.event(purchase, action)
        else:
            situations.begin_change(purchase, "plan" if action == "ChangePlan" else "seats")
    notification = webhook.expects(purchase, action)
    long_form = "org:" if str(notification.operation_id).startswith("org:") else None

    check("WHK-038").equals(seen[action].status_line, 200, observed=long_form)


@requirement("WHK-040")
@pytest.mark.parametrize("action", ["ChangePlan", "ChangeQuantity", "Unsubscribe"])
def test_what_the_publisher_starts_is_announced_too(marketplace, situations, webhook, check, action):
    """PATCH planId, PATCH quantity and DELETE are followed by a webhook call with the matching action."""
    purchase = situations.changeable("seats" if action == "ChangeQuantity" else "plan")
    if action == "Unsubscribe":
        asked = marketplace.cancel(purchase.id)
    elif action == "ChangePlan":
        asked = marketplace.change_plan(purchase.id, situations.other_plan(purchase).plan_id)
    else:
        asked = marketplace.change_quantity(purchase.id, situations.other_quantity(purchase))
    notification = webhook.hears(purchase, action, operation=asked.operation_id)

    check("WHK-040").that(
        asked.is_success and notification is not None,
        expected=f"{asked.exchange.method} accepted, and a webhook call with action {action}",
        actual=f"{asked.status_code}, {'a call' if notification else 'no such call'}",
        rests_on=[asked, *([notification] if notification else [])],
    )


@requirement("WHK-041")
@pytest.mark.parametrize(("by", "source"), [("customer", "Azure"), ("publisher", "Partner")])
def test_a_notification_says_who_began(situations, webhook, subscribed, check, by, source):
    """The operationRequestSource is Azure for a customer's change, Partner for the publisher's own."""
    change = situations.begin_change(subscribed, by=by)
    notification = webhook.expects(subscribed, "ChangePlan", operation=change.operation_id)
    shown = notification["operationRequestSource"]
    missing = "absent from the notification" if by == "publisher" and shown.absent else None

    check("WHK-041").equals(shown, source, observed=missing)


@requirement("WHK-046")
def test_what_is_not_documented_of_a_call_is_recorded(situations, webhook, check):
    """Content type and user agent of a webhook call are nowhere fixed: they are noted."""
    purchase, _ = situations.happening("Suspend")
    notification = webhook.expects(purchase, "Suspend")
    shown = {name: notification.header(name).value for name in ("content-type", "user-agent")}

    check("WHK-046").that(
        True,
        expected="a webhook call, whatever its headers",
        actual="a call",
        rests_on=[notification],
        notes=[f"{name}: {value}" for name, value in shown.items()],
    )


@requirement("WHK-047")
@BOTH_KINDS
def test_a_customers_change_waits_for_the_publisher(marketplace, situations, webhook, check, kind):
    """Between the webhook call and the publisher's word the operation is InProgress, and listed as outstanding.

    The publisher has ten seconds for its word, so after eight the operation still waits.
    """
    began = situations.now()
    change = situations.pending_change(kind)
    webhook.expects(change.purchase, change.action)
    operation = marketplace.get_operation(change.purchase.id, change.operation_id)
    listed = marketplace.list_operations(change.purchase.id)
    ids = [entry["id"].value for entry in listed.entries]
    late = "the list stays empty" if listed.is_success and not ids else None

    check("WHK-047").equals(operation.status, "InProgress")
    check("WHK-047").that(
        change.operation_id in ids,
        expected=f"operation {change.operation_id} listed",
        actual=f"listed {ids}" if listed.is_success else listed.status_code,
        rests_on=[listed],
        observed=late,
    )
    if situations.has("clock"):
        situations.pass_time(seconds=8)
        later = marketplace.get_operation(change.purchase.id, change.operation_id)
        if situations.now() - began < timedelta(seconds=10):  # a slow machine may have taken the rest of them
            check("WHK-047").equals(later.status, "InProgress")


def _say_the_same(check, calls):
    """Check that calls about one operation name the same subscription, operation and values."""
    for name in SAME_IN_EVERY_CALL:
        check.equals(calls[1][name], calls[0][name])
