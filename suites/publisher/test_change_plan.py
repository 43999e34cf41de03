"""A customer changes the plan at the marketplace: validate, apply, report, or refuse in time (scenarios D01 to D14)."""

import time
import uuid
from contextlib import suppress
from threading import Event

from fulfillment_conformance.emulator.faults import Waits
from fulfillment_conformance.interruptions import NotClaimed
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import briefly, document
from fulfillment_conformance.together import at_once

REPLY_SECONDS = 10.0
REPORT_SECONDS = 1.8
"""How long a report is kept waiting for the reply, by which it is told from a report that the reply waits for."""

NO_REFUSED_PLAN = "claims.refused_plans: the target file names no plan that the publisher refuses"
NOTHING_REFUSED = f"{NO_REFUSED_PLAN}, and claims.refused_seats no number; an empty list says that it refuses nothing"
TAKES_EVERYTHING = "claims.refused_plans: the publisher says that it takes every change"
NO_PATCH = "the publisher sends no PATCH: silence for ten seconds is acceptance"


@requirement("WHK-003", "EVT-018", "WHK-010")
def test_an_accepted_plan_change_takes_effect_on_both_sides(publisher, subscribed, check):
    """The webhook answers in time, and in the end the marketplace and the publisher have the new plan."""
    plan = subscribed.other_plan().plan_id
    announcement = subscribed.change_plan(plan)
    answer = publisher.receives(announcement)
    outcome = subscribed.settles(announcement)

    check("WHK-010").that(
        answer.status_code is not None and answer.exchange.seconds < REPLY_SECONDS,
        expected=f"a reply within {REPLY_SECONDS:g} s",
        actual=f"{answer.status_code} after {answer.exchange.seconds:.1f} s",
        rests_on=[answer],
        notes=["slower than 3 s"] if answer.exchange.seconds > 3 else [],
    )
    if publisher.service.claims.refuses_changes:
        for each in check.each("WHK-003", "EVT-018"):
            each.not_applicable("claims.refuses_changes: the publisher says that it refuses all changes")
        return
    for each in check.each("WHK-003", "EVT-018"):
        each.that(
            outcome.operation.status == "Succeeded",
            expected="the change accepted: 2xx, and PATCH Success or silence",
            actual=f"reply {answer.status_code}, PATCH {outcome.words or 'none'}, operation {outcome.operation.status}",
            rests_on=[answer, *outcome.patches],
        )
        if publisher.shows("plan"):
            account = subscribed.eventually(lambda now: now.has(plan=plan))
            each.equals(account.plan, plan)
        elif not outcome.patches:
            each.untestable("publisher.state.plan: without it nothing shows which plan the publisher has now")


@requirement("EVT-018")
def test_a_change_of_plan_leaves_the_seats_as_they_are(stage, publisher, check):
    """Plan and seats are changed apart: whoever gets another plan that is priced per seat keeps his seats."""
    if not publisher.shows("seats"):
        check("EVT-018").untestable("publisher.state.seats: without it nothing shows how many seats are left")
        return
    seated = stage.subscribed_per_seat()
    if seated.subscription.quantity is None:
        check("EVT-018").not_applicable("claims.per_seat: the publisher sells no seats, or cannot set them up")
        return
    if seated.claims.refuses_changes:
        check("EVT-018").not_applicable("claims.refuses_changes: the publisher says that it refuses all changes")
        return
    plan, seats = seated.other_plan(), seated.subscription.quantity
    if not (plan.is_price_per_seat and plan.allows(seats)):
        check("EVT-018").not_applicable(f"marketplace.offers: no other plan of the offer allows {seats} seats")
        return
    before = seated.account()
    announcement = seated.change_plan(plan.plan_id)
    answer = publisher.receives(announcement)
    outcome = seated.settles(announcement)
    account = seated.eventually(lambda now: now.has(plan=plan.plan_id, seats=seats))

    if outcome.operation.status != "Succeeded" or before.seats.value != seats:
        told = f"operation {outcome.operation.status}; {before.seats} before it"
        check("EVT-018").undecided(f"the change was not taken, or the seats were others: {told}", rests_on=[answer])
        return
    check("EVT-018").equals(account.seats, seats)


def _changes(stage):
    """Let every kind of change happen that a publisher reports an outcome of; give each notification, and whose it is.

    Whoever takes no changes at all reports on a reinstatement at most.
    """
    customer = stage.subscribed()
    if not customer.claims.refuses_changes:
        with suppress(NotClaimed):
            yield customer.change_plan(customer.other_plan().plan_id), customer
    seated = stage.subscribed_per_seat()
    if seated.subscription.quantity is not None and not customer.claims.refuses_changes:
        with suppress(NotClaimed):
            yield seated.change_quantity(seated.other_seats), seated
    if not customer.claims.refuses_reinstatement:
        paid = stage.subscribed()
        paid.publisher.receives(paid.suspend())
        paid.eventually(lambda now: not now.gives_access)
        yield paid.reinstate(), paid


@requirement("WHK-008")
def test_the_operation_is_read_before_anything_is_done(stage, publisher, check):
    """Get Operation comes before the PATCH that reports the outcome of a change, be it of plan or of seats."""
    if publisher.service.claims.refuses_changes:
        check("WHK-008").not_applicable("claims.refuses_changes: the publisher says that it refuses all changes")
        return
    changes = 0
    for announcement, customer in _changes(stage):
        if not announcement.operation.action.is_change:
            continue
        changes += 1
        answer = publisher.receives(announcement)
        outcome = customer.settles(announcement)
        calls = customer.calls()
        looked = [
            index
            for index, call in enumerate(calls)
            if call.method == "GET" and f"/operations/{announcement.operation.id}" in call.url.lower()
        ]
        acted = [index for index, call in enumerate(calls) if call in outcome.patches]

        if not answer.is_success and not calls:
            check("WHK-008").undecided("the notification was not taken, and nothing was done", rests_on=[answer])
            continue
        check("WHK-008").that(
            bool(looked) and (not acted or looked[0] < acted[0]),
            expected=f"GET .../operations/{announcement.operation.id} before the outcome is reported",
            actual=", ".join(f"{call.method} …{call.url.split('?')[0][-60:]}" for call in calls) or "no call at all",
            rests_on=[answer, *calls],
        )
    if not changes:
        check("WHK-008").not_applicable("marketplace.offers: no customer can change to another plan or to other seats")


@requirement("OPP-003", "OPP-004", "WHK-039")
def test_the_outcome_is_reported_in_the_right_words(stage, publisher, check):
    """PATCH says exactly Success or Failure, about the operation and subscription of the notification."""
    reported = False
    for announcement, customer in _changes(stage):
        answer = publisher.receives(announcement)
        outcome = customer.settles(announcement)
        patches = customer.patches()
        reported = reported or bool(patches)

        for word in [customer.word_of(patch) for patch in patches]:
            check("OPP-003").that(
                word in {"Success", "Failure"}, expected="status Success or Failure", actual=word, rests_on=patches
            )
        operation = announcement.operation
        for body in [document(patch) for patch in patches]:
            extra = {name: body[name] for name in ("planId", "quantity") if isinstance(body, dict) and name in body}
            check("OPP-004").that(
                extra.get("planId", operation.plan_id) == operation.plan_id
                and extra.get("quantity") in {None, "", operation.quantity},
                expected="status alone, or planId and quantity of the operation beside it",
                actual=f"{extra or 'status alone'}",
                rests_on=patches,
            )
        if patches:
            path = f"/subscriptions/{customer.id}/operations/{operation.id}"
            check("WHK-039").that(
                all(path in patch.url.lower() for patch in patches),
                expected=f"PATCH …{path}",
                actual=", ".join(patch.url.split("?")[0] for patch in patches),
                rests_on=[answer, *patches, *outcome.patches],
            )
    if not reported:
        for each in check.each("OPP-003", "OPP-004", "WHK-039"):
            each.not_applicable(NO_PATCH)


@requirement("LCY-019", "OPP-013", "OPP-014", "OPP-021")
def test_the_outcome_is_reported_in_time_and_after_the_change(microsoft, publisher, subscribed, check):
    """Receive, validate, apply, answer, and report within ten seconds what has been carried out by then."""
    rows = ("LCY-019", "OPP-013", "OPP-014", "OPP-021")
    if publisher.service.claims.refuses_changes or not publisher.service.claims.acknowledges_changes:
        for each in check.each(*rows):
            each.not_applicable("claims: the publisher says that it does not report success")
        return
    plan = subscribed.other_plan().plan_id
    announcement = subscribed.change_plan(plan)
    # The report is dealt with when it has been looked what the publisher shows while it is on its way, and the reply
    # has come: if the publisher waits for its report before it answers, none comes.
    replied, looked_at = Event(), Event()

    def receive():
        answer = publisher.receives(announcement)
        replied.set()
        return answer

    def look():
        begun = time.monotonic()
        while not reported.begun.wait(0.02):
            refused = replied.is_set() and not microsoft.was_taken(announcement.operation.id)
            if refused or time.monotonic() - begun > publisher.silence_limit:
                break
        account = subscribed.account() if reported.begun.is_set() else None
        looked_at.set()
        return account

    meanwhile = Waits(lambda: replied.is_set() and looked_at.is_set(), REPORT_SECONDS)
    with microsoft.disturbed(meanwhile, call="settle_operation", of=subscribed.id, times=1) as reported:
        answer, account = at_once(receive, look)
        outcome = subscribed.settles(announcement)
    if not outcome.patches:
        if answer.is_success:
            check("OPP-013").that(False, expected="PATCH within ten seconds", actual="no PATCH", rests_on=[answer])
        else:
            check("OPP-013").undecided("the change was refused: no outcome is left to report", rests_on=[answer])
        for each in check.each("LCY-019", "OPP-014", "OPP-021"):
            each.not_applicable(NO_PATCH)
        return
    sent, report = answer.exchange.at, outcome.patches[0]
    looked = [call for call in subscribed.called("get_operation") if sent <= call.at <= report.at]
    rests_on = [answer, *looked, *outcome.patches]
    span = (report.at - sent).total_seconds()

    check("LCY-019").that(
        bool(looked) and report.at >= sent,
        expected="the notification, then Get operation, then PATCH",
        actual=f"{briefly(subscribed.calls(), otherwise='no call')}",
        rests_on=rests_on,
    )
    check("OPP-013").that(
        span <= REPLY_SECONDS,
        expected=f"PATCH within {REPLY_SECONDS:g} s of the notification",
        actual=f"PATCH after {span:.1f} s",
        rests_on=rests_on,
    )
    check("OPP-021").that(
        report.seconds < REPORT_SECONDS,
        expected="the notification answered without waiting for what the PATCH leads to",
        actual=f"PATCH {span:.2f} s after the notification, the answer after {answer.exchange.seconds:.2f} s",
        rests_on=rests_on,
    )
    if account is None or account.plan.absent or outcome.operation.status != "Succeeded":
        check("OPP-014").untestable("publisher.state: what had been carried out when it was reported cannot be seen")
        return
    check("OPP-014").equals(account.plan, plan)


@requirement("OPP-015")
def test_a_change_that_the_publisher_cannot_perform_is_refused(stage, publisher, check):
    """A plan that the publisher refuses: PATCH Failure or 4xx in time, and the old plan stays on both sides.

    The live service has carried such a change out after PATCH Failure: then the publisher follows Get subscription.
    """
    claims = publisher.service.claims
    if not stage.refused_plans and not claims.refuses_changes:
        if claims.refuses_nothing:
            check("OPP-015").not_applicable(TAKES_EVERYTHING)
        elif claims.refused_seats is None:
            check("OPP-015").untestable(NOTHING_REFUSED)
        else:
            check("OPP-015").not_applicable("claims.refused_plans: the publisher does not say that it refuses a plan")
        return
    customer = stage.subscribed()
    plan = next(iter(stage.refused_plans), None) or customer.other_plan().plan_id
    announcement = customer.change_plan(plan)
    answer = publisher.receives(announcement)
    outcome = customer.settles(announcement)
    account = customer.eventually(lambda now: now.has(plan=plan)) if outcome.overruled else customer.account()

    if answer.is_server_error and not stage.usual("change_plan").taken:
        check("OPP-015").undecided("every change makes the webhook fail", rests_on=[answer])
        return
    check("OPP-015").that(
        outcome.rejected,
        expected="a 4xx reply or PATCH Failure within ten seconds",
        actual=f"reply {answer.status_code}, PATCH {outcome.words or 'none'}, operation {outcome.operation.status}",
        rests_on=[answer, *outcome.patches],
    )
    if account is not None and not account.plan.absent:
        check("OPP-015").that(
            (account.plan.value == plan) is outcome.overruled,
            expected=f"the publisher's plan is {'in the end' if outcome.overruled else 'not'} {plan!r}",
            actual=account.plan.value,
            rests_on=[account.exchange],
        )


@requirement("WHK-009", "WHK-044")
def test_an_operation_that_the_marketplace_does_not_know_changes_nothing(microsoft, publisher, subscribed, check):
    """A plan change whose operation Get Operation cannot find is not carried out."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    payload = microsoft.payload(announcement) | {"id": str(uuid.UUID(int=0x5EED))}
    lie = publisher.receives(announcement, payload=payload, forged=True)
    effect = subscribed.effects().but_refusals()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success and not publisher.service.claims.refuses_changes:
        for each in check.each("WHK-009", "WHK-044"):
            each.undecided("the same change with its real operation was not taken either", rests_on=[lie, twin])
        return
    check("WHK-009").no_effect(effect)
    check("WHK-044").no_change_of_access(effect)


@requirement("WHK-009", "WHK-045")
def test_a_payload_that_contradicts_the_operation_is_never_applied(stage, microsoft, publisher, subscribed, check):
    """The payload names another plan than the operation: refuse, or apply what the operation says.

    An operation that was refused for good once may be refused again; then another change shows that changes are taken.
    """
    plan = subscribed.other_plan().plan_id
    lie = subscribed.plan_to_lie_about(plan) or "a-plan-that-nobody-sells"
    announcement = subscribed.change_plan(plan)
    answer = publisher.receives(announcement, payload=microsoft.payload(announcement) | {"planId": lie}, forged=True)
    effect = subscribed.effects()
    account = subscribed.account()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)
    remembered = answer.is_client_error and twin.is_client_error and stage.usual("change_plan").works

    if not (twin.is_success or remembered or publisher.service.claims.refuses_changes):
        for each in check.each("WHK-009", "WHK-045"):
            each.undecided("the same change with a true payload was not taken either", rests_on=[answer, twin])
        return
    if account is None or not publisher.shows("plan"):
        for each in check.each("WHK-009", "WHK-045"):
            each.untestable("publisher.state.plan: without it nothing shows which plan was applied")
        return
    for each in check.each("WHK-009", "WHK-045"):
        each.that(
            account.plan.value != lie,
            expected=f"the plan is not {lie!r}, which only the payload named",
            actual=f"{account.plan.value!r}; " + ("; ".join(effect.changes()) or "no effect"),
            rests_on=[answer, account.exchange, *effect.evidence()],
        )


@requirement("EVT-047")
def test_the_way_back_after_a_refusal_is_taken(run, stage, microsoft, publisher, check):
    """The live service announces a change to the present plan after a refused one: taken, not refused, no effect."""
    if run.profile != "observed":
        check("EVT-047").not_applicable("such notifications are sent under the profile observed only")
        return
    if not stage.refused_plans and not publisher.service.claims.refuses_changes:
        if publisher.service.claims.refuses_nothing:
            check("EVT-047").not_applicable(TAKES_EVERYTHING)
        else:
            check("EVT-047").untestable(NO_REFUSED_PLAN)
        return
    customer = stage.subscribed()
    plan = customer.subscription.plan_id
    announcement = customer.change_plan(next(iter(stage.refused_plans), None) or customer.other_plan().plan_id)
    refused = publisher.receives(announcement)
    customer.settles(announcement)
    back = next((each for each in microsoft.announcements(customer.id) if each.operation.plan_id == plan), None)
    if back is None:
        check("EVT-047").undecided("the publisher did not refuse the change", rests_on=[refused])
        return
    answer = publisher.receives(back)
    outcome = customer.settles(back)
    effect = customer.effects()
    account = customer.eventually(lambda now: now.has(plan=customer.subscription.plan_id))

    check("EVT-047").that(
        answer.is_success
        and "Failure" not in outcome.words
        and (account is None or account.has(plan=customer.subscription.plan_id)),
        expected=f"2xx, no PATCH Failure, and the plan {plan!r}",
        actual=f"{answer.status_code}, PATCH {outcome.words or 'none'}, {account.plan if account else 'no state page'}",
        rests_on=[refused, answer, *outcome.patches, *effect.evidence()],
    )


@requirement("PVO-006")
def test_a_plan_that_did_not_exist_when_the_publisher_was_built_does_no_harm(stage, publisher, check):
    """A private offer makes a new plan: its purchase is set up, and a change to it is taken or refused, not broken."""
    choice = stage.unheard_of_plan()
    bought = stage.purchase(choice)
    page = bought.visit()
    bought.complete()
    activated = bought.awaits("activate")
    changes = stage.subscribed()
    twin = publisher.receives(first := changes.change_plan(changes.other_plan().plan_id))
    changes.settles(first)
    announcement = changes.change_plan(choice[1].plan_id)
    answer = publisher.receives(announcement)
    changes.settles(announcement)
    status = page.answer.status_code
    named = {str(body.get("planId")) for call in activated if isinstance(body := document(call), dict)} - {"None"}

    if not twin.is_success and not changes.claims.refuses_changes:
        check("PVO-006").undecided("a change to a known plan was not taken either", rests_on=[twin])
        return
    check("PVO-006").that(
        status is not None
        and status < 500
        and bool(activated)
        and named <= {choice[1].plan_id}
        and not answer.is_server_error
        and not answer.error,
        expected=f"plan {choice[1].plan_id!r}: purchase activated as that plan, change answered below 500",
        actual=f"page {status}, {briefly(activated, otherwise='no activate call')}"
        f"{''.join(f' with plan {each!r}' for each in sorted(named))}, change {answer.status_code}",
        rests_on=[page.answer, *activated, answer],
    )


@requirement("TRM-010")
def test_a_downgrade_that_is_not_supported_may_be_refused(stage, publisher, check):
    """The publisher may refuse plans; what it says it refuses it refuses in time."""
    if not stage.refused_plans:
        check("TRM-010").not_applicable("claims.refused_plans: the publisher says of no plan that it refuses it")
        return
    customer = stage.subscribed()
    announcement = customer.change_plan(stage.refused_plans[0])
    answer = publisher.receives(announcement)
    outcome = customer.settles(announcement)

    if answer.is_server_error and not stage.usual("change_plan").taken:
        check("TRM-010").undecided("every change makes the webhook fail", rests_on=[answer])
        return
    check("TRM-010").that(
        answer.is_client_error or "Failure" in outcome.words,
        expected="4xx, or PATCH Failure",
        actual=f"{answer.status_code}, PATCH {outcome.words or 'none'}",
        rests_on=[answer, *outcome.patches],
    )
