"""Plans, prices, terms and trials (catalogue theme TRM)."""

import re
from datetime import date

import pytest

from fulfillment_conformance.dates import term_end
from fulfillment_conformance.interruptions import MissingCapability, Precondition
from fulfillment_conformance.marks import requirement

PLAN_ID = re.compile(r"[a-z0-9_-]{1,50}")
PUBLIC_TERMS = ["P1M", "P1Y", "P2Y", "P3Y"]
OTHER_TERM = re.compile(r"P[45]Y|P[1-9]\d{0,2}M")
"""Terms of Microsoft's OpenAPI file, and numbers of months that private offers have."""

of_each_kind = pytest.mark.parametrize("kind", ["flat", "per-seat"])


@pytest.fixture
def plans(marketplace, situations, kind):
    """Return the plans listed for a purchase of a flat-rate or a per-seat plan."""
    answer = marketplace.list_available_plans(situations.buy(kind).id)
    if not len(answer["plans"]):
        raise Precondition(
            f"listing the plans was answered {answer.status_code}, without plans (PLN-001)", answer.exchange
        )
    return answer["plans"]


@pytest.fixture
def trial(situations):
    """Return an active subscription in its free trial."""
    situations.needs("free-trial")
    situations.start_over()
    plan = next((pair for pair in situations.plans() if pair[1].has_free_trials), None)
    if plan is None:
        raise MissingCapability("free-trial", ": no plan with a free trial is on offer")
    return situations.subscribed(plan=plan, free_trial=True)


@requirement("TRM-001")
@of_each_kind
def test_billing_terms_are_those_on_sale(plans, check):
    """Terms last 1 month or 1, 2 or 3 years; 4 and 5 years, and other numbers of months, are known elsewhere."""
    for plan in plans:
        for term in plan["planComponents"]["recurrentBillingTerms"]:
            unit = term["termUnit"]
            known_elsewhere = isinstance(unit.value, str) and OTHER_TERM.fullmatch(unit.value) is not None
            check("TRM-001").that(
                unit.value in PUBLIC_TERMS or known_elsewhere,
                expected=f"termUnit one of {', '.join(PUBLIC_TERMS)}",
                actual=unit.value,
                rests_on=[unit],
                notes=[f"accepted reading: {unit.value}"] if known_elsewhere and unit.value not in PUBLIC_TERMS else [],
            )


@requirement("TRM-002")
def test_a_payment_interval_is_no_longer_than_its_term(marketplace, situations, check):
    """Where a term is paid in parts, chargeDuration is at most termUnit, for every term on sale."""
    offer, plan = max(situations.plans(), key=lambda pair: len(pair[1].term_units))

    for unit in plan.term_units:
        term = marketplace.get_subscription(situations.buy(plan=(offer, plan), term_unit=unit).id)["term"]
        charge, whole = term["chargeDuration"], _days(term["termUnit"].value)
        charged = _days(charge.value)
        if whole is None:
            check("TRM-002").undecided("termUnit is no duration (GET-031)", rests_on=[term])
            continue
        if whole != _days(unit):
            check("TRM-002").not_applicable("termUnit is not that of the purchase, which GET-031 is about")
            continue
        check("TRM-002").that(
            charge.absent or charge.value in (None, "") or (charged is not None and charged <= whole),
            expected=f"chargeDuration not above termUnit {unit}, or none",
            actual=charge.value,
            rests_on=[term],
        )


@requirement("TRM-003")
@of_each_kind
def test_an_offer_has_one_pricing_model(plans, check, kind):
    """Either all plans that can be changed to are priced per seat, or none is."""
    models = [plan["isPricePerSeat"].value for plan in plans]

    check("TRM-003").that(
        bool(models) and all(model is (kind == "per-seat") for model in models),
        expected=f"isPricePerSeat {kind == 'per-seat'} on all {len(models)} plans",
        actual=models,
        rests_on=[plans],
    )


@requirement("TRM-004")
def test_seats_without_limits_begin_with_one(situations, check):
    """On a per-user plan without limits, one seat can be bought, and very many."""
    unlimited = [pair for pair in situations.plans("per-seat") if pair[1].max_quantity is None]
    if not unlimited:
        check("TRM-004").untestable("every per-user plan on offer has limits")
        return
    bought = [situations.buy(plan=unlimited[0], quantity=seats) for seats in (1, 10_000)]

    check("TRM-004").equals([purchase.quantity for purchase in bought], [1, 10_000])


@requirement("TRM-005")
@of_each_kind
def test_plan_ids_are_made_of_few_characters(marketplace, situations, plans, check, kind):
    """At most 50 lower-case letters, digits, dashes and underscores, wherever a plan is named."""
    purchase = situations.buy(kind)
    named = [
        *(plan["planId"] for plan in plans),
        marketplace.get_subscription(purchase.id)["planId"],
        marketplace.resolve(purchase.token)["planId"],
    ]

    for plan_id in named:
        check("TRM-005").matches(plan_id, PLAN_ID, meaning="1 to 50 of a-z, 0-9, _ and -")


@requirement("TRM-006")
@of_each_kind
def test_plan_names_are_not_long(plans, check):
    """A plan's displayName has at most 200 characters."""
    for plan in plans:
        name = plan["displayName"]
        check("TRM-006").that(
            not isinstance(name.value, str) or len(name.value) <= 200,
            expected="at most 200 characters",
            actual=name.value,
            rests_on=[name],
        )


@requirement("TRM-007")
def test_a_trial_ends_after_its_month(marketplace, situations, trial, check):
    """A subscription is a trial for one month, and an ordinary one afterwards."""
    situations.needs("clock")
    begun = marketplace.get_subscription(trial.id)
    situations.pass_time(days=32)
    later = marketplace.get_subscription(trial.id)
    goes_on = later["isFreeTrial"].value is True

    check("TRM-007").equals(begun["isFreeTrial"], True)
    check("TRM-007").equals(later.status, "Subscribed")
    check("TRM-007").that(
        True,
        expected="isFreeTrial false after a month; trials of another length are known",
        actual=later["isFreeTrial"].value,
        rests_on=[later],
        notes=["accepted reading: a trial of another length"] if goes_on else [],
    )


@requirement("TRM-009")
def test_changing_to_a_plan_without_trial_ends_it(marketplace, situations, trial, check):
    """A trial that moves to a plan without one is over at once; to another plan with one, it goes on."""
    moves = {plan.has_free_trials: plan.plan_id for plan in situations.siblings(trial)}
    shown = {}
    for has_trial in sorted(moves, reverse=True):
        situations.change_plan(trial, moves[has_trial])
        changed = marketplace.get_subscription(trial.id)
        if changed.plan.value != moves[has_trial]:
            raise Precondition(f"the plan is still {changed.plan} after its change (CHP-022)", changed.exchange)
        shown[has_trial] = changed["isFreeTrial"]

    for has_trial, is_trial in shown.items():
        check("TRM-009").that(
            (is_trial.value is True) == has_trial,
            expected=f"isFreeTrial {has_trial} on a plan {'with' if has_trial else 'without'} trials",
            actual=is_trial.value,
            rests_on=[is_trial],
        )


def _days(unit):
    """Return how long a duration is when it begins on the first of January, None if it is none."""
    begin = date(2026, 1, 1)
    end = term_end(begin, unit)
    return None if end is None else (end - begin).days
