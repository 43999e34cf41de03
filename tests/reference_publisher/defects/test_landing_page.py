from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher import SignIn
from fulfillment_conformance.reference_publisher.messages import Customer, Subscription
from fulfillment_conformance.reference_publisher.sessions import User

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import World
    from tests.reference_publisher.defects.conftest import Tell

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
TOKEN = "ab+cd/ef=="
SIGN_IN = SignIn(client_id="d2b84e17-6fa0-4b93-8c5d-f19e3a70c628", client_secret="s")

Document = Callable[..., dict[str, Any]]
Probe = Callable[["World"], Awaitable[bool]]


@pytest.fixture
def visit(subscription: Document) -> Callable[..., Awaitable[httpx2.Response]]:
    """Return what opens the landing page for a subscription."""

    async def open_page(world: "World", status: str = "PendingFulfillmentStart", **changed: Any) -> httpx2.Response:
        world.market.subscriptions[SUBSCRIPTION] = subscription(saasSubscriptionStatus=status, **changed)
        world.market.purchases[TOKEN] = SUBSCRIPTION
        return await world.land(TOKEN)

    return open_page


Visit = Callable[..., Awaitable[httpx2.Response]]


def resolved(world: "World") -> list[str]:
    calls = world.market.made("POST", containing="resolve")
    return [call.headers.get("x-ms-marketplace-token", "") for call in calls]


def activated(world: "World") -> list[tuple[str, Any]]:
    return [(call.brief, call.body) for call in world.market.made("POST", containing="activate")]


RIGHT = [(f"POST /{SUBSCRIPTION}/activate", {"planId": "silver"})]


@pytest.mark.parametrize("name", ["decodes-the-token-twice", "tries-the-token-encoded-first"])
async def test_a_damaged_token_is_found(tell: "Tell", visit: Visit, name: str) -> None:
    async def probe(world: "World") -> bool:
        await visit(world)
        return resolved(world) == [TOKEN]

    await tell(name, probe)


@pytest.mark.parametrize("name", ["fails-without-token", "resolves-without-token"])
async def test_a_visit_without_token_that_goes_wrong_is_found(tell: "Tell", name: str) -> None:
    async def probe(world: "World") -> bool:
        answer = await world.browser.get("/signup")
        return answer.status_code < 500 and not resolved(world)

    await tell(name, probe)


@pytest.mark.parametrize("name", ["fails-on-expired-tokens", "explains-nothing-about-expired-tokens"])
async def test_an_expired_token_that_is_not_explained_is_found(tell: "Tell", name: str) -> None:
    async def probe(world: "World") -> bool:
        answer = await world.land("expired")
        return answer.status_code < 500 and "Azure portal" in answer.text

    await tell(name, probe)


async def test_an_activation_before_consent_is_found(tell: "Tell", visit: Visit) -> None:
    async def probe(world: "World") -> bool:
        await visit(world)
        return not activated(world)

    await tell("activates-before-confirmation", probe)


@pytest.mark.parametrize("name", ["never-activates", "activates-another-id-too", "activates-with-an-empty-object"])
async def test_a_wrong_activation_is_found(tell: "Tell", visit: Visit, name: str) -> None:
    async def probe(world: "World") -> bool:
        await world.submit(await visit(world))
        return activated(world) == RIGHT

    await tell(name, probe)


async def test_an_activation_whose_answer_is_read_is_found(tell: "Tell", visit: Visit) -> None:
    async def probe(world: "World") -> bool:
        page = await visit(world)
        world.market.will("POST /activate", httpx2.Response(200, text="Accepted."))
        world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Subscribed"
        await world.submit(page)
        return bool((await world.state())["access"])

    await tell("reads-the-answer-of-activate", probe)


async def test_an_activation_that_is_believed_is_found(tell: "Tell", visit: Visit) -> None:
    async def probe(world: "World") -> bool:
        page = await visit(world)
        world.market.will("POST /activate", httpx2.Response(200))
        await world.submit(page)
        return not (await world.state())["access"]

    await tell("believes-activate", probe)


@pytest.mark.parametrize("status", [404, 500])
async def test_a_failed_activation_that_gives_access_is_found(tell: "Tell", visit: Visit, status: int) -> None:
    async def probe(world: "World") -> bool:
        page = await visit(world)
        world.market.will("POST /activate", *[httpx2.Response(status)] * 3)
        await world.submit(page)
        return not (await world.state())["access"]

    await tell("shows-failed-activations-as-active", probe)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("activates-again-at-every-visit", "Subscribed"),
        ("activates-what-is-suspended", "Suspended"),
        ("activates-what-is-suspended", "Unsubscribed"),
    ],
)
async def test_an_activation_of_what_is_no_purchase_is_found(
    tell: "Tell", visit: Visit, name: str, status: str
) -> None:
    async def probe(world: "World") -> bool:
        await visit(world, status)
        return not activated(world)

    await tell(name, probe)


async def test_a_second_confirmation_that_fails_is_found(tell: "Tell", visit: Visit) -> None:
    async def probe(world: "World") -> bool:
        page = await visit(world)
        await world.submit(page)
        return (await world.submit(page)).status_code == 200

    await tell("fails-on-a-second-confirmation", probe)


async def test_a_form_that_is_believed_is_found(tell: "Tell", visit: Visit) -> None:
    async def probe(world: "World") -> bool:
        page = await visit(world)
        await world.submit(page, subscriptionId="another")
        return not activated(world)

    await tell("activates-what-the-form-says", probe)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("hides-what-was-bought", "contoso-crm"),
        ("hides-what-was-bought", "<dd>silver</dd>"),
        ("hides-the-buyer", "buyer@customer.example"),
        ("lets-nothing-be-corrected", 'type="email"'),
        ("shows-names-unescaped", "&lt;img src=&#39;x&#39;&gt;"),
    ],
)
async def test_what_the_page_does_not_show_is_found(tell: "Tell", visit: Visit, name: str, shown: str) -> None:
    async def probe(world: "World") -> bool:
        return shown in (await visit(world, name="<img src='x'>")).text

    await tell(name, probe)


@pytest.mark.parametrize("name", ["hides-what-was-bought", "hides-the-buyer", "lets-nothing-be-corrected"])
async def test_a_poorer_page_can_still_be_confirmed(
    make_world: Callable[..., "World"], visit: Visit, name: str
) -> None:
    world = make_world(defects=[name])
    await world.submit(await visit(world), contactEmail="a@customer.example")
    assert activated(world) == RIGHT


async def test_an_access_token_in_the_page_is_found(tell: "Tell", visit: Visit) -> None:
    async def probe(world: "World") -> bool:
        return "access token" not in (await visit(world)).text

    await tell("shows-the-access-token", probe)


@pytest.mark.parametrize("sign_in", [None, SIGN_IN])
async def test_a_token_in_the_address_bar_is_found(tell: "Tell", sign_in: SignIn | None) -> None:
    async def probe(world: "World") -> bool:
        answer = await world.browser.get("/signup?token=x")
        remembered = [session.after_sign_in for session in world.publisher.sessions._sessions.values()]
        return answer.is_redirect and "token" not in answer.headers["location"] and remembered == ["/signup"]

    await tell("keeps-the-token-in-the-address-bar", probe, sign_in=sign_in)


async def test_a_missing_sign_in_is_found(tell: "Tell") -> None:
    async def probe(world: "World") -> bool:
        await world.browser.get("/signup?token=x")
        return (await world.browser.get("/signup")).headers.get("location") == "/signin"

    await tell("asks-nobody-to-sign-in", probe, sign_in=SIGN_IN)


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("admits-work-accounts-only", lambda sign_in: sign_in.authority.endswith("/common")),
        ("asks-for-the-directory", lambda sign_in: list(sign_in.scopes) == ["email"]),
        ("accepts-id-tokens-for-others", lambda sign_in: not sign_in.is_for_us({"aud": "another"})),
    ],
)
async def test_a_sign_in_that_asks_for_the_wrong_thing_is_found(
    tell: "Tell", name: str, right: Callable[[Any], bool]
) -> None:
    async def probe(world: "World") -> bool:
        return right(world.publisher.sign_in)

    await tell(name, probe, sign_in=SIGN_IN)


@pytest.mark.parametrize(
    ("name", "tenant", "admitted"),
    [("admits-everybody", "stranger", False), ("admits-the-purchaser-only", "customer", True)],
)
async def test_the_wrong_people_at_the_door_are_found(tell: "Tell", name: str, tenant: str, admitted: bool) -> None:
    bought = Subscription(id="1", beneficiary=Customer(tenant_id="customer"), purchaser=Customer(tenant_id="reseller"))

    async def probe(world: "World") -> bool:
        return world.publisher.landing.may_set_up(User(tenant_id=tenant), bought) is admitted

    await tell(name, probe)
