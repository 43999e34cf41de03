"""Webhooks that do the wrong thing with a change of plan or seats."""

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.fulfillment import ApiRefused, ApiUnavailable, Result
from fulfillment_conformance.reference_publisher.messages import Event, Operation, Subscription
from fulfillment_conformance.reference_publisher.webhook import DONE, Verdict

_CHANGES = ("ChangePlan", "ChangeQuantity")


def _announced(event: Event, subscription: Subscription) -> Operation:
    """Return the operation that an event claims there is."""
    return Operation(
        id=event.operation_id,
        subscription_id=event.subscription_id,
        action=event.action,
        plan_id=event.plan_id or subscription.plan_id,
        quantity=event.quantity,
        status="InProgress",
    )


@defect("ignores-plan-changes", breaks=["EVT-018", "OPP-013", "REG-018", "WHK-003", "WHK-042"])
def ignores_plan_changes(publisher: ReferencePublisher) -> None:
    """ChangePlan is answered 200, and that is all: the marketplace takes silence for consent."""
    carry_out = publisher.webhook.carry_out
    report = publisher.webhook.report

    def do_nothing(account: Account, operation: Operation) -> None:
        if operation.action != "ChangePlan":
            carry_out(account, operation)

    async def say_nothing(event: Event, result: Result) -> None:
        if event.action != "ChangePlan":
            await report(event, result)

    replace(publisher.webhook, "carry_out", do_nothing)
    replace(publisher.webhook, "report", say_nothing)


@defect("ignores-seat-changes", breaks=["EVT-020", "OPP-013"])
def ignores_seat_changes(publisher: ReferencePublisher) -> None:
    """ChangeQuantity is answered 200, and that is all."""

    async def ignore(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:  # noqa: ARG001
        return DONE

    publisher.webhook.handlers["ChangeQuantity"] = ignore


@defect("reports-without-carrying-out", breaks=["EVT-018", "EVT-020", "OPP-014", "REG-018", "WHK-003"])
def reports_without_carrying_out(publisher: ReferencePublisher) -> None:
    """Success is reported for changes that never reach the account."""

    carry_out = publisher.webhook.carry_out

    def note_only(account: Account, operation: Operation) -> None:
        if operation.action in _CHANGES:
            publisher.accounts.save(account.having_handled(operation.id))
        else:
            carry_out(account, operation)

    replace(publisher.webhook, "carry_out", note_only)
    _never_follows_changes(publisher)


@defect("takes-the-value-before-the-change", breaks=["EVT-018", "OPP-014", "REG-018", "WHK-003"])
def takes_the_value_before_the_change(publisher: ReferencePublisher) -> None:
    """The plan of the nested subscription is applied, which is the one before the change."""
    carry_out = publisher.webhook.carry_out

    def carry_out_old(account: Account, operation: Operation) -> None:
        if operation.action == "ChangePlan":
            operation = dataclasses.replace(operation, plan_id=account.plan_id)
        carry_out(account, operation)

    replace(publisher.webhook, "carry_out", carry_out_old)
    _never_follows_changes(publisher)


def _never_follows_changes(publisher: ReferencePublisher) -> None:
    """Let nothing repair the account after a change, though the subscription is read."""
    settle = publisher.follower.settle

    async def look_only(subscription_id: str, operation_id: str) -> None:
        operation = await publisher.follower.find_operation(subscription_id, operation_id)
        if operation is not None and operation.action not in _CHANGES:
            await settle(subscription_id, operation_id)
        else:
            await publisher.follower.find(subscription_id)

    replace(publisher.follower, "settle", look_only)


@defect("trusts-the-payload", breaks=["EVT-014", "WHK-009", "WHK-045"])
def trusts_the_payload(publisher: ReferencePublisher) -> None:
    """The operation is read, but what is carried out is what the payload says."""
    change = publisher.webhook.change

    async def change_as_announced(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        if operation is not None and not operation.ended:
            operation = _announced(event, subscription)
        return await change(event, operation, subscription)

    publisher.webhook.handlers |= dict.fromkeys(_CHANGES, change_as_announced)
    replace(publisher.webhook, "contradiction", lambda _event, _operation: "")
    _never_follows_changes(publisher)


@defect(
    "never-reads-the-operation",
    breaks=["EVT-014", "GET-034", "LCY-019", "WHK-008", "WHK-009", "WHK-034", "WHK-044", "WHK-045"],
)
def never_reads_the_operation(publisher: ReferencePublisher) -> None:
    """A genuine token is proof enough; Get Operation is not called before a change is carried out."""
    read = publisher.webhook.operation

    async def believe(event: Event) -> Operation | None:
        if event.action not in _CHANGES:
            return await read(event)
        known = publisher.accounts.get(event.subscription_id)
        return Operation(
            id=event.operation_id,
            subscription_id=event.subscription_id,
            action=event.action,
            plan_id=event.plan_id or (known.plan_id if known else ""),
            quantity=event.quantity,
            status="InProgress",
        )

    replace(publisher.webhook, "operation", believe)
    _never_follows_changes(publisher)


@defect("acts-on-operations-that-nobody-knows", breaks=["WHK-009", "WHK-044"])
def acts_on_operations_that_nobody_knows(publisher: ReferencePublisher) -> None:
    """When Get Operation finds nothing, the payload has to do."""
    change = publisher.webhook.change

    async def change_anyway(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:
        return await change(event, operation or _announced(event, subscription), subscription)

    publisher.webhook.handlers |= dict.fromkeys(_CHANGES, change_anyway)


@defect("carries-out-before-verifying", breaks=["WHK-009", "WHK-032", "WHK-044", "WHK-045"])
def carries_out_before_verifying(publisher: ReferencePublisher) -> None:
    """The account has the new plan at once; a refusal afterwards does not take it back."""
    take = publisher.webhook.take

    async def take_at_once(event: Event) -> Verdict:
        account = publisher.accounts.get(event.subscription_id)
        if account is not None and account.access and event.action == "ChangePlan" and event.plan_id:
            publisher.accounts.save(dataclasses.replace(account, plan_id=event.plan_id))
        return await take(event)

    replace(publisher.webhook, "take", take_at_once)
    _never_follows_changes(publisher)


@defect("refuses-when-the-list-shows-nothing", breaks=["OPL-014"])
def refuses_when_the_list_shows_nothing(publisher: ReferencePublisher) -> None:
    """An operation that the list of outstanding operations does not show is taken for invalid."""
    read = publisher.webhook.operation

    async def read_list(event: Event) -> Operation | None:
        url = publisher.api.url(event.subscription_id, "operations")
        answer = await publisher.api.call("list operations", "GET", url)
        listed: dict[str, Any] = answer.json() if answer.content.strip() else {}
        ids = {entry.get("id") for entry in listed.get("operations") or ()}
        return await read(event) if event.operation_id in ids or event.action not in _CHANGES else None

    replace(publisher.webhook, "operation", read_list)


def _reporting(publisher: ReferencePublisher, word: str) -> None:
    report = publisher.api.report

    async def report_in_other_words(subscription_id: str, operation_id: str, _result: Result) -> None:
        await report(subscription_id, operation_id, word)  # type: ignore[arg-type]  # the defect

    replace(publisher.api, "report", report_in_other_words)


@defect("reports-succeeded", breaks=["OPP-003", "WHK-042"])
def reports_succeeded(publisher: ReferencePublisher) -> None:
    """PATCH says Succeeded, the word of another vocabulary."""
    _reporting(publisher, "Succeeded")


@defect("reports-in-lower-case", breaks=["OPP-003", "WHK-042"])
def reports_in_lower_case(publisher: ReferencePublisher) -> None:
    """PATCH says success instead of Success."""
    _reporting(publisher, "success")


@defect("reports-another-operation", breaks=["OPP-013", "WHK-039", "WHK-042"])
def reports_another_operation(publisher: ReferencePublisher) -> None:
    """PATCH names an id that is not the operation's."""
    report = publisher.api.report

    async def report_another(subscription_id: str, operation_id: str, result: Result) -> None:
        await report(subscription_id, operation_id[::-1], result)

    replace(publisher.api, "report", report_another)


@defect("reports-failure-of-what-it-did", breaks=["EVT-018", "EVT-020", "REG-018", "WHK-003", "WHK-042"])
def reports_failure_of_what_it_did(publisher: ReferencePublisher) -> None:
    """PATCH says Failure although the account has the new plan or the new seats."""
    report = publisher.webhook.report

    async def report_failure(event: Event, result: Result) -> None:
        await report(event, "Failure" if event.action in _CHANGES else result)

    replace(publisher.webhook, "report", report_failure)
    _never_follows_changes(publisher)


@defect("never-reports", breaks=["OPP-013", "WHK-042"])
def never_reports(publisher: ReferencePublisher) -> None:
    """The outcome of a change is left to silence."""

    async def report_nothing(_subscription_id: str, _operation_id: str, _result: Result) -> None:
        return None

    replace(publisher.api, "report", report_nothing)


@defect("reports-before-answering", breaks=["OPP-021"])
def reports_before_answering(publisher: ReferencePublisher) -> None:
    """PATCH is sent while the marketplace still waits for the answer to its call."""
    take = publisher.webhook.take
    reported: set[str] = set()

    async def take_and_report(event: Event) -> Verdict:
        verdict = await take(event)
        if isinstance(verdict.then, functools.partial) and verdict.then.func == publisher.webhook.report:
            reported.add(event.operation_id)
            with contextlib.suppress(ApiRefused, ApiUnavailable):
                await report(event.subscription_id, event.operation_id, "Success")
        return verdict

    report = publisher.api.report

    async def report_once(subscription_id: str, operation_id: str, result: Result) -> None:
        if operation_id not in reported:
            await report(subscription_id, operation_id, result)

    replace(publisher.webhook, "take", take_and_report)
    replace(publisher.api, "report", report_once)


@defect("refuses-every-change", breaks=["EVT-018", "EVT-020", "TST-003", "WHK-003", "WHK-004"])
def refuses_every_change(publisher: ReferencePublisher) -> None:
    """Changes are answered 400, whatever they are, by a publisher that does not say so in its offer."""

    async def refuse(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:  # noqa: ARG001
        return Verdict(status=400, reason="no changes")

    publisher.webhook.handlers |= dict.fromkeys(_CHANGES, refuse)


@defect("fails-on-changes", breaks=["EVT-018", "EVT-020", "TST-003", "WHK-003", "WHK-004", "WHK-035"])
def fails_on_changes(publisher: ReferencePublisher) -> None:
    """Changes make the webhook fail, so that they stay open."""

    async def fail(event: Event, operation: Operation | None, subscription: Subscription) -> Verdict:  # noqa: ARG001
        return Verdict(status=500, reason="something went wrong")

    publisher.webhook.handlers |= dict.fromkeys(_CHANGES, fail)


@defect("says-nothing-when-it-cannot", breaks=["OPP-015", "TRM-010"])
def says_nothing_when_it_cannot(publisher: ReferencePublisher) -> None:
    """A change that a rule forbids is answered 200 and not carried out; the marketplace believes that it was."""
    refusal = publisher.webhook.refusal
    refused: set[str] = set()

    async def remember(account: Account, operation: Operation, subscription: Subscription) -> str:
        if await refusal(account, operation, subscription):
            refused.add(operation.id)
        return ""

    carry_out = publisher.webhook.carry_out
    report = publisher.webhook.report

    def carry_out_unless_refused(account: Account, operation: Operation) -> None:
        if operation.id not in refused:
            carry_out(account, operation)

    async def report_unless_refused(event: Event, result: Result) -> None:
        if event.operation_id not in refused:
            await report(event, result)

    replace(publisher.webhook, "refusal", remember)
    replace(publisher.webhook, "carry_out", carry_out_unless_refused)
    replace(publisher.webhook, "report", report_unless_refused)


@defect("carries-out-what-it-refuses", breaks=["OPP-015"])
def carries_out_what_it_refuses(publisher: ReferencePublisher) -> None:
    """A change that a rule forbids is refused, but the account gets the plan all the same."""
    refusal = publisher.webhook.refusal

    async def refuse_too_late(account: Account, operation: Operation, subscription: Subscription) -> str:
        reason = await refusal(account, operation, subscription)
        if reason:
            publisher.accounts.save(account.accepting(operation))
        return reason

    replace(publisher.webhook, "refusal", refuse_too_late)
    _never_follows_changes(publisher)


@defect("fails-on-plans-that-it-never-heard-of", breaks=["PVO-006"])
def fails_on_plans_that_it_never_heard_of(publisher: ReferencePublisher) -> None:
    """A plan that was not known at build time, such as a private offer's, makes the webhook fail."""
    known = {"silver", "gold", "team", "business", *publisher.settings.refused_plans}
    refusal = publisher.webhook.plan_refusal

    def look_up(plan_id: str) -> str:
        if plan_id not in known:
            raise KeyError(plan_id)
        return refusal(plan_id)

    replace(publisher.webhook, "plan_refusal", look_up)


@defect("refuses-the-way-back", breaks=["EVT-047"])
def refuses_the_way_back(publisher: ReferencePublisher) -> None:
    """A change to the present value, such as the one that follows a refusal, is refused in turn."""
    refusal = publisher.webhook.refusal

    async def refuse_the_present(account: Account, operation: Operation, subscription: Subscription) -> str:
        if operation.shown_by(subscription):
            return "that is what it is already"
        return await refusal(account, operation, subscription)

    replace(publisher.webhook, "refusal", refuse_the_present)


@defect("refuses-redeliveries", breaks=["WHK-032"])
def refuses_redeliveries(publisher: ReferencePublisher) -> None:
    """A notification that comes again is answered 409."""
    take = publisher.webhook.take

    async def take_once(event: Event) -> Verdict:
        if publisher.webhook.already_handled(event):
            return Verdict(status=409, reason="this has been handled")
        return await take(event)

    replace(publisher.webhook, "take", take_once)


@defect("goes-back-on-redeliveries", breaks=["WHK-032"])
def goes_back_on_redeliveries(publisher: ReferencePublisher) -> None:
    """A notification that comes again undoes what the first one did."""
    before: dict[str, Account] = {}
    carry_out = publisher.webhook.carry_out
    handled = publisher.webhook.already_handled

    def remember(account: Account, operation: Operation) -> None:
        before[operation.id] = account
        carry_out(account, operation)

    def undo(event: Event) -> bool:
        known = handled(event)
        if known and event.operation_id in before:
            publisher.accounts.save(before[event.operation_id].having_handled(event.operation_id))
        return known

    replace(publisher.webhook, "carry_out", remember)
    replace(publisher.webhook, "already_handled", undo)


@defect("drops-what-failed-half-way", breaks=["WHK-055"])
def drops_what_failed_half_way(publisher: ReferencePublisher) -> None:
    """A notification counts as handled before it is; when the first attempt fails, the next one is ignored."""
    handled = publisher.webhook.already_handled
    seen: set[str] = set()

    def seen_before(event: Event) -> bool:
        known = event.operation_id in seen or handled(event)
        seen.add(event.operation_id)
        return known

    replace(publisher.webhook, "already_handled", seen_before)


@defect("answers-200-when-it-cannot-decide", breaks=["AUT-028", "WHK-012", "WHK-050", "WHK-056"])
def answers_200_when_it_cannot_decide(publisher: ReferencePublisher) -> None:
    """When the API does not answer, the notification is answered 200 and forgotten."""
    answer = publisher.webhook.answer
    replace(publisher.webhook, "answer", lambda verdict: answer(DONE if verdict.status == 503 else verdict))


@defect("answers-after-eleven-seconds", breaks=["WHK-010"])
def answers_after_eleven_seconds(publisher: ReferencePublisher) -> None:
    """The answer to a change comes when the marketplace has already decided without it."""
    receive = publisher.webhook.receive

    async def receive_slowly(request: Request) -> Response:
        response = await receive(request)
        await asyncio.sleep(11.0)
        return response

    replace(publisher.webhook, "receive", receive_slowly)


@defect("does-all-in-one-queue", breaks=["WHK-057"])
def does_all_in_one_queue(publisher: ReferencePublisher) -> None:
    """One event that cannot be decided holds up those of all other subscriptions."""
    queue = asyncio.Lock()
    take = publisher.webhook.take

    async def take_in_turn(event: Event) -> Verdict:
        async with queue:
            return await take(event)

    replace(publisher.webhook, "take", take_in_turn)


@defect("repeats-refused-reports", breaks=["OPP-019"])
def repeats_refused_reports(publisher: ReferencePublisher) -> None:
    """A report that the marketplace refuses is sent fifty times more."""
    report = publisher.api.report

    async def report_stubbornly(subscription_id: str, operation_id: str, result: Result) -> None:
        for _ in range(50):
            try:
                return await report(subscription_id, operation_id, result)
            except ApiRefused:
                continue
        return await report(subscription_id, operation_id, result)

    replace(publisher.api, "report", report_stubbornly)


@defect("loses-the-seats-with-the-plan", breaks=["EVT-018"])
def loses_the_seats_with_the_plan(publisher: ReferencePublisher) -> None:
    """A change of plan begins anew with one seat."""
    _carrying_out(publisher, "ChangePlan", quantity=1)


@defect("loses-the-plan-with-the-seats", breaks=["EVT-020"])
def loses_the_plan_with_the_seats(publisher: ReferencePublisher) -> None:
    """A change of seats leads to another plan, which has seats enough."""
    _carrying_out(publisher, "ChangeQuantity", plan_id="enterprise")


def _carrying_out(publisher: ReferencePublisher, action: str, **otherwise: Any) -> None:
    """Let the changes of one kind leave something else in accounts that have seats, for good."""
    carry_out = publisher.webhook.carry_out

    def carry_out_and_more(account: Account, operation: Operation) -> None:
        carry_out(account, operation)
        changed = publisher.accounts.get(account.subscription_id)
        if operation.action == action and changed is not None and changed.quantity is not None:
            publisher.accounts.save(dataclasses.replace(changed, **otherwise))

    replace(publisher.webhook, "carry_out", carry_out_and_more)
    _never_follows_changes(publisher)


@defect("never-reads-the-operation-of-seats", breaks=["EVT-014", "WHK-008", "WHK-009", "WHK-044", "WHK-045"])
def never_reads_the_operation_of_seats(publisher: ReferencePublisher) -> None:
    """A change of plan is looked up before it is carried out; a change of seats is believed."""
    read = publisher.webhook.operation

    async def believe_seats(event: Event) -> Operation | None:
        if event.action != "ChangeQuantity":
            return await read(event)
        subscription = await publisher.follower.find(event.subscription_id)
        return _announced(event, subscription) if subscription is not None else None

    replace(publisher.webhook, "operation", believe_seats)
    _never_follows_changes(publisher)


def _reporting_of(publisher: ReferencePublisher, action: str, words: Callable[[str, Result], tuple[str, str]]) -> None:
    """Let reports on one kind of event name another operation, or use another word."""
    report, send = publisher.webhook.report, publisher.api.report
    reported: dict[str, str] = {}

    async def report_by_action(event: Event, result: Result) -> None:
        reported[event.operation_id] = event.action
        await report(event, result)

    async def send_otherwise(subscription_id: str, operation_id: str, result: Result) -> None:
        named, word = (operation_id, str(result))
        if reported.get(operation_id) == action:
            named, word = words(operation_id, result)
        await send(subscription_id, named, word)  # type: ignore[arg-type]  # the defect

    replace(publisher.webhook, "report", report_by_action)
    replace(publisher.api, "report", send_otherwise)


@defect("reports-seats-as-succeeded", breaks=["OPP-003"])
def reports_seats_as_succeeded(publisher: ReferencePublisher) -> None:
    """The PATCH of a change of seats says Succeeded, the word of another vocabulary."""
    _reporting_of(publisher, "ChangeQuantity", lambda operation_id, _result: (operation_id, "Succeeded"))


@defect("reports-reinstatements-as-succeeded", breaks=["OPP-003"])
def reports_reinstatements_as_succeeded(publisher: ReferencePublisher) -> None:
    """The PATCH of a reinstatement says Succeeded, the word of another vocabulary."""
    _reporting_of(publisher, "Reinstate", lambda operation_id, _result: (operation_id, "Succeeded"))


@defect("reports-seats-of-another-operation", breaks=["OPP-013", "WHK-039"])
def reports_seats_of_another_operation(publisher: ReferencePublisher) -> None:
    """The PATCH of a change of seats names an id that is not the operation's."""
    _reporting_of(publisher, "ChangeQuantity", lambda operation_id, result: (operation_id[::-1], result))


@defect("never-reports-seats", breaks=["OPP-013"])
def never_reports_seats(publisher: ReferencePublisher) -> None:
    """The outcome of a change of seats is left to silence."""
    report = publisher.webhook.report

    async def report_plans(event: Event, result: Result) -> None:
        if event.action != "ChangeQuantity":
            await report(event, result)

    replace(publisher.webhook, "report", report_plans)
