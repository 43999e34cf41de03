"""A sandbox in this process whose answers a test can meddle with."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.backend.receiver import Receiver
from fulfillment_conformance.backend.situations import Situations
from fulfillment_conformance.backend.webhook import Webhook
from fulfillment_conformance.drivers.embedded import EmbeddedDriver
from fulfillment_conformance.exchange import Exchange, ignore
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.serving import serve

Change = Callable[[Exchange], object]


class MeddledClient(HttpClient):
    """Changes answers before anybody sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.change: Change = lambda _exchange: None

    def send(self, *arguments: Any, **more: Any) -> Exchange:
        exchange = super().send(*arguments, **more)
        self.change(exchange)
        return exchange


class LimitedDriver(EmbeddedDriver):
    """An embedded sandbox that does not tell of everything it can do."""

    missing: frozenset[str] = frozenset()

    @property
    def capabilities(self) -> frozenset[str]:
        return super().capabilities - self.missing


class Sandbox:
    """An emulator, its client, and its notifications."""

    def __init__(self, driver: LimitedDriver, http: MeddledClient, receiver: Receiver) -> None:
        self.driver = driver
        self.http = http
        self.receiver = receiver
        self.token = driver.access_token("valid")
        self.client = FulfillmentClient(driver.base_url, http=http, access_token=lambda: self.token)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what a test has changed."""
        self.http.change = lambda _exchange: None
        self.driver.missing = frozenset()
        self.driver.reset()
        self.situations = Situations(self.driver, self.client, redactor=Redactor())
        self.webhook = Webhook(self.situations, self.receiver, observer=ignore)
        self.agreed: Counter[str] = Counter()

    def answers(self, method: str, part: str, change: Change) -> None:
        """Let the API's answers to a method at addresses with `part` in their path be changed, besides earlier ones."""
        before = self.http.change

        def both(exchange: Exchange) -> None:
            before(exchange)
            if exchange.method == method and exchange.url.partition("?")[0].endswith(part):
                change(exchange)

        self.http.change = both


def showing(**fields: Any) -> Change:
    """Return a change of fields in a JSON answer; None takes one out."""

    def change(exchange: Exchange) -> None:
        body = json.loads(exchange.response_body or b"{}") | fields
        exchange.response_body = json.dumps({name: value for name, value in body.items() if value is not None}).encode()

    return change


def with_status(status: int | None) -> Change:
    """Return a change of an answer's status; None: no answer came."""

    def change(exchange: Exchange) -> None:
        exchange.status = status
        exchange.error = None if status else "ReadTimeout: too late"

    return change


@contextmanager
def open_sandbox(*deviations: str) -> Iterator[Sandbox]:
    """Serve a sandbox and the suite's webhook for the block."""
    driver, receiver = LimitedDriver(deviations=deviations), Receiver()
    try:
        with MeddledClient() as http, serve(receiver) as serving:
            driver.set_webhook(f"{serving.url}/webhook")
            yield Sandbox(driver, http, receiver)
    finally:
        driver.close()
