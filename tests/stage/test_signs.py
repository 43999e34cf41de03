"""What counts as a sign of life of a publisher, and what does not."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.life import Life
from fulfillment_conformance.stage.publisher import Service
from fulfillment_conformance.stage.signs import ACCOUNT, LANDING_PAGE, WEBHOOK, PublisherSigns
from fulfillment_conformance.target import State

HERE = "http://127.0.0.1:1"
API = "http://127.0.0.1:2/api/saas/subscriptions"
ID = "37f9dea2-4345-438f-b0bd-03d40d28c7e0"
OPERATION = "74dfb4db-c193-4891-827d-eb05fbdc64b0"
SERVICE = Service(
    landing_page=f"{HERE}/signup",
    webhook=f"{HERE}/webhook?code=1",
    state=State.model_validate({"get": "/accounts/{subscription_id}/state", "status": "/status", "plan": "/planId"}),
)


class Story:
    """Exchanges that begin one after the other."""

    def __init__(self) -> None:
        self.life = Life()
        self.signs = PublisherSigns(SERVICE, self.life)
        self._moments = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number) for number in itertools.count())

    def visit(self) -> Exchange:
        return self._to("buyer", "GET", "/signup?token=abc")

    def notify(self) -> Exchange:
        return self._to("marketplace", "POST", "/webhook?code=1", sent={"id": OPERATION, "subscriptionId": ID})

    def look(self, answer: Any, *, status: int = 200) -> Exchange:
        return self._to("suite", "GET", f"/accounts/{ID}/state", answer=answer, status=status)

    def ask(self, method: str = "GET", path: str = f"/{ID}/operations/{OPERATION}", *, status: int = 200) -> Exchange:
        return Exchange(
            sender="publisher",
            receiver="marketplace",
            method=method,
            url=f"{API}{path}?api-version=2018-08-31",
            status=status,
            at=next(self._moments),
        )

    def tell(self, *exchanges: Exchange) -> frozenset[str]:
        """Report exchanges in the order in which they ended, and say what is alive."""
        for exchange in exchanges:
            self.signs(exchange)
        return self.signs.alive()

    def _to(
        self, sender: Any, method: str, path: str, *, sent: Any = None, answer: Any = None, status: int = 200
    ) -> Exchange:
        return Exchange(
            sender=sender,
            receiver="publisher",
            method=method,
            url=f"{HERE}{path}",
            request_body=json.dumps(sent).encode(),
            status=status,
            response_body=json.dumps(answer).encode(),
            at=next(self._moments),
        )


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_page_is_alive_when_the_publisher_resolves(story: Story) -> None:
    assert story.tell(story.visit()) == set()
    assert story.tell(story.ask("POST", "/resolve", status=400)) == set()
    assert story.tell(story.ask("POST", "/resolve")) == {LANDING_PAGE}
    assert story.life.take_called() == (LANDING_PAGE, "the target")


@pytest.mark.parametrize("path", [f"/{ID}", f"/{ID}/operations/{OPERATION}", f"/{ID.upper()}/operations"])
def test_a_webhook_is_alive_when_the_publisher_asks_about_what_it_was_told(story: Story, path: str) -> None:
    notification, question = story.notify(), story.ask(path=path)

    assert story.tell(question, notification) == {WEBHOOK}  # asked while the notification was still open
    assert story.life.take_called() == ("the target", WEBHOOK)


def test_what_was_asked_before_or_about_others_or_for_a_buyer_is_no_sign_of_a_webhook(story: Story) -> None:
    asked = story.ask()
    assert story.tell(asked, story.notify(), story.ask(path="/another"), story.ask(path="")) == set()

    visit, question = story.visit(), story.ask()
    assert story.tell(question, visit) == set()


def test_a_webhook_is_alive_when_it_changes_what_is_shown(story: Story) -> None:
    before, notification = story.look({"status": "Subscribed"}), story.notify()

    assert WEBHOOK not in story.tell(before, notification, story.look({"status": "Subscribed"}))
    assert story.tell(story.look({"status": "Suspended"})) == {WEBHOOK, ACCOUNT}


def test_what_a_buyer_changes_is_no_sign_of_a_webhook(story: Story) -> None:
    exchanges = [story.look({"planId": "silver"}), story.notify(), story.visit(), story.look({"planId": "gold"})]

    assert story.tell(*exchanges) == {ACCOUNT}


def test_an_account_that_always_looks_the_same_is_not_alive(story: Story) -> None:
    same = {"status": "Subscribed"}
    assert story.tell(story.look(same), story.look(same | {"at": 1}), story.look(same)) == set()
    assert story.life.take_called() == (ACCOUNT, "the target")

    assert story.tell(story.look(same, status=404)) == {ACCOUNT}


def test_nonsense_is_no_sign_and_no_error(story: Story) -> None:
    notification, look = story.notify(), story.look({})
    notification.request_body = look.response_body = b"{"

    assert story.tell(notification, look, story.ask(path="/%ff")) == set()
