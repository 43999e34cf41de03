import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.landing import purchase_token, without_token
from fulfillment_conformance.reference_publisher.messages import Subscription

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
TOKEN = "ab+cd/ef=="

Document = Callable[..., dict[str, Any]]


@pytest.fixture
def bought(world: "World", subscription: Document) -> Callable[..., None]:
    """Return what lets the marketplace have sold a subscription."""

    def buy(**changes: Any) -> None:
        changes = {"saasSubscriptionStatus": "PendingFulfillmentStart", **changes}
        world.market.subscriptions[SUBSCRIPTION] = subscription(**changes)
        world.market.purchases[TOKEN] = SUBSCRIPTION

    return buy


@pytest.mark.parametrize(
    ("query", "token", "rest"),
    [
        (b"token=ab%2Bcd%2Fef%3D%3D", "ab+cd/ef==", ""),
        (b"token=ab+cd/ef==", "ab+cd/ef==", ""),
        (b"x=1&token=a%252Bb&y=2", "a%2Bb", "x=1&y=2"),
        (b"token=", "", ""),
        (b"token", "", "token"),
        (b"", None, ""),
        (b"tokens=a", None, "tokens=a"),
        (b"token=%FF", "\ufffd", ""),
    ],
)
def test_the_token_is_decoded_exactly_once(query: bytes, token: str | None, rest: str) -> None:
    assert purchase_token(query) == token
    assert without_token(query) == rest


async def test_a_purchase_is_shown_confirmed_and_activated(world: "World", bought: Callable[..., None]) -> None:
    bought(quantity=7, planId="team")
    page = await world.land(query="campaign=1&")

    assert page.status_code == 200
    assert page.url.query == b"campaign=1"
    for shown in ("contoso-crm", "team", "7", "1 month", "buyer@customer.example", "Contoso &lt;Cloud&gt;"):
        assert shown in page.text
    assert [call.brief for call in world.market.calls] == ["POST /resolve"]
    assert world.market.calls[0].headers["x-ms-marketplace-token"] == TOKEN
    assert await world.state() == {}

    done = await world.submit(page, contactName="Ann", contactEmail="ann@customer.example")

    assert done.status_code == 200
    assert "Your subscription is active." in done.text
    assert "ann@customer.example" in done.text
    [activate] = world.market.made("POST", containing="activate")
    assert activate.brief == f"POST /{SUBSCRIPTION}/activate"
    assert activate.body == {"planId": "team", "quantity": 7}
    assert (await world.state())["access"]


async def test_nothing_of_the_token_remains_where_others_can_see_it(
    world: "World", bought: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    bought()
    caplog.set_level(0)
    first = await world.browser.get("/signup?token=ab%2Bcd%2Fef%3D%3D")
    assert first.status_code == 303
    assert first.headers["location"] == "/signup"
    page = await world.browser.get("/signup")

    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    logged = "".join(record.getMessage() for record in caplog.records if "reference_publisher" in record.name)
    for told in (page.text, str(page.url), logged, first.headers["set-cookie"]):
        assert "ab+cd" not in told
        assert "ab%2Bcd" not in told


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_link_scanner_does_no_harm(world: "World", bought: Callable[..., None], method: str) -> None:
    bought()
    for _ in range(3):
        await world.browser.request(method, "/signup?token=ab%2Bcd%2Fef%3D%3D", headers={"purpose": "prefetch"})
        world.browser.cookies.clear()

    assert not world.market.calls
    assert "Confirm and activate" in (await world.land()).text


async def test_without_token_there_is_guidance(world: "World") -> None:
    for address in ("/signup", "/signup?token=", "/signup?x=1"):
        page = await world.browser.get(address, follow_redirects=True)
        assert page.status_code == 200
        assert "Azure portal" in page.text
        assert "Microsoft 365 admin center" in page.text
    assert not world.market.calls


@pytest.mark.parametrize("token", ["damaged", "with blank", "umlaut-ü", "new\nline", "\x00", "x" * 9000])
async def test_a_token_that_is_not_accepted_leads_to_guidance(world: "World", token: str) -> None:
    page = await world.land(token)

    assert page.status_code == 400
    assert "Azure portal" in page.text
    assert "raw text" not in page.text
    assert await world.state() == {}


@pytest.mark.parametrize(
    "answers", [[httpx2.Response(500)] * 3, [httpx2.Response(403)] * 2, [httpx2.ReadTimeout("silence")] * 3]
)
async def test_a_marketplace_out_of_order_is_apologized_for(
    world: "World", bought: Callable[..., None], answers: list[httpx2.Response | Exception]
) -> None:
    bought()
    world.market.will("POST /resolve", *answers)

    page = await world.land()
    assert page.status_code == 503
    assert "not lost" in page.text

    world.market.will("POST /resolve")
    assert "Confirm and activate" in (await world.browser.get("/signup")).text


async def test_a_missing_access_token_is_apologized_for(world: "World", bought: Callable[..., None]) -> None:
    bought()
    world.access_tokens.unavailable = AccessTokenUnavailable("AADSTS7000222")

    page = await world.land()

    assert page.status_code == 503
    assert "AADSTS" not in page.text


async def test_an_active_subscription_is_managed_and_not_activated(world: "World", bought: Callable[..., None]) -> None:
    bought(saasSubscriptionStatus="Subscribed")
    world.market.plans = [{"planId": "silver"}, {"planId": "gold", "displayName": "Gold & more"}]
    page = await world.land()

    assert "Your subscription is active." in page.text
    assert "Gold &amp; more" in page.text
    assert "Confirm and activate" not in page.text
    assert not world.market.made("POST", containing="activate")
    assert len(world.publisher.accounts.all()) == 1


@pytest.mark.parametrize(("status", "explanation"), [("Suspended", "payment"), ("Unsubscribed", "cancelled")])
async def test_what_cannot_be_used_is_explained(
    world: "World", bought: Callable[..., None], status: str, explanation: str
) -> None:
    bought(saasSubscriptionStatus=status)
    page = await world.land()

    assert explanation in page.text
    assert not world.market.made("POST", containing="activate")
    assert not world.market.made("GET", containing="listAvailablePlans")
    assert not (await world.state()).get("access")


async def test_an_unknown_state_is_not_treated_as_a_purchase(world: "World", bought: Callable[..., None]) -> None:
    bought(saasSubscriptionStatus="Provisioning")
    page = await world.land()

    assert "not known" in page.text
    assert await world.state() == {}


async def test_confirming_again_and_at_once_has_one_effect(world: "World", bought: Callable[..., None]) -> None:
    bought()
    page = await world.land()

    answers = await asyncio.gather(*(world.submit(page) for _ in range(4)))
    again = await world.submit(page)

    assert {answer.status_code for answer in [*answers, again]} == {200}
    assert len(world.market.made("POST", containing="activate")) == 1
    assert len(world.publisher.accounts.all()) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"csrf": "guessed"},
        {"subscriptionId": "another"},
        {"planId": "gold"},
        {"quantity": "1000"},
    ],
)
async def test_a_form_that_was_tampered_with_is_refused(
    world: "World", bought: Callable[..., None], changed: dict[str, Any]
) -> None:
    bought()
    answer = await world.submit(await world.land(), **changed)

    assert answer.status_code == 403
    assert not world.market.made("POST", containing="activate")
    assert await world.state() == {}


async def test_a_form_of_somebody_elses_session_is_refused(world: "World", bought: Callable[..., None]) -> None:
    bought()
    page = await world.land()
    world.browser.cookies.clear()
    assert (await world.submit(page)).status_code == 403

    world.market.purchases["own"] = SUBSCRIPTION
    await world.land("own")
    assert (await world.submit(page)).status_code == 403
    assert not world.market.made("POST", containing="activate")


async def test_a_contact_address_is_asked_for_when_nobody_knows_one(
    world: "World", bought: Callable[..., None]
) -> None:
    nobody = {"emailId": None, "tenantId": "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"}
    bought(beneficiary=nobody, purchaser=nobody)
    page = await world.land()

    asked = await world.submit(page, contactName="Ann <b>")
    assert asked.status_code == 422
    assert "e-mail address" in asked.text
    assert "Ann &lt;b&gt;" in asked.text
    assert not world.market.made("POST", containing="activate")

    assert (await world.submit(asked, contactEmail="ann@customer.example")).status_code == 200
    assert (await world.state())["access"]


@pytest.mark.parametrize("status", [400, 404, 409])
async def test_an_activation_that_is_refused_leaves_no_access_and_can_be_tried_again(
    world: "World", bought: Callable[..., None], status: int
) -> None:
    bought()
    world.market.will("POST /activate", httpx2.Response(status, text="raw text"))
    failed = await world.submit(await world.land())

    assert failed.status_code == 502
    assert "raw text" not in failed.text
    assert (await world.state())["status"] == "PendingFulfillmentStart"

    done = await world.submit(failed)
    assert "Your subscription is active." in done.text
    assert (await world.state())["access"]


async def test_an_activation_that_meets_silence_is_tried_again_and_then_explained(
    world: "World", bought: Callable[..., None]
) -> None:
    bought()
    world.market.will("POST /activate", *[httpx2.Response(500)] * 3)
    failed = await world.submit(await world.land())

    assert failed.status_code == 502
    assert len(world.market.made("POST", containing="activate")) == 3
    assert not (await world.state())["access"]
    assert "Your subscription is active." in (await world.submit(failed)).text


async def test_an_activation_that_had_been_done_is_a_success(world: "World", bought: Callable[..., None]) -> None:
    bought()
    page = await world.land()
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Subscribed"
    world.market.will("POST /activate", httpx2.Response(400))

    assert "Your subscription is active." in (await world.submit(page)).text


async def test_a_purchase_that_was_cancelled_meanwhile_is_explained(
    world: "World", bought: Callable[..., None]
) -> None:
    bought()
    page = await world.land()
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Unsubscribed"
    world.market.will("POST /activate", httpx2.Response(404))

    assert "has been cancelled" in (await world.submit(page)).text
    assert (await world.state())["status"] == "Unsubscribed"


async def test_activation_may_take_minutes(world: "World", bought: Callable[..., None]) -> None:
    bought()
    world.market.will("POST /activate", httpx2.Response(200))
    waiting = await world.submit(await world.land())

    assert "is activating your subscription" in waiting.text
    assert not (await world.state())["access"]
    assert "is activating your subscription" in (await world.land()).text
    assert len(world.market.made("POST", containing="activate")) == 1

    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Subscribed"
    await world.settle()
    assert (await world.state())["access"]


async def test_the_state_after_activation_may_be_unreadable_for_a_while(
    world: "World", bought: Callable[..., None]
) -> None:
    bought()
    page = await world.land()
    world.market.will("GET ", *[httpx2.Response(500)] * 3)

    answer = await world.submit(page, follow=False)

    assert answer.status_code == 303
    await world.settle()
    assert (await world.state())["access"]


async def test_webhook_and_visit_race_for_one_account(world: "World", bought: Callable[..., None]) -> None:
    bought()
    page = await world.land()

    await asyncio.gather(world.submit(page), *(world.deliver("Subscribe") for _ in range(3)))

    [account] = world.publisher.accounts.all()
    assert account.access
    assert account.contact_email == "buyer@customer.example"


async def test_an_account_that_missed_an_event_is_put_right_by_a_visit(
    world: "World", bought: Callable[..., None], subscription: Document
) -> None:
    bought(saasSubscriptionStatus="Suspended")
    world.publisher.follower.follow(Subscription.read(subscription()))

    await world.land()

    assert (await world.state())["status"] == "Suspended"


async def test_hostile_names_are_shown_escaped(world: "World", bought: Callable[..., None]) -> None:
    bought(name="<img src=x onerror=alert(1)>" + "🚀" * 300)

    done = await world.submit(await world.land(), contactName="<script>", contactEmail="a@b")

    assert "<img" not in done.text
    assert "<script" not in done.text
