from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from fulfillment_conformance.reference_publisher import SignIn
from fulfillment_conformance.reference_publisher.sessions import Session, User
from fulfillment_conformance.reference_publisher.sign_in import SignInFailed

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import MakeWorld, World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
TOKEN = "ab+cd/ef=="
TENANT = "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"


@pytest.fixture
def world(
    make_world: "MakeWorld", monkeypatch: pytest.MonkeyPatch, subscription: Callable[..., dict[str, Any]]
) -> "World":
    """A world with sign-in, in which Entra sends everybody back at once as whoever the code names."""
    world = make_world(sign_in=SignIn(client_id="d2b84e17-6fa0-4b93-8c5d-f19e3a70c628", client_secret="s"))
    assert world.publisher.sign_in is not None

    async def begin(session: Session, *, choose_account: bool = False) -> str:
        session.sign_in = {"state": "s"}
        return f"/signin/callback?code={'another' if choose_account else TENANT}"

    async def finish(session: Session, answer: Mapping[str, str]) -> User:
        if not session.sign_in:
            raise SignInFailed("The sign-in could not be completed.")
        session.sign_in = {}
        return User(tenant_id=answer["code"], name="Adele Vance", email="adele@customer.example")

    monkeypatch.setattr(world.publisher.sign_in, "begin", begin)
    monkeypatch.setattr(world.publisher.sign_in, "finish", finish)
    pending = subscription(saasSubscriptionStatus="PendingFulfillmentStart")
    world.market.subscriptions[SUBSCRIPTION] = pending
    world.market.purchases[TOKEN] = SUBSCRIPTION
    return world


async def test_the_token_survives_the_sign_in_byte_for_byte(world: "World") -> None:
    page = await world.land(TOKEN)

    assert "Adele Vance" in page.text
    assert "adele@customer.example" in page.text
    [resolve] = world.market.calls
    assert resolve.headers["x-ms-marketplace-token"] == TOKEN
    assert "Your subscription is active." in (await world.submit(page)).text


async def test_nothing_is_resolved_before_the_sign_in(world: "World") -> None:
    await world.browser.get("/signup?token=ab%2Bcd%2Fef%3D%3D")
    answer = await world.browser.get("/signup")

    assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
    assert not world.market.calls


async def test_without_token_nobody_is_sent_to_sign_in(world: "World") -> None:
    assert (await world.browser.get("/signup")).status_code == 200


async def test_the_session_gets_a_new_key_when_somebody_has_signed_in(world: "World") -> None:
    await world.browser.get("/signup?token=x")
    before = world.browser.cookies["session"]
    await world.browser.get("/signin", follow_redirects=True)

    assert world.browser.cookies["session"] != before


async def test_a_stranger_is_told_and_can_change_the_account(world: "World") -> None:
    await world.browser.get("/signin?switch=1", follow_redirects=True)
    page = await world.land(TOKEN)

    assert page.status_code == 403
    assert "another organization" in page.text
    assert "/signin?switch=1" in page.text
    assert "silver" not in page.text
    assert await world.state() == {}


async def test_a_form_is_refused_after_the_session_has_lost_its_user(world: "World") -> None:
    page = await world.land(TOKEN)
    for session in world.publisher.sessions._sessions.values():
        session.user = None

    assert (await world.submit(page)).status_code == 403


async def test_accounts_are_shown_to_colleagues_who_sign_in(world: "World") -> None:
    await world.submit(await world.land(TOKEN))
    world.browser.cookies.clear()

    listed = await world.browser.get("/accounts", follow_redirects=True)
    assert listed.url.path == "/accounts"
    assert "Contoso &lt;Cloud&gt;" in listed.text
    assert (await world.browser.get(f"/accounts/{SUBSCRIPTION}/manage")).status_code == 200

    await world.browser.get("/signin?switch=1", follow_redirects=True)
    assert "Contoso" not in (await world.browser.get("/accounts")).text
    assert (await world.browser.get(f"/accounts/{SUBSCRIPTION}/manage")).status_code == 403


async def test_an_answer_without_session_or_sign_in_signs_nobody_in(world: "World") -> None:
    for _ in range(2):
        answer = await world.browser.get("/signin/callback?code=x")
        assert answer.status_code == 403
        assert "not signed in" in answer.text
        await world.browser.get("/signup?token=x")


async def test_an_entra_out_of_reach_is_apologized_for(world: "World", monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_session: Session, *, choose_account: bool = False) -> str:
        raise SignInFailed("Microsoft's sign-in cannot be reached at present.")

    monkeypatch.setattr(world.publisher.sign_in, "begin", fail)
    answer = await world.browser.get("/signin")

    assert answer.status_code == 503
    assert "cannot be reached" in answer.text
