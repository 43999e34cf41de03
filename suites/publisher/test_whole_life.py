"""One customer's whole life with the publisher, from the purchase to the cancellation (LCY, POL, REG, TST)."""

from typing import NamedTuple

import pytest

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import briefly, refused_for_its_values
from fulfillment_conformance.stage.customer import Customer, plans_to_change_to
from fulfillment_conformance.stage.microsoft import kind_of
from fulfillment_conformance.stage.publisher import Account

USAGE = "claims.bills_by_usage: whether usage is reported shows at the metering service, which is not played"
REPLY_SECONDS = 10.0
A_LIFE = 1000
"""More calls than a subscription leads to until it is renewed."""
WITHOUT_STATE = "publisher.state: the target file names no page that shows the accounts"
ACTIVATE = "purchase, configure, activate"


class Step(NamedTuple):
    """One flow: whether it went through, how in words, and what shows it."""

    name: str
    went_through: bool
    told: str
    seen: Answer


class Life(NamedTuple):
    """A customer's life: the flows that it consists of, those that came, what was shown, the calls that began it."""

    customer: Customer
    flows: list[str]
    steps: list[Step]
    shown: dict[str, Account]
    calls: list[Exchange]


@pytest.fixture
def life(stage, microsoft, publisher):
    """Take one customer through everything, as far as the publisher lets it come."""
    customer = stage.purchase(_bought(stage))
    changes = [
        *(["change plan"] if customer.has_other_plan else []),
        *(["change seats"] if customer.subscription.quantity is not None else []),
    ]
    back = [] if customer.claims.refuses_reinstatement else ["reinstate", "renew"]
    flows = [ACTIVATE, "manage", *changes, "suspend", *back, "unsubscribe"]
    steps = []

    def event(name, happens, done):
        try:
            announcement = happens()
        except Precondition:  # what came before was not taken, so that this cannot happen any more
            return customer.account()
        answer = publisher.receives(announcement)
        customer.settles(announcement)
        account = customer.eventually(done)
        told = f"the webhook answered {answer.status_code or answer.error}"
        steps.append(Step(name, answer.is_success, told, answer))
        return account

    mark = microsoft.mark
    customer.visit()
    page = customer.complete()
    activated = customer.awaits("activate")
    resolved = microsoft.called("resolve", since=mark)
    told = f"{briefly(resolved, otherwise='no resolve call')}; {briefly(activated, otherwise='no activate call')}"
    active = any(call.status == 200 for call in activated)
    steps.append(Step(ACTIVATE, active, told if active else f"{told}; {customer.course}", page.answer))
    shown = {"activated": customer.eventually(lambda now: now.gives_access)}
    if customer.subscription.status == "Subscribed":
        managed = customer.manage()
        told = f"{briefly(customer.resolves, otherwise='no resolve call')}; {customer.course}"
        seen = managed.opened or bool(managed.elsewhere)  # what a foreign host shows is not judged here
        steps.append(Step("manage", seen and bool(customer.resolves), told, managed.answer))
        if "change plan" in changes:
            plan = customer.other_plan().plan_id
            changed = event("change plan", lambda: customer.change_plan(plan), lambda now: now.has(plan=plan))
            shown["plan changed"] = changed
        if "change seats" in changes:
            more = customer.subscription.quantity + 5
            event("change seats", lambda: customer.change_quantity(more), lambda now: now.has(seats=more))
        shown["suspended"] = event("suspend", customer.suspend, lambda now: now.status.value == "Suspended")
        if back:
            shown["reinstated"] = event("reinstate", customer.reinstate, lambda now: now.gives_access)
            # What is still read because of the reinstatement must not show the new term already.
            customer.microsoft.calms_down(lambda: len(customer.calls(0)), beyond=A_LIFE)
            sold = customer.subscription
            bought = {"plan": sold.plan_id, "seats": sold.quantity}
            shown["renewed"] = event("renew", customer.renew, lambda now: now.gives_access and now.has(**bought))
        shown["cancelled"] = event("unsubscribe", customer.unsubscribe, lambda now: not now.gives_access)
    return Life(customer, flows, steps, shown, [*resolved, *activated])


@requirement("TST-003", "POL-005", "WHK-010")
def test_every_flow_is_taken(life, check):
    """Purchase, configure, activate, manage, change plan and seats, suspend, reinstate, renew, unsubscribe, in time."""
    customer, flows, steps, _, calls = life
    evidence = [*calls, *(step.seen for step in steps)]
    misnamed = next(filter(None, map(refused_for_its_values, calls)), "")
    if misnamed and not steps[0].went_through:
        for each in check.each("TST-003", "POL-005", "WHK-010"):
            each.undecided(f"activate was refused for what its body names (ACT-006): {misnamed}", rests_on=evidence)
        return
    went = [step.name for step in steps if step.went_through]
    failed = [step for step in steps if not step.went_through]
    refused = [step for step in failed if customer.claims.refuses_changes and step.name.startswith("change")]
    unreached = [name for name in flows if name not in {step.name for step in steps}]
    told = [f"went through: {', '.join(went) or 'none'}"]
    told += [f"refused, as claimed: {step.name}" for step in refused]
    told += [f"failed: {step.name} ({step.told})" for step in failed if step not in refused]
    told += [f"not reached because of that: {', '.join(unreached)}"] if unreached else []

    check("TST-003").that(
        failed == refused and not unreached,
        expected=f"each of these flows goes through, with 2xx from the webhook and a page for the buyer: "
        f"{', '.join(flows)}",
        actual="; ".join(told),
        rests_on=evidence,
    )
    notified = steps[2:]
    if not notified:
        check("WHK-010").undecided("nothing was announced: the purchase was not activated", rests_on=evidence)
    for step in notified:
        check("WHK-010").that(
            step.seen.status_code is not None and step.seen.exchange.seconds < REPLY_SECONDS,
            expected=f"{step.name}: a reply within {REPLY_SECONDS:g} s",
            actual=f"{step.seen.status_code or step.seen.error} after {step.seen.exchange.seconds:.1f} s",
            rests_on=[step.seen],
        )
    check("POL-005").that(
        steps[0].went_through
        and any(kind_of(call)[0] == "resolve" and call.status == 200 for call in calls)
        and any(step.went_through for step in notified),
        expected="the publisher calls resolve and activate, both answered 200, and its webhook takes at least one "
        "notification with 2xx",
        actual=f"{ACTIVATE}: {steps[0].told}; "
        + ("; ".join(f"{step.name}: {step.told}" for step in notified) or "so there was nothing to notify it of"),
        rests_on=evidence,
        notes=[USAGE] if customer.claims.bills_by_usage else [],
    )


@requirement("LCY-026", "REG-018", "WHK-003")
def test_the_account_follows_the_subscription(publisher, life, check):
    """An account with the purchase, the new plan with the change, service again after a suspension, and an end."""
    customer, _, steps, shown, _ = life
    rows = ("LCY-026", "REG-018", "WHK-003")
    if not publisher.shows_state:
        for each in check.each(*rows):
            each.untestable(WITHOUT_STATE)
        return
    if "cancelled" not in shown:
        for each in check.each(*rows):
            each.undecided("the purchase was not activated", rests_on=[steps[0].seen])
        return
    evidence = [account.exchange for account in shown.values()]
    states = "; ".join(f"{name}: {account.status.value}, {account.plan.value}" for name, account in shown.items())
    created, ended = shown["activated"].gives_access, not shown["cancelled"].gives_access
    back = "reinstated" not in shown or shown["reinstated"].gives_access
    changes = shown.get("plan changed")
    refuses = customer.claims.refuses_changes
    changed = refuses or changes is None or changes.has(plan=customer.subscription.plan_id)
    sold = customer.subscription
    kept = "renewed" not in shown or shown["renewed"].has(plan=sold.plan_id, seats=sold.quantity)

    check("LCY-026").that(
        created and back and ended,
        expected="Subscribed after activation and after Reinstate, no access after Unsubscribe",
        actual=states,
        rests_on=evidence,
    )
    for each in check.each("REG-018", "WHK-003"):
        each.that(
            created and changed and kept and ended,
            expected="an account made, its plan changed and kept, its access ended, each when the marketplace said so",
            actual=states,
            rests_on=evidence,
            notes=[] if changes else ["the offer has one plan only, so that no change of plan was seen"],
        )


def _bought(stage):
    """Return what is bought: seats, or a flat plan where only that can be exchanged for another one."""
    flat = stage.flat_plan()
    if not stage.sells_seats:
        return flat
    seats = stage.seat_plan()
    return flat if _refused_or_alone(stage, seats) and not _refused_or_alone(stage, flat) else seats


def _refused_or_alone(stage, choice):
    offer, plan = choice
    return not {each.plan_id for each in plans_to_change_to(offer, plan.plan_id)}.difference(stage.refused_plans)
