"""Tests of what exists, put where a generated call names something that does not."""

from collections.abc import Sequence

import pytest
from tests.scripted import Scripted, reply

from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.backend.situations import Situations
from fulfillment_conformance.backend.stand_ins import StandIns
from fulfillment_conformance.drivers.bare import BareDriver
from fulfillment_conformance.drivers.base import Action, Bought, OfferInfo, PlanInfo
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.generated import MadeUp
from fulfillment_conformance.redaction import Redactor

UNKNOWN, OTHER = "00000000-1111-4222-8333-444444444444", "AAAAAAAA-1111-4222-8333-444444444444"
SUBSCRIPTIONS = "/saas/subscriptions"
OFFERS = (
    OfferInfo(
        offer_id="crm",
        publisher_id="contoso",
        plans=(PlanInfo(plan_id="silver", term_units=("P1M",)), PlanInfo(plan_id="gold", term_units=("P1M",))),
    ),
    OfferInfo(
        offer_id="seats",
        publisher_id="contoso",
        plans=(PlanInfo(plan_id="team", term_units=("P1M",), is_price_per_seat=True),),
    ),
)


class Shop(BareDriver):
    """Sells one subscription after the other: s1-silver, s2-team and so on."""

    def __init__(self, capabilities: frozenset[str]) -> None:
        self.sold: list[str] = []
        self._capabilities = capabilities

    @property
    def capabilities(self) -> frozenset[str]:
        return self._capabilities

    def offers(self) -> Sequence[OfferInfo]:
        return OFFERS

    def purchase(self, *, plan_id: str, **_details: object) -> Bought:
        self.sold.append(f"s{len(self.sold) + 1}-{plan_id}")
        return Bought(subscription_id=self.sold[-1], token=f"token of {self.sold[-1]}")

    def event(
        self, subscription_id: str, action: Action, *, plan_id: str | None = None, quantity: int | None = None
    ) -> str:
        return f"change-of-{subscription_id}"


def stand_ins(*capabilities: str) -> tuple[StandIns, Shop]:
    def answer(exchange: Exchange) -> None:
        is_operation = "/operations/" in exchange.url
        reply(exchange, 200, {"status": "InProgress"} if is_operation else {"saasSubscriptionStatus": "Subscribed"})

    shop = Shop(frozenset(capabilities or ("purchases", "events")))
    client = FulfillmentClient("https://m", http=Scripted(answer).http, access_token=lambda: "t")
    return StandIns(Situations(shop, client, redactor=Redactor())), shop


def made_up(
    method: str, part: str, *, body: bytes = b"", headers: tuple[tuple[str, str], ...] = (), of: str = UNKNOWN
) -> MadeUp:
    path = f"{SUBSCRIPTIONS}/{of}{part}"
    return MadeUp(method=method, path=path, query="a=1", headers=headers, body=body)


def put(stands_in: StandIns, method: str, part: str, body: bytes = b"") -> str:
    return stands_in.put_into(made_up(method, part, body=body)).path.removeprefix(f"{SUBSCRIPTIONS}/")


def test_each_kind_of_call_has_something_of_its_own() -> None:
    it, shop = stand_ins()

    assert put(it, "GET", "") == "s1-silver"
    assert put(it, "DELETE", "") == "s2-silver"
    assert put(it, "PATCH", "", b'{"planId": "gold"}') == "s3-silver"
    assert put(it, "PATCH", "", b'{"quantity": 3}') == "s4-team"
    assert put(it, "POST", "/activate") == "s5-silver/activate"
    assert put(it, "GET", "/operations") == "s6-silver/operations"
    assert put(it, "GET", f"/operations/{OTHER}") == "s6-silver/operations/change-of-s6-silver"
    assert put(it, "PATCH", f"/operations/{OTHER}") == "s7-silver/operations/change-of-s7-silver"
    assert put(it, "GET", "/listAvailablePlans") == "s1-silver/listAvailablePlans"
    assert len(shop.sold) == 7


def test_what_was_made_for_a_kind_of_call_is_used_again() -> None:
    it, shop = stand_ins()

    assert [put(it, "DELETE", "") for _ in range(3)] == ["s1-silver"] * 3
    assert len(shop.sold) == 1


def test_the_rest_of_a_call_stays_as_it_is() -> None:
    it, _ = stand_ins()
    call = made_up("PATCH", "", body=b'{"planId": "x"}', headers=(("x-ms-requestid", "1"), ("content-type", "json")))
    put_in = it.put_into(call)

    assert (put_in.method, put_in.query, put_in.body, put_in.headers) == (
        call.method,
        call.query,
        call.body,
        call.headers,
    )


@pytest.mark.parametrize(
    "path",
    [
        f"{SUBSCRIPTIONS}/resolve",
        SUBSCRIPTIONS,
        f"{SUBSCRIPTIONS}/no-guid",
        f"{SUBSCRIPTIONS}/{UNKNOWN}/activate/more",
        f"{SUBSCRIPTIONS}/{UNKNOWN}/operations/no-guid",
        f"/api{SUBSCRIPTIONS}/{UNKNOWN}",
    ],
)
def test_what_is_not_well_formed_stays_as_it_is(path: str) -> None:
    it, shop = stand_ins()
    call = MadeUp(method="GET", path=path, query="", headers=(), body=b"")

    assert it.put_into(call) == call
    assert shop.sold == []


# --- purchase tokens ---


@pytest.mark.parametrize("name", ["x-ms-marketplace-token", "X-MS-Marketplace-Token"])
@pytest.mark.parametrize("value", ["abc", "!~", "x" * 2048])
def test_a_well_formed_purchase_token_is_a_real_one(name: str, value: str) -> None:
    it, shop = stand_ins()
    headers = ((name, value), ("other", value))
    call = MadeUp(method="POST", path=f"{SUBSCRIPTIONS}/resolve", query="", headers=headers, body=b"")

    assert it.put_into(call).headers == ((name, "token of s1-silver"), ("other", value))
    assert it.put_into(call).headers == ((name, "token of s1-silver"), ("other", value))
    assert shop.sold == ["s1-silver"]


@pytest.mark.parametrize("value", ["", "a b", "\x7f", "é", "x" * 2049])
def test_a_purchase_token_that_is_not_well_formed_stays(value: str) -> None:
    it, _ = stand_ins()
    call = made_up("GET", "/resolve", headers=(("x-ms-marketplace-token", value),))

    assert it.put_into(call).headers == call.headers


# --- what the target has shown ---


def answer(status: int | None, text: str = "", location: str = "") -> Exchange:
    headers = (("Operation-Location", location),) if location else ()
    return Exchange(
        sender="suite",
        receiver="marketplace",
        method="GET",
        url="https://m",
        status=status,
        response_body=text.encode(),
        response_headers=headers,
    )


@pytest.mark.parametrize(
    ("seen", "known"),
    [
        (answer(200, f'{{"id": "{UNKNOWN}"}}'), True),
        (answer(299, f'{{"id": "{UNKNOWN.upper()}"}}'), True),
        (answer(202, location=f"https://m/operations/{UNKNOWN}?x=1"), True),
        (answer(300, f'{{"id": "{UNKNOWN}"}}'), False),
        (answer(404, f"no {UNKNOWN}"), False),
        (answer(None, UNKNOWN), False),
        (answer(200, OTHER), False),
    ],
)
def test_an_id_that_the_target_has_shown_stays_in_the_path(seen: Exchange, known: bool) -> None:
    it, _ = stand_ins()
    it.learn(seen)

    assert (put(it, "GET", "") == UNKNOWN) == known


def test_ids_are_the_same_whatever_their_case() -> None:
    it, _ = stand_ins()
    it.learn(answer(200, OTHER.lower()))
    call = made_up("GET", "", of=OTHER)

    assert it.put_into(call).path == call.path


def test_another_header_shows_nothing() -> None:
    it, _ = stand_ins()
    seen = answer(200)
    seen.response_headers = (("x-ms-requestid", UNKNOWN), ("operation-location", OTHER))
    it.learn(seen)

    assert put(it, "GET", "") == "s1-silver"
    assert it.put_into(made_up("GET", "", of=OTHER)).path.endswith(OTHER)


# --- what cannot be made ---


def test_a_target_that_cannot_be_arranged_is_called_with_the_made_up_ids() -> None:
    it, shop = stand_ins("events")
    token = (("x-ms-marketplace-token", "abc"),)

    for part in ("", "/activate", "/operations", f"/operations/{OTHER}"):
        call = made_up("GET", part, headers=token)
        assert it.put_into(call) == call
        assert it.put_into(call) == call
    assert shop.sold == []
