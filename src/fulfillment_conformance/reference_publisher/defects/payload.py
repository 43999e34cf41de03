"""Webhooks that insist on one form of a payload, or make too much of it."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Collection
from typing import Any

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.messages import Event, seats
from fulfillment_conformance.reference_publisher.webhook import DONE, EXPECTED, Verdict

_KNOWN_FIELDS = frozenset(
    {
        "id", "activityId", "subscriptionId", "publisherId", "offerId", "planId", "quantity", "timeStamp", "action",
        "status", "operationRequestSource", "subscription", "purchaseToken",
    }
)  # fmt: skip


def _insisting(
    publisher: ReferencePublisher, insist: Callable[[dict[str, Any]], None], *, actions: Collection[str] = ()
) -> None:
    """Let `insist` look at every payload, or at those of some actions, before it is read; what it raises happens."""
    read = publisher.webhook.read

    def read_strictly(body: bytes) -> Event:
        event = read(body)
        if not actions or event.action in actions:
            insist(json.loads(body))
        return event

    replace(publisher.webhook, "read", read_strictly)


@defect("refuses-unknown-properties", breaks=["WHK-011"])
def refuses_unknown_properties(publisher: ReferencePublisher) -> None:
    """A payload with a property that is not in the documentation is no notification."""

    def insist(payload: dict[str, Any]) -> None:
        if unknown := set(payload) - _KNOWN_FIELDS:
            raise ValueError(f"unknown properties: {', '.join(sorted(unknown))}")

    _insisting(publisher, insist)


@defect("fails-on-broken-json", breaks=["WHK-043"])
def fails_on_broken_json(publisher: ReferencePublisher) -> None:
    """A body that is no JSON is answered 500."""
    read = publisher.webhook.read

    def read_carelessly(body: bytes) -> Event:
        try:
            json.loads(body)
        except ValueError as error:
            raise RuntimeError("unhandled") from error
        return read(body)

    replace(publisher.webhook, "read", read_carelessly)


@defect("requires-seats-as-a-number", breaks=["EVT-014", "EVT-015"])
def requires_seats_as_a_number(publisher: ReferencePublisher) -> None:
    """A quantity given as text makes the webhook fail."""

    def insist(payload: dict[str, Any]) -> None:
        if isinstance(payload.get("quantity"), str):
            raise TypeError("quantity is not a number")

    _insisting(publisher, insist)


@defect("requires-the-nested-subscription", breaks=["EVT-014", "EVT-042"])
def requires_the_nested_subscription(publisher: ReferencePublisher) -> None:
    """A payload without a subscription object is refused."""

    def insist(payload: dict[str, Any]) -> None:
        if not isinstance(payload.get("subscription"), dict):
            raise ValueError("subscription is missing")  # noqa: TRY004 - the webhook answers it with 400

    _insisting(publisher, insist)


@defect("requires-descriptions", breaks=["EVT-014", "EVT-042"])
def requires_descriptions(publisher: ReferencePublisher) -> None:
    """A payload whose offer, plan or publisher is empty is refused."""

    def insist(payload: dict[str, Any]) -> None:
        if not all(payload.get(name) for name in ("offerId", "planId", "publisherId")):
            raise ValueError("the notification describes nothing")

    _insisting(publisher, insist)


@defect("acts-by-the-status-word", breaks=["EVT-014", "EVT-043"])
def acts_by_the_status_word(publisher: ReferencePublisher) -> None:
    """Payloads with another status word than InProgress or Succeeded are refused."""

    def insist(payload: dict[str, Any]) -> None:
        if payload.get("status", "InProgress") not in {"InProgress", "Succeeded", "", None}:
            raise ValueError("this status is not expected")

    _insisting(publisher, insist)


@defect("fails-on-times-with-an-offset", breaks=["EVT-044"])
def fails_on_times_with_an_offset(publisher: ReferencePublisher) -> None:
    """A timeStamp that does not end in Z makes the webhook fail."""

    def insist(payload: dict[str, Any]) -> None:
        if not re.fullmatch(r"[0-9-]+T[0-9:.]+Z", str(payload.get("timeStamp"))):
            raise TypeError("timeStamp is not in UTC")

    _insisting(publisher, insist)


@defect("fails-on-a-missing-term", breaks=["EVT-034", "EVT-045", "WHK-035"])
def fails_on_a_missing_term(publisher: ReferencePublisher) -> None:
    """A subscription object without term dates makes the webhook fail."""

    def insist(payload: dict[str, Any]) -> None:
        subscription = payload.get("subscription")
        if isinstance(subscription, dict) and not (subscription.get("term") or {}).get("endDate"):
            raise TypeError("the term has no end")

    _insisting(publisher, insist)


@defect("fails-on-long-operation-ids", breaks=["WHK-051"])
def fails_on_long_operation_ids(publisher: ReferencePublisher) -> None:
    """An operation id that is no GUID makes the webhook fail."""

    def insist(payload: dict[str, Any]) -> None:
        if len(str(payload.get("id"))) != 36:
            raise TypeError("the operation id is not a GUID")

    _insisting(publisher, insist)


@defect("fails-on-unknown-actions", breaks=["WHK-033"])
def fails_on_unknown_actions(publisher: ReferencePublisher) -> None:
    """An action that is not among the known ones makes the webhook fail."""
    take = publisher.webhook.take

    async def take_by_enumeration(event: Event) -> Verdict:
        if event.action not in publisher.webhook.handlers:
            raise KeyError(event.action)
        return await take(event)

    replace(publisher.webhook, "take", take_by_enumeration)


@defect("reports-unknown-actions", breaks=["V1-009", "WHK-033"])
def reports_unknown_actions(publisher: ReferencePublisher) -> None:
    """The operation of an unknown action is reported as carried out."""
    take = publisher.webhook.take

    async def take_and_report(event: Event) -> Verdict:
        if event.action not in publisher.webhook.handlers:
            return Verdict(then=functools.partial(publisher.webhook.report, event, "Success"))
        return await take(event)

    replace(publisher.webhook, "take", take_and_report)


@defect("tells-events-apart-by-activity", breaks=["WHK-054"])
def tells_events_apart_by_activity(publisher: ReferencePublisher) -> None:
    """Two operations that share an activity id are taken for one."""
    first: dict[str, str] = {}
    duplicates: set[str] = set()

    def insist(payload: dict[str, Any]) -> None:
        operation = str(payload.get("id"))
        if first.setdefault(str(payload.get("activityId")), operation) != operation:
            duplicates.add(operation)

    _insisting(publisher, insist)
    handled = publisher.webhook.already_handled
    replace(publisher.webhook, "already_handled", lambda event: event.operation_id in duplicates or handled(event))


@defect("requires-the-nested-subscription-at-renew", breaks=["EVT-014"])
def requires_the_nested_subscription_at_renew(publisher: ReferencePublisher) -> None:
    """A Renew without a subscription object makes the webhook fail; other events need none."""

    def insist(payload: dict[str, Any]) -> None:
        if not isinstance(payload.get("subscription"), dict):
            raise TypeError("subscription is missing")

    _insisting(publisher, insist, actions={"Renew"})


@defect("requires-seats-as-a-number-at-suspend", breaks=["EVT-015"])
def requires_seats_as_a_number_at_suspend(publisher: ReferencePublisher) -> None:
    """A Suspend whose quantity is not a number makes the webhook fail."""

    def insist(payload: dict[str, Any]) -> None:
        if not isinstance(payload.get("quantity", 0), int):
            raise TypeError("quantity is not a number")

    _insisting(publisher, insist, actions={"Suspend"})


@defect("knows-one-status-of-a-reinstatement", breaks=["EVT-014", "EVT-043"])
def knows_one_status_of_a_reinstatement(publisher: ReferencePublisher) -> None:
    """A Reinstate whose status is not InProgress is refused."""

    def insist(payload: dict[str, Any]) -> None:
        if payload.get("status", "InProgress") not in {"InProgress", "Succeeded"}:
            raise ValueError("this status is not expected")

    _insisting(publisher, insist, actions={"Reinstate"})


@defect("requires-times-in-utc-at-renew", breaks=["EVT-044"])
def requires_times_in_utc_at_renew(publisher: ReferencePublisher) -> None:
    """A Renew whose timeStamp does not end in Z makes the webhook fail."""

    def insist(payload: dict[str, Any]) -> None:
        if not str(payload.get("timeStamp", "Z")).endswith("Z"):
            raise TypeError("timeStamp is not in UTC")

    _insisting(publisher, insist, actions={"Renew"})


@defect("refuses-unknown-properties-of-suspend", breaks=["WHK-011"])
def refuses_unknown_properties_of_suspend(publisher: ReferencePublisher) -> None:
    """A Suspend with a property that is not in the documentation is no notification."""

    def insist(payload: dict[str, Any]) -> None:
        if unknown := set(payload) - _KNOWN_FIELDS:
            raise ValueError(f"unknown properties: {', '.join(sorted(unknown))}")

    _insisting(publisher, insist, actions={"Suspend"})


@defect("takes-the-seats-from-every-notice", breaks=["EVT-014", "EVT-015", "WHK-009", "WHK-045"])
def takes_the_seats_from_every_notice(publisher: ReferencePublisher) -> None:
    """Every notice sets the seats to what its payload says, and to none where it says nothing."""
    said: dict[str, int | None] = {}
    read, take = publisher.webhook.read, publisher.webhook.take

    def read_seats(body: bytes) -> Event:
        event = read(body)
        said[event.operation_id] = seats(json.loads(body).get("quantity"))
        return event

    async def take_seats(event: Event) -> Verdict:
        verdict = await take(event)
        account = publisher.accounts.get(event.subscription_id)
        if verdict.status != 200 or event.action not in EXPECTED or account is None or account.quantity is None:
            return verdict
        publisher.accounts.save(dataclasses.replace(account, quantity=said[event.operation_id] or 0))
        return DONE

    replace(publisher.webhook, "read", read_seats)
    replace(publisher.webhook, "take", take_seats)


@defect("takes-the-plan-from-a-renewal", breaks=["EVT-014", "WHK-009", "WHK-045"])
def takes_the_plan_from_a_renewal(publisher: ReferencePublisher) -> None:
    """The account gets the plan that the payload of a Renew names, or none where it names none."""
    take = publisher.webhook.take

    async def take_plan(event: Event) -> Verdict:
        verdict = await take(event)
        account = publisher.accounts.get(event.subscription_id)
        if verdict.status != 200 or event.action != "Renew" or account is None:
            return verdict
        publisher.accounts.save(dataclasses.replace(account, plan_id=event.plan_id))
        return DONE

    replace(publisher.webhook, "take", take_plan)
