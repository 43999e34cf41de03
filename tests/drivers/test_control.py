import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.drivers.base import (
    CAPABILITIES,
    Bought,
    DeliveryRecord,
    DeliveryRequest,
    DeliveryResponse,
    IdentityInfo,
    OfferInfo,
    PlanInfo,
)
from fulfillment_conformance.drivers.control import ControlDriver
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange, ignore
from fulfillment_conformance.interruptions import CannotArrange, MissingCapability
from fulfillment_conformance.serving import serve

if TYPE_CHECKING:
    from tests.drivers.conftest import StandIn

SUBSCRIPTION = "7c6bb38d-241b-4228-b0a9-661c122c6d64"
OPERATION = "5857b988-e962-4237-8fc5-95f38deb8bf1"
HELLO = {"name": "a sandbox", "version": "1.0", "protocol": 1, "capabilities": sorted(CAPABILITIES)}
DELIVERY = {
    "operationId": OPERATION,
    "subscriptionId": SUBSCRIPTION,
    "attempt": 1,
    "sentAt": "2026-11-22T14:34:55.4331234Z",
    "url": "http://127.0.0.1:5000/webhook",
    "request": {"headers": {"content-type": "application/json"}, "body": {"action": "Renew"}},
    "response": {"status": 200, "headers": {}, "body": ""},
    "error": None,
}


@pytest.fixture
def driver(stand_in: "StandIn", exchanges: list[Exchange]) -> Iterator[ControlDriver]:
    stand_in.says("GET", "/control", 200, HELLO)
    with closing(ControlDriver(f"{stand_in.url}/control", key="a key", observer=exchanges.append)) as opened:
        yield opened


def asked(stand_in: "StandIn") -> tuple[str, str, Any]:
    last = stand_in.asked[-1]
    return last.method, last.path, last.body


def test_nothing_is_sent_before_something_is_asked(driver: ControlDriver, stand_in: "StandIn") -> None:
    assert driver.name == "control"
    assert stand_in.asked == []


def test_capabilities_are_asked_for_once_and_unknown_ones_are_kept(
    driver: ControlDriver, stand_in: "StandIn", exchanges: list[Exchange]
) -> None:
    stand_in.says("GET", "/control", 200, HELLO | {"capabilities": ["reset", "teleport"], "novelty": True})

    assert driver.capabilities == {"reset", "teleport"}
    assert driver.capabilities == {"reset", "teleport"}
    assert [(told.sender, told.receiver) for told in exchanges] == [("suite", "control")]
    assert stand_in.asked[0].headers["x-control-key"] == "a key"


def test_without_a_key_none_is_sent(stand_in: "StandIn") -> None:
    stand_in.says("GET", "/control", 200, HELLO)

    with closing(ControlDriver(f"{stand_in.url}/control", observer=ignore)) as keyless:
        assert keyless.capabilities

    assert "x-control-key" not in stand_in.asked[0].headers


@pytest.mark.parametrize("protocol", [2, "1", True, None, [1]])
def test_another_protocol_is_refused_with_what_was_seen(
    driver: ControlDriver, stand_in: "StandIn", protocol: object
) -> None:
    stand_in.says("GET", "/control", 200, HELLO | {"protocol": protocol})

    with pytest.raises(EnvironmentUnavailable, match="speaks version 1") as raised:
        driver.reset()

    assert f"protocol {protocol!r}" in str(raised.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b"null", b'{"name": "x"}'])
def test_a_page_that_is_no_control_surface_shows_no_protocol(
    driver: ControlDriver, stand_in: "StandIn", body: bytes
) -> None:
    stand_in.says("GET", "/control", 200, body)

    with pytest.raises(EnvironmentUnavailable, match="shows no protocol version"):
        driver.purchase(offer_id="o", plan_id="p")


def test_reset(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("POST", "/control/reset", 204)

    driver.reset()

    assert asked(stand_in) == ("POST", "/control/reset", None)


def test_offers(driver: ControlDriver, stand_in: "StandIn") -> None:
    plan = {
        "planId": "team",
        "displayName": "Team",
        "isPrivate": False,
        "audience": [],
        "isPricePerSeat": True,
        "minQuantity": 1,
        "maxQuantity": 100,
        "hasFreeTrials": False,
        "isStopSell": False,
        "market": "US",
        "termUnits": ["P1M", "P1Y"],
        "autoActivate": False,
    }
    stand_in.says(
        "GET",
        "/control/offers",
        200,
        {"offers": [{"offerId": "contoso-seats", "publisherId": "contoso", "plans": [plan]}]},
    )

    team = PlanInfo(
        plan_id="team",
        term_units=("P1M", "P1Y"),
        is_price_per_seat=True,
        min_quantity=1,
        max_quantity=100,
        market="US",
    )
    assert driver.offers() == (OfferInfo(offer_id="contoso-seats", publisher_id="contoso", plans=(team,)),)


def test_a_purchase_names_only_what_was_given(driver: ControlDriver, stand_in: "StandIn") -> None:
    bought = {
        "subscriptionId": SUBSCRIPTION,
        "token": "a+b/c=",
        "landingPageUrl": "http://l.example/?token=a%2Bb%2Fc%3D",
    }
    stand_in.says("POST", "/control/purchases", 201, bought)

    assert driver.purchase(offer_id="contoso-crm", plan_id="gold") == Bought(
        subscription_id=SUBSCRIPTION, token="a+b/c=", landing_page_url="http://l.example/?token=a%2Bb%2Fc%3D"
    )

    assert asked(stand_in) == ("POST", "/control/purchases", {"offerId": "contoso-crm", "planId": "gold"})


def test_a_purchase_passes_every_detail_on(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("POST", "/control/purchases", 201, {"subscriptionId": "s", "token": "t", "landingPageUrl": None})

    bought = driver.purchase(
        offer_id="o",
        plan_id="p",
        quantity=0,
        term_unit="P1Y",
        beneficiary={"tenantId": "b"},
        purchaser={"tenantId": "p", "puid": None},
        channel="csp",
        free_trial=False,
        auto_renew=False,
        name="n",
    )

    assert bought.landing_page_url is None
    assert asked(stand_in)[2] == {
        "offerId": "o",
        "planId": "p",
        "quantity": 0,
        "termUnit": "P1Y",
        "beneficiary": {"tenantId": "b"},
        "purchaser": {"tenantId": "p", "puid": None},
        "channel": "csp",
        "freeTrial": False,
        "autoRenew": False,
        "name": "n",
    }


def test_tokens(driver: ControlDriver, stand_in: "StandIn") -> None:
    path = f"/control/subscriptions/{SUBSCRIPTION}/tokens"
    stand_in.says("POST", path, 201, {"token": "t", "landingPageUrl": "u"})

    assert driver.issue_token(SUBSCRIPTION) == Bought(subscription_id=SUBSCRIPTION, token="t", landing_page_url="u")
    assert asked(stand_in) == ("POST", path, {})

    driver.issue_token(SUBSCRIPTION, expired=True)
    assert asked(stand_in) == ("POST", path, {"expired": True})


def test_an_id_cannot_leave_its_place_in_the_path(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("PUT", "/control/subscriptions/a/../b?c/auto-renew", 204)

    with pytest.raises(EnvironmentUnavailable, match="answered 418"):
        driver.set_auto_renew("a/../b?c", False)


def test_events(driver: ControlDriver, stand_in: "StandIn") -> None:
    path = f"/control/subscriptions/{SUBSCRIPTION}/events"
    stand_in.says("POST", path, 202, {"operationId": OPERATION})

    assert driver.event(SUBSCRIPTION, "Suspend") == OPERATION
    assert asked(stand_in) == ("POST", path, {"action": "Suspend"})

    driver.event(SUBSCRIPTION, "ChangePlan", plan_id="gold")
    assert asked(stand_in)[2] == {"action": "ChangePlan", "planId": "gold"}

    driver.event(SUBSCRIPTION, "ChangeQuantity", quantity=7)
    assert asked(stand_in)[2] == {"action": "ChangeQuantity", "quantity": 7}


def test_auto_renew(driver: ControlDriver, stand_in: "StandIn") -> None:
    path = f"/control/subscriptions/{SUBSCRIPTION}/auto-renew"
    stand_in.says("PUT", path, 204)

    driver.set_auto_renew(SUBSCRIPTION, False)

    assert asked(stand_in) == ("PUT", path, {"autoRenew": False})


def test_the_clock(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("GET", "/control/clock", 200, {"now": "2026-11-22T15:34:55.5+01:00"})
    stand_in.says("POST", "/control/clock", 200, {"now": "2026-12-22T14:35:05Z"})

    assert driver.now() == datetime(2026, 11, 22, 14, 34, 55, 500000, tzinfo=UTC)
    assert driver.now().tzinfo is UTC
    assert driver.advance(timedelta(days=30, seconds=10)) == datetime(2026, 12, 22, 14, 35, 5, tzinfo=UTC)
    assert asked(stand_in) == ("POST", "/control/clock", {"advance": "P30DT10S"})


def test_a_sandbox_without_a_clock_runs_by_the_wall_clock(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("GET", "/control", 200, HELLO | {"capabilities": []})

    before = datetime.now(UTC)
    assert before <= driver.now() <= datetime.now(UTC)


def test_addresses(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("PUT", "/control/webhook", 204)
    stand_in.says("PUT", "/control/landing-page", 204)

    driver.set_webhook("http://127.0.0.1:5000/webhook")
    assert asked(stand_in) == ("PUT", "/control/webhook", {"url": "http://127.0.0.1:5000/webhook"})
    driver.set_webhook(None)
    assert asked(stand_in) == ("PUT", "/control/webhook", {"url": None})
    driver.set_landing_page(None)
    assert asked(stand_in) == ("PUT", "/control/landing-page", {"url": None})


def test_deliveries(driver: ControlDriver, stand_in: "StandIn") -> None:
    unanswered = DELIVERY | {"attempt": 2, "response": None, "error": "ConnectError: refused"}
    stand_in.says("GET", "/control/deliveries", 200, {"deliveries": [DELIVERY, unanswered]})

    first, second = driver.deliveries()

    assert first == DeliveryRecord(
        operation_id=OPERATION,
        subscription_id=SUBSCRIPTION,
        attempt=1,
        sent_at=datetime(2026, 11, 22, 14, 34, 55, 433123, tzinfo=UTC),
        url="http://127.0.0.1:5000/webhook",
        request=DeliveryRequest(headers={"content-type": "application/json"}, body={"action": "Renew"}),
        response=DeliveryResponse(status=200, headers={}, body=""),
    )
    assert (second.attempt, second.response, second.error) == (2, None, "ConnectError: refused")


def test_deliveries_can_be_narrowed(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("GET", f"/control/deliveries?subscriptionId={SUBSCRIPTION}", 200, {"deliveries": []})
    stand_in.says("GET", f"/control/deliveries?operationId={OPERATION}", 200, {"deliveries": []})

    assert driver.deliveries(subscription_id=SUBSCRIPTION) == ()
    assert driver.deliveries(operation_id=OPERATION) == ()


def test_access_tokens(driver: ControlDriver, stand_in: "StandIn") -> None:
    stand_in.says("POST", "/control/access-tokens", 201, {"accessToken": "a.b.c"})

    assert driver.access_token("wrong-audience") == "a.b.c"
    assert asked(stand_in) == ("POST", "/control/access-tokens", {"kind": "wrong-audience"})


def test_identity(driver: ControlDriver, stand_in: "StandIn") -> None:
    wire = {
        "tenantId": "t",
        "clientId": "c",
        "clientSecret": "s",
        "authority": "http://127.0.0.1/t",
        "tokenEndpoint": "http://127.0.0.1/t/oauth2/v2.0/token",
        "resource": "r",
    }
    stand_in.says("GET", "/control/identity", 200, wire)

    assert driver.identity() == IdentityInfo(
        tenant_id="t",
        client_id="c",
        client_secret="s",
        authority="http://127.0.0.1/t",
        token_endpoint="http://127.0.0.1/t/oauth2/v2.0/token",
        resource="r",
    )


CALLS: list[tuple[str, str, str, int, Callable[[ControlDriver], object]]] = [
    ("reset", "POST", "/reset", 204, lambda d: d.reset()),
    ("purchases", "POST", "/purchases", 201, lambda d: d.purchase(offer_id="o", plan_id="p")),
    ("csp", "POST", "/purchases", 201, lambda d: d.purchase(offer_id="o", plan_id="p", channel="csp")),
    ("free-trial", "POST", "/purchases", 201, lambda d: d.purchase(offer_id="o", plan_id="p", free_trial=True)),
    ("manage-tokens", "POST", "/subscriptions/s/tokens", 201, lambda d: d.issue_token("s")),
    ("expired-tokens", "POST", "/subscriptions/s/tokens", 201, lambda d: d.issue_token("s", expired=True)),
    ("events", "POST", "/subscriptions/s/events", 202, lambda d: d.event("s", "Renew")),
    ("auto-renew", "PUT", "/subscriptions/s/auto-renew", 204, lambda d: d.set_auto_renew("s", True)),
    ("clock", "POST", "/clock", 200, lambda d: d.advance(timedelta(seconds=1))),
    ("webhook", "PUT", "/webhook", 204, lambda d: d.set_webhook(None)),
    ("landing-page", "PUT", "/landing-page", 204, lambda d: d.set_landing_page(None)),
    ("deliveries", "GET", "/deliveries", 200, lambda d: d.deliveries()),
    ("access-tokens", "POST", "/access-tokens", 201, lambda d: d.access_token("valid")),
    ("foreign-publisher", "POST", "/access-tokens", 201, lambda d: d.access_token("foreign-publisher")),
    ("identity", "GET", "/identity", 200, lambda d: d.identity()),
]
READS = [call for call in CALLS if call[3] != 204] + [
    ("clock", "GET", "/clock", 200, lambda d: d.now()),
    ("", "GET", "/offers", 200, lambda d: d.offers()),
]


@pytest.mark.parametrize(("capability", "method", "path", "status", "call"), CALLS, ids=[call[0] for call in CALLS])
def test_what_the_sandbox_does_not_list_is_missing_and_never_asked_of_it(
    driver: ControlDriver,
    stand_in: "StandIn",
    capability: str,
    method: str,
    path: str,
    status: int,
    call: Callable[[ControlDriver], object],
) -> None:
    stand_in.says("GET", "/control", 200, HELLO | {"capabilities": sorted(CAPABILITIES - {capability})})

    with pytest.raises(MissingCapability) as missing:
        call(driver)

    assert missing.value.capability == capability
    assert len(stand_in.asked) == 1


@pytest.mark.parametrize(("capability", "method", "path", "status", "call"), READS, ids=[call[2] for call in READS])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b"5", b'"x"', b"{}", b'{"subscriptionId": 5}', b'{"offers": [{"plans": {}}]}'],
)
def test_an_answer_that_cannot_be_used_is_the_environments_fault(
    driver: ControlDriver,
    stand_in: "StandIn",
    capability: str,
    method: str,
    path: str,
    status: int,
    call: Callable[[ControlDriver], object],
    body: bytes,
) -> None:
    stand_in.says(method, f"/control{path}", status, body)

    with pytest.raises(EnvironmentUnavailable, match="cannot be used"):
        call(driver)


@pytest.mark.parametrize(
    "fault",
    [
        {"attempt": "first"},
        {"sentAt": "yesterday"},
        {"sentAt": "2026-11-22T14:34:55"},
        {"request": {"headers": {}}},
        {"request": None},
        {"response": {}},
    ],
    ids=json.dumps,
)
def test_a_delivery_of_another_shape_is_the_environments_fault(
    driver: ControlDriver, stand_in: "StandIn", fault: dict[str, Any]
) -> None:
    stand_in.says("GET", "/control/deliveries", 200, {"deliveries": [DELIVERY | fault]})

    with pytest.raises(EnvironmentUnavailable, match=rf"deliveries\.0\.{next(iter(fault))}"):
        driver.deliveries()


@pytest.mark.parametrize("now", ["2026-11-22T14:34:55", "soon", None])
def test_a_time_without_an_offset_is_the_environments_fault(
    driver: ControlDriver, stand_in: "StandIn", now: str | None
) -> None:
    stand_in.says("GET", "/control/clock", 200, {"now": now})

    with pytest.raises(EnvironmentUnavailable, match="now: "):
        driver.now()


def test_a_refused_arrangement_keeps_the_answer(driver: ControlDriver, stand_in: "StandIn") -> None:
    refusal = {"error": {"code": "NotSubscribed", "message": "a pending subscription cannot be suspended"}}
    stand_in.says("POST", "/control/subscriptions/s/events", 409, refusal)

    with pytest.raises(CannotArrange, match="a pending subscription cannot be suspended") as refused:
        driver.event("s", "Suspend")

    assert refused.value.exchange is not None
    assert json.loads(refused.value.exchange.response_body) == refusal


def test_a_sandbox_on_https_is_trusted_by_its_authority_only(tmp_path: Path, exchanges: list[Exchange]) -> None:
    async def hello(_request: object) -> JSONResponse:
        return JSONResponse(HELLO)

    authority = CertificateAuthority()
    app = Starlette(routes=[Route("/control", hello)])
    with serve(app, tls=authority.server_context("127.0.0.1")) as serving:
        url = f"{serving.url}/control"

        with closing(ControlDriver(url, observer=exchanges.append, tls_ca=authority.write(tmp_path))) as trusting:
            assert trusting.capabilities == CAPABILITIES
        with (
            closing(ControlDriver(url, observer=exchanges.append)) as doubting,
            pytest.raises(EnvironmentUnavailable, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            _ = doubting.capabilities


def test_a_closed_driver_keeps_what_it_learned(driver: ControlDriver) -> None:
    capabilities = driver.capabilities

    driver.close()

    assert driver.capabilities == capabilities
