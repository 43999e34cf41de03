"""A customer changes the plan at the marketplace: validate, apply, report, or refuse in time (scenarios D01 to D14)."""

import uuid

from fulfillment_conformance.marks import requirement

REPLY_SECONDS = 10.0


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
        if publisher.shows_state:
            account = subscribed.eventually(lambda now: now.plan.value == plan)
            each.equals(account.plan, plan)
        elif not outcome.patches:
            each.untestable("publisher.state: without it nothing shows which plan the publisher has now")


@requirement("WHK-008")
def test_the_operation_is_read_before_anything_is_done(publisher, subscribed, check):
    """Get Operation comes before the PATCH that reports the outcome."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    answer = publisher.receives(announcement)
    outcome = subscribed.settles(announcement)
    calls = subscribed.calls()
    looked = [
        index
        for index, call in enumerate(calls)
        if call.method == "GET" and f"/operations/{announcement.operation.id}" in call.url
    ]
    acted = [index for index, call in enumerate(calls) if call in outcome.patches]

    check("WHK-008").that(
        bool(looked) and (not acted or looked[0] < acted[0]),
        expected=f"GET .../operations/{announcement.operation.id} before the outcome is reported",
        actual=", ".join(f"{call.method} …{call.url.split('?')[0][-60:]}" for call in calls) or "no call at all",
        rests_on=[answer, *calls],
    )


@requirement("OPP-003", "WHK-039")
def test_the_outcome_is_reported_in_the_right_words(publisher, subscribed, check):
    """PATCH says exactly Success or Failure, about the operation and subscription of the notification."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    answer = publisher.receives(announcement)
    outcome = subscribed.settles(announcement)
    patches = subscribed.patches()
    if not patches:
        reason = "the publisher sent no PATCH: silence for ten seconds is acceptance"
        for each in check.each("OPP-003", "WHK-039"):
            each.not_applicable(reason)
        return

    for word in [subscribed.word_of(patch) for patch in patches]:
        check("OPP-003").that(
            word in {"Success", "Failure"}, expected="status Success or Failure", actual=word, rests_on=patches
        )
    path = f"/subscriptions/{subscribed.id}/operations/{announcement.operation.id}"
    check("WHK-039").that(
        all(path in patch.url for patch in patches),
        expected=f"PATCH …{path}",
        actual=", ".join(patch.url.split("?")[0] for patch in patches),
        rests_on=[answer, *patches, *outcome.patches],
    )


@requirement("OPP-013", "OPP-014")
def test_the_outcome_is_reported_within_ten_seconds_and_after_the_change(publisher, subscribed, check):
    """PATCH follows the webhook within the window, and what it reports has been carried out."""
    plan = subscribed.other_plan().plan_id
    announcement = subscribed.change_plan(plan)
    answer = publisher.receives(announcement)
    outcome = subscribed.settles(announcement)
    if publisher.service.claims.refuses_changes or not publisher.service.claims.acknowledges_changes:
        for each in check.each("OPP-013", "OPP-014"):
            each.not_applicable("claims: the publisher says that it does not report success")
        return
    sent = answer.exchange.at
    spans = [(patch.at - sent).total_seconds() for patch in outcome.patches]

    check("OPP-013").that(
        any(span <= REPLY_SECONDS for span in spans),
        expected=f"PATCH within {REPLY_SECONDS:g} s of the notification",
        actual=f"PATCH after {', '.join(f'{span:.1f} s' for span in spans)}" if spans else "no PATCH",
        rests_on=[answer, *outcome.patches],
    )
    if not publisher.shows_state or not outcome.patches:
        check("OPP-014").untestable("publisher.state and a PATCH: what was carried out when cannot be seen")
        return
    account = subscribed.account()
    check("OPP-014").equals(account.plan, plan if outcome.operation.status == "Succeeded" else account.plan)


@requirement("OPP-015")
def test_a_change_that_the_publisher_cannot_perform_is_refused(stage, publisher, check):
    """A plan that the publisher refuses: PATCH Failure or 4xx in time, and the old plan stays on both sides."""
    if not stage.refused_plans and not publisher.service.claims.refuses_changes:
        check("OPP-015").untestable("claims.refused_plans: the target file names no plan that the publisher refuses")
        return
    customer = stage.subscribed()
    plan = next(iter(stage.refused_plans), None) or customer.other_plan().plan_id
    announcement = customer.change_plan(plan)
    answer = publisher.receives(announcement)
    outcome = customer.settles(announcement)
    account = customer.account()

    check("OPP-015").that(
        outcome.operation.status == "Failed",
        expected="a 4xx reply or PATCH Failure within ten seconds",
        actual=f"reply {answer.status_code}, PATCH {outcome.words or 'none'}, operation {outcome.operation.status}",
        rests_on=[answer, *outcome.patches],
    )
    if account is not None:
        check("OPP-015").that(
            account.plan.value != plan,
            expected=f"the publisher's plan is not {plan!r}",
            actual=account.plan.value,
            rests_on=[account.exchange],
        )


@requirement("WHK-009", "WHK-044")
def test_an_operation_that_the_marketplace_does_not_know_changes_nothing(microsoft, publisher, subscribed, check):
    """A plan change whose operation Get Operation cannot find is not carried out."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    payload = microsoft.payload(announcement) | {"id": str(uuid.UUID(int=0x5EED))}
    lie = publisher.receives(announcement, payload=payload, forged=True)
    effect = subscribed.effects()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success and not publisher.service.claims.refuses_changes:
        for each in check.each("WHK-009", "WHK-044"):
            each.undecided("the same change with its real operation was not taken either", rests_on=[lie, twin])
        return
    for each in check.each("WHK-009", "WHK-044"):
        each.no_effect(effect)


@requirement("WHK-009", "WHK-045")
def test_a_payload_that_contradicts_the_operation_is_never_applied(microsoft, publisher, subscribed, check):
    """The payload names another plan than the operation: refuse, or apply what the operation says."""
    plan = subscribed.other_plan().plan_id
    lie = subscribed.plan_to_lie_about(plan) or "a-plan-that-nobody-sells"
    announcement = subscribed.change_plan(plan)
    answer = publisher.receives(announcement, payload=microsoft.payload(announcement) | {"planId": lie}, forged=True)
    effect = subscribed.effects()
    account = subscribed.account()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success and not publisher.service.claims.refuses_changes:
        for each in check.each("WHK-009", "WHK-045"):
            each.undecided("the same change with a true payload was not taken either", rests_on=[answer, twin])
        return
    if account is None:
        for each in check.each("WHK-009", "WHK-045"):
            each.untestable("publisher.state: without it nothing shows which plan was applied")
        return
    for each in check.each("WHK-009", "WHK-045"):
        each.that(
            account.plan.value != lie,
            expected=f"the plan is not {lie!r}, which only the payload named",
            actual=f"{account.plan.value!r}; " + ("; ".join(effect.changes()) or "no effect"),
            rests_on=[answer, account.exchange, *effect.evidence()],
        )


@requirement("WHK-032")
def test_the_same_notification_twice_has_one_effect(publisher, subscribed, check):
    """A redelivery is answered 2xx again and changes nothing further."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    first = publisher.receives(announcement)
    subscribed.settles(announcement)
    subscribed.eventually(lambda now: now.plan.value == announcement.operation.plan_id)
    subscribed.remember()
    again = publisher.receives(announcement, forged=True)
    effect = subscribed.effects()

    if not first.is_success:
        check("WHK-032").undecided("the first delivery was not taken", rests_on=[first])
        return
    check("WHK-032").accepted(again)
    check("WHK-032").no_change_of_state(effect)


@requirement("WHK-011")
def test_unknown_properties_do_no_harm(microsoft, publisher, subscribed, check):
    """Microsoft may add to the payload at both levels."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    payload = microsoft.payload(announcement) | {"aNewProperty": {"nested": [1, None]}, "another": "x"}
    if isinstance(payload.get("subscription"), dict):
        payload["subscription"] = payload["subscription"] | {"aNewProperty": True}
    answer = publisher.receives(announcement, payload=payload)
    outcome = subscribed.settles(announcement)

    if publisher.service.claims.refuses_changes:
        check("WHK-011").not_applicable("claims.refuses_changes: the publisher says that it refuses all changes")
        return
    check("WHK-011").accepted(answer)
    check("WHK-011").that(
        outcome.operation.status == "Succeeded",
        expected="the change goes through",
        actual=f"operation {outcome.operation.status}",
        rests_on=[answer, *outcome.patches],
    )


@requirement("WHK-043")
def test_broken_json_is_a_clients_mistake(publisher, subscribed, check):
    """A body that is no JSON is refused with 4xx, and the next good call works."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    broken = publisher.receives(announcement, payload=b"{", forged=True)
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    check("WHK-043").refused(broken, while_twin=twin)


@requirement("WHK-033")
def test_an_unknown_action_changes_nothing(microsoft, publisher, subscribed, check):
    """A word that is not among the seven events: no server error, no effect."""
    announcement = subscribed.change_plan(subscribed.other_plan().plan_id)
    payload = microsoft.payload(announcement) | {"action": "Transfer"}
    answer = publisher.receives(announcement, payload=payload, forged=True)
    effect = subscribed.effects()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    check("WHK-033").that(
        answer.status_code is not None and answer.status_code < 500,
        expected="no server error",
        actual=answer.status_code or answer.error,
        rests_on=[answer],
        notes=[] if answer.is_success else [f"{answer.status_code}: 2xx would end the delivery"],
    )
    if twin.is_success:
        check("WHK-033").no_effect(effect)
    else:
        check("WHK-033").undecided("the genuine change was not taken either", rests_on=[twin])
