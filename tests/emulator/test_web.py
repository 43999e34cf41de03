import base64
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from bs4 import BeautifulSoup
from tests.emulator.conftest import OpenSandbox, Sandbox

from fulfillment_conformance.emulator.web import SHOWN

pytestmark = pytest.mark.anyio


async def press(sandbox: Sandbox, button: str, **fields: str) -> httpx2.Response:
    return await sandbox.http.post("/", data={"button": button, **fields})


def words(answer: httpx2.Response) -> str:
    return BeautifulSoup(answer.text, "html.parser").get_text(" ", strip=True)


async def test_an_empty_marketplace_is_shown(sandbox: Sandbox) -> None:
    answer = await sandbox.http.get("/")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "None yet: buy something." in words(answer)
    assert "2026-01-31T09:30:00+00:00" in words(answer)


async def test_the_page_needs_nothing_from_elsewhere(sandbox: Sandbox) -> None:
    answer = await sandbox.http.get("/")
    page = BeautifulSoup(answer.text, "html.parser")

    assert not page.select("script, link, img, iframe")
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_whole_story_can_be_told_with_buttons(sandbox: Sandbox) -> None:
    await press(sandbox, "landing-page", url="https://p.example/signup")
    await press(sandbox, "webhook", url="http://127.0.0.1:9/")
    bought = await press(sandbox, "buy", plan="contoso-seats/team", quantity="3", channel="direct")
    (listed,) = (await sandbox.api("GET", "")).json()["subscriptions"]
    await sandbox.api("POST", f"/{listed['id']}/activate")
    for fields in (
        {"button": "event", "action": "ChangeQuantity", "planId": "", "quantity": "5"},
        {"button": "auto-renew", "autoRenew": "false"},
    ):
        assert (await sandbox.http.post("/", data={**fields, "subscription": listed["id"]})).status_code == 303
    assert (await press(sandbox, "clock", advance="PT9H")).headers["location"] == "/"
    visit = await press(sandbox, "token", subscription=listed["id"])
    page = words(await sandbox.http.get("/"))

    assert "Open the landing page as the buyer" in words(bought)
    assert 'href="https://p.example/signup?token=' in visit.text
    assert "ChangeQuantity" in page
    assert "Failed" in page
    assert "ConnectError" in page
    assert f"{listed['id']} contoso-seats team 3 Subscribed" in page
    assert "P1M, ends" in page
    await press(sandbox, "webhook", url="")
    await press(sandbox, "reset")
    assert sandbox.emulator.courier.url is None
    assert "None yet: buy something." in words(await sandbox.http.get("/"))


async def test_what_the_control_surface_refuses_is_told(sandbox: Sandbox) -> None:
    bought = await sandbox.buy()
    pending = await press(sandbox, "event", subscription=bought["subscriptionId"], action="Suspend")
    odd = await press(sandbox, "clock", advance="soon")
    unknown = await press(sandbox, "self-destruct")

    assert (pending.status_code, odd.status_code, unknown.status_code) == (409, 400, 400)
    assert "suspending it needs Subscribed" in words(pending)
    assert "no ISO 8601 duration" in words(odd)


async def test_whatever_people_write_is_shown_as_text(sandbox: Sandbox) -> None:
    await sandbox.buy(name="<script>alert(1)</script>", beneficiary={"emailId": "a@example.com"})
    answer = await sandbox.http.get("/")

    assert "<script>" not in answer.text
    assert "<script>alert(1)</script>" in words(answer)


async def test_only_the_newest_are_shown(sandbox: Sandbox) -> None:
    for _ in range(SHOWN + 2):
        await sandbox.buy()

    assert "and 2 older ones." in words(await sandbox.http.get("/"))


async def test_finished_operations_are_shown_as_they_stand(sandbox: Sandbox) -> None:
    subscription_id = await sandbox.subscribed()
    await sandbox.event(subscription_id, "Suspend")
    await sandbox.advance(timedelta())

    assert "Suspend" in words(await sandbox.http.get("/"))


async def test_other_sites_press_no_buttons(sandbox: Sandbox) -> None:
    await sandbox.buy()
    answer = await sandbox.http.post("/", data={"button": "reset"}, headers={"origin": "https://evil.example"})
    own = await sandbox.http.post(
        "/", data={"button": "clock", "advance": "PT1S"}, headers={"origin": "http://emulator.example:8080"}
    )

    assert (answer.status_code, own.status_code) == (403, 303)
    assert "None yet: buy something." not in words(await sandbox.http.get("/"))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_where_there_is_a_control_key_it_is_the_pages_password(open_sandbox: OpenSandbox, method: str) -> None:
    sandbox = await open_sandbox(control_key="sésame")
    form: dict[str, Any] = {"data": {"button": "reset"}} if method == "POST" else {}
    bad = ["", "Basic", "Basic !!", "Basic " + base64.b64encode(b"me:wrong").decode(), "Bearer x"]
    answers = [await sandbox.http.request(method, "/", headers={"authorization": value}, **form) for value in bad]
    key = base64.b64encode("me:sésame".encode()).decode()
    let_in = await sandbox.http.request(method, "/", headers={"authorization": f"Basic {key}"}, **form)

    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].headers["www-authenticate"].startswith("Basic")
    assert let_in.status_code == (200 if method == "GET" else 303)


async def test_other_methods_are_refused(sandbox: Sandbox) -> None:
    answer = await sandbox.http.delete("/")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
