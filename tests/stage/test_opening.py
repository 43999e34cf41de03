"""Tests of opening the stage for a publisher's run, and of what tests find on it."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.stage.staging import Staged, staged

from fulfillment_conformance.checks import Checks
from fulfillment_conformance.errors import EnvironmentUnavailable, UsageProblem
from fulfillment_conformance.interruptions import MissingCapability, NotClaimed
from fulfillment_conformance.marketplace import Plan
from fulfillment_conformance.serving import PortInUse, Serving, serve
from fulfillment_conformance.stage.customer import with_token
from fulfillment_conformance.stage.opening import UNHEARD_OF_PLAN, UNRELATED_OFFER, Stage
from fulfillment_conformance.target import Claims

TENANT, CLIENT = "2b1c5c02-4b8e-4f61-8a2c-6d9e1b4f7a20", "2b1c5c02-4b8e-4f61-8a2c-6d9e1b4f7a21"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Staged, Stage]]:
    here = staged(tmp_path_factory.mktemp("target"))
    with here.opened() as stage:
        yield here, stage


@pytest.fixture
def stage(embedded: tuple[Staged, Stage]) -> Stage:
    return embedded[1]


@pytest.fixture(scope="module")
def site() -> Iterator[Serving]:
    """A publisher that shows a page and takes whatever it is sent."""

    async def page(_request: Request) -> Response:
        return Response("welcome")

    with serve(Starlette(routes=[Route("/{rest:path}", page, methods=["GET", "POST"])])) as serving:
        yield serving


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def external(
    site: Serving, folder: Path, more: str = "", *, port: int = 0, offers: str = "", pages: str = ""
) -> Staged:
    played = f"{{listen: '127.0.0.1:{port}', identity: {{tenant_id: {TENANT}, client_id: {CLIENT}, "
    played += f"client_secret: '${{SECRET}}'}}{offers}}}"
    addresses = f"{{landing_page: '{site.url}/signup', webhook: '{site.url}/hook'{pages}}}"
    return staged(folder, addresses, f"marketplace: {played}\n{more}", {"SECRET": "publisher-s3cret"})


# --- opening ---


def test_everything_is_looked_at_before_anything_is_judged(embedded: tuple[Staged, Stage]) -> None:
    here, stage = embedded

    assert list(here.looks) == ["landing page", "clock", "webhook", "plans"]
    assert here.looks["plans"] == "contoso-crm/silver can be bought"
    assert here.run.ready
    assert stage.token_version == 2
    assert stage.answers()
    probe = here.recorded[-1]
    assert (probe.method, probe.url) == ("GET", stage.publisher.service.landing_page)
    assert (probe.receiver, probe.purpose) == ("publisher", "does the publisher still answer?")


def test_a_publisher_is_met_at_its_own_addresses(site: Serving, tmp_path: Path) -> None:
    port = free_port()
    here = external(site, tmp_path, port=port)
    with here.opened() as stage:
        assert stage.publisher.service.landing_page == f"{site.url}/signup"
        assert stage.microsoft.emulator.courier.url == f"{site.url}/hook"
        assert stage.microsoft.emulator.landing_page_url == f"{site.url}/signup"
        assert [stage.party_of(origin) for origin in (site.url, f"http://127.0.0.1:{port}")] == [
            "publisher",
            "identity",
        ]
        assert stage.party_of(f"http://localhost:{port}") == "identity"
        assert stage.party_of("http://elsewhere.example") is None
        identity = stage.microsoft.emulator.settings.identity
        assert (identity.tenant_id, identity.client_id) == (TENANT, CLIENT)
        assert stage.http.send("GET", f"http://127.0.0.1:{port}/{TENANT}/discovery/keys").status == 200
        assert (stage.microsoft.emulator.settings.seed, stage.microsoft.emulator.settings.profile) == (5, "documented")
    assert "publisher-s3cret" not in here.run.redactor.text("publisher-s3cret")
    assert [(each.sender, each.url) for each in here.recorded if each.purpose == "is it there?"] == [
        ("buyer", f"{site.url}/signup"),
        ("suite", f"{site.url}/hook"),
    ]


def test_buyers_go_where_the_target_file_says_that_they_may(site: Serving, tmp_path: Path) -> None:
    port = free_port()
    origins = f"[https://portal.example, 'http://127.0.0.1:{port}']"
    here = external(site, tmp_path, port=port, pages=f", origins: {origins}")
    with here.opened() as stage:
        assert stage.party_of("https://portal.example") == "publisher"
        assert stage.party_of("https://www.portal.example") is None
        assert stage.party_of(f"http://127.0.0.1:{port}") == "identity"


def test_nobody_is_judged_while_the_publisher_is_not_there(tmp_path: Path) -> None:
    nowhere = cast("Serving", SimpleNamespace(url="http://127.0.0.1:1"))
    here = external(nowhere, tmp_path)

    with pytest.raises(EnvironmentUnavailable, match=r"publisher\.landing_page .* cannot be reached"), here.opened():
        pass
    assert not here.run.ready
    assert list(here.looks) == ["landing page"]


def test_an_address_that_is_taken_is_said(site: Serving, tmp_path: Path) -> None:
    here = external(site, tmp_path, port=site.port)

    with pytest.raises(PortInUse, match=str(site.port)), here.opened():
        pass


def test_without_a_plan_to_buy_nothing_can_be_judged(site: Serving, tmp_path: Path) -> None:
    only = ", offers: [{offerId: o, plans: [{planId: p, isPrivate: true}, {planId: q, autoActivate: true}]}]"
    here = external(site, tmp_path, offers=only)

    with pytest.raises(EnvironmentUnavailable, match=r"marketplace\.offers names no public plan"), here.opened():
        pass


def test_offers_of_the_target_file_are_sold(site: Serving, tmp_path: Path) -> None:
    offers = ", offers: [{offerId: o, publisherId: isv, plans: [{planId: p}, {planId: q}]}]"
    with external(site, tmp_path, offers=offers).opened() as stage:
        assert [(offer.offer_id, offer.publisher_id, offer.app_id) for offer in stage.offers] == [("o", "isv", CLIENT)]
        assert stage.caller.app_id == CLIENT


def test_offers_that_cannot_be_sold_are_said(site: Serving, tmp_path: Path) -> None:
    offers = ", offers: [{offerId: o, plans: [{planId: p, isPricePerSeat: false, minQuantity: 5, termUnits: [P9W]}]}]"

    with pytest.raises(UsageProblem), external(site, tmp_path, offers=offers).opened():
        pass


def test_a_defect_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageProblem, match=r"publisher\.defects"),
        staged(tmp_path, "{embedded: true, defects: [no-such-defect]}").opened(),
    ):
        pass


def test_tokens_of_notifications_have_the_version_that_the_target_file_says(tmp_path: Path) -> None:
    with staged(tmp_path, "{embedded: true, webhook_token_version: 1}").opened() as stage:
        assert stage.token_version == 1
        assert stage.microsoft.emulator.settings.webhook_token_version == 1


def test_a_publisher_that_goes_silent_is_noticed(site: Serving, tmp_path: Path) -> None:
    here = external(site, tmp_path)
    with here.opened() as stage:
        checks = cast("Checks", SimpleNamespace(claims=(), each=lambda *_: []))
        stage.publisher.service = cast("Any", SimpleNamespace(landing_page="http://127.0.0.1:1/", webhook=site.url))
        with stage.silence.during_test(here.run, checks):
            lost = stage.http.send("GET", "http://127.0.0.1:1/", receiver="publisher")
        assert here.run.gone is lost
        assert not stage.answers()


# --- plans ---


def test_the_offers_are_those_of_the_publishers_application(stage: Stage) -> None:
    assert [offer.offer_id for offer in stage.offers] == ["contoso-crm", "contoso-seats"]
    assert (stage.caller.publisher_id, stage.caller.app_id) == ("contoso", stage.offers[0].app_id)
    assert stage.refused_plans == ("multiyear",)


def test_ordinary_plans_are_flat_or_per_seat(stage: Stage) -> None:
    assert stage.flat_plan()[1].plan_id == "silver"
    assert stage.seat_plan()[1].plan_id == "team"
    assert stage.sells_seats
    assert stage.a_plan(lambda plan: plan.has_free_trials)[1].plan_id == "trial"
    with pytest.raises(MissingCapability, match="no such plan is among the offers"):
        stage.a_plan(lambda plan: plan.plan_id == "nothing")


def test_an_offer_with_another_plan_to_change_to_comes_first(stage: Stage) -> None:
    found = stage.a_plan(lambda plan: plan.plan_id in {"private", "team", "business"})

    assert found[1].plan_id == "team"


def claiming(stage: Stage, monkeypatch: pytest.MonkeyPatch, **claims: Any) -> None:
    service = replace(stage.publisher.service, claims=Claims(**claims))
    monkeypatch.setattr(stage.publisher, "service", service)


def test_what_the_publisher_does_not_sell_is_not_claimed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    claiming(stage, monkeypatch, per_seat=False, sells_auto_activation=False)

    assert not stage.sells_seats
    with pytest.raises(NotClaimed, match=r"claims\.per_seat"):
        stage.seat_plan()
    with pytest.raises(NotClaimed, match=r"claims\.sells_auto_activation"):
        stage.auto_activated()


def selling(stage: Stage, *plans: Plan) -> Stage:
    return replace(stage, _offers=(replace(stage.offers[0], plans=plans),))


def test_where_nothing_is_flat_any_ordinary_plan_will_do(stage: Stage) -> None:
    odd = [
        Plan(plan_id="a", is_price_per_seat=True, is_private=True),
        Plan(plan_id="b", is_price_per_seat=True, is_stop_sell=True),
        Plan(plan_id="c", is_price_per_seat=True, auto_activate=True),
        Plan(plan_id="d", is_price_per_seat=True, has_free_trials=True),
    ]
    per_seat = selling(stage, *odd, Plan(plan_id="seats", is_price_per_seat=True))
    assert per_seat.sells_seats
    assert per_seat.flat_plan()[1].plan_id == "seats"

    assert not selling(stage, *odd).sells_seats
    with pytest.raises(MissingCapability):
        selling(stage, *odd).flat_plan()
    with pytest.raises(MissingCapability):
        selling(stage, *odd).seat_plan()


def test_an_offer_and_a_plan_that_nobody_knew_go_on_sale(stage: Stage) -> None:
    offer = stage.unrelated_offer()
    negotiated, plan = stage.unheard_of_plan()

    assert (offer.offer_id, offer.app_id) == (UNRELATED_OFFER, stage.offers[0].app_id)
    assert [each.plan_id for each in offer.plans] == ["basic"]
    assert (negotiated.offer_id, plan.plan_id, plan.is_price_per_seat) == ("contoso-crm", UNHEARD_OF_PLAN, False)
    assert stage.purchase((negotiated, plan)).subscription.plan_id == UNHEARD_OF_PLAN
    assert stage.purchase((offer, offer.plans[0])).subscription.offer_id == UNRELATED_OFFER
    assert UNRELATED_OFFER not in [each.offer_id for each in stage.offers]


# --- people ---


def test_a_purchase_is_for_the_usual_buyer_and_hides_its_token(embedded: tuple[Staged, Stage]) -> None:
    here, stage = embedded
    first, second = stage.purchase(), stage.purchase()

    assert first.subscription.status.value == "PendingFulfillmentStart"
    assert stage.status_of(first.id) == "PendingFulfillmentStart"
    assert first.subscription.plan_id == "silver"
    assert first.subscription.name != second.subscription.name
    assert first.subscription.name.startswith("Conformance ")
    assert first.token not in here.run.redactor.text(first.token)
    assert first.buyer is not second.buyer


@pytest.mark.parametrize(("least", "most", "seats"), [(1, 100, 10), (15, 100, 15), (1, 4, 4), (1, None, 10)])
def test_ten_seats_are_bought_where_the_plan_allows_them(
    stage: Stage, least: int, most: int | None, seats: int
) -> None:
    plan = Plan(plan_id="many", is_price_per_seat=True, min_quantity=least, max_quantity=most)
    offer = replace(stage.offers[1], offer_id="conformance-seats", plans=(plan,))
    stage.microsoft.perform(lambda market: market.publish(offer))

    assert stage.purchase((offer, plan)).subscription.quantity == seats
    assert stage.purchase((offer, plan), quantity=least).subscription.quantity == least


def test_a_customer_can_be_active_with_and_without_the_publishers_knowledge(stage: Stage) -> None:
    known, unknown, automatic = stage.subscribed(), stage.activated_elsewhere(), stage.auto_activated()

    assert {stage.status_of(each.id) for each in (known, unknown, automatic)} == {"Subscribed"}
    assert [each.account() is not None and bool(each.account().status) for each in (known, unknown)] == [  # type: ignore[union-attr]
        True,
        False,
    ]
    assert automatic.announced().operation.action.value == "Subscribe"


def test_plans_that_are_active_at_once_are_sold_flat_and_per_seat(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sold = [(offer.offer_id, plan.plan_id) for offer, plan in stage.auto_activated_plans()]
    seated = stage.auto_activated(stage.auto_activated_plans()[1])
    claiming(stage, monkeypatch, per_seat=False, sells_auto_activation=True)

    assert sold == [("contoso-crm", "auto"), ("contoso-seats", "auto-team")]
    assert seated.subscription.quantity == 10
    assert [plan.plan_id for _, plan in stage.auto_activated_plans()] == ["auto"]


def test_seats_are_bought_where_they_are_sold_and_can_be_set_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    seated = stage.subscribed_per_seat()
    claiming(stage, monkeypatch, per_seat=False)

    assert seated.subscription.quantity == 10
    assert stage.subscribed_per_seat().subscription.quantity is None


def test_cases_are_made_in_both_versions_where_they_are_tokens(embedded: tuple[Staged, Stage]) -> None:
    here, stage = embedded
    bare, one, other = stage.forgeries(["no-header", "from-another-client"])

    assert bare.authorization == ()
    assert one.name == other.name == "from-another-client"
    assert one.authorization != other.authorization
    assert one.authorization[0].partition(" ")[2] not in here.run.redactor.text(one.authorization[0])


def test_the_bystander_is_one_active_customer_without_a_bystander_of_its_own(stage: Stage) -> None:
    bystander = stage.bystander()

    assert bystander is not None
    assert stage.bystander() is bystander
    assert stage.status_of(bystander.id) == "Subscribed"
    assert bystander.bystander() is None
    assert stage.purchase().bystander() is bystander


def test_without_anybody_who_can_change_there_is_no_bystander(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise MissingCapability("purchases")

    lonely = replace(stage, _bystander=None)
    monkeypatch.setattr(lonely, "subscribed", refuse)

    assert lonely.bystander() is None


def test_the_list_is_cut_into_as_many_pages_as_are_wanted(stage: Stage) -> None:
    for _ in range(3):
        stage.purchase()
    count = stage.page_size_for(1)

    assert count >= 3
    assert stage.page_size_for(2) == count // 2
    assert stage.page_size_for(10**6) == 1


def test_a_link_scanner_looks_once_and_brings_nothing_along(embedded: tuple[Staged, Stage]) -> None:
    _, stage = embedded
    customer = stage.purchase()
    looked = stage.scan(customer, "HEAD")

    assert (looked.method, looked.sender, looked.receiver) == ("HEAD", "stranger", "publisher")
    assert looked.url.startswith(f"{stage.publisher.service.landing_page}?token=")
    assert not {"cookie", "authorization"} & {name.lower() for name, _ in looked.request_headers}
    assert looked.purpose == "link scanner"


@pytest.mark.parametrize(
    ("authorization", "hidden"), [("Bearer s3cret-one", "s3cret-one"), ("s3cret-two", "s3cret-two")]
)
def test_credentials_are_hidden(embedded: tuple[Staged, Stage], authorization: str, hidden: str) -> None:
    here, stage = embedded
    stage.hide(authorization)
    stage.learn("s3cret-three")

    assert hidden not in here.run.redactor.text(hidden)
    assert "Bearer" in here.run.redactor.text("Bearer")
    assert "s3cret-three" not in here.run.redactor.text("s3cret-three")


@pytest.mark.parametrize(("account", "cookie"), [("buyer", "emulator_account=buyer"), (None, None)])
def test_a_new_buyer_is_signed_in_at_entra_as_one_of_its_users(
    stage: Stage, account: str | None, cookie: str | None
) -> None:
    buyer, customer = stage.new_buyer(account), stage.purchase()
    buyer.open(with_token(stage.publisher.service.landing_page, customer.token))
    at_entra = next(exchange for exchange in buyer.history if exchange.receiver == "identity")

    assert dict(at_entra.request_headers).get("cookie") == cookie
