"""Faults that show only while two calls about one subscription are under way (catalogue themes ACT, CHP, DEL, OPP)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from fulfillment_conformance.emulator.deviations.registry import answers, decision, deviation
from fulfillment_conformance.emulator.fulfillment import Answer
from fulfillment_conformance.emulator.messages import Reply, Request
from fulfillment_conformance.marketplace import OperationStatus

if TYPE_CHECKING:
    from fulfillment_conformance.emulator.service import Emulator

MOMENT: Final = 0.03
"""Seconds for which such a call is under way before it is looked at."""


def _others_under_way(emulator: "Emulator", *methods: str, below: str = "") -> Callable[[Request], bool]:
    """Return a function that says whether a call met another one to the same path."""
    under_way: Counter[str] = Counter()
    contested: set[str] = set()

    @decision(emulator.faults, "around")
    def counted(around: Any, app: ASGIApp) -> ASGIApp:
        inner: ASGIApp = around(app)

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["method"] not in methods or below not in scope["path"]:
                return await inner(scope, receive, send)
            path = scope["path"]
            under_way[path] += 1
            if under_way[path] > 1:
                contested.add(path)
            try:
                await asyncio.sleep(MOMENT)
                await inner(scope, receive, send)
            finally:
                under_way[path] -= 1
                if not under_way[path]:
                    contested.discard(path)

        return served

    return lambda request: request.path in contested


@deviation("activating-twice-at-once-breaks", breaks=["ACT-013"])
def activating_twice_at_once_breaks(emulator: "Emulator") -> None:
    """Two activations at once are both answered 500."""
    others = _others_under_way(emulator, "POST", below="/activate")

    @answers(emulator, "activate")
    def or_break(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        return replace(reply, status=500, document=None) if others(request) else reply


@deviation("changes-at-once-share-an-operation", breaks=["CHP-002", "CHQ-003"])
def changes_at_once_share_an_operation(emulator: "Emulator") -> None:
    """A change that comes while another one is dealt with is answered 202 with the operation of that one."""
    others = _others_under_way(emulator, "PATCH", below="/saas/subscriptions/")
    begun: dict[str, Reply] = {}

    @answers(emulator, "change_subscription")
    def or_share(request: Request, answer: Answer) -> Reply:
        reply = answer(request)
        if others(request) and reply.status == 202:
            begun[request.path] = reply
        return begun.pop(request.path) if reply.status == 409 and request.path in begun else reply


@deviation("cancelling-during-a-change-is-forgotten", breaks=["DEL-003"])
def cancelling_during_a_change_is_forgotten(emulator: "Emulator") -> None:
    """A cancellation that comes while a change is dealt with is accepted, and overwritten by it."""
    others = _others_under_way(emulator, "PATCH", "DELETE", below="/saas/subscriptions/")

    @answers(emulator, "cancel")
    def then_forget(request: Request, answer: Answer) -> Reply:
        if not others(request):
            return answer(request)
        record = emulator.market.find(request.ids["subscription_id"])
        before, pending = record.subscription, record.pending
        record.pending = ()
        reply = answer(request)
        record.subscription, record.pending = before, pending
        return reply


@deviation("words-at-once-are-both-taken", breaks=["OPP-018"])
def words_at_once_are_both_taken(emulator: "Emulator") -> None:
    """Of two words on one operation that come at once one ends the operation, and the other sets the plan."""
    others = _others_under_way(emulator, "PATCH", below="/operations/")

    @answers(emulator, "settle_operation")
    def both(request: Request, answer: Answer) -> Reply:
        market, contested = emulator.market, others(request)
        reply = answer(request)
        if contested and reply.status == 200:
            record = market.find(request.ids["subscription_id"])
            operation = market.find_operation(record, request.ids["operation_id"])
            turned = {
                OperationStatus.SUCCEEDED: OperationStatus.FAILED,
                OperationStatus.FAILED: OperationStatus.SUCCEEDED,
            }
            market._operations[operation.id] = replace(operation, status=turned[operation.status])
        return reply
