import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from fulfillment_conformance.reference_publisher import Patience
from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable

if TYPE_CHECKING:
    from tests.reference_publisher.conftest import MakeWorld, World

pytestmark = pytest.mark.anyio

SUBSCRIPTION = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"

Document = Callable[..., dict[str, Any]]


async def test_a_change_of_plan_is_carried_out_and_reported_after_the_answer(
    world: "World", operation: Document
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()

    answer = await world.deliver("ChangePlan", planId="gold")

    assert answer.status_code == 200
    assert (await world.state())["planId"] == "gold"
    assert not world.market.made("PATCH")
    await world.settle()
    [report] = world.market.made("PATCH")
    assert report.brief == f"PATCH /{SUBSCRIPTION}/operations/{OPERATION}"
    assert report.body == {"status": "Success"}
    assert (await world.state())["planId"] == "gold"


@pytest.mark.parametrize("quantity", [4, "4", " 4", None, ""])
async def test_a_change_of_seats_sets_what_the_operation_says_whatever_form_the_event_has(
    world: "World", operation: Document, quantity: object
) -> None:
    await world.subscribe(quantity=2)
    world.market.operations[OPERATION] = operation(action="ChangeQuantity", planId="team", quantity=4)

    answer = await world.notify("ChangeQuantity", quantity=quantity)

    assert answer.status_code == 200
    assert (await world.state())["quantity"] == 4


@pytest.mark.parametrize("quantity", [None, 0, 1, ""])
async def test_a_change_of_plan_has_no_effect_on_seats(world: "World", operation: Document, quantity: object) -> None:
    await world.subscribe(quantity=None)
    world.market.operations[OPERATION] = operation(quantity=quantity)

    answer = await world.notify("ChangePlan", planId="gold", quantity=1)

    assert answer.status_code == 200
    assert ((await world.state())["planId"], (await world.state())["quantity"]) == ("gold", None)


@pytest.mark.parametrize("not_found", [400, 404])
async def test_a_change_that_the_marketplace_does_not_know_is_refused(
    world: "World", operation: Document, not_found: int
) -> None:
    await world.subscribe()
    world.market.will("GET /operations/", httpx2.Response(not_found))

    answer = await world.notify("ChangePlan", planId="gold")

    assert answer.status_code == 404
    assert (await world.state())["planId"] == "silver"
    assert not world.market.made("PATCH")


@pytest.mark.parametrize(
    "contradicting",
    [
        {"planId": "bronze"},
        {"action": "ChangeQuantity"},
        {"subscriptionId": "11111111-2222-3333-4444-555555555555"},
    ],
)
async def test_an_event_that_its_operation_contradicts_is_refused(
    world: "World", operation: Document, contradicting: dict[str, str]
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation(**contradicting)

    answer = await world.notify("ChangePlan", planId="gold")

    assert answer.status_code == 400
    assert (await world.state())["planId"] == "silver"
    assert not world.market.made("PATCH")


async def test_seats_that_contradict_the_operation_are_refused(world: "World", operation: Document) -> None:
    await world.subscribe(quantity=2)
    world.market.operations[OPERATION] = operation(action="ChangeQuantity", quantity=10)

    assert (await world.notify("ChangeQuantity", quantity=100)).status_code == 400
    assert (await world.state())["quantity"] == 2


async def test_the_short_form_of_an_event_is_enough(world: "World", operation: Document) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()

    answer = await world.notify("ChangePlan", planId=None, status="", subscription=None, unknown={"deep": [1]})

    assert answer.status_code == 200
    assert (await world.state())["planId"] == "gold"


async def test_a_plan_that_a_rule_forbids_is_refused_and_the_account_ends_as_the_marketplace_says(
    make_world: "MakeWorld", operation: Document
) -> None:
    world = make_world(refused_plans=frozenset({"gold"}))
    await world.subscribe()
    world.market.operations[OPERATION] = operation()

    answer = await world.deliver("ChangePlan", planId="gold")
    assert answer.status_code == 400
    assert (await world.state())["planId"] == "silver"

    # Some marketplaces carry the change out all the same.
    world.market.operations[OPERATION]["status"] = "Succeeded"
    world.market.subscriptions[SUBSCRIPTION]["planId"] = "gold"
    await world.settle()
    assert (await world.state())["planId"] == "gold"
    assert not world.market.made("PATCH")


async def test_the_way_back_after_a_refusal_is_accepted_even_from_a_refused_plan(
    make_world: "MakeWorld", operation: Document
) -> None:
    world = make_world(refused_plans=frozenset({"silver", "gold"}))
    await world.subscribe()
    world.market.operations[OPERATION] = operation(planId="silver")

    assert (await world.notify("ChangePlan", planId="silver")).status_code == 200
    assert (await world.state())["planId"] == "silver"


@pytest.mark.parametrize(("quantity", "status"), [(0, 400), (-1, 400), (2, 400), (3, 200), (5, 200), (6, 400)])
async def test_seats_must_lie_within_the_limits_of_the_plan(
    world: "World", operation: Document, quantity: int, status: int
) -> None:
    await world.subscribe(planId="team", quantity=4)
    world.market.plans = [{"planId": "team", "isPricePerSeat": True, "minQuantity": 3, "maxQuantity": 5}]
    world.market.operations[OPERATION] = operation(action="ChangeQuantity", planId="team", quantity=quantity)

    answer = await world.notify("ChangeQuantity", quantity=quantity)

    assert answer.status_code == status
    assert (await world.state())["quantity"] == (quantity if status == 200 else 4)


async def test_a_change_of_a_subscription_that_is_not_active_is_refused(world: "World", operation: Document) -> None:
    await world.subscribe(saasSubscriptionStatus="Unsubscribed")
    world.market.operations[OPERATION] = operation()

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 409
    assert await world.state() == {}


async def test_a_late_change_that_has_ended_already_is_neither_carried_out_nor_reported(
    world: "World", operation: Document
) -> None:
    await world.subscribe(planId="platinum")
    world.market.operations[OPERATION] = operation(status="Succeeded")

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 200
    assert (await world.state())["planId"] == "platinum"
    assert not world.market.made("PATCH")


@pytest.mark.parametrize("status", ["Failed", "Conflict"])
async def test_a_change_that_has_failed_changes_nothing(world: "World", operation: Document, status: str) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation(status=status)

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 200
    assert (await world.state())["planId"] == "silver"


async def test_a_change_of_a_subscription_unknown_to_us_is_verified_and_stored(
    world: "World", operation: Document, subscription: Document
) -> None:
    world.market.subscriptions[SUBSCRIPTION] = subscription()
    world.market.operations[OPERATION] = operation()

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 200
    assert (await world.state())["planId"] == "gold"


async def test_a_change_for_another_application_of_the_publisher_is_refused(
    make_world: "MakeWorld", operation: Document, subscription: Document
) -> None:
    world = make_world(offers=frozenset({"contoso-seats"}))
    world.market.subscriptions[SUBSCRIPTION] = subscription()
    world.market.operations[OPERATION] = operation()

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 404
    assert await world.state() == {}


@pytest.mark.parametrize("refusal", [400, 404, 409, 500])
async def test_a_report_that_is_refused_is_followed_by_fresh_looks_and_nothing_worse(
    world: "World", operation: Document, refusal: int
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()
    world.market.will("PATCH /operations/", *[httpx2.Response(refusal)] * 10)

    assert (await world.deliver("ChangePlan", planId="gold")).status_code == 200
    world.market.operations[OPERATION]["status"] = "Succeeded"
    world.market.subscriptions[SUBSCRIPTION]["planId"] = "gold"
    await world.settle()

    assert (await world.state())["planId"] == "gold"
    assert len(world.market.made("PATCH")) == (3 if refusal == 500 else 1)


async def test_a_suspension_while_a_change_is_pending_keeps_the_accepted_plan(
    world: "World", operation: Document
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()
    await world.deliver("ChangePlan", planId="gold")
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Suspended"

    await world.deliver("Suspend", id="another-operation")

    assert ((await world.state())["planId"], (await world.state())["status"]) == ("gold", "Suspended")


@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("Suspend", "Subscribed", "Suspended"),
        ("Unsubscribe", "Subscribed", "Unsubscribed"),
        ("Unsubscribe", "Suspended", "Unsubscribed"),
        ("Renew", "Subscribed", "Subscribed"),
    ],
)
async def test_a_notice_is_followed_without_report_whether_or_not_its_operation_is_found(
    world: "World", operation: Document, action: str, before: str, after: str, found: bool
) -> None:
    await world.subscribe(saasSubscriptionStatus=before)
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = after
    if found:
        world.market.operations[OPERATION] = operation(action=action, status="Succeeded", planId="")

    answer = await world.notify(action, planId="", offerId=None, quantity="", status="NotStarted")

    assert answer.status_code == 200
    state = await world.state()
    assert (state["status"], state["access"], state["planId"]) == (after, after == "Subscribed", "silver")
    assert not world.market.made("PATCH")


async def test_a_false_notice_moves_nothing(world: "World") -> None:
    await world.subscribe()

    assert (await world.notify("Unsubscribe")).status_code == 200
    assert (await world.state())["status"] == "Subscribed"


async def test_a_late_suspension_does_not_undo_a_cancellation(world: "World") -> None:
    await world.subscribe()
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Unsubscribed"
    await world.notify("Unsubscribe")
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Suspended"

    await world.notify("Suspend", id="another-operation")

    assert (await world.state())["status"] == "Unsubscribed"


async def test_a_notice_that_is_ahead_of_the_marketplace_is_looked_after(
    world: "World", subscription: Document
) -> None:
    await world.subscribe()

    assert (await world.deliver("Suspend")).status_code == 200
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Suspended"
    await world.settle()

    assert (await world.state())["status"] == "Suspended"


async def test_renewal_is_looked_after_until_the_new_term_shows(world: "World") -> None:
    await world.subscribe()

    assert (await world.deliver("Renew")).status_code == 200
    world.market.subscriptions[SUBSCRIPTION]["term"] = {"endDate": "2026-02-28", "termUnit": "P1M"}
    await world.settle()

    assert (await world.state())["term"]["endDate"] == "2026-02-28"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Subscribed", "Subscribed"), ("PendingFulfillmentStart", None), ("Unsubscribed", None)],
)
async def test_subscribe_opens_an_account_only_for_what_is_in_use(
    world: "World", subscription: Document, status: str, expected: str | None
) -> None:
    world.market.subscriptions[SUBSCRIPTION] = subscription(saasSubscriptionStatus=status)

    assert (await world.notify("Subscribe")).status_code == 200
    assert (await world.state()).get("status") == expected
    assert not world.market.made("POST")


async def test_cancelling_a_purchase_that_was_never_opened_provisions_nothing(
    world: "World", subscription: Document
) -> None:
    world.market.subscriptions[SUBSCRIPTION] = subscription(saasSubscriptionStatus="Unsubscribed")

    assert (await world.notify("Unsubscribe")).status_code == 200
    assert await world.state() == {}


async def test_a_subscription_that_nobody_knows_is_refused(world: "World") -> None:
    assert (await world.notify("Suspend")).status_code == 404


@pytest.mark.parametrize("answer_to_report", [200, 400, 409])
async def test_reinstatement_opens_access_whatever_becomes_of_the_report(
    world: "World", operation: Document, answer_to_report: int
) -> None:
    await world.subscribe(saasSubscriptionStatus="Suspended")
    world.market.operations[OPERATION] = operation(action="Reinstate", planId="silver")
    if answer_to_report != 200:
        world.market.will("PATCH /operations/", httpx2.Response(answer_to_report))

    assert (await world.deliver("Reinstate")).status_code == 200
    assert (await world.state())["access"]
    await world.settle()
    assert (await world.state())["access"]


async def test_reinstatement_that_is_done_already_is_followed(world: "World") -> None:
    await world.subscribe(saasSubscriptionStatus="Suspended")
    world.market.subscriptions[SUBSCRIPTION]["saasSubscriptionStatus"] = "Subscribed"

    assert (await world.notify("Reinstate")).status_code == 200
    assert (await world.state())["access"]
    assert not world.market.made("PATCH")


async def test_reinstatement_without_any_proof_opens_nothing(world: "World") -> None:
    await world.subscribe(saasSubscriptionStatus="Suspended")

    assert (await world.notify("Reinstate")).status_code == 404
    assert not (await world.state())["access"]


async def test_reinstatement_that_cannot_be_honoured_is_cancelled(make_world: "MakeWorld", operation: Document) -> None:
    world = make_world(reinstates=False)
    await world.subscribe(saasSubscriptionStatus="Suspended")
    world.market.operations[OPERATION] = operation(action="Reinstate")
    world.market.will("DELETE ", httpx2.Response(409))

    assert (await world.notify("Reinstate")).status_code == 200

    assert len(world.market.made("DELETE")) == 2
    assert not (await world.state())["access"]


async def test_a_forged_reinstatement_of_an_active_subscription_cancels_nothing(make_world: "MakeWorld") -> None:
    world = make_world(reinstates=False)
    await world.subscribe()

    await world.notify("Reinstate")

    assert not world.market.made("DELETE")


@pytest.mark.parametrize("action", ["Transfer", "changeplan", "Suspended", "💥"])
async def test_an_unknown_action_is_answered_200_without_any_call(world: "World", action: str) -> None:
    await world.subscribe()

    assert (await world.notify(action)).status_code == 200
    assert not world.market.calls


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"text"', b"\xff\xfe", b'{"id": "1"}', b"[" * 100_000])
async def test_what_is_no_notification_is_refused(world: "World", body: bytes) -> None:
    headers = {"authorization": f"Bearer {world.market.webhook_token()}"}

    assert (await world.browser.post("/webhook", content=body, headers=headers)).status_code == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
async def test_other_methods_are_not_allowed(world: "World", method: str) -> None:
    assert (await world.browser.request(method, "/webhook")).status_code == 405


async def test_a_call_without_a_genuine_token_is_refused_without_a_trace(world: "World", operation: Document) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()

    for token in (None, world.market.webhook_token(aud="somebody else")):
        answer = await world.notify("ChangePlan", planId="gold", token=token)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"

    assert (await world.state())["planId"] == "silver"
    assert not world.market.calls


async def test_unavailable_keys_ask_for_another_delivery(world: "World") -> None:
    await world.subscribe()
    world.market.keys_down = True

    assert (await world.notify("Suspend")).status_code == 503
    assert not world.market.calls


@pytest.mark.parametrize("answer", [httpx2.Response(500), httpx2.Response(403), httpx2.ReadTimeout("silence")])
async def test_an_api_that_gives_no_answer_asks_for_another_delivery_which_then_succeeds(
    world: "World", operation: Document, answer: httpx2.Response | Exception
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()
    world.market.will("GET /operations/", *[answer] * 3)

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 503
    assert (await world.state())["planId"] == "silver"

    world.market.will("GET /operations/")
    assert (await world.notify("ChangePlan", planId="gold")).status_code == 200
    assert (await world.state())["planId"] == "gold"


async def test_a_missing_access_token_asks_for_another_delivery(world: "World") -> None:
    await world.subscribe()
    world.access_tokens.unavailable = AccessTokenUnavailable("refused")

    assert (await world.notify("Suspend")).status_code == 503


async def test_a_store_that_fails_asks_for_another_delivery(
    world: "World", operation: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()

    def fail(_account: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.publisher.accounts, "save", fail)
        assert (await world.notify("ChangePlan", planId="gold")).status_code == 500
    assert not world.market.made("PATCH")

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 200
    assert (await world.state())["planId"] == "gold"


async def test_a_marketplace_that_takes_too_long_asks_for_another_delivery(make_world: "MakeWorld") -> None:
    world = make_world(patience=replace(Patience(), webhook=0.05))
    await world.subscribe()
    lock = world.publisher.accounts.lock(SUBSCRIPTION)
    async with lock:
        started = time.monotonic()
        assert (await world.notify("Suspend")).status_code == 503
    assert time.monotonic() - started < 5


async def test_equal_deliveries_have_one_effect(world: "World", operation: Document) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation()

    answers = await asyncio.gather(*(world.deliver("ChangePlan", planId="gold") for _ in range(5)))
    await world.settle()
    again = await world.notify("ChangePlan", planId="gold")

    assert {answer.status_code for answer in [*answers, again]} == {200}
    assert len(world.market.made("PATCH")) == 1


async def test_operations_are_told_apart_by_their_own_id_and_not_by_activity(
    world: "World", operation: Document
) -> None:
    await world.subscribe(quantity=2)
    world.market.operations["one"] = operation(id="one", planId="gold")
    world.market.operations["two"] = operation(id="two", action="ChangeQuantity", quantity=7)

    await world.notify("ChangePlan", id="one")
    await world.notify("ChangeQuantity", id="two")

    state = await world.state()
    assert (state["planId"], state["quantity"]) == ("gold", 7)


async def test_a_long_operation_id_is_encoded_in_the_path(world: "World", operation: Document) -> None:
    await world.subscribe()
    long_id = "org:{4a4a2c3e-1111-2222-3333-444455556666},{5b5b2c3e-1111-2222-3333-444455556666}"
    world.market.operations[long_id] = operation(id=long_id)

    assert (await world.notify("ChangePlan", id=long_id)).status_code == 200

    [report] = world.market.made("PATCH")
    assert report.path.endswith("/operations/org%3A%7B4a4a2c3e-1111-2222-3333-444455556666%7D%2C"
                                "%7B5b5b2c3e-1111-2222-3333-444455556666%7D")  # fmt: skip


async def test_an_operation_that_does_not_name_itself_is_the_one_that_was_asked_for(
    world: "World", operation: Document
) -> None:
    await world.subscribe()
    world.market.operations[OPERATION] = operation(id=None, subscriptionId=None)

    assert (await world.notify("ChangePlan", planId="gold")).status_code == 200
    assert (await world.notify("ChangePlan", planId="gold")).status_code == 200
    assert len(world.market.made("PATCH")) == 1
