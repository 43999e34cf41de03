"""From the buyer's consent to an active subscription (theme ACT; scenarios F08, F09, G01, G08 to G12)."""

from datetime import timedelta

import pytest

from fulfillment_conformance.answers import ABSENT
from fulfillment_conformance.emulator.faults import Answers, BreaksOff, Rewrites
from fulfillment_conformance.emulator.identity.settings import STRANGER
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import brief, briefly, document, refused_for_its_values
from fulfillment_conformance.stage.microsoft import kind_of
from fulfillment_conformance.stage.sign_in import buying_as, sign_in_requests
from fulfillment_conformance.together import at_once

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
    """Neither a link scanner's GET and HEAD, nor a visit that ends half-way, nor the same visit again starts anything.

    Where there is nothing to complete, signing in is what comes before: such a visit ends at Entra.
    """
    if not publisher.service.onboarding and not publisher.service.claims.sign_in:
        check("ACT-022").untestable(NO_STEPS)
        return
    purchase.remember()
    scanned = [stage.scan(purchase, method) for method in ("HEAD", "GET")]
    if publisher.service.onboarding:
        for _ in ("first", "reloaded"):
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
@pytest.mark.parametrize("opened", [False, True], ids=["unopened", "opened"])
def test_a_form_that_names_anothers_subscription_activates_nothing(stage, publisher, purchase, check, opened):
    """A buyer sends his form back with a subscription of another organization, which has opened it or has not."""
    victim = stage.purchase(beneficiary=buying_as(STRANGER))
    if opened:
        if not publisher.service.onboarding:
            for each in check.each("ACT-021", "LND-031"):
                each.not_applicable(NO_STEPS)
            return
        victim.buyer.sign_in_as(STRANGER.name)
        page = victim.visit()
        if not sign_in_requests(victim.buyer.history, page):
            for each in check.each("ACT-021", "LND-031"):
                each.not_applicable("the buyer was not sent to Entra, so that nothing tells one buyer from another")
            return
        victim.remember()
    purchase.visit()
    tampered = purchase.complete(forging={purchase.id: victim.id})
    effect = victim.effects()
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()

    for each in check.each("ACT-021", "LND-031"):
        each.that(
            not effect.calls,
            expected=f"no activation of {victim.id}, which is another organization's",
            actual=briefly(list(effect.calls), otherwise="none"),
            rests_on=[tampered.answer, *effect.evidence()],
        )


@requirement("ACT-006")
def test_a_form_that_names_another_plan_or_other_seats_is_not_believed(stage, check):
    """Whatever comes back with the form, activate names plan and seats as they were resolved, or is not called."""
    flat = stage.purchase()
    other = flat.plan_to_lie_about(flat.subscription.plan_id) or "a-plan-that-nobody-sells"
    lies = [(flat, "planId", flat.subscription.plan_id, other)]
    if stage.sells_seats:
        seats = stage.purchase(stage.seat_plan())
        bought = seats.subscription.quantity
        lies.append((seats, "quantity", str(bought), str(bought + 1)))
    for purchase, name, truth, lie in lies:
        purchase.visit()
        tampered = purchase.complete(forging={truth: lie})
        purchase.effects()
        named = [document(call) for call in purchase.activations]
        purchase.buyer = purchase.buyer.fresh()
        purchase.onboard()

        check("ACT-006").that(
            all(not isinstance(body, dict) or str(body.get(name)) != lie for body in named),
            expected=f"{name} {truth!r} as it was resolved, or no activate call, for a form that says {lie!r}",
            actual="; ".join(map(str, named)) or f"no activate call; the page answered {tampered.answer.status_code}",
            rests_on=[tampered.answer, *purchase.activations],
        )


@requirement("ACT-021")
def test_buyers_who_come_at_the_same_time_are_kept_apart(stage, publisher, check):
    """Two buyers have their pages open when the first one completes his: that activates his purchase and no other."""
    if not publisher.service.onboarding:
        check("ACT-021").not_applicable(NO_STEPS)
        return
    first, second = stage.purchase(), stage.purchase(beneficiary=buying_as(STRANGER))
    second.buyer.sign_in_as(STRANGER.name)
    first.visit()
    second.visit()
    second.remember()
    page = first.complete()
    activated, early = first.awaits("activate"), second.called("activate")
    second.complete()

    if not activated and not early:
        check("ACT-021").undecided(f"activate was not called (ACT-004); {first.course}", rests_on=[page.answer])
        return
    check("ACT-021").that(
        not early,
        expected=f"activate for {first.id} when its buyer completes the page, and not for {second.id}",
        actual=briefly([*activated, *early], otherwise="none"),
        rests_on=[page.answer, *activated, *early],
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
    """4xx, 500, no answer: no active account; what was the marketplace's fault can be tried again by the buyer."""
    if not publisher.shows_state:
        for each in check.each("ACT-023", "ACT-025"):
            each.untestable(WITHOUT_STATE)
        return
    usual = stage.subscribed().account()
    for fault, decided, for_now in (
        (Answers(404), ["ACT-023", "ACT-025"], False),
        (Answers(400), ["ACT-025"], False),
        (Answers(403), ["ACT-025"], False),
        (Answers(409), ["ACT-025"], False),
        (Answers(500), ["ACT-025"], True),
        (BreaksOff(), ["ACT-025"], True),
    ):
        purchase = stage.purchase()
        with microsoft.disturbed(fault, call="activate", of=purchase.id) as disturbed:
            purchase.visit()  # which activates already where there is nothing to confirm
            page = purchase.complete()
            purchase.awaits("activate")
            purchase.effects()
            account = purchase.account()
        again = []
        if for_now:
            purchase.buyer = purchase.buyer.fresh()
            purchase.visit()
            purchase.complete()
            again = microsoft.wait(lambda bought=purchase: _activations(bought), seconds=publisher.effect_limit) or []
        for each in check.each(*decided):
            if not disturbed.met:
                each.undecided("activate was not called")
                continue
            if not usual.gives_access:
                each.undecided("an activation that works gives no access either", rests_on=[usual.exchange])
                continue
            each.that(
                not account.gives_access and (not for_now or any(call.status == 200 for call in again)),
                expected=f"no access while activate is {fault}" + (", and another try afterwards" if for_now else ""),
                actual=f"{account.status}" + (f"; afterwards {briefly(again, otherwise='no call')}" if for_now else ""),
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


def _activations(purchase):
    """Return the activate calls for a purchase that the marketplace has taken, None if there is none."""
    return [call for call in purchase.called("activate") if call.status == 200] or None
