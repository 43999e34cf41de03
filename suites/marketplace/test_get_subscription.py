"""Get Subscription: one object says everything about a subscription (catalogue theme GET)."""

import re
import uuid
from calendar import monthrange
from datetime import timedelta

import pytest

from fulfillment_conformance.backend.judgements import SLACK, UNUSABLE_TOKENS
from fulfillment_conformance.dates import day_of, moment_of, term_end
from fulfillment_conformance.marks import requirement

STATUSES = ["PendingFulfillmentStart", "Subscribed", "Suspended", "Unsubscribed"]
TERM_UNIT = re.compile(r"P\d+[MY]")
NAME = "Büro Nº 7 & Söhne – 東京"
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


@requirement("GET-006", "GET-008", "GET-010", "GET-011", "GET-012", "GET-014", "GET-015")
@pytest.mark.parametrize("status", STATUSES)
def test_what_was_bought_shows_in_every_status(marketplace, situations, check, status):
    """Name, offer, plan, seats, beneficiary and purchaser stay what they were, with any kind of plan."""
    with situations.further():
        situations.needs("events")
        for bought in situations.of_each_kind(situations.buy):
            before = marketplace.get_subscription(bought.id)
            situations.bring_to(bought, status)
            got = marketplace.get_subscription(bought.id)

            check("GET-006").status(got, 200)
            check("GET-008").equals(got["name"], before["name"])
            check("GET-010").equals(got["offerId"], bought.offer.offer_id)
            check("GET-011").equals(got.plan, bought.plan)
            if bought.quantity is None:
                check("GET-012").absent_or(got.quantity, [None, "", 0])
            else:
                _shows_seats(check("GET-012"), got, bought.quantity)
            check("GET-014").equals(got["beneficiary"], before["beneficiary"])
            check("GET-015").equals(got["purchaser"], before["purchaser"])


@requirement("GET-006")
@pytest.mark.parametrize("ever_active", [True, False], ids=["once-active", "never-active"])
def test_what_was_cancelled_is_shown(situations, check, ever_active):
    """Cancelled by its customer, active before or never, a subscription can be read: it is Unsubscribed, not gone."""
    with situations.further():
        situations.needs("events")
        for purchase in situations.of_each_kind(situations.subscribed if ever_active else situations.buy):
            situations.event(purchase, "Unsubscribe")
            got = situations.wait_for_status(purchase, "Unsubscribed")
            check("GET-006").status(got, 200)


@requirement("GET-007", "GET-009", "GET-010")
def test_ids_are_shown(marketplace, bought, check):
    """Id is a GUID; publisherId and offerId are strings, the offer the one that was bought, and its publisher."""
    got = marketplace.get_subscription(bought.id)

    check("GET-007").is_guid(got["id"])
    check("GET-009").is_text(got["publisherId"])
    if bought.offer.publisher_id:
        check("GET-009").equals(got["publisherId"], bought.offer.publisher_id)
    check("GET-010").equals(got["offerId"], bought.offer.offer_id)


@requirement("GET-008")
def test_the_name_is_shown(marketplace, purchase, check):
    """Name is a string, the one that resolve tells."""
    got = marketplace.get_subscription(purchase.id)

    check("GET-008").is_a(got["name"], str, meaning="a string")
    check("GET-008").equals(got["name"], marketplace.resolve(purchase.token)["subscriptionName"])


@requirement("GET-008", "RES-006")
def test_a_name_is_shown_as_the_buyer_chose_it(marketplace, situations, check):
    """The display name keeps every letter, those beyond ASCII included."""
    with situations.further():
        purchase = situations.buy(name=NAME)
        resolved, got = marketplace.resolve(purchase.token), marketplace.get_subscription(purchase.id)

        check("GET-008").equals(got["name"], NAME)
        check("RES-006").equals(resolved["subscriptionName"], NAME)


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
    got = marketplace.get_subscription(purchase.id)

    as_text = "numeric string" if got.quantity.value == str(purchase.quantity) else None
    check("GET-012").is_a(got.quantity, int, meaning="an integer", observed=as_text)
    _shows_seats(check("GET-012"), got, purchase.quantity)


@requirement("GET-012")
def test_few_seats_are_shown_and_many(marketplace, situations, check):
    """Quantity is the number that was bought, at either limit of the plan."""
    with situations.further():
        for purchase in situations.at_the_limits():
            _shows_seats(check("GET-012"), marketplace.get_subscription(purchase.id), purchase.quantity)


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


@requirement("GET-014", "GET-015")
def test_buyers_are_told_apart(marketplace, situations, check):
    """Each purchase names the beneficiary that it was made for, and the purchaser that made it."""
    with situations.further():
        buyers = [_user_of(str(uuid.UUID(int=0xF0 + number)), number) for number in (1, 2)]
        for buyer in buyers:
            got = marketplace.get_subscription(situations.buy(beneficiary=buyer, purchaser=buyer).id)
            for row, party in (("GET-014", "beneficiary"), ("GET-015", "purchaser")):
                for name in ("emailId", "objectId", "tenantId"):
                    shown = got[party][name]
                    check(row).that(
                        str(shown.value).strip().lower() == buyer[name],  # a GUID is the same in capitals
                        expected=buyer[name],
                        actual=shown.value,
                        rests_on=[shown],
                    )


@requirement("GET-029")
def test_a_reinstated_term_begins_when_it_began(marketplace, situations, check):
    """Suspension and reinstatement leave startDate at the day of the activation."""
    situations.needs("events")
    purchase = situations.with_a_term()
    before = marketplace.get_subscription(purchase.id)["term"]["startDate"]
    situations.event(purchase, "Suspend")
    situations.reinstate(purchase)
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


@requirement("GET-019")
@pytest.mark.parametrize("status", STATUSES[:3])
def test_what_a_reseller_sold_stays_read_only(marketplace, situations, check, status):
    """AllowedCustomerOperations is [Read] before and after activation, and while the payment is missing."""
    with situations.further():
        situations.needs("csp", "events")
        for purchase in situations.of_each_kind(lambda kind: situations.buy(kind, channel="csp")):
            situations.bring_to(purchase, status)
            got = marketplace.get_subscription(purchase.id)
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
    pending = marketplace.get_subscription(purchase.id)
    situations.activate(purchase)

    check("GET-022").equals(pending["isFreeTrial"], True)
    check("GET-022").equals(marketplace.get_subscription(purchase.id)["isFreeTrial"], True)


@requirement("GET-023")
def test_auto_renew_is_a_boolean(marketplace, bought, check):
    """AutoRenew tells whether the subscription renews by itself."""
    check("GET-023").is_a(marketplace.get_subscription(bought.id)["autoRenew"], bool, meaning="a boolean")


@requirement("GET-023")
def test_a_subscription_that_does_not_renew_says_so(marketplace, situations, check):
    """AutoRenew is false for what was bought without renewal, true otherwise."""
    with situations.further():
        situations.needs("auto-renew")
        for renews in (True, False):
            purchase = situations.subscribed(auto_renew=renews)
            check("GET-023").equals(marketplace.get_subscription(purchase.id)["autoRenew"], renews)


@requirement("GET-026")
def test_the_creation_time_is_that_of_the_purchase(marketplace, situations, purchase, check):
    """Created is when it was bought, and stays so after activation days later."""
    with situations.further():
        situations.needs("clock")
        now, fresh = situations.now(), marketplace.get_subscription(purchase.id)["created"]
        situations.pass_time(days=3)
        situations.activate(purchase)
        later = marketplace.get_subscription(purchase.id)["created"]
        moment = moment_of(fresh.value)

        check("GET-026").that(
            moment is not None and abs(moment - now) <= SLACK,
            expected=f"created near {now.isoformat(timespec='seconds')}, in UTC",
            actual=fresh.value,
            rests_on=[fresh],
            observed="absent" if fresh.absent else None,
        )
        check("GET-026").that(
            moment_of(later.value) == moment,
            expected=f"created as before, {fresh.value}",
            actual=later.value,
            rests_on=[fresh, later],
        )


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


@requirement("GET-029", "GET-030", "GET-031")
@pytest.mark.parametrize("long", [False, True], ids=["in-a-short-month", "in-a-long-month"])
def test_every_term_on_sale_begins_with_activation_and_has_its_length(marketplace, situations, check, long):
    """The term is the one that was bought, from the day of the activation, in months of whatever length."""
    with situations.further():
        situations.needs("clock")
        situations.start_over()
        _pass_to_the_middle_of_a_month(situations, long=long)
        bought = {
            (plan.is_price_per_seat, unit): (situations.buy(plan=(offer, plan), term_unit=unit), unit)
            for offer, plan in situations.plans()
            for unit in plan.term_units
        }
        situations.pass_time(days=4)

        for purchase, unit in bought.values():
            situations.activate(purchase)
            today = situations.now().date()
            term = marketplace.get_subscription(purchase.id)["term"]
            start, end = day_of(term["startDate"].value), day_of(term["endDate"].value)
            left_out = "absent" if term["startDate"].absent and term["endDate"].absent else None
            check("GET-029").that(
                start is not None and abs((start - today).days) <= 1,
                expected=f"term.startDate the day of activation, {today} (UTC), four days after the purchase",
                actual=term["startDate"].value,
                rests_on=[term],
                observed=left_out,
            )
            wanted = term_end(start or today, unit)
            check("GET-030").that(
                end is not None and wanted is not None and abs((end - wanted).days) <= situations.term_slack_days,
                expected=f"term.endDate the last day of {unit}, {wanted}",
                actual=term["endDate"].value,
                rests_on=[term],
                observed=left_out,
            )
            check("GET-031").equals(term["termUnit"], unit)


@requirement("GET-029")
def test_activating_again_does_not_begin_a_term_again(marketplace, situations, check):
    """Days later the subscription may be activated once more or not: its term began when it was activated first."""
    with situations.further():
        situations.needs("clock")
        subscribed = situations.with_a_term()
        before = marketplace.get_subscription(subscribed.id)["term"]["startDate"]
        situations.pass_time(days=3)
        marketplace.activate(subscribed.id, plan=subscribed.plan)
        after = marketplace.get_subscription(subscribed.id)["term"]["startDate"]

        check("GET-029").that(
            day_of(after.value) == day_of(before.value),
            expected=f"term.startDate as before, {before.value}",
            actual=after.value,
            rests_on=[before, after],
        )


@requirement("GET-029", "GET-030")
def test_a_missing_payment_leaves_the_term(marketplace, situations, check):
    """While it is Suspended, also days later, a subscription shows the term that it had."""
    with situations.further():
        situations.needs("clock", "events")
        purchase = situations.with_a_term()
        before = marketplace.get_subscription(purchase.id)["term"]
        situations.event(purchase, "Suspend")
        situations.reaches(purchase, "Suspended", because="after Suspend (LCY-007)")
        situations.pass_time(days=3)
        after = marketplace.get_subscription(purchase.id)["term"]

        for row, name in (("GET-029", "startDate"), ("GET-030", "endDate")):
            check(row).that(
                day_of(after[name].value) == day_of(before[name].value),
                expected=f"term.{name} as before, {before[name].value}",
                actual=after[name].value,
                rests_on=[before, after],
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


def _user_of(tenant_id, number=0xB0B):
    user = str(uuid.UUID(int=number))
    return {"emailId": f"someone-{number}@contoso.example", "objectId": user, "tenantId": tenant_id, "puid": None}


def _shows_seats(check, got, seats):
    """Check the number of seats; a reseller's or a cancelled one may be hidden, and seats may be text, live."""
    observed = "numeric string" if got.quantity.value == str(seats) else None
    if got.quantity.absent and got.status.value == "Unsubscribed":
        observed = "Unsubscribed: absent"
    check.equals(got.quantity, seats, observed=observed)


def _pass_to_the_middle_of_a_month(situations, *, long):
    """Let time pass until the tenth of a month with 31 days, or with fewer."""
    today = situations.now().date()
    ahead = (today + timedelta(days=more) for more in range(100))
    then = next(day for day in ahead if day.day == 10 and (monthrange(day.year, day.month)[1] == 31) == long)
    situations.pass_time(days=(then - today).days)
