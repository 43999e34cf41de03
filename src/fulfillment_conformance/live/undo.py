"""Puts plans and seats back as they were, the latest change first; after a test, after an interruption, or much later.

What is to be done is read from the ledger alone, so that it does not matter who dies when. A change of which nobody
knows whether it was carried out is looked at; one that is still under way is waited for; and a subscription counts as
put back only when it shows its former value and nothing more is coming.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar

from fulfillment_conformance.answers import OperationAnswer, SubscriptionAnswer
from fulfillment_conformance.backend.client import AcceptedAnswer, FulfillmentClient
from fulfillment_conformance.live.http import LiveHttp
from fulfillment_conformance.live.ledger import UNDO_COST, Change

T = TypeVar("T")

FINAL: Final = frozenset({"Succeeded", "Failed", "Conflict"})
SETTLING: Final = 60.0
"""Seconds after which a change of which nobody knows an operation has shown its effect, or never will."""
PAUSES: Final = (0.05, 0.2, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0)
"""Seconds between looks at an operation, or between attempts while another change is under way."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of undoing one change: `undone`, `lost` (the subscription has ended), or `open` and why."""

    change: Change
    result: Literal["undone", "lost", "open"]
    why: str = ""

    def __str__(self) -> str:
        what = f"subscription {self.change.subscription}: {self.change.field} {self.change.wanted!r}"
        if self.result == "undone":
            return f"{what} is {self.change.before!r} again"
        return f"{what} is not put back to {self.change.before!r}: {self.why}"


class _Spent(Exception):  # noqa: N818 - it says how far things are
    """As many requests were sent for one change as are kept back for it."""


class Undo:
    """Undoes what the ledger of a `LiveHttp` names."""

    def __init__(
        self, client: FulfillmentClient, http: LiveHttp, *, wait: Callable[[float], object] = time.sleep
    ) -> None:
        """Use `client`, which sends by `http`; `wait` sleeps."""
        self._client = client
        self._http = http
        self._wait = wait
        self._sent = 0

    def everything(self) -> list[Outcome]:
        """Undo every open change, the latest first, and return what came of each.

        A change that cannot be undone keeps the earlier ones of its subscription open, too.

        Raises:
            MissingCapability: the target file, the budget or the kill switch forbids it.
            EnvironmentUnavailable: the service cannot be reached, or gives no token.
        """
        outcomes: list[Outcome] = []
        stuck: set[str] = set()
        with self._http.undoing():
            for change in self._http.ledger.open_changes():
                if change.subscription in stuck:
                    outcomes.append(Outcome(change, "open", "a later change has to be undone first"))
                    continue
                outcome = self._one(change)
                if outcome.result == "open":
                    stuck.add(change.subscription)
                else:
                    self._http.ledger.note(change, state=outcome.result)
                outcomes.append(outcome)
        return outcomes

    def _one(self, change: Change) -> Outcome:
        self._sent = 0
        try:
            return self._put_back(change)
        except _Spent:
            return Outcome(change, "open", f"after {self._sent} requests it was still under way; run restore later")

    def _put_back(self, change: Change) -> Outcome:
        answered, is_settled = "nothing", False
        for pause in PAUSES:
            if change.operation is None or answered == "409":
                change = self._looked_for(change)
            ended = [self._end_of(change, operation) for operation in (change.operation, change.undo_operation)]
            shown = self._get(change)
            if shown.status_code == 404 or shown.status.value == "Unsubscribed":
                return Outcome(change, "lost", "the subscription has ended")
            if not shown.is_success:
                return Outcome(change, "open", f"Get Subscription answered {shown.status_code or shown.error}")
            is_back = self._shows_before(change, shown)
            # The former value may show although a change is on its way that the suite did not hear of: a request that
            # was cut off, or one whose effect shows late. Only a change that has failed, or an undoing that has ended,
            # is sure to leave it so; anything else is asked once more.
            if is_back and (ended[0] in {"Failed", "Conflict"} or ended[1] == "Succeeded"):
                return Outcome(change, "undone")
            accepted = self._patch(change)
            answered = str(accepted.status_code or accepted.error)
            if accepted.status_code == 202 and accepted.operation_id:
                change = self._begun(change, accepted.operation_id)
            elif accepted.status_code == 400 and is_back:
                if change.operation is not None or is_settled:
                    return Outcome(change, "undone")
                # Nobody knows of an operation, and nothing lists one: whatever comes has to come within its time.
                self._wait(max(SETTLING - (datetime.now(UTC) - change.at).total_seconds(), 0.0))
                is_settled = True
            elif accepted.is_client_error and accepted.status_code not in {408, 409, 429}:
                return Outcome(change, "open", f"the change back was answered {answered}")
            else:
                self._wait(pause)
        return Outcome(change, "open", f"the change back was answered {answered} again and again")

    def _begun(self, change: Change, operation: str) -> Change:
        self._http.ledger.note(change, undo_operation=operation)
        return replace(change, undo_operation=operation)

    def _looked_for(self, change: Change) -> Change:
        """Look among the outstanding operations for those of a change or its undoing whose answer was never read."""
        listed = self._counted(lambda: self._client.list_operations(change.subscription))
        action = "ChangePlan" if change.field == "planId" else "ChangeQuantity"
        for entry in listed.entries:
            operation, value = entry["id"].value, str(entry[change.field].value).strip()
            if not isinstance(operation, str) or entry["action"].value != action or entry["status"].value in FINAL:
                continue
            if value == change.wanted and change.operation is None:
                self._http.ledger.note(change, operation=operation)
                change = replace(change, operation=operation)
            elif value == change.before:
                change = self._begun(change, operation)
        return change

    def _end_of(self, change: Change, operation: str | None) -> str:
        """Wait for the end of an operation, and return its last status; nothing for one that is not known."""
        if operation is None:
            return ""
        status = ""
        for number, pause in enumerate(PAUSES):
            got: OperationAnswer = self._counted(lambda: self._client.get_operation(change.subscription, operation))
            status = str(got.status.value)
            if status in FINAL or got.is_client_error:
                break
            if number == 0:
                # Whoever begins a change may end it; what the service says to that is no matter.
                self._counted(lambda: self._client.update_operation(change.subscription, operation, "Success"))
            else:
                self._wait(pause)
        return status

    def _get(self, change: Change) -> SubscriptionAnswer:
        return self._counted(lambda: self._client.get_subscription(change.subscription))

    def _patch(self, change: Change) -> AcceptedAnswer:
        if change.field == "planId":
            return self._counted(lambda: self._client.change_plan(change.subscription, change.before))
        return self._counted(lambda: self._client.change_quantity(change.subscription, int(change.before)))

    def _shows_before(self, change: Change, shown: SubscriptionAnswer) -> bool:
        value = shown.plan.value if change.field == "planId" else shown.quantity.value
        return str(value).strip() == change.before

    def _counted(self, call: Callable[[], T]) -> T:
        if self._sent >= UNDO_COST:
            raise _Spent
        self._sent += 1
        return call()


def told(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield a sentence for each change that is not back."""
    return (str(outcome) for outcome in outcomes if outcome.result != "undone")
