"""Tests of one customer's subscription: what happens to it, and what a publisher is seen to make of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.scripted import Scripted, reply
from tests.stage.staging import staged

from fulfillment_conformance.answers import ABSENT
from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import NotClaimed, NotUnderstood, Precondition
from fulfillment_conformance.marketplace import Action
from fulfillment_conformance.stage.buyer import Buyer
from fulfillment_conformance.stage.customer import Customer, Outcome, SeenEffects, filled, with_token
from fulfillment_conformance.stage.opening import Stage
from fulfillment_conformance.stage.publisher import Account, Publisher
from fulfillment_conformance.stage.sign_in import brought_back
from fulfillment_conformance.target import Claims, Get, Post, SelfService, SubmitForm, Timeouts


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("target")).opened() as stage:
        yield stage


@pytest.fixture(scope="module")
def active(stage: Stage) -> Customer:
    """A customer whose plan and seats no test changes for good."""
    return stage.subscribed()


@pytest.fixture
def service(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that changes what is known of the publisher for one test."""

    def change(**parts: Any) -> None:
        monkeypatch.setattr(stage.publisher, "service", replace(stage.publisher.service, **parts))

    return change


SHOWN = ("", "Odd", "Suspended", "Subscribed")


def patch(body: bytes) -> Exchange:
    return Exchange(
        sender="publisher",
        receiver="marketplace",
        method="PATCH",
        url="https://m/api/saas/subscriptions/s/operations/o?x=1",
        request_body=body,
    )


# --- addresses and placeholders ---


@pytest.mark.parametrize(
    ("landing_page", "opened"),
    [
        ("https://isv.example/signup", "https://isv.example/signup?token=a%2Bb%2F%3D"),
        ("https://isv.example/signup?tenant=1", "https://isv.example/signup?tenant=1&token=a%2Bb%2F%3D"),
    ],
)
def test_the_purchase_token_is_appended_percent_encoded(landing_page: str, opened: str) -> None:
    assert with_token(landing_page, "a+b/=") == opened


def test_placeholders_are_filled_in_at_any_depth() -> None:
    known = {"{plan}": "gold", "{seats}": "3"}

    assert filled({"{plan}": ["{plan} x {seats}", ("{seats}",), 5, None]}, known) == {
        "{plan}": ["gold x 3", ["3"], 5, None]
    }
    assert filled("{token}", known) == "{token}"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"status": "Success"}', "Success"),
        (b'{"status": 5}', 5),
        (b"{}", None),
        (b"[]", None),
        (b"", None),
        (b"{", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_word_of_a_patch_is_read_without_raising(active: Customer, body: bytes, word: object) -> None:
    assert Customer.word_of(patch(body)) == word
    operation = active.microsoft.perform(lambda market: market.renew(active.id))
    assert Outcome(operation, (patch(body),)).words == [word]


def test_effects_are_told_in_words_and_by_their_exchanges() -> None:
    call, look = patch(b""), patch(b"")
    seen = SeenEffects((call,), ("the plan changed",), (look,))

    assert seen.changes() == ["PATCH /api/saas/subscriptions/s/operations/o", "the plan changed"]
    assert seen.evidence() == [call, look]
    assert SeenEffects((), ()).changes() == []


# --- the marketplace's side ---


def test_what_happens_is_announced_and_not_yet_sent(stage: Stage) -> None:
    customer = stage.activated_elsewhere()
    suspended = customer.suspend()

    assert suspended.operation.action is Action.SUSPEND
    assert customer.subscription.status.value == "Suspended"
    assert customer.reinstate().operation.action is Action.REINSTATE
    unsubscribed = customer.unsubscribe()
    assert unsubscribed.operation.action is Action.UNSUBSCRIBE
    assert customer.unsubscribe().delivery is unsubscribed.delivery


def test_what_waits_already_is_announced_once_more(stage: Stage) -> None:
    flat = stage.activated_elsewhere()
    first = flat.change_plan("gold")
    assert flat.change_plan("gold").delivery is first.delivery
    seats = stage.subscribed(stage.seat_plan())
    more = seats.change_quantity(12)
    assert seats.change_quantity(12).delivery is more.delivery
    assert (first.operation.plan_id, more.operation.quantity) == ("gold", 12)
    suspended = stage.activated_elsewhere()
    assert suspended.suspend().delivery is suspended.suspend().delivery


def test_a_renewal_begins_another_term(stage: Stage) -> None:
    customer = stage.activated_elsewhere()
    before = customer.subscription.term.start

    assert customer.renew().operation.action is Action.RENEW
    assert customer.subscription.term.start != before


def test_what_announces_nothing_cannot_be_told_of(stage: Stage) -> None:
    customer = stage.activated_elsewhere()

    with pytest.raises(Precondition, match=r"ChangePlan of .* Conflict"):
        customer.change_plan("silver")
    with pytest.raises(RuntimeError, match=r"no Subscribe of .* waits to be sent"):
        customer.announced()
    announced = customer.suspend()
    assert customer.announced(Action.SUSPEND).delivery is announced.delivery


def test_another_plan_is_public_ordinary_and_not_refused(stage: Stage, active: Customer, service: Any) -> None:
    assert active.other_plan().plan_id == "gold"
    with pytest.raises(Precondition, match="offer contoso-crm has no other public plan to change to"):
        active.other_plan(but=["gold"])
    service(claims=Claims(refused_plans=("gold",)))
    assert active.other_plan().plan_id == "multiyear"
    assert active.claims.refused_plans == ("gold",)


def test_an_event_is_one_that_can_come_and_that_the_publisher_takes(active: Customer, service: Any) -> None:
    alone = replace(active, offer=replace(active.offer, plans=active.offer.plans[:1]))
    with pytest.raises(NotClaimed, match=r"marketplace\.offers: offer contoso-crm has no other public plan"):
        alone.other_plan()
    assert alone.an_event().operation.action is Action.SUSPEND
    assert alone.an_event().operation.action is Action.REINSTATE
    can = [alone.can_change_plan, active.can_change_plan]
    for claims in (Claims(refused_plans=("gold", "multiyear")), Claims(refuses_changes=True)):
        service(claims=claims)
        can.append(active.can_change_plan)
    assert can == [False, True, False, False]
    assert active.has_other_plan  # which is what may be announced to a publisher that takes no change


def test_other_seats_are_one_more_or_one_less(stage: Stage, active: Customer) -> None:
    few = stage.purchase(stage.seat_plan(), quantity=10)
    full = stage.purchase(stage.seat_plan(), quantity=100)

    assert few.other_seats == 11
    assert full.other_seats == 99
    with pytest.raises(NotClaimed, match="no other number of seats"):
        assert active.other_seats


def test_a_plan_to_lie_about_is_neither_the_present_nor_the_true_one(active: Customer) -> None:
    assert active.plan_to_lie_about("gold") == "trial"
    assert active.plan_to_lie_about("trial") == "gold"
    lonely = replace(active, offer=replace(active.offer, plans=active.offer.plans[:2]))
    assert lonely.plan_to_lie_about("gold") is None


# --- the visit ---


def test_what_a_token_stands_for_may_be_known_from_an_earlier_visit(stage: Stage) -> None:
    customer = stage.purchase()
    customer.visit()
    [earlier] = customer.resolved
    customer.visited_at = stage.microsoft.mark

    assert customer.resolves == []
    assert customer.resolved == [earlier]
    customer.token = stage.purchase().token
    assert customer.resolved == []


def test_a_token_that_was_refused_is_not_resolved(stage: Stage) -> None:
    customer = stage.purchase()
    with stage.microsoft.disturbed(Answers(500), call="resolve"):
        customer.visit()

    assert {call.status for call in customer.resolves} == {500}
    assert customer.resolved == []


def test_a_visit_can_be_left_when_entra_has_answered(stage: Stage) -> None:
    customer = stage.purchase()
    answer = customer.visit_until_signed_in()

    assert answer is not None
    assert set(brought_back(answer)) == {"code", "state"}
    assert customer.resolves == []
    assert customer.buyer.bring(answer).opened
    assert [call.status for call in customer.resolves] == [200]


def test_a_customer_is_set_up_through_the_landing_page(stage: Stage) -> None:
    customer = stage.purchase()
    page = customer.visit()
    assert page.opened
    assert customer.page is page
    assert page.way[0].url == with_token(stage.publisher.service.landing_page, customer.token)
    assert page.way[0].purpose == "landing page"
    assert [call.status for call in customer.resolves] == [200]
    assert customer.resolved == customer.resolves
    assert customer.activations == []

    assert customer.complete().opened
    activated = stage.microsoft.wait(lambda: customer.activations or None, seconds=10.0)
    assert [call.status for call in activated or []] == [200]
    customer.visit()
    assert customer.activations == []


def test_a_landing_page_may_have_a_query_of_its_own(stage: Stage, service: Any) -> None:
    customer = stage.purchase()
    page = customer.visit(alongside="lang=de")
    address = stage.publisher.service.landing_page
    assert page.way[0].url.startswith(f"{address}?lang=de&token=")

    service(landing_page=f"{address}?tenant=1")
    assert customer.visit(alongside="lang=de").way[0].url.startswith(f"{address}?tenant=1&lang=de&token=")


def test_who_manages_an_account_comes_with_another_token_and_browser(stage: Stage) -> None:
    customer = stage.subscribed()
    token, buyer = customer.token, customer.buyer
    page = customer.manage()

    assert page.opened
    assert customer.token != token
    assert customer.buyer is not buyer
    assert customer.buyer.history == page.way


@pytest.mark.parametrize(
    ("steps", "sent"),
    [
        ((Get(get="/done/{subscription_id}"),), ("GET", "https://isv.example/done/s1", b"")),
        (
            (Post(post="/api/{plan}", json={"t": "{token}", "seats": "{seats}", "mine": "secret"}),),
            ("POST", "https://isv.example/api/gold", b'{"t": "t0ken", "seats": "3", "mine": "forged"}'),
        ),
        (
            (Post(post="/api", form={"at": "{landing_page}", "mine": "secret"}),),
            (
                "POST",
                "https://isv.example/api",
                b"at=https%3A%2F%2Fisv.example%2Fsignup%3Ftoken%3Dt0ken&mine=forged",
            ),
        ),
        ((Post(post="/api"),), ("POST", "https://isv.example/api", b"")),
        (
            (SubmitForm(submit="form", fields={"plan": "{plan}", "mine": "secret"}),),
            ("POST", "https://isv.example/confirm", b"csrf=1&plan=gold&mine=forged"),
        ),
    ],
)
def test_onboarding_steps_are_done_as_the_target_file_says(
    active: Customer, service: Any, steps: Any, sent: tuple[str, str, bytes]
) -> None:
    form = b"<form method=post action=/confirm><input name=csrf value=1></form>"
    script = Scripted(lambda exchange: reply(exchange, 200, form))
    service(landing_page="https://isv.example/signup", onboarding=steps)
    seats = replace(active.subscription, plan_id="gold", quantity=3)
    customer = replace(active, id="s1", token="t0ken", buyer=Buyer(script.http, party_of=lambda _: "publisher"))
    customer.visit()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(customer), "subscription", seats)
        customer.complete(forging={"secret": "forged"})

    assert (script.last.method, script.last.url, script.last.request_body) == sent
    assert customer.page is customer.buyer.page


def test_a_step_may_be_done_in_another_tab(stage: Stage, service: Any) -> None:
    customer = stage.purchase()
    customer.visit()
    tab = customer.buyer.another_tab()
    before = customer.buyer.page
    service(onboarding=(Get(get="/signup"),))
    page = customer.complete(tab=tab)

    assert tab.page is page is customer.page
    assert customer.buyer.page is before


def test_without_any_step_and_visit_there_is_no_page(stage: Stage, service: Any) -> None:
    service(onboarding=())

    with pytest.raises(Precondition, match="no page has been opened"):
        stage.purchase().complete()


def test_a_wish_on_the_publishers_own_pages(stage: Stage, service: Any) -> None:
    customer = stage.subscribed()
    customer.asks("change_plan", plan="gold")
    assert customer.awaits("change_subscription")

    service(self_service=SelfService())
    with pytest.raises(NotClaimed, match=r"publisher\.self_service\.cancel: the target file says of no way to do it"):
        customer.asks("cancel")


def test_a_wish_is_about_what_there_is_unless_something_else_is_wanted(stage: Stage, service: Any) -> None:
    customer = stage.subscribed(stage.seat_plan())
    step = {"post": "/nowhere", "form": {"plan": "{plan}", "seats": "{seats}"}}
    service(self_service=SelfService.model_validate({"change_seats": [step]}))
    bodies = []
    wishes: list[dict[str, Any]] = [{}, {"seats": 7}, {"seats": 0, "plan": "business"}]
    for wish in wishes:
        customer.asks("change_seats", **wish)
        bodies.append(customer.buyer.history[-1].request_body)

    assert bodies == [b"plan=team&seats=10", b"plan=team&seats=7", b"plan=business&seats=0"]


# --- onboarding ---


def test_a_purchase_that_is_not_activated_is_a_precondition(stage: Stage, service: Any) -> None:
    service(timeouts=Timeouts(effect=0.2))
    with stage.microsoft.disturbed(Answers(500), call="activate"), pytest.raises(Precondition) as failed:
        stage.purchase().onboard()

    assert str(failed.value) == (
        "the purchase was not activated (ACT-004): activate was answered 500; the first failing step: POST "
        "/signup/confirm answered 502"
    )
    assert failed.value.exchange is not None
    assert failed.value.exchange.status == 500


def test_a_page_that_leads_nowhere_is_not_waited_for(stage: Stage, service: Any) -> None:
    service(onboarding=(SubmitForm(submit="#no-such-form"),))

    with pytest.raises(
        Precondition,
        match=r"the publisher did not call activate; the first failing step: the page at .* no form that matches",
    ):
        stage.purchase().onboard()


def test_the_course_of_a_visit_is_told(stage: Stage, service: Any) -> None:
    customer = stage.purchase()
    assert customer.course == "no page was opened"
    customer.visit()
    customer.complete()
    assert customer.course == "no step failed, and the page answered 200"
    assert customer.refused_access == []

    service(onboarding=(Get(get="/nowhere"), SubmitForm(submit="#no-such-form")))
    customer = stage.purchase()
    customer.visit()
    customer.complete()
    assert customer.course == "the first failing step: GET /nowhere answered 404"
    customer.visit()
    assert customer.course == "no step failed, and the page answered 200"


def test_what_entra_has_refused_on_the_way_is_told(tmp_path: Path) -> None:
    with staged(tmp_path, "{embedded: true, defects: [asks-for-the-scope-by-address]}").opened() as stage:
        customer = stage.purchase()
        customer.visit()
        customer.complete()
        asked = customer.refused_access

        assert [call.status for call in asked] == [400] * len(asked)
        assert asked == stage.microsoft.access_token_requests()
        assert customer.course.startswith("the first failing step: GET /signup answered 503; Entra had refused POST /")
        assert ": 400 invalid_resource, AADSTS500011: The resource principal named " in customer.course
        customer.visited_at = stage.microsoft.mark
        assert customer.refused_access == asked  # of the whole run, where the visit has led to none


def test_an_activation_for_other_seats_is_named_as_such(tmp_path: Path) -> None:
    with (
        staged(tmp_path, "{embedded: true, defects: [buys-one-seat-of-everything]}").opened() as stage,
        pytest.raises(
            Precondition, match=r"not activated \(ACT-006\): activate was answered 400: The body names 1 seats"
        ),
    ):
        stage.purchase().onboard()


# --- effects ---


def test_what_the_publisher_has_done_since_is_told(stage: Stage) -> None:
    customer = stage.subscribed()
    customer.eventually(lambda account: account.gives_access)
    announcement = customer.change_plan("gold")
    assert customer.effects_so_far().changes() == []
    stage.publisher.receives(announcement)
    outcome = customer.settles(announcement)
    customer.eventually(lambda account: account.plan.value == "gold")
    seen = customer.effects_so_far()

    assert (outcome.operation.status.value, outcome.words) == ("Succeeded", ["Success"])
    assert [call.method for call in customer.acting_calls()] == ["PATCH"]
    assert customer.patches(announcement.operation.id) == customer.patches() == list(outcome.patches)
    assert customer.patches("another") == []
    assert seen.changes()[1:] == ["the publisher's plan changed from 'silver' to 'gold'"]
    assert len(seen.evidence()) == 3
    assert [one.name for one in seen.shown[::2]] == [one.name for one in seen.shown[1::2]]
    assert [one.value for one in seen.shown[2:4]] == ["silver", "gold"]
    assert seen.subscription == customer.id
    assert {call.method for call in customer.calls()} >= {"GET", "PATCH"}
    customer.remember()
    assert customer.patches() == []
    assert customer.effects_so_far().changes() == []


def test_a_bystanders_change_goes_before_a_look_at_the_effects(stage: Stage) -> None:
    customer, other = stage.activated_elsewhere(), stage.subscribed()
    plan = other.subscription.plan_id
    replace(customer, bystander=lambda: other).effects()
    assert other.subscription.plan_id != plan
    assert replace(customer, bystander=lambda: None).effects().changes() == []


def test_a_change_that_was_not_taken_has_no_outcome_yet(stage: Stage) -> None:
    customer = stage.activated_elsewhere()
    announcement = customer.change_plan("gold")
    outcome = customer.settles(announcement)

    assert (outcome.operation.status.value, outcome.patches) == ("InProgress", ())


def test_silence_accepts_a_change_after_the_marketplaces_ten_seconds(stage: Stage, service: Any) -> None:
    service(claims=Claims(acknowledges_changes=False))
    customer = stage.subscribed()
    announcement = customer.change_plan("gold")
    before = stage.microsoft.emulator.now()
    with stage.microsoft.disturbed(Answers(500), call="settle_operation"):
        stage.publisher.receives(announcement)
        outcome = customer.settles(announcement)

    assert outcome.operation.status.value == "Succeeded"
    assert timedelta(seconds=11) <= stage.microsoft.emulator.now() - before < timedelta(seconds=20)


def test_a_patch_that_the_marketplace_refuses_is_not_waited_for_any_longer(stage: Stage) -> None:
    customer = stage.subscribed()
    announcement = customer.change_plan("gold")
    with stage.microsoft.disturbed(Answers(409), call="settle_operation"):
        stage.publisher.receives(announcement)
        outcome = customer.settles(announcement)

    assert outcome.operation.status.value == "Succeeded"
    assert outcome.words[:1] == ["Success"]


def test_calls_are_waited_for_until_there_are_so_many(stage: Stage) -> None:
    customer = stage.subscribed()
    announcement = customer.change_plan("gold")
    stage.publisher.receives(announcement)
    assert len(customer.awaits("settle_operation")) == 1
    assert customer.called("settle_operation") == customer.awaits("settle_operation")

    hasty = Publisher(replace(stage.publisher.service, timeouts=Timeouts(effect=0.05)), stage.microsoft, stage.http)
    assert len(replace(customer, publisher=hasty).awaits("settle_operation", count=2)) == 1


def test_a_look_is_repeated_until_the_publisher_shows_it(stage: Stage, active: Customer) -> None:
    looks: list[str] = []

    def third(account: Any) -> bool:
        looks.append(account.status.value)
        return len(looks) == 3

    account = active.eventually(third)
    assert account is not None
    assert looks == ["Subscribed"] * 3
    assert account.status.value == "Subscribed"


def test_a_look_is_repeated_until_the_publisher_shows_what_can_be_understood(
    stage: Stage, active: Customer, service: Any
) -> None:
    looks: list[str] = []

    def third(account: Account) -> bool:
        looks.append(account.status.value)
        return bool(replace(account, status=replace(account.status, value=SHOWN[len(looks)])).gives_access)

    account = active.eventually(third)
    assert account is not None
    assert len(looks) == 3

    service(timeouts=Timeouts(effect=0.05))
    account = active.eventually(lambda now: replace(now, status=replace(now.status, value="Odd")).gives_access)
    assert account is not None
    assert account.status.value == "Subscribed"


def test_whether_something_genuine_has_had_an_effect_may_be_unclear(active: Customer) -> None:
    active.remember()
    account = active.account()
    assert account is not None
    active._before = replace(account, status=replace(account.status, value="Odd"))
    seen = active.effects_so_far()

    assert seen.unclear.startswith("publisher.state.words: the account shows the status Odd; ")
    with pytest.raises(NotUnderstood, match=r"publisher\.state\.words"):
        seen.understood()
    assert list(seen.changes()) == ["the publisher's status changed from 'Odd' to 'Subscribed'"]
    clear = replace(seen, unclear="")
    assert clear.understood() is clear
    active.remember()


@pytest.mark.parametrize("status", [500, 429, None])
def test_an_account_that_could_not_be_looked_at_has_not_changed(active: Customer, status: int | None) -> None:
    account = active.account()
    assert account is not None
    nothing = replace(account.status, value=ABSENT)
    active._before = replace(account, status=nothing, exchange=replace(account.exchange, status=status, error="cut"))

    with pytest.raises(NotUnderstood, match=r"the account was answered .*, which tells nothing of it"):
        active.effects_so_far()
    active._before = replace(active._before, exchange=replace(account.exchange, status=404))
    assert list(active.effects_so_far().changes()) == ["the publisher's status changed from absent to 'Subscribed'"]
    active.remember()


def test_a_publisher_that_shows_nothing_is_not_looked_at_again(active: Customer, service: Any) -> None:
    service(state=None)

    assert active.eventually(lambda _: False) is None
    assert active.account() is None
    assert active.effects_so_far().evidence() == []
