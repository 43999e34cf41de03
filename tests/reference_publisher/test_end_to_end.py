"""The publisher against the emulator: real sockets, TLS, msal in between."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from bs4 import BeautifulSoup, Tag

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator.service import Emulator
from fulfillment_conformance.emulator.settings import Profile
from fulfillment_conformance.emulator.settings import Settings as EmulatorSettings
from fulfillment_conformance.exchange import Exchange, header
from fulfillment_conformance.reference_publisher import Patience, ReferencePublisher, Settings, SignIn
from fulfillment_conformance.serving import Portal, serve

PATIENCE = Patience(pause=0.01, poll=0.05, look_again=(0.0, 0.05, 0.2))


@dataclass
class Town:
    """Everybody on one loopback: marketplace, publisher, and a buyer at a browser."""

    portal: Portal
    emulator: Emulator
    publisher: ReferencePublisher
    marketplace_url: str
    browser: httpx2.Client
    exchanges: list[Exchange]
    news: threading.Condition

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.browser.request(method, f"{self.marketplace_url}/control{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def buy(self, plan: str = "silver", **more: Any) -> dict[str, Any]:
        offer = "contoso-seats" if plan in {"team", "business", "auto-team"} else "contoso-crm"
        bought: dict[str, Any] = self.control("POST", "/purchases", {"offerId": offer, "planId": plan, **more})
        return bought

    def open(self, landing_page_url: str) -> httpx2.Response:
        return self.browser.get(landing_page_url, follow_redirects=True)

    def subscribe(self, plan: str = "silver", **more: Any) -> str:
        bought = self.buy(plan, **more)
        done = self.submit(self.open(bought["landingPageUrl"]))
        assert done.status_code == 200, done.text
        self.settle()
        return str(bought["subscriptionId"])

    def submit(self, page: httpx2.Response, form: str = "form", **fields: str) -> httpx2.Response:
        element = BeautifulSoup(page.text, "html.parser").select_one(form)
        assert isinstance(element, Tag), page.text
        values = {str(item["name"]): str(item.get("value", "")) for item in element.select("input[name]")}
        address = page.url.join(str(element["action"]))
        return self.browser.post(address, data=values | fields, follow_redirects=True)

    def event(self, subscription_id: str, action: str, **values: Any) -> str:
        """Let something happen at the marketplace, delivered, answered and followed up; return the operation's id."""
        path = f"/subscriptions/{subscription_id}/events"
        operation_id: str = self.control("POST", path, {"action": action, **values})["operationId"]
        self.settle()
        return operation_id

    def settle(self, *, after: str = "PT0S") -> None:
        """Let everything happen that follows from what has happened so far."""
        self.control("POST", "/clock", {"advance": after})
        self.portal.call(self.publisher.chores.finish, 10.0)
        self.control("POST", "/clock", {"advance": "PT0S"})

    def ask_for(self, page: httpx2.Response, form: str, **fields: str) -> None:
        """Let the buyer ask for a change on our page, and let it happen; what is not reported is accepted in time."""
        before = len(self.asked())
        self.submit(page, form, **fields)
        with self.news:
            assert self.news.wait_for(lambda: len(self.asked()) > before, timeout=30)
        self.settle(after="PT11S")

    def asked(self) -> list[Exchange]:
        """Return the changes and cancellations that the publisher has asked for."""
        return [call for method in ("PATCH", "DELETE") for call in self.calls(method) if "/operations/" not in call.url]

    def state(self, subscription_id: str) -> dict[str, Any]:
        answer = self.browser.get(f"{self.publisher.settings.public_url}/accounts/{subscription_id}")
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found

    def in_step(self, subscription_id: str) -> None:
        """Assert that publisher and marketplace believe the same."""
        theirs = next(s for s in self.emulator.market.page(self.caller()).subscriptions if s.id == subscription_id)
        ours = self.state(subscription_id)
        assert (ours["status"], ours["planId"], ours["quantity"]) == (theirs.status, theirs.plan_id, theirs.quantity)

    def caller(self) -> Any:
        from fulfillment_conformance.marketplace import Caller

        identity = self.emulator.settings.identity
        return Caller("contoso", identity.tenant_id, identity.client_id)

    def calls(self, method: str, containing: str = "") -> list[Exchange]:
        return [
            exchange
            for exchange in self.exchanges
            if exchange.method == method and "/api/saas/" in exchange.url and containing in exchange.url
        ]


Found = Callable[..., Town]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    """Return what founds a town; its parts are served until the test is over."""
    with ExitStack() as stack:
        portal = stack.enter_context(Portal())
        authority = CertificateAuthority()

        def build(*, profile: Profile = "documented", sign_in: bool = False, **changes: Any) -> Town:
            exchanges: list[Exchange] = []
            news = threading.Condition()

            def observe(exchange: Exchange) -> None:
                with news:
                    exchanges.append(exchange)
                    news.notify_all()

            emulator = Emulator(EmulatorSettings(profile=profile), observer=observe)
            tls = authority.server_context("127.0.0.1")
            marketplace = stack.enter_context(serve(emulator.app, tls=tls, portal=portal))
            identity = emulator.settings.identity
            settings = Settings(
                tenant_id=identity.tenant_id,
                client_id=identity.client_id,
                client_secret=identity.client_secret,
                api_url=f"{marketplace.url}/api",
                login_url=marketplace.url,
                ca_file=authority.write(tmp_path),
                patience=PATIENCE,
            )
            if sign_in:
                application = SignIn(client_id=identity.landing_client_id, client_secret=identity.landing_client_secret)
                settings = replace(settings, sign_in=application)
            # The sign-in needs to know its own address before it is served.
            probe = serve(Emulator().app, portal=portal)
            settings = replace(settings, public_url=probe.url, **changes)
            probe.stop()
            publisher = ReferencePublisher(settings)
            stack.enter_context(serve(publisher.app, port=probe.port, portal=portal))
            browser = stack.enter_context(httpx2.Client(verify=authority.client_context(), trust_env=False, timeout=30))
            town = Town(portal, emulator, publisher, marketplace.url, browser, exchanges, news)
            town.control("PUT", "/webhook", {"url": f"{probe.url}/webhook"})
            town.control("PUT", "/landing-page", {"url": f"{probe.url}/signup?campaign=1"})
            return town

        yield build


PROFILES = pytest.mark.parametrize("profile", ["documented", "observed"])


@PROFILES
def test_a_purchase_is_set_up_and_used_until_it_ends(found: Found, profile: Profile) -> None:
    town = found(profile=profile)
    bought = town.buy("silver")
    subscription_id = bought["subscriptionId"]

    shown = town.open(bought["landingPageUrl"])
    assert shown.url.query == b"campaign=1"
    assert "contoso-crm" in shown.text
    assert "silver" in shown.text
    assert not town.calls("POST", "activate")
    [resolve] = town.calls("POST", "resolve")
    assert header(resolve.request_headers, "x-ms-marketplace-token") == bought["token"]

    done = town.submit(shown)
    assert "active" in done.text
    town.settle()
    assert town.state(subscription_id)["access"]
    town.in_step(subscription_id)

    town.event(subscription_id, "ChangePlan", planId="gold")
    assert town.state(subscription_id)["planId"] == "gold"
    town.in_step(subscription_id)

    town.event(subscription_id, "Suspend")
    assert town.state(subscription_id)["status"] == "Suspended"
    town.event(subscription_id, "Reinstate")
    assert town.state(subscription_id)["access"]
    town.in_step(subscription_id)

    town.event(subscription_id, "Renew")
    town.in_step(subscription_id)
    town.event(subscription_id, "Unsubscribe")
    assert town.state(subscription_id)["status"] == "Unsubscribed"
    town.in_step(subscription_id)
    assert {call.status for call in town.calls("PATCH")} <= {200, 400, 409}


@PROFILES
def test_seats_follow_the_customer(found: Found, profile: Profile) -> None:
    town = found(profile=profile)
    subscription_id = town.subscribe("team", quantity=5)

    town.event(subscription_id, "ChangeQuantity", quantity=20)

    assert town.state(subscription_id)["quantity"] == 20
    town.in_step(subscription_id)


@PROFILES
def test_a_refused_change_ends_as_the_marketplace_says(found: Found, profile: Profile) -> None:
    town = found(profile=profile, refused_plans=frozenset({"gold"}))
    subscription_id = town.subscribe("silver")

    town.event(subscription_id, "ChangePlan", planId="gold")

    assert town.state(subscription_id)["planId"] == "silver"
    town.in_step(subscription_id)
    assert not town.calls("PATCH", "operations") or profile == "observed"


@PROFILES
def test_an_automatically_activated_purchase_needs_neither_resolve_nor_activate(found: Found, profile: Profile) -> None:
    town = found(profile=profile)
    subscription_id = town.buy("auto-team", quantity=3)["subscriptionId"]
    town.settle()

    town.in_step(subscription_id)
    assert not town.calls("POST")

    manage = town.control("POST", f"/subscriptions/{subscription_id}/tokens", {})["landingPageUrl"]
    assert "active" in town.open(manage).text
    assert not town.calls("POST", "activate")


@PROFILES
def test_changes_from_our_own_page_are_asked_for_first(found: Found, profile: Profile) -> None:
    town = found(profile=profile, refused_plans=frozenset({"private"}))
    subscription_id = town.subscribe("team", quantity=5)
    manage = town.control("POST", f"/subscriptions/{subscription_id}/tokens", {})["landingPageUrl"]

    town.ask_for(town.open(manage), "#change-seats", quantity="9")
    assert town.state(subscription_id)["quantity"] == 9
    town.in_step(subscription_id)

    town.ask_for(town.open(manage), "#change-plan", planId="business")
    assert town.state(subscription_id)["planId"] == "business"

    town.ask_for(town.open(manage), "#cancel")
    assert town.state(subscription_id)["status"] == "Unsubscribed"


@pytest.mark.parametrize("user", ["buyer", "colleague"])
def test_a_buyer_signs_in_on_the_way(found: Found, user: str) -> None:
    town = found(sign_in=True)
    town.browser.cookies.set("emulator_account", user, domain="127.0.0.1")
    bought = town.buy("silver")

    shown = town.open(bought["landingPageUrl"])
    assert "Signed in as" in shown.text
    assert [header(call.request_headers, "x-ms-marketplace-token") for call in town.calls("POST", "resolve")] == [
        bought["token"]
    ]
    town.submit(shown)
    assert town.state(bought["subscriptionId"])["access"]


@pytest.mark.parametrize("user", ["stranger", "personal"])
def test_a_stranger_is_not_shown_what_others_have_bought(found: Found, user: str) -> None:
    town = found(sign_in=True)
    town.browser.cookies.set("emulator_account", user, domain="127.0.0.1")

    shown = town.open(town.buy("silver")["landingPageUrl"])

    assert shown.status_code == 403
    assert "another organization" in shown.text
    assert "silver" not in shown.text


def test_reconciliation_brings_back_what_was_missed(found: Found) -> None:
    town = found()
    subscription_id = town.subscribe("silver")
    town.control("PUT", "/webhook", {"url": None})
    town.event(subscription_id, "Unsubscribe")
    assert town.state(subscription_id)["status"] == "Subscribed"

    answer = town.browser.post(f"{town.publisher.settings.public_url}/admin/reconcile")

    assert answer.json()["corrected"] == [subscription_id]
    assert town.state(subscription_id)["status"] == "Unsubscribed"


def test_a_wrong_secret_alarms_the_operator_and_spares_the_buyer(found: Found) -> None:
    town = found(client_secret="expired")

    shown = town.open(town.buy("silver")["landingPageUrl"])

    assert shown.status_code == 503
    assert "AADSTS" not in shown.text
    health = town.browser.get(f"{town.publisher.settings.public_url}/health").json()
    assert health["troubles"] == ["access token for the Fulfillment API"]
