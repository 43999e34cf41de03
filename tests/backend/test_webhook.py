import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from tests.backend.sandbox import LimitedDriver

from fulfillment_conformance.backend import webhook as webhook_module
from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.backend.receiver import Reaction, Receiver
from fulfillment_conformance.backend.situations import Situations
from fulfillment_conformance.backend.webhook import Webhook
from fulfillment_conformance.drivers.embedded import EmbeddedDriver
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient
from fulfillment_conformance.interruptions import MissingCapability, Precondition
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.serving import serve


class Heard:
    """A webhook on an embedded sandbox."""

    def __init__(self, driver: EmbeddedDriver, situations: Situations, webhook: Webhook) -> None:
        self.driver = driver
        self.situations = situations
        self.webhook = webhook
        self.observed: list[Exchange] = []


Opener = Callable[..., Heard]


@pytest.fixture
def hear() -> Iterator[Opener]:
    with ExitStack() as stack:

        def hear(*missing: str, driver: type[LimitedDriver] = LimitedDriver) -> Heard:
            sandbox = driver()
            sandbox.missing = frozenset(missing)
            stack.callback(sandbox.close)
            http = stack.enter_context(HttpClient())
            token = sandbox.access_token("valid")
            client = FulfillmentClient(sandbox.base_url, http=http, access_token=lambda: token)
            situations = Situations(sandbox, client, redactor=Redactor())
            receiver = None
            if "webhook" in missing:
                sandbox.emulator.courier.url = "http://127.0.0.1:9/closed"
            else:
                receiver = Receiver()
                serving = stack.enter_context(serve(receiver))
                sandbox.set_webhook(f"{serving.url}/webhook")
            observed: list[Exchange] = []
            heard = Heard(sandbox, situations, Webhook(situations, receiver, observer=observed.append))
            heard.observed = observed
            return heard

        yield hear


def test_a_notification_is_heard(hear: Opener) -> None:
    here = hear()
    purchase, operation_id = here.situations.happening("Suspend")

    notification = here.webhook.hears(purchase, "Suspend")

    assert notification is not None
    assert notification.operation_id == operation_id
    assert [call.action for call in here.webhook.heard(purchase)] == ["Suspend"]
    assert here.webhook.heard(purchase, "Renew") == []


def test_a_later_one_is_waited_for(hear: Opener) -> None:
    here = hear()
    purchase = here.situations.subscribed()
    here.webhook.reacts(purchase, Reaction(status=500))
    here.situations.event(purchase, "Suspend")

    first, third = (here.webhook.hears(purchase, "Suspend", more_than=count) for count in (0, 2))

    assert first is not None
    assert third is not None
    assert first.operation_id == third.operation_id


def test_what_never_comes_is_none_and_a_failed_precondition_for_others(hear: Opener) -> None:
    here = hear()
    purchase = here.situations.subscribed()
    here.situations.event(purchase, "Suspend")
    before = here.situations.now()

    assert here.webhook.hears(purchase, "Renew") is None
    assert here.situations.now() - before >= webhook_module.COMING
    with pytest.raises(Precondition, match=r"not called with Renew.*heard Suspend"):
        here.webhook.expects(purchase, "Renew")


def test_something_is_looked_at_while_the_call_is_open(hear: Opener) -> None:
    here = hear()
    purchase = here.situations.subscribed()
    seen = here.webhook.at_receipt(purchase, lambda _: here.situations.client.get_subscription(purchase.id))
    here.situations.event(purchase, "Suspend")
    here.webhook.expects(purchase, "Suspend")

    assert seen["Suspend"].status.value == "Suspended"


def test_what_is_usual_holds_for_subscriptions_not_known_yet(hear: Opener) -> None:
    here = hear()
    with here.webhook.usually(Reaction(status=418)):
        purchase = here.situations.buy(plan=here.situations.auto_activated_plan())
        notification = here.webhook.expects(purchase, "Subscribe")
    here.situations.event(purchase, "Suspend")

    assert notification.exchange.status == 418
    assert here.webhook.expects(purchase, "Suspend").exchange.status == 200


def test_without_a_webhook_the_records_of_the_target_tell(hear: Opener) -> None:
    here = hear("webhook")
    purchase, operation_id = here.situations.happening("Suspend")
    notification = here.webhook.expects(purchase, "Suspend")

    assert notification.operation_id == operation_id
    assert notification["subscriptionId"].value == purchase.id
    assert notification.exchange.error is not None
    assert here.webhook.expects(purchase, "Suspend") is notification
    assert [exchange for exchange in here.observed if exchange is notification.exchange] == [notification.exchange]
    with pytest.raises(MissingCapability, match="'webhook'"):
        here.webhook.reacts(purchase, Reaction())


def test_without_either_nothing_can_be_heard(hear: Opener) -> None:
    here = hear("webhook", "deliveries")
    purchase = here.situations.subscribed()

    with pytest.raises(MissingCapability, match="'webhook'"):
        here.webhook.hears(purchase, "Suspend")


@pytest.mark.parametrize("missing", [("clock",), ("clock", "webhook")])
def test_without_a_clock_real_time_passes(
    hear: Opener, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    monkeypatch.setattr(webhook_module, "COMING_SECONDS", 0.1)
    monkeypatch.setattr(webhook_module, "QUIET_SECONDS", 0.1)
    here = hear(*missing)
    purchase = here.situations.subscribed()
    here.situations.event(purchase, "Suspend")

    started = time.monotonic()
    assert here.webhook.hears(purchase, "Renew") is None
    assert 0.1 <= time.monotonic() - started < 5
    here.situations.event(purchase, "Reinstate")
    assert [call.action for call in here.webhook.heard(purchase)][:1] == ["Suspend"]


class Noting(LimitedDriver):
    """A sandbox that notes how much time it is let pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[timedelta] = []

    def advance(self, span: timedelta) -> datetime:
        self.spans.append(span)
        return super().advance(span)


def test_a_notification_is_waited_for_in_steps_that_leave_time_to_answer(hear: Opener) -> None:
    here = hear(driver=Noting)
    purchase = here.situations.subscribed()
    here.driver.spans.clear()  # type: ignore[attr-defined]

    assert here.webhook.hears(purchase, "Renew") is None
    spans = [span.total_seconds() for span in here.driver.spans]  # type: ignore[attr-defined]
    assert spans[:11] == [0, *[1] * 10]
    assert max(spans[11:21]) == 5
    assert sum(spans) >= webhook_module.COMING.total_seconds()


def test_what_is_on_its_way_counts_as_under_way(hear: Opener) -> None:
    here = hear(driver=Noting)
    purchase = here.situations.subscribed()
    here.driver.spans.clear()  # type: ignore[attr-defined]
    here.webhook.heard(purchase)

    assert here.driver.spans == [webhook_module.QUIET]  # type: ignore[attr-defined]
