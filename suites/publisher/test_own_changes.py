"""What customers do on the publisher's own pages: the marketplace is asked first (CHP, CHQ, DEL; D13, F12)."""

import itertools

import pytest

from fulfillment_conformance.answers import ABSENT
from fulfillment_conformance.emulator.faults import Answers, Rewrites
from fulfillment_conformance.emulator.identity.settings import STRANGER
from fulfillment_conformance.emulator.offers import RESELLER
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marketplace import Action, Channel
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import answered, briefly, document
from fulfillment_conformance.stage.sign_in import buying_as, sign_in_requests

WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"
ENDED = {"Succeeded", "Failed", "Conflict"}

SHORTEST_WAIT = 0.25
"""Seconds that count as waiting for a marketplace that is busy."""


@pytest.fixture
def asked():
    """Return the marketplace calls that a wish on the publisher's page led to; neither call nor effect is no answer."""

    def asked(customer, page, kind="change_subscription"):
        calls = customer.awaits(kind)
        effect = customer.effects()
        if not calls and not effect.differences:
            raise Precondition(
                f"asking on the publisher's page led to nothing: it answered {page.answer.status_code} {page.problem}"
            )
        return calls, effect.understood()

    return asked


@requirement("CHP-007", "CHP-008", "CHP-019", "LCY-018", "WHK-042", "WHK-053")
def test_a_plan_change_of_ones_own_is_asked_for_and_waits_for_its_notification(
    stage, publisher, subscribed, asked, check
):
    """PATCH subscription, then the notification, then the new plan, then the report; its source named or not."""
    usual = stage.usual("change_plan")
    for shows_source in (True, False):
        plan = subscribed.other_plan().plan_id
        calls, early = asked(subscribed, subscribed.asks("change_plan", plan=plan))
        bodies = [document(call) for call in calls]
        rests_on = [*calls, *early.evidence()]

        check("CHP-008").that(
            any(isinstance(body, dict) and body.get("planId") == plan for body in bodies),
            expected=f"PATCH of the subscription with planId {plan!r}",
            actual=f"{briefly(calls, otherwise='no PATCH')}; {'; '.join(early.differences) or 'nothing changed'}",
            rests_on=rests_on,
        )
        check("CHP-019").that(
            all(isinstance(body, dict) and ("planId" in body) != ("quantity" in body) for body in bodies),
            expected="planId or quantity, never both",
            actual=f"{bodies}",
            rests_on=rests_on,
        )
        if publisher.shows_state:
            check("CHP-007").no_change_of_state(early)
        else:
            check("CHP-007").untestable(WITHOUT_STATE)
        if not any(call.status == 202 for call in calls):
            check("LCY-018").that(
                not early.differences,
                expected="ask the marketplace, wait for its notification, apply, report",
                actual=f"{briefly(calls, otherwise='not asked')}; {'; '.join(early.differences)}",
                rests_on=rests_on,
            )
            for each in check.each("WHK-042", "WHK-053"):
                each.undecided("the marketplace has begun no change", rests_on=rests_on)
            return
        announcement = subscribed.announced(Action.CHANGE_PLAN)
        payload = subscribed.microsoft.payload(announcement)
        if not shows_source:
            payload.pop("operationRequestSource", None)
        answer = publisher.receives(announcement, payload=payload)
        outcome = subscribed.settles(announcement)
        account = subscribed.eventually(lambda now, plan=plan: now.has(plan=plan))
        reports = [call for call in outcome.patches if call.at >= answer.exchange.at]
        rests_on = [*rests_on, answer, *outcome.patches]

        check("LCY-018").that(
            not early.differences
            and len(reports) == len(outcome.patches)
            and (account is None or not usual.works or account.has(plan=subscribed.subscription.plan_id)),
            expected="ask the marketplace, wait for its notification, apply, report",
            actual=f"before the notification {'; '.join(early.differences) or 'no change'}; afterwards "
            f"{account.plan if account else 'no state page'}; {briefly(list(outcome.patches), otherwise='no report')}",
            rests_on=rests_on,
        )
        if not answer.is_success:
            check("WHK-042").undecided("the notification of the change was not taken", rests_on=rests_on)
        elif subscribed.claims.acknowledges_changes:
            check("WHK-042").that(
                "Success" in outcome.words,
                expected="PATCH Success once the change has been applied",
                actual=briefly(list(outcome.patches), otherwise="no PATCH"),
                rests_on=rests_on,
            )
        else:
            check("WHK-042").not_applicable("claims.acknowledges_changes: the publisher says that it sends no PATCH")
        if not usual.works and not subscribed.claims.refuses_changes:
            check("WHK-053").undecided("a change that a customer makes has no effect either", rests_on=usual.rests_on)
            continue
        check("WHK-053").that(
            answer.is_success and outcome.operation.status == "Succeeded" and "Failure" not in outcome.words,
            expected=f"the publisher's own change taken, {'with' if shows_source else 'without'} its source named",
            actual=f"{answer.status_code}, PATCH {outcome.words or 'none'}, operation {outcome.operation.status}",
            rests_on=rests_on,
        )


@requirement("CHQ-006", "CHQ-007", "CHQ-017", "CHQ-021", "CHP-019")
def test_a_seat_change_of_ones_own_is_asked_for_and_waits_for_its_notification(stage, publisher, asked, check):
    """PATCH subscription with an integer within the plan's limits; the number changes with the notification only."""
    choice = stage.seat_plan()
    customer = stage.subscribed(choice, quantity=10)
    calls, early = asked(customer, customer.asks("change_seats", seats=12))
    bodies = [document(call) for call in calls]
    wanted = [body.get("quantity", ABSENT) for body in bodies if isinstance(body, dict)]
    rests_on = [*calls, *early.evidence()]

    check("CHQ-007").that(
        any(str(each) == "12" for each in wanted),
        expected="PATCH of the subscription with quantity 12",
        actual=f"{briefly(calls, otherwise='no PATCH')}; {'; '.join(early.differences) or 'nothing changed'}",
        rests_on=rests_on,
    )
    for each in check.each("CHQ-021", "CHP-019", "CHQ-017"):
        if not bodies:
            each.undecided("no PATCH of the subscription was sent", rests_on=rests_on)
    if bodies:
        check("CHQ-021").that(
            all(isinstance(each, int) and not isinstance(each, bool) for each in wanted),
            expected="quantity as a JSON integer",
            actual=f"{wanted}",
            rests_on=rests_on,
        )
        check("CHP-019").that(
            all(isinstance(body, dict) and ("planId" in body) != ("quantity" in body) for body in bodies),
            expected="planId or quantity, never both",
            actual=f"{bodies}",
            rests_on=rests_on,
        )
        check("CHQ-017").that(
            all(choice[1].allows(int(each)) for each in wanted if str(each).isdigit()),
            expected=f"seats within {choice[1].min_quantity} to {choice[1].max_quantity or 'any number'}",
            actual=f"{wanted}",
            rests_on=rests_on,
        )
    if publisher.shows_state:
        check("CHQ-006").no_change_of_state(early)
    else:
        check("CHQ-006").untestable(WITHOUT_STATE)


@requirement("DEL-005", "DEL-013")
def test_a_cancellation_of_ones_own_goes_through_the_marketplace(microsoft, publisher, subscribed, asked, check):
    """DELETE of the subscription; nothing of the account ends before the notification has come."""
    page = subscribed.asks("cancel")
    calls, early = asked(subscribed, page, "cancel")
    rests_on = [*calls, page.answer, *early.evidence()]

    check("DEL-013").that(
        bool(calls),
        expected="DELETE of the subscription",
        actual=f"{briefly(calls, otherwise='no DELETE')}; {'; '.join(early.differences) or 'nothing changed'}",
        rests_on=rests_on,
    )
    if not publisher.shows_state:
        check("DEL-005").untestable(WITHOUT_STATE)
        return
    lists = microsoft.called("list_subscriptions", since=subscribed.visited_at)
    reads = [*lists, *subscribed.called("get_subscription")]
    if early.differences and calls and any(_tells_of_the_end(each, subscribed.id) for each in reads):
        check("DEL-005").not_applicable("the publisher reads subscriptions by itself, and has been told of the end so")
        return
    check("DEL-005").that(
        not early.differences,
        expected="the account as before until the notification comes",
        actual="; ".join(early.differences) or "as before",
        rests_on=rests_on,
    )


def _tells_of_the_end(read, subscription_id):
    body = answered(read)
    entries = body.get("subscriptions", [body]) if isinstance(body, dict) else ()
    return any(
        entry.get("id") == subscription_id and entry.get("saasSubscriptionStatus") == "Unsubscribed"
        for entry in entries
        if isinstance(entry, dict)
    )


@requirement("CHP-004", "CHP-005", "CHP-027", "CHP-028", "CHQ-004", "DEL-014")
def test_a_request_is_followed_to_its_end(stage, microsoft, publisher, check):
    """The operation is read every few seconds until it has ended; a busy marketplace is asked again after a while."""
    wishes = publisher.service.self_service
    plans, busy, leaves = stage.subscribed(), stage.subscribed(), stage.subscribed()
    seats = stage.subscribed(stage.seat_plan(), quantity=10) if stage.sells_seats else None
    began = plans.subscription.plan_id
    running = Rewrites(lambda operation: operation | {"status": "InProgress"}, "status")
    followed = {}

    def begun(customer):
        """Whether the marketplace has begun what a customer asked for on the publisher's page."""
        calls = customer.awaits("cancel" if customer is leaves else "change_subscription")
        return any(call.status == 202 for call in calls)

    def told(customer):
        """Return the state of the operation that each read of it was answered with."""
        answers = [answered(call) for call in customer.called("get_operation")]
        return [answer.get("status") for answer in answers if isinstance(answer, dict)]

    def reads(customers, enough):
        """Wait until the reads of each operation have told enough, or time for an effect is over."""
        microsoft.wait(
            lambda: all(enough(told(customer)) for customer in customers) or None,
            seconds=publisher.service.timeouts.effect,
        )

    with (
        microsoft.disturbed(Answers(409), call="change_subscription", of=busy.id, times=1) as occupied,
        microsoft.disturbed(running, call="get_operation", of=leaves.id, times=1),
    ):
        if getattr(wishes, "change_plan", ()):
            plans.asks("change_plan", plan=plans.other_plan().plan_id)
            busy.asks("change_plan", plan=busy.other_plan().plan_id)
            followed |= {"CHP-004": plans, "CHP-005": plans}
        if getattr(wishes, "change_seats", ()) and seats is not None:
            seats.asks("change_seats", seats=12)
            followed["CHQ-004"] = seats
        if getattr(wishes, "cancel", ()):
            leaves.asks("cancel")
            followed["DEL-014"] = leaves
        asking = [customer for customer in dict.fromkeys(followed.values()) if begun(customer)]
        reads(asking, bool)
        for customer in asking:
            for announcement in microsoft.announcements(customer.id):
                # Nothing is announced: only polling can tell the publisher that the marketplace has given up.
                microsoft.perform(lambda market, each=announcement: _gives_up(market, each.operation))
        reads(asking, ENDED.intersection)
        again = busy.awaits_repeat("change_subscription", occupied) if occupied.met else []

    for requirement_id in ("CHP-004", "CHQ-004", "DEL-014"):
        customer = followed.get(requirement_id)
        if customer is None:
            check(requirement_id).not_applicable("publisher.self_service: the target file says of no way to do it")
            continue
        asked = [*customer.called("change_subscription"), *customer.called("cancel")]
        polls = customer.called("get_operation")
        if not any(call.status == 202 for call in asked):
            check(requirement_id).undecided("the marketplace has begun no operation", rests_on=asked)
            continue
        states = told(customer)
        if len(polls) > 1 and not ENDED.intersection(states):
            reason = f"{len(polls)} reads, and all of them before the operation had ended"
            check(requirement_id).undecided(reason, rests_on=[*asked, *polls])
            continue
        check(requirement_id).that(
            len(polls) > 1,
            expected="the operation is read until it has ended",
            actual=f"{len(polls)} reads: {', '.join(map(str, states)) or 'none'}",
            rests_on=[*asked, *polls],
        )
    if "CHP-005" not in followed or len(plans.called("get_operation")) < 2:
        check("CHP-005").not_applicable("the publisher does not poll")
    else:
        polls = plans.called("get_operation")
        pauses = [(later.at - call.at).total_seconds() for call, later in itertools.pairwise(polls)]
        check("CHP-005").that(
            min(pauses) >= 0.5,
            expected="about 1 to 60 s from one read to the next",
            actual=", ".join(f"{pause:.2f} s" for pause in pauses),
            rests_on=polls,
        )
    account = plans.eventually(lambda now: now.has(plan=began))
    if "CHP-004" not in followed:
        check("CHP-027").not_applicable("publisher.self_service.change_plan: the target file says of no way to do it")
    elif plans not in asking:
        check("CHP-027").undecided(
            "the marketplace has begun no operation", rests_on=plans.called("change_subscription")
        )
    elif account is None or not publisher.shows("plan"):
        check("CHP-027").untestable(WITHOUT_STATE)
    else:
        check("CHP-027").equals(account.plan, began)
    if not occupied.met:
        check("CHP-028").not_applicable("the publisher asked for no change")
    else:
        pause = (again[1].at - again[0].at).total_seconds() if len(again) > 1 else 0.0
        check("CHP-028").that(
            1 < len(again) <= 8 and pause > SHORTEST_WAIT,
            expected=f"asked again some time after 409, later than {SHORTEST_WAIT:g} s, and at most a few times",
            actual=briefly(again, otherwise="not asked") + (f"; again after {pause:.2f} s" if len(again) > 1 else ""),
            rests_on=again,
        )


@requirement("CSP-003")
def test_a_resellers_customer_changes_nothing_on_the_publishers_pages(stage, publisher, check):
    """Where allowedCustomerOperations is [Read]: neither PATCH nor DELETE, while others' wishes are passed on."""
    wishes = [
        wish
        for wish in ("change_plan", "change_seats", "cancel")
        if getattr(publisher.service.self_service, wish, ()) and (wish != "change_seats" or stage.sells_seats)
    ]
    if not wishes:
        check("CSP-003").not_applicable("publisher.self_service: the target file says of no way to change anything")
        return
    customers = {}
    for wish in wishes:
        sold = "seats" if wish == "change_seats" else "plan"
        if sold not in customers:
            what = {"choice": stage.seat_plan(), "quantity": 10} if sold == "seats" else {}
            by_reseller = stage.subscribed(channel=Channel.CSP, purchaser=RESELLER, **what)
            customers[sold] = by_reseller, stage.subscribed(**what)
        bought, direct = customers[sold]
        wanted = {"seats": 12} if sold == "seats" else {"plan": direct.other_plan().plan_id}
        direct.asks(wish, **wanted)
        twin = direct.awaits("cancel" if wish == "cancel" else "change_subscription")
        page = bought.asks(wish, **wanted)
        effect = bought.effects()
        for announcement in direct.microsoft.announcements(direct.id):
            publisher.receives(announcement)
            direct.settles(announcement)
        if not twin:
            check("CSP-003").undecided(
                f"{wish}: a direct customer's wish is not passed on either", rests_on=[page.answer]
            )
            continue
        check("CSP-003").that(
            not effect.calls,
            expected=f"{wish}: no PATCH and no DELETE for what a reseller has sold",
            actual=briefly(list(effect.calls), otherwise="none"),
            rests_on=[page.answer, *effect.calls, *twin],
        )


@requirement("LND-042")
def test_nobody_changes_or_cancels_what_another_organization_has_bought(stage, publisher, subscribed, check):
    """The form of somebody's own wish is sent with the subscription of another organization in it: nothing is asked."""
    wishes = [wish for wish in ("change_plan", "cancel") if getattr(publisher.service.self_service, wish, ())]
    if not wishes:
        check("LND-042").not_applicable("publisher.self_service: the target file says of no way to change anything")
        return
    stranger = stage.purchase(beneficiary=buying_as(STRANGER))
    stranger.buyer.sign_in_as(STRANGER.name)
    stranger.onboard()
    if not sign_in_requests(stranger.buyer.history):
        check("LND-042").untestable("claims.sign_in: nobody signs in, so that nothing tells one customer from another")
        return
    for wish in wishes:
        plan = stranger.other_plan().plan_id
        subscribed.remember()
        page = stranger.asks(wish, plan=plan, account=STRANGER.name, forging={stranger.id: subscribed.id})
        effect = subscribed.effects()
        stranger.asks(wish, plan=plan, account=STRANGER.name)
        twin = stranger.awaits("cancel" if wish == "cancel" else "change_subscription")
        for announcement in stranger.microsoft.announcements(stranger.id):
            publisher.receives(announcement)
            stranger.settles(announcement)
        if not twin:
            check("LND-042").undecided(f"{wish}: the wish for an own subscription is not passed on either")
            continue
        check("LND-042").that(
            not effect.calls,
            expected=f"{wish}: no PATCH and no DELETE of {subscribed.id}, which is another organization's",
            actual=briefly(list(effect.calls), otherwise="none"),
            rests_on=[page.answer, *effect.calls, *twin],
        )


@requirement("PLN-020")
def test_only_plans_that_the_marketplace_lists_are_offered(microsoft, publisher, subscribed, check):
    """A plan that is missing from the list of available plans is not on the publisher's page."""
    if not getattr(publisher.service.self_service, "change_plan", ()):
        check("PLN-020").not_applicable("publisher.self_service.change_plan: the target file says of no way to do it")
        return
    plan = subscribed.other_plan()

    def without(answer):
        return {"plans": [each for each in answer["plans"] if each["planId"] != plan.plan_id]}

    usual = subscribed.manage()
    with microsoft.disturbed(Rewrites(without, "plan left out"), call="list_available_plans") as fault:
        restricted = subscribed.manage()

    offered = [_offers(page, plan) for page in (usual, restricted)]
    if not offered[0]:
        check("PLN-020").untestable("the page that a visit opens does not show plans to change to")
        return
    check("PLN-020").that(
        not offered[1],
        expected=f"{plan.plan_id!r} is not offered while the marketplace does not list it",
        actual="offered" if offered[1] else "not offered",
        rests_on=[usual.answer, restricted.answer],
        notes=[] if fault.met else ["the list of available plans was not read"],
    )


def _gives_up(market, operation):
    if market.find_operation(market.find(operation.subscription_id), operation.id).is_pending:
        market.fail(operation, "The marketplace could not carry out the change.")


def _offers(page, plan):
    choices = " ".join(str(element) for element in page.tree.select("option, input[type=radio], button, a"))
    return f'"{plan.plan_id}"' in choices or plan.display_name in choices
