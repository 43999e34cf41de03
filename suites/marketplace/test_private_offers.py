"""Private offers and private plans (catalogue theme PVO)."""

import uuid

import pytest

from fulfillment_conformance.interruptions import CannotArrange, MissingCapability, Precondition
from fulfillment_conformance.marks import requirement


@pytest.fixture
def private_plan(situations):
    """Return an offer of the publisher and a private plan of it that has an audience."""
    situations.needs("private-plans")
    for offer in situations.offers:
        for plan in offer.plans:
            if plan.is_private and plan.audience and not plan.is_stop_sell and not plan.auto_activate:
                return offer, plan
    raise MissingCapability("private-plans", ": no private plan with an audience is on offer")


@pytest.fixture
def insider(private_plan):
    """A customer in the tenant that the private plan is open to."""
    tenant_id = private_plan[1].audience[0]
    user = str(uuid.UUID(int=0xB0B))
    return {"emailId": "buyer@contoso.example", "objectId": user, "tenantId": tenant_id, "puid": None}


@requirement("PVO-001")
def test_nothing_says_that_a_purchase_is_private(marketplace, situations, private_plan, insider, check):
    """Resolve and Get of a privately offered plan look as they always do: no field names a private offer."""
    purchase = situations.buy(plan=private_plan, beneficiary=insider)
    resolved, got = marketplace.resolve(purchase.token), marketplace.get_subscription(purchase.id)

    for body in (resolved.body, resolved["subscription"], got.body):
        names = list(body.value) if isinstance(body.value, dict) else []
        telling = [name for name in names if "private" in name.lower() or "sourceoffer" in name.lower()]
        check("PVO-001").that(
            bool(names) and not telling,
            expected="no field about a private offer",
            actual=", ".join(telling) or f"{len(names)} fields, none of them about it",
            rests_on=[body],
        )


@requirement("PVO-003")
def test_a_private_purchase_that_nobody_configures_is_voided(marketplace, situations, private_plan, insider, check):
    """After 30 days, and not before, it is Unsubscribed or gone."""
    situations.needs("clock")
    situations.start_over()
    purchase = situations.buy(plan=private_plan, beneficiary=insider)
    bought = marketplace.get_subscription(purchase.id)
    situations.pass_time(days=29)
    waiting = marketplace.get_subscription(purchase.id)
    situations.pass_time(days=2)
    voided = marketplace.get_subscription(purchase.id)

    check("PVO-003").equals(waiting.status, bought.status)
    check("PVO-003").that(
        voided.status.value == "Unsubscribed" or voided.status_code == 404,
        expected="Unsubscribed, or 404",
        actual=voided.status.value if voided.is_success else voided.status_code,
        rests_on=[waiting, voided],
    )


@requirement("PVO-008")
def test_what_a_reseller_gets_of_private_plans_is_recorded(marketplace, situations, private_plan, insider, check):
    """Whether a reseller can buy a private plan, and whether one is listed for a resold subscription."""
    situations.needs("csp")
    offer, private = private_plan
    try:
        situations.buy(plan=private_plan, channel="csp", beneficiary=insider)
        sold = f"{private.plan_id} is sold through a reseller"
    except CannotArrange:
        sold = f"{private.plan_id} is not sold through a reseller"
    public = next((plan for own, plan in situations.plans() if own.offer_id == offer.offer_id), None)
    if public is None:
        check("PVO-008").untestable(f"offer {offer.offer_id} has no public plan to resell")
        return
    resold = situations.buy(plan=(offer, public), channel="csp", beneficiary=insider)
    answer = marketplace.list_available_plans(resold.id)
    if not answer.is_success:
        raise Precondition(f"the list of plans was answered {answer.status_code} (PLN-001)", answer.exchange)
    listed = [plan["planId"].value for plan in answer["plans"] if plan["isPrivate"].value is True]

    check("PVO-008").that(
        True,
        expected="private plans neither sold to nor listed for resellers",
        actual=f"{sold}; private plans listed: {', '.join(map(str, listed)) or 'none'}",
        rests_on=[answer],
        notes=[sold, f"private plans listed for a resold subscription: {', '.join(map(str, listed)) or 'none'}"],
    )
