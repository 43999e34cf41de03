"""How the publisher learns of events: deliveries, retries, and what an answer means.

Source: pc-saas-fulfillment-webhook. Whoever sends a delivery reports the status that came back; here it is decided
whether the notification is done, is sent again, or has rejected the change it announced.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta

from fulfillment_conformance.marketplace.foundation import Foundation
from fulfillment_conformance.marketplace.operations import Action, Delivery, Operation
from fulfillment_conformance.marketplace.subscriptions import Subscription
from fulfillment_conformance.marketplace.timers import Timer, TimerKind


@dataclass(slots=True)
class Notification:
    """An announcement under way: what is nested in it, how often it was sent, and what it waits for."""

    subscription: Subscription | None
    attempts: int = 0
    unanswered: str | None = None
    timer: Timer | None = None


class Notifications(Foundation, ABC):
    """Announces operations and listens to the answers."""

    def _forget(self) -> None:
        super()._forget()
        self._notifications: dict[str, Notification] = {}
        self._outbox: list[Delivery] = []

    # --- what the sender calls ---

    def take_deliveries(self) -> list[Delivery]:
        """Return the attempts to make now, in order; each is returned once."""
        taken, self._outbox = self._outbox, []
        return taken

    def delivery_answered(self, delivery: Delivery, status: int | None) -> None:
        """Tell what came of an attempt: the HTTP status, or None when no answer came (refused, timed out).

        An answer to an attempt that was answered before, or whose operation has ended meanwhile, changes nothing.
        """
        operation_id = delivery.operation.id
        notification = self._notifications.get(operation_id)
        if notification is None or notification.unanswered != delivery.id:
            return
        notification.unanswered = None
        operation = self._operations[operation_id]
        if self.is_taken_in(status):
            self._taken_in(operation, notification)
        elif self.is_rejection(delivery, status):
            self.reject(operation)
        elif notification.attempts < self.rules.delivery_attempts:
            due = self.next_attempt_at(delivery)
            notification.timer = self._timers.set(due, TimerKind.RETRY, operation_id)
        else:
            self._give_up(operation)

    def send_again(self, operation_id: str) -> None:
        """Make the next attempt now, if one is due later because the last was not accepted; else do nothing."""
        notification = self._notifications.get(operation_id)
        timer = notification.timer if notification is not None else None
        if timer is not None and timer.live and timer.kind is TimerKind.RETRY:
            self._timers.cancel(timer)
            self.attempt(operation_id)

    # --- decisions ---

    def is_taken_in(self, status: int | None) -> bool:
        """Say whether an answer means that the publisher has the notification: any 2xx."""
        return status is not None and 200 <= status < 300

    def is_rejection(self, delivery: Delivery, status: int | None) -> bool:
        """Say whether an answer rejects the change that was announced: a 4xx within the acceptance window."""
        return (
            delivery.action.is_change
            and status is not None
            and 400 <= status < 500
            and self._now - delivery.sent_at <= self.rules.acceptance_window
        )

    def next_attempt_at(self, delivery: Delivery) -> datetime:
        """Return when to try again; counted from the attempt, so that slow answers do not stretch the eight hours."""
        return max(self._now, delivery.sent_at + self.rules.retry_spacing)

    def silence_ends_at(self, operation: Operation) -> datetime:
        """Return when a change or reinstatement that was taken in ends by itself."""
        if operation.action.is_change and not self.rules.silence_accepts:
            return max(self._now, operation.created + self._retry_period())
        return self._now + self.rules.acceptance_window

    @abstractmethod
    def accept(self, operation: Operation) -> None:
        """Carry out a pending operation."""

    @abstractmethod
    def reject(self, operation: Operation) -> None:
        """End a pending change that the publisher does not want."""

    @abstractmethod
    def fail(self, operation: Operation, reason: str) -> None:
        """End a pending operation without carrying it out."""

    # --- what happens by and by ---

    def announce(self, operation: Operation, subscription: Subscription | None) -> None:
        """Begin to tell the publisher of an operation; `subscription` is the state to nest, if any."""
        self._notifications[operation.id] = Notification(subscription)
        self.attempt(operation.id)

    def attempt(self, operation_id: str) -> None:
        """Make the next attempt of a notification."""
        notification = self._notifications[operation_id]
        notification.attempts += 1
        delivery = self._post(self._operations[operation_id], notification.subscription, notification.attempts)
        notification.unanswered = delivery.id

    def end_silence(self, operation_id: str) -> None:
        """Take silence after a 2xx for consent or, under some rules, for failure."""
        operation = self._operations[operation_id]
        if operation.action.is_change and not self.rules.silence_accepts:
            self.fail(operation, "The publisher did not acknowledge the change.")
        else:
            self.accept(operation)

    def repeat(self, operation_id: str) -> None:
        """Deliver once more what was taken in already; nobody waits for the answer."""
        notification = self._notifications.pop(operation_id)
        self._post(self._operations[operation_id], notification.subscription, notification.attempts + 1)

    # --- inside ---

    def _post(self, operation: Operation, subscription: Subscription | None, attempt: int) -> Delivery:
        delivery = Delivery(
            id=f"{operation.id}/{attempt}",
            operation=operation,
            subscription=subscription,
            attempt=attempt,
            sent_at=self._now,
        )
        self._outbox.append(delivery)
        return delivery

    def _taken_in(self, operation: Operation, notification: Notification) -> None:
        if operation.is_pending:
            notification.timer = self._timers.set(self.silence_ends_at(operation), TimerKind.SILENCE, operation.id)
            return
        repeated_after = self.rules.unsubscribe_repeated_after
        if operation.action is Action.UNSUBSCRIBE and repeated_after is not None:
            notification.timer = self._timers.set(self._now + repeated_after, TimerKind.REPEAT, operation.id)
        else:
            self._withdraw(operation)

    def _give_up(self, operation: Operation) -> None:
        self._withdraw(operation)
        if operation.is_pending:
            self.fail(operation, f"The webhook did not accept the call in {self.rules.delivery_attempts} attempts.")

    def _withdraw(self, operation: Operation) -> None:
        """Stop announcing: what was posted goes out, nothing more is sent, no answer is waited for."""
        notification = self._notifications.pop(operation.id, None)
        if notification is not None:
            self._timers.cancel(notification.timer)

    def _retry_period(self) -> timedelta:
        return self.rules.retry_spacing * self.rules.delivery_attempts
