from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.marketplace.conftest import PUBLISHER, START, World, actions, refusal

from fulfillment_conformance.marketplace import (
    DOCUMENTED,
    OBSERVED,
    Action,
    OperationStatus,
    Source,
    SubscriptionStatus,
)

MINUTE = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)
WINDOW = timedelta(seconds=10)
GRACE = timedelta(days=30)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# --- suspension and reinstatement ---


def test_a_suspension_is_in_force_before_it_is_announced(world: World) -> None:
    subscription_id = world.active()
    operation = world.market.suspend(subscription_id)
    (delivery,) = world.market.take_deliveries()

    assert world.show(subscription_id).status is SubscriptionStatus.SUSPENDED
    assert delivery.subscription == world.show(subscription_id)
    assert (operation.action, operation.status, operation.source) == (
        Action.SUSPEND,
        OperationStatus.SUCCEEDED,
        Source.AZURE,
    )


def test_thirty_days_of_grace_then_the_subscription_is_cancelled(world: World) -> None:
    subscription_id = world.active(term_unit="P1Y")
    world.market.suspend(subscription_id)
    world.answer(200)

    assert world.wait(GRACE - MOMENT) == []
    assert world.show(subscription_id).status is SubscriptionStatus.SUSPENDED
    (delivery,) = world.wait(MOMENT)

    assert delivery.action is Action.UNSUBSCRIBE
    assert delivery.sent_at == START + GRACE
    assert delivery.subscription is not None
    assert delivery.subscription.status is SubscriptionStatus.UNSUBSCRIBED
    assert world.wait(timedelta(days=800)) == []


def test_a_reinstatement_waits_for_its_operation_and_then_ends_the_grace_period(world: World) -> None:
    subscription_id = world.in_status(SubscriptionStatus.SUSPENDED, term_unit="P1Y")
    operation = world.market.reinstate(subscription_id)
    (delivery,) = world.answer(200)

    assert operation.status is delivery.operation.status is OperationStatus.IN_PROGRESS
    assert delivery.subscription == world.show(subscription_id)
    assert delivery.subscription.status is SubscriptionStatus.SUSPENDED
    assert world.wait(WINDOW - MOMENT) == []
    assert world.show(subscription_id).status is SubscriptionStatus.SUSPENDED
    world.wait(MOMENT)
    assert world.show(subscription_id).status is SubscriptionStatus.SUBSCRIBED
    assert world.outcome(operation).status is OperationStatus.SUCCEEDED
    assert world.wait(GRACE * 2) == []


def test_a_reinstatement_can_be_confirmed_or_refused_by_patch(world: World) -> None:
    confirmed, refused = (world.in_status(SubscriptionStatus.SUSPENDED) for _ in range(2))
    world.settle(world.market.reinstate(confirmed), "Success")
    operation = world.settle(world.market.reinstate(refused), "Failure")

    assert world.show(confirmed).status is SubscriptionStatus.SUBSCRIBED
    assert world.show(refused).status is SubscriptionStatus.SUSPENDED
    assert operation.status is OperationStatus.FAILED


@pytest.mark.parametrize("status", [None, 400, 500])
def test_a_reinstatement_that_is_never_taken_in_is_repeated_and_fails(world: World, status: int | None) -> None:
    subscription_id = world.in_status(SubscriptionStatus.SUSPENDED)
    operation = world.market.reinstate(subscription_id)
    sent = world.wait(timedelta(hours=8), answering=status)

    assert len(sent) == 500
    assert world.outcome(operation).status is OperationStatus.FAILED
    assert world.show(subscription_id).status is SubscriptionStatus.SUSPENDED


def test_a_publisher_refuses_a_reinstatement_by_cancelling(world: World) -> None:
    subscription_id = world.in_status(SubscriptionStatus.SUSPENDED)
    operation = world.market.reinstate(subscription_id)
    world.answer(200)
    world.market.cancel(PUBLISHER, subscription_id)
    world.wait(MINUTE)

    assert world.outcome(operation).status is OperationStatus.FAILED
    assert world.show(subscription_id).status is SubscriptionStatus.UNSUBSCRIBED


def test_a_second_reinstatement_waits_for_the_first(world: World) -> None:
    subscription_id = world.in_status(SubscriptionStatus.SUSPENDED)
    world.market.reinstate(subscription_id)

    assert refusal(lambda: world.market.reinstate(subscription_id)) == 409


@pytest.mark.parametrize("answer", [200, 400, 500])
def test_where_reinstatements_are_done_before_the_notice_no_answer_matters(answer: int) -> None:
    world = World(OBSERVED)
    subscription_id = world.in_status(SubscriptionStatus.SUSPENDED)
    operation = world.market.reinstate(subscription_id)

    assert operation.status is OperationStatus.SUCCEEDED
    assert world.show(subscription_id).status is SubscriptionStatus.SUBSCRIBED
    (delivery,) = world.answer(answer)
    assert delivery.subscription is not None
    assert delivery.subscription.status is SubscriptionStatus.SUSPENDED
    assert world.settle(operation, "Failure").status is OperationStatus.SUCCEEDED
    world.wait(timedelta(hours=9), answering=answer)
    assert world.show(subscription_id).status is SubscriptionStatus.SUBSCRIBED


def test_a_suspension_or_cancellation_ends_a_pending_change(world: World) -> None:
    suspended, cancelled = world.active(), world.active()
    changes = [world.market.customer_changes_plan(each, "gold") for each in (suspended, cancelled)]
    world.market.take_deliveries()
    world.market.suspend(suspended)
    world.market.unsubscribe(cancelled)
    world.wait(MINUTE)

    assert [world.outcome(change).status for change in changes] == [OperationStatus.FAILED] * 2
    assert {world.show(each).plan_id for each in (suspended, cancelled)} == {"silver"}


# --- terms ---


def test_a_year_of_monthly_renewals_from_31_january(world: World) -> None:
    subscription_id = world.active()
    sent = world.wait(midnight(date(2027, 2, 1)) - START)

    assert actions(sent) == [Action.RENEW] * 12
    terms = [delivery.subscription.term for delivery in sent if delivery.subscription is not None]
    assert [term.start for term in terms] == [date(2026, 1, 31) + relativedelta(months=n) for n in range(1, 13)]
    assert [delivery.sent_at for delivery in sent] == [midnight(term.start) for term in terms if term.start is not None]
    assert world.show(subscription_id).term == terms[-1]
    assert terms[-1].start == date(2027, 1, 31)
    assert terms[-1].end == date(2027, 2, 27)


@pytest.mark.parametrize("years", [1, 2, 3, 4, 5])
def test_longer_terms_renew_the_day_after_their_last(world: World, years: int) -> None:
    subscription_id = world.active("multiyear", term_unit=f"P{years}Y")
    end = world.show(subscription_id).term.end
    assert end == date(2026, 1, 31) + relativedelta(years=years) - timedelta(days=1)

    assert world.wait(midnight(end + timedelta(days=1)) - START - MOMENT) == []
    (delivery,) = world.wait(MOMENT)

    assert (delivery.action, delivery.operation.status) == (Action.RENEW, OperationStatus.SUCCEEDED)
    assert delivery.subscription == world.show(subscription_id)
    assert delivery.subscription.status is SubscriptionStatus.SUBSCRIBED
    assert delivery.subscription.term.start == end + timedelta(days=1)


def test_without_auto_renew_the_subscription_ends_with_its_term(world: World) -> None:
    subscription_id = world.active()
    world.market.set_auto_renew(subscription_id, auto_renew=False)
    assert world.market.take_deliveries() == []
    (delivery,) = world.wait(timedelta(days=400))

    assert delivery.action is Action.UNSUBSCRIBE
    assert delivery.sent_at == midnight(date(2026, 2, 28))
    assert world.show(subscription_id).status is SubscriptionStatus.UNSUBSCRIBED


def test_auto_renew_can_be_switched_on_again(world: World) -> None:
    subscription_id = world.active(auto_renew=False)
    assert not world.show(subscription_id).auto_renew
    world.market.set_auto_renew(subscription_id, auto_renew=True)

    assert actions(world.wait(timedelta(days=30))) == [Action.RENEW]


def test_a_renewal_that_cannot_be_paid_suspends(world: World) -> None:
    subscription_id = world.active()
    term = world.show(subscription_id).term
    world.market.set_payment(subscription_id, works=False)
    (delivery,) = world.wait(timedelta(days=29))

    assert delivery.action is Action.SUSPEND
    assert delivery.sent_at == midnight(date(2026, 2, 28))
    assert world.show(subscription_id).status is SubscriptionStatus.SUSPENDED
    assert world.show(subscription_id).term == term


def test_reinstating_makes_up_for_the_terms_that_passed_and_payment_works_again(world: World) -> None:
    subscription_id = world.active()
    world.market.set_payment(subscription_id, works=False)
    world.wait(midnight(date(2026, 3, 29)) - START)
    world.market.reinstate(subscription_id)
    assert actions(world.wait(MINUTE)) == [Action.REINSTATE]

    assert world.show(subscription_id).term.start == date(2026, 2, 28)
    assert world.show(subscription_id).term.end == date(2026, 3, 30)
    assert actions(world.wait(timedelta(days=3))) == [Action.RENEW]


def test_reinstating_on_the_day_of_the_renewal_that_failed_begins_the_new_term(world: World) -> None:
    subscription_id = world.active()
    world.market.set_payment(subscription_id, works=False)
    world.wait(midnight(date(2026, 2, 28)) - START)
    world.market.reinstate(subscription_id)
    world.wait(MINUTE)

    assert world.show(subscription_id).term.start == date(2026, 2, 28)


def test_a_suspended_subscription_does_not_renew(world: World) -> None:
    subscription_id = world.active()
    world.wait(timedelta(days=20))
    world.market.suspend(subscription_id)

    assert actions(world.wait(timedelta(days=25))) == [Action.SUSPEND]
    world.market.reinstate(subscription_id)
    world.wait(MINUTE)
    assert world.show(subscription_id).term.start == date(2026, 2, 28)


def test_a_suspended_subscription_without_auto_renew_ends_with_its_term(world: World) -> None:
    subscription_id = world.in_status(SubscriptionStatus.SUSPENDED, auto_renew=False)

    assert actions(world.wait(timedelta(days=29))) == [Action.UNSUBSCRIBE]
    assert world.wait(timedelta(days=60)) == []
    assert world.show(subscription_id).status is SubscriptionStatus.UNSUBSCRIBED


def test_renewing_on_request_begins_the_next_term_early(world: World) -> None:
    subscription_id = world.active()
    operation = world.market.renew(subscription_id)

    assert operation.action is Action.RENEW
    assert world.show(subscription_id).term.start == date(2026, 2, 28)
    assert actions(world.answer(200)) == [Action.RENEW]
    assert world.wait(midnight(date(2026, 3, 31)) - START - MOMENT) == []
    assert actions(world.wait(MOMENT)) == [Action.RENEW]


def test_renewing_on_request_suspends_without_payment_and_is_refused_without_auto_renew(world: World) -> None:
    unpaid, ending = world.active(), world.active(auto_renew=False)
    world.market.set_payment(unpaid, works=False)

    assert world.market.renew(unpaid).action is Action.SUSPEND
    assert refusal(lambda: world.market.renew(ending)) == 409


def test_where_a_renewal_is_also_announced_as_subscribe_that_comes_in_the_short_form() -> None:
    world = World(OBSERVED)
    world.market.renew(world.active())
    renew, subscribe = world.market.take_deliveries()

    assert (renew.action, subscribe.action) == (Action.RENEW, Action.SUBSCRIBE)
    assert renew.subscription is not None
    assert subscribe.subscription is None


# --- trials ---


def test_a_monthly_trial_ends_with_its_first_renewal(world: World) -> None:
    subscription_id = world.active("trial", free_trial=True)
    assert world.show(subscription_id).is_free_trial
    world.wait(midnight(date(2026, 2, 28)) - START - MOMENT)
    assert world.show(subscription_id).is_free_trial
    (renewal,) = world.wait(MOMENT)

    assert renewal.subscription is not None
    assert not renewal.subscription.is_free_trial
    assert not world.show(subscription_id).is_free_trial


def test_a_yearly_trial_becomes_paid_after_a_month_without_an_event(world: World) -> None:
    subscription_id = world.active("trial", free_trial=True, term_unit="P1Y")
    world.wait(midnight(date(2026, 2, 28)) - START - MOMENT)
    assert world.show(subscription_id).is_free_trial

    assert world.wait(MOMENT) == []
    assert not world.show(subscription_id).is_free_trial
    assert world.show(subscription_id).term.end == date(2027, 1, 30)


def test_a_trial_starts_with_activation_not_with_the_purchase(world: World) -> None:
    subscription_id = world.buy("trial", free_trial=True)
    world.wait(timedelta(days=20))
    world.market.activate(PUBLISHER, subscription_id)
    world.wait(timedelta(days=20))

    assert world.show(subscription_id).is_free_trial


def test_renewing_a_yearly_trial_early_ends_it_for_good(world: World) -> None:
    subscription_id = world.active("trial", free_trial=True, term_unit="P1Y")
    world.market.renew(subscription_id)

    assert not world.show(subscription_id).is_free_trial
    assert actions(world.wait(timedelta(days=60))) == [Action.RENEW]


# --- properties ---


@settings(max_examples=25, deadline=None)
@given(st.dates(date(2020, 1, 1), date(2060, 12, 31)))
def test_twelve_monthly_renewals_from_any_day_return_to_the_anchor(day: date) -> None:
    world = World(start=midnight(day))
    subscription_id = world.active()
    sent = world.wait(midnight(day + relativedelta(years=1)) - world.market.now)

    assert actions(sent) == [Action.RENEW] * 12
    assert world.show(subscription_id).term.start == day + relativedelta(years=1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 45), min_size=1, max_size=8))
def test_however_time_is_cut_the_same_happens(days: list[int]) -> None:
    def lived(steps: list[int]) -> tuple[list[tuple[Action, datetime]], object]:
        world = World()
        subscription_id = world.active()
        world.active("trial", free_trial=True, term_unit="P1Y")
        world.buy()
        sent = [delivery for step in steps for delivery in world.wait(timedelta(days=step))]
        return [(delivery.action, delivery.sent_at) for delivery in sent], world.show(subscription_id)

    assert lived(days) == lived([sum(days)])


def test_a_shorter_grace_period_is_a_matter_of_rules() -> None:
    world = World(replace(DOCUMENTED, grace=timedelta(days=3)))
    world.market.suspend(world.active())

    assert actions(world.wait(timedelta(days=4))) == [Action.SUSPEND, Action.UNSUBSCRIBE]
