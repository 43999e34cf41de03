"""Tests of stories: a target that keeps to the pages agrees, one that does not is told from it, and by which rule."""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.backend.sandbox import Sandbox, showing, with_status

from fulfillment_conformance.backend.stories import Disagreement, Story
from fulfillment_conformance.drivers.base import Bought
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.lifecycle_model import Step

BUY = Step(do="buy", of="A", offer="contoso-crm", plan="silver")
SEATS = Step(do="buy", of="A", offer="contoso-seats", plan="team", quantity=10)
ACTIVATE, CANCEL = Step(do="activate", of="A"), Step(do="cancel", of="A")
GOLD = Step(do="change plan", of="A", plan="gold")
SUCCESS, FAILURE = (Step(do="settle", of="A", word=word) for word in ("Success", "Failure"))
SUSPEND, REINSTATE, RENEW, UNSUBSCRIBE = (
    Step(do="event", of="A", word=word) for word in ("Suspend", "Reinstate", "Renew", "Unsubscribe")
)
CUSTOMER_GOLD = Step(do="event", of="A", word="ChangePlan", plan="gold", answer=200)


def wait(**span: float) -> Step:
    return Step(do="wait", seconds=timedelta(**span).total_seconds())


def begin(sandbox: Sandbox, *steps: Step, profile: str = "documented", heard: bool = True) -> Story:
    story = Story(sandbox.situations, sandbox.webhook if heard else None, profile=profile, came_across=sandbox.agreed)
    for step in steps:
        story.play(step)
    return story


def disagreement(story: Story, step: Step) -> Disagreement:
    with pytest.raises(Disagreement) as found:
        story.play(step)
    return found.value


def term(exchange: Exchange, **days: str) -> None:
    body = json.loads(exchange.response_body)
    exchange.response_body = json.dumps(body | {"term": body["term"] | days}).encode()


# --- what agrees ---


def test_a_target_that_keeps_to_the_pages_agrees_in_every_step(sandbox: Sandbox) -> None:
    story, agreed = begin(sandbox), sandbox.agreed
    steps = [BUY, ACTIVATE, ACTIVATE, GOLD, SUCCESS, GOLD, SUSPEND, ACTIVATE, REINSTATE, SUCCESS, RENEW, CUSTOMER_GOLD]
    steps += [Step(do="switch auto-renewal", of="A", on=False), wait(seconds=20), CANCEL, CANCEL, ACTIVATE]
    for step in steps:
        story.play(step)

    assert story.steps == steps
    assert story.view("A").status == "Unsubscribed"
    assert not story.subjects["A"].aside
    assert {"LCY-002", "ACT-001", "LCY-003", "ACT-013", "CHP-001", "OPG-003", "OPP-001", "OPP-012"} <= set(agreed)
    assert {"CHP-013", "LCY-007", "ACT-012", "LCY-010", "LCY-008", "LCY-024", "LCY-021", "LCY-022"} <= set(agreed)
    assert {"DEL-001", "LCY-012", "DEL-006", "LCY-013", "GET-011", "GET-030", "OPL-001", "OPL-011"} & set(agreed)
    assert agreed["ACT-001"] == 1


def test_the_answers_that_a_story_rests_on_are_kept_in_their_order(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, GOLD)

    assert [exchange.purpose for exchange in story.exchanges] == [
        *("get subscription", "activate", "get subscription"),
        *("change plan", "get subscription", "get operation", "list operations"),
    ]


def test_several_subscriptions_have_a_story_in_common(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY)
    assert story.next_name() == "B"
    story.play(Step(do="buy", of="B", offer="contoso-seats", plan="team", quantity=10))
    story.play(Step(do="activate", of="B"))
    story.play(Step(do="change seats", of="B", quantity=12))
    story.play(Step(do="settle", of="B", word="Success"))

    assert (story.view("A").status, story.view("B").quantity) == ("PendingFulfillmentStart", 12)
    assert list(story.subjects["B"].operations) == ["B1"]
    assert story.next_name() == "C"


def test_a_story_begins_on_a_clean_target(sandbox: Sandbox) -> None:
    first = begin(sandbox, BUY)
    begin(sandbox)

    assert sandbox.client.get_subscription(first.subjects["A"].purchase.id).status_code == 404


def test_what_has_no_place_in_a_story_is_passed_over(sandbox: Sandbox) -> None:
    story = begin(sandbox, ACTIVATE, BUY, BUY, SUCCESS, Step(do="activate", of="B"))

    assert story.steps == [BUY]


def test_time_passes_only_where_the_target_has_a_clock_and_is_listened_to(sandbox: Sandbox) -> None:
    assert begin(sandbox, BUY, wait(seconds=6)).steps == [BUY, wait(seconds=6)]
    deaf = begin(sandbox, BUY, wait(seconds=6), heard=False)
    assert (deaf.steps, deaf.can_wait) == ([BUY], False)
    sandbox.driver.missing = frozenset({"clock"})
    timeless = begin(sandbox, BUY, wait(seconds=6))
    assert (timeless.steps, timeless.can_wait) == ([BUY], False)


def test_time_passes_on_both_sides(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, CUSTOMER_GOLD)
    assert story.view("A").plan == "silver"
    story.play(wait(seconds=11))
    assert story.view("A").plan == "gold"
    story.play(wait(days=40))

    assert len(story.view("A").operations) == 1
    assert sandbox.client.get_subscription(story.subjects["A"].purchase.id).status.value == "Subscribed"


def test_the_customers_change_is_answered_as_the_step_says(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, Step(do="event", of="A", word="ChangePlan", plan="gold", answer=400))
    assert story.view("A").operations == {"A1": "Failed"}
    story.play(CUSTOMER_GOLD)
    assert story.view("A").operations == {"A1": "Failed", "A2": "InProgress"}
    story.play(SUCCESS)

    assert story.view("A").plan == "gold"
    assert sandbox.agreed["WHK-027"]


def test_an_answer_that_was_meant_for_a_refused_event_is_forgotten(sandbox: Sandbox) -> None:
    refused = Step(do="event", of="A", word="ChangePlan", plan="gold", answer=400)
    story = begin(sandbox, BUY, refused, ACTIVATE)
    assert "LCY-031" in sandbox.agreed
    assert [exchange.receiver for exchange in story.exchanges if exchange.status == 409] == ["control"]
    story.play(GOLD)

    assert story.view("A").operations == {"A1": "InProgress"}
    story.play(wait(seconds=11))
    assert story.view("A").plan == "gold"


def test_a_story_is_told_without_a_webhook_too(sandbox: Sandbox) -> None:
    plain = Step(do="event", of="A", word="ChangePlan", plan="gold")
    story = begin(sandbox, BUY, plain, ACTIVATE, GOLD, FAILURE, SUSPEND, UNSUBSCRIBE, heard=False)

    assert story.view("A").status == "Unsubscribed"


# --- what disagrees ---


def test_another_answer_is_blamed_on_the_requirement_about_the_answer(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY)
    sandbox.answers("POST", "/activate", with_status(500))

    found = disagreement(story, ACTIVATE)

    assert (found.requirement, found.actual) == ("ACT-001", "500")
    assert found.expected == "The publisher activates A. Answered 200"
    assert str(found) == "ACT-001: expected The publisher activates A. Answered 200, actual 500"
    assert [exchange.purpose for exchange in found.exchanges][-1] == "activate"


def test_every_answer_that_a_profile_expects_is_named_once(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, profile="observed")
    sandbox.answers("POST", "/activate", with_status(500))

    assert disagreement(story, ACTIVATE).expected == "The publisher activates A. Answered 200"


def test_another_state_is_blamed_on_the_requirement_about_the_step(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE)
    sandbox.answers("GET", "", showing(saasSubscriptionStatus="Subscribed"))

    found = disagreement(story, SUSPEND)

    assert (found.requirement, found.expected) == ("LCY-007", "A Suspended")
    assert found.actual == "saasSubscriptionStatus 'Subscribed'"
    assert found.exchanges[-1].purpose == "get subscription"


def test_a_fresh_purchase_is_compared_too(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "", showing(saasSubscriptionStatus="Subscribed"))

    assert disagreement(begin(sandbox), BUY).requirement == "LCY-002"


@pytest.mark.parametrize(
    ("bought", "shown", "requirement", "expected", "actual"),
    [
        (BUY, {"planId": "gold"}, "GET-011", "A with planId 'silver'", "planId 'gold', quantity absent"),
        (
            SEATS,
            {"quantity": 11},
            "GET-012",
            "A with planId 'team', quantity 10",
            "planId 'team', quantity 11",
        ),
        (SEATS, {"quantity": None}, "GET-012", "A with planId 'team', quantity 10", "planId 'team', quantity absent"),
        (SEATS, {"planId": "business"}, "GET-012", "A with planId 'team', quantity 10", None),
    ],
)
def test_another_plan_or_other_seats_are_blamed_on_the_requirement_about_them(
    sandbox: Sandbox, bought: Step, shown: dict[str, Any], requirement: str, expected: str, actual: str | None
) -> None:
    sandbox.answers("GET", "", showing(**shown))
    if bought is BUY:
        sandbox.answers("GET", "", showing(quantity=None))

    found = disagreement(begin(sandbox), bought)

    assert (found.requirement, found.expected) == (requirement, expected)
    assert actual is None or found.actual == actual


def test_seats_may_be_written_as_text(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "", showing(quantity="10"))

    assert begin(sandbox, SEATS, ACTIVATE).steps == [SEATS, ACTIVATE]


def test_what_flat_plans_show_as_seats_does_not_matter_here(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "", showing(quantity=1))

    assert begin(sandbox, BUY, ACTIVATE).steps == [BUY, ACTIVATE]


@pytest.mark.parametrize("hidden", [None, ""])
def test_hidden_seats_were_observed_and_are_not_documented(sandbox: Sandbox, hidden: str | None) -> None:
    sandbox.answers("GET", "", showing(quantity=hidden))

    assert begin(sandbox, SEATS, profile="observed").steps == [SEATS]
    assert disagreement(begin(sandbox), SEATS).requirement == "GET-012"


def test_wrong_seats_were_never_observed(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "", showing(quantity=11))

    assert disagreement(begin(sandbox, profile="observed"), SEATS).requirement == "GET-012"


@pytest.mark.parametrize(
    ("days", "requirement"),
    [
        ({"startDate": "2001-01-01"}, "GET-029"),
        ({"endDate": "2001-01-01"}, "GET-030"),
    ],
)
def test_another_term_is_blamed_on_its_first_or_its_last_day(
    sandbox: Sandbox, days: dict[str, str], requirement: str
) -> None:
    story = begin(sandbox, BUY)
    sandbox.answers("GET", "", lambda exchange: term(exchange, **days))

    found = disagreement(story, ACTIVATE)

    assert found.requirement == requirement
    assert found.expected == f"A with the term {story.view('A').first_day} to {story.view('A').last_day}"
    assert "2001-01-01" in found.actual


@pytest.mark.parametrize("days", [{"startDate": ""}, {"endDate": "soon"}])
def test_a_term_that_cannot_be_read_is_not_compared(sandbox: Sandbox, days: dict[str, str]) -> None:
    sandbox.answers("GET", "", lambda exchange: term(exchange, **days))

    begin(sandbox, BUY, ACTIVATE)

    assert not {"GET-029", "GET-030"} & set(sandbox.agreed)


def test_the_term_of_a_pending_purchase_is_not_compared(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "", lambda exchange: term(exchange, startDate="2001-01-01", endDate="2001-01-31"))

    assert begin(sandbox, BUY).steps == [BUY]


def test_real_billing_may_be_off_by_a_day(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    story = begin(sandbox, BUY, ACTIVATE)
    near, far = (str((story.view("A").last_day or 0) + timedelta(days=days)) for days in (1, 2))  # type: ignore[operator]
    monkeypatch.setattr(type(sandbox.driver), "name", "live")
    sandbox.answers("GET", "", lambda exchange: term(exchange, endDate=near))
    assert begin(sandbox, BUY, ACTIVATE).steps == [BUY, ACTIVATE]
    sandbox.answers("GET", "", lambda exchange: term(exchange, endDate=far))

    assert disagreement(begin(sandbox, BUY), ACTIVATE).requirement == "GET-030"


def test_another_outcome_of_an_operation_is_blamed(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE)
    sandbox.answers("GET", "", lambda exchange: "/operations/" in exchange.url and showing(status="Failed")(exchange))

    found = disagreement(story, GOLD)

    assert (found.requirement, found.expected) == ("OPG-003", "operation A1 InProgress")
    assert found.actual == "status 'Failed'"


def test_an_outcome_is_compared_once(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, GOLD, SUCCESS)
    assert sandbox.agreed["OPP-012"] == 2  # once for the plan, once for the operation
    sandbox.answers("GET", "", lambda exchange: "/operations/" in exchange.url and showing(status="Failed")(exchange))
    story.play(RENEW)

    assert story.steps[-1] == RENEW


@pytest.mark.parametrize(
    ("played", "listed", "requirement", "expected", "actual"),
    [
        ([], [], "OPL-001", "A1 of A listed as outstanding", "none listed"),
        ([GOLD], "A1", "OPL-011", "no operation of A listed as outstanding", "A1 listed"),
    ],
)
def test_what_is_outstanding_is_listed_and_nothing_else(
    sandbox: Sandbox, played: list[Step], listed: Any, requirement: str, expected: str, actual: str
) -> None:
    story = begin(sandbox, BUY, ACTIVATE, *played)

    def change(exchange: Exchange) -> None:
        ids = list(story.subjects["A"].operations.values()) if listed else []
        showing(operations=[{"id": each} for each in ids])(exchange)

    sandbox.answers("GET", "/operations", change)
    found = disagreement(story, SUCCESS if played else GOLD)

    assert (found.requirement, found.expected, found.actual) == (requirement, expected, actual)


def test_a_word_of_the_publisher_may_take_a_moment_to_show(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, GOLD)
    late = [showing(status="InProgress")] * 3

    def change(exchange: Exchange) -> None:
        if "/operations/" in exchange.url and late:
            late.pop()(exchange)

    sandbox.answers("GET", "", change)
    story.play(FAILURE)

    assert not late
    assert sandbox.agreed["OPP-002"]
    assert [exchange.purpose for exchange in story.exchanges[-4:]] == [
        *("update operation", "get subscription", "get operation", "list operations")
    ]


def test_an_event_that_waits_for_nobody_shows_at_once(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE)
    late = [showing(saasSubscriptionStatus="Subscribed")]
    sandbox.answers("GET", "", lambda exchange: late and late.pop()(exchange))

    assert disagreement(story, SUSPEND).requirement == "LCY-007"


def test_operations_that_are_nobodys_business_may_be_listed(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "/operations", lambda exchange: _also_listed(exchange, "somebody-elses"))

    assert begin(sandbox, BUY, ACTIVATE, GOLD).steps[-1] == GOLD


def _also_listed(exchange: Exchange, operation_id: str) -> None:
    operations = json.loads(exchange.response_body)["operations"]
    showing(operations=[*operations, {"id": operation_id}])(exchange)


def test_the_list_is_left_alone_where_it_was_observed_to_be_late(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, GOLD, profile="observed")

    assert "list operations" not in [exchange.purpose for exchange in story.exchanges]


def test_evidence_is_the_latest_exchanges_without_repetition(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, ACTIVATE, ACTIVATE, ACTIVATE, ACTIVATE)
    sandbox.answers("DELETE", "", with_status(500))

    found = disagreement(story, CANCEL)

    assert len(found.exchanges) == 8
    assert len({id(exchange) for exchange in found.exchanges}) == 8
    assert found.exchanges[-1].purpose == "cancel"


# --- what is nobody's disagreement ---


def test_no_answer_ends_a_story_without_a_verdict(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY)
    sandbox.answers("POST", "/activate", with_status(None))

    with pytest.raises(Precondition, match="POST got no answer: ReadTimeout: too late") as ended:
        story.play(ACTIVATE)
    assert ended.value.exchange is story.exchanges[-1]


def test_a_look_that_gets_no_answer_is_no_disagreement_either(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY)
    sandbox.answers("GET", "", with_status(None))

    with pytest.raises(Precondition, match="GET got no answer: ReadTimeout: too late"):
        story.play(ACTIVATE)


@pytest.mark.parametrize("step", [Step(do="buy", of="A", offer="contoso-crm", plan="team"), Step(do="buy", of="A")])
def test_what_the_target_does_not_sell_cannot_be_replayed_on_it(sandbox: Sandbox, step: Step) -> None:
    with pytest.raises(UsageProblem, match="replay it on the target that it was recorded on"):
        begin(sandbox, step)


def test_an_activation_may_be_answered_202_and_take_its_minutes(sandbox: Sandbox) -> None:
    looks: list[Exchange] = []

    def late(exchange: Exchange) -> None:
        looks.append(exchange)
        if len(looks) in {2, 3, 4}:
            showing(saasSubscriptionStatus="PendingFulfillmentStart")(exchange)

    sandbox.answers("POST", "/activate", with_status(202))
    sandbox.answers("GET", "", late)
    begin(sandbox, BUY, ACTIVATE)

    assert sandbox.agreed["LCY-003"] == 1
    assert len(looks) == 5


def test_a_suspension_is_in_force_at_once(sandbox: Sandbox) -> None:
    looks: list[Exchange] = []

    def late(exchange: Exchange) -> None:
        looks.append(exchange)
        if len(looks) == 3:
            showing(saasSubscriptionStatus="Subscribed")(exchange)

    sandbox.answers("GET", "", late)

    assert disagreement(begin(sandbox, BUY, ACTIVATE), SUSPEND).requirement == "LCY-007"


def test_the_publishers_own_change_may_show_before_it_has_ended(sandbox: Sandbox) -> None:
    sandbox.answers("GET", "", lambda exchange: "/operations" in exchange.url or showing(planId="gold")(exchange))
    story = Story(sandbox.situations, sandbox.webhook, profile="documented")
    sandbox.http.change, early = (lambda _exchange: None), sandbox.http.change
    story.play(BUY)
    story.play(ACTIVATE)
    sandbox.http.change = early
    story.play(GOLD)

    assert story.steps[-1] == GOLD


def test_the_customers_change_may_not_show_before_it_has_ended(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE)
    sandbox.answers("GET", "", lambda exchange: "/operations" in exchange.url or showing(planId="gold")(exchange))

    assert disagreement(story, CUSTOMER_GOLD).requirement == "EVT-016"


def test_a_reinstatement_may_be_completed_a_moment_earlier(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, SUSPEND)
    sandbox.answers("GET", "", showing(saasSubscriptionStatus="Subscribed", status="Succeeded", operations=[]))
    story.play(REINSTATE)

    assert story.view("A").status == "Subscribed"
    assert story.view("A").operations["A2"] == "Succeeded"


def test_a_reinstatement_that_has_not_ended_may_not_show(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, SUSPEND)
    sandbox.answers("GET", "", showing(saasSubscriptionStatus="Subscribed"))

    assert disagreement(story, REINSTATE).requirement == "LCY-010"


def test_a_second_change_that_is_accepted_is_another_story(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, GOLD)
    sandbox.answers("PATCH", "", with_status(202))
    other = Step(do="change plan", of="A", plan="multiyear")
    story.play(other)

    assert story.subjects["A"].aside
    story.play(CANCEL)
    assert story.steps[-1] == other


def test_what_no_page_tells_ends_the_story_of_a_subscription(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, CUSTOMER_GOLD)
    looks = len(story.exchanges)
    story.play(SUSPEND)

    assert story.subjects["A"].aside
    assert len(story.exchanges) == looks
    story.play(wait(seconds=6))
    assert len(story.exchanges) == looks


def test_where_the_profiles_part_the_story_of_a_subscription_ends(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE, SUSPEND, REINSTATE, profile="observed")

    assert story.subjects["A"].aside
    assert not begin(sandbox, BUY, ACTIVATE, SUSPEND, REINSTATE).subjects["A"].aside


def test_a_voided_purchase_may_be_gone(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY)
    sandbox.answers("GET", "", with_status(404))
    story.play(wait(days=31))

    assert story.subjects["A"].aside


def test_a_cancelled_subscription_may_not_be_gone(sandbox: Sandbox) -> None:
    story = begin(sandbox, BUY, ACTIVATE)

    def gone(exchange: Exchange) -> None:
        with_status(404)(exchange)
        exchange.response_body = b""

    sandbox.answers("GET", "", gone)

    assert disagreement(story, UNSUBSCRIBE).requirement == "LCY-012"


def test_a_purchase_is_made_as_the_story_says(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    purchase = sandbox.driver.purchase

    def note(**details: Any) -> Bought:
        asked.append(details)
        return purchase(**details)

    monkeypatch.setattr(sandbox.driver, "purchase", note)
    begin(sandbox, SEATS)

    assert asked == [{"offer_id": "contoso-seats", "plan_id": "team", "quantity": 10}]
