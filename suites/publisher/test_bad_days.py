"""The marketplace refuses, stumbles or keeps silent (scenarios D07, D08, D12, E04, E05, E08, F05, F10, F11)."""

import time
from contextlib import ExitStack
from datetime import timedelta
from threading import Event

import pytest

from fulfillment_conformance.emulator.faults import Answers, BreaksOff, KeepsSilent, Rewrites, Waits
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import briefly, refused_for_its_values
from fulfillment_conformance.together import at_once

A_FEW = 8
"""How many tries of one call are still bounded."""

NO_PATCH = "the publisher sends no PATCH: silence for ten seconds is acceptance"
SILENCE_SECONDS = 31.0
TOLD_SECONDS = 1.0
"""What Retry-After says."""

REPLY_SECONDS = 10.0


@requirement("HDR-018")
@pytest.mark.parametrize("call", ["resolve", "activate"])
def test_a_call_that_meets_a_server_error_is_repeated(microsoft, purchase, check, call):
    """500 once, then as always: the purchase is activated, and the buyer need not do anything again."""
    with microsoft.disturbed(Answers(500), call=call, times=1) as fault:
        purchase.visit()
        page = purchase.complete()
        activated = purchase.awaits_repeat("activate", fault) if call == "activate" else purchase.awaits("activate")
    tries = purchase.resolves if call == "resolve" else activated

    if not fault.met:
        check("HDR-018").undecided(f"{call} was not called", rests_on=[page.answer])
        return
    if len(tries) > 1 and all(each.status is not None and 400 <= each.status < 500 for each in tries[1:]):
        check("HDR-018").undecided(f"{call} is repeated, and refused for another reason", rests_on=tries)
        return
    check("HDR-018").that(
        any(each.status == 200 for each in tries),
        expected=f"{call} is repeated after 500, and answered",
        actual=briefly(tries, otherwise="no further call"),
        rests_on=[*tries, page.answer],
    )


@requirement("HDR-027")
def test_retry_after_is_waited_for(microsoft, purchase, check):
    """429 with Retry-After: 1, then as always: the call is repeated when it has been waited for."""
    with microsoft.disturbed(
        Answers(429, headers={"retry-after": f"{TOLD_SECONDS:g}"}), call="activate", times=1
    ) as fault:
        purchase.visit()
        page = purchase.complete()
        tries = purchase.awaits_repeat("activate", fault)

    if not fault.met:
        check("HDR-027").undecided("activate was not called", rests_on=[page.answer])
        return
    if len(tries) > 1 and all(map(refused_for_its_values, tries[1:])):
        check("HDR-027").undecided("it is repeated, and refused for what its body names (ACT-006)", rests_on=tries)
        return
    pause = (tries[1].at - tries[0].at).total_seconds() if len(tries) > 1 else 0.0
    check("HDR-027").that(
        any(each.status == 200 for each in tries) and pause > TOLD_SECONDS - 0.1,
        expected=f"activate repeated {TOLD_SECONDS:g} s after 429 or later, as told, and the purchase activated",
        actual=briefly(tries, otherwise="no call") + (f"; repeated after {pause:.2f} s" if len(tries) > 1 else ""),
        rests_on=[*tries, page.answer],
    )


@requirement("HDR-032", "OPP-020", "WHK-010")
def test_silence_is_not_waited_for_without_end(stage, microsoft, publisher, check):
    """Activate, the reads and the PATCH get no answer at first: each call is given up in time and made again."""
    buys = stage.purchase()
    changes, reports, looks = (stage.subscribed() for _ in range(3))
    announced = [customer.change_plan(customer.other_plan().plan_id) for customer in (changes, reports, looks)]

    def complete():
        buys.visit()  # which activates already where there is nothing to confirm
        buys.complete()
        return buys.awaits_repeat("activate", a, silence=SILENCE_SECONDS)

    def receive():
        return publisher.receives(announced[0])

    def look():
        return publisher.receives(announced[2])

    def report():
        publisher.receives(announced[1])
        return reports.awaits_repeat("settle_operation", c, silence=SILENCE_SECONDS, of=announced[1])

    with (
        microsoft.disturbed(KeepsSilent(SILENCE_SECONDS, carried_out=True), call="activate", of=buys.id, times=1) as a,
        microsoft.disturbed(KeepsSilent(REPLY_SECONDS - 1), call="get_operation", of=changes.id, times=1) as b,
        microsoft.disturbed(KeepsSilent(SILENCE_SECONDS), call="settle_operation", of=reports.id, times=1) as c,
        microsoft.disturbed(KeepsSilent(REPLY_SECONDS - 1), call="get_subscription", of=looks.id, times=1) as d,
    ):
        activations, answer, patches, looked = at_once(complete, receive, report, look)
    started, account = buys.subscription.status.value, buys.eventually(lambda now: now.gives_access)
    for customer, announcement in zip((changes, reports, looks), announced, strict=True):
        customer.settles(announcement)

    if a.met:
        check("HDR-032").that(
            1 < len(activations) <= A_FEW
            and activations[0].status is None
            and (account is None or account.gives_access),
            expected=f"activate given up within {SILENCE_SECONDS:g} s and repeated, one account in the end",
            actual=f"{briefly(activations, otherwise='no call')}; {started}; "
            f"{account.status if account else 'no state page'}",
            rests_on=activations,
        )
    else:
        check("HDR-032").undecided("activate was not called")
    for fault, customer, call, reply in (
        (b, changes, "Get operation", answer),
        (d, looks, "Get subscription", looked),
    ):
        if fault.met:
            check("WHK-010").that(
                reply.status_code is not None and reply.exchange.seconds < REPLY_SECONDS,
                expected=f"a reply within {REPLY_SECONDS:g} s although {call} takes {REPLY_SECONDS - 1:g} s",
                actual=f"{reply.status_code} after {reply.exchange.seconds:.1f} s",
                rests_on=[reply, *customer.calls()],
            )
    if not b.met and not d.met:
        check("WHK-010").undecided("neither operation nor subscription was read", rests_on=[answer, looked])
    if c.met:
        check("OPP-020").that(
            1 < len(patches) <= A_FEW,
            expected="the PATCH repeated after a time-out, at most a few times",
            actual=briefly(patches, otherwise="no PATCH"),
            rests_on=patches,
        )
    else:
        check("OPP-020").not_applicable(NO_PATCH)


@requirement("OPP-020")
@pytest.mark.parametrize("fault", [Answers(500), BreaksOff()], ids=["500", "cut"])
def test_a_report_that_meets_a_server_error_is_repeated_a_few_times(microsoft, publisher, subscribed, check, fault):
    """The PATCH is answered 500, or its connection cut, each time: repeated, bounded, and the webhook goes on."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    with microsoft.disturbed(fault, call="settle_operation", of=subscribed.id) as disturbed:
        answer = publisher.receives(announcement)
        subscribed.awaits_repeat("settle_operation", disturbed, of=announcement)
        microsoft.calms_down(lambda: disturbed.met, beyond=A_FEW)
        patches = subscribed.called("settle_operation")
    microsoft.advance(timedelta(seconds=REPLY_SECONDS + 1))
    next_one = subscribed.change_plan(subscribed.other_plan().plan_id)
    twin = publisher.receives(next_one)
    subscribed.settles(next_one)

    if not patches:
        check("OPP-020").not_applicable(NO_PATCH)
        return
    check("OPP-020").that(
        1 < len(patches) <= A_FEW and answer.is_success and twin.is_success,
        expected=f"the PATCH repeated, at most {A_FEW} times, and the next notification taken",
        actual=f"{briefly(patches, otherwise='no PATCH')}; next notification {twin.status_code}",
        rests_on=[answer, *patches, twin],
    )


@requirement("OPP-019")
@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_refused_report_leads_to_a_fresh_look(stage, microsoft, publisher, subscribed, check, status):
    """PATCH answered 400, 404 or 409: a few tries at most, then Get subscription, and no failed webhook."""
    usual = stage.usual("change_plan")
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    with microsoft.disturbed(Answers(status), call="settle_operation", of=subscribed.id) as fault:
        answer = publisher.receives(announcement)
        patched = subscribed.awaits_patches(announcement)
        microsoft.calms_down(lambda: fault.met, beyond=A_FEW)
        microsoft.advance(timedelta(seconds=REPLY_SECONDS + 1))
        read = subscribed.awaits_reads(after=patched)
        account = subscribed.eventually(lambda now: now.has(plan=subscribed.subscription.plan_id))
    patches = subscribed.called("settle_operation")

    if not patches:
        check("OPP-019").not_applicable(NO_PATCH)
        return
    if not usual.works:
        check("OPP-019").undecided("a change has no effect in any case", rests_on=[*usual.rests_on, answer])
        return
    check("OPP-019").that(
        answer.is_success
        and len(patches) <= A_FEW
        and bool(read)
        and (account is None or account.has(plan=subscribed.subscription.plan_id)),
        expected=f"PATCH answered {status}: the notification taken, at most {A_FEW} tries, then the subscription read",
        actual=f"notification {answer.status_code}, {len(patches)} PATCH calls, {len(read)} reads after them, "
        f"{account.plan if account else 'no state page'}",
        rests_on=[answer, *patches, *read, *([account.exchange] if account else [])],
    )


@requirement("WHK-009", "WHK-044")
@pytest.mark.parametrize("status", [400, 404])
def test_an_operation_that_get_operation_does_not_confirm_is_not_carried_out(
    stage, microsoft, publisher, subscribed, check, status
):
    """404 as documented, 400 as seen: both mean that the change is not verified, and may be refused for good."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    with microsoft.disturbed(Answers(status), call="get_operation", of=subscribed.id):
        answer = publisher.receives(announcement, forged=True)
        effect = subscribed.effects().but_refusals()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)
    remembered = answer.is_client_error and twin.is_client_error and stage.usual("change_plan").works

    if not (twin.is_success or remembered or subscribed.claims.refuses_changes):
        for each in check.each("WHK-009", "WHK-044"):
            each.undecided("the same change was not taken when it could be confirmed either", rests_on=[answer, twin])
        return
    check("WHK-009").no_effect(effect)
    check("WHK-044").no_change_of_access(effect)


@requirement("OPL-014", "OPL-010")
def test_an_operation_that_the_list_does_not_show_is_handled_all_the_same(
    stage, microsoft, publisher, subscribed, check
):
    """List operations is empty while Get operation finds the change: the change is as good as any."""
    usual = stage.usual("change_plan")
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    with microsoft.disturbed(Rewrites(lambda _: {"operations": []}, "list"), call="list_operations"):
        answer = publisher.receives(announcement)
        outcome = subscribed.settles(announcement)
    listed = subscribed.called("list_operations")

    if subscribed.claims.refuses_changes:
        check("OPL-014").not_applicable("claims.refuses_changes: the publisher says that it refuses all changes")
    elif not usual.works:
        check("OPL-014").undecided("a change that the list shows has no effect either", rests_on=usual.rests_on)
    else:
        check("OPL-014").that(
            outcome.operation.status == "Succeeded",
            expected="the change accepted",
            actual=f"reply {answer.status_code}, operation {outcome.operation.status}",
            rests_on=[answer, *listed, *outcome.patches, *usual.rests_on],
        )
    if not listed:
        check("OPL-010").not_applicable("the publisher does not read the list of operations")
    elif not answer.is_success:
        check("OPL-010").undecided(
            "the notification was not taken, so that there is nothing to report", rests_on=[answer]
        )
    else:
        check("OPL-010").that(
            bool(outcome.patches),
            expected="the PATCH of an operation that the publisher looked for in the list",
            actual=briefly(list(outcome.patches), otherwise="no PATCH"),
            rests_on=[*listed, *outcome.patches],
        )


@requirement("WHK-057")
def test_an_event_that_takes_long_is_not_in_the_way_of_others(stage, microsoft, publisher, check):
    """The marketplace keeps silent about one subscription: meanwhile an event of another one has its effect."""
    usual, stuck, other = stage.usual("suspend"), stage.subscribed(), stage.subscribed()
    waiting, announcement = stuck.suspend(), other.suspend()
    answered, over = Event(), Event()

    def receive():
        answer = publisher.receives(waiting, forged=True)
        answered.set()
        return answer

    def meanwhile():
        if not silence.begun.wait(publisher.effect_limit):
            return None
        begun = time.monotonic()
        answer = publisher.receives(announcement)
        held_up = answered.is_set()
        account = other.eventually(lambda now: not now.gives_access)
        over.set()
        return answer, account, held_up, time.monotonic() - begun

    with microsoft.disturbed(Waits(over.is_set, REPLY_SECONDS - 1), call="*", of=stuck.id) as silence:
        first, seen = at_once(receive, meanwhile)

    if seen is None:
        check("WHK-057").not_applicable("the publisher does not ask the marketplace about a Suspend")
        return
    answer, account, held_up, seconds = seen
    if not usual.works:
        check("WHK-057").undecided("such an event has no effect in any case", rests_on=[*usual.rests_on, answer])
        return
    # Who answers at once does the work later: its effect must come while the other work still waits.
    waits_for_the_other = seconds >= REPLY_SECONDS - 1 if first.is_success else held_up
    check("WHK-057").that(
        answer.is_success and (account is None or not account.gives_access) and not waits_for_the_other,
        expected="events of other subscriptions carried out meanwhile",
        actual=f"{answer.status_code} after {answer.exchange.seconds:.1f} s"
        f"{', when the other one had been answered' if held_up else ''}; "
        f"{account.status if account else 'no state page'} after {seconds:.1f} s",
        rests_on=[first, answer, *([account.exchange] if account else [])],
    )


@requirement("WHK-055", "WHK-056", "WHK-057")
def test_an_event_that_cannot_be_checked_is_neither_lost_nor_in_the_way(stage, microsoft, publisher, check):
    """Get operation and Get subscription answer 500: 5xx, or a queue; others go on; the redelivery completes it."""
    usual, stuck, other = stage.usual("suspend"), stage.subscribed(), stage.subscribed()
    announcement = stuck.suspend()
    with (
        microsoft.disturbed(Answers(500), call="get_operation", of=stuck.id),
        microsoft.disturbed(Answers(500), call="get_subscription", of=stuck.id) as fault,
    ):
        first = publisher.receives(announcement, forged=True)
        meanwhile = publisher.receives(other.suspend())
        followed = other.eventually(lambda now: not now.gives_access)
        again = publisher.receives(announcement, forged=True)
    queued = stuck.eventually(lambda now: not now.gives_access) if first.is_success else None
    redelivered = publisher.receives(announcement)
    account = stuck.eventually(lambda now: not now.gives_access)

    if not fault.met:
        for each in check.each("WHK-055", "WHK-056"):
            each.not_applicable("the publisher does not ask the marketplace about a Suspend")
    else:
        if not usual.works:
            check("WHK-055").undecided(
                "such an event has no effect in any case", rests_on=[*usual.rests_on, redelivered]
            )
        else:
            check("WHK-055").that(
                redelivered.is_success and (account is None or not account.gives_access),
                expected="the redelivery is taken and completes the event",
                actual=f"{redelivered.status_code}; {account.status if account else 'no state page'}",
                rests_on=[first, again, redelivered],
            )
        if first.is_success and not usual.works:
            check("WHK-056").undecided("such an event has no effect in any case", rests_on=[*usual.rests_on, first])
        elif first.is_success and queued is None:
            check("WHK-056").untestable("publisher.state: nothing shows whether what was answered 200 is done later")
        else:
            check("WHK-056").that(
                first.is_server_error or (first.is_success and not queued.gives_access),
                expected="5xx, or 200 and the event carried out later without being sent again",
                actual=f"{first.status_code}; {queued.status if queued else 'to be sent again'}",
                rests_on=[first, *([queued.exchange] if queued else [])],
            )
    if not usual.works:
        check("WHK-057").undecided("such an event has no effect in any case", rests_on=[*usual.rests_on, meanwhile])
        return
    check("WHK-057").that(
        meanwhile.is_success and (followed is None or not followed.gives_access),
        expected="events of other subscriptions are taken meanwhile",
        actual=f"{meanwhile.status_code}; {followed.status if followed else 'no state page'}",
        rests_on=[first, meanwhile, again],
    )


@requirement("WHK-009", "WHK-055", "WHK-056")
@pytest.mark.parametrize("fault", [Answers(500), BreaksOff()], ids=["500", "cut"])
def test_a_change_whose_operation_cannot_be_read_is_not_lost(stage, microsoft, publisher, subscribed, check, fault):
    """Get operation gives no answer: the plan stays until it does, and both sides have the same one in the end.

    5xx: the redelivery completes it. 200: it is carried out later, or rejected by PATCH. 4xx: it is rejected.
    """
    rows = ("WHK-009", "WHK-055", "WHK-056")
    if subscribed.claims.refuses_changes:
        for each in check.each("WHK-055", "WHK-056"):
            each.not_applicable("claims.refuses_changes: the publisher says that it refuses all changes")
        rows = ("WHK-009",)
    old, plan = subscribed.subscription.plan_id, subscribed.other_plan().plan_id
    announcement = subscribed.change_plan(plan)
    with microsoft.disturbed(fault, call="get_operation", of=subscribed.id) as met:
        first = publisher.receives(announcement)
        effect = subscribed.effects().but_refusals()
    if not met.met:
        for each in check.each(*rows):
            each.not_applicable("the publisher does not read the operation of a change")
        return
    again = first
    if first.is_server_error:
        again = publisher.receives(announcement, forged=False)
    outcome = subscribed.settles(announcement)
    present = subscribed.subscription.plan_id
    account = subscribed.eventually(lambda now: now.has(plan=present))
    told = f"{first.status_code or first.error}; operation {outcome.operation.status}, plan {present!r}; " + (
        str(account.plan) if account else "no state page"
    )

    if subscribed.claims.refuses_changes:
        check("WHK-009").no_effect(effect)
        return
    if not (usual := stage.usual("change_plan")).works:
        for each in check.each(*rows):
            each.undecided("a change has no effect in any case", rests_on=[*usual.rests_on, first])
        return
    check("WHK-009").no_effect(effect)
    if first.is_server_error:
        check("WHK-055").that(
            again.is_success and present == plan and (account is None or account.has(plan=plan)),
            expected="the redelivery is taken and completes the change",
            actual=f"{again.status_code or again.error}, after {told}",
            rests_on=[first, again, *outcome.patches],
        )
    else:
        check("WHK-055").not_applicable("the notification was not asked for again")
    if account is None and first.is_success and present != old:
        check("WHK-056").untestable("publisher.state: nothing shows whether what was answered 200 is done later")
        return
    check("WHK-056").that(
        first.is_server_error or (first.status_code is not None and (account is None or account.has(plan=present))),
        expected="5xx, a rejection, or 200 and the change carried out later: the same plan on both sides",
        actual=told,
        rests_on=[first, *outcome.patches, *([account.exchange] if account else [])],
    )


@requirement("WHK-055", "WHK-056")
@pytest.mark.parametrize("event", ["reinstate", "unsubscribe"])
def test_a_notice_that_cannot_be_checked_is_not_lost(stage, microsoft, publisher, subscribed, check, event):
    """The reads break off, or Get subscription alone answers 500: 5xx, or a queue; in the end it has its effect."""
    rows = ("WHK-055", "WHK-056")
    back = event == "reinstate"
    if back and publisher.service.claims.refuses_reinstatement:
        for each in check.each(*rows):
            each.not_applicable("claims.refuses_reinstatement: the publisher says that it does not reinstate")
        return
    if back:
        publisher.receives(subscribed.suspend())
        subscribed.eventually(lambda now: not now.gives_access)
    announcement = subscribed.reinstate() if back else subscribed.unsubscribe()
    with ExitStack() as stack:
        fault = Answers(500) if back else BreaksOff()
        met = [stack.enter_context(microsoft.disturbed(fault, call="get_subscription", of=subscribed.id))]
        if not back:
            met.append(stack.enter_context(microsoft.disturbed(fault, call="get_operation", of=subscribed.id)))
        first = publisher.receives(announcement, forged=True)
    queued = subscribed.eventually(lambda now: now.gives_access is back) if first.is_success else None
    redelivered = publisher.receives(announcement)
    subscribed.settles(announcement)
    account = subscribed.eventually(lambda now: now.gives_access is back)

    if not any(each.met for each in met):
        for each in check.each(*rows):
            each.not_applicable(f"the publisher does not ask the marketplace about {announcement.operation.action}")
        return
    if not (usual := stage.usual(event)).works:
        for each in check.each(*rows):
            each.undecided("such an event has no effect in any case", rests_on=[*usual.rests_on, redelivered])
        return
    check("WHK-055").that(
        redelivered.is_success and (account is None or account.gives_access is back),
        expected=f"the redelivered {announcement.operation.action} is taken and has its effect",
        actual=f"{redelivered.status_code or redelivered.error}; {account.status if account else 'no state page'}",
        rests_on=[first, redelivered],
    )
    if first.is_success and queued is None:
        check("WHK-056").untestable("publisher.state: nothing shows whether what was answered 200 is done later")
        return
    check("WHK-056").that(
        first.is_server_error or (first.is_success and queued.gives_access is back),
        expected="5xx, or 200 and the event carried out later without being sent again",
        actual=f"{first.status_code or first.error}; {queued.status if queued else 'to be sent again'}",
        rests_on=[first, *([queued.exchange] if queued else [])],
    )
