"""Headers, versioning and the shape of answers on every operation (catalogue theme HDR)."""

import json
import socket
import ssl
import uuid
import warnings
from urllib.parse import urlsplit

import pytest

from fulfillment_conformance.dates import day_of
from fulfillment_conformance.marks import requirement

SUBSCRIPTION_KEYS = [
    "id", "name", "publisherId", "offerId", "planId", "quantity", "beneficiary", "purchaser", "term", "autoRenew",
    "isTest", "isFreeTrial", "allowedCustomerOperations", "sessionMode", "sandboxType", "created", "lastModified",
    "saasSubscriptionStatus",
]  # fmt: skip

NOBODY = "00000000-0000-0000-0000-000000000000"

IDS = {"x-ms-requestid": str(uuid.UUID(int=0xA1)), "x-ms-correlationid": str(uuid.UUID(int=0xB2))}
"""Ids of the caller's own, as GUIDs."""

NO_GUIDS = {"x-ms-requestid": "conformance-abc-1", "x-ms-correlationid": "conformance-abc-2"}

READS = {
    "resolve": lambda api, purchase, **faults: api.resolve(purchase.token, **faults),
    "list": lambda api, _, **faults: api.list_subscriptions(**faults),
    "get": lambda api, purchase, **faults: api.get_subscription(purchase.id, **faults),
    "plans": lambda api, purchase, **faults: api.list_available_plans(purchase.id, **faults),
    "operations": lambda api, purchase, **faults: api.list_operations(purchase.id, **faults),
}
"""The operations that change nothing, so that one purchase serves them all."""

METHODS = {
    "put-that-activates": ("PUT", "/{id}/activate"),
    "get-that-activates": ("GET", "/{id}/activate"),
    "delete-of-an-activation": ("DELETE", "/{id}/activate"),
    "post-of-a-subscription": ("POST", "/{id}"),
    "post-of-operations": ("POST", "/{id}/operations"),
    "delete-of-operations": ("DELETE", "/{id}/operations"),
    "post-of-plans": ("POST", "/{id}/listAvailablePlans"),
    "post-of-the-list": ("POST", ""),
}
"""Methods on documented paths that no operation has."""

MISTAKES = {
    "body-of-another-type": lambda api, subscribed: api.change_plan(
        subscribed.id, None, content=b"planId=silver", headers={"content-type": "application/x-www-form-urlencoded"}
    ),
    "body-in-another-encoding": lambda api, subscribed: api.change_plan(
        subscribed.id, None, content='{"planId": "gold"}'.encode("utf-16")
    ),
    "body-that-is-an-array": lambda api, subscribed: api.change_plan(subscribed.id, None, json=[]),
    "body-where-none-belongs": lambda api, subscribed: api.get_subscription(subscribed.id, content=b"{"),
    "version-given-twice": lambda api, subscribed: api.request(
        "GET", f"/{subscribed.id}?api-version=2018-08-31&api-version=1999-01-01", "get", api_version=None
    ),
    "filter-far-too-long": lambda api, subscribed: api.list_available_plans(subscribed.id, plan="p" * 2000),
    "path-that-nobody-serves": lambda api, subscribed: api.request("GET", f"/{subscribed.id}/nothing", "get nothing"),
    "operation-of-no-guid": lambda api, subscribed: api.get_operation(subscribed.id, "not-a-guid"),
    "ids-with-blanks": lambda api, subscribed: api.get_subscription(
        subscribed.id, headers={"x-ms-requestid": "a b c", "x-ms-correlationid": "d e f"}
    ),
}
"""Requests that are wrong in a way for which no page names a status."""


@requirement("HDR-001", "HDR-002")
@pytest.mark.parametrize("operation", READS)
def test_reading_operations_are_served(marketplace, purchase, check, operation):
    """The documented path with api-version=2018-08-31 and valid input is answered with its success status."""
    answer = READS[operation](marketplace, purchase)

    for each in check.each("HDR-001", "HDR-002"):
        each.status(answer, 200)


@requirement("HDR-001", "HDR-002")
def test_changing_operations_are_served(marketplace, situations, check):
    """Activate, change plan, get operation and cancel are served at their paths."""
    purchase = situations.buy()
    activated = marketplace.activate(purchase.id, plan=purchase.plan)
    situations.wait_for_status(purchase, "Subscribed")
    changed = marketplace.change_plan(purchase.id, situations.other_plan(purchase).plan_id)
    shown = marketplace.get_operation(purchase.id, changed.operation_id or NOBODY)
    cancelled = marketplace.cancel(situations.subscribed().id)

    for each in check.each("HDR-001", "HDR-002"):
        each.status(activated, 200, 202)  # which of them is the matter of ACT-001
        each.status(changed, 202)
        each.status(shown, 200)
        each.status(cancelled, 202)


@requirement("HDR-001", "HDR-002")
def test_the_outcome_of_a_customers_change_is_taken(marketplace, situations, subscribed, check):
    """PATCH of an operation is served at its path; a customer's change, because that of one's own may be refused."""
    operation = situations.event(subscribed, "ChangePlan", plan_id=situations.other_plan(subscribed).plan_id)
    settled = marketplace.update_operation(subscribed.id, operation, "Success")

    for each in check.each("HDR-001", "HDR-002"):
        each.status(settled, 200)


@requirement("HDR-004")
def test_a_call_without_a_version_is_refused(marketplace, bought, check):
    """api-version is required."""
    check("HDR-004").refused(
        marketplace.get_subscription(bought.id, api_version=None),
        while_twin=marketplace.get_subscription(bought.id),
    )


@requirement("HDR-005")
@pytest.mark.parametrize("version", ["1999-01-01", "2017-04-15", "2018-09-15", "2018-08-31-preview", ""])
def test_another_version_is_not_served(marketplace, bought, check, version):
    """Only 2018-08-31 has this contract."""
    check("HDR-005").refused(
        marketplace.get_subscription(bought.id, api_version=version),
        while_twin=marketplace.get_subscription(bought.id),
    )


@requirement("HDR-004", "HDR-005")
@pytest.mark.parametrize("operation", READS)
def test_no_reading_operation_is_served_in_another_version(marketplace, purchase, check, operation):
    """What holds for one operation holds for all: no version, no answer; another version, another contract."""
    read = READS[operation]
    twin = read(marketplace, purchase)

    check("HDR-004").refused(read(marketplace, purchase, api_version=None), while_twin=twin)
    check("HDR-005").refused(read(marketplace, purchase, api_version="1999-01-01"), while_twin=twin)


@requirement("HDR-004", "HDR-005")
@pytest.mark.parametrize(
    ("row", "version"), [("HDR-004", None), ("HDR-005", "1999-01-01")], ids=["no-version", "another-version"]
)
def test_nothing_changes_by_a_call_in_another_version(marketplace, situations, purchase, check, row, version):
    """Activate, change plan and cancel are refused, and the subscription stays as it was."""
    check("HDR-005" if row == "HDR-004" else "HDR-004").not_applicable("a call of the other kind is for that")
    with situations.further():
        situations.needs("purchases")
        pending = marketplace.get_subscription(purchase.id).status
        early = marketplace.activate(purchase.id, plan=purchase.plan, api_version=version)
        waiting = marketplace.get_subscription(purchase.id).status
        activated = marketplace.activate(purchase.id, plan=purchase.plan)
        situations.reaches(purchase, "Subscribed", because="after activate (ACT-003)")
        target = situations.other_plan(purchase).plan_id
        unchanged = marketplace.change_plan(purchase.id, target, api_version=version)
        uncancelled = marketplace.cancel(purchase.id, api_version=version)
        active = marketplace.get_subscription(purchase.id).status
        changed = marketplace.change_plan(purchase.id, target)

        check(row).refused(early, while_twin=activated)
        check(row).equals(waiting, pending)
        check(row).refused(unchanged, while_twin=changed)
        check(row).refused(uncancelled, while_twin=marketplace.cancel(situations.subscribed().id))
        check(row).equals(active, "Subscribed")


@requirement("HDR-007")
@pytest.mark.parametrize("operation", READS)
def test_calls_without_a_body_are_accepted(marketplace, purchase, check, operation):
    """A zero-length body with content type JSON is all right where no body is defined."""
    check("HDR-007").status(READS[operation](marketplace, purchase, content=b""), 200)


@requirement("HDR-009", "HDR-011")
@pytest.mark.parametrize("operation", READS)
def test_ids_are_made_up_when_the_caller_sends_none(marketplace, purchase, check, operation):
    """x-ms-requestid and x-ms-correlationid come back also when the request had none."""
    answer = READS[operation](marketplace, purchase)

    check("HDR-009").is_text(answer.header("x-ms-requestid"))
    check("HDR-011").is_text(answer.header("x-ms-correlationid"))


@requirement("HDR-009", "HDR-011")
def test_refusals_carry_ids_too(marketplace, unknown_id, check):
    """An error answer has both ids as well: support asks for them."""
    refused = marketplace.get_subscription(unknown_id)

    check("HDR-009").is_text(refused.header("x-ms-requestid"))
    check("HDR-011").is_text(refused.header("x-ms-correlationid"))


@requirement("HDR-009", "HDR-011")
def test_every_call_gets_ids_of_its_own(marketplace, bought, check):
    """What is made up for one call is not made up for another: the ids tell calls apart."""
    answers = [marketplace.get_subscription(bought.id) for _ in range(2)]

    for row, name in (("HDR-009", "x-ms-requestid"), ("HDR-011", "x-ms-correlationid")):
        first, second = (answer.header(name) for answer in answers)
        check(row).that(
            bool(first) and first.value != second.value,
            expected=f"another {name} for another call",
            actual=f"{first.value}, and then {second.value}",
            rests_on=answers,
        )


@requirement("HDR-009", "HDR-011", "HDR-012", "HDR-013")
def test_answers_to_changes_carry_ids(marketplace, situations, check):
    """Activate, change plan and cancel give made-up ids to who sends none, and to others their own."""
    with situations.further():
        situations.needs("purchases")
        for sent in ({}, IDS):
            purchase = situations.buy()
            answers = [marketplace.activate(purchase.id, plan=purchase.plan, headers=sent)]
            situations.wait_for_status(purchase, "Subscribed")
            answers.append(marketplace.change_plan(purchase.id, situations.other_plan(purchase).plan_id, headers=sent))
            answers.append(marketplace.cancel(situations.subscribed().id, headers=sent))
            for answer in answers:
                _comes_back(check, answer) if sent else _is_made_up(check, answer)


@requirement("HDR-012", "HDR-013")
def test_the_callers_ids_come_back(marketplace, bought, check):
    """GUIDs sent as x-ms-requestid and x-ms-correlationid are echoed."""
    _comes_back(check, marketplace.get_subscription(bought.id, headers=IDS))


@requirement("HDR-012", "HDR-013")
def test_the_callers_ids_come_back_from_everywhere(marketplace, purchase, unknown_id, check):
    """Each operation that reads echoes them, and so does a refusal."""
    for read in READS.values():
        _comes_back(check, read(marketplace, purchase, headers=IDS))
    _comes_back(check, marketplace.get_subscription(unknown_id, headers=IDS))
    _comes_back(check, marketplace.resolve("not-a-token", headers=IDS))


@requirement("HDR-014")
def test_ids_need_not_be_guids(marketplace, bought, check):
    """The pages ask for a unique string only."""
    check("HDR-014").status(marketplace.get_subscription(bought.id, headers=NO_GUIDS), 200)


@requirement("HDR-014")
def test_ids_need_not_be_guids_anywhere(marketplace, situations, check):
    """Neither for an operation that reads, nor for one that changes something."""
    with situations.further():
        situations.needs("purchases")
        purchase = situations.buy()
        for read in READS.values():
            answer = read(marketplace, purchase, headers=NO_GUIDS)
            if answer.is_success or read(marketplace, purchase).is_success:  # or it is not for the ids
                check("HDR-014").accepted(answer)
        check("HDR-014").accepted(marketplace.activate(purchase.id, plan=purchase.plan, headers=NO_GUIDS))


@requirement("HDR-016")
@pytest.mark.parametrize("operation", READS)
def test_answers_are_json(marketplace, purchase, check, operation):
    """An answer with a body says application/json, and is."""
    answer = READS[operation](marketplace, purchase)
    may_be_empty = operation == "operations" and answer.is_success and not answer.text  # nothing is pending (OPL-002)

    check("HDR-016").that(
        may_be_empty or _is_json(answer), expected=JSON, actual=_kind_of_body(answer), rests_on=[answer]
    )


@requirement("HDR-016")
def test_answers_to_changes_are_json_or_empty(marketplace, situations, purchase, check):
    """What activate, change plan and cancel answer has no body, or one that is JSON."""
    activated = marketplace.activate(purchase.id, plan=purchase.plan)
    changed = marketplace.change_plan(situations.subscribed().id, situations.other_plan(purchase).plan_id)
    cancelled = marketplace.cancel(situations.subscribed().id)

    for answer in (activated, changed, cancelled):
        check("HDR-016").that(
            answer.is_success and (not answer.text or _is_json(answer)),
            expected=f"success, and no body or {JSON}",
            actual=f"{answer.status_code}, {_kind_of_body(answer)}",
            rests_on=[answer],
        )


@requirement("HDR-017")
def test_what_errors_look_like_is_recorded(marketplace, purchase, unknown_id, check):
    """Error bodies have no documented form except for status 500; what they are like goes into the report."""
    errors = [
        marketplace.get_subscription(unknown_id),
        marketplace.resolve("not-a-token"),
        marketplace.get_subscription(purchase.id, token=None),
    ]

    for answer in errors:
        check("HDR-017").that(
            True,
            expected="any body",
            actual=_kind_of_body(answer),
            rests_on=[answer],
            notes=[f"{answer.status_code}: {_shape(answer)}"],
        )


@requirement("HDR-019", "HDR-025")
def test_a_clients_mistake_is_no_server_error(marketplace, purchase, check):
    """An id that is no GUID, a body that is no JSON, a token that is none: 4xx, never 5xx."""
    not_a_guid = marketplace.get_subscription("not-a-guid")
    mistakes = [
        not_a_guid,
        marketplace.resolve("not-a-token"),
        marketplace.change_plan(purchase.id, None, content=b"{"),
        marketplace.get_subscription(purchase.id, authorization="Bearer"),
    ]

    for answer in mistakes:
        check("HDR-019").that(
            answer.is_client_error, expected="4xx", actual=answer.status_code or answer.error, rests_on=[answer]
        )
    check("HDR-025").is_one_of(not_a_guid.status_line, [400, 404])


@requirement("HDR-022")
@pytest.mark.usefixtures("purchase")
def test_the_list_answers_with_and_without_a_slash(marketplace, check):
    """/saas/subscriptions and /saas/subscriptions/ list the same subscriptions, which may change in between."""
    plain, slashed = marketplace.list_subscriptions(), marketplace.request("GET", "/", "list with slash")
    listed, expected = ([entry["id"].value for entry in answer["subscriptions"]] for answer in (slashed, plain))

    check("HDR-022").status(slashed, 200)
    check("HDR-022").that(
        listed == expected,
        expected="the same subscriptions as without the slash",
        actual=f"{len(listed)} subscriptions with it, {len(expected)} without, or other ones",
        rests_on=[slashed, plain],
    )


@requirement("HDR-023")
def test_property_names_are_the_documented_ones(marketplace, bought, check):
    """Every property of a subscription is spelled as in the tables, without padding."""
    got = marketplace.get_subscription(bought.id)
    names = list(got.body.value) if isinstance(got.body.value, dict) else []
    documented = {name.lower(): name for name in SUBSCRIPTION_KEYS}
    misspelled = [name for name in names if documented.get(name.strip().lower(), name.strip()) != name]
    missing = [name for name in ("id", "offerId", "planId", "saasSubscriptionStatus") if name not in names]

    check("HDR-023").that(
        bool(names) and not misspelled and not missing,
        expected="id, offerId, planId, saasSubscriptionStatus and all other names as documented",
        actual=f"misspelled {misspelled}, missing {missing}",
        rests_on=[got],
    )


@requirement("HDR-024")
def test_enumeration_values_are_not_padded(marketplace, purchase, check):
    """SaasSubscriptionStatus and the like carry no blanks."""
    got = marketplace.get_subscription(purchase.id)

    check("HDR-024").equals(got.status, "PendingFulfillmentStart")
    for name in ("sessionMode", "sandboxType"):
        value = got[name]
        check("HDR-024").that(
            not isinstance(value.value, str) or value.value == value.value.strip(),
            expected=f"{name} without blanks around it",
            actual=repr(value.value),
            rests_on=[value],
        )


@requirement("HDR-020")
def test_old_tls_is_not_spoken(marketplace, marketplace_under_test, check):
    """TLS 1.2 or newer is agreed on; a client that knows TLS 1.1 only is turned away."""
    address = urlsplit(marketplace.base_url)
    if address.scheme != "https":
        check("HDR-020").not_applicable("the target is reached by plain HTTP")
        return
    place = marketplace_under_test.http.place_of(address.hostname, address.port or 443)
    modern, old = (
        _agreed_on(address, place, version) for version in (ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1)
    )

    check("HDR-020").that(
        modern is not None and old is None,
        expected="TLS 1.2 or newer, and no agreement on less",
        actual=f"{modern or 'no agreement'}; with TLS 1.1 at most: {old or 'no agreement'}",
    )


@requirement("HDR-029")
@pytest.mark.parametrize("version", ["2018-08-31", "2017-04-15"])
def test_put_on_a_subscription_is_refused(marketplace, purchase, check, version):
    """PUT was how version 1 started a subscription; version 2 refuses it, whichever version is named."""
    before = marketplace.get_subscription(purchase.id).status
    body = json.dumps({"planId": purchase.plan}).encode()
    put = marketplace.request("PUT", f"/{purchase.id}", "PUT subscription", content=body, api_version=version)
    shown = marketplace.get_subscription(purchase.id)

    check("HDR-029").refused(put, while_twin=shown)
    check("HDR-029").equals(shown.status, before)


@requirement("HDR-029")
@pytest.mark.parametrize(("method", "path"), METHODS.values(), ids=METHODS)
def test_a_method_that_no_operation_has_is_refused(marketplace, situations, purchase, check, method, path):
    """On a path that is documented for another method, it is answered 4xx, and nothing happens."""
    with situations.further():
        situations.takes_any_call()
        before = marketplace.get_subscription(purchase.id)
        body = json.dumps({"planId": purchase.plan}).encode() if method in {"PUT", "POST"} else b""
        refused = marketplace.request(method, path.format(id=purchase.id), f"{method} {path}", content=body)
        after = marketplace.get_subscription(purchase.id)

        check("HDR-029").refused(refused, while_twin=before)
        check("HDR-029").equals(after.status, before.status)


@requirement("HDR-030")
def test_timestamps_can_be_read(marketplace, bought, check):
    """Created is ISO 8601 with any number of fractional digits up to seven, with or without Z."""
    created = marketplace.get_subscription(bought.id)["created"]

    check("HDR-030").that(
        created.absent or day_of(created.value) is not None,
        expected="an ISO 8601 date-time",
        actual=created.value,
        rests_on=[created],
    )


@requirement("HDR-033")
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_that_no_page_names_is_no_server_error(marketplace, subscribed, check, mistake):
    """Whatever is wrong with a request by the caller's own fault, the answer stays below 500."""
    answer = mistake(marketplace, subscribed)

    check("HDR-033").that(
        answer.is_success or answer.is_client_error,
        expected="4xx",
        actual=answer.status_code or answer.error,
        rests_on=[answer],
    )


JSON = "application/json that can be parsed"


def _comes_back(check, answer):
    for row, name in (("HDR-012", "x-ms-requestid"), ("HDR-013", "x-ms-correlationid")):
        shown = answer.header(name)
        check(row).that(
            _lower(shown.value) == IDS[name],
            expected=f"{name} as it was sent, {IDS[name]}",
            actual=shown.value,
            rests_on=[answer],
        )


def _is_made_up(check, answer):
    check("HDR-009").is_text(answer.header("x-ms-requestid"))
    check("HDR-011").is_text(answer.header("x-ms-correlationid"))


def _is_json(answer):
    content_type = str(answer.header("content-type").value).lower()
    return content_type.startswith("application/json") and bool(answer.body)


def _kind_of_body(answer):
    return f"content-type {answer.header('content-type').value}, body {answer.text[:80]!r}"


def _shape(answer):
    """Return what a body is, without what it says."""
    value = answer.body.value
    if isinstance(value, dict):
        return f"an object with {', '.join(value)}"
    return type(value).__name__ if answer.body else "no JSON"


def _agreed_on(address, place, newest):
    """Return the version of TLS that a client up to `newest` and the target agree on, or None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would refuse, too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
        with (
            socket.create_connection(place, timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=address.hostname) as encrypted,
        ):
            return encrypted.version()
    except OSError:
        return None


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value
