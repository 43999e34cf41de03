"""What holds for every deviation. That the suite catches each is for the tests of the suite."""

import asyncio
import copy
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from fulfillment_conformance.catalogue import Catalogue
from fulfillment_conformance.emulator import BENEFICIARY, RESELLER, Emulator, Settings
from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.emulator.deviations.registry import error_code
from fulfillment_conformance.emulator.messages import Request
from fulfillment_conformance.marketplace import Channel, Purchase, Refused
from fulfillment_conformance.resources import folder

NOBODY = "00000000-1111-4222-8333-444444444444"
TRACE = {"x-ms-requestid": "3f0c1b7e-5d62-4a98-8e17-b2c4d6f8a013", "x-ms-correlationid": NOBODY}
CRM, SEATS = "contoso-crm", "contoso-seats"


class Deviates(Exception):  # noqa: N818 - it is what is hoped for
    """The story is not the one that was expected."""


class Walk:
    """A walk through everything that a marketplace does, without any network.

    What it says is in `said`. With a story to compare with, it ends by `Deviates` at the first difference.
    """

    def __init__(self, deviations: tuple[str, ...], story: list[Any] | None = None) -> None:
        self.story = story
        self.time = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
        self.emulator = Emulator(Settings(deviations=deviations), wall=lambda: self.time)
        self.emulator.hold_deliveries = True
        self.market = self.emulator.market
        self.tokens = {
            kind: f"Bearer {self.emulator.identity.access_token(kind)}"
            for kind in ("valid", "expired", "wrong-audience", "wrong-signature", "foreign-publisher")
        }
        self.said: list[Any] = []

    def say(self, what: Any) -> None:
        if self.story is not None and what != self.story[len(self.said)]:
            raise Deviates(what)
        self.said.append(what)

    def buy(self, offer: str, plan: str, **wishes: Any) -> tuple[str, str]:
        purchase = Purchase(offer_id=offer, plan_id=plan, beneficiary=BENEFICIARY, **wishes)
        subscription, token = self.emulator.perform(lambda: self.market.purchase(purchase))
        return subscription.id, token

    def ask(self, operation: str, *ids: str, by: str | None = "valid", body: Any = None, **given: Any) -> Any:
        """Ask one operation and note the answer; returns its document, or the id of the operation it begins."""
        headers = {"content-type": "application/json", **given.pop("headers", TRACE)}
        path, version = given.pop("path", ""), given.pop("version", ["2018-08-31"])
        if by is not None:
            headers["authorization"] = self.tokens.get(by, by)
        request = Request(
            method="",
            origin="http://m.example",
            path=path,
            query={**given, "api-version": version},
            headers={name: value for name, value in headers.items() if value is not None},
            body=b"" if body is None else json.dumps(body).encode(),
            ids=dict(zip(("subscription_id", "operation_id"), ids, strict=False)),
        )
        reply = self.emulator.api.answer(operation, request)
        traced = {name: value for name, value in reply.headers.items() if headers.get(name) == value}
        untraced = sorted(name for name in reply.headers if name not in traced)
        self.say((operation, reply.status, traced, untraced, error_code(reply) or copy.deepcopy(reply.document)))
        if "Operation-Location" in reply.headers:
            self.say(reply.headers["Operation-Location"])
            return reply.headers["Operation-Location"].partition("?")[0].rpartition("/")[2]
        return NOBODY if operation == "change_subscription" else reply.document

    def happens(self, command: Any) -> str:
        """Let something happen at the marketplace's side; the operation's id, or an empty one where it is refused."""
        try:
            operation_id: str = self.emulator.perform(command).id
        except Refused as refused:
            self.say((refused.status, refused.code))
            return NOBODY
        return operation_id

    def deliver(self, status: int | None) -> None:
        """Answer every notification that waits, and those that follow at once."""
        while held := self.emulator.held[:]:
            self.emulator.held.clear()
            for delivery in held:
                notification = self.emulator.notification(delivery)
                self.say((delivery.attempt, notification.payload, sorted(notification.headers)))
                self.emulator.perform(partial(self.market.delivery_answered, delivery, status))

    def wait(self, status: int | None = 200, **span: float) -> None:
        self.time += timedelta(**span)
        self.emulator.perform(lambda: None)
        self.deliver(status)


def told(*deviations: str, story: list[Any] | None = None) -> list[Any]:
    """Walk everywhere, and return all that was said."""

    async def walk_everywhere() -> list[Any]:
        walk = Walk(deviations, story)
        walk.say(walk.emulator.identity.access_token_lifetime)
        _purchases(walk)
        _changes(walk)
        _outcomes(walk)
        _giving_up(walk)
        _again(walk)
        _calendar(walk)
        _pages(walk)
        await _on_the_wire(walk)
        return walk.said

    return asyncio.run(walk_everywhere())


def _purchases(walk: Walk) -> None:
    walk.say(walk.emulator.landing_url("http://p.example/signup?from=here", "a+b/="))
    walk.ask("list_subscriptions")
    negotiated, _ = walk.buy(CRM, "silver", private_offer_id=NOBODY)
    walk.ask("list_available_plans", negotiated, planId=["silver"])
    yearly, _ = walk.buy(CRM, "silver", term_unit="P1Y")
    walk.ask("activate", yearly)
    walk.ask("get_subscription", yearly)
    flat, token = walk.buy(CRM, "silver")
    resolving = {**TRACE, "x-ms-marketplace-token": token}
    for by in ("valid", None, "Bearer x", "expired", "wrong-audience", "wrong-signature", "foreign-publisher"):
        walk.ask("resolve", headers=resolving, by=by)
        walk.ask("get_subscription", flat, by=by)
        walk.ask("list_available_plans", flat, by=by)
    other = "A" if token[5] != "A" else "B"
    for wrong in (None, "short", token[:5] + other + token[6:], token[::-1], quote(token, safe="")):
        walk.ask("resolve", headers={**TRACE, "x-ms-marketplace-token": wrong})
    for headers in ({}, {"x-ms-requestid": "conformance-abc-1"}):
        walk.ask("get_subscription", flat, headers=headers)
        walk.ask("get_subscription", NOBODY, headers=headers)
    for by in ("wrong-signature", "foreign-publisher"):
        walk.ask("activate", flat, by=by)
    pending, _ = walk.buy(CRM, "silver")
    walk.ask("cancel", pending, by="foreign-publisher")
    walk.ask("get_subscription", pending)
    walk.ask("activate", walk.buy(CRM, "silver")[0])
    walk.ask("activate", NOBODY)
    for version in ([], ["2017-04-15"]):
        walk.ask("get_subscription", flat, version=version)
    walk.ask("get_subscription", "odd")
    walk.ask("list_operations", "odd")
    walk.ask("get_operation", flat, NOBODY)
    walk.ask("settle_operation", flat, NOBODY, body={"status": "Success"})
    for operation in ("list_available_plans", "list_operations", "cancel"):
        walk.ask(operation, NOBODY)
    walk.ask("change_subscription", NOBODY, body={"planId": "gold"})
    walk.ask("cancel", pending)
    walk.ask("cancel", pending)
    seats, seats_token = walk.buy(SEATS, "business", quantity=9)
    resold, resold_token = walk.buy(CRM, "gold", purchaser=RESELLER, channel=Channel.CSP)
    walk.ask("get_subscription", walk.buy(CRM, "auto")[0])
    for subscription_id, purchase_token in ((seats, seats_token), (resold, resold_token)):
        walk.ask("resolve", headers={**TRACE, "x-ms-marketplace-token": purchase_token})
        walk.ask("get_subscription", subscription_id)
        walk.ask("list_available_plans", subscription_id)
    walk.ask("list_available_plans", flat, planId=["gold"])
    walk.ask("list_available_plans", flat, planId=["no"])
    walk.happens(lambda market=walk.market: market.suspend(seats))
    walk.happens(lambda market=walk.market: market.unsubscribe(resold))
    walk.ask("activate", resold)
    walk.ask("list_subscriptions")
    walk.deliver(200)
    for hours, issued in ((2, token), (23, token), (0, walk.market.issue_token(flat, expired=True))):
        walk.wait(hours=hours)
        walk.ask("resolve", headers={**TRACE, "x-ms-marketplace-token": issued})


def _subscribed(walk: Walk, offer: str, plan: str, **wishes: Any) -> str:
    subscription_id, _ = walk.buy(offer, plan, **wishes)
    walk.ask("activate", subscription_id)
    return subscription_id


def _changes(walk: Walk) -> None:
    flat, seats = _subscribed(walk, CRM, "silver"), _subscribed(walk, SEATS, "business", quantity=9)
    resold = _subscribed(walk, CRM, "silver", purchaser=RESELLER, channel=Channel.CSP)
    bodies: list[Any] = [{"planId": plan} for plan in ("silver", "hidden", "no")]
    bodies += [{}, {"planId": "gold", "quantity": 5}]
    for body in bodies:
        walk.ask("change_subscription", flat, body=body)
        _settle_all(walk, flat)
    for quantity in (9, 4, 501, 7):
        walk.ask("change_subscription", seats, body={"quantity": quantity})
        walk.ask("list_operations", seats)
        _settle_all(walk, seats)
    walk.ask("change_subscription", walk.buy(CRM, "silver")[0], body={"planId": "gold"})
    walk.ask("change_subscription", resold, body={"planId": "gold"})
    walk.ask("cancel", resold)
    operation_id = walk.ask("change_subscription", flat, body={"planId": "private"})
    walk.ask("get_subscription", flat)
    walk.ask("list_operations", flat)
    walk.ask("get_operation", flat, operation_id)
    walk.ask("cancel", flat)
    walk.deliver(200)
    walk.ask("settle_operation", flat, operation_id, body={"status": "Maybe"})
    for status in ("Success", "Failure"):
        walk.ask("settle_operation", flat, operation_id, body={"status": status})
        walk.ask("get_operation", flat, operation_id)
        walk.ask("list_operations", flat)
        walk.ask("get_subscription", flat)
    manage = walk.market.issue_token(flat)
    walk.ask("resolve", headers={**TRACE, "x-ms-marketplace-token": manage})
    walk.happens(lambda: walk.market.suspend(flat))
    walk.ask("list_subscriptions")
    walk.ask("resolve", headers={**TRACE, "x-ms-marketplace-token": manage})
    walk.ask("get_subscription", flat)
    walk.ask("activate", flat)
    walk.ask("cancel", flat)
    walk.ask("get_subscription", flat)
    walk.ask("resolve", headers={**TRACE, "x-ms-marketplace-token": manage})
    walk.deliver(200)


def _settle_all(walk: Walk, subscription_id: str) -> None:
    for operation_id in walk.market.find(subscription_id).pending:
        walk.ask("settle_operation", subscription_id, operation_id, body={"status": "Success"})
    walk.deliver(200)


def _outcomes(walk: Walk) -> None:
    flat, seats = _subscribed(walk, CRM, "gold"), _subscribed(walk, SEATS, "team", quantity=9)
    walk.ask("get_operation", flat, walk.happens(lambda: walk.market.customer_changes_plan(flat, "gold")))
    walk.ask("list_operations", flat)
    rejected = walk.happens(lambda: walk.market.customer_changes_plan(flat, "silver"))
    walk.deliver(200)
    walk.ask("settle_operation", flat, rejected, body={"status": "Failure"})
    for answered in (400, 200):
        for command in (
            lambda: walk.market.customer_changes_plan(flat, "silver"),
            lambda: walk.market.customer_changes_quantity(seats, 12),
        ):
            operation_id = walk.happens(command)
            walk.deliver(answered)
            walk.wait(answered, seconds=11)
            walk.ask("get_operation", flat, operation_id)
            walk.ask("get_subscription", flat)
    walk.happens(lambda: walk.market.reinstate(seats))
    walk.happens(lambda: walk.market.suspend(walk.buy(CRM, "gold")[0]))
    walk.happens(lambda: walk.market.suspend(flat))
    walk.deliver(400)
    walk.ask("get_subscription", flat)
    walk.happens(lambda: walk.market.reinstate(flat))
    walk.ask("get_subscription", flat)
    walk.deliver(200)
    walk.wait(seconds=11)
    walk.ask("get_subscription", flat)


def _giving_up(walk: Walk) -> None:
    flat = _subscribed(walk, CRM, "gold")
    attempts = min(3, walk.market.rules.delivery_attempts)
    walk.market.rules = replace(walk.market.rules, delivery_attempts=attempts)
    operation_id = walk.happens(lambda: walk.market.customer_changes_plan(flat, "silver"))
    walk.deliver(None)
    for _ in range(3):
        walk.wait(503, minutes=1)
    walk.ask("get_operation", flat, operation_id)


def _again(walk: Walk) -> None:
    """Look a second time: after a change, a refusal, a suspension, an outcome, a call that was not accepted."""
    market = walk.market
    flat, seats = _subscribed(walk, CRM, "silver"), _subscribed(walk, SEATS, "team", quantity=9)
    resold = _subscribed(walk, CRM, "silver", purchaser=RESELLER, channel=Channel.CSP)
    yearly = _subscribed(walk, CRM, "silver", term_unit="P1Y")
    first = walk.ask("change_subscription", flat, body={"planId": "gold"})
    _settle_all(walk, flat)
    walk.ask("change_subscription", flat, body={"planId": "gold"})
    walk.ask("change_subscription", flat, body={"planId": "silver"})
    walk.ask("get_operation", flat, first)
    _settle_all(walk, flat)
    for body in ({"quantity": 100}, {"planId": "business"}, {"quantity": 101}):
        walk.ask("change_subscription", seats, body=body)
        _settle_all(walk, seats)
        walk.ask("get_subscription", seats)
    walk.ask("change_subscription", flat, by="foreign-publisher", body={"planId": "gold"})
    walk.ask("list_operations", flat)
    own = walk.ask("change_subscription", flat, body={"planId": "gold"})
    walk.deliver(200)
    walk.wait(seconds=11)
    walk.ask("get_operation", flat, own)
    for subscription_id, words in ((resold, ["Success"]), (flat, ["Failed", "Failure", "Success"])):
        operation_id = walk.happens(lambda of=subscription_id: market.customer_changes_plan(of, "private"))
        walk.deliver(200)
        walk.wait(seconds=6)
        for word in words:
            walk.ask("settle_operation", subscription_id, operation_id, body={"status": word})
        walk.ask("get_operation", subscription_id, operation_id)
    late = walk.happens(lambda: market.customer_changes_quantity(seats, 12))
    walk.deliver(503)
    walk.wait(200, minutes=1)
    walk.wait(200, seconds=11)
    walk.ask("get_operation", seats, late)
    for command in (market.suspend, market.reinstate, market.unsubscribe):
        operation_id = walk.happens(lambda happen=command: happen(flat))
        walk.ask("settle_operation", flat, operation_id, body={"status": "Failure"})
        walk.ask("get_subscription", flat)
        walk.ask("list_operations", flat)
    walk.wait(days=366)
    walk.ask("get_subscription", yearly)


def _calendar(walk: Walk) -> None:
    first, second, third = (_subscribed(walk, CRM, "silver") for _ in range(3))
    forgotten, _ = walk.buy(CRM, "silver")
    walk.market.set_auto_renew(second, auto_renew=False)
    walk.happens(lambda: walk.market.suspend(third))
    for _ in range(7):
        walk.wait(days=10)
        for subscription_id in (first, second, third, forgotten):
            walk.ask("get_subscription", subscription_id)


def _pages(walk: Walk) -> None:
    walk.ask("list_subscriptions")
    for _ in range(101):
        walk.buy("fabrikam-desk", "pro")
    page = walk.ask("list_subscriptions", by="foreign-publisher")
    link = page.get("@nextLink", "") if isinstance(page, dict) else ""
    token = parse_qs(urlsplit(link).query).get("continuationToken", [""])
    walk.ask("list_subscriptions", by="foreign-publisher", continuationToken=token)
    walk.ask("list_subscriptions", by="foreign-publisher", continuationToken=[""])
    walk.ask("list_subscriptions", path="/api/saas/subscriptions/")


async def _on_the_wire(walk: Walk) -> None:
    """Call a webhook where nobody listens, to see how it would have been called."""
    walk.buy(CRM, "auto")
    exchange = await walk.emulator.send(walk.emulator.held[0], url="http://127.0.0.1:9/webhook")
    walk.say((exchange.method, exchange.url, sorted(name for name, _ in exchange.request_headers)))
    await walk.emulator.close()


@pytest.fixture(scope="module")
def story() -> list[Any]:
    return told()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(folder("catalogue"))


def test_a_walk_is_the_same_every_time(story: list[Any]) -> None:
    assert told(story=story) == story


OFF_THE_WALK = {
    "cancellations-wait-for-the-publisher",  # the list of operations of a cancelled subscription
    "missing-payment-on-the-last-day-cancels",  # a suspension on the day of a renewal
    "resolve-tells-the-latest-purchase",  # the token of an earlier purchase
    # In another state, of another kind, at another time, by another caller, or while another call is under way:
    "a-newer-token-ends-the-older",
    "access-tokens-choose-their-algorithm",
    "activating-again-begins-the-term-again",
    "activating-twice-at-once-breaks",
    "auto-activated-seats-wait",
    "cancelling-during-a-change-is-forgotten",
    "changes-are-made-in-any-version",
    "changes-at-once-share-an-operation",
    "changes-carry-no-ids",
    "continuation-tokens-open-every-list",
    "get-serves-others-once-it-is-active",
    "later-pages-link-relatively",
    "later-pages-need-no-access-token",
    "later-visits-bring-a-raw-token",
    "longer-terms-end-after-a-year",
    "made-up-ids-are-all-alike",
    "managing-needs-no-fresh-token",
    "names-are-told-in-ascii",
    "plans-are-gone-while-suspended",
    "resolve-serves-others-after-the-purchase",
    "resolve-takes-subscription-ids",
    "resolve-takes-tokens-that-were-cut-off",
    "terms-begin-with-the-purchase",
    "the-plan-filter-finds-hidden-plans",
    "the-plan-filter-must-come-first",
    "the-plan-filter-takes-beginnings",
    "versions-are-known-by-their-beginning",
    "words-at-once-are-both-taken",
}
"""Deviations in places where the walk does not lead; the marketplace suite shows them."""


@pytest.mark.parametrize("name", sorted(DEVIATIONS.keys() - OFF_THE_WALK))
def test_a_deviation_shows(name: str, story: list[Any]) -> None:
    with pytest.raises(Deviates):
        told(name, story=story)


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_deviation_is_well_described(name: str, catalogue: Catalogue) -> None:
    deviation = DEVIATIONS[name]

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name)
    assert deviation.summary.endswith(".")
    assert len(set(deviation.breaks)) == len(deviation.breaks) > 0
    for requirement_id in deviation.breaks:
        assert catalogue[requirement_id].party == "marketplace", requirement_id


def test_every_must_of_the_first_themes_is_broken_by_some_deviation(catalogue: Catalogue) -> None:
    broken = {requirement_id for deviation in DEVIATIONS.values() for requirement_id in deviation.breaks}
    wanted = {
        requirement.id
        for requirement in (catalogue[each] for each in catalogue)
        if requirement.id.split("-")[0] in {"RES", "ACT", "GET", "HDR", "AUT"}
        and (requirement.party, requirement.level) == ("marketplace", "MUST")
        and not requirement.excluded
    }

    assert not wanted - broken
