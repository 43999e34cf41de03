import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import jwt
import pytest
from bs4 import BeautifulSoup, Tag
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.reference_publisher import Patience, ReferencePublisher, Settings
from fulfillment_conformance.reference_publisher.access_tokens import AccessTokens
from fulfillment_conformance.reference_publisher.alarm import Alarm

TENANT = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
CLIENT = "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
MARKETPLACE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
CUSTOMER_TENANT = "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"
RESELLER_TENANT = "0c4f7f1a-7d1f-4f5c-8f58-6f3f1d2c9b11"
SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
PURCHASE_TOKEN = "ab+cd/ef=="
KEY_ID = "the-key-of-today"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def quick() -> Patience:
    return Patience(request=2.0, pause=0.0, poll=0.0, poll_for=0.0, look_again=(0.0, 0.0), webhook=2.0)


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One authority to trust: reading all of the machine's takes a tenth of a second for each publisher."""
    return CertificateAuthority().write(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def settings(ca_file: Path) -> Settings:
    return Settings(
        ca_file=ca_file,
        tenant_id=TENANT,
        client_id=CLIENT,
        client_secret="a secret",
        api_url="http://marketplace.test/api",
        login_url="https://login.test",
        patience=quick(),
    )


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: str
    headers: httpx2.Headers
    body: Any

    @property
    def brief(self) -> str:
        return f"{self.method} {self.path.removeprefix('/api/saas/subscriptions')}"


def subscription_document(**changes: Any) -> dict[str, Any]:
    customer = {"emailId": "buyer@customer.example", "objectId": OPERATION, "tenantId": CUSTOMER_TENANT}
    return {
        "id": SUBSCRIPTION,
        "name": "Contoso <Cloud>",
        "publisherId": "contoso",
        "offerId": "contoso-crm",
        "planId": "silver",
        "quantity": None,
        "beneficiary": customer,
        "purchaser": customer,
        "term": {"startDate": "2026-01-01T00:00:00Z", "endDate": "2026-01-31T00:00:00Z", "termUnit": "P1M"},
        "autoRenew": True,
        "isFreeTrial": False,
        "allowedCustomerOperations": ["Read", "Update", "Delete"],
        "saasSubscriptionStatus": "Subscribed",
        **changes,
    }


def operation_document(**changes: Any) -> dict[str, Any]:
    return {
        "id": OPERATION,
        "activityId": OPERATION,
        "subscriptionId": SUBSCRIPTION,
        "offerId": "contoso-crm",
        "publisherId": "contoso",
        "planId": "gold",
        "quantity": None,
        "action": "ChangePlan",
        "status": "InProgress",
        **changes,
    }


@dataclass
class FakeMarketplace:
    """The Fulfillment API and Entra's keys, as far as a unit test needs them: it answers what the test has put in."""

    key: rsa.RSAPrivateKey
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    plans: list[dict[str, Any]] = field(default_factory=list)
    purchases: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    key_fetches: int = 0
    keys_down: bool = False
    key_ids: list[str] = field(default_factory=lambda: [KEY_ID])
    _scripted: dict[str, list[httpx2.Response | Exception]] = field(default_factory=dict)

    def will(self, brief: str, *answers: httpx2.Response | Exception) -> None:
        """Answer calls such as 'GET /operations/' (method and a part of the path) so, one after the other."""
        self._scripted[brief] = list(answers)

    def made(self, method: str, *, containing: str = "") -> list[Call]:
        return [call for call in self.calls if call.method == method and containing in call.path]

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        if request.url.host == "login.test":
            return self._identity(path)
        body = json.loads(request.content) if request.content else None
        call = Call(request.method, path, request.url.query.decode(), request.headers, body)
        self.calls.append(call)
        for brief, answers in self._scripted.items():
            method, _, part = brief.partition(" ")
            if method == call.method and part in call.path and answers:
                answer = answers.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return self._answer(call)

    def _answer(self, call: Call) -> httpx2.Response:
        parts = [unquote(part) for part in call.path.removeprefix("/api/saas/subscriptions").strip("/").split("/")]
        match [call.method, *parts]:
            case ["GET", ""]:
                return httpx2.Response(200, json={"subscriptions": list(self.subscriptions.values())})
            case ["POST", "resolve"]:
                found = self.purchases.get(call.headers.get("x-ms-marketplace-token", ""))
                if found is None:
                    return httpx2.Response(400, json={"error": {"code": "InvalidValue", "message": "raw text"}})
                known = self.subscriptions[found]
                outer = {"id": found, "subscriptionName": known["name"], "offerId": known["offerId"]}
                rest = {"planId": known["planId"], "quantity": known["quantity"], "subscription": known}
                return httpx2.Response(200, json={**outer, **rest})
            case [_, subscription_id, *_] if subscription_id not in self.subscriptions:
                return httpx2.Response(404)
            case ["GET", subscription_id]:
                return httpx2.Response(200, json=self.subscriptions[subscription_id])
            case ["POST", subscription_id, "activate"]:
                self.subscriptions[subscription_id]["saasSubscriptionStatus"] = "Subscribed"
                return httpx2.Response(200)
            case ["GET", _, "listAvailablePlans"]:
                return httpx2.Response(200, json={"plans": self.plans})
            case ["PATCH" | "DELETE", subscription_id]:
                location = f"http://marketplace.test{call.path}/operations/{OPERATION}?api-version=2018-08-31"
                return httpx2.Response(202, headers={"operation-location": location})
            case ["GET", _, "operations", operation_id] if operation_id in self.operations:
                return httpx2.Response(200, json=self.operations[operation_id])
            case ["PATCH", subscription_id, "operations", operation_id] if operation_id in self.operations:
                return self._settle(subscription_id, self.operations[operation_id], call.body["status"])
        return httpx2.Response(404)

    def _settle(self, subscription_id: str, operation: dict[str, Any], result: str) -> httpx2.Response:
        if operation["status"] != "InProgress":
            return httpx2.Response(409)
        operation["status"] = "Succeeded" if result == "Success" else "Failed"
        if result == "Success":
            field_name = {"ChangePlan": "planId", "ChangeQuantity": "quantity"}.get(operation["action"])
            if field_name:
                self.subscriptions[subscription_id][field_name] = operation[field_name]
            if operation["action"] == "Reinstate":
                self.subscriptions[subscription_id]["saasSubscriptionStatus"] = "Subscribed"
        return httpx2.Response(200)

    def _identity(self, path: str) -> httpx2.Response:
        if self.keys_down:
            return httpx2.Response(503)
        if path.endswith("openid-configuration"):
            return httpx2.Response(200, json={"jwks_uri": f"https://login.test/{TENANT}/keys"})
        self.key_fetches += 1
        entry = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return httpx2.Response(200, json={"keys": [{**entry, "kid": kid, "use": "sig"} for kid in self.key_ids]})

    def webhook_token(self, *, kid: str | None = KEY_ID, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        """Return a genuine version 2 token with claims replaced, or left out where they are None.

        A span of time stands for that long after now, since parameters of tests are made long before they are used.
        """
        now = time.time()
        genuine = {
            "aud": CLIENT,
            "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "tid": TENANT,
            "azp": MARKETPLACE,
            "ver": "2.0",
            "iat": int(now),
            "exp": int(now) + 3600,
        }
        payload = {
            name: int(now + value.total_seconds()) if isinstance(value, timedelta) else value
            for name, value in {**genuine, **claims}.items()
            if value is not None
        }
        return jwt.encode(payload, key or self.key, algorithm="RS256", headers={"kid": kid} if kid else {})


class FakeAccessTokens(AccessTokens):
    """Access tokens without Entra."""

    issued = 0
    unavailable: Exception | None = None

    async def _acquire(self) -> str:
        if self.unavailable is not None:
            raise self.unavailable
        if not self._token or self._application is None:
            self.issued += 1
            self._token = f"access token {self.issued}"
            self._application = self
        return self._token


@dataclass
class World:
    """A publisher, the marketplace it talks to, and a browser."""

    market: FakeMarketplace
    publisher: ReferencePublisher
    browser: httpx2.AsyncClient
    access_tokens: FakeAccessTokens

    async def notify(
        self, action: str = "ChangePlan", *, token: str | None = "genuine", **changes: Any
    ) -> httpx2.Response:
        """Deliver a notification and let everything that follows from it happen."""
        answer = await self.deliver(action, token=token, **changes)
        await self.settle()
        return answer

    async def deliver(
        self, action: str = "ChangePlan", *, token: str | None = "genuine", **changes: Any
    ) -> httpx2.Response:
        payload = {"id": OPERATION, "activityId": OPERATION, "subscriptionId": SUBSCRIPTION, "action": action}
        payload |= {"status": "InProgress", "timeStamp": "2026-11-22T14:34:55.4331234Z"} | changes
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {self.market.webhook_token() if token == 'genuine' else token}"
        return await self.browser.post("/webhook", content=json.dumps(payload), headers=headers)

    async def settle(self) -> None:
        await self.publisher.chores.finish(5.0)

    async def state(self, subscription_id: str = SUBSCRIPTION) -> dict[str, Any]:
        """Return what the publisher believes; empty when it has no account."""
        answer = await self.browser.get(f"/accounts/{subscription_id}")
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found

    async def land(self, token: str = PURCHASE_TOKEN, *, query: str = "") -> httpx2.Response:
        """Open the landing page as Microsoft does, and follow to where it leads."""
        encoded = httpx2.QueryParams({"token": token})
        return await self.browser.get(f"/signup?{query}{encoded}", follow_redirects=True)

    async def submit(
        self, page: httpx2.Response, form: str = "form", *, follow: bool = True, **fields: str
    ) -> httpx2.Response:
        """Send a form of a page with its own values, some replaced."""
        element = BeautifulSoup(page.text, "html.parser").select_one(form)
        assert isinstance(element, Tag), page.text
        values = {str(item["name"]): str(item.get("value", "")) for item in element.select("input[name]")}
        address = str(element["action"])
        return await self.browser.post(address, data=values | fields, follow_redirects=follow)

    async def subscribe(self, **changes: Any) -> None:
        """Let the marketplace have a subscription, and the publisher know it."""
        self.market.subscriptions[SUBSCRIPTION] = subscription_document(**changes)
        await self.publisher.follower.refresh(SUBSCRIPTION)
        self.market.calls.clear()


MakeWorld = Callable[..., World]


@pytest.fixture
async def make_world(settings: Settings, signing_key: rsa.RSAPrivateKey) -> AsyncIterator[MakeWorld]:
    made: list[World] = []

    def make(*, defects: Sequence[str] = (), **changes: Any) -> World:
        market = FakeMarketplace(signing_key)
        publisher = ReferencePublisher(
            replace(settings, **changes), defects=defects, transport=httpx2.MockTransport(market)
        )
        access_tokens = FakeAccessTokens(publisher.settings, Alarm())
        publisher.api.tokens = access_tokens
        transport = httpx2.ASGITransport(publisher.app, raise_app_exceptions=False)
        browser = httpx2.AsyncClient(transport=transport, base_url=publisher.settings.public_url)
        made.append(World(market, publisher, browser, access_tokens))
        return made[-1]

    yield make
    for world in made:
        await world.publisher.chores.finish(0.0)
        await world.browser.aclose()
        await world.publisher.http.aclose()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
def subscription() -> Callable[..., dict[str, Any]]:
    return subscription_document


@pytest.fixture
def operation() -> Callable[..., dict[str, Any]]:
    return operation_document
