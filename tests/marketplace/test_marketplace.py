import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from tests.marketplace.conftest import BUYER, OTHER_APP, PUBLISHER, START, STRANGER, World, actions, refusal

from fulfillment_conformance.marketplace import (
    DOCUMENTED,
    OBSERVED,
    Action,
    Channel,
    Marketplace,
    Operation,
    OperationStatus,
    Plan,
    Refused,
    Rules,
    Subscription,
    SubscriptionStatus,
)

PENDING, SUBSCRIBED, SUSPENDED, UNSUBSCRIBED = SubscriptionStatus
MINUTE = timedelta(minutes=1)

# --- every command in every state ---

Command = Callable[[Marketplace, str], object]


@dataclass(frozen=True)
class Transition:
    """What a command leads to from each of the four states: a state, or the status of a refusal."""

    name: str
    command: Command
    results: tuple[SubscriptionStatus | int, ...]
    announces: Action | None = None


UNCHANGED = (PENDING, SUBSCRIBED, SUSPENDED, UNSUBSCRIBED)
TRANSITIONS = [
    # what the publisher calls
    Transition("resolve", lambda m, s: m.resolve(PUBLISHER, m.issue_token(s)), UNCHANGED),
    Transition("get", lambda m, s: m.subscription(PUBLISHER, s), UNCHANGED),
    Transition("list plans", lambda m, s: m.available_plans(PUBLISHER, s), UNCHANGED),
    Transition("list operations", lambda m, s: m.pending_operations(PUBLISHER, s), UNCHANGED),
    Transition("activate", lambda m, s: m.activate(PUBLISHER, s), (SUBSCRIBED, SUBSCRIBED, 400, 404)),
    Transition(
        "change plan",
        lambda m, s: m.change_plan(PUBLISHER, s, "business"),
        (400, SUBSCRIBED, 400, 400),
        Action.CHANGE_PLAN,
    ),
    Transition(
        "change quantity",
        lambda m, s: m.change_quantity(PUBLISHER, s, 8),
        (400, SUBSCRIBED, 400, 400),
        Action.CHANGE_QUANTITY,
    ),
    Transition("cancel", lambda m, s: m.cancel(PUBLISHER, s), (UNSUBSCRIBED,) * 4, Action.UNSUBSCRIBE),
    # what customers, banks and calendars do
    Transition("suspend", lambda m, s: m.suspend(s), (409, SUSPENDED, 409, 409), Action.SUSPEND),
    Transition("reinstate", lambda m, s: m.reinstate(s), (409, 409, SUSPENDED, 409), Action.REINSTATE),
    Transition("renew", lambda m, s: m.renew(s), (409, SUBSCRIBED, 409, 409), Action.RENEW),
    Transition(
        "unsubscribe",
        lambda m, s: m.unsubscribe(s),
        (UNSUBSCRIBED, UNSUBSCRIBED, UNSUBSCRIBED, 409),
        Action.UNSUBSCRIBE,
    ),
    Transition(
        "customer changes plan",
        lambda m, s: m.customer_changes_plan(s, "business"),
        (409, SUBSCRIBED, 409, 409),
        Action.CHANGE_PLAN,
    ),
    Transition(
        "customer changes quantity",
        lambda m, s: m.customer_changes_quantity(s, 8),
        (409, SUBSCRIBED, 409, 409),
        Action.CHANGE_QUANTITY,
    ),
    Transition("issue a token", lambda m, s: m.issue_token(s), UNCHANGED),
    Transition(
        "auto-renew off", lambda m, s: m.set_auto_renew(s, auto_renew=False), (PENDING, SUBSCRIBED, SUSPENDED, 409)
    ),
    Transition("payment fails", lambda m, s: m.set_payment(s, works=False), UNCHANGED),
    Transition(
        "activation fails", lambda m, s: m.fail_activation(s), (409, UNSUBSCRIBED, 409, 409), Action.UNSUBSCRIBE
    ),
]
CASES = [
    pytest.param(transition, status, result, id=f"{transition.name} when {status}")
    for transition in TRANSITIONS
    for status, result in zip(SubscriptionStatus, transition.results, strict=True)
]


@pytest.mark.parametrize("rules", [DOCUMENTED, replace(OBSERVED, reinstate_before_notice=False)], ids=["doc", "obs"])
@pytest.mark.parametrize(("transition", "status", "result"), CASES)
def test_every_command_leads_from_every_state_where_it_should(
    rules: Rules, transition: Transition, status: SubscriptionStatus, result: SubscriptionStatus | int
) -> None:
    world = World(rules)
    subscription_id = world.in_status(status, "team", quantity=5)
    before = world.frozen()

    if isinstance(result, SubscriptionStatus):
        transition.command(world.market, subscription_id)
        assert world.show(subscription_id).status is result
        announced = actions(world.market.take_deliveries())
        told = transition.announces is not None and not (transition.name == "cancel" and status is UNSUBSCRIBED)
        assert announced[:1] == ([transition.announces] if told else [])
    else:
        assert refusal(lambda: transition.command(world.market, subscription_id)) == result
        assert world.frozen() == before


@pytest.mark.parametrize("transition", TRANSITIONS, ids=[transition.name for transition in TRANSITIONS])
def test_every_command_refuses_an_unknown_subscription(transition: Transition) -> None:
    assert refusal(lambda: transition.command(World().market, "nobody")) == 404


CALLS: list[Command] = [
    lambda m, s: m.subscription(STRANGER, s),
    lambda m, s: m.activate(STRANGER, s),
    lambda m, s: m.available_plans(STRANGER, s),
    lambda m, s: m.change_plan(STRANGER, s, "business"),
    lambda m, s: m.change_quantity(STRANGER, s, 8),
    lambda m, s: m.cancel(STRANGER, s),
    lambda m, s: m.pending_operations(STRANGER, s),
    lambda m, s: m.operation(STRANGER, s, "any"),
    lambda m, s: m.settle(STRANGER, s, "any", status="Success"),
]


@pytest.mark.parametrize("rules", [DOCUMENTED, OBSERVED], ids=["documented", "observed"])
@pytest.mark.parametrize("status", SubscriptionStatus)
def test_a_stranger_is_refused_everywhere_in_every_state(rules: Rules, status: SubscriptionStatus) -> None:
    world = World(rules)
    subscription_id = world.in_status(status, "team", quantity=5)
    before = world.frozen()

    assert [refusal(lambda call=call: call(world.market, subscription_id)) for call in CALLS] == [403] * len(CALLS)  # type: ignore[misc]
    assert world.frozen() == before


# --- the list ---


def test_the_list_shows_every_offer_and_state_of_the_publisher_oldest_first(world: World) -> None:
    mine = [world.in_status(status) for status in SubscriptionStatus] + [world.buy("team", quantity=2)]
    world.buy("basic", offer_id="desk")
    page = world.market.page(PUBLISHER)

    assert page.subscriptions == tuple(world.show(each) for each in mine)
    assert page.continuation is None


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_pages_are_full_but_the_last_and_visit_each_subscription_once(count: int, sizes: list[int]) -> None:
    world = World(replace(DOCUMENTED, page_size=3))
    bought = [world.buy() for _ in range(count)]
    pages = [world.market.page(PUBLISHER)]
    while (continuation := pages[-1].continuation) is not None:
        pages.append(world.market.page(PUBLISHER, continuation=continuation))

    assert [len(page.subscriptions) for page in pages] == sizes
    assert [subscription.id for page in pages for subscription in page.subscriptions] == bought


@pytest.mark.parametrize(("rules", "size"), [(DOCUMENTED, 100), (OBSERVED, 80)])
def test_a_page_is_as_long_as_the_rules_say(rules: Rules, size: int) -> None:
    world = World(rules)
    for _ in range(size + 1):
        world.buy()

    assert len(world.market.page(PUBLISHER).subscriptions) == size


def test_a_continuation_stays_good_while_subscriptions_are_added() -> None:
    world = World(replace(DOCUMENTED, page_size=1))
    world.buy()
    second = world.buy()
    continuation = world.market.page(PUBLISHER).continuation
    world.buy()

    assert world.market.page(PUBLISHER, continuation=continuation).subscriptions[0].id == second


def test_an_empty_continuation_asks_for_the_first_page_and_any_other_text_is_refused() -> None:
    world = World(replace(DOCUMENTED, page_size=1))
    for _ in range(2):
        world.buy()
        world.buy("basic", offer_id="desk")
    foreign = world.market.page(STRANGER).continuation

    assert world.market.page(PUBLISHER, continuation="") == world.market.page(PUBLISHER)
    assert foreign is not None
    for wrong in ("2", "nonsense", foreign, foreign[:-1]):
        with pytest.raises(Refused, match="400 InvalidContinuation"):
            world.market.page(PUBLISHER, continuation=wrong)


def test_the_list_is_refused_to_an_application_that_no_offer_names(world: World) -> None:
    assert refusal(lambda: world.market.page(OTHER_APP)) == 403
    assert world.market.page(STRANGER).subscriptions == ()


# --- plans ---


def test_a_filter_gives_the_plan_it_names_or_none(world: World) -> None:
    subscription_id = world.buy()

    assert world.market.available_plans(PUBLISHER, subscription_id, plan_id="gold") == [Plan(plan_id="gold")]
    assert world.market.available_plans(PUBLISHER, subscription_id, plan_id="hidden") == []
    assert world.market.available_plans(PUBLISHER, subscription_id, plan_id="bronze") == []


def test_the_private_offer_shows_only_with_the_filter_set_to_the_plan_bought_through_it(world: World) -> None:
    def sources(plan_id: str | None) -> list[tuple[str, ...]]:
        plans = world.market.available_plans(PUBLISHER, subscription_id, plan_id=plan_id)
        return [plan.source_offers for plan in plans if plan.source_offers]

    subscription_id = world.active(private_offer_id="private-offer")

    assert sources("silver") == [("private-offer",)]
    assert sources("gold") == sources(None) == []
    world.settle(world.market.customer_changes_plan(subscription_id, "gold"), "Success")
    assert sources("silver") == sources("gold") == []


def test_an_ordinary_purchase_has_no_source_offers(world: World) -> None:
    (plan,) = world.market.available_plans(PUBLISHER, world.buy(), plan_id="silver")

    assert plan.source_offers == ()


# --- cancelling ---


@pytest.mark.parametrize("status", [PENDING, SUBSCRIBED, SUSPENDED])
def test_cancelling_is_in_force_at_once_announced_and_its_operation_can_be_read(
    world: World, status: SubscriptionStatus
) -> None:
    subscription_id = world.in_status(status)
    operation = world.market.cancel(PUBLISHER, subscription_id)
    (delivery,) = world.market.take_deliveries()

    assert operation is not None
    assert world.outcome(operation).status is OperationStatus.SUCCEEDED
    assert (operation.action, str(operation.source)) == (Action.UNSUBSCRIBE, "Partner")
    assert delivery.subscription == world.show(subscription_id)
    assert delivery.subscription.status is UNSUBSCRIBED


def test_cancelling_again_returns_nothing_and_announces_nothing(world: World) -> None:
    subscription_id = world.in_status(UNSUBSCRIBED)

    assert world.market.cancel(PUBLISHER, subscription_id) is None
    assert world.market.take_deliveries() == []


def test_a_resellers_purchase_is_not_cancelled_by_the_publisher(world: World) -> None:
    subscription_id = world.active(channel=Channel.CSP)

    assert refusal(lambda: world.market.cancel(PUBLISHER, subscription_id)) == 400
    world.market.unsubscribe(subscription_id)
    assert world.market.cancel(PUBLISHER, subscription_id) is None


# --- operations ---


def test_the_list_of_operations_holds_what_waits_for_an_outcome(world: World) -> None:
    subscription_id = world.active()
    assert world.market.pending_operations(PUBLISHER, subscription_id) == []
    operation = world.market.customer_changes_plan(subscription_id, "gold")
    assert world.market.pending_operations(PUBLISHER, subscription_id) == [operation]
    world.settle(operation, "Success")
    assert world.market.pending_operations(PUBLISHER, subscription_id) == []
    world.market.suspend(subscription_id)
    assert world.market.pending_operations(PUBLISHER, subscription_id) == []
    reinstatement = world.market.reinstate(subscription_id)
    assert world.market.pending_operations(PUBLISHER, subscription_id) == [reinstatement]


def test_where_the_list_is_late_an_operation_shows_after_a_while() -> None:
    world = World(OBSERVED)
    subscription_id = world.active()
    operation = world.market.customer_changes_plan(subscription_id, "gold")
    assert world.market.pending_operations(PUBLISHER, subscription_id) == []
    assert world.outcome(operation).is_pending
    world.wait(MINUTE, answering=500)

    assert world.market.pending_operations(PUBLISHER, subscription_id) == [operation]


@pytest.mark.parametrize(("rules", "result"), [(DOCUMENTED, 404), (OBSERVED, None)])
def test_listing_operations_of_an_unknown_subscription(rules: Rules, result: int | None) -> None:
    assert refusal(lambda: World(rules).market.pending_operations(PUBLISHER, "nobody")) == result


@pytest.mark.parametrize(("rules", "result"), [(DOCUMENTED, 404), (OBSERVED, 400)])
def test_reading_or_settling_what_is_unknown(rules: Rules, result: int) -> None:
    world = World(rules)
    subscription_id = world.active()

    for ids in (("nobody", "nothing"), (subscription_id, "nothing")):
        assert refusal(lambda ids=ids: world.market.operation(PUBLISHER, *ids)) == result  # type: ignore[misc]
        assert refusal(lambda ids=ids: world.market.settle(PUBLISHER, *ids, status="Success")) == result  # type: ignore[misc]


@pytest.mark.parametrize(("rules", "result"), [(DOCUMENTED, 404), (OBSERVED, None)])
def test_reading_operations_that_only_inform(rules: Rules, result: int | None) -> None:
    world = World(rules)
    subscription_id = world.active()
    operations = [world.market.renew(subscription_id), world.market.suspend(subscription_id)]

    for operation in operations:
        assert refusal(lambda operation=operation: world.outcome(operation)) == result  # type: ignore[misc]


@pytest.mark.parametrize("status", ["Success", "Failure"])
def test_a_finished_operation_keeps_its_outcome(world: World, status: str) -> None:
    operation = world.market.customer_changes_plan(world.active(), "gold")
    finished = world.settle(operation, status)
    before = world.frozen()

    for again in ("Success", "Failure"):
        assert refusal(lambda again=again: world.settle(operation, again)) == 409  # type: ignore[misc]
    assert world.frozen() == before
    world.wait(timedelta(days=20))
    assert world.outcome(operation) == finished


def test_settling_what_only_informs_is_refused(world: World) -> None:
    operation = world.market.suspend(world.active())

    assert refusal(lambda: world.settle(operation, "Success")) == 409


@pytest.mark.parametrize("word", ["Succeeded", "success", "", "Failed", " Success"])
def test_another_word_than_success_or_failure_is_refused_or_without_effect(word: str) -> None:
    world, lenient = World(), World(OBSERVED)
    operation = world.market.customer_changes_plan(world.active(), "gold")
    ignored = lenient.market.customer_changes_plan(lenient.active(), "gold")
    before = lenient.frozen()

    assert refusal(lambda: world.settle(operation, word)) == 400
    assert world.outcome(operation).is_pending
    assert lenient.settle(ignored, word) == ignored
    assert lenient.frozen() == before


def test_settling_an_own_operation_breaks_where_the_live_service_does() -> None:
    world, breaking = World(), World(OBSERVED)
    own = breaking.market.change_plan(PUBLISHER, breaking.active(), "gold")
    before = breaking.frozen()

    assert world.settle(world.market.change_plan(PUBLISHER, world.active(), "gold"), "Success").plan_id == "gold"
    assert refusal(lambda: breaking.settle(own, "Success")) == 500
    assert breaking.frozen() == before
    breaking.wait(MINUTE)
    assert breaking.outcome(own).status is OperationStatus.SUCCEEDED


# --- time, determinism, scale ---


def test_the_clock_moves_only_forward_and_only_when_told(world: World) -> None:
    world.market.advance_to(START)
    world.market.advance_to(START + MINUTE)

    assert world.market.now == START + MINUTE
    with pytest.raises(ValueError, match=r"stands at .* and cannot go back to"):
        world.market.advance_to(START)
    with pytest.raises(ValueError, match="has no time zone"):
        world.market.advance_to(datetime(2027, 1, 1))  # noqa: DTZ001 - the mistake to be noticed
    with pytest.raises(AttributeError):
        world.market.now = START  # type: ignore[misc]


def test_everything_happens_at_its_own_time_even_in_one_long_step(world: World) -> None:
    world.buy()
    suspended = world.active(term_unit="P1Y")
    world.market.suspend(suspended)
    world.market.advance_to(START + timedelta(days=40))

    sent = [(delivery.action, delivery.sent_at - START) for delivery in world.market.take_deliveries()]
    assert sent == [
        (Action.SUSPEND, timedelta(0)),
        (Action.UNSUBSCRIBE, timedelta(days=30)),
        (Action.UNSUBSCRIBE, timedelta(days=30)),
    ]


def test_nothing_is_due_when_nothing_waits(world: World) -> None:
    assert world.market.next_due() is None
    world.in_status(UNSUBSCRIBED)
    assert world.market.next_due() is None


def test_a_reset_forgets_everything_but_the_offers_and_never_repeats_an_id(world: World) -> None:
    before = world.active()
    world.market.suspend(before)
    world.market.advance_to(START + MINUTE)
    world.market.reset()

    assert world.market.now == START
    assert world.market.next_due() is None
    assert world.market.take_deliveries() == []
    assert world.market.page(PUBLISHER).subscriptions == ()
    assert len(world.market.offers()) == 3
    assert world.buy() != before


def test_equal_seeds_and_commands_give_equal_results_and_other_seeds_do_not() -> None:
    def lived(seed: int) -> list[object]:
        world = World(seed=seed)
        first = world.active("team", quantity=5)
        second = world.buy()
        change = world.market.change_quantity(PUBLISHER, first, 8)
        sent = world.wait(timedelta(days=70), answering=200)
        return [change, sent, world.market.issue_token(second), world.market.page(PUBLISHER)]

    assert lived(1) == lived(1)
    assert lived(1) != lived(2)


def test_one_decision_can_be_wrong_on_its_own() -> None:
    class Forgetful(Marketplace):
        def require_no_pending_change(self, record: object) -> None:
            pass

    world = World(kind=Forgetful)
    subscription_id = world.active()
    world.market.change_plan(PUBLISHER, subscription_id, "gold")

    assert world.market.cancel(PUBLISHER, subscription_id) is not None


def test_a_call_costs_the_same_among_many_subscriptions() -> None:
    def steps(count: int) -> int:
        world = World(replace(DOCUMENTED, page_size=5))
        subscription_id = [world.buy() for _ in range(count)][count // 2]
        token = world.market.issue_token(subscription_id)
        continuation = world.market.page(PUBLISHER).continuation
        return calls_during(
            lambda: (
                world.market.resolve(PUBLISHER, token),
                world.show(subscription_id),
                world.market.page(PUBLISHER, continuation=continuation).subscriptions,
                world.market.pending_operations(PUBLISHER, subscription_id),
                world.market.available_plans(PUBLISHER, subscription_id),
                world.market.next_due(),
            )
        )

    # The position of a page is a number with as many digits; sealing its text takes some tries or others.
    assert abs(steps(5000) - steps(50)) < 40


def calls_during(action: Callable[[], object]) -> int:
    """Return how many calls are made and returned from meanwhile, a measure of work that does not vary."""
    count = 0

    def profile(*_: object) -> None:
        nonlocal count
        count += 1

    former = sys.getprofile()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(former)
    return count


# --- whatever is done in whatever order ---


class Life(RuleBasedStateMachine):
    """Random commands against one marketplace: what must hold holds after each of them."""

    subscriptions = Bundle("subscriptions")
    operations = Bundle("operations")

    @initialize(rules=st.sampled_from([DOCUMENTED, OBSERVED]))
    def open(self, rules: Rules) -> None:
        self.world = World(rules)
        self.final: dict[str, Subscription] = {}
        self.ended: dict[str, Operation] = {}

    @rule(target=subscriptions, plan_id=st.sampled_from(["silver", "trial", "auto", "team", "multiyear"]))
    def buy(self, plan_id: str) -> str:
        return self.world.buy(plan_id, free_trial=plan_id == "trial")

    @rule(subscription_id=subscriptions, transition=st.sampled_from(TRANSITIONS))
    def command(self, subscription_id: str, transition: Transition) -> None:
        before = self.world.frozen()
        try:
            transition.command(self.world.market, subscription_id)
        except Refused:
            assert self.world.frozen() == before

    @rule(
        target=operations,
        subscription_id=subscriptions,
        plan_id=st.sampled_from(["silver", "gold", "multiyear", "business", "team"]),
    )
    def change(self, subscription_id: str, plan_id: str) -> Operation | None:
        before = self.world.frozen()
        try:
            return self.world.market.customer_changes_plan(subscription_id, plan_id)
        except Refused:
            assert self.world.frozen() == before
            return None

    @rule(operation=operations, status=st.sampled_from(["Success", "Failure", "Succeeded"]))
    def settle(self, operation: Operation | None, status: str) -> None:
        if operation is None:
            return
        before = self.world.frozen()
        try:
            self.world.settle(operation, status)
        except Refused:
            assert self.world.frozen() == before

    @rule(status=st.sampled_from([None, 200, 302, 400, 503]))
    def answer(self, status: int | None) -> None:
        self.world.answer(status)

    @rule(seconds=st.sampled_from([0, 1, 10, 60, 86_400, 30 * 86_400, 365 * 86_400]))
    def wait(self, seconds: int) -> None:
        self.world.market.advance_to(self.world.market.now + timedelta(seconds=seconds))

    @invariant()
    def the_next_timer_is_not_in_the_past(self) -> None:
        due = self.world.market.next_due()
        assert due is None or due >= self.world.market.now

    @invariant()
    def what_has_ended_stays_as_it_is(self) -> None:
        market = self.world.market
        for subscription in market.page(PUBLISHER).subscriptions:
            if subscription.status is UNSUBSCRIBED:
                assert self.final.setdefault(subscription.id, subscription) == subscription
        for operation in market._operations.values():
            if not operation.is_pending:
                assert self.ended.setdefault(operation.id, operation) == operation

    @invariant()
    def what_is_pending_fits_the_state(self) -> None:
        market = self.world.market
        for subscription in market.page(PUBLISHER).subscriptions:
            record = market.find(subscription.id)
            pending = {market._operations[each].action for each in record.pending}
            if subscription.status is SUBSCRIBED:
                assert pending <= {Action.CHANGE_PLAN, Action.CHANGE_QUANTITY}
            else:
                assert pending <= ({Action.REINSTATE} if subscription.status is SUSPENDED else set())

    @invariant()
    def service_has_a_term_that_covers_today(self) -> None:
        for subscription in self.world.market.page(PUBLISHER).subscriptions:
            term = subscription.term
            if subscription.status is PENDING:
                assert (term.start, term.end) == (None, None)
            elif subscription.status is SUBSCRIBED:
                assert term.end is not None
                assert term.end >= self.world.market.now.date()
            assert (subscription.quantity is not None) is (subscription.offer_id == "seats")
            assert subscription.beneficiary == BUYER


Life.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
