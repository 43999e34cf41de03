"""Subscribe, Suspend, Reinstate, Renew, Unsubscribe: what each means for the customer (scenarios C01 to C14, D10)."""

from datetime import timedelta

import pytest

from fulfillment_conformance.emulator.faults import Answers, Rewrites
from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.marketplace import Action
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import briefly

WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"


@pytest.fixture
def customers(stage):
    """A customer of a flat plan, and one who pays per seat where the publisher sells that and can set it up."""
    flat, other = stage.subscribed(), stage.subscribed_per_seat()
    return [flat, other] if other.subscription.quantity is not None else [flat]


@requirement("EVT-026", "OPP-016")
def test_suspend_is_taken_without_a_patch(publisher, customers, check):
    """Suspend is a notification: 200, and nothing is reported back."""
    for customer in customers:
        answer = publisher.receives(customer.suspend())
        effect = customer.effects()
        for each in check.each("EVT-026", "OPP-016"):
            each.that(
                not customer.patches(),
                expected="no PATCH of an operation",
                actual=f"{len(customer.patches())} PATCH calls" if customer.patches() else "none",
                rests_on=[answer, *customer.patches(), *effect.evidence()],
            )
        check("EVT-026").taken(answer)


@requirement("EVT-027")
def test_suspend_restricts_access(publisher, customers, check):
    """While payment is missing the customer has no full access; and the same when it is missing once more."""
    if not publisher.shows_state:
        check("EVT-027").untestable(WITHOUT_STATE)
        return
    for customer in customers:
        publisher.receives(customer.suspend())
        account = customer.eventually(lambda now: now.status.value == "Suspended")
        check("EVT-027").equals(account.state, "Suspended")
    customer = customers[0]
    if publisher.service.claims.refuses_reinstatement:
        return
    publisher.receives(announcement := customer.reinstate())
    customer.settles(announcement)
    if not customer.eventually(lambda now: now.gives_access).gives_access:
        return  # Reinstate has no effect: EVT-030
    publisher.receives(customer.suspend())
    account = customer.eventually(lambda now: now.status.value == "Suspended")
    check("EVT-027").equals(account.state, "Suspended")


@requirement("EVT-028")
def test_a_suspended_subscription_is_left_to_the_marketplace(publisher, subscribed, check):
    """A payment may still come: whoever cancels the subscription while it is missing leaves nothing to recover."""
    answer = publisher.receives(subscribed.suspend())
    effect = subscribed.effects()
    cancelled = subscribed.called("cancel")

    check("EVT-028").that(
        not cancelled,
        expected="no DELETE of a subscription that is only suspended",
        actual=briefly(cancelled, otherwise="none"),
        rests_on=[answer, *cancelled, *effect.evidence()],
    )


@requirement("EVT-028", "EVT-030")
def test_reinstate_brings_everything_back(publisher, customers, check):
    """After Suspend and Reinstate the customer has access, plan and seats as before, and after the next ones, too."""
    if publisher.service.claims.refuses_reinstatement:
        for each in check.each("EVT-028", "EVT-030"):
            each.not_applicable("claims.refuses_reinstatement: the publisher says that it does not reinstate")
        return
    if not publisher.shows_state:
        for each in check.each("EVT-028", "EVT-030"):
            each.untestable(WITHOUT_STATE)
        return
    for customer in [*customers, customers[0]]:
        before = customer.account()
        publisher.receives(customer.suspend())
        suspended = customer.eventually(lambda now: now.status.value == "Suspended")
        announcement = customer.reinstate()
        answer = publisher.receives(announcement)
        customer.settles(announcement)
        after = customer.eventually(lambda now: now.status.value == "Subscribed")

        check("EVT-030").taken(answer)
        check("EVT-030").equals(after.state, "Subscribed")
        check("EVT-028").that(
            not suspended.state.absent,
            expected="the account is still known while suspended",
            actual=suspended.status,
            rests_on=[suspended.exchange],
        )
        check("EVT-028").equals(after.plan, before.plan.value)
        check("EVT-028").equals(after.seats, before.seats.value)
        if after.state.value != "Subscribed":
            return


@requirement("OPP-017")
@pytest.mark.parametrize("status", [200, 400, 409])
def test_a_report_on_reinstate_may_be_answered_in_any_way(microsoft, publisher, subscribed, check, status):
    """PATCH Success of a Reinstate, or none: both are right, and access is back whatever the PATCH is answered."""
    if publisher.service.claims.refuses_reinstatement:
        check("OPP-017").not_applicable("claims.refuses_reinstatement: the publisher says that it does not reinstate")
        return
    publisher.receives(subscribed.suspend())
    announcement = subscribed.reinstate()
    fault = Rewrites(lambda _: b"", "body") if status == 200 else Answers(status)
    with microsoft.disturbed(fault, call="settle_operation", of=subscribed.id):
        answer = publisher.receives(announcement)
        account = subscribed.eventually(lambda now: now.gives_access)
        microsoft.advance(timedelta(seconds=11))
    words = [subscribed.word_of(patch) for patch in subscribed.patches(announcement.operation.id)]

    if not words and (not answer.is_success or (account is not None and not account.gives_access)):
        check("OPP-017").undecided("no PATCH was sent, and Reinstate was not carried out either", rests_on=[answer])
        return
    check("OPP-017").that(
        answer.is_success and "Failure" not in words and (account is None or account.gives_access),
        expected=f"200, PATCH Success or none (answered {status}), access",
        actual=f"{answer.status_code}, PATCH {words or 'none'}, {account.status if account else 'no state page'}",
        rests_on=[answer, *subscribed.patches(announcement.operation.id)],
    )


@requirement("WHK-031")
def test_a_reinstatement_that_cannot_be_honoured_is_cancelled(publisher, subscribed, check):
    """There is no way to refuse a Reinstate: the publisher cancels the subscription."""
    if not publisher.service.claims.refuses_reinstatement:
        check("WHK-031").not_applicable("claims.refuses_reinstatement: the publisher says that it can always reinstate")
        return
    publisher.receives(subscribed.suspend())
    subscribed.eventually(lambda now: not now.gives_access)
    announcement = subscribed.reinstate()
    answer = publisher.receives(announcement)
    cancelled = subscribed.awaits("cancel")

    check("WHK-031").that(
        bool(cancelled),
        expected="DELETE of the subscription",
        actual="; ".join(f"{call.method} {call.status}" for call in cancelled)
        or f"none; answered {answer.status_code}",
        rests_on=[answer, *cancelled],
    )


@requirement("LCY-027")
def test_both_ways_out_of_a_suspension_are_taken(stage, publisher, check):
    """After Suspend comes Reinstate or Unsubscribe; the latter ends in what a cancelled account is otherwise shown as.

    A publisher may show suspended and cancelled accounts alike, and is not asked to tell them apart.
    """
    cancelled = stage.subscribed()
    publisher.receives(cancelled.unsubscribe())
    usual = cancelled.eventually(lambda now: not now.gives_access)
    for action in ("reinstate", "unsubscribe"):
        customer = stage.subscribed()
        first = publisher.receives(customer.suspend())
        before = customer.eventually(lambda now: not now.gives_access)
        announcement = getattr(customer, action)()
        answer = publisher.receives(announcement)
        customer.settles(announcement)
        if not first.is_success:
            check("LCY-027").undecided("Suspend was not taken in the first place", rests_on=[first, answer])
            continue
        if action == "reinstate" and publisher.service.claims.refuses_reinstatement:
            check("LCY-027").accepted(answer)
            continue

        def is_over(now, action=action, before=before):
            still_suspended = before.status.value == now.status.value != usual.status.value and not usual.gives_access
            return now.gives_access if action == "reinstate" else not (now.gives_access or still_suspended)

        account = customer.eventually(is_over)
        done = account is None or is_over(account)
        wanted = "access" if action == "reinstate" else f"shown as {usual.status.value}" if usual else "no access"
        check("LCY-027").that(
            first.is_success and answer.is_success and done,
            expected=f"Suspend, then {action}: both taken, {wanted} in the end",
            actual=f"{first.status_code}, {answer.status_code}; {account.status if account else 'no state page'}",
            rests_on=[first, answer],
        )


@requirement("EVT-023", "OPP-016")
def test_renew_is_taken_and_access_goes_on(publisher, customers, check):
    """Renew is a notification: 200, no PATCH, and the account stays as it is."""
    for customer in customers:
        answer = publisher.receives(customer.renew())
        effect = customer.effects()

        check("EVT-023").taken(answer)
        check("EVT-023").no_effect(effect.understood())
        check("OPP-016").that(
            not customer.patches(),
            expected="no PATCH of an operation",
            actual=f"{len(customer.patches())} PATCH calls" if customer.patches() else "none",
            rests_on=[answer, *customer.patches(), *effect.evidence()],
        )


@requirement("WHK-009", "WHK-045")
def test_what_only_a_renewal_s_payload_names_is_never_applied(stage, microsoft, publisher, check):
    """A genuine Renew whose payload names another plan and other seats than the operation: they stay as they are."""
    rows = ("WHK-009", "WHK-045")
    if not publisher.shows("plan"):
        for each in check.each(*rows):
            each.untestable("publisher.state.plan: without it nothing shows which plan was applied")
        return
    customer = stage.subscribed_per_seat()
    announcement = customer.renew()
    lie = {"planId": customer.plan_to_lie_about("") or "a-plan-that-nobody-sells"}
    if customer.subscription.quantity is not None:
        lie |= {"quantity": customer.subscription.quantity + 990}
    answer = publisher.receives(announcement, payload=microsoft.payload(announcement) | lie, forged=True)
    effect = customer.effects()
    account = customer.account()
    twin = publisher.receives(announcement)

    for each in check.each(*rows):
        if not (twin.is_success or answer.is_success):
            each.undecided("Renew with a true payload was not taken either", rests_on=[answer, twin])
            continue
        each.that(
            account.plan.value != lie["planId"] and account.seats.value != lie.get("quantity", account.seats),
            expected="neither the plan nor the seats that only the payload of a Renew named",
            actual="; ".join(effect.differences) or "plan and seats as before",
            rests_on=[answer, account.exchange, *effect.evidence()],
        )


@requirement("EVT-034", "OPP-016")
def test_unsubscribe_ends_access_without_a_patch(publisher, subscribed, check):
    """Unsubscribe is a notification: 200, no PATCH, and access has ended."""
    answer = publisher.receives(subscribed.unsubscribe())
    account = subscribed.eventually(lambda now: not now.gives_access)
    subscribed.effects()

    check("EVT-034").taken(answer)
    for each in check.each("EVT-034", "OPP-016"):
        each.that(
            not subscribed.patches(),
            expected="no PATCH of an operation",
            actual=f"{len(subscribed.patches())} PATCH calls" if subscribed.patches() else "none",
            rests_on=[answer, *subscribed.patches()],
        )
    if account is None:
        check("EVT-034").untestable(WITHOUT_STATE)
    else:
        check("EVT-034").that(
            not account.gives_access,
            expected="no access after Unsubscribe",
            actual=account.status,
            rests_on=[account.exchange],
        )


@requirement("WHK-035")
@pytest.mark.usefixtures("subscribed")
def test_a_cancellation_of_a_purchase_never_opened_is_no_error(publisher, purchase, check):
    """Cancelled before the landing page was ever opened: the publisher does not know it, as it knows others."""
    answer = publisher.receives(purchase.unsubscribe())

    check("WHK-035").that(
        answer.status_code is not None and answer.status_code < 500,
        expected="no server error",
        actual=answer.status_code or answer.error,
        rests_on=[answer],
        notes=[] if answer.is_success else [f"{answer.status_code}: 2xx would end the delivery"],
    )


@requirement("WHK-035", "WHK-008", "OPP-015")
@pytest.mark.usefixtures("subscribed")
def test_events_of_a_subscription_that_the_publisher_has_lost_are_no_error(stage, publisher, check):
    """Known to the marketplace and not to the publisher: notices are taken; a change is verified, or refused."""
    noticed, changed = stage.activated_elsewhere(), stage.activated_elsewhere()
    renewed, paid = stage.activated_elsewhere(), stage.activated_elsewhere()
    paid.suspend()
    more = [renewed.renew, paid.reinstate]
    if stage.sells_seats:
        seated = stage.activated_elsewhere(stage.seat_plan())
        more.append(lambda: seated.change_quantity(seated.other_seats))
    for happens in (noticed.suspend, noticed.unsubscribe, *more):
        announcement = happens()
        answers = [publisher.receives(announcement)]
        if answers[0].is_server_error:
            answers.append(publisher.receives(announcement))
        last = answers[-1]
        check("WHK-035").that(
            last.status_code is not None and last.status_code < 500,
            expected=f"{announcement.operation.action}: no server error again and again",
            actual=", ".join(str(each.status_code or each.error) for each in answers),
            rests_on=answers,
            notes=[] if answers[0].is_success else [f"{answers[0].status_code}: 2xx would end the delivery"],
        )
    announcement = changed.change_plan(changed.other_plan().plan_id)
    answer = publisher.receives(announcement)
    outcome = changed.settles(announcement)
    looked = [call for call in changed.calls() if call.method == "GET"]
    if outcome.operation.status != "Succeeded":
        for each in check.each("WHK-008", "OPP-015"):
            each.that(True, expected="a change verified, or refused", actual=answer.status_code, rests_on=[answer])
        return
    account = changed.eventually(lambda now: now.has(plan=announcement.operation.plan_id))
    check("WHK-008").that(
        bool(looked),
        expected="a change of an unknown subscription is looked up before it is accepted",
        actual=f"{len(looked)} reads",
        rests_on=[answer, *looked],
    )
    if account is None:
        check("OPP-015").untestable(WITHOUT_STATE)
        return
    if not (usual := stage.usual("change_plan")).works:
        check("OPP-015").undecided(
            "a change of a subscription that is known has no effect either", rests_on=usual.rests_on
        )
        return
    check("OPP-015").that(
        account.has(plan=announcement.operation.plan_id),
        expected="a change that was accepted has been carried out, too",
        actual=f"{account.status}, {account.plan}",
        rests_on=[answer, account.exchange, *outcome.patches],
    )


@requirement("EVT-034", "OPP-016")
def test_an_activation_that_is_withdrawn_ends_access(microsoft, publisher, purchase, check):
    """Activate was answered 200, the state stayed pending, and then comes Unsubscribe."""
    with microsoft.deciding_otherwise(activation_delay=timedelta(minutes=3)):
        purchase.visit()
        purchase.complete()
        activated = purchase.awaits("activate")
        if not activated:
            for each in check.each("EVT-034", "OPP-016"):
                each.undecided("the purchase was not activated")
            return
        purchase.remember()
        answer = publisher.receives(purchase.happens(lambda market: market.fail_activation(purchase.id)))
    account = purchase.eventually(lambda now: not now.gives_access)

    check("EVT-034").taken(answer)
    if account is not None:
        check("EVT-034").that(
            not account.gives_access, expected="no access", actual=account.status, rests_on=[answer, account.exchange]
        )
    check("OPP-016").that(
        not purchase.patches(), expected="no PATCH", actual=f"{len(purchase.patches())}", rests_on=[answer]
    )


@requirement("EVT-035")
def test_data_is_kept_for_a_week_after_a_cancellation(publisher, subscribed, check):
    """The account is still known, without access, on the seventh day; whether its data can be had is for a person."""
    answer = publisher.receives(subscribed.unsubscribe())
    account = subscribed.eventually(lambda now: not now.gives_access)

    if account is None:
        check("EVT-035").untestable(WITHOUT_STATE)
    elif account.state.absent:
        check("EVT-035").that(
            False, expected="the account is still known", actual="gone at once", rests_on=[answer, account.exchange]
        )
    else:
        check("EVT-035").undecided(
            "a person has to look after the data on the seventh day", rests_on=[account.exchange]
        )


@requirement("EVT-046")
def test_the_new_term_is_shown_in_the_end(microsoft, publisher, subscribed, check):
    """Get subscription still shows the old dates when Renew comes, and the new ones a little later."""
    if not publisher.shows("term_end"):
        check("EVT-046").untestable("publisher.state.term_end: the target file says of no place that shows the term")
        return
    old, before = subscribed.subscription.term, subscribed.account()
    if not str(before.term_end.value).startswith(str(old.end)):
        # Whoever knows of no term yet takes the first for the new one: the live service leaves its dates out at times.
        check("EVT-046").undecided(
            f"the publisher showed {before.term_end} before Renew, and not that the term ends on {old.end}",
            rests_on=[before.exchange],
        )
        return
    announcement = subscribed.renew()
    new = subscribed.subscription.term

    def showing(term):  # with its dates in every answer, though the live service leaves them out at times
        dates = {"startDate": f"{term.start}T00:00:00Z", "endDate": f"{term.end}T00:00:00Z"}
        return Rewrites(lambda answer: answer | {"term": answer["term"] | dates}, "term")

    with (
        microsoft.disturbed(showing(old), call="get_subscription", of=subscribed.id, times=2),
        microsoft.disturbed(showing(new), call="get_subscription", of=subscribed.id),
    ):
        answer = publisher.receives(announcement)
        account = subscribed.eventually(lambda now: str(now.term_end.value).startswith(str(new.end)))

    if not answer.is_success:
        check("EVT-046").undecided("Renew was not taken", rests_on=[answer])
        return
    check("EVT-046").that(
        str(account.term_end.value).startswith(str(new.end)),
        expected=f"a term that ends on {new.end}",
        actual=account.term_end,
        rests_on=[answer, *subscribed.calls(), account.exchange],
    )


@requirement("EVT-023", "EVT-034", "LCY-026")
def test_only_events_move_access_when_a_trial_or_a_term_ends(stage, publisher, check):
    """A free trial turns into a paid term: access goes on. Auto-renew is off: access ends with Unsubscribe."""
    rows = ("EVT-023", "EVT-034", "LCY-026")
    try:
        trial = stage.subscribed(stage.a_plan(lambda plan: plan.has_free_trials), free_trial=True)
    except MissingCapability:
        trial = stage.subscribed()
    leaving = stage.subscribed(auto_renew=False)
    renewed = publisher.receives(trial.renew())
    goes_on = trial.eventually(lambda now: now.gives_access)
    before = leaving.account()
    ended = publisher.receives(leaving.happens(lambda market: market.unsubscribe(leaving.id)))
    account = leaving.eventually(lambda now: not now.gives_access)

    if not publisher.shows_state:
        for each in check.each(*rows):
            each.untestable(WITHOUT_STATE)
        return
    check("EVT-023").taken(renewed)
    check("EVT-034").taken(ended)
    for each in check.each("EVT-023", "LCY-026"):
        each.that(
            goes_on.gives_access,
            expected="Renew after a trial: access goes on",
            actual=f"{renewed.status_code}; {goes_on.status}",
            rests_on=[renewed, goes_on.exchange],
        )
    for each in check.each("EVT-034", "LCY-026"):
        each.that(
            before.gives_access and not account.gives_access,
            expected="access until Unsubscribe, none afterwards",
            actual=f"{before.status}; Unsubscribe {ended.status_code}; {account.status}",
            rests_on=[before.exchange, ended, account.exchange],
        )


@requirement("WHK-009", "WHK-044", "GET-034")
@pytest.mark.parametrize("action", ["Unsubscribe", "Suspend", "Reinstate"])
def test_a_notice_that_nothing_stands_behind_changes_nothing(microsoft, publisher, subscribed, check, action):
    """A genuine token, an operation that nobody knows, and Get subscription shows another state: no effect."""
    if action == "Reinstate":
        publisher.receives(subscribed.suspend())
        subscribed.eventually(lambda now: not now.gives_access)
        announcement = subscribed.reinstate()
    else:
        announcement = subscribed.renew()
    subscribed.remember()
    made_up = {"id": "5eed5eed-0000-4000-8000-000000000002", "action": action}
    payload = microsoft.payload(announcement) | made_up
    with microsoft.disturbed(_while_suspended(action), call="get_subscription", of=subscribed.id):
        answer = publisher.receives(announcement, payload=payload, forged=True)
        effect = subscribed.effects()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success:
        for each in check.each("WHK-009", "WHK-044", "GET-034"):
            each.undecided("the true event was not taken either", rests_on=[answer, twin])
        return
    for each in check.each("WHK-009", "GET-034"):
        each.no_effect(effect)
    check("WHK-044").no_change_of_access(effect)


@requirement("AAC-004", "AAC-008", "EVT-037", "OPP-016")
def test_subscribe_sets_an_automatically_activated_customer_up(stage, microsoft, publisher, check):
    """The notification is all there is: an account for the beneficiary, without resolve, activate and PATCH."""
    for choice in stage.auto_activated_plans():
        _subscribes(stage.auto_activated(choice), microsoft, publisher, check)


def _subscribes(customer, microsoft, publisher, check):
    announcement = customer.announced(Action.SUBSCRIBE)
    customer.remember()
    mark = microsoft.mark
    with (
        microsoft.disturbed(Answers(400), call="activate", of=customer.id),
        microsoft.disturbed(Answers(400), call="resolve"),
    ):
        answer = publisher.receives(announcement)
        account = customer.eventually(lambda now: now.gives_access)
        customer.effects()
    calls = [*microsoft.called("resolve", since=mark), *customer.called("activate")]
    bought = customer.subscription

    for each in check.each("AAC-008", "EVT-037"):
        each.taken(answer)
        if account is None:
            each.untestable(WITHOUT_STATE)
        else:
            each.that(
                account.gives_access and account.has(plan=bought.plan_id, seats=bought.quantity),
                expected=f"an account with access, plan {bought.plan_id!r}"
                + (f" and {bought.quantity} seats" if bought.quantity is not None else ""),
                actual=f"{account.status}, {account.plan}, {account.seats}",
                rests_on=[answer, account.exchange],
            )
            if publisher.shows("tenant") and not account.state.absent:
                each.equals(account.tenant, bought.beneficiary.tenant_id)
    check("OPP-016").that(
        not customer.patches(),
        expected="no PATCH of an operation",
        actual=briefly(customer.patches(), otherwise="none"),
        rests_on=[answer, *customer.patches()],
    )
    if not answer.is_success or (account is not None and not account.gives_access):
        check("AAC-004").undecided("the customer was not set up", rests_on=[answer])
        return
    check("AAC-004").that(
        True,
        expected="neither resolve nor activate, which are unnecessary",
        actual=f"{len(calls)} calls of them",
        rests_on=[answer, *calls],
        notes=["an extra call is unnecessary, not forbidden"] if calls else [],
    )


def _while_suspended(action):
    """Return a fault that keeps a subscription Suspended for whoever asks while its reinstatement is made up."""

    def suspended(answer):
        return answer | {"saasSubscriptionStatus": "Suspended"} if action == "Reinstate" else answer

    return Rewrites(suspended, "status")
