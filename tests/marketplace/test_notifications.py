from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from tests.marketplace.conftest import START, World, actions, refusal

from fulfillment_conformance.marketplace import DOCUMENTED, OBSERVED, Action, OperationStatus, Rules, SubscriptionStatus

WINDOW = timedelta(seconds=10)
EIGHT_HOURS = timedelta(hours=8)
MOMENT = timedelta(microseconds=1)


def test_a_delivery_is_handed_out_once(world: World) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")
    (delivery,) = world.market.take_deliveries()

    assert delivery.operation == operation
    assert (delivery.attempt, delivery.sent_at) == (1, world.market.now)
    assert world.market.take_deliveries() == []


def test_a_change_nests_the_state_before_it_and_carries_the_requested_value(world: World) -> None:
    before = world.show(world.active("team", quantity=5))
    world.market.customer_changes_quantity(before.id, 8)
    (delivery,) = world.market.take_deliveries()

    assert delivery.subscription == before
    assert (delivery.operation.quantity, delivery.operation.plan_id) == (8, "team")
    assert delivery.operation.status is OperationStatus.IN_PROGRESS


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_silence_after_a_2xx_accepts_a_change_ten_seconds_after_the_answer(world: World, status: int) -> None:
    subscription_id = world.active()
    operation = world.market.customer_changes_plan(subscription_id, "gold")
    world.market.advance_to(START + timedelta(seconds=3))
    world.answer(status)

    world.wait(WINDOW - MOMENT)
    assert world.outcome(operation).is_pending
    assert world.show(subscription_id).plan_id == "silver"
    world.wait(MOMENT)
    assert world.outcome(operation).status is OperationStatus.SUCCEEDED
    assert world.show(subscription_id).plan_id == "gold"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 499])
def test_a_4xx_rejects_a_change_at_once(world: World, status: int) -> None:
    subscription_id = world.active()
    operation = world.market.customer_changes_plan(subscription_id, "gold")
    world.answer(status)

    assert world.outcome(operation).status is OperationStatus.FAILED
    assert world.outcome(operation).error_message == "The publisher rejected the operation."
    assert world.show(subscription_id).plan_id == "silver"
    assert world.wait(EIGHT_HOURS) == []


def test_a_4xx_after_the_window_is_no_rejection_and_the_call_is_repeated(world: World) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")
    (delivery,) = world.market.take_deliveries()
    world.market.advance_to(START + WINDOW + MOMENT)
    world.market.delivery_answered(delivery, 400)

    assert world.outcome(operation).is_pending
    assert actions(world.wait(timedelta(minutes=1))) == [Action.CHANGE_PLAN]


def test_a_4xx_at_the_end_of_the_window_is_a_rejection(world: World) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")
    (delivery,) = world.market.take_deliveries()
    world.market.advance_to(START + WINDOW)
    world.market.delivery_answered(delivery, 400)

    assert world.outcome(operation).status is OperationStatus.FAILED


@pytest.mark.parametrize("status", [None, 199, 300, 302, 500, 503])
def test_a_change_that_is_never_taken_in_fails_after_500_attempts_within_eight_hours(
    world: World, status: int | None
) -> None:
    subscription_id = world.active()
    operation = world.market.customer_changes_plan(subscription_id, "gold")

    sent = world.wait(EIGHT_HOURS, answering=status)

    assert [delivery.attempt for delivery in sent] == list(range(1, 501))
    assert len({delivery.id for delivery in sent}) == 500
    spans = {after.sent_at - before.sent_at for before, after in pairwise(sent)}
    assert spans == {DOCUMENTED.retry_spacing}
    assert sent[-1].sent_at < START + EIGHT_HOURS
    assert {delivery.operation.id for delivery in sent} == {operation.id}
    assert world.outcome(operation).status is OperationStatus.FAILED
    assert "500 attempts" in world.outcome(operation).error_message
    assert world.show(subscription_id).plan_id == "silver"
    assert world.wait(EIGHT_HOURS, answering=status) == []


def test_the_500th_attempt_can_still_be_taken_in(world: World) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")
    while (delivery := world.market.take_deliveries()[0]).attempt < 500:
        world.market.delivery_answered(delivery, 503)
        due = world.market.next_due()
        assert due is not None
        world.market.advance_to(due)
    assert world.outcome(operation).is_pending
    world.market.delivery_answered(delivery, 200)
    world.wait(WINDOW)

    assert world.outcome(operation).status is OperationStatus.SUCCEEDED


def test_every_attempt_nests_the_same_state(world: World) -> None:
    subscription_id = world.active()
    world.market.customer_changes_plan(subscription_id, "gold")
    before = world.show(subscription_id)
    first = world.answer(500)
    world.market.set_auto_renew(subscription_id, auto_renew=False)
    second = world.wait(timedelta(minutes=1))

    assert first[0].subscription == second[0].subscription == before


def test_what_was_not_accepted_can_be_sent_again_at_once(world: World) -> None:
    subscription_id = world.active()
    operation = world.market.customer_changes_plan(subscription_id, "gold")
    world.market.send_again(operation.id)
    (first,) = world.market.take_deliveries()
    world.market.delivery_answered(first, 503)
    world.market.send_again(operation.id)
    world.market.send_again(operation.id)
    (second,) = world.market.take_deliveries()
    world.market.delivery_answered(second, 200)
    world.market.send_again(operation.id)

    assert (second.attempt, second.sent_at) == (2, first.sent_at)
    assert world.market.take_deliveries() == []
    world.wait(WINDOW)
    assert world.outcome(operation).status is OperationStatus.SUCCEEDED
    world.wait(EIGHT_HOURS)
    assert world.market.take_deliveries() == []


def test_slow_answers_do_not_stretch_the_eight_hours(world: World) -> None:
    world.market.customer_changes_plan(world.active(), "gold")
    (first,) = world.market.take_deliveries()
    world.market.advance_to(START + timedelta(seconds=9))
    world.market.delivery_answered(first, 500)

    assert world.market.next_due() == START + DOCUMENTED.retry_spacing


def test_an_answer_later_than_the_next_attempt_was_due_leads_to_one_at_once(world: World) -> None:
    world.market.customer_changes_plan(world.active(), "gold")
    (first,) = world.market.take_deliveries()
    world.market.advance_to(START + timedelta(minutes=2))
    world.market.delivery_answered(first, None)

    assert world.market.next_due() == world.market.now
    world.market.advance_to(world.market.now)
    assert [delivery.attempt for delivery in world.market.take_deliveries()] == [2]


@pytest.mark.parametrize("status", [None, 302, 400, 404, 500])
def test_what_only_informs_is_repeated_until_it_is_taken_in_and_stays_in_force(
    world: World, status: int | None
) -> None:
    subscription_id = world.active()
    operation = world.market.unsubscribe(subscription_id)

    sent = world.wait(EIGHT_HOURS, answering=status)

    assert len(sent) == 500
    assert world.outcome(operation).status is OperationStatus.SUCCEEDED
    assert world.show(subscription_id).status is SubscriptionStatus.UNSUBSCRIBED
    assert world.wait(EIGHT_HOURS, answering=status) == []


def test_what_only_informs_is_done_with_the_first_2xx(world: World) -> None:
    world.market.suspend(world.active())
    world.answer(500)
    world.answer(500)

    assert [delivery.attempt for delivery in world.wait(EIGHT_HOURS, answering=200)] == [2]


def test_an_answer_counts_once_and_only_for_the_attempt_it_belongs_to(world: World) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")
    (first,) = world.market.take_deliveries()
    world.market.delivery_answered(first, 500)
    before = world.frozen()
    world.market.delivery_answered(first, 400)
    assert world.frozen() == before

    world.market.advance_to(START + timedelta(minutes=1))
    world.market.delivery_answered(first, 400)
    assert world.outcome(operation).is_pending


def test_an_answer_after_the_operation_has_ended_changes_nothing(world: World) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")
    (delivery,) = world.market.take_deliveries()
    world.settle(operation, "Success")
    before = world.frozen()
    world.market.delivery_answered(delivery, 400)
    world.market.delivery_answered(delivery, 503)

    assert world.frozen() == before


def test_notifications_of_several_subscriptions_do_not_disturb_each_other(world: World) -> None:
    failing, working = world.active(), world.active()
    world.market.suspend(failing)
    world.answer(500)
    world.market.customer_changes_plan(working, "gold")
    (first,) = world.market.take_deliveries()
    world.market.delivery_answered(first, 200)
    sent = world.wait(EIGHT_HOURS, answering=500)

    assert {delivery.operation.subscription_id for delivery in sent} == {failing}
    assert len(sent) == 499
    assert world.show(working).plan_id == "gold"


def test_where_silence_is_no_consent_an_unacknowledged_change_fails_after_eight_hours() -> None:
    world = World(replace(DOCUMENTED, silence_accepts=False))
    subscription_id = world.active()
    operation = world.market.customer_changes_plan(subscription_id, "gold")
    world.wait(EIGHT_HOURS - MOMENT)
    assert world.outcome(operation).is_pending
    assert refusal(lambda: world.market.customer_changes_plan(subscription_id, "trial")) == 409
    world.wait(MOMENT)

    assert world.outcome(operation).status is OperationStatus.FAILED
    assert world.show(subscription_id).plan_id == "silver"


def test_where_unsubscribe_is_repeated_it_comes_once_more_after_it_was_taken_in_and_no_answer_matters() -> None:
    world = World(OBSERVED)
    world.market.unsubscribe(world.active())
    first, again = world.wait(EIGHT_HOURS, answering=200)

    assert again.sent_at - first.sent_at == timedelta(seconds=1.2)
    assert (again.operation, again.subscription) == (first.operation, first.subscription)
    assert (first.attempt, again.attempt) == (1, 2)

    world = World(OBSERVED)
    world.market.unsubscribe(world.active())
    world.answer(200)
    assert len(world.wait(EIGHT_HOURS, answering=500)) == 1


def test_where_unsubscribe_is_repeated_other_events_are_not() -> None:
    world = World(OBSERVED)
    world.market.suspend(world.active())

    assert actions(world.wait(EIGHT_HOURS)) == [Action.SUSPEND]


@pytest.mark.parametrize("answer", [200, 400, 500])
@pytest.mark.parametrize("rules", [DOCUMENTED, OBSERVED])
def test_nothing_is_kept_of_notifications_that_are_done(rules: Rules, answer: int) -> None:
    world = World(rules)
    changed, cancelled = world.active(term_unit="P1Y"), world.active()
    world.market.customer_changes_plan(changed, "gold")
    world.market.unsubscribe(cancelled)
    world.wait(timedelta(hours=20), answering=answer)

    assert world.market._notifications == {}
