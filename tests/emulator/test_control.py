from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest
import yaml
from tests.emulator.conftest import NOBODY, OpenSandbox, Sandbox, Wall

from fulfillment_conformance.emulator.control import CAPABILITIES, landing_url
from fulfillment_conformance.resources import folder

pytestmark = pytest.mark.anyio

PARTNER = {"emailId": "partner@example.com", "objectId": NOBODY, "tenantId": NOBODY, "puid": None}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The OpenAPI description of the protocol."""
    document: dict[str, Any] = yaml.safe_load((folder("openapi") / "sandbox-control.yaml").read_text("utf-8"))
    return document


def code(answer: Any) -> str:
    error: str = answer.json()["error"]["code"]
    return error


def message(answer: Any) -> str:
    text: str = answer.json()["error"]["message"]
    return text


# --- by the description of the protocol ---


async def test_every_answer_is_as_the_openapi_file_says(sandbox: Sandbox, described: dict[str, Any]) -> None:
    sandbox.emulator.landing_page_url = "https://publisher.example/signup"
    subscription_id = await sandbox.subscribed()
    answers = {
        "Sandbox": await sandbox.control("GET", ""),
        "Offers": await sandbox.control("GET", "/offers"),
        "Purchased": await sandbox.control("POST", "/purchases", {"offerId": "contoso-crm", "planId": "gold"}),
        "Visit": await sandbox.control("POST", f"/subscriptions/{subscription_id}/tokens", {}),
        "Raised": await sandbox.control("POST", f"/subscriptions/{subscription_id}/events", {"action": "Suspend"}),
        "Time": await sandbox.control("POST", "/clock", {"advance": "PT1M"}),
        "Deliveries": await sandbox.control("GET", "/deliveries"),
        "AccessToken": await sandbox.control("POST", "/access-tokens", {"kind": "valid"}),
        "Identity": await sandbox.control("GET", "/identity"),
        "Error": await sandbox.control("POST", "/purchases", {}),
    }

    for name, answer in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema_rs.validate(schema, answer.json(), validate_formats=True)
    assert len(answers["Deliveries"].json()["deliveries"]) > 1


async def test_it_can_do_all_that_the_protocol_names(sandbox: Sandbox, described: dict[str, Any]) -> None:
    about = (await sandbox.control("GET", "")).json()

    assert about["protocol"] == 1
    assert set(about["capabilities"]) == set(described["components"]["schemas"]["Capability"]["enum"])


# --- purchases and tokens ---


async def test_a_purchase_has_the_defaults_of_an_ordinary_customer(sandbox: Sandbox) -> None:
    bought = await sandbox.buy()
    document = (await sandbox.api("GET", f"/{bought['subscriptionId']}")).json()

    assert document["purchaser"] == document["beneficiary"]
    assert document["allowedCustomerOperations"] == ["Read", "Update", "Delete"]
    assert (document["autoRenew"], document["isFreeTrial"], document["term"]["termUnit"]) == (True, False, "P1M")
    assert bought["landingPageUrl"] is None


async def test_every_wish_of_a_purchase_is_granted(sandbox: Sandbox) -> None:
    bought = await sandbox.buy(
        "trial",
        termUnit="P1Y",
        beneficiary={"emailId": "me@example.com"},
        purchaser=PARTNER,
        channel="csp",
        freeTrial=True,
        autoRenew=False,
        name="Mine <b>",
    )
    document = (await sandbox.api("GET", f"/{bought['subscriptionId']}")).json()

    assert document["beneficiary"]["emailId"] == "me@example.com"
    assert document["purchaser"] == PARTNER
    assert document["allowedCustomerOperations"] == ["Read"]
    assert (document["autoRenew"], document["isFreeTrial"], document["term"]["termUnit"]) == (False, True, "P1Y")
    assert document["name"] == "Mine <b>"


async def test_a_reseller_buys_for_somebody_else(sandbox: Sandbox) -> None:
    bought = await sandbox.buy(channel="csp")
    document = (await sandbox.api("GET", f"/{bought['subscriptionId']}")).json()

    assert document["purchaser"]["tenantId"] != document["beneficiary"]["tenantId"]


async def test_a_plan_with_automatic_activation_is_active_at_once(sandbox: Sandbox) -> None:
    assert await sandbox.status((await sandbox.buy("auto"))["subscriptionId"]) == "Subscribed"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"offerId": "contoso-crm"}, "body.planId is missing"),
        ({"offerId": "contoso-crm", "planId": "silver", "seats": 3}, "body.seats is unknown"),
        ({"offerId": "no", "planId": "silver"}, "no offer 'no'"),
        ({"offerId": "contoso-crm", "planId": "no"}, "has no plan 'no'"),
        ({"offerId": "contoso-crm", "planId": "hidden"}, "not in its audience"),
        ({"offerId": "contoso-crm", "planId": "silver", "quantity": 3}, "flat price"),
        ({"offerId": "contoso-seats", "planId": "team", "quantity": 101}, "outside the limits"),
        ({"offerId": "contoso-seats", "planId": "team", "quantity": "3"}, "give an integer"),
        ({"offerId": "contoso-crm", "planId": "silver", "termUnit": "P2Y"}, "not sold with a term"),
        ({"offerId": "contoso-crm", "planId": "silver", "freeTrial": True}, "no free trial"),
        ({"offerId": "contoso-crm", "planId": "silver", "freeTrial": "yes"}, "give true or false"),
        ({"offerId": "contoso-crm", "planId": "silver", "channel": "field"}, "give one of direct, csp"),
        ({"offerId": "contoso-crm", "planId": "private", "channel": "csp"}, "resellers can buy public plans"),
        ({"offerId": "contoso-crm", "planId": "silver", "name": ""}, "body.name has 0 characters"),
        ({"offerId": "contoso-crm", "planId": "silver", "beneficiary": {"email": "x"}}, "body.beneficiary.email is"),
        ({"offerId": "contoso-crm", "planId": "silver", "purchaser": {"tenantId": "x"}}, "purchaser.tenantId is 'x'"),
        ({"offerId": "contoso-crm", "planId": "silver", "purchaser": {"puid": "x" * 65}}, "65 characters"),
        ([], "no object"),
    ],
)
async def test_what_cannot_be_bought_so_is_refused(sandbox: Sandbox, document: Any, says: str) -> None:
    answer = await sandbox.control("POST", "/purchases", document)

    assert answer.status_code == 400
    assert says in message(answer)


async def test_manage_account_gives_a_new_token_fresh_or_expired(sandbox: Sandbox) -> None:
    bought = await sandbox.buy()
    path = f"/subscriptions/{bought['subscriptionId']}/tokens"
    fresh = (await sandbox.control("POST", path)).json()["token"]
    expired = (await sandbox.control("POST", path, {"expired": True})).json()["token"]
    resolved = [
        (await sandbox.api("POST", "/resolve", headers={"x-ms-marketplace-token": token})).status_code
        for token in (bought["token"], fresh, expired)
    ]

    assert fresh != bought["token"]
    assert resolved == [200, 200, 400]
    assert (await sandbox.control("POST", f"/subscriptions/{NOBODY}/tokens")).status_code == 404
    assert (await sandbox.control("POST", path, {"expired": 1})).status_code == 400


@pytest.mark.parametrize(
    ("landing_page", "expected"),
    [
        ("https://p.example/signup", "https://p.example/signup?token=a%2Bb%2F%3D"),
        ("https://p.example/signup?x=1&y=", "https://p.example/signup?x=1&y=&token=a%2Bb%2F%3D"),
        ("https://p.example/signup#top", "https://p.example/signup?token=a%2Bb%2F%3D#top"),
    ],
)
def test_the_token_joins_the_landing_pages_own_query(landing_page: str, expected: str) -> None:
    assert landing_url(landing_page, "a+b/=") == expected


# --- events ---


async def test_events_without_consent_are_in_force_when_the_call_returns(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    await sandbox.event(subscription_id, "Suspend")
    suspended = await sandbox.status(subscription_id)
    await sandbox.event(subscription_id, "Unsubscribe")

    assert [suspended, await sandbox.status(subscription_id)] == ["Suspended", "Unsubscribed"]


async def test_a_renewal_begins_the_next_term(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    await sandbox.event(subscription_id, "Renew")

    assert (await sandbox.api("GET", f"/{subscription_id}")).json()["term"]["startDate"] == "2026-02-28T00:00:00Z"


async def test_a_change_to_the_present_value_ends_in_conflict_untold(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed("team", quantity=4)
    operation_id = await sandbox.event(subscription_id, "ChangeQuantity", quantity=4)

    assert await sandbox.operation(subscription_id, operation_id) == "Conflict"
    assert (await sandbox.control("GET", "/deliveries")).json() == {"deliveries": []}


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"action": "Reinstate"}, 409),
        ({"action": "ChangePlan", "planId": "nope"}, 400),
        ({"action": "ChangePlan"}, 400),
        ({"action": "ChangePlan", "planId": "gold", "quantity": 1}, 400),
        ({"action": "ChangeQuantity", "quantity": 3}, 400),
        ({"action": "Suspend", "planId": "gold"}, 400),
        ({"action": "Subscribe"}, 400),
        ({"action": "suspend"}, 400),
        ({}, 400),
    ],
)
async def test_an_event_that_cannot_be_is_refused(sandbox: Sandbox, document: Any, status: int) -> None:
    subscription_id = await sandbox.subscribed()

    answer = await sandbox.control("POST", f"/subscriptions/{subscription_id}/events", document)

    assert answer.status_code == status, answer.text


async def test_a_second_change_waits_for_the_first(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    document = {"action": "ChangePlan", "planId": "trial"}

    assert (await sandbox.control("POST", f"/subscriptions/{subscription_id}/events", document)).status_code == 409


async def test_events_of_unknown_subscriptions_are_not_found(sandbox: Sandbox) -> None:
    assert (await sandbox.control("POST", f"/subscriptions/{NOBODY}/events", {"action": "Renew"})).status_code == 404
    assert (await sandbox.control("PUT", f"/subscriptions/{NOBODY}/auto-renew", {"autoRenew": True})).status_code == 404


async def test_auto_renewal_is_switched(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    path = f"/subscriptions/{subscription_id}/auto-renew"
    switched = await sandbox.control("PUT", path, {"autoRenew": False})

    assert (switched.status_code, switched.content) == (204, b"")
    assert (await sandbox.api("GET", f"/{subscription_id}")).json()["autoRenew"] is False
    assert (await sandbox.control("PUT", path, {"autoRenew": "no"})).status_code == 400
    assert (await sandbox.control("PUT", path)).status_code == 400


# --- the clock ---


async def test_the_clock_advances_by_durations(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(wall=Wall())
    begun = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

    async def advanced(text: str) -> datetime:
        return datetime.fromisoformat((await sandbox.control("POST", "/clock", {"advance": text})).json()["now"])

    assert (await sandbox.control("GET", "/clock")).json() == {"now": "2026-01-31T09:30:00Z"}
    assert await advanced("PT10S") == begun + timedelta(seconds=10)
    assert await advanced("P1DT0.5S") == begun + timedelta(days=1, seconds=10.5)
    assert await advanced("P1M") == datetime(2026, 3, 1, 9, 30, 10, 500_000, tzinfo=UTC)
    assert await advanced("PT0S") == datetime(2026, 3, 1, 9, 30, 10, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("advance", ["10", "PT", "-PT1S", "P99999999Y", "PT1S ", "", 10, None, "P9999999999D"])
async def test_no_duration_no_advance(sandbox: Sandbox, advance: Any) -> None:
    answer = await sandbox.control("POST", "/clock", {"advance": advance})

    assert answer.status_code == 400, answer.text
    assert "advance" in message(answer)


# --- addresses and deliveries ---


@pytest.mark.parametrize("path", ["/webhook", "/landing-page"])
@pytest.mark.parametrize(
    "document",
    [
        {},
        {"url": 3},
        {"url": ""},
        {"url": "publisher.example"},
        {"url": "ftp://p.example"},
        {"url": "http://"},
        {"url": "http://[::1"},
        {"url": "http://p.example:99999"},
        {"address": None},
    ],
)
async def test_an_address_is_absolute_http(sandbox: Sandbox, path: str, document: Any) -> None:
    assert (await sandbox.control("PUT", path, document)).status_code == 400


async def test_addresses_are_set_and_taken_away(sandbox: Sandbox) -> None:
    for url in ("http://127.0.0.1:1/hook", None):
        assert (await sandbox.control("PUT", "/webhook", {"url": url})).status_code == 204
        assert (await sandbox.control("PUT", "/landing-page", {"url": url})).status_code == 204
        assert (sandbox.emulator.courier.url, sandbox.emulator.landing_page_url) == (url, url)


async def test_deliveries_are_told_apart_by_subscription_and_operation(sandbox: Sandbox) -> None:
    first, second = await sandbox.subscribed(), await sandbox.subscribed()
    first_operation = await sandbox.event(first, "Suspend")
    await sandbox.event(second, "Suspend")
    await sandbox.advance(timedelta())

    async def found(**query: str) -> list[str]:
        answer = await sandbox.control("GET", "/deliveries", params=query)
        return [each["subscriptionId"] for each in answer.json()["deliveries"]]

    assert await found() == [first, second]
    assert await found(subscriptionId=second, operationId="") == [second]
    assert await found(operationId=first_operation.upper()) == [first]
    assert await found(subscriptionId=second, operationId=first_operation) == []
    assert (await sandbox.control("GET", "/deliveries", params={"operationId": "x"})).status_code == 400


async def test_without_an_address_an_attempt_fails_and_says_why(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    await sandbox.event(subscription_id, "Suspend")
    await sandbox.advance(timedelta())
    (delivery,) = (await sandbox.control("GET", "/deliveries")).json()["deliveries"]

    assert (delivery["response"], delivery["url"], delivery["attempt"]) == (None, "", 1)
    assert "PUT /control/webhook" in delivery["error"]


# --- identity ---


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("valid", 200),
        ("expired", 401),
        ("wrong-audience", 401),
        ("wrong-signature", 401),
        ("foreign-publisher", 200),
        ("no-service-principal", 403),
    ],
)
async def test_an_access_token_is_what_its_kind_says(sandbox: Sandbox, kind: str, status: int) -> None:
    answer = await sandbox.control("POST", "/access-tokens", {"kind": kind})

    assert answer.status_code == 201
    assert (await sandbox.api("GET", "", token=answer.json()["accessToken"])).status_code == status


async def test_there_are_no_other_kinds(sandbox: Sandbox) -> None:
    for document in ({"kind": "not-yet-valid"}, {"kind": 1}, {}):
        assert (await sandbox.control("POST", "/access-tokens", document)).status_code == 400


async def test_a_real_access_token_can_be_got_as_the_identity_says(sandbox: Sandbox) -> None:
    identity = (await sandbox.control("GET", "/identity")).json()
    answer = await sandbox.http.post(
        identity["tokenEndpoint"],
        data={
            "grant_type": "client_credentials",
            "client_id": identity["clientId"],
            "client_secret": identity["clientSecret"],
            "scope": f"{identity['resource']}/.default",
        },
    )

    assert identity["authority"] == f"http://emulator.example:8080/{identity['tenantId']}"
    assert (await sandbox.api("GET", "", token=answer.json()["access_token"])).status_code == 200


# --- reset, and who may control ---


async def test_a_reset_forgets_everything_but_addresses_and_offers(open_sandbox: OpenSandbox) -> None:
    wall = Wall()
    sandbox = await open_sandbox(wall=wall, landing_page_url="https://p.example/signup")
    subscription_id = await sandbox.subscribed()
    await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    await sandbox.advance(timedelta(days=3))

    assert (await sandbox.control("POST", "/reset")).status_code == 204
    assert (await sandbox.api("GET", f"/{subscription_id}")).status_code == 404
    assert (await sandbox.control("GET", "/deliveries")).json() == {"deliveries": []}
    assert (await sandbox.control("GET", "/clock")).json() == {"now": "2026-01-31T09:30:00Z"}
    assert (await sandbox.buy())["landingPageUrl"].startswith("https://p.example/signup?token=")
    wall.time += timedelta(seconds=1)
    assert (await sandbox.control("GET", "/clock")).json() == {"now": "2026-01-31T09:30:01Z"}


@pytest.mark.parametrize("path", ["", "/offers", "/clock", "/deliveries", "/identity", "/no/such/path"])
async def test_where_there_is_a_key_every_call_needs_it(open_sandbox: OpenSandbox, path: str) -> None:
    sandbox = await open_sandbox(control_key="sésame")
    answers = [
        await sandbox.control("GET", path),
        await sandbox.control("GET", path, headers={"x-control-key": "wrong"}),
        await sandbox.control("GET", path, headers={"authorization": f"Bearer {sandbox.token}"}),
    ]
    let_in = await sandbox.control("GET", path, headers={"x-control-key": "sésame".encode()})

    if path != "/no/such/path":
        assert {(answer.status_code, code(answer)) for answer in answers} == {(401, "ControlKeyNeeded")}
        assert let_in.status_code == 200
    else:
        assert {answer.status_code for answer in [*answers, let_in]} == {404}


async def test_a_page_of_another_site_may_not_control(sandbox: Sandbox) -> None:
    for origin, status in (("https://evil.example", 403), ("null", 403), ("http://emulator.example:8080", 204)):
        assert (await sandbox.control("POST", "/reset", headers={"origin": origin})).status_code == status


async def test_other_methods_and_bad_json_are_refused_in_the_protocols_shape(sandbox: Sandbox) -> None:
    deleted = await sandbox.control("DELETE", "/clock")
    broken = await sandbox.http.post("/control/clock", content=b"{")

    assert (deleted.status_code, deleted.headers["allow"], code(deleted)) == (405, "GET, POST", "MethodNotAllowed")
    assert (broken.status_code, code(broken)) == (400, "MalformedBody")


def test_no_capability_is_named_twice() -> None:
    assert len(set(CAPABILITIES)) == len(CAPABILITIES)
