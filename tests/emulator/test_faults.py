from typing import Any

import httpx2
import pytest
from tests.emulator.conftest import NOBODY, OpenSandbox, Sandbox

from fulfillment_conformance.emulator.faults import Answers, BreaksOff, KeepsSilent, Rewrites, Waits, call_of
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.serving import serve

pytestmark = pytest.mark.anyio

BELOW = "/api/saas/subscriptions"


@pytest.fixture
def seen() -> list[Exchange]:
    return []


@pytest.fixture
async def sandbox(open_sandbox: OpenSandbox, seen: list[Exchange]) -> Sandbox:
    return await open_sandbox(observer=seen.append)


@pytest.mark.parametrize(
    ("method", "path", "kind", "subscription_id"),
    [
        ("POST", f"{BELOW}/resolve", "resolve", ""),
        ("GET", BELOW, "list_subscriptions", ""),
        ("GET", f"{BELOW}/", "list_subscriptions", ""),
        ("GET", f"{BELOW}/{NOBODY}", "get_subscription", NOBODY),
        ("PATCH", f"{BELOW}/{NOBODY}", "change_subscription", NOBODY),
        ("GET", f"{BELOW}/{NOBODY}/operations/org:{{a}}/{{b}}", "get_operation", NOBODY),
        ("PATCH", f"{BELOW}/{NOBODY}/operations/x", "settle_operation", NOBODY),
        ("POST", "/tenant/oauth2/v2.0/token", "token", ""),
        ("POST", "/tenant/oauth2/token", "token", ""),
        ("GET", "/tenant/discovery/keys", "keys", ""),
        ("GET", "/tenant/v2.0/.well-known/openid-configuration", "metadata", ""),
        ("PUT", f"{BELOW}/{NOBODY}", "", ""),
        ("GET", "/control/clock", "", ""),
    ],
)
def test_every_call_that_can_be_disturbed_has_a_kind(method: str, path: str, kind: str, subscription_id: str) -> None:
    assert call_of(method, path) == (kind, subscription_id)


async def test_an_answer_takes_the_place_of_the_marketplaces_own(sandbox: Sandbox, seen: list[Exchange]) -> None:
    subscription_id = await sandbox.subscribed()
    plan = sandbox.emulator.faults
    planned = plan.add(Answers(429, headers={"retry-after": "1"}), call="get_subscription", times=1)

    assert not planned.begun.is_set()

    first = await sandbox.api("GET", f"/{subscription_id}")
    second = await sandbox.api("GET", f"/{subscription_id}")

    assert planned.begun.is_set()
    assert (first.status_code, first.headers["retry-after"], first.content) == (429, "1", b"")
    assert second.status_code == 200
    assert planned.met == 1
    assert [exchange.purpose for exchange in seen[-2:]] == ["answered 429, Retry-After 1 on purpose", ""]


async def test_only_what_was_planned_for_is_disturbed(sandbox: Sandbox) -> None:
    one, other = await sandbox.subscribed(), await sandbox.subscribed()
    plan = sandbox.emulator.faults
    planned = plan.add(Answers(401), call="get_subscription", subscription_id=one, bearing=f"Bearer {sandbox.token}")

    assert (await sandbox.api("GET", f"/{one}")).status_code == 401
    assert (await sandbox.api("GET", f"/{one}", token=sandbox.emulator.identity.access_token())).status_code == 200
    assert (await sandbox.api("GET", f"/{other}")).status_code == 200
    assert (await sandbox.api("GET", f"/{one}/listAvailablePlans")).status_code == 200
    plan.remove(planned)
    assert (await sandbox.api("GET", f"/{one}")).status_code == 200


async def test_a_star_stands_for_every_call_but_not_for_the_control_surface(sandbox: Sandbox) -> None:
    sandbox.emulator.faults.add(Answers(503, {"sorry": True}), call="*")

    assert (await sandbox.api("GET", "")).json() == {"sorry": True}
    assert (await sandbox.http.get("/common/discovery/keys")).status_code == 503
    assert (await sandbox.control("GET", "/clock")).status_code == 200


async def test_the_first_fault_that_fits_happens(sandbox: Sandbox) -> None:
    sandbox.emulator.faults.add(Answers(500), call="list_subscriptions", times=1)
    sandbox.emulator.faults.add(Answers(403), call="list_subscriptions", times=1)

    assert [(await sandbox.api("GET", "")).status_code for _ in range(3)] == [500, 403, 200]


async def test_a_rewritten_answer_has_had_its_effect(sandbox: Sandbox) -> None:
    bought = await sandbox.buy()
    subscription_id = bought["subscriptionId"]
    plan = sandbox.emulator.faults
    plan.add(Rewrites(lambda _: b"started"), call="activate")
    plan.add(Rewrites(lambda document: {"id": document["id"]}), call="get_subscription", times=1)

    activated = await sandbox.api("POST", f"/{subscription_id}/activate")
    rewritten = await sandbox.api("GET", f"/{subscription_id}")

    assert (activated.status_code, activated.text) == (200, "started")
    assert activated.headers["content-length"] == "7"
    assert rewritten.json() == {"id": subscription_id}
    assert await sandbox.status(subscription_id) == "Subscribed"


async def test_a_refusal_is_not_rewritten(sandbox: Sandbox) -> None:
    sandbox.emulator.faults.add(Rewrites(lambda _: {}), call="get_subscription")

    assert (await sandbox.api("GET", f"/{NOBODY}")).json()["error"]["code"] == "SubscriptionNotFound"


async def test_silence_ends_in_the_usual_answer_for_whoever_waits(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    sandbox.emulator.faults.add(KeepsSilent(0.01), call="get_subscription")

    assert await sandbox.status(subscription_id) == "Subscribed"


async def test_a_call_waits_for_something_else_and_is_then_answered_as_always(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    glances: list[bool] = []
    happened = Waits(lambda: glances.append(True) or len(glances) > 2, seconds=30)  # type: ignore[func-returns-value]
    sandbox.emulator.faults.add(happened, call="get_subscription")

    assert await sandbox.status(subscription_id) == "Subscribed"
    assert len(glances) == 3


async def test_what_never_happens_is_not_waited_for_without_end(sandbox: Sandbox, seen: list[Exchange]) -> None:
    subscription_id = await sandbox.subscribed()
    sandbox.emulator.faults.add(Waits(lambda: False, seconds=0.01), call="get_subscription")

    assert await sandbox.status(subscription_id) == "Subscribed"
    assert seen[-1].purpose == "kept waiting for something else, at most for 0.01 s, on purpose"


@pytest.fixture
def caller() -> Any:
    with httpx2.Client(trust_env=False, timeout=0.3) as client:
        yield client


@pytest.mark.parametrize("carried_out", [True, False])
async def test_who_hangs_up_in_the_silence_gets_nothing(
    open_sandbox: OpenSandbox, caller: Any, carried_out: bool
) -> None:
    reported: list[Exchange] = []
    sandbox = await open_sandbox(observer=reported.append)
    subscription_id = (await sandbox.buy())["subscriptionId"]
    sandbox.emulator.faults.add(KeepsSilent(30, carried_out=carried_out), call="activate")
    with serve(sandbox.emulator.app) as serving, pytest.raises(httpx2.TimeoutException):
        caller.post(
            f"{serving.url}{BELOW}/{subscription_id}/activate",
            params={"api-version": "2018-08-31"},
            headers={"authorization": f"Bearer {sandbox.token}"},
        )

    assert (await sandbox.status(subscription_id) == "Subscribed") is carried_out
    (given_up,) = [exchange for exchange in reported if exchange.url.partition("?")[0].endswith("/activate")]
    assert (given_up.status, given_up.error) == (
        None,
        "kept waiting for 30 s on purpose; the caller hung up before",
    )


async def test_a_connection_can_be_cut(open_sandbox: OpenSandbox, caller: Any) -> None:
    reported: list[Exchange] = []
    sandbox = await open_sandbox(observer=reported.append)
    sandbox.emulator.faults.add(BreaksOff(), call="keys", times=1)
    with serve(sandbox.emulator.app) as serving:
        with pytest.raises(httpx2.TransportError):
            caller.get(f"{serving.url}/common/discovery/keys")
        assert caller.get(f"{serving.url}/common/discovery/keys").status_code == 200

    assert [(exchange.status, exchange.error) for exchange in reported] == [
        (None, "DropConnection: connection cut on purpose"),
        (200, None),
    ]
