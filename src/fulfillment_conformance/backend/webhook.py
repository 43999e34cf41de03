"""How a test gets to hear what a marketplace tells the publisher, and says how the publisher's webhook reacts."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.notifications import Notification
from fulfillment_conformance.backend.patience import Patience
from fulfillment_conformance.backend.receiver import Reaction, Receiver
from fulfillment_conformance.backend.signs import NOTIFICATIONS
from fulfillment_conformance.backend.situations import Purchase, Situations
from fulfillment_conformance.backend.under_test import MarketplaceUnderTest
from fulfillment_conformance.drivers.base import DeliveryRecord
from fulfillment_conformance.errors import ConformanceError
from fulfillment_conformance.exchange import Exchange, Observer
from fulfillment_conformance.interruptions import Interruption, MissingCapability, Precondition
from fulfillment_conformance.run import Run
from fulfillment_conformance.serving import serve
from fulfillment_conformance.target import MarketplaceTarget

A = TypeVar("A", bound=Answer)

COMING = timedelta(minutes=10)
"""How long a notification may be on its way, in the target's own time."""
STEPS = (*(timedelta(seconds=1),) * 10, *(timedelta(seconds=5),) * 10)
"""How a waiting test lets the target's time pass at first, so as not to sleep through the ten seconds in which the
publisher may still answer a change; half a minute at a time after that."""
QUIET = timedelta(seconds=2)
"""How long a notification may be on its way when what is under way is asked for, in the target's own time."""
COMING_SECONDS = 10.0
"""How long one is waited for on a target whose clock cannot be advanced."""
LATE_SECONDS = 5.0
"""How long of that once the operation has an outcome; less on a target that has shown to be quick."""
GLANCE_SECONDS = 0.25
"""How often such a target is asked whether the operation has an outcome."""
QUIET_SECONDS = 3.0
"""How long such a target is listened to before it counts as having said nothing more; less, likewise."""


class Webhook:
    """The notifications of one target: heard at the suite's own webhook, else read in the target's records of them."""

    def __init__(
        self,
        situations: Situations,
        receiver: Receiver | None,
        *,
        observer: Observer,
        on_listening: Callable[[], None] = lambda: None,
    ) -> None:
        """Listen at `receiver`; None where the target's webhook address cannot be set.

        `observer` hears of notifications that the target has recorded, `on_listening` whenever a test listens for some.
        """
        self._situations = situations
        self._receiver = receiver
        self._observer = observer
        self._on_listening = on_listening
        self._recorded: dict[tuple[str, int], Notification] = {}
        self._late = Patience(shortest=2.0, longest=LATE_SECONDS)
        self._quiet = Patience(shortest=1.0, longest=QUIET_SECONDS)

    def reacts(self, purchase: Purchase, *reactions: Reaction, action: str | None = None) -> None:
        """Say what happens to the coming calls about a subscription, see `Receiver.reacts`."""
        self._own().reacts(purchase.id, *reactions, action=action)

    @contextmanager
    def usually(self, reaction: Reaction) -> Iterator[None]:
        """Let calls that nothing else has been said about be treated so, while the block runs."""
        receiver = self._own()
        before, receiver.usual = receiver.usual, reaction
        try:
            yield
        finally:
            receiver.usual = before

    def at_receipt(self, purchase: Purchase, look: Callable[[Notification], A]) -> dict[str, A]:
        """Look at something while the coming calls about a subscription are open; returns what was seen, by action.

        The dictionary fills as calls come in; of several calls with one action the first counts.
        """
        seen: dict[str, A] = {}

        def glance(notification: Notification) -> None:
            if notification.action is not None and notification.action not in seen:
                seen[notification.action] = look(notification)

        self.reacts(purchase, Reaction(meanwhile=glance))
        return seen

    def hears(
        self, purchase: Purchase, action: str, *, more_than: int = 0, operation: str | None = None
    ) -> Notification | None:
        """Wait for a notification and return it, None when none comes.

        Args:
            purchase: the subscription that it is about.
            action: the event.
            more_than: how many of them there have been before.
            operation: the operation that it is about, if that is known; when it has had an outcome for a while,
                nothing is waited for any more.
        """

        def found() -> bool:
            return len(self._of(purchase, action)) > more_than

        if self._situations.has("clock"):
            waited = timedelta()
            self._situations.driver.advance(waited)  # whatever is under way arrives
            steps = iter(STEPS)
            while not found() and waited < COMING:
                step = next(steps, timedelta(seconds=30))
                self._situations.driver.advance(step)
                waited += step
        else:
            idle = self._situations.idle_after(purchase, operation, self._late)
            began = time.monotonic()
            while not found() and not idle() and time.monotonic() - began < COMING_SECONDS:
                self._wait_for(found, GLANCE_SECONDS)
            if found():
                self._late.took(time.monotonic() - began)
                self._quiet.took(time.monotonic() - began)
        came = self._of(purchase, action)
        return came[more_than] if len(came) > more_than else None

    def expects(self, purchase: Purchase, action: str, *, operation: str | None = None) -> Notification:
        """Wait for a notification that this test is not about; see `hears`.

        Raises:
            Precondition: none comes.
        """
        notification = self.hears(purchase, action, operation=operation)
        if notification is None:
            came = ", ".join(str(each.action) for each in self._of(purchase)) or "nothing"
            raise Precondition(f"the webhook was not called with {action} (WHK-001, WHK-002); it heard {came}")
        return notification

    def heard(self, purchase: Purchase, action: str | None = None) -> list[Notification]:
        """Return all that was said about a subscription, once everything under way has arrived.

        Two seconds of the target's time pass for it, as nothing says that a notification is sent at once. A target
        whose clock cannot be advanced is listened to for `QUIET_SECONDS` at most.
        """
        if self._situations.has("clock"):
            self._situations.driver.advance(QUIET)
        else:
            before = len(self._of(purchase, action))
            self._wait_for(lambda: len(self._of(purchase, action)) > before, self._quiet.seconds)
        return self._of(purchase, action)

    def _own(self) -> Receiver:
        if self._receiver is None:
            raise MissingCapability("webhook")
        return self._receiver

    def _wait_for(self, met: Callable[[], bool], seconds: float) -> None:
        if self._receiver is not None:
            self._receiver.wait(met, seconds)
            return
        deadline = time.monotonic() + seconds
        while not met() and time.monotonic() < deadline:
            time.sleep(0.2)  # the target's records can only be asked for

    def _of(self, purchase: Purchase, action: str | None = None) -> list[Notification]:
        self._on_listening()
        if self._receiver is not None:
            calls = self._receiver.calls(purchase.id)
        elif self._situations.has("deliveries"):
            records = self._situations.driver.deliveries(subscription_id=purchase.id)
            if unsent := [record for record in records if not record.url]:
                raise MissingCapability("webhook", f": its notifications are not sent: {unsent[0].error}")
            calls = [self._read(record) for record in records]
        else:
            raise MissingCapability("webhook")
        return [call for call in calls if action is None or call.action == action]

    def _read(self, record: DeliveryRecord) -> Notification:
        key = (record.operation_id, record.attempt)
        if key not in self._recorded:
            response = record.response
            exchange = Exchange(
                sender="marketplace",
                receiver="publisher",
                method="POST",
                url=record.url,
                request_headers=tuple(record.request.headers.items()),
                request_body=json.dumps(dict(record.request.body)).encode(),
                status=response.status if response else None,
                response_headers=tuple(response.headers.items()) if response else (),
                response_body=response.body.encode() if response else b"",
                error=record.error,
                virtual_at=record.sent_at,
                purpose="delivery, as the target recorded it",
            )
            self._observer(exchange)
            self._recorded[key] = Notification(exchange)
        return self._recorded[key]


@contextmanager
def open_webhook(run: Run, under_test: MarketplaceUnderTest) -> Iterator[Webhook]:
    """Serve the suite's own webhook and have the target call it, where it can be told to.

    Raises:
        PortInUse: somebody else listens at `webhook_listen` of the target file.
    """
    target = run.target
    assert isinstance(target, MarketplaceTarget)
    driver = under_test.driver

    def observe(exchange: Exchange) -> None:
        run.recorder(exchange)
        run.life(exchange)

    def listening() -> None:
        run.life.called(NOTIFICATIONS)

    if "webhook" not in driver.capabilities:
        yield Webhook(under_test.situations, None, observer=observe, on_listening=listening)
        return
    receiver = Receiver(observer=observe, clock=getattr(driver, "peek_time", lambda: None))
    with serve(receiver, host=target.webhook_listen.host, port=target.webhook_listen.port) as serving:
        driver.set_webhook(f"{serving.url}/webhook")
        try:
            yield Webhook(under_test.situations, receiver, observer=observe, on_listening=listening)
        finally:
            with suppress(ConformanceError, Interruption):  # a target that is gone by now has been judged for it
                driver.set_webhook(None)
