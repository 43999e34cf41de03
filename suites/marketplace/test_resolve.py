"""Resolve: a purchase token becomes a subscription (catalogue theme RES)."""

import pytest

from fulfillment_conformance.backend.judgements import UNUSABLE_TOKENS, number_of_seats
from fulfillment_conformance.interruptions import MissingCapability, Precondition
from fulfillment_conformance.marks import requirement

MANAGED = ["Subscribed", "Suspended", "Unsubscribed"]
"""The states in which a customer presses Manage account."""


@requirement("RES-001", "RES-011")
def test_a_valid_purchase_token_resolves_to_the_pending_purchase(marketplace, purchase, check):
    """A fresh purchase's decoded token is exchanged for its details with status 200."""
    resolved = marketplace.resolve(purchase.token)

    check("RES-001").status(resolved, 200)
    check("RES-001").equals(resolved["id"], purchase.id)
    check("RES-011").equals(resolved.subscription.status, "PendingFulfillmentStart")


@requirement("RES-001")
def test_every_token_resolves_to_its_own_purchase(marketplace, situations, purchase, check):
    """Two purchases of the same plan are told apart, also by the older token.

    Where one alone can be had, as on a live service that lists one, what its token leads to is all there is to see.
    """
    try:
        purchases = [purchase, situations.buy(plan=(purchase.offer, purchase.plan_info))]
        resolved = [marketplace.resolve(each.token) for each in purchases]
    except MissingCapability as alone:
        check("RES-001").not_applicable(f"there is no other purchase to tell it from: {alone}")
        return

    for each, answer in zip(purchases, resolved, strict=True):
        check("RES-001").equals(answer["id"], each.id)


@requirement("RES-005")
def test_the_resolved_id_is_the_subscription_id(marketplace, purchase, check):
    """The id is a GUID, and Get Subscription knows it."""
    resolved = marketplace.resolve(purchase.token)

    check("RES-005").is_guid(resolved["id"])
    check("RES-005").status(marketplace.get_subscription(str(resolved["id"].value)), 200)


@requirement("RES-006", "RES-007", "RES-008")
def test_resolve_tells_name_offer_and_plan(marketplace, purchase, check):
    """subscriptionName, offerId and planId are those of the purchase, and the same as Get Subscription's."""
    resolved = marketplace.resolve(purchase.token)
    got = marketplace.get_subscription(purchase.id)

    check("RES-006").is_a(resolved["subscriptionName"], str, meaning="a string")
    check("RES-006").equals(resolved["subscriptionName"], got["name"])
    check("RES-007").is_text(resolved["offerId"])
    check("RES-007").equals(resolved["offerId"], got["offerId"])
    check("RES-008").equals(resolved["planId"], purchase.plan)
    check("RES-008").equals(resolved["planId"], got["planId"])


@requirement("RES-009")
def test_resolve_tells_the_seats_of_a_per_seat_plan(marketplace, situations, check):
    """Quantity is the number of purchased seats."""
    purchase = situations.buy("per-seat")

    _tells_seats(check("RES-009"), marketplace.resolve(purchase.token)["quantity"], purchase.quantity)


@requirement("RES-009")
def test_resolve_tells_few_seats_and_many(marketplace, situations, check):
    """Quantity is the number that was bought, at either limit of the plan."""
    with situations.further():
        for purchase in situations.at_the_limits():
            _tells_seats(check("RES-009"), marketplace.resolve(purchase.token)["quantity"], purchase.quantity)


@requirement("RES-009")
def test_resolve_may_leave_the_quantity_of_a_flat_plan_empty(marketplace, situations, check):
    """Quantity is absent, null, 0 or an empty string where seats mean nothing."""
    flat = situations.buy("flat")

    check("RES-009").absent_or(marketplace.resolve(flat.token)["quantity"], [None, 0, ""])


@requirement("RES-010")
def test_resolve_carries_the_whole_subscription(marketplace, purchase, check):
    """The nested subscription is the object that Get Subscription shows."""
    resolved = marketplace.resolve(purchase.token)

    _carries(check("RES-010"), resolved, marketplace.get_subscription(purchase.id))


@requirement("RES-006", "RES-007", "RES-008", "RES-009", "RES-010")
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", *MANAGED])
def test_resolve_tells_the_same_in_every_status(marketplace, situations, check, status):
    """Name, offer, plan, seats and the nested object are right whatever has become of the purchase since."""
    with situations.further():
        for purchase in situations.of_each_kind(lambda kind: situations.in_status(status, kind)):
            token = situations.manage_token(purchase) if status in MANAGED else purchase.token
            resolved, got = marketplace.resolve(token), marketplace.get_subscription(purchase.id)
            if not (resolved.is_success and got.is_success):
                reason = (
                    f"resolve was answered {resolved.status_code}, get {got.status_code} (RES-011 to RES-014, GET-006)"
                )
                for each in check.each("RES-006", "RES-007", "RES-008", "RES-009", "RES-010"):
                    each.undecided(reason, rests_on=[resolved, got])
                continue
            check("RES-006").equals(resolved["subscriptionName"], got["name"])
            check("RES-007").equals(resolved["offerId"], got["offerId"])
            check("RES-008").equals(resolved["planId"], purchase.plan)
            if purchase.quantity is None:
                check("RES-009").absent_or(resolved["quantity"], [None, 0, ""])
            elif status != "Unsubscribed" or resolved["quantity"]:
                _tells_seats(check("RES-009"), resolved["quantity"], purchase.quantity)
            _carries(check("RES-010"), resolved, got)


@requirement("RES-008", "RES-010")
def test_resolve_tells_the_plan_after_a_change(marketplace, situations, subscribed, check):
    """Manage account after a change of plan: planId is the new one, and the nested subscription follows."""
    with situations.further():
        target = situations.other_plan(subscribed).plan_id
        situations.change_plan(subscribed, target)
        resolved = _resolves(marketplace, situations.manage_token(subscribed))
        got = marketplace.get_subscription(subscribed.id)

        if got.plan.value == target:
            check("RES-008").equals(resolved["planId"], target)
        else:
            check("RES-008").not_applicable("Get subscription shows no change, which CHP-022 is about")
        _carries(check("RES-010"), resolved, got)


@requirement("RES-009", "RES-010")
def test_resolve_tells_the_seats_after_a_change(marketplace, situations, check):
    """Manage account after a change of seats: quantity is the new one, and the nested subscription follows."""
    with situations.further():
        subscribed = situations.subscribed("per-seat")
        seats = situations.other_quantity(subscribed)
        situations.change_quantity(subscribed, seats)
        resolved = _resolves(marketplace, situations.manage_token(subscribed))
        got = marketplace.get_subscription(subscribed.id)

        if number_of_seats(got.quantity.value) == seats:
            _tells_seats(check("RES-009"), resolved["quantity"], seats)
        else:
            check("RES-009").not_applicable("Get subscription shows no change, which CHQ-020 is about")
        _carries(check("RES-010"), resolved, got)


@requirement("RES-012")
def test_resolve_works_for_an_active_subscription(marketplace, situations, subscribed, check):
    """Manage account on a Subscribed subscription: its token resolves."""
    resolved = marketplace.resolve(situations.manage_token(subscribed))

    check("RES-012").status(resolved, 200)
    check("RES-012").equals(resolved.subscription.status, "Subscribed")


@requirement("RES-013")
def test_resolve_works_for_a_suspended_subscription(marketplace, situations, check):
    """Manage account on a Suspended subscription: its token resolves."""
    resolved = marketplace.resolve(situations.manage_token(situations.suspended()))

    check("RES-013").status(resolved, 200)
    check("RES-013").equals(resolved.subscription.status, "Suspended")


@requirement("RES-014")
def test_resolve_works_for_a_cancelled_subscription(marketplace, situations, check):
    """A token issued for a subscription that is Unsubscribed resolves."""
    resolved = marketplace.resolve(situations.manage_token(situations.unsubscribed()))

    check("RES-014").status(resolved, 200)
    check("RES-014").equals(resolved.subscription.status, "Unsubscribed")


@requirement("RES-015")
def test_a_purchase_token_is_good_for_a_day(marketplace, situations, purchase, check):
    """A token resolves now and shortly before 24 hours have passed, whatever has become of the purchase since."""
    situations.needs("clock")
    tokens = _tokens(situations, purchase)
    fresh = {what: marketplace.resolve(token) for what, token in tokens.items()}
    situations.pass_time(hours=23, minutes=55)
    late = {what: marketplace.resolve(token) for what, token in tokens.items()}

    for what, answer in fresh.items():
        if answer.is_success or what == "purchase":  # that an active subscription resolves is asked by RES-012
            check("RES-015").status(answer, 200)
            check("RES-015").status(late[what], 200)


@requirement("RES-015")
def test_a_purchase_token_outlives_newer_ones(marketplace, situations, subscribed, check):
    """Neither activation nor Manage account ends the token of the purchase, or an earlier one, before its time."""
    with situations.further():
        situations.needs("manage-tokens")
        earlier, latest = situations.manage_token(subscribed), situations.manage_token(subscribed)
        _resolves(marketplace, latest)

        check("RES-015").status(marketplace.resolve(subscribed.token), 200)
        check("RES-015").status(marketplace.resolve(earlier), 200)


@requirement("RES-016")
def test_a_purchase_token_older_than_a_day_is_refused(marketplace, situations, purchase, check):
    """After 24 hours a token that resolved before is answered 400, also if it was used in between."""
    situations.needs("clock")
    tokens = _tokens(situations, purchase)
    fresh = {what: marketplace.resolve(token) for what, token in tokens.items()}
    situations.pass_time(hours=12)
    for token in tokens.values():
        marketplace.resolve(token)
    situations.pass_time(hours=12, minutes=5)

    for what, token in tokens.items():
        check("RES-016").refused(marketplace.resolve(token), with_status=400, while_twin=fresh[what])


@requirement("RES-016")
def test_a_token_that_was_expired_when_issued_is_refused(marketplace, situations, purchase, check):
    """A token beyond its lifetime is answered 400, a good one of the same subscription 200."""
    expired = situations.manage_token(purchase, expired=True)

    check("RES-016").refused(
        marketplace.resolve(expired), with_status=400, while_twin=marketplace.resolve(purchase.token)
    )


@requirement("RES-017")
def test_resolve_without_the_token_header_is_refused(marketplace, purchase, check):
    """Without x-ms-marketplace-token the answer is 400."""
    check("RES-017").refused(marketplace.resolve(None), with_status=400, while_twin=marketplace.resolve(purchase.token))


@requirement("RES-018")
@pytest.mark.parametrize("malformed", ["!!not-a-token!!", "x", "ey.ey.ey", "0", ""])
def test_a_malformed_purchase_token_is_refused(marketplace, purchase, check, malformed):
    """What is no purchase token at all is answered 400."""
    check("RES-018").refused(
        marketplace.resolve(malformed), with_status=400, while_twin=marketplace.resolve(purchase.token)
    )


@requirement("RES-019")
def test_a_tampered_purchase_token_is_refused(marketplace, purchase, check):
    """A token in which one character was changed, wherever it stands, added, or left out is answered 400."""
    twin = marketplace.resolve(purchase.token)

    for tampered in _tampered(purchase.token):
        check("RES-019").refused(marketplace.resolve(tampered), with_status=400, while_twin=twin)


@requirement("RES-018")
def test_a_subscription_id_is_no_purchase_token(marketplace, purchase, check):
    """What everybody may know who has seen an account does not resolve."""
    if purchase.token == purchase.id:
        check("RES-018").not_applicable("this target's purchase tokens are the ids of subscriptions")
        return

    check("RES-018").refused(
        marketplace.resolve(purchase.id), with_status=400, while_twin=marketplace.resolve(purchase.token)
    )


@requirement("RES-020")
@pytest.mark.parametrize("fault", UNUSABLE_TOKENS)
def test_without_a_usable_access_token_nothing_is_resolved(marketplace, purchase, credentials, check, fault):
    """No usable access token: 401 or 403."""
    refused = marketplace.resolve(purchase.token, **credentials(fault))

    check("RES-020").refused(refused, with_status=(401, 403), while_twin=marketplace.resolve(purchase.token))


@requirement("RES-021")
def test_a_token_of_another_publisher_is_not_resolved(marketplace, marketplace_under_test, purchase, check):
    """An application that is not the offer's own cannot resolve its purchase tokens: 401 or 403."""
    stranger = marketplace_under_test.as_publisher("foreign-publisher")

    check("RES-021").refused(
        stranger.resolve(purchase.token), with_status=(401, 403), while_twin=marketplace.resolve(purchase.token)
    )


@requirement("RES-021")
@pytest.mark.parametrize("status", MANAGED)
def test_no_state_opens_a_token_to_others(marketplace, marketplace_under_test, situations, check, status):
    """Manage account gives a token that another application cannot resolve either: 401 or 403."""
    with situations.further():
        stranger = marketplace_under_test.as_publisher("foreign-publisher")
        for purchase in situations.of_each_kind(lambda kind: situations.in_status(status, kind)):
            token = situations.manage_token(purchase)
            check("RES-021").refused(
                stranger.resolve(token), with_status=(401, 403), while_twin=marketplace.resolve(token)
            )


@requirement("RES-023")
def test_an_unknown_token_is_a_bad_request_and_not_missing(marketplace, purchase, check):
    """404 for a token that nobody issued stands only in the OpenAPI file; the pages say 400."""
    check("RES-023").refused(
        marketplace.resolve(purchase.token[::-1]), with_status=400, while_twin=marketplace.resolve(purchase.token)
    )


@requirement("RES-026")
def test_a_token_that_is_still_percent_encoded_is_not_taken(marketplace, purchase, check):
    """The token as it stands in the URL is not the token."""
    encoded = _percent_encoded(purchase.token)
    if encoded == purchase.token:
        check("RES-026").untestable("this target's purchase tokens hold no character that a URL encodes")
        return

    check("RES-026").refused(
        marketplace.resolve(encoded), with_status=400, while_twin=marketplace.resolve(purchase.token)
    )


@requirement("RES-027")
def test_resolving_twice_gives_the_same_subscription(marketplace, purchase, check):
    """Nothing says that a token is single-use."""
    first, second = marketplace.resolve(purchase.token), marketplace.resolve(purchase.token)

    check("RES-027").status(second, 200)
    check("RES-027").equals(second["id"], first["id"])
    check("RES-027").equals(second["subscription"]["id"], first["subscription"]["id"])


@requirement("RES-028")
def test_the_customer_may_do_everything_with_a_direct_purchase(marketplace, purchase, check):
    """AllowedCustomerOperations holds Read, Update and Delete unless the purchase came through a reseller."""
    _allows_everything(check("RES-028"), marketplace.resolve(purchase.token))


@requirement("RES-028")
@pytest.mark.parametrize("status", ["PendingFulfillmentStart", "Subscribed"])
def test_the_customer_may_do_everything_with_any_direct_purchase(marketplace, situations, check, status):
    """With seats or without, before and after activation."""
    with situations.further():
        situations.needs("purchases")
        for purchase in situations.of_each_kind(lambda kind: situations.in_status(status, kind)):
            _allows_everything(check("RES-028"), _resolves(marketplace, purchase.token))


@requirement("RES-028")
def test_the_customer_may_only_read_what_a_reseller_bought(marketplace, situations, check):
    """AllowedCustomerOperations of a CSP purchase is [Read], before and after its activation."""
    situations.needs("csp")
    bought = situations.of_each_kind(lambda kind: situations.buy(kind, channel="csp"))

    for purchase in bought:
        resolved = marketplace.resolve(purchase.token)
        check("RES-028").equals(resolved["subscription"]["allowedCustomerOperations"], ["Read"])
    active = _resolves(marketplace, situations.subscribed(None, channel="csp").token)
    check("RES-028").equals(active["subscription"]["allowedCustomerOperations"], ["Read"])


@requirement("RES-029")
def test_what_a_bad_token_is_answered_is_recorded(marketplace, purchase, check):
    """The live service names the code InvalidValue and a decryption failure; any body does."""
    for token in ("!!not-a-token!!", purchase.token[::-1]):
        answer = marketplace.resolve(token)
        code = answer["error"]["code"]
        check("RES-029").that(
            True,
            expected="any body",
            actual=answer.text[:200],
            rests_on=[answer],
            notes=[f"{answer.status_code}, code {code.value if code else 'absent'}"],
        )


@requirement("RES-031")
def test_resolve_is_not_a_get(marketplace, purchase, check):
    """Only POST is defined for resolve."""
    got = marketplace.request("GET", "/resolve", "GET resolve", headers={"x-ms-marketplace-token": purchase.token})

    check("RES-031").refused(got, while_twin=marketplace.resolve(purchase.token))


def _resolves(marketplace, token):
    """Return the answer to a token that is good; in which states one is, other requirements say."""
    resolved = marketplace.resolve(token)
    if not resolved.is_success:
        raise Precondition(f"resolve was answered {resolved.status_code} (RES-011 to RES-014)", resolved.exchange)
    return resolved


def _allows_everything(check, resolved):
    allowed = resolved["subscription"]["allowedCustomerOperations"]
    check.that(
        isinstance(allowed.value, list) and sorted(map(str, allowed.value)) == ["Delete", "Read", "Update"],
        expected="allowedCustomerOperations of Read, Update and Delete",
        actual=allowed.value,
        rests_on=[allowed],
    )


def _carries(check, resolved, got):
    """Check that the nested subscription is the one that Get shows, but for the deprecated lastModified."""
    check.is_a(resolved["subscription"], dict, meaning="an object")
    for name in sorted(set(got.body.value) - {"lastModified"}) if isinstance(got.body.value, dict) else ():
        check.equals(resolved["subscription"][name], got[name])


def _tells_seats(check, quantity, seats):
    check.equals(quantity, seats, observed="numeric string" if quantity.value == str(seats) else None)


def _tokens(situations, purchase):
    """Return tokens of today: of a purchase, and of an active subscription the purchase's and that of a later visit."""
    tokens = {"purchase": purchase.token}
    if situations.has("manage-tokens"):
        active = situations.subscribed(None)
        tokens |= {"active": active.token, "managed": situations.manage_token(active)}
    return tokens


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _tampered(token: str) -> list[str]:
    """Change one letter or digit at twelve places to its neighbour in base64, which mostly stays readable as such.

    The last few characters stay: bits of theirs may be padding, which a decoder may ignore. Once the end is cut off,
    and once something is put in between.
    """
    places = [position for position, character in enumerate(token[:-4]) if character in BASE64]
    chosen = places[:: max(1, len(places) // 12)][:12]
    changed = [
        token[:place] + BASE64[(BASE64.index(token[place]) ^ 1) % len(BASE64)] + token[place + 1 :] for place in chosen
    ]
    half, most = len(token) // 2, len(token) * 3 // 4
    return [*changed, token[:most], f"{token[:half]}A{token[half:]}"]


def _percent_encoded(token: str) -> str:
    return "".join(c if c.isalnum() or c in "-._~" else f"%{ord(c):02X}" for c in token)
