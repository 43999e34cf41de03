"""Both sides of the control protocol, met over a socket: the driver's and the emulator's."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.drivers.base import CAPABILITIES
from fulfillment_conformance.drivers.embedded import EmbeddedDriver
from fulfillment_conformance.drivers.loading import DriverSettings, load_driver
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.interruptions import CannotArrange
from fulfillment_conformance.serving import serve


@pytest.fixture
def driver(exchanges: list[Exchange]) -> Iterator[EmbeddedDriver]:
    with closing(load_driver("embedded", DriverSettings(observer=exchanges.append))) as opened:
        yield cast("EmbeddedDriver", opened)


@pytest.fixture
def api(driver: EmbeddedDriver) -> Iterator[FulfillmentClient]:
    with HttpClient() as http:
        yield FulfillmentClient(driver.base_url, http=http, access_token=lambda: driver.access_token("valid"))


@pytest.fixture
def webhook() -> Iterator[str]:
    async def accept(_request: Request) -> Response:
        return Response()

    with serve(Starlette(routes=[Route("/webhook", accept, methods=["POST"])])) as serving:
        yield f"{serving.url}/webhook"


def active(driver: EmbeddedDriver, api: FulfillmentClient) -> str:
    bought = driver.purchase(offer_id="contoso-seats", plan_id="team", quantity=5)
    assert api.activate(bought.subscription_id).status_code == 200
    return bought.subscription_id


def test_it_can_do_everything_that_the_protocol_names(driver: EmbeddedDriver) -> None:
    assert driver.name == "embedded"
    assert driver.capabilities == CAPABILITIES


def test_its_offers_are_read(driver: EmbeddedDriver) -> None:
    plans = {plan.plan_id: plan for offer in driver.offers() for plan in offer.plans}

    assert {offer.publisher_id for offer in driver.offers()} == {"contoso", "fabrikam"}
    assert (plans["business"].min_quantity, plans["business"].max_quantity) == (5, 500)
    assert plans["trial"].has_free_trials
    assert plans["private"].audience != plans["hidden"].audience
    assert plans["auto"].auto_activate
    assert plans["multiyear"].term_units == ("P1Y", "P2Y", "P3Y")


def test_a_purchase_with_every_detail_shows_in_the_api(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    tenant = "3f9a01c2-5b7d-4f61-8a2c-6d9e1b4f7a20"
    bought = driver.purchase(
        offer_id="contoso-crm",
        plan_id="trial",
        term_unit="P1Y",
        beneficiary={"tenantId": tenant, "puid": None},
        purchaser={"emailId": "buyer@contoso.example"},
        channel="csp",
        free_trial=True,
        auto_renew=False,
        name="Ünï",
    )

    shown = api.resolve(bought.token).subscription
    assert shown["id"].value == bought.subscription_id
    assert shown["beneficiary"]["tenantId"].value == tenant
    assert shown["purchaser"]["emailId"].value == "buyer@contoso.example"
    assert shown["allowedCustomerOperations"].value == ["Read"]
    assert shown["term"]["termUnit"].value == "P1Y"
    assert (shown["isFreeTrial"].value, shown["autoRenew"].value, shown["name"].value) == (True, False, "Ünï")


def test_what_cannot_be_bought_or_done_is_refused(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    with pytest.raises(CannotArrange, match="400"):
        driver.purchase(offer_id="contoso-crm", plan_id="platinum")
    with pytest.raises(CannotArrange, match="409"):
        driver.event(active(driver, api), "Reinstate")
    with pytest.raises(CannotArrange, match="404"):
        driver.issue_token("7c6bb38d-241b-4228-b0a9-661c122c6d64")


def test_tokens_for_the_landing_page(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    driver.set_landing_page("http://127.0.0.1:5000/signup?lang=en")
    subscription_id = active(driver, api)

    good, expired = driver.issue_token(subscription_id), driver.issue_token(subscription_id, expired=True)

    assert good.landing_page_url is not None
    assert parse_qs(urlsplit(good.landing_page_url).query) == {"lang": ["en"], "token": [good.token]}
    assert api.resolve(good.token).status_code == 200
    assert api.resolve(expired.token).status_code == 400
    driver.set_landing_page(None)
    assert driver.issue_token(subscription_id).landing_page_url is None


def test_a_change_is_delivered_and_accepted_by_silence(
    driver: EmbeddedDriver, api: FulfillmentClient, webhook: str
) -> None:
    driver.set_webhook(webhook)
    subscription_id = active(driver, api)

    operation_id = driver.event(subscription_id, "ChangeQuantity", quantity=9)
    before = driver.now()
    after = driver.advance(timedelta(seconds=11))

    assert timedelta(seconds=11) <= after - before < timedelta(minutes=1)
    assert api.get_subscription(subscription_id).quantity.value == 9
    (delivery,) = driver.deliveries(operation_id=operation_id)
    assert (delivery.subscription_id, delivery.attempt, delivery.url) == (subscription_id, 1, webhook)
    assert (delivery.request.body["action"], delivery.request.body["quantity"]) == ("ChangeQuantity", 9)
    assert delivery.response is not None
    assert delivery.response.status == 200
    assert delivery.error is None


def test_a_delivery_that_nobody_answers_says_why(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    driver.set_webhook("http://127.0.0.1:1/webhook")
    subscription_id = active(driver, api)

    driver.event(subscription_id, "Suspend")
    driver.advance(timedelta(seconds=1))

    (delivery,) = driver.deliveries(subscription_id=subscription_id)
    assert delivery.response is None
    assert delivery.error


def test_suspend_renew_and_unsubscribe_are_in_force_at_once(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    subscription_id = active(driver, api)

    driver.event(subscription_id, "Renew")
    driver.event(subscription_id, "Suspend")
    assert api.get_subscription(subscription_id).status.value == "Suspended"
    driver.event(subscription_id, "Unsubscribe")
    assert api.get_subscription(subscription_id).status.value == "Unsubscribed"


def test_without_auto_renewal_a_subscription_ends_with_its_term(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    subscription_id = active(driver, api)

    driver.set_auto_renew(subscription_id, False)
    driver.advance(timedelta(days=32))

    assert api.get_subscription(subscription_id).status.value == "Unsubscribed"


def test_access_tokens_are_good_or_bad_as_asked_for(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    def answer(token: str) -> Answer:
        return api.list_subscriptions(token=token)

    assert answer(driver.access_token("valid")).status_code == 200
    assert answer(driver.access_token("foreign-publisher")).status_code == 200
    assert answer(driver.access_token("expired")).status_code == 401
    assert answer(driver.access_token("wrong-audience")).status_code == 401
    assert answer(driver.access_token("wrong-signature")).status_code == 401
    assert answer(driver.access_token("no-service-principal")).status_code == 403


def test_its_identity_is_the_default_application(driver: EmbeddedDriver) -> None:
    identity = driver.identity()

    assert identity.tenant_id in identity.authority
    assert identity.token_endpoint.startswith(identity.authority)


def test_reset_forgets_what_was_bought_and_returns_to_real_time(driver: EmbeddedDriver, api: FulfillmentClient) -> None:
    active(driver, api)
    driver.advance(timedelta(days=3))

    driver.reset()

    assert api.list_subscriptions().entries == []
    assert driver.deliveries() == ()
    assert abs(driver.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_every_call_is_told_as_one_of_the_control_surface(driver: EmbeddedDriver, exchanges: list[Exchange]) -> None:
    driver.reset()

    assert {(told.sender, told.receiver) for told in exchanges} == {("suite", "control")}


def test_a_deviation_that_does_not_exist_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem, match="no-such-deviation"):
        load_driver("embedded", DriverSettings(deviations=("no-such-deviation",)))


def test_the_same_seed_sells_the_same_subscriptions() -> None:
    def first_id(seed: int) -> str:
        with closing(load_driver("embedded", DriverSettings(seed=seed))) as driver:
            return driver.purchase(offer_id="contoso-crm", plan_id="gold").subscription_id

    assert first_id(1) == first_id(1) != first_id(2)
