"""Tests of whose fault it is when a step of a story ends otherwise than the pages say."""

from datetime import date

import pytest

from fulfillment_conformance.backend.blame import CHANGES, Blame, blame_for_answer, judged, left_open
from fulfillment_conformance.backend.situations import Purchase
from fulfillment_conformance.drivers.base import OfferInfo, PlanInfo
from fulfillment_conformance.lifecycle_model import Step, View

PENDING, ACTIVE, SUSPENDED, CANCELLED = "PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"
STATUSES = (PENDING, ACTIVE, SUSPENDED, CANCELLED)

PLANS = (
    PlanInfo(plan_id="team", term_units=("P1M",), is_price_per_seat=True, min_quantity=5, max_quantity=20),
    PlanInfo(plan_id="open", term_units=("P1M",), is_price_per_seat=True),
    PlanInfo(plan_id="silver", term_units=("P1M",)),
)
OFFER = OfferInfo(offer_id="crm", publisher_id="contoso", plans=PLANS)


def purchase(plan: PlanInfo = PLANS[0]) -> Purchase:
    return Purchase(id="s", token="t", offer=OFFER, plan_info=plan, quantity=10)


def view(status: str = ACTIVE, *, plan: str = "team", quantity: int | None = 10, pending: tuple[str, ...] = ()) -> View:
    return View(status, plan, quantity, date(2026, 1, 1), date(2026, 1, 31), {}, pending)


def blame(step: Step, before: View | None, after: View | None = None) -> Blame:
    return Blame(step, before, after or view(), purchase())


ACTIVATE, CANCEL, WAIT = Step(do="activate", of="A"), Step(do="cancel", of="A"), Step(do="wait", seconds=6)
PLAN, SEATS = Step(do="change plan", of="A", plan="open"), Step(do="change seats", of="A", quantity=12)
SUCCESS, FAILURE = (Step(do="settle", of="A", word=word) for word in ("Success", "Failure"))
RENEWAL = Step(do="switch auto-renewal", of="A", on=False)


def event(word: str, *, answer: int | None = None) -> Step:
    return Step(do="event", of="A", word=word, plan="open", quantity=12, answer=answer)


# --- the state afterwards ---


@pytest.mark.parametrize(
    "step", [Step(do="buy", of="A", offer="crm", plan="team"), ACTIVATE, WAIT], ids=lambda step: step.do
)
def test_a_fresh_purchase_begins_in_its_first_state(step: Step) -> None:
    assert blame(step, None, view(PENDING)).status == "LCY-002"


@pytest.mark.parametrize(
    "step", [WAIT, ACTIVATE, PLAN, SEATS, CANCEL, SUCCESS, RENEWAL, event("Reinstate")], ids=lambda step: step.words
)
def test_what_was_cancelled_stays_so_whatever_happens(step: Step) -> None:
    assert blame(step, view(CANCELLED, pending=("A1",)), view(CANCELLED)).status == "LCY-013"


@pytest.mark.parametrize(
    ("before", "after", "requirement"),
    [
        (view(PENDING), view(CANCELLED), "LCY-005"),
        (view(SUSPENDED, pending=("A1",)), view(ACTIVE), "LCY-008"),
        (view(SUSPENDED), view(CANCELLED), "LCY-011"),
        (view(ACTIVE), view(CANCELLED), "LCY-022"),
        (view(ACTIVE), view(ACTIVE), "LCY-020"),
    ],
)
def test_what_time_alone_leads_to(before: View, after: View, requirement: str) -> None:
    assert blame(WAIT, before, after).status == requirement


@pytest.mark.parametrize("status", [PENDING, ACTIVE, SUSPENDED])
def test_automatic_renewal_decides_the_end_of_a_term(status: str) -> None:
    assert blame(RENEWAL, view(status)).status == "LCY-022"


@pytest.mark.parametrize(("status", "requirement"), [(SUSPENDED, "LCY-008"), (ACTIVE, "LCY-015")])
@pytest.mark.parametrize("step", [SUCCESS, FAILURE], ids=["Success", "Failure"])
def test_the_publishers_word_ends_a_reinstatement_or_a_change(step: Step, status: str, requirement: str) -> None:
    assert blame(step, view(status, pending=("A1",))).status == requirement


@pytest.mark.parametrize("step", [CANCEL, event("Unsubscribe")], ids=lambda step: step.do)
@pytest.mark.parametrize(("status", "requirement"), [(PENDING, "LCY-004"), (ACTIVE, "LCY-012"), (SUSPENDED, "LCY-012")])
def test_a_cancellation_by_either_side_is_final(step: Step, status: str, requirement: str) -> None:
    assert blame(step, view(status), view(CANCELLED)).status == requirement


@pytest.mark.parametrize(
    ("word", "status", "requirement"),
    [
        ("Suspend", ACTIVE, "LCY-007"),
        ("Reinstate", SUSPENDED, "LCY-010"),
        ("Renew", ACTIVE, "LCY-024"),
        ("ChangePlan", ACTIVE, "LCY-015"),
        ("ChangeQuantity", ACTIVE, "LCY-015"),
    ],
)
def test_an_event_in_its_own_state_has_a_requirement_of_its_own(word: str, status: str, requirement: str) -> None:
    assert blame(event(word), view(status)).status == requirement


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, status) for word in ("Suspend", "Renew", "ChangePlan") for status in (PENDING, SUSPENDED)),
        *(("Reinstate", status) for status in (PENDING, ACTIVE)),
    ],
)
def test_an_event_in_another_state_should_not_have_happened(word: str, status: str) -> None:
    assert blame(event(word), view(status)).status == "LCY-031"


def test_activation_leads_to_the_active_state_from_the_first_one_only() -> None:
    statuses = {status: blame(ACTIVATE, view(status)).status for status in STATUSES}

    assert statuses == {PENDING: "LCY-003", ACTIVE: "ACT-013", SUSPENDED: "ACT-012", CANCELLED: "LCY-013"}


@pytest.mark.parametrize("step", [PLAN, SEATS], ids=lambda step: step.do)
def test_a_change_leaves_the_active_state_alone_and_is_nothing_for_the_others(step: Step) -> None:
    statuses = {status: blame(step, view(status)).status for status in STATUSES}

    assert statuses == {PENDING: "LCY-014", ACTIVE: "LCY-015", SUSPENDED: "LCY-014", CANCELLED: "LCY-013"}


# --- plan and seats afterwards ---


@pytest.mark.parametrize(
    ("step", "after", "requirement"),
    [
        (WAIT, view(), "WHK-025"),
        (SUCCESS, view(), "OPP-012"),
        (FAILURE, view(), "OPP-002"),
        (event("ChangePlan"), view(), "EVT-016"),
        (event("ChangeQuantity", answer=200), view(), "EVT-016"),
        (event("ChangePlan", answer=399), view(), "EVT-016"),
        (event("ChangePlan", answer=400), view(), "WHK-027"),
        (event("ChangeQuantity", answer=403), view(), "WHK-027"),
        (PLAN, view(ACTIVE), "CHP-003"),
        (PLAN, view(SUSPENDED), "CHP-010"),
        (SEATS, view(ACTIVE), "CHQ-020"),
        (SEATS, view(SUSPENDED), "CHQ-012"),
        (ACTIVATE, view(quantity=10), "GET-012"),
        (ACTIVATE, view(quantity=None), "GET-011"),
        (CANCEL, view(quantity=0), "GET-012"),
        (event("Suspend"), view(quantity=None), "GET-011"),
        (RENEWAL, view(quantity=None), "GET-011"),
    ],
)
def test_which_requirement_plan_and_seats_are_about(step: Step, after: View, requirement: str) -> None:
    assert blame(step, view(), after).value == requirement


# --- the latest operation afterwards ---


@pytest.mark.parametrize(
    ("step", "before", "requirement"),
    [
        (SUCCESS, view(), "OPP-012"),
        (FAILURE, view(), "OPP-002"),
        (event("ChangePlan", answer=400), view(), "WHK-027"),
        (event("ChangePlan", answer=200), view(), "OPG-003"),
        (event("ChangePlan"), view(), "OPG-003"),
        (WAIT, view(SUSPENDED, pending=("A1",)), "LCY-008"),
        (WAIT, view(ACTIVE, pending=("A1",)), "WHK-025"),
        (WAIT, None, "WHK-025"),
        (PLAN, view(), "OPG-003"),
        (CANCEL, view(SUSPENDED), "OPG-003"),
    ],
)
def test_which_requirement_an_operation_is_about(step: Step, before: View | None, requirement: str) -> None:
    assert blame(step, before).outcome == requirement


def test_the_word_of_the_publisher_comes_before_the_answer_of_its_webhook() -> None:
    settled = Step(do="settle", of="A", word="Success", answer=400)

    assert blame(settled, view()).outcome == "OPP-012"


# --- the term afterwards ---


@pytest.mark.parametrize(
    ("step", "first_day_is_right", "requirement"),
    [
        (WAIT, True, "LCY-021"),
        (WAIT, False, "LCY-021"),
        (event("Renew"), True, "LCY-021"),
        (event("Renew"), False, "LCY-021"),
        (ACTIVATE, True, "GET-030"),
        (ACTIVATE, False, "GET-029"),
        (event("Suspend"), True, "GET-030"),
    ],
)
def test_which_requirement_a_term_is_about(step: Step, first_day_is_right: bool, requirement: str) -> None:
    assert blame(step, view()).term(first_day_is_right=first_day_is_right) == requirement


# --- the answer ---


def answered(step: Step, before: View, bought: PlanInfo = PLANS[0]) -> str:
    return blame_for_answer(step, before, purchase(bought))


def test_whom_the_answer_to_an_activation_is_for() -> None:
    assert {status: answered(ACTIVATE, view(status)) for status in STATUSES} == {
        PENDING: "ACT-001",
        ACTIVE: "ACT-013",
        SUSPENDED: "ACT-012",
        CANCELLED: "LCY-013",
    }


@pytest.mark.parametrize("step", [PLAN, SEATS], ids=lambda step: step.do)
def test_only_what_is_active_can_be_changed(step: Step) -> None:
    inactive = {status: answered(step, view(status)) for status in STATUSES if status != ACTIVE}

    assert inactive == {PENDING: "LCY-014", SUSPENDED: "LCY-014", CANCELLED: "LCY-013"}


@pytest.mark.parametrize(
    ("plan", "requirement"), [("open", "CHP-001"), ("silver", "CHP-001"), ("team", "CHP-013"), ("gold", "CHP-011")]
)
def test_a_plan_is_another_one_the_present_one_or_unknown(plan: str, requirement: str) -> None:
    assert answered(Step(do="change plan", of="A", plan=plan), view()) == requirement


@pytest.mark.parametrize(
    ("seats", "requirement"),
    [
        (11, "CHQ-001"),
        (20, "CHQ-001"),
        (21, "CHQ-008"),
        (10, "CHQ-011"),
        (9, "CHQ-002"),
        (5, "CHQ-002"),
        (4, "CHQ-009"),
        (None, "CHQ-009"),
    ],
)
def test_seats_are_more_fewer_the_same_too_many_or_too_few(seats: int | None, requirement: str) -> None:
    assert answered(Step(do="change seats", of="A", quantity=seats), view(quantity=10)) == requirement


@pytest.mark.parametrize(
    ("seats", "requirement"), [(1_000_000, "CHQ-001"), (1, "CHQ-002"), (0, "CHQ-009"), (10, "CHQ-011")]
)
def test_a_plan_without_limits_has_at_least_one_seat(seats: int, requirement: str) -> None:
    assert answered(Step(do="change seats", of="A", quantity=seats), view(plan="open", quantity=10)) == requirement


def test_the_limits_are_those_of_the_present_plan_and_of_the_purchased_one_where_that_is_unknown() -> None:
    thirty = Step(do="change seats", of="A", quantity=30)

    assert answered(thirty, view(plan="open"), PLANS[0]) == "CHQ-001"
    assert answered(thirty, view(plan="team"), PLANS[1]) == "CHQ-008"
    assert answered(thirty, view(plan="negotiated"), PLANS[0]) == "CHQ-008"


def test_seats_on_a_flat_plan_begin_at_none() -> None:
    assert answered(Step(do="change seats", of="A", quantity=0), view(plan="silver", quantity=None)) == "CHQ-011"
    assert answered(Step(do="change seats", of="A", quantity=1), view(plan="silver", quantity=None)) == "CHQ-001"


@pytest.mark.parametrize(
    ("before", "requirement"),
    [
        (view(PENDING), "DEL-018"),
        (view(ACTIVE), "DEL-001"),
        (view(ACTIVE, pending=("A1",)), "DEL-010"),
        (view(SUSPENDED), "DEL-019"),
        (view(CANCELLED), "DEL-006"),
    ],
)
def test_whom_the_answer_to_a_cancellation_is_for(before: View, requirement: str) -> None:
    assert answered(CANCEL, before) == requirement


@pytest.mark.parametrize(
    ("step", "pending", "requirement"),
    [
        (SUCCESS, ("A1",), "OPP-001"),
        (FAILURE, ("A1",), "OPP-002"),
        (SUCCESS, (), "OPP-010"),
        (FAILURE, (), "OPP-010"),
    ],
)
def test_each_word_on_a_pending_operation_has_a_requirement_of_its_own(
    step: Step, pending: tuple[str, ...], requirement: str
) -> None:
    assert answered(step, view(pending=pending)) == requirement


def test_everything_else_is_a_question_of_what_is_possible_when() -> None:
    assert answered(event("Suspend"), view()) == "LCY-031"


# --- what is allowed beside the expected answer ---

LOCKED = view(pending=("A1",))


@pytest.mark.parametrize(
    ("step", "before", "expected", "agreeing", "aside"),
    [
        (ACTIVATE, view(PENDING), 200, {200, 202}, set()),
        (ACTIVATE, view(ACTIVE), 200, {200, 202, 400}, set()),
        (ACTIVATE, view(SUSPENDED), 400, {400}, set()),
        (ACTIVATE, view(CANCELLED), 404, {404}, set()),
        (PLAN, view(), 202, {202}, set()),
        (SEATS, view(), 400, {400}, set()),
        (PLAN, view(SUSPENDED), 400, {400, 403, 404, 409, 499}, set()),
        (SEATS, view(CANCELLED), 400, {400, 403, 404, 409, 499}, set()),
        (PLAN, LOCKED, 409, {400, 403, 404, 409, 499}, {202}),
        (SEATS, LOCKED, 400, {400, 403, 404, 409, 499}, set()),
        (PLAN, view(), 409, {409}, {202}),
        (CANCEL, view(), 202, {202}, set()),
        (CANCEL, view(PENDING), 202, {202}, set()),
        (CANCEL, view(CANCELLED), 200, {200, 202, 404}, set()),
        (CANCEL, LOCKED, 409, {409}, {202}),
        (CANCEL, view(), 409, {409}, {202}),
        (CANCEL, view(SUSPENDED, pending=("A1",)), 202, {202}, {409}),
        (SUCCESS, LOCKED, 200, {200}, set()),
        (SUCCESS, view(), 409, {200, 409}, set()),
        (event("Suspend"), view(), 202, {202}, set()),
        (event("Suspend"), view(SUSPENDED), 409, {400, 403, 404, 409, 499}, set()),
        (event("ChangePlan"), LOCKED, 409, {400, 403, 404, 409, 499}, {200, 202, 204, 399, 500}),
        (event("ChangeQuantity"), LOCKED, 202, {202}, {200, 204, 399, 400, 403, 404, 409, 499, 500}),
        (event("Renew"), LOCKED, 202, {202}, set()),
        (RENEWAL, view(), 204, {204}, set()),
    ],
)
def test_the_pages_allow_some_answers_beside_the_expected_one(
    step: Step, before: View, expected: int, agreeing: set[int], aside: set[int]
) -> None:
    tried = (200, 202, 204, 399, 400, 403, 404, 409, 499, 500)
    verdicts = {status: judged(step, before, expected, status) for status in tried}

    assert {status for status in tried if verdicts[status] == "agrees"} == agreeing
    assert {status for status in tried if verdicts[status] == "aside"} == aside
    assert {verdicts[status] for status in set(tried) - agreeing - aside} <= {""}


@pytest.mark.parametrize("step", [ACTIVATE, PLAN, CANCEL, event("ChangePlan")], ids=lambda step: step.do)
def test_no_answer_is_never_allowed(step: Step) -> None:
    assert judged(step, LOCKED, 409, None) == ""


# --- what no page says ---


@pytest.mark.parametrize(
    ("step", "before", "is_open"),
    [
        (FAILURE, view(SUSPENDED, pending=("A1",)), True),
        (SUCCESS, view(SUSPENDED, pending=("A1",)), False),
        (FAILURE, view(ACTIVE, pending=("A1",)), False),
        (FAILURE, view(SUSPENDED), False),
        (event("Suspend"), LOCKED, True),
        (event("Unsubscribe"), LOCKED, True),
        (event("Renew"), LOCKED, False),
        (event("Suspend"), view(), False),
        (CANCEL, LOCKED, True),
        (CANCEL, view(), False),
        (PLAN, LOCKED, False),
        (Step(do="cancel", of="A", word="Unsubscribe"), None, False),
    ],
)
def test_what_overtakes_something_pending_is_left_open(step: Step, before: View | None, is_open: bool) -> None:
    assert left_open(step, before) == is_open


def test_changes_are_those_of_plan_and_of_seats() -> None:
    assert set(CHANGES) == {PLAN.do, SEATS.do}
