"""List available plans: what a subscription may change to (catalogue theme PLN)."""

import re
import uuid

import pytest

from fulfillment_conformance.backend.judgements import BAD_CREDENTIALS
from fulfillment_conformance.backend.situations import same_market
from fulfillment_conformance.interruptions import MissingCapability, Precondition
from fulfillment_conformance.marks import requirement

COUNTRY = re.compile(r"[A-Z]{2}")
TERM_UNIT = re.compile(r"P[1-9]\d*[MY]")

of_each_kind = pytest.mark.parametrize("kind", ["flat", "per-seat"])


@pytest.fixture
def plans(marketplace, situations, kind):
    """Return the plans listed for a purchase of a flat-rate or a per-seat plan."""
    return _listed(marketplace, situations.buy(kind))


@requirement("PLN-001")
@of_each_kind
def test_plans_are_an_array(marketplace, situations, check, kind):
    """Listing the plans of a known subscription is answered 200 with the array plans."""
    answer = marketplace.list_available_plans(situations.buy(kind).id)

    check("PLN-001").status(answer, 200)
    check("PLN-001").is_a(answer["plans"], list, meaning="an array")


@requirement("PLN-001", "PLN-002", "PLN-005")
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Subscribed", "Suspended"])
def test_plans_are_listed_in_every_status_but_the_last(marketplace, situations, check, status):
    """As long as it is not cancelled, a subscription has the same plans to change to, and the same filter."""
    with situations.further():
        for purchase in situations.of_each_kind(lambda kind: situations.in_status(status, kind)):
            answer = marketplace.list_available_plans(purchase.id)
            others = {plan.plan_id for plan in situations.siblings(purchase)}
            check("PLN-001").status(answer, 200)
            if not answer.is_success:
                raise Precondition(f"the plans of a {status} subscription are not to be had (PLN-001)", answer.exchange)
            check("PLN-002").that(
                others <= set(_by_id(answer)),
                expected=f"the public plans {', '.join(sorted(others))} for a {status} subscription",
                actual=", ".join(map(str, _by_id(answer))) or "no plan",
                rests_on=[answer],
            )
            for plan in sorted(others):
                one = marketplace.list_available_plans(purchase.id, plan=plan)
                check("PLN-005").equals([each["planId"].value for each in one["plans"]], [plan])
            if not others:
                check("PLN-005").not_applicable("the offer has no other plan to ask for")


@requirement("PLN-002")
@of_each_kind
def test_plans_of_other_offers_are_not_listed(marketplace, situations, check, kind):
    """The list is about the offer that the subscription was bought from."""
    with situations.further():
        purchase = situations.buy(kind)
        own = {plan.plan_id for plan in purchase.offer.plans}
        listed = _by_id(_listed(marketplace, purchase))
        foreign = {plan.plan_id for offer in situations.driver.offers() for plan in offer.plans} - own

        check("PLN-002").that(
            not foreign & set(listed),
            expected=f"plans of offer {purchase.offer.offer_id} only",
            actual=", ".join(map(str, listed)),
            rests_on=listed.values(),
        )


@requirement("PLN-002")
def test_the_public_plans_of_the_offer_are_listed(marketplace, situations, purchase, check):
    """Everybody may switch to the other public plans."""
    listed = _by_id(_listed(marketplace, purchase))
    others = [plan.plan_id for plan in situations.siblings(purchase)]

    check("PLN-002").that(
        set(others) <= set(listed),
        expected=f"the public plans {', '.join(others)}",
        actual=", ".join(map(str, listed)),
        rests_on=listed.values(),
    )


@requirement("PLN-002")
def test_private_plans_are_listed_for_their_audience_only(marketplace, situations, check):
    """A customer finds the private plans of its own tenant in the list, a customer elsewhere does not."""
    offer, plan, private = _private_plan(situations)
    insider = situations.buy(plan=(offer, plan), beneficiary=_user_of(private.audience[0]))
    outsider = situations.buy(plan=(offer, plan), beneficiary=_user_of(str(uuid.UUID(int=0xF))))
    active = situations.subscribed(plan=(offer, plan), beneficiary=_user_of(private.audience[0]))
    customers = ((private.audience[0], insider), ("another tenant", outsider), (private.audience[0], active))

    for audience, purchase in customers:
        listed = _listed(marketplace, purchase)
        for each in offer.plans:
            if each.is_private and not each.is_stop_sell and same_market(each, plan):
                filtered = marketplace.list_available_plans(purchase.id, plan=each.plan_id)
                for how, shown in (("listed", _by_id(listed)), ("found by its id", _by_id(filtered))):
                    check("PLN-002").that(
                        (each.plan_id in shown) == (audience in each.audience),
                        expected=f"{each.plan_id} {how if audience in each.audience else f'not {how}'} for {audience}",
                        actual=", ".join(map(str, shown)) or "no plan",
                        rests_on=[listed, filtered],
                    )


@requirement("PLN-003")
@of_each_kind
def test_the_purchased_plan_is_listed(marketplace, situations, check, kind):
    """The present plan is among those listed, by one sentence of the page; by another it is not."""
    purchase = situations.buy(kind)
    listed = _listed(marketplace, purchase)

    check("PLN-003").that(
        purchase.plan in _by_id(listed),
        expected=f"the present plan, {purchase.plan}",
        actual=", ".join(map(str, _by_id(listed))),
        rests_on=[listed],
    )


@requirement("PLN-004")
def test_a_plan_that_is_not_listed_cannot_be_switched_to(marketplace, situations, subscribed, check):
    """A change to a plan that exists and is not listed is answered 400, one to a listed plan is accepted."""
    listed = _by_id(_listed(marketplace, subscribed))
    unlisted = [plan.plan_id for offer in situations.offers for plan in offer.plans if plan.plan_id not in listed]
    if not unlisted:
        check("PLN-004").untestable("every plan of the publisher is listed; sell another offer, or a private plan")
        return
    refused = [marketplace.change_plan(subscribed.id, plan) for plan in unlisted]
    twin = marketplace.change_plan(subscribed.id, situations.other_plan(subscribed).plan_id)

    for answer in refused:
        check("PLN-004").refused(answer, with_status=400, while_twin=twin)


@requirement("PLN-005")
@of_each_kind
def test_the_filter_restricts_the_list_to_one_plan(marketplace, situations, check, kind):
    """With planId the answer holds that plan alone, whichever of the listed ones it is; without, all of them."""
    purchase = situations.buy(kind)
    everything = marketplace.list_available_plans(purchase.id)
    filtered = {plan: marketplace.list_available_plans(purchase.id, plan=str(plan)) for plan in _by_id(everything)}

    least = min(2, len(situations.siblings(purchase)))  # the present plan may be left out (PLN-003)
    check("PLN-005").that(
        len(filtered) >= least,
        expected=f"{least or 'no'} plans or more without a filter",
        actual=len(filtered),
        rests_on=[everything],
    )
    for plan, answer in filtered.items():
        check("PLN-005").status(answer, 200)
        check("PLN-005").that(
            [each["planId"].value for each in answer["plans"]] == [plan],
            expected=f"{plan} alone, once",
            actual=", ".join(str(each["planId"].value) for each in answer["plans"]) or "no plan",
            rests_on=[answer],
        )


@requirement("PLN-005")
@of_each_kind
def test_the_order_of_query_parameters_does_not_matter(marketplace, situations, check, kind):
    """The filter has its effect behind api-version as before it."""
    with situations.further():
        purchase = situations.buy(kind)
        plan = situations.siblings(purchase)[0].plan_id if situations.siblings(purchase) else purchase.plan
        path = f"/{purchase.id}/listAvailablePlans?api-version=2018-08-31&planId={plan}"
        answer = marketplace.request("GET", path, "list available plans", api_version=None)

        check("PLN-005").equals([each["planId"].value for each in answer["plans"]], [plan])


@requirement("PLN-006")
def test_an_unknown_plan_in_the_filter_gives_an_empty_list(marketplace, purchase, check):
    """A planId that names no plan is answered 200 with no plans."""
    answer = marketplace.list_available_plans(purchase.id, plan="a-plan-nobody-sells")

    check("PLN-006").status(answer, 200)
    check("PLN-006").equals(answer["plans"], [])


@requirement("PLN-006")
def test_the_filter_takes_whole_ids_of_the_own_offer(marketplace, situations, check):
    """What begins like a plan's id, or is the id of another offer's plan, names no plan of this one."""
    with situations.further():
        for purchase in situations.of_each_kind(situations.buy):
            own = {plan.plan_id for plan in purchase.offer.plans}
            others = [plan.plan_id for offer in situations.offers for plan in offer.plans if plan.plan_id not in own]
            for unknown in sorted(
                {"a-plan-nobody-sells", purchase.plan[:-1] or "-", f"{purchase.plan}-", *others[:1]} - own
            ):
                answer = marketplace.list_available_plans(purchase.id, plan=unknown)
                check("PLN-006").status(answer, 200)
                check("PLN-006").equals(answer["plans"], [])


@requirement("PLN-007")
@of_each_kind
def test_source_offers_are_shown_for_the_purchased_plan_only(marketplace, situations, check, kind):
    """Without the filter, and with the filter on another plan, no plan has sourceOffers."""
    purchase = situations.buy(kind)
    everything = _listed(marketplace, purchase)
    another = marketplace.list_available_plans(purchase.id, plan=situations.other_plan(purchase).plan_id)

    for plan in (*everything, *another["plans"]):
        check("PLN-007").absent_or(plan["sourceOffers"], [None, []])


@requirement("PLN-008")
def test_a_private_offer_is_named_by_its_id(marketplace, purchase, check):
    """Where sourceOffers is shown for the purchased plan, each externalId is a GUID."""
    answer = marketplace.list_available_plans(purchase.id, plan=purchase.plan)
    shown = [source["externalId"] for plan in answer["plans"] for source in plan["sourceOffers"]]
    if not shown:
        check("PLN-008").not_applicable("the purchase was not made through a private offer, and none can be arranged")

    for external_id in shown:
        check("PLN-008").is_guid(external_id)


@requirement("PLN-009")
def test_plans_of_an_unknown_subscription_are_not_found(marketplace, purchase, unknown_id, check):
    """An id that does not exist is answered 404; the page of 2022 has 200 and nothing in it."""
    answer = marketplace.list_available_plans(unknown_id)

    check("PLN-009").refused(answer, with_status=404, while_twin=marketplace.list_available_plans(purchase.id))
    check("PLN-009").that(
        not answer.is_success or not _by_id(answer),
        expected="no plans",
        actual=", ".join(map(str, _by_id(answer))) or "no plans",
        rests_on=[answer],
    )


@requirement("PLN-010")
@pytest.mark.parametrize("fault", BAD_CREDENTIALS)
def test_without_good_credentials_no_plans_are_listed(marketplace, purchase, credentials, check, fault):
    """No usable access token, or another publisher's: 401 or 403."""
    refused = marketplace.list_available_plans(purchase.id, **credentials(fault))

    check("PLN-010").refused(refused, with_status=(401, 403), while_twin=marketplace.list_available_plans(purchase.id))


@requirement("PLN-011")
def test_plans_of_a_cancelled_subscription_may_be_refused(marketplace, situations, check):
    """Once Unsubscribed, its plans are refused or still listed."""
    answer = marketplace.list_available_plans(situations.unsubscribed().id)

    check("PLN-011").status(answer, 403)


@requirement("PLN-013", "PLN-015", "PLN-016")
@of_each_kind
def test_a_plan_is_described(plans, check):
    """Names and description are strings, the marks are booleans, the market is a country's code."""
    for plan in plans:
        check("PLN-013").is_text(plan["planId"])
        check("PLN-013").is_a(plan["displayName"], str, meaning="a string")
        check("PLN-013").is_a(plan["description"], str, meaning="a string")
        check("PLN-013").is_a(plan["isPrivate"], bool, meaning="a boolean")
        for mark in ("hasFreeTrials", "isPricePerSeat", "isStopSell"):
            check("PLN-015").is_a(plan[mark], bool, meaning="a boolean")
        check("PLN-016").matches(plan["market"], COUNTRY, meaning="a code of two capital letters, like US")


@requirement("PLN-013", "PLN-015", "PLN-016", "PLN-017")
@of_each_kind
def test_a_plan_is_described_as_it_is_sold(marketplace, situations, check, kind):
    """What can be known of a plan before is what the list says: who sees it, how it is priced, where, for how long."""
    with situations.further():
        situations.needs("purchases")
        purchase = situations.buy(kind)
        sold = {plan.plan_id: plan for plan in purchase.offer.plans}
        listed = [
            (plan, sold[plan["planId"].value]) for plan in _listed(marketplace, purchase) if _is_among(plan, sold)
        ]
        if not listed:
            for each in check.each(*check.claims):
                each.undecided("no plan is listed that is known to be on sale (PLN-002)")
        for plan, info in listed:
            check("PLN-013").equals(plan["isPrivate"], info.is_private)
            check("PLN-015").equals(plan["isPricePerSeat"], info.is_price_per_seat)
            check("PLN-015").equals(plan["hasFreeTrials"], info.has_free_trials)
            check("PLN-015").equals(plan["isStopSell"], info.is_stop_sell)
            if info.market is None:
                check("PLN-016").is_text(plan["market"])
            else:
                check("PLN-016").equals(plan["market"], info.market)
            units = [term["termUnit"].value for term in plan["planComponents"]["recurrentBillingTerms"]]
            check("PLN-017").that(
                set(map(str, units)) == set(info.term_units),
                expected=f"the terms of {info.plan_id}: {', '.join(info.term_units)}",
                actual=", ".join(map(str, units)) or "none",
                rests_on=[plan],
            )


@requirement("PLN-014")
def test_seat_limits_are_integers(marketplace, situations, check):
    """Each per-seat plan shows the limits that it is sold with; where it has none, none need be shown."""
    purchase = situations.buy("per-seat")
    sold = {plan.plan_id: plan for plan in purchase.offer.plans}

    for plan in _listed(marketplace, purchase):
        info = sold.get(plan["planId"].value)
        least, most = plan["minQuantity"], plan["maxQuantity"]
        for shown, limit in ((least, info and info.min_quantity), (most, info and info.max_quantity)):
            if limit is None:
                check("PLN-014").that(
                    shown.absent or shown.value is None or _is_integer(shown.value),
                    expected=f"{shown.name} an integer, null or absent",
                    actual=repr(shown.value),
                    rests_on=[shown],
                )
            else:
                check("PLN-014").equals(shown, limit)
        if _is_integer(least.value) and _is_integer(most.value):
            check("PLN-014").that(
                least.value <= most.value,
                expected="minQuantity not above maxQuantity",
                actual=f"{least.value} and {most.value}",
                rests_on=[plan],
            )


@requirement("PLN-017")
@of_each_kind
def test_billing_terms_have_a_price(plans, check):
    """Each plan has billing terms, each with currency, price, unit and description."""
    for plan in plans:
        terms = plan["planComponents"]["recurrentBillingTerms"]
        check("PLN-017").that(
            len(terms) > 0, expected=f"{terms.name} an array with a term", actual=repr(terms.value), rests_on=[terms]
        )
        for term in terms:
            check("PLN-017").is_text(term["currency"])
            check("PLN-017").is_a(term["price"], int, float, meaning="a number")
            check("PLN-017").matches(term["termUnit"], TERM_UNIT, meaning="a duration in months or years, like P1M")
            check("PLN-017").is_a(term["termDescription"], str, meaning="a string")


@requirement("PLN-018", "PLN-019")
@of_each_kind
def test_metered_quantities_and_dimensions_have_their_types(plans, check):
    """Units that a term includes are strings, prices of a dimension numbers; a plan without metering has no entries."""
    for plan in plans:
        for term in plan["planComponents"]["recurrentBillingTerms"]:
            included = term["meteredQuantityIncluded"]
            _is_array_if_any(check("PLN-018"), included)
            for quantity in included:
                check("PLN-018").is_text(quantity["dimensionId"])
                check("PLN-018").is_a(quantity["units"], str, meaning="a string")
        dimensions = plan["planComponents"]["meteringDimensions"]
        _is_array_if_any(check("PLN-019"), dimensions)
        for dimension in dimensions:
            for name in ("id", "currency", "unitOfMeasure", "displayName"):
                check("PLN-019").is_a(dimension[name], str, meaning="a string")
            check("PLN-019").is_a(dimension["pricePerUnit"], int, float, meaning="a number")


@requirement("PLN-021")
def test_a_plan_that_is_no_longer_sold_breaks_nothing(marketplace, situations, check):
    """A change to a plan with isStopSell is answered in some way below 500; which, no page says."""
    found = [(sold, stopped) for sold in situations.plans() for stopped in sold[0].plans if stopped.is_stop_sell]
    if not found:
        check("PLN-021").untestable("no offer with plans on sale has one with isStopSell")
        return
    sold, stopped = found[0]
    answer = marketplace.change_plan(situations.subscribed(None, plan=sold).id, stopped.plan_id)

    check("PLN-021").that(
        answer.is_success or answer.is_client_error,
        expected="2xx or 4xx",
        actual=answer.status_code or answer.error,
        rests_on=[answer],
    )


def _listed(marketplace, purchase):
    """Return the array of plans of a purchase; without one there is nothing to judge them by."""
    answer = marketplace.list_available_plans(purchase.id)
    if not answer.is_success or not len(answer["plans"]):
        raise Precondition(
            f"listing the plans was answered {answer.status_code}, without plans (PLN-001)", answer.exchange
        )
    return answer["plans"]


def _by_id(answer):
    """Return the plans of an answer, or of an array of plans, by their ids."""
    plans = answer["plans"] if hasattr(answer, "status_code") else answer
    return {plan["planId"].key: plan for plan in plans}


def _is_among(plan, sold):
    return isinstance(plan["planId"].value, str) and plan["planId"].value in sold


def _private_plan(situations):
    """Return an offer, a public plan and a private one of it; the private one has an audience."""
    situations.needs("private-plans")
    for offer, plan in situations.plans():
        for private in offer.plans:
            if private.is_private and private.audience and same_market(private, plan):
                return offer, plan, private
    raise MissingCapability("private-plans", ": no private plan with an audience is on offer")


def _user_of(tenant_id):
    return {
        "emailId": "buyer@contoso.example",
        "objectId": str(uuid.UUID(int=0xB0B)),
        "tenantId": tenant_id,
        "puid": None,
    }


def _is_array_if_any(check, reading):
    check.that(
        reading.absent or isinstance(reading.value, list),
        expected=f"{reading.name} an array, or absent",
        actual=repr(reading.value)[:100],
        rests_on=[reading],
    )


def _is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)
