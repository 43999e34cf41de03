"""The stand-in was written for these tests from what the real emulator was seen to answer, its oddities included."""

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from fulfillment_conformance.drivers import microsoft_emulator
from fulfillment_conformance.drivers.base import TokenKind
from fulfillment_conformance.drivers.microsoft_emulator import MicrosoftEmulatorDriver
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import CannotArrange, MissingCapability
from fulfillment_conformance.serving import serve

PUBLISHER = "a-tenant-an-app"
SETTLED = {"suspend": "Suspended", "reinstate": "Subscribed", "unsubscribe": "Unsubscribed", "renew": "Subscribed"}


def plan(plan_id: str, **more: Any) -> dict[str, Any]:
    terms = [{"currency": "GBP", "price": 50, "termUnit": "P1M", "termDescription": "1 Month Subscription"}]
    return {
        "planId": plan_id,
        "displayName": plan_id,
        "isPrivate": False,
        "hasFreeTrials": False,
        "isPricePerSeat": False,
        "isStopSell": False,
        "market": "GB",
        "planComponents": {"recurrentBillingTerms": terms, "meteringDimensions": []},
        **more,
    }


def offer(offer_id: str, *plans: dict[str, Any]) -> dict[str, Any]:
    return {"offerId": offer_id, "plans": {each["planId"]: each for each in plans}, "publisher": "P", "builtIn": True}


@dataclass
class Emulator:
    url: str = ""
    subscriptions: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    offers: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    purchases: list[dict[str, Any]] = field(default_factory=list)
    looks_before_effect: int = 2
    operation: str | None = "an-operation"
    _due: dict[str, tuple[int, str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/util/config", self.get_config, methods=["GET"]),
                Route("/api/util/config", self.patch_config, methods=["PATCH"]),
                Route("/api/util/offers", self.get_offers),
                Route("/api/util/publishers", self.get_publishers),
                Route("/api/util/publishers/{pid}/subscriptions/{sid}", self.look, methods=["GET"]),
                Route("/api/util/publishers/{pid}/subscriptions/{sid}", self.delete, methods=["DELETE"]),
                Route("/api/saas/subscriptions/resolve", self.resolve, methods=["POST"]),
                Route("/api/webhook/subscription/{sid}", self.change, methods=["PATCH"]),
                Route("/api/webhook/subscription/{sid}/{event}", self.event, methods=["POST"]),
            ]
        )

    def become(self, subscription_id: str, state: str) -> None:
        self.subscriptions[PUBLISHER][subscription_id]["saasSubscriptionStatus"] = state

    async def get_config(self, request: Request) -> Response:
        self.calls.append("config")
        return JSONResponse(self.config)

    async def patch_config(self, request: Request) -> Response:
        for name, value in (await request.json()).items():
            assert value is not None, "this ends the emulator's process"
            if not value.startswith("http"):
                return PlainTextResponse("not an address", 400)
            self.config[name] = value
        return PlainTextResponse("OK")

    async def get_offers(self, request: Request) -> Response:
        self.calls.append("offers")
        return JSONResponse(self.offers)

    async def get_publishers(self, request: Request) -> Response:
        wrapped = {
            publisher: {each: {"subscription": shown, "operations": {}} for each, shown in owned.items()}
            for publisher, owned in self.subscriptions.items()
        }
        return JSONResponse(wrapped)

    async def look(self, request: Request) -> Response:
        sid = request.path_params["sid"]
        looks, state = self._due.get(sid, (0, ""))
        if state and looks == 0:
            self.become(sid, state)
            del self._due[sid]
        elif state:
            self._due[sid] = (looks - 1, state)
        shown = self.subscriptions.get(request.path_params["pid"], {}).get(sid)
        return Response(b"") if shown is None else JSONResponse(shown)

    async def delete(self, request: Request) -> Response:
        owned = self.subscriptions.get(request.path_params["pid"])
        if owned is None:
            return PlainTextResponse("Not Found", 404)
        owned.pop(request.path_params["sid"], None)
        return Response(status_code=204)

    async def resolve(self, request: Request) -> Response:
        assert request.query_params["api-version"] == "2018-08-31"
        assert request.headers["x-ignore-auth"]
        assert "authorization" not in request.headers
        bought = json.loads(base64.b64decode(request.headers["x-ms-marketplace-token"]))
        self.purchases.append(bought)
        shown = {"saasSubscriptionStatus": "PendingFulfillmentStart", **bought}
        self.subscriptions.setdefault(request.query_params["publisherId"], {})[bought["id"]] = shown
        return JSONResponse({"id": bought["id"], "subscription": shown})

    async def change(self, request: Request) -> Response:
        body = await request.json()
        self.calls.append(f"change {json.dumps(body)}")
        if body.get("planId") == "nowhere":
            return PlainTextResponse("no such plan", 400)
        return self._accepted(request.path_params["sid"])

    async def event(self, request: Request) -> Response:
        sid, event = request.path_params["sid"], request.path_params["event"]
        self.calls.append(event)
        self._due[sid] = (self.looks_before_effect, SETTLED[event])
        return self._accepted(sid)

    def _accepted(self, sid: str) -> Response:
        location = f"{self.url}/api/saas/subscriptions/{sid}/operations/{self.operation}"
        return PlainTextResponse("Accepted", 202, headers={"Operation-Location": location} if self.operation else {})


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    double = Emulator(
        offers={
            "flat-rate": offer("flat-rate", plan("flat-rate-1"), plan("flat-rate-2")),
            "per-seat": offer("per-seat", plan("per-seat-1", isPricePerSeat=True)),
        },
        config={
            "webhookUrl": "http://localhost/webhook",
            "landingPageUrl": "http://localhost/landing.html",
            "webhookCallDelayMS": 0,
            "subscriptionUpdateDelayMS": 0,
            "requireAuth": False,
        },
    )
    with serve(double.app()) as serving:
        double.url = serving.url
        yield double


@pytest.fixture
def driver(emulator: Emulator, exchanges: list[Exchange]) -> Iterator[MicrosoftEmulatorDriver]:
    numbers = itertools.count(1)
    with closing(
        MicrosoftEmulatorDriver(
            f"{emulator.url}/api",
            observer=exchanges.append,
            tenant_id="a-tenant-",
            client_id="an-app",
            new_id=lambda: f"subscription-{next(numbers)}",
        )
    ) as opened:
        yield opened


@pytest.fixture
def active(driver: MicrosoftEmulatorDriver, emulator: Emulator) -> str:
    bought = driver.purchase(offer_id="per-seat", plan_id="per-seat-1", quantity=5)
    emulator.become(bought.subscription_id, "Subscribed")
    return bought.subscription_id


def content(token: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.b64decode(token, validate=True))
    return read


def test_its_capabilities_are_what_it_can_do(driver: MicrosoftEmulatorDriver) -> None:
    assert driver.name == "microsoft-emulator"
    assert driver.capabilities == {
        "purchases",
        "manage-tokens",
        "events",
        "webhook",
        "landing-page",
        "reset",
        "access-tokens",
        "foreign-publisher",
    }


def test_it_is_asked_for_them_once(driver: MicrosoftEmulatorDriver, emulator: Emulator) -> None:
    assert driver.capabilities == driver.capabilities
    assert sorted(emulator.calls) == ["config", "offers"]


def test_a_free_trial_needs_an_offer_that_has_one(driver: MicrosoftEmulatorDriver, emulator: Emulator) -> None:
    emulator.offers["own"] = offer("own", plan("trial", hasFreeTrials=True))

    assert "free-trial" in driver.capabilities


def test_told_to_require_authentication_it_takes_no_token_made_here(
    driver: MicrosoftEmulatorDriver, emulator: Emulator
) -> None:
    emulator.config["requireAuth"] = True

    assert "access-tokens" not in driver.capabilities
    assert "foreign-publisher" not in driver.capabilities
    with pytest.raises(MissingCapability, match="access-tokens"):
        driver.access_token("valid")
    assert driver.purchase(offer_id="flat-rate", plan_id="flat-rate-1").subscription_id == "subscription-1"


def test_offers_are_its_own_in_the_protocols_words(driver: MicrosoftEmulatorDriver, emulator: Emulator) -> None:
    emulator.offers = {
        "own": offer("own", plan("team", isPricePerSeat=True, minQuantity=2, maxQuantity=9, isPrivate=True))
    }

    (own,) = driver.offers()

    assert (own.offer_id, own.publisher_id) == ("own", PUBLISHER)
    (team,) = own.plans
    assert (team.plan_id, team.term_units, team.is_private, team.audience) == ("team", ("P1M",), True, ())
    assert (team.is_price_per_seat, team.min_quantity, team.max_quantity) == (True, 2, 9)


def test_a_purchase_is_known_to_the_emulator_when_it_returns(
    driver: MicrosoftEmulatorDriver, emulator: Emulator
) -> None:
    bought = driver.purchase(offer_id="flat-rate", plan_id="flat-rate-1")

    assert bought.subscription_id == "subscription-1"
    assert list(emulator.subscriptions[PUBLISHER]) == ["subscription-1"]
    assert content(bought.token) == {
        "id": "subscription-1",
        "offerId": "flat-rate",
        "planId": "flat-rate-1",
        "term": {"termUnit": "P1M"},
    }


def test_a_purchase_says_only_what_was_bought(driver: MicrosoftEmulatorDriver, emulator: Emulator) -> None:
    emulator.offers["own"] = offer("own", plan("trial", hasFreeTrials=True, isPricePerSeat=True))

    driver.purchase(
        offer_id="own",
        plan_id="trial",
        quantity=3,
        term_unit="P1M",
        beneficiary={"tenantId": "b"},
        channel="direct",
        free_trial=True,
        auto_renew=False,
        name="Ünï",
    )
    driver.purchase(offer_id="own", plan_id="trial", purchaser={"tenantId": "p"})

    first, second = emulator.purchases
    assert first["quantity"] == 3
    assert first["beneficiary"] == first["purchaser"] == {"tenantId": "b"}
    assert (first["isFreeTrial"], first["autoRenew"], first["name"]) == (True, False, "Ünï")
    assert (second["quantity"], second["purchaser"]) == (1, {"tenantId": "p"})
    assert "beneficiary" not in second


@pytest.mark.parametrize("name", ["", "n", "na", "nam"])
def test_every_token_has_a_character_that_urls_encode(driver: MicrosoftEmulatorDriver, name: str) -> None:
    bought = driver.purchase(offer_id="flat-rate", plan_id="flat-rate-1", name=name)

    assert bought.landing_page_url is not None
    assert bought.landing_page_url.endswith("%3D")
    assert parse_qs(urlsplit(bought.landing_page_url).query) == {"token": [bought.token]}


@pytest.mark.parametrize(
    ("details", "problem"),
    [
        ({"plan_id": "zzz"}, "plan 'zzz' of offer 'flat-rate' does not exist"),
        ({"offer_id": "per-seat"}, "plan 'flat-rate-1' of offer 'per-seat' does not exist"),
        ({"quantity": 3}, "is not priced per seat, so 3 of it cannot be bought"),
        ({"term_unit": "P1Y"}, "is not sold for P1Y, only for P1M"),
        ({"free_trial": True}, "has no free trial"),
    ],
)
def test_what_no_marketplace_sells_is_refused(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, details: dict[str, Any], problem: str
) -> None:
    with pytest.raises(CannotArrange, match=problem) as refused:
        driver.purchase(**{"offer_id": "flat-rate", "plan_id": "flat-rate-1", **details})

    assert refused.value.exchange is not None
    assert refused.value.exchange.url.endswith("/api/util/offers")
    assert emulator.purchases == []


def test_a_customer_who_returns_gets_a_token_for_the_same_subscription(
    driver: MicrosoftEmulatorDriver, active: str
) -> None:
    bought = driver.issue_token(active)

    assert bought.subscription_id == active
    assert content(bought.token) == {"id": active}


def test_a_subscription_that_is_not_there_gets_neither_token_nor_event(driver: MicrosoftEmulatorDriver) -> None:
    with pytest.raises(CannotArrange, match="knows no subscription 'nobody'"):
        driver.issue_token("nobody")
    with pytest.raises(CannotArrange, match="knows no subscription 'nobody'"):
        driver.event("nobody", "Suspend")


def test_changes_are_started_with_their_new_value(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, active: str
) -> None:
    assert driver.event(active, "ChangeQuantity", quantity=9) == "an-operation"
    assert driver.event(active, "ChangePlan", plan_id="per-seat-2") == "an-operation"

    assert emulator.calls[-2:] == ['change {"quantity": 9}', 'change {"planId": "per-seat-2"}']


def test_a_change_that_the_emulator_refuses_keeps_its_reason(driver: MicrosoftEmulatorDriver, active: str) -> None:
    with pytest.raises(CannotArrange, match=r"refused with 400 \(no such plan\)") as refused:
        driver.event(active, "ChangePlan", plan_id="nowhere")

    assert refused.value.exchange is not None
    assert refused.value.exchange.status == 400


def test_suspend_and_unsubscribe_are_in_force_when_they_return(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, active: str
) -> None:
    driver.event(active, "Suspend")
    assert emulator.subscriptions[PUBLISHER][active]["saasSubscriptionStatus"] == "Suspended"

    driver.event(active, "Unsubscribe")
    assert emulator.subscriptions[PUBLISHER][active]["saasSubscriptionStatus"] == "Unsubscribed"


def test_an_effect_that_never_comes_is_told(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, active: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microsoft_emulator, "EFFECT_SECONDS", 0.05)
    emulator.looks_before_effect = 10**9

    with pytest.raises(CannotArrange, match="Suspend was accepted, but the subscription is still Subscribed"):
        driver.event(active, "Suspend")


def test_configured_delays_are_waited_for(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, active: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microsoft_emulator, "EFFECT_SECONDS", 0.0)
    emulator.config |= {"webhookCallDelayMS": 30_000, "subscriptionUpdateDelayMS": 30_000}
    emulator.looks_before_effect = 5

    with closing(
        MicrosoftEmulatorDriver(
            f"{emulator.url}/api", observer=lambda _: None, tenant_id="a-tenant-", client_id="an-app"
        )
    ) as fresh:
        assert fresh.event(active, "Suspend") == "an-operation"


@pytest.mark.parametrize(
    ("state", "possible"),
    [
        ("PendingFulfillmentStart", set[str]()),
        ("Subscribed", {"ChangePlan", "ChangeQuantity", "Suspend", "Renew", "Unsubscribe"}),
        ("Suspended", {"Reinstate", "Unsubscribe"}),
        ("Unsubscribed", set[str]()),
    ],
)
def test_an_event_that_would_hang_is_refused_without_a_call(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, active: str, state: str, possible: set[str]
) -> None:
    for action in ("ChangePlan", "ChangeQuantity", "Suspend", "Reinstate", "Renew", "Unsubscribe"):
        emulator.become(active, state)
        emulator.calls.clear()
        if action in possible:
            driver.event(active, action)
            assert emulator.calls
        else:
            with pytest.raises(CannotArrange, match=f"{action} is not possible .* in state {state}"):
                driver.event(active, action)
            assert emulator.calls == []


@pytest.mark.parametrize("operation", [None, ""])
def test_an_accepted_event_without_an_operation_is_the_environments_fault(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, active: str, operation: str | None
) -> None:
    emulator.operation = operation

    with pytest.raises(EnvironmentUnavailable, match="Operation-Location names no operation"):
        driver.event(active, "Renew")


def test_addresses_can_be_set_but_a_null_is_never_sent(driver: MicrosoftEmulatorDriver, emulator: Emulator) -> None:
    driver.set_webhook("http://127.0.0.1:5000/webhook")
    assert emulator.config["webhookUrl"] == "http://127.0.0.1:5000/webhook"
    driver.set_webhook(None)
    assert emulator.config["webhookUrl"] == "http:"

    with pytest.raises(CannotArrange, match="not an address"):
        driver.set_webhook("nonsense")


def test_buyers_are_sent_to_the_landing_page_that_was_set(driver: MicrosoftEmulatorDriver, active: str) -> None:
    driver.set_landing_page("http://127.0.0.1:5000/signup?plan=x")
    sent = driver.issue_token(active).landing_page_url
    driver.set_landing_page(None)
    nowhere = driver.issue_token(active).landing_page_url

    assert sent is not None
    assert sent.startswith("http://127.0.0.1:5000/signup?plan=x&token=")
    assert nowhere is None


def test_reset_deletes_every_subscription_and_keeps_the_offers(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, active: str
) -> None:
    emulator.subscriptions["some/body"] = {"else's": {"id": "else's", "saasSubscriptionStatus": "Suspended"}}

    driver.reset()

    assert emulator.subscriptions[PUBLISHER] == {}
    assert len(emulator.offers) == 2


def claims(token: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return read


def test_a_valid_token_says_what_entras_v1_tokens_say(driver: MicrosoftEmulatorDriver) -> None:
    said = claims(driver.access_token("valid"))

    assert (said["tid"], said["appid"]) == ("a-tenant-", "an-app")
    assert said["aud"] == "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
    assert said["iss"] == "https://sts.windows.net/a-tenant-/"
    assert said["ver"] == "1.0"
    assert said["oid"]
    assert said["exp"] - said["iat"] == 3600
    assert said["iat"] <= datetime.now(UTC).timestamp() < said["exp"]


@pytest.mark.parametrize(
    ("kind", "differing"),
    [
        ("expired", {"iat", "nbf", "exp"}),
        ("wrong-audience", {"aud"}),
        ("wrong-signature", set[str]()),
        ("foreign-publisher", {"tid", "appid", "iss"}),
        ("no-service-principal", {"oid", "sub"}),
    ],
)
def test_every_bad_token_differs_from_a_valid_one_in_its_fault_only(
    driver: MicrosoftEmulatorDriver, kind: TokenKind, differing: set[str]
) -> None:
    good, bad = driver.access_token("valid"), driver.access_token(kind)

    times = {"iat", "nbf", "exp"}
    differ = {name for name in claims(good) | claims(bad) if claims(good).get(name) != claims(bad).get(name)}
    assert differ - times == differing - times
    assert (claims(bad)["exp"] < datetime.now(UTC).timestamp()) == (kind == "expired")
    key = microsoft_emulator._KEY
    if kind == "wrong-signature":
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(bad, key, algorithms=["HS256"], options={"verify_aud": False})
    else:
        jwt.decode(bad, key, algorithms=["HS256"], options={"verify_aud": False, "verify_exp": False})


def test_time_is_the_wall_clock(driver: MicrosoftEmulatorDriver) -> None:
    before = datetime.now(UTC)

    assert before <= driver.now() <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        ("csp", lambda d: d.purchase(offer_id="flat-rate", plan_id="flat-rate-1", channel="csp")),
        ("expired-tokens", lambda d: d.issue_token("s", expired=True)),
        ("auto-renew", lambda d: d.set_auto_renew("s", False)),
        ("clock", lambda d: d.advance(timedelta(seconds=1))),
        ("deliveries", lambda d: d.deliveries()),
        ("identity", lambda d: d.identity()),
    ],
)
def test_what_it_cannot_do_is_missing_by_name(
    driver: MicrosoftEmulatorDriver, capability: str, call: Callable[[MicrosoftEmulatorDriver], object]
) -> None:
    with pytest.raises(MissingCapability) as missing:
        call(driver)

    assert missing.value.capability == capability
    assert capability not in driver.capabilities


@pytest.mark.parametrize(
    ("part", "value"),
    [("offers", {"o": {"offerId": "o"}}), ("offers", []), ("config", {"requireAuth": "perhaps"}), ("config", [])],
)
def test_an_emulator_of_another_shape_is_the_environments_fault(
    driver: MicrosoftEmulatorDriver, emulator: Emulator, part: str, value: Any
) -> None:
    setattr(emulator, part, value)

    with pytest.raises(EnvironmentUnavailable, match=f"/api/util/{part} answered 200, but its body cannot be used"):
        _ = driver.capabilities


def test_every_call_is_told_as_one_of_the_control_surface(
    driver: MicrosoftEmulatorDriver, active: str, exchanges: list[Exchange]
) -> None:
    driver.event(active, "Suspend")
    driver.reset()

    assert {(told.sender, told.receiver) for told in exchanges} == {("suite", "control")}
    assert all(told.purpose for told in exchanges)
