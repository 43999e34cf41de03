"""Get Subscription: one object says everything about a subscription (catalogue theme GET)."""

import re
import uuid
from datetime import timedelta

import pytest

from fulfillment_conformance.backend.judgements import UNUSABLE_TOKENS
from fulfillment_conformance.dates import day_of, term_end
from fulfillment_conformance.marks import requirement

STATUSES = ["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"]
TERM_UNIT = re.compile(r"P\d+[MY]")
E_MAIL = re.compile(r"[^@\s]+@[^@\s]+")


@requirement("GET-001")
def test_a_known_subscription_is_shown(marketplace, bought, check):
    """Get answers 200 with the object whose id was asked for."""
    got = marketplace.get_subscription(bought.id)

    check("GET-001").status(got, 200)
    check("GET-001").equals(got["id"], bought.id)


@requirement("GET-002")
def test_an_unknown_subscription_is_not_found(marketplace, bought, unknown_id, check):
    """An id that names nothing is answered 404."""
    check("GET-002").refused(
        marketplace.get_subscription(unknown_id),
        with_status=404,
        while_twin=marketplace.get_subscription(bought.id),
    )


@requirement("GET-003")
@pytest.mark.parametrize("fault", UNUSABLE_TOKENS)
def test_without_a_usable_access_token_nothing_is_shown(marketplace, bought, credentials, check, fault):
    """No usable access token: 401 or 403."""
    refused = marketplace.get_subscription(bought.id, **credentials(fault))

    check("GET-003").refused(refused, with_status=(401, 403), while_twin=marketplace.get_subscription(bought.id))


@requirement("GET-004")
def test_another_publisher_cannot_read_it(marketplace, marketplace_under_test, bought, check):
    """An application that is not the offer's own is refused with 401 or 403."""
    stranger = marketplace_under_test.as_publisher("foreign-publisher")

    check("GET-004").refused(
        stranger.get_subscription(bought.id),
        with_status=(401, 403),
        while_twin=marketplace.get_subscription(bought.id),
    )


@requirement("GET-006", "GET-013")
@pytest.mark.parametrize("status", STATUSES)
def test_get_works_in_every_status(marketplace, situations, check, status):
    """A subscription can be read whatever its status, and shows it byte for byte."""
    arranged = {
        "PendingFulfillmentStart": situations.buy,
        "Subscribed": situations.subscribed,
        "Suspended": situations.suspended,
        "Unsubscribed": situations.unsubscribed,
    }[status]()
    got = marketplace.get_subscription(arranged.id)

    check("GET-006").status(got, 200)
    check("GET-013").equals(got.status, status)


@requirement("GET-007", "GET-009", "GET-010")
def test_ids_are_shown(marketplace, bought, check):
    """Id is a GUID; publisherId and offerId are strings, the offer the one that was bought."""
    got = marketplace.get_subscription(bought.id)

    check("GET-007").is_guid(got["id"])
    check("GET-009").is_text(got["publisherId"])
    check("GET-010").equals(got["offerId"], bought.offer.offer_id)


@requirement("GET-008")
def test_the_name_is_shown(marketplace, purchase, check):
    """Name is a string, the one that resolve tells."""
    got = marketplace.get_subscription(purchase.id)

    check("GET-008").is_a(got["name"], str, meaning="a string")
    check("GET-008").equals(got["name"], marketplace.resolve(purchase.token)["subscriptionName"])


@requirement("GET-011")
def test_the_purchased_plan_is_shown(marketplace, bought, check):
    """PlanId is the plan that was bought."""
    check("GET-011").equals(marketplace.get_subscription(bought.id).plan, bought.plan)


@requirement("GET-011")
def test_a_completed_plan_change_is_shown(marketplace, situations, subscribed, check):
    """After a plan change has succeeded, planId is the new plan."""
    target = situations.other_plan(subscribed).plan_id
    situations.change_plan(subscribed, target)

    check("GET-011").equals(marketplace.get_subscription(subscribed.id).plan, target)


@requirement("GET-012")
def test_seats_of_a_per_seat_plan_are_a_number(marketplace, situations, check):
    """Quantity is the number of seats, as a JSON integer."""
    purchase = situations.buy("per-seat")
    quantity = marketplace.get_subscription(purchase.id).quantity

    as_text = "numeric string" if quantity.value == str(purchase.quantity) else None
    check("GET-012").is_a(quantity, int, meaning="an integer", observed=as_text)
    check("GET-012").equals(quantity, purchase.quantity, observed=as_text)


@requirement("GET-012")
def test_seats_of_a_flat_plan_are_empty(marketplace, situations, check):
    """Quantity is absent, null, 0 or an empty string where seats mean nothing."""
    flat = situations.any_purchase("flat")

    check("GET-012").absent_or(marketplace.get_subscription(flat.id).quantity, [None, "", 0])


@requirement("GET-014")
def test_the_beneficiary_is_described(marketplace, bought, check):
    """Beneficiary has emailId, objectId and tenantId, the ids as GUIDs."""
    party = marketplace.get_subscription(bought.id)["beneficiary"]

    check("GET-014").is_a(party["emailId"], str, meaning="a string")
    check("GET-014").is_guid(party["objectId"])
    check("GET-014").is_guid(party["tenantId"])


@requirement("GET-015")
def test_the_purchaser_is_described(marketplace, bought, check):
    """Purchaser has emailId, objectId and tenantId, the ids as GUIDs."""
    party = marketplace.get_subscription(bought.id)["purchaser"]

    check("GET-015").is_a(party["emailId"], str, meaning="a string")
    check("GET-015").is_guid(party["objectId"])
    check("GET-015").is_guid(party["tenantId"])


@requirement("GET-029")
def test_a_reinstated_term_begins_when_it_began(marketplace, situations, check):
    """Suspension and reinstatement leave startDate at the day of the activation."""
    situations.needs("events")
    purchase = situations.with_a_term()
    before = marketplace.get_subscription(purchase.id)["term"]["startDate"]
    situations.event(purchase, "Suspend")
    operation = situations.event(purchase, "Reinstate")
    marketplace.update_operation(purchase.id, operation, "Success")
    situations.reaches(purchase, "Subscribed", because="after Reinstate (LCY-008)")
    after = marketplace.get_subscription(purchase.id)["term"]["startDate"]

    check("GET-029").that(
        day_of(after.value) == day_of(before.value),
        expected=f"startDate {day_of(before.value)}",
        actual=after.value,
        rests_on=[before, after],
    )


@requirement("GET-016", "GET-019")
def test_a_reseller_purchase_names_two_tenants(marketplace, situations, check):
    """Bought through a reseller: the purchaser may be another tenant than the beneficiary, who may only Read."""
    situations.needs("csp")
    got = marketplace.get_subscription(situations.buy(channel="csp").id)

    check("GET-016").is_guid(got["purchaser"]["tenantId"])
    check("GET-016").that(
        got["purchaser"]["tenantId"].value != got["beneficiary"]["tenantId"].value,
        expected="the partner's tenant as purchaser, the customer's as beneficiary",
        actual=f"purchaser {got['purchaser']['tenantId'].value}, beneficiary {got['beneficiary']['tenantId'].value}",
        rests_on=[got],
    )
    check("GET-019").equals(got["allowedCustomerOperations"], ["Read"])


@requirement("GET-016")
def test_a_reseller_is_the_purchaser_and_the_customer_the_beneficiary(marketplace, situations, check):
    """Bought by a given partner for a given customer: each is named in its own place."""
    situations.needs("csp")
    partner, customer = _user_of("5b6f6f0e-1c1c-4b52-9a57-7d9d0a0a0c0d"), _user_of(str(uuid.UUID(int=0xF)))
    got = marketplace.get_subscription(situations.buy(channel="csp", purchaser=partner, beneficiary=customer).id)

    for side, user in (("purchaser", partner), ("beneficiary", customer)):
        tenant = user["tenantId"]  # a GUID is the same in capitals
        check("GET-016").is_one_of(got[side]["tenantId"], [tenant, tenant.upper()])


@requirement("GET-017")
def test_puid_is_text_or_missing(marketplace, bought, check):
    """Puid is a string, null or absent."""
    puid = marketplace.get_subscription(bought.id)["beneficiary"]["puid"]

    check("GET-017").that(
        puid.absent or puid.value is None or isinstance(puid.value, str),
        expected="puid a string, null or absent",
        actual=puid.value,
        rests_on=[puid],
    )


@requirement("GET-018")
def test_allowed_operations_are_a_set_with_read(marketplace, bought, check):
    """AllowedCustomerOperations is an array of Read, Update and Delete without repeats; Read is always among them."""
    allowed = marketplace.get_subscription(bought.id)["allowedCustomerOperations"]

    check("GET-018").is_a(allowed, list, meaning="an array")
    for operation in allowed:
        check("GET-018").is_one_of(operation, ["Read", "Update", "Delete"])
    values = [operation.value for operation in allowed]
    check("GET-018").that(
        "Read" in values and len(set(map(str, values))) == len(values),
        expected="Read once, nothing twice",
        actual=values,
        rests_on=[allowed],
    )


@requirement("GET-021", "GET-024", "GET-025")
def test_fields_that_do_not_matter_have_their_documented_form(marketplace, bought, check):
    """sessionMode, isTest and sandboxType: if present, of the documented values."""
    got = marketplace.get_subscription(bought.id)

    check("GET-021").absent_or(got["sessionMode"], ["None", "DryRun"])
    check("GET-024").absent_or(got["isTest"], [True, False])
    check("GET-025").absent_or(got["sandboxType"], ["None", "Csp"])


@requirement("GET-022")
def test_a_bought_plan_is_no_trial(marketplace, bought, check):
    """IsFreeTrial is a boolean or missing, and not true outside of a trial."""
    check("GET-022").absent_or(marketplace.get_subscription(bought.id)["isFreeTrial"], [False])


@requirement("GET-022")
def test_a_trial_is_marked(marketplace, situations, check):
    """IsFreeTrial is true while a free trial runs."""
    situations.needs("free-trial")
    trial = next((pair for pair in situations.plans() if pair[1].has_free_trials), None)
    if trial is None:
        check("GET-022").untestable("no plan with a free trial is on offer")
        return
    purchase = situations.buy(plan=trial, free_trial=True)

    check("GET-022").equals(marketplace.get_subscription(purchase.id)["isFreeTrial"], True)


@requirement("GET-023")
def test_auto_renew_is_a_boolean(marketplace, bought, check):
    """AutoRenew tells whether the subscription renews by itself."""
    check("GET-023").is_a(marketplace.get_subscription(bought.id)["autoRenew"], bool, meaning="a boolean")


@requirement("GET-026")
def test_the_creation_time_is_shown(marketplace, situations, bought, check):
    """Created is a date-time that does not lie in the future."""
    created = marketplace.get_subscription(bought.id)["created"]
    day = day_of(created.value)

    check("GET-026").that(
        day is not None and day <= situations.now().date() + timedelta(days=1),  # a day's slack covers every zone
        expected="created an ISO date-time, not in the future",
        actual=created.value,
        rests_on=[created],
        observed="absent" if created.absent else None,
    )


@requirement("GET-027")
def test_the_time_of_the_last_change_does_not_matter(marketplace, bought, check):
    """The field lastModified is deprecated: absent, or anything, 0001-01-01T00:00:00 for instance."""
    shown = marketplace.get_subscription(bought.id)["lastModified"]

    check("GET-027").that(
        True, expected="anything", actual=shown.value, rests_on=[shown], notes=[f"lastModified is {shown.value!r}"]
    )


@requirement("GET-037")
def test_e_mail_addresses_are_such_without_the_blanks_around_them(marketplace, purchase, check):
    """The emailId of either party, trimmed, has a name, an @ and a domain, and is the one that resolve tells."""
    got, resolved = marketplace.get_subscription(purchase.id), marketplace.resolve(purchase.token)

    for party in ("beneficiary", "purchaser"):
        shown, told = got[party]["emailId"], resolved["subscription"][party]["emailId"]
        if not isinstance(shown.value, str):
            check("GET-037").undecided(f"{shown.name} is no text (GET-014, GET-015)", rests_on=[shown])
            continue
        check("GET-037").that(
            E_MAIL.fullmatch(shown.value.strip()) is not None,
            expected=f"{shown.name} an e-mail address",
            actual=shown.value,
            rests_on=[shown],
        )
        check("GET-037").equals(_trimmed(told.value), shown.value.strip())


@requirement("GET-029", "GET-030", "GET-031")
def test_the_term_of_an_active_subscription(marketplace, situations, check):
    """The term starts on the day of activation and ends with the last day of its duration."""
    now = situations.now()
    subscribed = situations.subscribed()
    term = marketplace.get_subscription(subscribed.id)["term"]
    start, end = day_of(term["startDate"].value), day_of(term["endDate"].value)
    expected_end = term_end(start, term["termUnit"].value)
    dates_left_out = "absent" if term["startDate"].absent and term["endDate"].absent else None

    check("GET-029").that(
        start is not None and abs((start - now.date()).days) <= 1,
        expected=f"term.startDate the day of activation, {now.date()} (UTC)",
        actual=term["startDate"].value,
        rests_on=[term],
        observed=dates_left_out,
    )
    check("GET-030").that(
        end is not None and (expected_end is None or abs((end - expected_end).days) <= situations.term_slack_days),
        expected=f"term.endDate the last day of the term, {expected_end}",
        actual=term["endDate"].value,
        rests_on=[term],
        observed=dates_left_out,
    )
    unit = term["termUnit"]
    check("GET-031").that(
        isinstance(unit.value, str) and TERM_UNIT.fullmatch(unit.value) is not None,
        expected="term.termUnit a duration in months or years, like P1M",
        actual=unit.value,
        rests_on=[unit],
        observed="missing" if term.absent else None,
    )


@requirement("GET-029")
def test_a_pending_purchase_has_no_start(marketplace, purchase, check):
    """term.startDate is absent or null before activation."""
    term = marketplace.get_subscription(purchase.id)["term"]

    check("GET-029").absent_or(term["startDate"], [None, ""])


@requirement("GET-032")
def test_the_payment_interval_is_a_duration_or_missing(marketplace, subscribed, check):
    """term.chargeDuration is null, absent or an ISO duration."""
    charge = marketplace.get_subscription(subscribed.id)["term"]["chargeDuration"]

    check("GET-032").that(
        charge.absent
        or charge.value is None
        or (isinstance(charge.value, str) and TERM_UNIT.fullmatch(charge.value) is not None),
        expected="term.chargeDuration null, absent or a duration",
        actual=charge.value,
        rests_on=[charge],
    )


def _trimmed(value):
    return value.strip() if isinstance(value, str) else value


def _user_of(tenant_id):
    user = str(uuid.UUID(int=0xB0B))
    return {"emailId": "someone@contoso.example", "objectId": user, "tenantId": tenant_id, "puid": None}
