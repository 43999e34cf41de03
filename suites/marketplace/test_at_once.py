"""Two calls at once: each answer, and what comes of both, is what some order of them explains (several themes)."""

import pytest

from fulfillment_conformance.backend.judgements import value_is
from fulfillment_conformance.backend.situations import FINAL
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.together import at_once


@pytest.fixture(autouse=True)
def _in_a_sandbox(situations):
    """What real customers have is not raced for; one call after the other decides the requirements there."""
    with situations.further():
        situations.needs("purchases")


@requirement("ACT-013")
def test_two_activations_at_once_activate_once(marketplace, situations, check):
    """Activated from two tabs, a purchase is active: one call is accepted, the other as well or refused with 4xx."""
    purchase = situations.buy()
    answers = at_once(*[lambda: marketplace.activate(purchase.id, plan=purchase.plan)] * 2)
    status = situations.wait_for_status(purchase, "Subscribed").status

    _one_is_accepted(check("ACT-013"), answers, "call")
    if status.value != "PendingFulfillmentStart":  # which ACT-003 asks, of one activation
        check("ACT-013").equals(status, "Subscribed")


@requirement("CHP-002", "CHQ-003", "CHP-022", "CHQ-020", "CHP-025")
def test_two_changes_at_once_are_two_changes(marketplace, situations, check):
    """A plan and a number of seats, asked for at once: what is accepted is an operation of its own, and carried out."""
    with situations.further():
        purchase = situations.subscribed("per-seat")
        plan = situations.other_plan(purchase)
        seats = situations.other_quantity(purchase)
    answers = at_once(
        lambda: marketplace.change_plan(purchase.id, plan.plan_id),
        lambda: marketplace.change_quantity(purchase.id, seats),
    )
    accepted = [answer for answer in answers if answer.status_code == 202]
    _one_is_accepted(check("CHP-025"), answers, "change")
    for answer, located, valued, wanted in zip(
        answers,
        ("CHP-002", "CHQ-003"),
        ("CHP-022", "CHQ-020"),
        ({"plan": plan.plan_id}, {"quantity": seats}),
        strict=True,
    ):
        if answer.status_code != 202:
            for each in check.each(located, valued):
                each.not_applicable("the other change came first")
            continue
        is_shared = answer.operation_id in [other.operation_id for other in accepted if other is not answer]
        check(located).that(
            answer.operation_id is not None and not is_shared,
            expected="202 with an Operation-Location that names an operation of its own",
            actual=f"{answer.operation_location or 'no Operation-Location'}"
            f"{', which the other change was answered with as well' if is_shared else ''}",
            rests_on=accepted,
        )
        if answer.operation_id is None:
            check(valued).not_applicable(f"nobody knows the operation ({located})")
            continue
        change = situations.change_of(purchase, answer, **wanted)
        marketplace.update_operation(purchase.id, change.operation_id, "Success")
        ended = situations.ended(change)
        if ended.status.value != "Succeeded" or len(accepted) == 2:
            # Of two that were accepted, one may have been overtaken, or have brought its own seats along.
            check(valued).is_one_of(ended.status, sorted(FINAL))
            continue
        value_is(check(valued), change.value_in(marketplace.get_subscription(purchase.id)), change.wanted)


@requirement("DEL-003", "DEL-010")
def test_a_change_and_a_cancellation_at_once_agree(marketplace, situations, check):
    """Cancelled is cancelled, whatever else was asked for; a cancellation that was refused came after the change."""
    with situations.further():
        purchase = situations.subscribed()
        plan = situations.other_plan(purchase).plan_id
    change, cancelled = at_once(
        lambda: marketplace.change_plan(purchase.id, plan), lambda: marketplace.cancel(purchase.id)
    )
    if cancelled.is_success:
        check("DEL-010").not_applicable("the cancellation came first")
        situations.wait_for_status(purchase, "Unsubscribed")
        if situations.has("clock"):
            situations.pass_time(minutes=1)
        check("DEL-003").equals(marketplace.get_subscription(purchase.id).status, "Unsubscribed")
        return
    check("DEL-003").not_applicable("the change came first")
    if change.status_code == cancelled.status_code == 409:
        check("DEL-010").not_applicable("each of both met the other, and was refused")
        return
    shown = marketplace.get_subscription(purchase.id)
    check("DEL-010").that(
        change.is_success and shown.status.value != "Unsubscribed",
        expected="one of both accepted; a refused cancellation cancels nothing",
        actual=f"change {change.status_code}, cancellation {cancelled.status_code}, {shown.status.value}",
        rests_on=[change, cancelled, shown],
    )


@requirement("OPP-018")
def test_of_two_words_at_once_one_stands(marketplace, situations, check):
    """Success and Failure at once: the operation ends by one that was answered 200, and the plan is as it says."""
    with situations.further():
        situations.needs("events")
        change = situations.pending_change()
    words = ("Success", "Failure")
    answers = at_once(
        *[
            lambda word=word: marketplace.update_operation(change.purchase.id, change.operation_id, word)
            for word in words
        ]
    )
    ended = situations.ended(change)
    shown = change.value_in(marketplace.get_subscription(change.purchase.id))
    taken = [
        state
        for state, answer in zip((("Succeeded", change.wanted), ("Failed", change.before)), answers, strict=True)
        if answer.is_success
    ]

    if shown.value == change.wanted and not answers[0].is_success:
        check("OPP-018").not_applicable("a rejected change is carried out all the same, which OPP-002 is about")
        return
    said = " and ".join(f"{word} {answer.status_code}" for word, answer in zip(words, answers, strict=True))
    ends = " or ".join(f"{status} with {value}" for status, value in taken) or "there was none"
    are_answers = all(answer.is_success or answer.status_code == 409 for answer in answers)
    check("OPP-018").that(
        are_answers and (ended.status.value, shown.value) in taken,
        expected="one word taken, the other answered 409, or 200 without effect; operation and subscription as a word "
        f"that was taken has it: {ends}",
        actual=f"{said}; the operation {ended.status.value}, the subscription with {shown.value}",
        rests_on=[*answers, ended, shown],
    )


def _one_is_accepted(check, answers, what):
    """Check that one of two calls is accepted, and that the other is accepted too or refused, as some order has it."""
    check.that(
        any(answer.is_success for answer in answers)
        and all(answer.is_success or answer.is_client_error for answer in answers),
        expected=f"one {what} accepted, the other accepted or refused with 4xx",
        actual=" and ".join(str(answer.status_code) for answer in answers),
        rests_on=answers,
    )
