"""One customer's whole life with the publisher, from the purchase to the cancellation (LCY, POL, REG, TST)."""

import pytest

from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import briefly

USAGE = "claims.bills_by_usage: whether usage is reported shows at the metering service, which is not played"
A_LIFE = 1000
"""More calls than a subscription leads to until it is renewed."""
WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"


@pytest.fixture
def life(stage, publisher):
    """Return the steps of a life in order: what happened, whether the publisher took it, and what it showed then."""
    seats = stage.sells_seats
    customer = stage.purchase(stage.seat_plan() if seats else None)
    steps = []

    def event(name, happens, done):
        try:
            announcement = happens()
        except Precondition:  # what came before was not taken, so that this cannot happen any more
            steps.append((name, False, page.answer))
            return customer.account()
        answer = publisher.receives(announcement)
        customer.settles(announcement)
        account = customer.eventually(done)
        steps.append((name, answer.is_success, answer))
        return account

    customer.visit()
    page = customer.complete()
    activated = customer.awaits("activate")
    steps.append(("purchase, configure, activate", bool(activated), page.answer))
    shown = {"activated": customer.eventually(lambda now: now.gives_access)}
    if customer.subscription.status == "Subscribed":
        managed = customer.manage()
        steps.append(("manage", managed.opened and bool(customer.resolves), managed.answer))
        plan = customer.other_plan().plan_id
        shown["plan changed"] = event("change plan", lambda: customer.change_plan(plan), lambda now: now.has(plan=plan))
        if seats:
            more = customer.subscription.quantity + 5
            event("change seats", lambda: customer.change_quantity(more), lambda now: now.has(seats=more))
        shown["suspended"] = event("suspend", customer.suspend, lambda now: now.status.value == "Suspended")
        if not publisher.service.claims.refuses_reinstatement:
            shown["reinstated"] = event("reinstate", customer.reinstate, lambda now: now.gives_access)
            # What is still read because of the reinstatement must not show the new term already.
            customer.microsoft.calms_down(lambda: len(customer.calls(0)), beyond=A_LIFE)
            event("renew", customer.renew, lambda now: now.gives_access)
        shown["cancelled"] = event("unsubscribe", customer.unsubscribe, lambda now: not now.gives_access)
    return customer, steps, shown


@requirement("TST-003", "POL-005")
def test_every_flow_is_taken(life, check):
    """Purchase, configure, activate, manage, change plan and seats, suspend, reinstate, renew, unsubscribe."""
    customer, steps, _ = life
    missed = [name for name, taken, _ in steps if not taken]
    evidence = [each for _, _, each in steps]
    changes = customer.claims.refuses_changes

    check("TST-003").that(
        len(steps) > 1 and not [name for name in missed if not (changes and name.startswith("change"))],
        expected="every flow taken: " + ", ".join(name for name, _, _ in steps),
        actual=f"not taken: {', '.join(missed)}" if missed else "every one of them",
        rests_on=evidence,
    )
    resolved = customer.microsoft.called("resolve")
    check("POL-005").that(
        bool(resolved) and steps[0][1] and any(taken for name, taken, _ in steps[2:]),
        expected="resolve, activate, and notifications taken",
        actual=f"{briefly(resolved[-1:], otherwise='no resolve call')}; taken: "
        + (", ".join(name for name, taken, _ in steps if taken) or "nothing"),
        rests_on=[*resolved[-1:], *evidence],
        notes=[USAGE] if customer.claims.bills_by_usage else [],
    )


@requirement("LCY-026", "REG-018", "WHK-003")
def test_the_account_follows_the_subscription(publisher, life, check):
    """An account with the purchase, the new plan with the change, service again after a suspension, and an end."""
    customer, steps, shown = life
    rows = ("LCY-026", "REG-018", "WHK-003")
    if not publisher.shows_state:
        for each in check.each(*rows):
            each.untestable(WITHOUT_STATE)
        return
    if "cancelled" not in shown:
        for each in check.each(*rows):
            each.undecided("the purchase was not activated", rests_on=[steps[0][2]])
        return
    evidence = [account.exchange for account in shown.values()]
    states = "; ".join(f"{name}: {account.status.value}, {account.plan.value}" for name, account in shown.items())
    created, ended = shown["activated"].gives_access, not shown["cancelled"].gives_access
    back = "reinstated" not in shown or shown["reinstated"].gives_access
    changed = customer.claims.refuses_changes or shown["plan changed"].has(plan=customer.subscription.plan_id)

    check("LCY-026").that(
        created and back and ended,
        expected="Subscribed after activation and after Reinstate, no access after Unsubscribe",
        actual=states,
        rests_on=evidence,
    )
    for each in check.each("REG-018", "WHK-003"):
        each.that(
            created and changed and ended,
            expected="an account made, its plan changed, its access ended, each when the marketplace said so",
            actual=states,
            rests_on=evidence,
        )
