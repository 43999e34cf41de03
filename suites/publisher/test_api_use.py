"""What every call of the publisher to the Fulfillment API has, and has not (themes HDR and V1; scenario F02)."""

from urllib.parse import unquote

import pytest

from fulfillment_conformance.emulator.faults import Answers, Rewrites
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import bearer, brief, briefly, query, sent

API_VERSION = "2018-08-31"
LATER = {"lastModified": "2099-01-01T00:00:00"}
VERSION_1 = {"2017-04-15", "2018-09-15"}

MANY = 20
"""How many tries of a call that meets server errors are still bounded, over all pages of a visit."""


@pytest.fixture
def tour(stage, microsoft, publisher):
    """Return all calls to the API that a subscription's whole life leads to, and the customer whose life it was."""
    mark = microsoft.mark
    customer = stage.subscribed()
    changes = customer.has_other_plan
    for happens in (
        *([lambda: customer.change_plan(customer.other_plan().plan_id)] if changes else []),
        customer.suspend,
        customer.reinstate,
    ):
        announcement = happens()
        publisher.receives(announcement)
        customer.settles(announcement)
    customer.manage()
    if publisher.service.reconcile is not None:
        stage.purchase()  # so that there are two pages
        with microsoft.deciding_otherwise(page_size=stage.page_size_for(pages=2)):
            publisher.reconciles()
    if changes and getattr(publisher.service.self_service, "change_plan", ()):
        customer.asks("change_plan", plan=customer.other_plan().plan_id)
        customer.awaits("change_subscription")
    if stage.sells_seats and getattr(publisher.service.self_service, "change_seats", ()):
        seats = stage.subscribed(stage.seat_plan(), quantity=10)
        seats.asks("change_seats", seats=12)
        seats.awaits("change_subscription")
    if getattr(publisher.service.self_service, "cancel", ()):
        other = stage.subscribed()
        other.asks("cancel")
        other.awaits("cancel")
    publisher.receives(customer.unsubscribe())
    calls = [call for call in microsoft.since(mark) if call.receiver == "marketplace" and call.sender == "publisher"]
    if not calls:
        raise Precondition("the publisher made no call to the API")
    return calls, customer


@requirement("HDR-003", "HDR-006", "HDR-015", "HDR-008", "HDR-010", "HDR-021")
def test_every_call_has_version_content_type_and_token(tour, check):
    """api-version=2018-08-31, content-type application/json also without a body, a bearer token; from the back end."""
    calls, customer = tour
    unversioned = [call for call in calls if query(call).get("api-version") != [API_VERSION]]
    untyped = [call for call in calls if not _is_json(sent(call, "content-type"))]
    anonymous = [call for call in calls if bearer(call).count(".") != 2]
    # Not Sec-Fetch-Mode: Node's own fetch sends it from a server as well.
    by_browser = [
        call for call in calls if call.method == "OPTIONS" or sent(call, "origin") or sent(call, "sec-fetch-site")
    ]
    leading_there = [
        each
        for each in customer.buyer.history
        if each.receiver == "publisher" and b"/api/saas/subscriptions" in each.response_body
    ]

    check("HDR-003").that(
        not unversioned,
        expected=f"api-version={API_VERSION} once on every call",
        actual=briefly(unversioned, otherwise=f"on all of {len(calls)} calls"),
        rests_on=unversioned or calls,
    )
    check("HDR-006").that(
        not untyped,
        expected="content-type: application/json on every call",
        actual="; ".join(f"{brief(call)}: {sent(call, 'content-type')}" for call in untyped)
        or f"on all of {len(calls)} calls",
        rests_on=untyped or calls,
    )
    check("HDR-015").that(
        not anonymous,
        expected="Authorization: Bearer <three-part token> on every call",
        actual=briefly(anonymous, otherwise=f"on all of {len(calls)} calls"),
        rests_on=anonymous or calls,
    )
    check("HDR-021").that(
        not by_browser and not leading_there,
        expected="calls from the back end only: no Origin, no preflight, and no page that calls the API",
        actual=briefly([*by_browser, *leading_there], otherwise=f"so in all of {len(calls)} calls"),
        rests_on=[*by_browser, *leading_there] or calls,
    )
    request_ids = [each for call in calls if (each := sent(call, "x-ms-requestid")) is not None]
    if request_ids:
        check("HDR-008").that(
            all(request_ids) and len(set(request_ids)) == len(request_ids),
            expected="x-ms-requestid filled in, and another one on each call",
            actual=f"{len(set(request_ids))} different ones on {len(request_ids)} calls",
            rests_on=calls,
        )
    else:
        check("HDR-008").not_applicable("the publisher sends no x-ms-requestid")
    correlation_ids = [each for call in calls if (each := sent(call, "x-ms-correlationid")) is not None]
    if correlation_ids:
        check("HDR-010").that(
            all(correlation_ids),
            expected="x-ms-correlationid filled in",
            actual=f"{correlation_ids.count('')} empty ones on {len(correlation_ids)} calls",
            rests_on=calls,
        )
    else:
        check("HDR-010").not_applicable("the publisher sends no x-ms-correlationid")


@requirement("HDR-018")
@pytest.mark.parametrize("call", ["resolve", "activate"])
def test_a_server_error_that_stays_is_given_up(microsoft, purchase, check, call):
    """500 each time: the call is repeated a number of times, and then it is the buyer's turn to try again."""
    with microsoft.disturbed(Answers(500), call=call) as fault:
        page = purchase.visit()
        purchase.complete()
        microsoft.calms_down(lambda: fault.met, beyond=MANY)
    tries = purchase.resolves if call == "resolve" else purchase.called(call)
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()

    if not fault.met:
        check("HDR-018").undecided(f"{call} was not called", rests_on=[page.answer])
        return
    check("HDR-018").that(
        fault.met <= MANY,
        expected=f"at most {MANY} calls of {call} where each is answered 500",
        actual=f"{fault.met} calls",
        rests_on=[*tries[: MANY + 1], page.answer],
    )


@requirement("HDR-027")
def test_a_busy_marketplace_is_asked_again_in_a_while(microsoft, purchase, check):
    """503 with Retry-After: 1 when the token is to be resolved, then as always: the visit goes on."""
    with microsoft.disturbed(Answers(503, headers={"retry-after": "1"}), call="resolve", times=1) as fault:
        page = purchase.visit()
        purchase.complete()
    tries = purchase.resolves

    if not fault.met:
        check("HDR-027").undecided("resolve was not called", rests_on=[page.answer])
        return
    if len(tries) > 1 and all(each.status == 400 for each in tries[1:]):
        check("HDR-027").undecided("it is repeated, and refused for its token (RES-003)", rests_on=tries)
        return
    pause = (tries[1].at - tries[0].at).total_seconds() if len(tries) > 1 else 0.0
    check("HDR-027").that(
        any(each.status == 200 for each in tries) and pause > 0.9,
        expected="resolve repeated 1 s after 503 or later, as told",
        actual=briefly(tries, otherwise="no call") + (f"; repeated after {pause:.2f} s" if len(tries) > 1 else ""),
        rests_on=[*tries, page.answer],
    )


@requirement("PVO-002")
def test_plans_are_filtered_by_the_purchased_one(tour, check):
    """A private offer shows when the plans are listed with the purchased plan as filter, and with no other."""
    calls, customer = tour
    listed = [call for call in calls if call.url.partition("?")[0].endswith("/listAvailablePlans")]
    filters = [value for call in listed for value in query(call).get("planId", [])]
    known = {plan.plan_id for plan in customer.offer.plans}

    if not filters:
        check("PVO-002").not_applicable("the publisher does not look for private offers: it lists plans without filter")
        return
    check("PVO-002").that(
        set(filters) <= known,
        expected=f"planId among {', '.join(sorted(known))}",
        actual=", ".join(filters),
        rests_on=listed,
    )


@requirement("V1-001", "V1-003", "V1-004", "V1-005", "V1-006", "REG-020")
def test_no_call_is_one_of_version_1(tour, check):
    """No api-version of 2017, no PUT, no operation without its subscription, no session mode, no ETags."""
    calls, _ = tour
    old = [call for call in calls if VERSION_1 & set(query(call).get("api-version", []))]
    put = [call for call in calls if call.method == "PUT"]
    flat = [call for call in calls if "/saas/operations" in call.url]
    session = [call for call in calls if sent(call, "x-ms-marketplace-session-mode") is not None]
    tags = [call for call in calls if sent(call, "if-match") is not None or sent(call, "if-none-match") is not None]

    for requirement_id, found, unwanted in (
        ("V1-001", old, "api-version 2017-04-15"),
        ("V1-003", put, "PUT of a subscription"),
        ("V1-004", flat, "/saas/operations/{operationId}"),
        ("V1-005", session, "x-ms-marketplace-session-mode"),
        ("V1-006", tags, "If-Match or If-None-Match"),
        ("REG-020", [*old, *put, *flat], "call of version 1"),
    ):
        check(requirement_id).that(
            not found,
            expected=f"no {unwanted}",
            actual=briefly(found, otherwise=f"none in {len(calls)} calls"),
            rests_on=found or calls,
        )


@requirement("V1-007", "V1-008")
def test_fields_and_headers_of_version_1_mean_nothing(stage, microsoft, check):
    """Answers have none of them as a rule; where they hold other values than version 2's, version 2's count."""
    old = {
        "saasSubscriptionName": "the name of version 1",
        "resourceLocation": "https://example.invalid/",
        "status": "Deactivated",
        "subscriptionStatus": "Pending",
        "subscriptionId": "00000000-0000-0000-0000-000000000000",
    }

    def with_old_fields(answer):
        nested = {"subscription": answer["subscription"] | old} if "subscription" in answer else {}
        return answer | old | nested

    plain, misled = stage.subscribed(), stage.purchase()
    with (
        microsoft.disturbed(Rewrites(with_old_fields, "fields of version 1 added"), call="resolve"),
        microsoft.disturbed(
            Rewrites(with_old_fields, "fields of version 1 added"), call="get_subscription", of=misled.id
        ),
    ):
        misled.visit()
        misled.complete()
        activated = misled.awaits("activate")
        account = misled.eventually(lambda now: now.gives_access)

    check("V1-008").that(
        any(call.status == 200 for call in activated) and (account is None or account.gives_access),
        expected="a purchase whose answers also hold fields of version 1 is activated as any other",
        actual=f"{briefly(activated, otherwise='no activate call')}; {account.status if account else 'no state page'}",
        rests_on=[*misled.resolves, *activated],
    )
    bare = [call for call in plain.calls(0) if not _headers(call) & {"x-ms-activityid", "etag", "retry-after"}]
    check("V1-007").that(
        bool(bare) and len(bare) == len(plain.calls(0)) and plain.subscription.status.value == "Subscribed",
        expected="a purchase is activated although no answer has x-ms-activityid, eTag or Retry-After",
        actual=f"{len(bare)} answers without them; the subscription is {plain.subscription.status.value}",
        rests_on=bare,
    )


@requirement("V1-009")
def test_actions_of_version_1_are_not_taken_for_events(microsoft, publisher, subscribed, check):
    """Activate, Delete and Update were version 1's words: nothing happens at them, while version 2's events count."""
    announcement = subscribed.a_pending_event()
    payload = microsoft.payload(announcement)
    answers = [
        publisher.receives(
            announcement,
            payload=payload | {"action": word, "OperationRequestSource": payload["operationRequestSource"]},
            forged=True,
        )
        for word in ("Delete", "Update", "Activate")
    ]
    effect = subscribed.effects()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success and not subscribed.claims.refuses_changes:
        check("V1-009").undecided("the event in version 2's words was not taken either", rests_on=[*answers, twin])
        return
    check("V1-009").that(
        not effect.changes(),
        expected="no effect of an action named in version 1's words",
        actual="; ".join(effect.changes()) or "no effect",
        rests_on=[*answers, *effect.evidence(), twin],
    )


@requirement("HDR-031", "WHK-051", "WHK-039")
def test_odd_ids_are_encoded_when_they_become_part_of_a_path(microsoft, publisher, subscribed, check):
    """An operation id such as org:{guid},{guid}, or one with a slash: no server error, and it can be decoded."""
    announcement = subscribed.suspend()
    payload = microsoft.payload(announcement)
    plain = publisher.receives(announcement, forged=True)
    announced = [payload["id"]]
    for odd in (f"org:{{{payload['id']}}},{{{payload['activityId']}}}", f"org/{payload['id']}"):
        announced.append(odd)  # what the first one led to may still be under way when the second comes
        subscribed.remember()
        with microsoft.disturbed(Answers(404), call="get_operation", of=subscribed.id):
            answer = publisher.receives(announcement, payload=payload | {"id": odd}, forged=True)
        asked = [call for call in subscribed.calls() if "/operations/" in call.url]

        if plain.is_server_error:
            check("WHK-051").undecided("the event fails with an ordinary operation id, too", rests_on=[plain, answer])
        else:
            check("WHK-051").that(
                answer.status_code is not None and answer.status_code < 500,
                expected=f"no server error for the operation id {odd!r}",
                actual=answer.status_code or answer.error,
                rests_on=[answer, plain],
            )
        if not asked:
            for each in check.each("HDR-031", "WHK-039"):
                each.not_applicable(f"the publisher makes no call with the operation id {odd!r}")
            continue
        named = [call.url.partition("?")[0].rpartition("/operations/")[2] for call in asked]
        check("HDR-031").that(
            all(unquote(name) in announced and "/" not in name for name in named),
            expected=f"{odd!r}, percent-encoded as one segment of the path",
            actual=", ".join(named),
            rests_on=[answer, *asked],
        )
        check("WHK-039").that(
            all(unquote(name) in announced for name in named),
            expected=f"Get operation of {odd!r}",
            actual=", ".join(named),
            rests_on=[answer, *asked],
        )


@requirement("GET-028")
def test_last_modified_decides_nothing(stage, microsoft, publisher, check):
    """The field is deprecated and holds the year 1: what was said before with a later date is not newer for that."""
    if not publisher.shows_state:
        check("GET-028").untestable("publisher.state: the target file names no page that shows the accounts")
        return

    def dated(answer):
        nested = {"subscription": answer["subscription"] | LATER} if "subscription" in answer else {}
        return answer | (LATER if "lastModified" in answer else {}) | nested

    misled, plain = stage.purchase(), stage.subscribed()
    with (
        microsoft.disturbed(Rewrites(dated, "lastModified"), call="resolve"),
        microsoft.disturbed(Rewrites(dated, "lastModified"), call="get_subscription", of=misled.id),
    ):
        misled.onboard()
    seen = []
    for customer in (plain, misled):
        answer = publisher.receives(customer.unsubscribe())
        seen.append((answer, customer.eventually(lambda now: not now.gives_access)))
    (twin, ended), (answer, account) = seen

    if ended.gives_access:
        check("GET-028").undecided("Unsubscribe has no effect on another subscription either", rests_on=[twin])
        return
    check("GET-028").that(
        not account.gives_access,
        expected="Unsubscribe ends access also where an earlier answer had a later lastModified",
        actual=account.status,
        rests_on=[answer, account.exchange, twin],
    )


def _is_json(content_type):
    return (content_type or "").partition(";")[0].strip().lower() == "application/json"


def _headers(call):
    return {name.lower() for name, _ in call.response_headers}
