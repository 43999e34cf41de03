"""Notifications that come twice, late, at once or in the wrong order (scenarios C11, C12, D14, E01 to E10)."""

import pytest

from fulfillment_conformance.interruptions import NotClaimed
from fulfillment_conformance.marketplace import Action
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import briefly
from fulfillment_conformance.stage.customer import Customer
from fulfillment_conformance.together import at_once

WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"
REFUSES = "claims.refuses_changes: the publisher says that it refuses all changes; other events show it"
REPLY_SECONDS = 10.0
CROWD = 5


@pytest.fixture
def renews_as_subscribe(microsoft):
    """Return a function that renews a customer's term, and returns the Subscribe by which that may be announced."""

    def renews_as_subscribe(customer):
        with microsoft.deciding_otherwise(renewal_sends_subscribe=True):
            customer.renew()
        return customer.announced(Action.SUBSCRIBE)

    return renews_as_subscribe


@requirement("WHK-032")
def test_the_same_notification_twice_has_one_effect(publisher, subscribed, check):
    """A redelivery is answered 2xx again and changes nothing further."""
    if subscribed.claims.refuses_changes:
        check("WHK-032").not_applicable(REFUSES)
        return
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    first = publisher.receives(announcement)
    subscribed.settles(announcement)
    changed = subscribed.eventually(lambda now: now.has(plan=announcement.operation.plan_id))
    subscribed.remember()
    again = publisher.receives(announcement, forged=True)
    effect = subscribed.effects()

    if not first.is_success or (changed is not None and not changed.has(plan=announcement.operation.plan_id)):
        check("WHK-032").undecided("the first delivery was not taken, or had no effect", rests_on=[first])
        return
    check("WHK-032").accepted(again)
    check("WHK-032").no_change_of_state(effect.understood())


@requirement("WHK-032")
def test_whatever_comes_twice_counts_once(stage, publisher, check):
    """A renewal, a change of seats, a suspension, its end, a cancellation: taken again, and nothing changes further."""
    customer = stage.subscribed_per_seat()
    changes_seats = customer.subscription.quantity is not None and not customer.claims.refuses_changes
    for happens in (
        Customer.renew,
        *([lambda seated: seated.change_quantity(seated.other_seats)] if changes_seats else []),
        Customer.suspend,
        *([] if customer.claims.refuses_reinstatement else [Customer.reinstate]),
        Customer.unsubscribe,
    ):
        if happens is Customer.unsubscribe and customer.subscription.status != "Subscribed":
            customer = stage.subscribed()  # whose cancellation shows when it has had its effect
        announcement = happens(customer)
        first = publisher.receives(announcement)
        customer.settles(announcement)
        now = customer.subscription
        done = customer.eventually(
            lambda account, now=now: (
                account.gives_access is (now.status == "Subscribed")
                and (not account.gives_access or account.has(plan=now.plan_id, seats=now.quantity))
            )
        )
        customer.remember()
        again = publisher.receives(announcement, forged=True)
        effect = customer.effects()

        event = announcement.operation.action
        if not first.is_success or (done is not None and done.gives_access is not (now.status == "Subscribed")):
            check("WHK-032").undecided(f"the first {event} was not taken, or had no effect", rests_on=[first])
            return
        check("WHK-032").that(
            again.is_success and not effect.understood().differences,
            expected=f"the second {event} taken like the first, and everything as before",
            actual=f"{again.status_code or again.error}; {'; '.join(effect.differences) or 'as before'}",
            rests_on=[first, again, *effect.evidence()],
        )


@requirement("WHK-032")
def test_a_change_that_comes_again_after_another_one_undoes_nothing(stage, publisher, check):
    """One change, a second one, and then the first is delivered once more: the second is still what counts."""
    if not publisher.shows("plan"):
        check("WHK-032").untestable("publisher.state.plan: without it nothing shows which plan is the present one")
        return
    customer = stage.subscribed()
    if customer.claims.refuses_changes:
        check("WHK-032").not_applicable(REFUSES)
        return
    announcements, answers = [], []
    for _ in range(2):
        announcements.append(customer.change_plan(customer.other_plan().plan_id))
        answers.append(publisher.receives(announcements[-1]))
        customer.settles(announcements[-1])
    plan = customer.subscription.plan_id
    account = customer.eventually(lambda now: now.has(plan=plan))
    customer.remember()
    again = publisher.receives(announcements[0], forged=True)
    effect = customer.effects()
    last = customer.eventually(lambda now: now.has(plan=plan))

    if not (account.has(plan=plan) and plan == announcements[1].operation.plan_id):
        check("WHK-032").undecided("the changes had no effect in the first place", rests_on=[*answers])
        return
    check("WHK-032").that(
        last.has(plan=plan),
        expected=f"the plan {plan!r}, which the last change asked for",
        actual=f"{last.plan}; the repeated notification was answered {again.status_code or again.error}",
        rests_on=[again, last.exchange, *effect.evidence()],
    )


@requirement("WHK-032")
def test_two_equal_notifications_at_one_instant_have_one_effect(stage, publisher, subscribed, check):
    """Both are answered below 500, the plan is the new one, and it is reported as one operation."""
    if subscribed.claims.refuses_changes:
        check("WHK-032").not_applicable(REFUSES)
        return
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    answers = at_once(
        lambda: publisher.receives(announcement),
        lambda: publisher.receives(announcement, forged=True),
    )
    outcome = subscribed.settles(announcement)
    account = subscribed.eventually(lambda now: now.has(plan=announcement.operation.plan_id))

    if not any(answer.is_success for answer in answers):
        check("WHK-032").undecided("neither delivery was taken", rests_on=answers)
        return
    if not (usual := stage.usual("change_plan")).works:
        check("WHK-032").undecided("a single one has no effect either", rests_on=[*usual.rests_on, *answers])
        return
    check("WHK-032").that(
        all(answer.status_code is not None and answer.status_code < 500 for answer in answers)
        and outcome.operation.status == "Succeeded"
        and (account is None or account.has(plan=announcement.operation.plan_id)),
        expected="both answered below 500, one change",
        actual=f"{', '.join(str(answer.status_code or answer.error) for answer in answers)}; operation "
        f"{outcome.operation.status}; {account.plan if account else 'no state page'}",
        rests_on=[*answers, *outcome.patches],
    )


@requirement("WHK-054")
def test_two_operations_may_share_an_activity_id(microsoft, publisher, subscribed, check):
    """Events are told apart by operation id: both changes take effect, or a suspension that comes after a renewal.

    The latter is tried where the publisher takes no change of plan.
    """
    shared, seen = None, []
    for happens in [_changes_plan] * 2 if subscribed.can_change_plan else [Customer.renew, Customer.suspend]:
        announcement = happens(subscribed)
        operation = announcement.operation
        payload = microsoft.payload(announcement)
        shared = shared or payload["activityId"]
        answer = publisher.receives(announcement, payload=payload | {"activityId": shared})
        ended = subscribed.settles(announcement).operation.status == "Succeeded"
        access, plan = subscribed.subscription.status == "Subscribed", operation.plan_id

        def has_effect(now, access=access, plan=plan):
            return now.gives_access is access and (not access or now.has(plan=plan))

        account = subscribed.eventually(has_effect)
        works = answer.is_success and ended and (account is None or has_effect(account))
        seen.append((operation, answer, account, works))

    (_, first, _, worked), (operation, second, account, works) = seen
    if not worked:
        check("WHK-054").undecided("the first of the two events has no effect either", rests_on=[first])
        return
    check("WHK-054").that(
        works,
        expected=f"the second of two operations with one activityId, {operation.action}, taken and in effect",
        actual=f"{second.status_code}; " + (f"{account.status}, {account.plan}" if account else "no state page"),
        rests_on=[first, second, *([account.exchange] if account else [])],
    )


@requirement("WHK-054")
def test_the_same_change_may_be_made_again(publisher, subscribed, check):
    """To another plan, back, and there once more: the third change asks for what the first did, and counts as well."""
    if subscribed.claims.refuses_changes:
        check("WHK-054").not_applicable(REFUSES)
        return
    plans, answers, outcomes = [], [], []
    for _ in range(3):
        plan = subscribed.other_plan(but=plans[1:]).plan_id if len(plans) < 2 else plans[0]
        plans.append(plan)
        announcement = subscribed.change_plan(plan)
        answers.append(publisher.receives(announcement))
        outcomes.append(subscribed.settles(announcement))
        account = subscribed.eventually(lambda now, plan=plan: now.has(plan=plan))
        works = outcomes[-1].operation.status == "Succeeded" and (account is None or account.has(plan=plan))
        if not works and len(plans) < 3:
            check("WHK-054").undecided("the changes before have no effect either", rests_on=answers)
            return
    check("WHK-054").that(
        works,
        expected=f"the change to {plans[0]!r} taken again, and the plan {plans[0]!r}",
        actual=f"{answers[-1].status_code}, operation {outcomes[-1].operation.status}, "
        f"{account.plan if account else 'no state page'}",
        rests_on=[*answers, *outcomes[-1].patches],
    )


@requirement("LCY-026", "WHK-034")
def test_what_is_suspended_stays_suspended(stage, publisher, renews_as_subscribe, check):
    """What happened before a suspension and comes after it gives no access: a renewal, a change of plan.

    The change has failed with the suspension; the renewal is sent in both of its forms.
    """
    rows = ("LCY-026", "WHK-034")
    if not publisher.shows_state:
        for each in check.each(*rows):
            each.untestable(WITHOUT_STATE)
        return

    for happens in (Customer.renew, renews_as_subscribe, _changes_plan):
        customer = stage.subscribed()
        late = happens(customer)
        if late is None:
            continue
        suspended = publisher.receives(customer.suspend())
        before = customer.eventually(lambda now: not now.gives_access)
        answer = publisher.receives(late)
        effect = customer.effects()
        account = customer.eventually(lambda now: not now.gives_access)
        for each in check.each(*rows):
            if not suspended.is_success or before.gives_access:
                each.undecided("Suspend has no effect in the first place", rests_on=[suspended, before.exchange])
                continue
            each.that(
                not account.gives_access,
                expected=f"{late.operation.action} after Suspend: suspended as before",
                actual=f"{answer.status_code or answer.error}; {'; '.join(effect.differences) or account.status}",
                rests_on=[suspended, answer, account.exchange],
            )


@requirement("WHK-034", "GET-034")
def test_a_change_that_has_failed_is_not_carried_out_late(stage, publisher, check):
    """A change that nobody answered failed with a suspension; it is delivered when that is over: the plan stays."""
    if publisher.service.claims.refuses_reinstatement:
        for each in check.each("WHK-034", "GET-034"):
            each.not_applicable("claims.refuses_reinstatement: the publisher says that it does not reinstate")
        return
    if not publisher.shows("plan"):
        for each in check.each("WHK-034", "GET-034"):
            each.untestable("publisher.state.plan: without it nothing shows which plan was applied")
        return
    customer = stage.subscribed()
    before = customer.account()
    late = customer.change_plan(customer.other_plan().plan_id)
    publisher.receives(customer.suspend())
    customer.eventually(lambda now: not now.gives_access)
    publisher.receives(reinstated := customer.reinstate())
    customer.settles(reinstated)
    back = customer.eventually(lambda now: now.gives_access)
    answer = publisher.receives(late)
    effect = customer.effects()
    plan = customer.subscription.plan_id
    account = customer.eventually(lambda now: now.has(plan=plan))

    for each in check.each("WHK-034", "GET-034"):
        if not back.gives_access or back.plan.value != before.plan.value:
            each.undecided("Reinstate has no effect in the first place", rests_on=[back.exchange])
            continue
        each.that(
            account.has(plan=plan),
            expected=f"the plan {plan!r}, as Get subscription says, and not that of a change that has failed",
            actual=f"{account.plan}; answered {answer.status_code or answer.error}",
            rests_on=[answer, account.exchange, *effect.evidence()],
        )


def _changes_plan(customer):
    """Let a customer change the plan; None where nobody can."""
    try:
        return customer.change_plan(customer.other_plan().plan_id)
    except NotClaimed:
        return None


@requirement("LCY-026", "WHK-034")
def test_what_is_cancelled_stays_cancelled(stage, publisher, renews_as_subscribe, check):
    """What comes after Unsubscribe, though it happened before, revives nothing.

    That is Suspend, Renew, the Subscribe that live services have sent at a renewal, Reinstate, and a change of plan or
    of seats.
    """
    rows = ("LCY-026", "WHK-034")
    if not publisher.shows_state:
        for each in check.each(*rows):
            each.untestable(WITHOUT_STATE)
        return

    def reinstates(customer):
        publisher.receives(customer.suspend())
        customer.eventually(lambda now: not now.gives_access)
        return customer.reinstate()

    def changes_seats(customer):
        return customer.change_quantity(customer.other_seats) if customer.subscription.quantity is not None else None

    for happens in (
        Customer.suspend,
        Customer.renew,
        renews_as_subscribe,
        reinstates,
        _changes_plan,
        changes_seats,
    ):
        customer = stage.subscribed_per_seat() if happens is changes_seats else stage.subscribed()
        late = happens(customer)
        if late is None:
            continue
        ended = publisher.receives(customer.unsubscribe())
        closed = customer.eventually(lambda now: not now.gives_access)
        customer.remember()
        answer = publisher.receives(late)
        effect = customer.effects()
        account = customer.account()
        if not ended.is_success or closed.gives_access:
            for each in check.each(*rows):
                each.undecided("Unsubscribe has no effect in the first place", rests_on=[ended, closed.exchange])
            return
        # Who was suspended had no access before either: nothing tells when the cancellation has had its effect.
        moved = [] if happens is reinstates else effect.differences
        for each in check.each(*rows):
            each.that(
                not account.gives_access and not moved,
                expected=f"{late.operation.action} after Unsubscribe: cancelled as before",
                actual=f"{answer.status_code or answer.error}; {'; '.join(moved) or account.status}",
                rests_on=[ended, answer, account.exchange],
            )


@requirement("LCY-026", "EVT-034")
def test_a_cancellation_while_a_change_is_open_ends_access(publisher, subscribed, check):
    """The change was announced and answered, nothing is decided yet, and the customer cancels."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    publisher.receives(announcement)
    answer = publisher.receives(subscribed.unsubscribe())
    account = subscribed.eventually(lambda now: not now.gives_access)
    subscribed.effects()
    final = subscribed.account()

    check("EVT-034").taken(answer)
    for each in check.each("LCY-026", "EVT-034"):
        if account is None:
            each.untestable(WITHOUT_STATE)
        else:
            each.that(
                not account.gives_access and not final.gives_access,
                expected="no access, now and later",
                actual=f"{account.status}, then {final.status}",
                rests_on=[answer, account.exchange, final.exchange],
            )


@requirement("WHK-034", "GET-034")
def test_suspend_and_reinstate_in_the_wrong_order_end_as_the_marketplace_has_it(stage, publisher, subscribed, check):
    """Reinstate comes first and Suspend afterwards: the publisher follows Get subscription.

    By then nothing tells this Suspend from a false one where Get operation does not find it, so it may be refused.
    """
    if publisher.service.claims.refuses_reinstatement:
        for each in check.each("WHK-034", "GET-034"):
            each.not_applicable("claims.refuses_reinstatement: the publisher says that it does not reinstate")
        return
    if not publisher.shows_state:
        for each in check.each("WHK-034", "GET-034"):
            each.untestable(WITHOUT_STATE)
        return
    suspended = subscribed.suspend()
    reinstated = subscribed.reinstate()
    first = publisher.receives(reinstated)
    subscribed.settles(reinstated)
    late = publisher.receives(suspended)
    subscribed.effects()
    state = subscribed.subscription.status.value
    account = subscribed.eventually(lambda now: now.status.value == state)

    for each in check.each("WHK-034", "GET-034"):
        if not first.is_success or not (late.is_success or (late.is_client_error and stage.usual("suspend").taken)):
            each.undecided("one of the two notifications was not taken", rests_on=[first, late])
            continue
        each.that(
            account.state.value == state,
            expected=f"{state}, as Get subscription says",
            actual=f"{account.status}; answered {first.status_code} and {late.status_code}",
            rests_on=[first, late, account.exchange],
        )


@requirement("GET-035", "EVT-034")
def test_subscriptions_of_one_buyer_with_one_name_are_kept_apart(stage, publisher, check):
    """Whatever becomes of one, the other, and one bought since, stay as they are; so does a late event of the first."""
    if not publisher.shows_state:
        for each in check.each("GET-035", "EVT-034"):
            each.untestable(WITHOUT_STATE)
        return
    ends, stays = stage.subscribed(name="Twins"), stage.subscribed(name="Twins")
    moved = []
    for happens in (
        *([_changes_plan] if ends.can_change_plan else []),
        Customer.renew,
        *([] if ends.claims.refuses_reinstatement else [Customer.suspend, Customer.reinstate]),
    ):
        announcement = happens(ends)
        publisher.receives(announcement)
        ends.settles(announcement)
        now = ends.subscription
        ends.eventually(lambda account, now=now: account.gives_access is (now.status == "Subscribed"))
        moved += [f"{announcement.operation.action}: {each}" for each in stays.effects_so_far().differences]
    late = ends.suspend()
    answer = publisher.receives(ends.unsubscribe())
    ended = ends.eventually(lambda now: not now.gives_access)
    again = stage.subscribed(name="Twins")
    publisher.receives(late)
    effects = [stays.effects(), again.effects()]
    accounts = [stays.account(), again.account()]
    moved += [each for effect in effects for each in effect.differences]

    check("EVT-034").that(
        answer.is_success and not ended.gives_access,
        expected="the cancelled one has no access",
        actual=f"{answer.status_code}; {ended.status}",
        rests_on=[answer, ended.exchange],
    )
    check("GET-035").that(
        all(account.gives_access for account in accounts) and not moved,
        expected="the other one, and the one bought since, as before",
        actual="; ".join(moved) or "; ".join(f"{account.status}, {account.plan}" for account in accounts),
        rests_on=[answer, *(account.exchange for account in accounts)],
    )


@requirement("EVT-023", "WHK-005", "WHK-010")
def test_a_crowd_of_renewals_is_taken(stage, publisher, check):
    """Many terms begin at one minute: every notification is answered in time, without server error."""
    crowd = [stage.subscribed() for _ in range(CROWD)]
    announcements = [customer.renew() for customer in crowd]
    twin = publisher.receives(announcements[0])
    answers = at_once(*(lambda each=each: publisher.receives(each) for each in announcements[1:]))
    accounts = [customer.eventually(lambda now: now.gives_access) for customer in crowd]

    for each in check.each("EVT-023", "WHK-005"):
        if not twin.is_success:
            each.undecided("Renew is not taken on its own either", rests_on=[twin])
            continue
        each.that(
            all(answer.is_success for answer in answers),
            expected=f"{len(answers)} notifications at one instant: all taken",
            actual=", ".join(str(answer.status_code or answer.error) for answer in answers),
            rests_on=[twin, *answers],
        )
    if twin.is_success:
        seen = [account for account in accounts if account is not None]
        check("EVT-023").that(
            all(account.gives_access for account in seen),
            expected="access goes on",
            actual=", ".join(str(account.status) for account in seen) or "no state page",
            rests_on=[account.exchange for account in seen],
        )
    slowest = max(answer.exchange.seconds for answer in answers)
    check("WHK-010").that(
        slowest < REPLY_SECONDS,
        expected=f"all answered within {REPLY_SECONDS:g} s",
        actual=f"the slowest after {slowest:.1f} s",
        rests_on=answers,
    )


@requirement("EVT-042", "WHK-034")
def test_subscribe_and_a_visit_at_one_instant_make_one_account(stage, publisher, check):
    """The notification of an automatic activation and the buyer's *Manage account* come together."""
    customer = stage.auto_activated()
    announcement = customer.announced(Action.SUBSCRIBE)
    answer, page = at_once(lambda: publisher.receives(announcement), customer.manage)
    account = customer.eventually(lambda now: now.gives_access)
    activated = customer.called("activate")
    status = page.answer.status_code

    for each in check.each("EVT-042", "WHK-034"):
        if not customer.resolved:
            each.undecided("the page did not resolve the token", rests_on=[answer, page.answer])
            continue
        if answer.is_client_error or not (answer.is_success or stage.usual("suspend").taken):
            each.undecided("the notification was not taken", rests_on=[answer, page.answer])
            continue
        each.that(
            answer.is_success
            and status is not None
            and status < 500
            and (account is None or (account.gives_access and account.has(plan=customer.subscription.plan_id))),
            expected="200, a page below 500, one account with access",
            actual=f"{answer.status_code}, page {status}, {account.status if account else 'no state page'}; "
            f"{briefly(activated, otherwise='no activate call')}",
            rests_on=[answer, page.answer, *activated],
        )
