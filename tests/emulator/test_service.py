import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx2
import jwt
import pytest
from tests.emulator.conftest import OpenSandbox, Receiver, Sandbox, Wall, until

from fulfillment_conformance.contract import Contract
from fulfillment_conformance.emulator import GENUINE, Emulator, IdentitySettings, Settings
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.marketplace import DOCUMENTED, Rules
from fulfillment_conformance.serving import serve

pytestmark = pytest.mark.anyio


async def hooked(open_sandbox: OpenSandbox, receiver: Receiver, **settings: Any) -> Sandbox:
    """A sandbox on a standing wall clock whose notifications go to the receiver."""
    return await open_sandbox(**{"wall": Wall(), "webhook_url": receiver.url, **settings})


# --- notifications ---


async def test_a_notification_is_signed_for_the_publisher_and_as_documented(
    open_sandbox: OpenSandbox, receiver: Receiver
) -> None:
    sandbox = await hooked(open_sandbox, receiver)
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    await until(lambda: sandbox.emulator.courier.attempts)
    ((_, _, headers, _),) = receiver.requests
    (payload,) = receiver.payloads
    token = headers["authorization"].removeprefix("Bearer ")
    key = sandbox.emulator.identity.keys.signing_key
    claims = jwt.decode(token, key.public_key, algorithms=["RS256"], audience=IdentitySettings().client_id)

    assert payload["id"] == operation_id
    assert not Contract.load().webhook_violations("ChangePlan", payload)
    assert (claims["tid"], claims["ver"]) == (IdentitySettings().tenant_id, "2.0")
    assert abs(claims["iat"] - time.time()) < 5, "tokens carry real time, whatever the marketplace's clock says"


async def test_tokens_can_be_of_version_1(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    sandbox = await hooked(open_sandbox, receiver, webhook_token_version=1)
    await sandbox.buy("auto")
    await until(lambda: receiver.requests)
    token = receiver.requests[0][2]["authorization"].removeprefix("Bearer ")

    assert jwt.decode(token, options={"verify_signature": False})["appid"] == "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"


async def test_silence_accepts_a_change_after_ten_seconds(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    sandbox = await hooked(open_sandbox, receiver)
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    states = []
    for span in (9.9, 0.1):
        await sandbox.advance(timedelta(seconds=span))
        states.append(await sandbox.operation(subscription_id, operation_id))

    assert states == ["InProgress", "Succeeded"]


async def test_an_answer_that_is_under_way_counts_from_when_the_advance_began(
    open_sandbox: OpenSandbox, receiver: Receiver
) -> None:
    async def slow(_: dict[str, Any]) -> int:
        await asyncio.sleep(0.05)
        return 200

    receiver.answer = slow
    sandbox = await open_sandbox(webhook_url=receiver.url)
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    await sandbox.advance(timedelta(seconds=10))

    assert await sandbox.operation(subscription_id, operation_id) == "Succeeded"


async def test_a_4xx_rejects_a_change(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    receiver.answer = 400
    sandbox = await hooked(open_sandbox, receiver)
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    await sandbox.advance(timedelta(hours=9))

    assert await sandbox.operation(subscription_id, operation_id) == "Failed"
    assert (await sandbox.api("GET", f"/{subscription_id}")).json()["planId"] == "silver"
    assert len(receiver.requests) == 1


async def test_a_timer_rings_by_the_wall_clock_too(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    rules = Rules(acceptance_window=timedelta(milliseconds=300))
    sandbox = await open_sandbox(webhook_url=receiver.url, rules=rules)
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    market = sandbox.emulator.market

    def status() -> str:
        return market.find_operation(market.find(subscription_id), operation_id).status.value

    assert status() == "InProgress"
    await until(lambda: status() == "Succeeded")


# --- virtual time, over real HTTP ---


async def test_eight_hours_of_refusals_are_500_attempts(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    receiver.answer = 503
    sandbox = await hooked(open_sandbox, receiver)
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    await sandbox.advance(timedelta(hours=8))
    sent = [attempt.exchange.virtual_at for attempt in sandbox.emulator.courier.attempts]
    first, last = sent[0], sent[-1]

    assert len(receiver.requests) == len(sent) == 500
    assert len({payload["id"] for payload in receiver.payloads}) == 1
    assert first is not None
    assert last is not None
    assert last - first == timedelta(hours=8) * 499 / 500
    assert await sandbox.operation(subscription_id, operation_id) == "Failed"


async def test_thirty_days_of_grace_end_in_cancellation(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    sandbox = await hooked(open_sandbox, receiver)
    subscription_id = await sandbox.subscribed()
    await sandbox.event(subscription_id, "Suspend")
    states = []
    for span in (timedelta(days=29, hours=23), timedelta(hours=1)):
        await sandbox.advance(span)
        states.append(await sandbox.status(subscription_id))

    assert states == ["Suspended", "Unsubscribed"]
    assert [payload["action"] for payload in receiver.payloads] == ["Suspend", "Unsubscribe"]


async def test_a_year_of_monthly_renewals_from_31_january(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    sandbox = await hooked(open_sandbox, receiver)
    await sandbox.subscribed()
    await sandbox.advance(timedelta(days=365))
    terms = [payload["subscription"]["term"] for payload in receiver.payloads]
    days = [(term["startDate"][:10], term["endDate"][:10]) for term in terms]

    assert [payload["action"] for payload in receiver.payloads] == ["Renew"] * 12
    assert days[:4] == [
        ("2026-02-28", "2026-03-30"),
        ("2026-03-31", "2026-04-29"),
        ("2026-04-30", "2026-05-30"),
        ("2026-05-31", "2026-06-29"),
    ]
    assert days[-1] == ("2027-01-31", "2027-02-27")
    for before, after in pairwise(days):
        assert date.fromisoformat(before[1]) + timedelta(days=1) == date.fromisoformat(after[0])


async def test_each_notification_is_sent_at_its_own_due_time(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    sandbox = await hooked(open_sandbox, receiver)
    await sandbox.subscribed()
    await sandbox.advance(timedelta(days=60))
    sent = [attempt.exchange.virtual_at for attempt in sandbox.emulator.courier.attempts]

    assert sent == [datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)]
    assert [payload["timeStamp"][:19] for payload in receiver.payloads] == [
        "2026-02-28T00:00:00",
        "2026-03-31T00:00:00",
    ]


def test_a_publisher_that_calls_while_it_is_called_sees_the_time_held(receiver: Receiver) -> None:
    """Emulator and receiver both on sockets; at the second attempt the receiver looks at the clock and cancels."""
    emulator = Emulator(Settings(webhook_url=receiver.url))
    times: list[str] = []

    async def cancel(payload: dict[str, Any]) -> int:
        if payload["action"] != "Suspend":
            return 200
        if len(receiver.payloads) < 3:
            return 503
        headers = {"authorization": f"Bearer {emulator.identity.access_token()}"}
        async with httpx2.AsyncClient(trust_env=False) as http:
            for _ in range(2):
                times.append((await http.get(f"{serving.url}/control/clock")).json()["now"])
                await asyncio.sleep(0.01)
            path = f"/api/saas/subscriptions/{payload['subscriptionId']}?api-version=2018-08-31"
            answer = await http.delete(f"{serving.url}{path}", headers=headers)
        return 200 if answer.status_code == 202 else 500

    receiver.answer = cancel
    with serve(emulator.app) as serving, httpx2.Client(base_url=f"{serving.url}/control", trust_env=False) as control:
        bought = control.post("/purchases", json={"offerId": "contoso-crm", "planId": "auto"}).json()
        control.post("/clock", json={"advance": "PT0S"})
        control.post(f"/subscriptions/{bought['subscriptionId']}/events", json={"action": "Suspend"})
        after = control.post("/clock", json={"advance": "PT1H"}).json()["now"]
        deliveries = control.get("/deliveries").json()["deliveries"]

    assert [payload["action"] for payload in receiver.payloads] == ["Subscribe", "Suspend", "Suspend", "Unsubscribe"]
    assert [delivery["response"]["status"] for delivery in deliveries] == [200, 503, 200, 200]
    assert len(set(times)) == 1, "time stands still while a delivery is awaited"
    assert times[0] == deliveries[2]["sentAt"] == deliveries[3]["sentAt"] < after


# --- determinism ---


async def script(sandbox: Sandbox) -> list[Any]:
    """Everything that is said in a small story."""
    said: list[Any] = []
    subscription_id = await sandbox.subscribed("team", quantity=3)
    said.append(await sandbox.buy())
    for change in ({"quantity": 4}, {"planId": "business"}):
        answer = await sandbox.api("PATCH", f"/{subscription_id}", change)
        said.append((answer.status_code, dict(answer.headers), answer.text))
        await sandbox.advance(timedelta(hours=9))
    await sandbox.event(subscription_id, "Unsubscribe")
    await sandbox.advance(timedelta(days=400))
    said.append((await sandbox.api("GET", "")).json())
    said.append((await sandbox.control("GET", "/deliveries")).json())
    return said


@pytest.mark.parametrize("profile", ["documented", "observed"])
async def test_one_seed_tells_one_story(open_sandbox: OpenSandbox, profile: str) -> None:
    stories = [await script(await open_sandbox(wall=Wall(), profile=profile, seed=seed)) for seed in (3, 3, 4)]

    assert stories[0] == stories[1]
    assert stories[0] != stories[2]


# --- sending by hand ---


async def test_held_notifications_are_sent_by_hand_and_heard_on_demand(
    open_sandbox: OpenSandbox, receiver: Receiver
) -> None:
    sandbox = await hooked(open_sandbox, receiver)
    emulator = sandbox.emulator
    emulator.hold_deliveries = True
    subscription_id = await sandbox.subscribed()
    operation_id = await sandbox.event(subscription_id, "ChangePlan", planId="gold")
    (delivery,) = emulator.held
    receiver.answer = 400
    forged = await emulator.send(delivery, token="a.b.c", payload={"id": "forged"}, headers={"x-a": "1"})
    bare = await emulator.send(delivery, token=None)
    unheard = await sandbox.operation(subscription_id, operation_id)
    genuine = await emulator.send(delivery, token=GENUINE, heard=True)

    assert emulator.hold_deliveries
    assert emulator.held == []
    assert (forged.status, bare.status, genuine.status) == (400, 400, 400)
    assert receiver.payloads[0] == {"id": "forged"}
    assert [headers.get("authorization", "")[:12] for _, _, headers, _ in receiver.requests[:2]] == ["Bearer a.b.c", ""]
    assert receiver.requests[0][2]["x-a"] == "1"
    assert receiver.payloads[2]["id"] == operation_id
    assert (unheard, await sandbox.operation(subscription_id, operation_id)) == ("InProgress", "Failed")


async def test_a_wrapper_can_change_what_is_sent(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    sandbox = await hooked(open_sandbox, receiver)

    def shout(delivery: Any, compose: Any) -> Any:
        notification = compose(delivery)
        notification.payload["action"] = notification.payload["action"].upper()
        return notification

    sandbox.emulator.wrap_notification(shout)
    await sandbox.buy("auto")
    await until(lambda: receiver.payloads)

    assert receiver.payloads[0]["action"] == "SUBSCRIBE"


# --- life of an emulator ---


async def test_an_own_set_of_rules_takes_the_place_of_the_profiles(open_sandbox: OpenSandbox) -> None:
    sandbox = await open_sandbox(rules=Rules(page_size=2))
    for _ in range(3):
        await sandbox.buy()

    assert len((await sandbox.api("GET", "")).json()["subscriptions"]) == 2
    assert sandbox.emulator.market.rules != DOCUMENTED


async def test_a_reset_drops_deliveries_under_way(open_sandbox: OpenSandbox, receiver: Receiver) -> None:
    async def hang(_: dict[str, Any]) -> int:
        await asyncio.sleep(5)
        return 200

    receiver.answer = hang
    sandbox = await hooked(open_sandbox, receiver)
    await sandbox.buy("auto")
    await until(lambda: receiver.requests)
    await sandbox.emulator.reset()
    await sandbox.advance(timedelta(days=60))

    assert sandbox.emulator.courier.attempts == []


async def test_closing_twice_is_no_matter(sandbox: Sandbox) -> None:
    await sandbox.emulator.close()
    await sandbox.emulator.close()


def test_leaving_the_server_stops_deliveries(receiver: Receiver) -> None:
    seen: list[Exchange] = []
    emulator = Emulator(Settings(webhook_url=receiver.url), observer=seen.append)
    with serve(emulator.app) as serving, httpx2.Client(trust_env=False) as http:
        http.post(f"{serving.url}/control/purchases", json={"offerId": "contoso-crm", "planId": "auto"})
        for _ in range(200):
            if any(exchange.receiver == "publisher" for exchange in seen):
                break
            time.sleep(0.01)

    assert [(exchange.sender, exchange.receiver) for exchange in seen] == [
        ("suite", "control"),
        ("marketplace", "publisher"),
    ]
