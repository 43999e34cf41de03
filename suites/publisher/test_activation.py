"""From the buyer's consent to an active subscription (theme ACT; scenarios F08, F09, G01, G08 to G12)."""

from datetime import timedelta

from fulfillment_conformance.answers import ABSENT
from fulfillment_conformance.emulator.faults import Answers, Rewrites
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import brief, briefly, document, refused_for_its_values
from fulfillment_conformance.stage.microsoft import kind_of
from fulfillment_conformance.stage.together import at_once

WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"
NO_STEPS = "publisher.onboarding: the target file says of nothing that the buyer does after the page has opened"


@requirement("ACT-004", "LND-029")
def test_a_purchase_that_the_buyer_completes_is_activated(purchase, check):
    """No notification announces a purchase that is activated by hand: the landing page is all the publisher has."""
    purchase.visit()
    page = purchase.complete()
    activated = purchase.awaits("activate")
    misnamed = [reason for call in activated if (reason := refused_for_its_values(call))]

    for each in check.each("ACT-004", "LND-029"):
        each.that(
            bool(misnamed) or any(call.status == 200 for call in activated),
            expected=f"POST /{purchase.id}/activate once the buyer has completed the landing page",
            actual=briefly(activated, otherwise=f"no activate call; {purchase.course}"),
            rests_on=[*purchase.resolves, *activated, *purchase.refused_access, page.answer],
            notes=[f"activate was called; what its body names is judged by ACT-006: {reason}" for reason in misnamed],
        )


@requirement("ACT-021", "ACT-006")
def test_activate_names_what_was_resolved(stage, check):
    """The id in the path is the resolved one; a body, if any, repeats plan and seats as resolve had them."""
    plans = [stage.flat_plan(), *([stage.seat_plan()] if stage.sells_seats else [])]
    for plan in plans:
        purchase = stage.purchase(plan)
        purchase.visit()
        page = purchase.complete()
        purchase.awaits("activate")
        bought = purchase.subscription
        activations = purchase.activations
        if not activations:
            for each in check.each("ACT-021", "ACT-006"):
                each.undecided(f"activate was not called (ACT-004); {purchase.course}", rests_on=[page.answer])
            continue

        check("ACT-021").that(
            all(kind_of(call)[1] == purchase.id for call in activations),
            expected=f"activate for {purchase.id} and for no other id",
            actual=briefly(activations, otherwise="none"),
            rests_on=[*purchase.resolves, *activations],
        )
        for call in activations:
            body = document(call)
            values = body if isinstance(body, dict) else {}
            seats = values.get("quantity")
            as_text = "" if bought.quantity is None else str(bought.quantity)
            named = seats.strip() == as_text if isinstance(seats, str) else seats in (None, bought.quantity)
            check("ACT-006").that(
                (body is ABSENT and not call.request_body.strip())
                or (values.get("planId") == bought.plan_id and named),
                expected=f"no body, or planId {bought.plan_id!r} and quantity {bought.quantity!r} or none",
                actual=call.request_body.decode("utf-8", "replace")[:200] or "no body",
                rests_on=[call],
            )


@requirement("ACT-022")
def test_nothing_is_activated_before_the_buyer_has_completed_the_page(stage, publisher, purchase, check):
    """Neither a link scanner's GET and HEAD nor a visit that ends half-way starts the subscription.

    Where there is nothing to complete, signing in is what comes before: such a visit ends at Entra.
    """
    if not publisher.service.onboarding and not publisher.service.claims.sign_in:
        check("ACT-022").untestable(NO_STEPS)
        return
    purchase.remember()
    scanned = [stage.scan(purchase, method) for method in ("HEAD", "GET")]
    if publisher.service.onboarding:
        purchase.visit()
    else:
        purchase.visit_until_signed_in()
    page = purchase.buyer.history[-1]
    effect = purchase.effects()
    if not publisher.service.onboarding:
        purchase.buyer = purchase.buyer.fresh()
        purchase.visit()
    purchase.complete()
    activated = purchase.awaits("activate")

    if not activated:
        check("ACT-022").undecided("completing the page does not activate either", rests_on=[page])
        return
    check("ACT-022").that(
        not effect.calls,
        expected="no activate call until the buyer has completed the page",
        actual=briefly(list(effect.calls), otherwise="none"),
        rests_on=[*scanned, page, *effect.evidence()],
    )


@requirement("ACT-021", "LND-031")
def test_a_tampered_form_activates_nothing(stage, purchase, check):
    """The form that a buyer sends back names somebody else's subscription, or another plan: no activation of that."""
    victim = stage.purchase()
    plan = purchase.plan_to_lie_about(purchase.subscription.plan_id) or "a-plan-that-nobody-sells"
    purchase.visit()
    tampered = purchase.complete(forging={purchase.id: victim.id, purchase.subscription.plan_id: plan})
    named = [document(call) for call in purchase.activations]
    effect = victim.effects()
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()

    for each in check.each("ACT-021", "LND-031"):
        each.that(
            not effect.calls and all(not isinstance(body, dict) or body.get("planId") != plan for body in named),
            expected=f"no activation of {victim.id}, which this buyer was not sent with, and none for {plan!r}",
            actual=briefly(list(effect.calls), otherwise=f"none of the former; bodies {named}"),
            rests_on=[tampered.answer, *effect.evidence()],
        )


@requirement("ACT-026")
def test_the_status_200_of_activate_is_enough(stage, microsoft, publisher, check):
    """Whatever stands in the answer's body, the purchase is active, and activate is not called again."""
    for what, body in (("no body", b""), ("a line of text", b"Accepted."), ("an empty object", b"{}")):
        purchase = stage.purchase()
        with microsoft.disturbed(Rewrites(lambda _, body=body: body, what), call="activate", of=purchase.id):
            purchase.visit()  # which activates already where there is nothing to confirm
            page = purchase.complete()
            activated = purchase.awaits("activate")
            purchase.effects()
        if not activated:
            check("ACT-026").undecided(f"{what}: activate was not called", rests_on=[page.answer])
            continue
        if not any(call.status == 200 for call in activated):
            reason = f"{what}: activate was not answered 200 (ACT-004, ACT-006)"
            check("ACT-026").undecided(reason, rests_on=activated)
            continue
        calls = purchase.called("activate")
        account = purchase.eventually(lambda now: now.gives_access)
        status = page.answer.status_code
        if page.elsewhere and account is None and len(calls) == 1:
            check("ACT-026").undecided(f"{what}: {page.elsewhere}", rests_on=[*calls, page.answer])
            continue
        check("ACT-026").that(
            len(calls) == 1 and status is not None and status < 400 and (account is None or account.gives_access),
            expected=f"{what} in the answer: a page that reports success, access, and one activate call",
            actual=f"page {status}, {account.status if account else 'no state page'}, {len(calls)} activate calls",
            rests_on=[*calls, page.answer, *([account.exchange] if account else [])],
            notes=[] if publisher.shows_state else ["access cannot be seen without publisher.state"],
        )


@requirement("ACT-020")
def test_activation_is_confirmed_by_reading_the_subscription(microsoft, publisher, purchase, check):
    """200 means that the request was received: the subscription stays pending for minutes, and is read."""
    with microsoft.deciding_otherwise(activation_delay=timedelta(minutes=3)):
        purchase.visit()
        purchase.complete()
        activated = purchase.awaits("activate")
        if not any(call.status == 200 for call in activated):
            reason = "activate was not answered 200 (ACT-004, ACT-006)" if activated else "activate was not called"
            check("ACT-020").undecided(reason, rests_on=activated)
            return
        purchase.awaits("get_subscription")
        pending = purchase.account()
        microsoft.advance(timedelta(minutes=3))
    started = purchase.subscription.status.value
    purchase.manage()
    active = purchase.eventually(lambda now: now.gives_access)
    reads = [call for call in purchase.called("get_subscription") if call.at > activated[0].at]

    check("ACT-020").that(
        bool(reads) and (pending is None or not pending.gives_access) and (active is None or active.gives_access),
        expected="pending at the publisher while it is pending at the marketplace, read again, active in the end",
        actual=f"{len(reads)} reads; then {pending.status if pending else 'unseen'}; after the marketplace's "
        f"{started} {active.status if active else 'unseen'}",
        rests_on=[*activated, *reads, *([pending.exchange, active.exchange] if pending and active else [])],
        notes=[] if publisher.shows_state else ["what the publisher shows cannot be seen without publisher.state"],
    )


@requirement("ACT-023", "ACT-025")
def test_a_failed_activation_gives_no_access(stage, microsoft, publisher, check):
    """400, 404 and 500: no active account; once the marketplace takes the call, the buyer can try again."""
    if not publisher.shows_state:
        for each in check.each("ACT-023", "ACT-025"):
            each.untestable(WITHOUT_STATE)
        return
    for status, decided in ((404, ["ACT-023", "ACT-025"]), (400, ["ACT-025"]), (500, ["ACT-025"])):
        purchase = stage.purchase()
        with microsoft.disturbed(Answers(status), call="activate", of=purchase.id) as fault:
            purchase.visit()  # which activates already where there is nothing to confirm
            page = purchase.complete()
            purchase.awaits("activate")
            purchase.effects()
            account = purchase.account()
        purchase.buyer = purchase.buyer.fresh()
        purchase.onboard()
        for each in check.each(*decided):
            if not fault.met:
                each.undecided("activate was not called")
                continue
            each.that(
                not account.gives_access,
                expected=f"no access while activate is answered {status}",
                actual=account.status,
                rests_on=[*purchase.called("activate"), page.answer, account.exchange],
            )


@requirement("LND-036")
def test_confirming_twice_makes_one_account(stage, publisher, check):
    """Once more with the back button, and a double click: pages without failure, one activate that counts.

    Where there is nothing to confirm, the visit is what is done again, and at once in two browsers.
    """
    again, twice = stage.purchase(), stage.purchase()
    again.visit()
    second_tab = again.buyer.another_tab()
    if publisher.service.onboarding:
        pages = [again.complete(), again.complete(tab=second_tab)]
        twice.visit()
        confirm, tabs = twice.complete, [twice.buyer, twice.buyer.another_tab()]
    else:
        pages = [again.page, again.visit(tab=second_tab)]
        confirm, tabs = twice.visit, [twice.buyer, twice.buyer.fresh()]
    pages += at_once(*(lambda tab=tab: confirm(tab=tab) for tab in tabs))

    for purchase, shown in ((again, pages[:2]), (twice, pages[2:])):
        counted = [call for call in purchase.awaits("activate") if call.status == 200]
        account = purchase.eventually(lambda now: now.gives_access)
        if not counted:
            check("LND-036").undecided("not even one confirmation activates", rests_on=[shown[0].answer])
            continue
        statuses = [page.answer.status_code for page in shown]
        access = account.status if account else "no state page"
        check("LND-036").that(
            len(counted) == 1
            and all(status is not None and status < 500 for status in statuses)
            and (account is None or account.gives_access),
            expected="one activate call, no server error, access",
            actual=f"{'; '.join(map(brief, counted))}; pages {statuses}; {access}",
            rests_on=[*counted, *(page.answer for page in shown)],
        )
