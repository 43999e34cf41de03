"""Which requirement a step of a story is about, and which answers the pages allow beside the expected one."""

from dataclasses import dataclass
from typing import Final

from fulfillment_conformance.backend.situations import Purchase
from fulfillment_conformance.lifecycle_model import Step, View

CHANGES: Final = ("change plan", "change seats")
_POSSIBLE_IN: Final = {
    "Reinstate": ("Suspended",),
    "Unsubscribe": ("PendingFulfillmentStart", "Subscribed", "Suspended"),
}
_ONLY_ACTIVE: Final = ("Subscribed",)


@dataclass(frozen=True, slots=True)
class Blame:
    """Which requirement says what a step leads to, where the target shows something else.

    Attributes:
        step: what happened.
        before: what the subscription showed before; None where it has just been bought.
        view: what it should show now.
        purchase: what was bought.
    """

    step: Step
    before: View | None
    view: View
    purchase: Purchase

    @property
    def status(self) -> str:
        """The requirement about the state after the step."""
        step, before = self.step, self.before
        if before is None:
            return "LCY-002"
        if before.status == "Unsubscribed":
            return "LCY-013"
        cancelled = "LCY-004" if before.status == "PendingFulfillmentStart" else "LCY-012"
        match step.do:
            case "wait":
                return self._status_by_itself(before)
            case "switch auto-renewal":
                return "LCY-022"
            case "settle":
                return "LCY-008" if before.status == "Suspended" else "LCY-015"
            case "cancel":
                return cancelled
            case "event" if before.status in _POSSIBLE_IN.get(str(step.word), _ONLY_ACTIVE):
                happened = {"Suspend": "LCY-007", "Reinstate": "LCY-010", "Renew": "LCY-024", "Unsubscribe": cancelled}
                return happened.get(str(step.word), "LCY-015")
            case "activate" if before.status == "PendingFulfillmentStart":
                return "LCY-003"
            case "change plan" | "change seats" if before.status == "Subscribed":
                return "LCY-015"
            case _:
                return blame_for_answer(step, before, self.purchase)

    def _status_by_itself(self, before: View) -> str:
        if before.status == "PendingFulfillmentStart":
            return "LCY-005"
        if before.status == "Suspended":
            return "LCY-008" if before.pending else "LCY-011"
        return "LCY-022" if self.view.status == "Unsubscribed" else "LCY-020"

    @property
    def value(self) -> str:
        """The requirement about plan and seats after the step."""
        step, seats = self.step, self.view.quantity is not None
        match step.do:
            case "wait":
                return "WHK-025"
            case "settle":
                return "OPP-012" if step.word == "Success" else "OPP-002"
            case "event" if step.word in {"ChangePlan", "ChangeQuantity"}:
                return "WHK-027" if self._is_rejected else "EVT-016"
            case "change plan":
                return "CHP-003" if self.view.status == "Subscribed" else "CHP-010"
            case "change seats":
                return "CHQ-020" if self.view.status == "Subscribed" else "CHQ-012"
            case _:
                return "GET-012" if seats else "GET-011"

    @property
    def outcome(self) -> str:
        """The requirement about the latest operation's status after the step."""
        step = self.step
        if step.do == "settle":
            return "OPP-012" if step.word == "Success" else "OPP-002"
        if self._is_rejected:
            return "WHK-027"
        if step.do == "wait":
            return "LCY-008" if self.before is not None and self.before.status == "Suspended" else "WHK-025"
        return "OPG-003"

    @property
    def _is_rejected(self) -> bool:
        return self.step.answer is not None and self.step.answer >= 400

    def term(self, *, first_day_is_right: bool) -> str:
        """Return the requirement about the days of the term."""
        if self.step.do == "wait" or self.step.word == "Renew":
            return "LCY-021"
        return "GET-030" if first_day_is_right else "GET-029"


def blame_for_answer(step: Step, before: View, purchase: Purchase) -> str:
    """Return the requirement that says how a step is answered."""
    status = before.status
    match step.do:
        case "activate":
            named = {"Unsubscribed": "LCY-013", "Suspended": "ACT-012", "Subscribed": "ACT-013"}
            return named.get(status, "ACT-001")
        case "change plan" | "change seats" if status != "Subscribed":
            return "LCY-013" if status == "Unsubscribed" else "LCY-014"
        case "change plan":
            return _blame_for_plan(step, before, purchase)
        case "change seats":
            return _blame_for_seats(step, before, purchase)
        case "cancel":
            named = {"Unsubscribed": "DEL-006", "PendingFulfillmentStart": "DEL-018", "Suspended": "DEL-019"}
            return named.get(status, "DEL-010" if before.pending else "DEL-001")
        case "settle":
            if not before.pending:
                return "OPP-010"
            return "OPP-001" if step.word == "Success" else "OPP-002"
        case _:
            return "LCY-031"


def _blame_for_plan(step: Step, before: View, purchase: Purchase) -> str:
    if step.plan == before.plan:
        return "CHP-013"
    known = {plan.plan_id for plan in purchase.offer.plans}
    return "CHP-001" if step.plan in known else "CHP-011"


def _blame_for_seats(step: Step, before: View, purchase: Purchase) -> str:
    seats, present = step.quantity or 0, before.quantity or 0
    plan = next((plan for plan in purchase.offer.plans if plan.plan_id == before.plan), purchase.plan_info)
    if seats == present:
        return "CHQ-011"
    if seats < (plan.min_quantity or 1):
        return "CHQ-009"
    if plan.max_quantity is not None and seats > plan.max_quantity:
        return "CHQ-008"
    return "CHQ-001" if seats > present else "CHQ-002"


def judged(step: Step, before: View, expected: int, status: int | None) -> str:
    """Say what an answer is worth beside the expected one.

    Returns:
        `agrees`; `aside` where the pages allow it and it leads to another story; nothing where they do not.
    """
    if status is None:
        return ""
    refused = 400 <= status < 500
    if status == expected:
        return "agrees"
    match step.do:
        case "activate" if expected == 200:
            allowed = {202} | ({400} if before.status == "Subscribed" else set())
            return "agrees" if status in allowed else ""
        case "change plan" | "change seats" if expected >= 400:
            if before.status != "Subscribed":
                return "agrees" if refused else ""
            locked = bool(before.pending)
            if locked and refused:
                return "agrees"
            return "aside" if expected == 409 and status == 202 else ""
        case "cancel" if before.status == "Unsubscribed":
            return "agrees" if status in {200, 202, 404} else ""
        case "cancel" if expected == 409 or before.pending:
            # Whether a pending reinstatement locks a subscription too is left open (DEL-010).
            return "aside" if status in {202, 409} else ""
        case "settle" if expected == 409:
            return "agrees" if status == 200 else ""
        case "event":
            if expected >= 400 and refused:
                return "agrees"
            # Whether a second change may begin while one is pending is left open (ruling 15).
            return "aside" if before.pending and step.word in {"ChangePlan", "ChangeQuantity"} else ""
        case _:
            return ""


def left_open(step: Step, before: View | None) -> bool:
    """Say whether no page tells what a step leads to."""
    if before is None or not before.pending:
        return False
    if step.do == "settle":
        # What becomes of a reinstatement that the publisher does not want is read in several ways (EVT-031).
        return step.word == "Failure" and before.status == "Suspended"
    overtaken = step.do == "event" and step.word in {"Suspend", "Unsubscribe"}
    return overtaken or step.do == "cancel"
