from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.emulator.conftest import NOBODY, VERSION, OpenSandbox, Sandbox

from fulfillment_conformance.contract import Contract
from fulfillment_conformance.emulator.fulfillment import OPERATIONS, PATHS
from fulfillment_conformance.marketplace import Caller, Refused

pytestmark = pytest.mark.anyio

EVERY_CALL = [
    ("POST", "/resolve"),
    ("POST", "/{id}/activate"),
    ("GET", ""),
    ("GET", "/"),
    ("GET", "/{id}"),
    ("GET", "/{id}/listAvailablePlans"),
    ("PATCH", "/{id}"),
    ("DELETE", "/{id}"),
    ("GET", "/{id}/operations"),
    ("GET", "/{id}/operations/{id}"),
    ("PATCH", "/{id}/operations/{id}"),
]


def code(answer: Any) -> str:
    error: str = answer.json()["error"]["code"]
    return error


# --- the operations ---


async def test_a_purchase_is_resolved_activated_and_shown(sandbox: Sandbox) -> None:
    bought = await sandbox.buy("team", quantity=7)
    path = f"/{bought['subscriptionId']}"
    resolved = await sandbox.api("POST", "/resolve", headers={"x-ms-marketplace-token": bought["token"]})
    activated = await sandbox.api("POST", f"{path}/activate", {"planId": "team", "quantity": 7})
    shown = await sandbox.api("GET", path)

    assert resolved.status_code == activated.status_code == shown.status_code == 200
    assert resolved.json()["subscription"]["saasSubscriptionStatus"] == "PendingFulfillmentStart"
    assert activated.content == b""
    assert (shown.json()["quantity"], shown.json()["saasSubscriptionStatus"]) == (7, "Subscribed")


@pytest.mark.parametrize(
    ("plan", "bought", "named"),
    [("silver", None, ""), ("silver", None, " "), ("team", 7, "7"), ("team", 7, " 7")],
)
@pytest.mark.parametrize("profile", ["documented", "observed"])
async def test_activate_takes_seats_as_the_samples_and_resolve_have_them(
    open_sandbox: OpenSandbox, profile: str, plan: str, bought: int | None, named: str
) -> None:
    sandbox = await open_sandbox(profile=profile)
    wishes = {} if bought is None else {"quantity": bought}
    path = f"/{(await sandbox.buy(plan, **wishes))['subscriptionId']}"
    activated = await sandbox.api("POST", f"{path}/activate", {"planId": plan, "quantity": named})
    shown = await sandbox.api("GET", path)

    assert activated.status_code == 200, activated.text
    assert shown.json()["saasSubscriptionStatus"] == "Subscribed"


@pytest.mark.parametrize(
    ("named", "expected"),
    [("seven", "QuantityInvalid"), ("7.5", "QuantityInvalid"), ("8", "QuantityMismatch")],
)
async def test_activate_refuses_text_that_is_not_the_number_bought(sandbox: Sandbox, named: str, expected: str) -> None:
    bought = await sandbox.buy("team", quantity=7)
    refused = await sandbox.api("POST", f"/{bought['subscriptionId']}/activate", {"planId": "team", "quantity": named})

    assert (refused.status_code, code(refused)) == (400, expected)


async def test_the_list_goes_on_with_an_absolute_link_that_survives_encoding(sandbox: Sandbox) -> None:
    ids = [(await sandbox.buy())["subscriptionId"] for _ in range(101)]
    first = (await sandbox.api("GET", "")).json()
    link = first["@nextLink"]
    token = parse_qs(urlsplit(link).query)["continuationToken"][0]
    headers = {"authorization": f"Bearer {sandbox.token}"}
    followed = (await sandbox.http.get(link, headers=headers)).json()
    rebuilt = (await sandbox.api("GET", "/", query={**VERSION, "continuationToken": token})).json()

    assert link.startswith("http://emulator.example:8080/api/saas/subscriptions?api-version=2018-08-31&continuation")
    assert {"+", "/", "="} <= set(token)
    assert not {"+", "/"} & set(urlsplit(link).query.partition("continuationToken=")[2])
    assert followed == rebuilt
    assert "@nextLink" not in followed
    assert [entry["id"] for entry in first["subscriptions"] + followed["subscriptions"]] == ids


async def test_an_empty_continuation_token_gives_the_first_page(sandbox: Sandbox) -> None:
    await sandbox.buy()
    first = await sandbox.api("GET", "")

    assert (await sandbox.api("GET", "", query={**VERSION, "continuationToken": ""})).json() == first.json()
    assert (await sandbox.api("GET", "", query={**VERSION, "continuationToken": "made up"})).status_code == 400


async def test_a_publisher_without_subscriptions_gets_an_empty_list(sandbox: Sandbox) -> None:
    assert (await sandbox.api("GET", "")).json() == {"subscriptions": []}


async def test_the_plan_list_can_be_narrowed_to_one_plan(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    every = (await sandbox.api("GET", f"/{subscription_id}/listAvailablePlans")).json()["plans"]
    one = (
        await sandbox.api("GET", f"/{subscription_id}/listAvailablePlans", query={**VERSION, "planId": "gold"})
    ).json()
    none = (
        await sandbox.api("GET", f"/{subscription_id}/listAvailablePlans", query={**VERSION, "planId": "no"})
    ).json()

    assert {plan["planId"] for plan in every} == {"silver", "gold", "trial", "private", "multiyear", "auto"}
    assert [plan["planId"] for plan in one["plans"]] == ["gold"]
    assert none == {"plans": []}


@pytest.mark.parametrize(("plan", "change"), [("silver", {"planId": "gold"}), ("team", {"quantity": 9})])
async def test_a_change_is_accepted_with_a_place_to_look_and_settled(
    sandbox: Sandbox, plan: str, change: dict[str, Any]
) -> None:
    subscription_id = await sandbox.subscribed(plan)
    accepted = await sandbox.api("PATCH", f"/{subscription_id}", change)
    place = accepted.headers["operation-location"]
    headers = {"authorization": f"Bearer {sandbox.token}", "content-type": "application/json"}
    pending = (await sandbox.http.get(place, headers=headers)).json()
    listed = (await sandbox.api("GET", f"/{subscription_id}/operations")).json()["operations"]
    settled = await sandbox.http.patch(place, headers=headers, json={"status": "Success"})
    again = await sandbox.http.patch(place, headers=headers, json={"status": "Failure"})

    assert accepted.status_code == 202
    assert urlsplit(place).query == "api-version=2018-08-31"
    assert pending["status"] == "InProgress"
    assert pending.items() >= change.items()
    assert [entry["id"] for entry in listed] == [pending["id"]]
    assert (settled.status_code, again.status_code) == (200, 409)
    assert (await sandbox.http.get(place, headers=headers)).json()["status"] == "Succeeded"
    assert (await sandbox.api("GET", f"/{subscription_id}")).json().items() >= change.items()
    assert (await sandbox.api("GET", f"/{subscription_id}/operations")).json() == {"operations": []}


async def test_cancelling_is_accepted_once_and_confirmed_ever_after(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    first = await sandbox.api("DELETE", f"/{subscription_id}")
    second = await sandbox.api("DELETE", f"/{subscription_id}")

    assert (first.status_code, second.status_code) == (202, 200)
    assert "operation-location" in first.headers
    assert await sandbox.status(subscription_id) == "Unsubscribed"


async def test_ids_in_the_path_may_be_in_capitals(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()

    assert (await sandbox.api("GET", f"/{subscription_id.upper()}")).json()["id"] == subscription_id


# --- headers of every answer ---


@pytest.mark.parametrize(("method", "path"), [*EVERY_CALL, ("PUT", "/{id}"), ("GET", "/{id}/nothing/here")])
async def test_every_answer_can_be_traced(sandbox: Sandbox, method: str, path: str) -> None:
    path = path.replace("{id}", NOBODY)
    plain = await sandbox.api(method, path)
    named = await sandbox.api(
        method, path, headers={"x-ms-requestid": "conformance-abc-1", "x-ms-correlationid": "mine"}
    )

    assert plain.headers["x-ms-requestid"]
    assert plain.headers["x-ms-correlationid"]
    assert plain.headers["x-ms-requestid"] != plain.headers["x-ms-correlationid"]
    assert (named.headers["x-ms-requestid"], named.headers["x-ms-correlationid"]) == ("conformance-abc-1", "mine")


async def test_a_trace_id_that_cannot_be_a_header_is_replaced(sandbox: Sandbox) -> None:
    answer = await sandbox.api("GET", "", headers={"x-ms-requestid": "a b" * 200})

    assert len(answer.headers["x-ms-requestid"]) == 36


# --- who may call ---


@pytest.mark.parametrize(("method", "path"), EVERY_CALL)
async def test_nobody_calls_without_a_token(sandbox: Sandbox, method: str, path: str) -> None:
    answer = await sandbox.api(method, path.replace("{id}", NOBODY), token=None)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert code(answer) == "AccessTokenMissing"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("expired", 401),
        ("not-yet-valid", 401),
        ("wrong-audience", 401),
        ("wrong-signature", 401),
        ("foreign-publisher", 403),
        ("no-service-principal", 403),
    ],
)
async def test_a_bad_token_is_refused(sandbox: Sandbox, kind: Any, status: int) -> None:
    subscription_id = await sandbox.subscribed()
    answer = await sandbox.api("GET", f"/{subscription_id}", token=sandbox.emulator.identity.access_token(kind))

    assert answer.status_code == status


@pytest.mark.parametrize("header", ["Bearer", "Bearer abc", "Basic YTpi", "Bearer a.b.c", "", "Bearer\t"])
async def test_a_malformed_token_is_refused(sandbox: Sandbox, header: str) -> None:
    answer = await sandbox.api("GET", "", token=None, headers={"authorization": header})

    assert answer.status_code == 401


async def test_another_publisher_sees_only_its_own(sandbox: Sandbox) -> None:
    await sandbox.subscribed()
    theirs = (await sandbox.buy("basic"))["subscriptionId"]
    token = sandbox.emulator.identity.access_token("foreign-publisher")

    assert [entry["id"] for entry in (await sandbox.api("GET", "", token=token)).json()["subscriptions"]] == [theirs]
    assert (await sandbox.api("GET", f"/{theirs}")).status_code == 403


# --- what is asked of a call ---


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"nothing": "here"}, "ApiVersionMissing"),
        ({"api-version": ""}, "ApiVersionUnknown"),
        ({"api-version": "2017-04-15"}, "ApiVersionUnknown"),
    ],
)
async def test_the_version_is_checked(sandbox: Sandbox, query: dict[str, str], expected: str) -> None:
    answer = await sandbox.api("GET", "", query=query)

    assert (answer.status_code, code(answer)) == (400, expected)


async def test_a_version_given_twice_is_refused(sandbox: Sandbox) -> None:
    answer = await sandbox.http.get(
        "/api/saas/subscriptions?api-version=2018-08-31&api-version=2018-08-31",
        headers={"authorization": f"Bearer {sandbox.token}"},
    )

    assert (answer.status_code, code(answer)) == (400, "RepeatedParameter")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "MalformedBody"),
        (b"{", "MalformedBody"),
        (b"[]", "MalformedBody"),
        (b"{}", "NothingToChange"),
        (b'{"quantity": null}', "NothingToChange"),
        (b'{"planId": null, "quantity": null}', "NothingToChange"),
        (b'{"planId": "business", "quantity": 5}', "PlanAndQuantity"),
        (b'{"planId": 3}', "PlanIdInvalid"),
        (b'{"quantity": 1.5}', "QuantityInvalid"),
        (b'{"quantity": "5"}', "QuantityInvalid"),
        (b'{"quantity": true}', "QuantityInvalid"),
        (b'{"quantity": 0}', "QuantityOutOfRange"),
        (b'{"quantity": -1}', "QuantityOutOfRange"),
        (b'{"quantity": 101}', "QuantityOutOfRange"),
        (b'{"quantity": 1}', "SameValue"),
        (b'{"planId": "nope"}', "PlanNotAvailable"),
    ],
)
async def test_a_bad_change_is_refused(sandbox: Sandbox, body: bytes, expected: str) -> None:
    subscription_id = await sandbox.subscribed("team", quantity=1)
    answer = await sandbox.api("PATCH", f"/{subscription_id}", content=body)

    assert (answer.status_code, code(answer)) == (400, expected)


async def test_null_beside_a_value_does_not_count(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()

    answer = await sandbox.api("PATCH", f"/{subscription_id}", {"planId": "gold", "quantity": None})

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 202),
        ("application/merge-patch+json", 202),
        ("Application/JSON", 202),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
        ("application/jsonx", 400),
    ],
)
async def test_a_body_is_json(sandbox: Sandbox, content_type: str, status: int) -> None:
    subscription_id = await sandbox.subscribed()
    answer = await sandbox.api(
        "PATCH", f"/{subscription_id}", content=b'{"planId": "gold"}', headers={"content-type": content_type}
    )

    assert answer.status_code == status


async def test_a_huge_body_is_refused_unread(sandbox: Sandbox) -> None:
    answer = await sandbox.api("PATCH", f"/{NOBODY}", content=b" " * 70_000)

    assert (answer.status_code, code(answer)) == (413, "BodyTooLarge")
    assert answer.headers["x-ms-requestid"]


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"status": "Maybe"}, 400),
        ({"status": None}, 400),
        ({"status": 1}, 400),
        ({}, 400),
        ({"status": "Failure", "planId": "gold", "quantity": 3}, 200),
    ],
)
async def test_an_operation_ends_by_one_of_two_words(sandbox: Sandbox, document: Any, status: int) -> None:
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    answer = await sandbox.api("PATCH", f"/{subscription_id}/operations/{operation_id}", document)

    assert answer.status_code == status


@pytest.mark.parametrize(("method", "path"), [call for call in EVERY_CALL if "{id}" in call[1]])
async def test_ids_that_were_never_given_out_are_not_found(sandbox: Sandbox, method: str, path: str) -> None:
    body = {"planId": "gold"} if path == "/{id}" and method == "PATCH" else {"status": "Success"}
    answer = await sandbox.api(method, path.replace("{id}", NOBODY), body if method == "PATCH" else None)
    odd = await sandbox.api(method, path.replace("{id}", "not-a-guid"), body if method == "PATCH" else None)

    assert answer.status_code == 404
    assert (odd.status_code, code(odd)) == (400, "IdInvalid")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/resolve", "POST"),
        ("PUT", "/{id}", "DELETE, GET, PATCH"),
        ("HEAD", "/{id}", "DELETE, GET, PATCH"),
        ("OPTIONS", "", "GET"),
        ("POST", "/{id}/operations", "GET"),
        ("PUT", "/{id}/operations/{id}", "GET, PATCH"),
        ("BREW", "/{id}/activate", "POST"),
    ],
)
async def test_another_method_is_refused_with_all_that_are_allowed(
    sandbox: Sandbox, method: str, path: str, allow: str
) -> None:
    answer = await sandbox.api(method, path.replace("{id}", NOBODY))

    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_other_paths_below_the_api_are_not_found(sandbox: Sandbox) -> None:
    for path in ("/api", "/api/", "/api/saas/operations/1", "/api/saas/subscriptions/a/b/c/d"):
        answer = await sandbox.http.get(path)
        assert answer.status_code == 404, path


# --- by the description of the API ---


async def test_every_answer_is_as_the_openapi_file_says(sandbox: Sandbox) -> None:
    contract = Contract.load()
    flat, seats = await sandbox.subscribed(), await sandbox.subscribed("team", quantity=3)
    trial = (await sandbox.buy("trial", freeTrial=True))["subscriptionId"]
    csp = (await sandbox.buy("gold", channel="csp"))["subscriptionId"]
    cancelled = await sandbox.subscribed()
    await sandbox.event(cancelled, "Unsubscribe")
    bought = await sandbox.buy("silver")
    operation_id = await sandbox.event(flat, "ChangePlan", planId="gold")
    token = {"x-ms-marketplace-token": bought["token"]}
    answers = [
        ("resolve", await sandbox.api("POST", "/resolve", headers=token)),
        ("resolve", await sandbox.api("POST", "/resolve")),
        ("activate", await sandbox.api("POST", f"/{bought['subscriptionId']}/activate")),
        ("listSubscriptions", await sandbox.api("GET", "")),
        *[("getSubscription", await sandbox.api("GET", f"/{each}")) for each in (flat, seats, trial, csp, cancelled)],
        ("getSubscription", await sandbox.api("GET", f"/{NOBODY}")),
        ("getSubscription", await sandbox.api("GET", f"/{flat}", token=None)),
        ("listAvailablePlans", await sandbox.api("GET", f"/{flat}/listAvailablePlans")),
        ("listAvailablePlans", await sandbox.api("GET", f"/{seats}/listAvailablePlans")),
        ("changeQuantity", await sandbox.api("PATCH", f"/{seats}", {"quantity": 4})),
        ("changePlan", await sandbox.api("PATCH", f"/{seats}", {"planId": "no"})),
        ("listOperations", await sandbox.api("GET", f"/{flat}/operations")),
        ("listOperations", await sandbox.api("GET", f"/{seats}/operations")),
        ("getOperation", await sandbox.api("GET", f"/{flat}/operations/{operation_id}")),
        ("getOperation", await sandbox.api("GET", f"/{flat}/operations/{NOBODY}")),
        ("deleteSubscription", await sandbox.api("DELETE", f"/{trial}")),
        ("deleteSubscription", await sandbox.api("DELETE", f"/{flat}")),
        ("updateOperation", await sandbox.api("PATCH", f"/{flat}/operations/{operation_id}", {"status": "Success"})),
    ]

    for operation, answer in answers:
        found = contract.validate_response(operation, answer.status_code, answer.headers.items(), answer.content)
        assert not found, (operation, [str(violation) for violation in found])


def test_the_operations_are_the_documented_ones() -> None:
    assert len(OPERATIONS) == 10, "ten methods on paths; PATCH on a subscription is two operations"
    assert len(PATHS) == 8


# --- the observed profile, and faults of our own ---


async def test_observed_says_one_thing_to_whomever_it_does_not_let_in(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(profile="observed")
    subscription_id = await sandbox.subscribed()
    foreign = sandbox.emulator.identity.access_token("foreign-publisher")
    answers = [await sandbox.api("GET", f"/{subscription_id}", token=token) for token in (None, "bad", foreign)]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    assert isinstance(answers[0].json(), str)


async def test_observed_tells_of_an_ended_operation_by_the_request_id_alone(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(profile="observed")
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    path = f"/{subscription_id}/operations/{operation_id}"
    await sandbox.api("PATCH", path, {"status": "Success"})
    answer = await sandbox.api("PATCH", path, {"status": "Success"})

    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == answer.headers["x-ms-requestid"]


async def test_a_breakdown_is_answered_and_reported(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(sandbox.emulator.api, "get_subscription", broken)
    transport = sandbox.http._transport
    monkeypatch.setattr(transport, "raise_app_exceptions", False)
    answer = await sandbox.api("GET", f"/{NOBODY}")

    assert (answer.status_code, code(answer)) == (500, "InternalServerError")
    assert answer.headers["x-ms-requestid"]
    monkeypatch.setattr(transport, "raise_app_exceptions", True)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await sandbox.api("GET", f"/{NOBODY}")


async def test_a_refusal_of_the_core_keeps_its_status(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Caller, subscription_id: str) -> None:
        raise Refused(500, "Odd", subscription_id)

    monkeypatch.setattr(sandbox.emulator.market, "subscription", refuse)
    answer = await sandbox.api("GET", f"/{NOBODY}")

    assert (answer.status_code, answer.json()) == (500, {"error": {"code": "Odd", "message": NOBODY}})


async def test_links_can_name_another_origin_than_the_requests(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(public_url="https://market.example/")
    subscription_id = await sandbox.subscribed()
    accepted = await sandbox.api("DELETE", f"/{subscription_id}")

    assert accepted.headers["operation-location"].startswith("https://market.example/api/saas/subscriptions/")
