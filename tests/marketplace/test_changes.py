from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.marketplace.conftest import OFFERS, PUBLISHER, RESELLER, World, actions, refusal

from fulfillment_conformance.marketplace import (
    DOCUMENTED,
    OBSERVED,
    Action,
    Channel,
    Operation,
    OperationStatus,
    Rules,
    Source,
    SubscriptionStatus,
)

MINUTE = timedelta(minutes=1)
Start = Callable[[World, str, str], Operation]
"""Starts a change of plan; from the customer's side, or from the publisher's."""


def by_customer(world: World, subscription_id: str, plan_id: str) -> Operation:
    return world.market.customer_changes_plan(subscription_id, plan_id)


def by_publisher(world: World, subscription_id: str, plan_id: str) -> Operation:
    return world.market.change_plan(PUBLISHER, subscription_id, plan_id)


either_side = pytest.mark.parametrize("start", [by_customer, by_publisher])


# --- the way of a change ---


@either_side
def test_a_change_of_plan_is_announced_and_takes_effect_when_its_operation_ends(world: World, start: Start) -> None:
    subscription_id = world.active()
    operation = start(world, subscription_id, "gold")

    assert operation.status is OperationStatus.IN_PROGRESS
    assert operation.plan_id == "gold"
    assert world.show(subscription_id).plan_id == "silver"
    (delivery,) = world.answer(200)
    assert delivery.operation == operation
    assert world.show(subscription_id).plan_id == "silver"
    assert world.settle(operation, "Success").status is OperationStatus.SUCCEEDED
    assert world.show(subscription_id).plan_id == "gold"
    assert world.show(subscription_id).status is SubscriptionStatus.SUBSCRIBED
    assert world.wait(MINUTE) == []


def test_the_operation_tells_who_started_it(world: World) -> None:
    assert by_customer(world, world.active(), "gold").source is Source.AZURE
    assert by_publisher(world, world.active(), "gold").source is Source.PARTNER


@pytest.mark.parametrize("quantity", [2, 9])
def test_seats_can_be_raised_and_lowered_from_both_sides(world: World, quantity: int) -> None:
    one, two = (world.active("team", quantity=5) for _ in range(2))
    operations = [
        world.market.customer_changes_quantity(one, quantity),
        world.market.change_quantity(PUBLISHER, two, quantity),
    ]

    assert {operation.action for operation in operations} == {Action.CHANGE_QUANTITY}
    assert {operation.quantity for operation in operations} == {quantity}
    assert {world.show(each).quantity for each in (one, two)} == {5}
    world.answer(200)
    world.wait(MINUTE)
    assert {world.show(each).quantity for each in (one, two)} == {quantity}
    assert {world.show(each).plan_id for each in (one, two)} == {"team"}


def test_a_change_of_plan_keeps_the_seats(world: World) -> None:
    subscription_id = world.active("team", quantity=3)
    operation = by_customer(world, subscription_id, "business")
    assert operation.quantity == 3
    world.settle(operation, "Success")

    assert (world.show(subscription_id).plan_id, world.show(subscription_id).quantity) == ("business", 3)


@either_side
def test_patch_failure_rejects_a_change(world: World, start: Start) -> None:
    subscription_id = world.active()
    operation = start(world, subscription_id, "gold")
    world.answer(200)
    rejected = world.settle(operation, "Failure")

    assert (rejected.status, rejected.error_status_code) == (OperationStatus.FAILED, "Failed")
    assert world.wait(MINUTE) == []
    assert world.show(subscription_id).plan_id == "silver"


@pytest.mark.parametrize("status", ["Success", "Failure"])
def test_a_patch_may_come_before_the_answer_to_the_call(world: World, status: str) -> None:
    operation = by_customer(world, world.active(), "gold")
    (delivery,) = world.market.take_deliveries()
    settled = world.settle(operation, status)
    world.market.delivery_answered(delivery, 200)
    world.wait(MINUTE)

    assert world.outcome(operation) == settled


@either_side
def test_a_plan_with_another_kind_of_term_starts_one_today(world: World, start: Start) -> None:
    subscription_id = world.active()
    world.wait(timedelta(days=10))
    world.settle(start(world, subscription_id, "multiyear"), "Success")

    term = world.show(subscription_id).term
    assert (term.unit, term.start, term.end) == ("P1Y", date(2026, 2, 10), date(2027, 2, 9))
    world.answer(200)
    assert world.wait(timedelta(days=300)) == []
    assert actions(world.wait(timedelta(days=66))) == [Action.RENEW]


def test_a_plan_with_the_same_kind_of_term_keeps_it(world: World) -> None:
    subscription_id = world.active()
    term = world.show(subscription_id).term
    world.wait(timedelta(days=10))
    world.settle(by_customer(world, subscription_id, "gold"), "Success")

    assert world.show(subscription_id).term == term


def test_a_trial_ends_with_the_change_to_a_plan_without_one(world: World) -> None:
    subscription_id = world.active("trial", free_trial=True)
    world.settle(by_customer(world, subscription_id, "gold"), "Success")

    assert not world.show(subscription_id).is_free_trial


def test_a_trial_outlives_a_change_of_seats_and_a_change_to_another_trial_plan(world: World) -> None:
    plans = tuple(replace(plan, has_free_trials=True) for plan in OFFERS[1].plans)
    world.market.publish(replace(OFFERS[1], plans=plans))
    subscription_id = world.active("team", free_trial=True, quantity=5)
    world.settle(world.market.customer_changes_quantity(subscription_id, 8), "Success")
    world.settle(by_customer(world, subscription_id, "business"), "Success")

    assert world.show(subscription_id).is_free_trial


def test_a_trial_is_not_prolonged_by_the_change_to_a_trial_plan_with_a_longer_term(world: World) -> None:
    plans = tuple(replace(plan, has_free_trials=True) for plan in OFFERS[0].plans)
    world.market.publish(replace(OFFERS[0], plans=plans))
    subscription_id = world.active("trial", free_trial=True)
    world.wait(timedelta(days=10))
    world.settle(by_customer(world, subscription_id, "multiyear"), "Success")
    world.wait(timedelta(days=17))
    assert world.show(subscription_id).is_free_trial
    world.wait(timedelta(days=1))

    assert not world.show(subscription_id).is_free_trial
    assert world.show(subscription_id).term.start == date(2026, 2, 10)


# --- refusals ---


@either_side
@pytest.mark.parametrize("plan_id", ["bronze", "hidden", "withdrawn", "overseas", "team", ""])
def test_a_plan_that_cannot_be_had_is_refused(world: World, start: Start, plan_id: str) -> None:
    subscription_id = world.active()
    before = world.frozen()

    assert refusal(lambda: start(world, subscription_id, plan_id)) == 400
    assert world.frozen() == before


@either_side
@pytest.mark.parametrize("plan_id", ["gold", "trial", "private", "multiyear", "auto"])
def test_every_plan_that_is_listed_can_be_had(world: World, start: Start, plan_id: str) -> None:
    subscription_id = world.active()

    assert plan_id in [plan.plan_id for plan in world.market.available_plans(PUBLISHER, subscription_id)]
    world.settle(start(world, subscription_id, plan_id), "Success")
    assert world.show(subscription_id).plan_id == plan_id


@pytest.mark.parametrize("quantity", [-1, 0, 101])
def test_seats_outside_the_limits_are_refused_from_both_sides(world: World, quantity: int) -> None:
    subscription_id = world.active("team", quantity=5)
    before = world.frozen()

    assert refusal(lambda: world.market.change_quantity(PUBLISHER, subscription_id, quantity)) == 400
    assert refusal(lambda: world.market.customer_changes_quantity(subscription_id, quantity)) == 400
    assert world.frozen() == before


@pytest.mark.parametrize("quantity", [1, 100])
def test_the_limits_themselves_are_allowed(world: World, quantity: int) -> None:
    assert world.market.change_quantity(PUBLISHER, world.active("team", quantity=5), quantity).is_pending


def test_a_flat_plan_has_no_seats_to_change(world: World) -> None:
    subscription_id = world.active()

    assert refusal(lambda: world.market.change_quantity(PUBLISHER, subscription_id, 2)) == 400
    assert refusal(lambda: world.market.customer_changes_quantity(subscription_id, 2)) == 400


def test_the_present_value_is_refused_to_the_publisher(world: World) -> None:
    subscription_id = world.active("team", quantity=5)

    assert refusal(lambda: world.market.change_plan(PUBLISHER, subscription_id, "team")) == 400
    assert refusal(lambda: world.market.change_quantity(PUBLISHER, subscription_id, 5)) == 400


def test_the_present_value_ends_in_conflict_for_the_customer_and_nobody_is_told(world: World) -> None:
    subscription_id = world.active("team", quantity=5)
    operations = [
        world.market.customer_changes_plan(subscription_id, "team"),
        world.market.customer_changes_quantity(subscription_id, 5),
    ]

    for operation in operations:
        assert world.outcome(operation).status is OperationStatus.CONFLICT
        assert world.outcome(operation).error_status_code == "Conflict"
        assert refusal(lambda operation=operation: world.settle(operation, "Success")) == 409  # type: ignore[misc]
    assert world.market.take_deliveries() == []
    assert world.market.pending_operations(PUBLISHER, subscription_id) == []


def test_what_a_reseller_bought_only_the_marketplaces_side_changes(world: World) -> None:
    subscription_id = world.active("team", quantity=5, channel=Channel.CSP, purchaser=RESELLER)

    assert refusal(lambda: world.market.change_plan(PUBLISHER, subscription_id, "business")) == 400
    assert refusal(lambda: world.market.change_quantity(PUBLISHER, subscription_id, 6)) == 400
    world.settle(world.market.customer_changes_quantity(subscription_id, 6), "Success")
    world.settle(world.market.customer_changes_plan(subscription_id, "business"), "Success")
    assert (world.show(subscription_id).plan_id, world.show(subscription_id).quantity) == ("business", 6)


@either_side
def test_a_pending_change_locks_the_subscription(world: World, start: Start) -> None:
    subscription_id = world.active("team", quantity=5)
    operation = start(world, subscription_id, "business")
    world.answer(200)
    before = world.frozen()

    assert refusal(lambda: world.market.change_plan(PUBLISHER, subscription_id, "business")) == 409
    assert refusal(lambda: world.market.change_quantity(PUBLISHER, subscription_id, 6)) == 409
    assert refusal(lambda: world.market.customer_changes_plan(subscription_id, "business")) == 409
    assert refusal(lambda: world.market.customer_changes_quantity(subscription_id, 6)) == 409
    assert refusal(lambda: world.market.cancel(PUBLISHER, subscription_id)) == 409
    assert world.frozen() == before
    world.settle(operation, "Failure")
    assert world.market.change_quantity(PUBLISHER, subscription_id, 6).is_pending


def test_a_renewal_does_not_disturb_a_pending_change(world: World) -> None:
    subscription_id = world.active()
    world.wait(timedelta(days=27, hours=14))
    operation = by_customer(world, subscription_id, "gold")
    sent = world.wait(timedelta(hours=2), answering=500)

    assert Action.RENEW in actions(sent)
    world.settle(operation, "Success")
    assert world.show(subscription_id).plan_id == "gold"
    assert world.show(subscription_id).term.start == date(2026, 2, 28)


# --- what only some rules allow ---

OVERLAPPING = replace(DOCUMENTED, changes_may_overlap=True)


def test_where_changes_overlap_the_newer_one_overtakes_the_older() -> None:
    world = World(OVERLAPPING)
    subscription_id = world.active()
    older, newer = by_customer(world, subscription_id, "gold"), by_publisher(world, subscription_id, "trial")
    world.settle(newer, "Success")

    assert world.outcome(older).status is OperationStatus.FAILED
    assert refusal(lambda: world.settle(older, "Success")) == 409
    assert world.show(subscription_id).plan_id == "trial"


def test_where_changes_overlap_the_older_one_may_end_first_and_the_last_to_end_wins() -> None:
    world = World(OVERLAPPING)
    subscription_id = world.active()
    older, newer = by_customer(world, subscription_id, "gold"), by_publisher(world, subscription_id, "trial")
    world.settle(older, "Success")
    assert world.show(subscription_id).plan_id == "gold"
    world.settle(newer, "Success")

    assert world.show(subscription_id).plan_id == "trial"


def test_where_changes_overlap_plan_and_seats_do_not_overtake_each_other_and_cancelling_still_waits() -> None:
    world = World(OVERLAPPING)
    subscription_id = world.active("team", quantity=5)
    seats = world.market.change_quantity(PUBLISHER, subscription_id, 6)
    plan = by_customer(world, subscription_id, "business")
    assert refusal(lambda: world.market.cancel(PUBLISHER, subscription_id)) == 409
    world.settle(plan, "Success")
    world.settle(seats, "Success")

    assert (world.show(subscription_id).plan_id, world.show(subscription_id).quantity) == ("business", 6)


REVERTING = replace(DOCUMENTED, rejection_is_reverted=True)
UNHEARD = replace(DOCUMENTED, patch_failure_holds=False)


def test_where_patch_failure_does_not_hold_the_change_is_carried_out_all_the_same() -> None:
    world = World(UNHEARD)
    subscription_id = world.active()
    operation = by_customer(world, subscription_id, "gold")
    world.answer(200)

    assert world.settle(operation, "Failure").status is OperationStatus.SUCCEEDED
    assert world.show(subscription_id).plan_id == "gold"
    assert world.wait(MINUTE) == []


@pytest.mark.parametrize("rules", [DOCUMENTED, UNHEARD, REVERTING, OBSERVED])
def test_a_rejection_by_4xx_holds_under_all_rules(rules: Rules) -> None:
    world = World(rules)
    subscription_id = world.active()
    operation = by_customer(world, subscription_id, "gold")
    world.answer(400)

    assert world.outcome(operation).status is OperationStatus.FAILED
    assert world.show(subscription_id).plan_id == "silver"
    world.wait(timedelta(hours=9), answering=200)
    assert world.show(subscription_id).plan_id == "silver"


def test_where_rejections_are_reverted_a_change_to_the_present_value_follows() -> None:
    world = World(REVERTING)
    subscription_id = world.active()
    world.settle(by_customer(world, subscription_id, "gold"), "Failure")
    world.market.take_deliveries().pop(0)
    revert = world.market.pending_operations(PUBLISHER, subscription_id)[0]

    assert (revert.action, revert.plan_id, revert.source) == (Action.CHANGE_PLAN, "silver", Source.AZURE)
    world.settle(revert, "Success")
    assert world.show(subscription_id).plan_id == "silver"
    assert world.wait(MINUTE) == []


@pytest.mark.parametrize("answer", [200, 400])
def test_where_a_rejected_change_was_carried_out_the_revert_brings_the_old_value_back(answer: int) -> None:
    world = World(OBSERVED)
    subscription_id = world.active("team", quantity=5)
    operation = world.market.customer_changes_quantity(subscription_id, 8)
    world.answer(200)
    world.settle(operation, "Failure")
    assert world.show(subscription_id).quantity == 8
    (revert,) = world.answer(answer)
    world.wait(MINUTE)

    assert (revert.action, revert.operation.quantity) == (Action.CHANGE_QUANTITY, 5)
    assert revert.subscription is not None
    assert revert.subscription.quantity == 8
    assert world.show(subscription_id).quantity == (5 if answer == 200 else 8)


@pytest.mark.parametrize("rules", [REVERTING, OBSERVED])
def test_a_revert_that_is_rejected_is_not_reverted_again(rules: Rules) -> None:
    world = World(rules)
    subscription_id = world.active()
    by_customer(world, subscription_id, "gold")
    sent = world.wait(timedelta(hours=9), answering=400)

    assert [delivery.operation.plan_id for delivery in sent] == ["gold", "silver"]
    assert world.market.pending_operations(PUBLISHER, subscription_id) == []
