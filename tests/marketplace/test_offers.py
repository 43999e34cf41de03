from collections.abc import Callable
from decimal import Decimal

import pytest

from fulfillment_conformance.marketplace import (
    MONTHLY,
    YEARLY,
    BillingTerm,
    MeteredQuantity,
    MeteringDimension,
    Offer,
    Plan,
)


def offer(*plans: Plan) -> Offer:
    return Offer(offer_id="contoso-crm", publisher_id="contoso", tenant_id="tenant", app_id="app", plans=plans)


def test_a_plan_is_flat_public_monthly_or_yearly_unless_it_says_otherwise() -> None:
    plan = Plan(plan_id="silver-2")

    assert plan.terms == (MONTHLY, YEARLY)
    assert plan.display_name == "Silver 2"
    assert not any((plan.is_private, plan.is_price_per_seat, plan.has_free_trials, plan.auto_activate))


@pytest.mark.parametrize("plan_id", ["", "Silver", "with space", "ö", "a" * 51, "silver\n"])
def test_a_plan_id_that_partner_center_would_not_take_is_refused(plan_id: str) -> None:
    with pytest.raises(ValueError, match="is not allowed; use 1 to 50 lower-case letters"):
        Plan(plan_id=plan_id)


METER = MeteringDimension(id="mail", unit_of_measure="message", display_name="Mail")
WRONG: list[tuple[str, Callable[[], object]]] = [
    ("needs at least one billing term", lambda: Plan(plan_id="a", terms=())),
    ("each unit once", lambda: Plan(plan_id="a", terms=(MONTHLY, MONTHLY))),
    ("seat limits 0", lambda: Plan(plan_id="a", min_quantity=0)),
    ("seat limits 5..4", lambda: Plan(plan_id="a", min_quantity=5, max_quantity=4)),
    ("metered and has free trials", lambda: Plan(plan_id="a", has_free_trials=True, metering_dimensions=(METER,))),
    ("needs at least one plan", offer),
    ("each plan id once", lambda: offer(Plan(plan_id="a"), Plan(plan_id="a"))),
    ("one pricing model", lambda: offer(Plan(plan_id="a"), Plan(plan_id="b", is_price_per_seat=True))),
    ("term unit 'P1W'", lambda: BillingTerm(term_unit="P1W")),
    ("term unit 'P0M'", lambda: BillingTerm(term_unit="P0M")),
    ("charge duration 'monthly'", lambda: BillingTerm(term_unit="P1Y", charge_duration="monthly")),
]


@pytest.mark.parametrize(("complaint", "build"), WRONG, ids=[complaint for complaint, _ in WRONG])
def test_what_partner_center_would_not_publish_is_refused_with_the_value_at_fault(
    complaint: str, build: Callable[[], object]
) -> None:
    with pytest.raises(ValueError, match=complaint):
        build()


def test_terms_carry_price_currency_payment_interval_and_included_quantities() -> None:
    term = BillingTerm(
        term_unit="P3Y",
        price=Decimal("299.90"),
        currency="EUR",
        charge_duration="P1Y",
        metered_quantity_included=(MeteredQuantity(dimension_id="mail", units="1000"),),
    )
    plan = Plan(plan_id="gold", terms=(MONTHLY, term), metering_dimensions=(METER,))

    assert plan.term() is MONTHLY
    assert plan.term("P3Y") is term
    assert plan.term("P2Y") is None
    assert plan.metering_dimensions[0].price_per_unit == Decimal(1)


@pytest.mark.parametrize(("quantity", "allowed"), [(4, False), (5, True), (500, True), (501, False), (-5, False)])
def test_seats_lie_within_both_limits(quantity: int, allowed: bool) -> None:
    assert Plan(plan_id="team", is_price_per_seat=True, min_quantity=5, max_quantity=500).allows(quantity) is allowed


def test_without_limits_a_seat_plan_takes_one_seat_or_any_number_above() -> None:
    plan = Plan(plan_id="team", is_price_per_seat=True)

    assert [plan.allows(quantity) for quantity in (0, 1, 10**9)] == [False, True, True]


def test_a_private_plan_is_seen_by_its_audience_only() -> None:
    private = Plan(plan_id="a", is_private=True, audience=frozenset({"friend"}))

    assert private.visible_to("friend")
    assert not private.visible_to("stranger")
    assert Plan(plan_id="a").visible_to("stranger")


def test_an_offer_finds_its_plans_by_id() -> None:
    silver, gold = Plan(plan_id="silver"), Plan(plan_id="gold")
    crm = offer(silver, gold)

    assert crm.plan("gold") is gold
    assert crm.plan("bronze") is None
    assert crm.display_name == "Contoso Crm"
