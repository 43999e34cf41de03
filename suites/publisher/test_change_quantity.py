"""A customer changes the seats at the marketplace (themes CHQ and EVT; scenarios A15, B01, D01, D11)."""

import pytest

from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import briefly

REFUSES = "claims.refuses_changes: the publisher says that it refuses all changes"
WITHOUT_STATE = "publisher.state.seats: without it nothing shows how many seats the publisher has now"


@pytest.fixture
def seated(stage):
    """A customer with an active subscription to a plan that is priced per seat."""
    return stage.subscribed(stage.seat_plan(), quantity=10)


@requirement("EVT-020", "OPP-013")
def test_an_accepted_seat_change_takes_effect_on_both_sides(publisher, seated, check):
    """Validate, set the new number, answer 200, report: in the end marketplace and publisher have it, and the plan."""
    plan = seated.subscription.plan_id
    for seats in (25, 7):
        announcement = seated.change_quantity(seats)
        answer = publisher.receives(announcement)
        outcome = seated.settles(announcement)
        account = seated.eventually(lambda now, seats=seats: now.has(seats=seats))
        if seated.claims.refuses_changes:
            for each in check.each("EVT-020", "OPP-013"):
                each.not_applicable(REFUSES)
            continue
        if not seated.claims.acknowledges_changes:
            check("OPP-013").not_applicable(
                "claims.acknowledges_changes: the publisher says that it reports no success"
            )
        elif answer.is_success:
            check("OPP-013").that(
                bool(outcome.patches),
                expected="PATCH within ten seconds",
                actual=briefly(list(outcome.patches), otherwise="no PATCH"),
                rests_on=[answer, *outcome.patches],
            )
        else:
            check("OPP-013").undecided("the change was refused: no outcome is left to report", rests_on=[answer])
        check("EVT-020").that(
            outcome.operation.status == "Succeeded",
            expected="the change accepted: 2xx, and PATCH Success or silence",
            actual=f"reply {answer.status_code}, PATCH {outcome.words or 'none'}, operation {outcome.operation.status}",
            rests_on=[answer, *outcome.patches],
        )
        if publisher.shows("seats"):
            check("EVT-020").equals(account.seats, seats)
            if not account.plan.absent:
                check("EVT-020").equals(account.plan, plan)
        elif not outcome.patches:
            check("EVT-020").untestable(WITHOUT_STATE)


@requirement("OPP-015")
def test_seats_that_the_publisher_cannot_give_are_refused(stage, publisher, check):
    """A number of seats that the publisher refuses: PATCH Failure or 4xx in time, and the old number stays.

    The live service has carried such a change out after PATCH Failure: then the publisher follows Get subscription.
    """
    seats = publisher.service.claims.refused_seats
    if seats is None:
        check("OPP-015").not_applicable("claims.refused_seats: the publisher does not say that it refuses a number")
        return
    seated = stage.subscribed(stage.seat_plan(), quantity=10)
    announcement = seated.change_quantity(seats)
    answer = publisher.receives(announcement)
    outcome = seated.settles(announcement)
    account = seated.eventually(lambda now: now.has(seats=seats)) if outcome.overruled else seated.account()
    another = seated.change_quantity(12)
    twin = publisher.receives(another)
    taken = seated.settles(another).operation.status == "Succeeded"

    if not taken and not seated.claims.refuses_changes:
        check("OPP-015").undecided("a number of seats that it does not refuse was not taken either", rests_on=[twin])
        return
    check("OPP-015").that(
        outcome.rejected,
        expected="a 4xx reply or PATCH Failure within ten seconds",
        actual=f"reply {answer.status_code}, PATCH {outcome.words or 'none'}, operation {outcome.operation.status}",
        rests_on=[answer, *outcome.patches],
    )
    if publisher.shows("seats"):
        check("OPP-015").that(
            (account.seats.value == seats) is outcome.overruled,
            expected=f"the publisher gives {'in the end' if outcome.overruled else 'not'} {seats} seats",
            actual=account.seats.value,
            rests_on=[account.exchange],
        )


@requirement("WHK-009", "WHK-045")
def test_seats_that_only_the_payload_names_are_never_set(microsoft, publisher, seated, check):
    """The payload says 30, the operation 20: refuse, or set 20.

    30 is a number that the plan allows, where it does: what is refused for its limits shows nothing.

    An operation that was refused for good once may be refused again; then another change shows that changes are taken.
    """
    announcement = seated.change_quantity(20)
    plan = next(plan for plan in seated.offer.plans if plan.plan_id == seated.subscription.plan_id)
    lie = 30 if plan.allows(30) else 1000
    payload = microsoft.payload(announcement) | {"quantity": lie}
    answer = publisher.receives(announcement, payload=payload, forged=True)
    effect = seated.effects()
    account = seated.account()
    twin = publisher.receives(announcement)
    seated.settles(announcement)
    if answer.is_client_error and twin.is_client_error:
        another = seated.change_quantity(21)
        twin = publisher.receives(another)
        seated.settles(another)

    for each in check.each("WHK-009", "WHK-045"):
        if not twin.is_success and not seated.claims.refuses_changes:
            each.undecided("the same change with a true payload was not taken either", rests_on=[answer, twin])
        elif account is None or not publisher.shows("seats"):
            each.untestable(WITHOUT_STATE)
        else:
            each.that(
                account.seats.value != lie,
                expected=f"not the {lie} seats that only the payload named",
                actual=f"{account.seats}; " + ("; ".join(effect.changes()) or "no effect"),
                rests_on=[answer, account.exchange, *effect.evidence()],
            )


@requirement("WHK-044")
def test_a_seat_change_without_an_operation_behind_it_sets_nothing(microsoft, publisher, seated, check):
    """A genuine token and a made-up operation id: the number of seats stays."""
    announcement = seated.change_quantity(30)
    lie = microsoft.payload(announcement) | {"id": "5eed5eed-0000-4000-8000-000000000001", "quantity": 99}
    answer = publisher.receives(announcement, payload=lie, forged=True)
    effect = seated.effects()
    twin = publisher.receives(announcement)
    seated.settles(announcement)

    if not twin.is_success and not seated.claims.refuses_changes:
        check("WHK-044").undecided("the same change with its operation was not taken either", rests_on=[answer, twin])
    else:
        check("WHK-044").no_change_of_access(effect)
