"""Stories: a target and the core are told the same steps, and compared after each (see `lifecycle_model`).

A difference that no documented reading allows is a `Disagreement`: it names the requirement that the step was about.
Where the pages leave room, the target's way is followed, or the subscription is left out of the rest of the story.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from fulfillment_conformance.answers import Answer, SubscriptionAnswer
from fulfillment_conformance.backend.blame import CHANGES, Blame, blame_for_answer, judged, left_open
from fulfillment_conformance.backend.client import AcceptedAnswer
from fulfillment_conformance.backend.judgements import number_of_seats
from fulfillment_conformance.backend.patience import Patience
from fulfillment_conformance.backend.receiver import Reaction
from fulfillment_conformance.backend.situations import FINAL, SOON, Purchase, Situations
from fulfillment_conformance.backend.webhook import Webhook
from fulfillment_conformance.dates import day_of
from fulfillment_conformance.drivers.base import Action
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import CannotArrange, Precondition
from fulfillment_conformance.lifecycle_model import ACCEPTED, Deed, Oracle, Step, View
from fulfillment_conformance.marketplace import DOCUMENTED, OBSERVED

ARRIVING: Final = timedelta(seconds=1)
"""How much of the target's own time passes after an accepted step, so that what it has caused arrives."""
_GLANCE: Final = 0.05
"""Seconds of real time after which a target that does not agree yet is looked at again."""
_ACKNOWLEDGED: Final = ("ChangePlan", "ChangeQuantity", "Reinstate")


class Disagreement(Exception):  # noqa: N818 - that is what it is
    """A target did something else than the pages say, in a step of a story."""

    def __init__(self, requirement: str, expected: str, actual: str, exchanges: Sequence[Exchange]) -> None:
        super().__init__(f"{requirement}: expected {expected}, actual {actual}")
        self.requirement = requirement
        self.expected = expected
        self.actual = actual
        self.exchanges = tuple(exchanges)


@dataclass
class Subject:
    """A subscription in a story; `aside` once the pages leave open what it shows from there on."""

    purchase: Purchase
    aside: bool = False
    begun: int = 0
    operations: dict[str, str] = field(default_factory=dict)
    """The target's id of each operation that can be acknowledged, oldest first."""
    ended: set[str] = field(default_factory=set)
    """Those whose outcome has been compared already."""


class Story:
    """One story as it unfolds on one target.

    Args:
        situations: the target.
        webhook: its notifications; None where it cannot call the suite's own webhook.
        profile: `observed` also allows what the live service is known to do instead.
        came_across: counts, by requirement, what was compared and agreed.
        patience: by the kind of step, how long what it leads to may take to show, in real time; shared by the stories
            about one target, so that a quick one is not waited for again and again.
    """

    def __init__(
        self,
        situations: Situations,
        webhook: Webhook | None,
        *,
        profile: str,
        came_across: Counter[str] | None = None,
        patience: dict[Deed, Patience] | None = None,
    ) -> None:
        self.steps: list[Step] = []
        self.exchanges: list[Exchange] = []
        self.subjects: dict[str, Subject] = {}
        self._situations = situations
        self._client = situations.client
        self._webhook = webhook
        self._came_across: Counter[str] = Counter() if came_across is None else came_across
        self._patience = {} if patience is None else patience
        situations.start_over()
        self._known = situations.now()
        self._at = time.monotonic()
        rules = [DOCUMENTED, OBSERVED] if profile == "observed" else [DOCUMENTED]
        self._oracles = [Oracle(situations.offers, start=self._known, rules=each) for each in rules]

    # --- what whoever tells it wants to know ---

    def view(self, name: str) -> View:
        """Return what a subscription should show now, by the pages."""
        return self._oracles[0].view(name)

    def next_name(self) -> str:
        """Return the name of the next subscription that is bought."""
        return chr(ord("A") + len(self.subjects))

    @property
    def can_wait(self) -> bool:
        """Whether time can pass: the target has a clock, and its notifications are answered meanwhile."""
        return self._situations.has("clock") and self._webhook is not None

    # --- playing ---

    def play(self, step: Step) -> None:
        """Let a step happen on both sides and compare; what the story so far has no use for is passed over.

        Raises:
            Disagreement: the target's way is not one that the pages allow.
            Precondition: the target gave no answer.
        """
        if not self._is_possible(step):
            return
        self.steps.append(step)
        self._tick()
        if step.do == "wait":
            self._wait(step)
            return
        before = self.view(step.of) if step.do != "buy" else None
        status, answer = self._act(step)
        subject = self.subjects[step.of]
        key = f"{step.of}{subject.begun + 1}"
        self._tick()
        expected = [oracle.play(step, key) for oracle in self._oracles]
        if status == expected[0] == ACCEPTED:
            self._note_operation(step, key, subject, answer)
        self._compare_answer(step, before, expected, status, answer)
        if not subject.aside:
            if status == ACCEPTED and self.can_wait:
                self._advance(ARRIVING)
            self._compare_in_time(step.of, step, before)

    def _is_possible(self, step: Step) -> bool:
        if step.do == "wait":
            return self.can_wait
        subject = self.subjects.get(step.of)
        if step.do == "buy":
            return subject is None
        if subject is None or subject.aside:
            return False
        return step.do != "settle" or bool(subject.operations)

    def _tick(self) -> None:
        """Give the oracles the target's time: what it was last known to be, and the real time since."""
        now = self._known + timedelta(seconds=time.monotonic() - self._at)
        for oracle in self._oracles:
            oracle.tick(now)

    def _advance(self, span: timedelta) -> None:
        self._known = self._situations.driver.advance(span)
        self._at = time.monotonic()
        self._tick()

    def _wait(self, step: Step) -> None:
        before = {name: self.view(name) for name in self.subjects}
        self._advance(timedelta(seconds=step.seconds or 0))
        for name, subject in self.subjects.items():
            if not subject.aside:
                self._compare_in_time(name, step, before[name])

    def _act(self, step: Step) -> tuple[int | None, Any]:
        """Let the step happen at the target; returns the status, and the answer or the operation's id."""
        if step.do == "buy":
            purchase = self._buy(step)
            self.subjects[step.of] = Subject(purchase)
            return 201, None
        purchase = self.subjects[step.of].purchase
        if step.do == "event":
            return self._let_happen(step, purchase)
        if step.do == "switch auto-renewal":
            self._situations.driver.set_auto_renew(purchase.id, bool(step.on))
            return 204, None
        answer = self._call(step, purchase)
        self.exchanges.append(answer.exchange)
        return _answered(answer), answer

    def _call(self, step: Step, purchase: Purchase) -> Answer:
        client = self._client
        match step.do:
            case "activate":
                seats = {} if purchase.quantity is None else {"quantity": purchase.quantity}
                return client.activate(purchase.id, plan=purchase.plan, **seats)
            case "change plan":
                return client.change_plan(purchase.id, step.plan)
            case "change seats":
                return client.change_quantity(purchase.id, step.quantity)
            case "cancel":
                return client.cancel(purchase.id)
            case _:
                latest = list(self.subjects[step.of].operations.values())[-1]
                return client.update_operation(purchase.id, latest, step.word)

    def _buy(self, step: Step) -> Purchase:
        for offer in self._situations.offers:
            for plan in offer.plans:
                if (offer.offer_id, plan.plan_id) == (step.offer, step.plan):
                    return self._situations.buy(plan=(offer, plan), quantity=step.quantity)
        raise UsageProblem(
            f"the story buys plan {step.plan!r} of offer {step.offer!r}, which the target does not sell; "
            "replay it on the target that it was recorded on"
        )

    def _let_happen(self, step: Step, purchase: Purchase) -> tuple[int, str]:
        if step.answer is not None and self._webhook is not None:
            self._webhook.reacts(purchase, Reaction(status=step.answer), Reaction())
        action: Action = step.word  # type: ignore[assignment] # a story has no other words
        details = {"plan_id": step.plan, "quantity": step.quantity}
        try:
            operation_id = self._situations.event(
                purchase, action, **{name: value for name, value in details.items() if value is not None}
            )
        except CannotArrange as refused:
            if refused.exchange is not None:
                self.exchanges.append(refused.exchange)
            if self._webhook is not None:
                self._webhook.reacts(purchase, Reaction())  # nothing has come that could be answered otherwise
            return 409, ""
        return 202, operation_id

    def _note_operation(self, step: Step, key: str, subject: Subject, answer: Any) -> None:
        subject.begun += 1
        operation_id = answer.operation_id if isinstance(answer, AcceptedAnswer) else answer
        action = step.word if step.do == "event" else step.do
        if action in (*_ACKNOWLEDGED, *CHANGES) and operation_id:
            subject.operations[key] = str(operation_id)

    # --- comparing ---

    def _compare_answer(
        self, step: Step, before: View | None, expected: Sequence[int], status: int | None, answer: Any
    ) -> None:
        if before is None or step.do == "switch auto-renewal":
            return
        requirement = blame_for_answer(step, before, self.subjects[step.of].purchase)
        subject = self.subjects[step.of]
        verdicts = [judged(step, before, each, status) for each in expected]
        if not any(verdicts):
            shown = f"{step.words} Answered {' or '.join(map(str, dict.fromkeys(expected)))}"
            raise Disagreement(requirement, shown, str(status), self._evidence(answer))
        if "aside" in verdicts or len(set(expected)) > 1:
            subject.aside = True
            return
        self._came_across[requirement] += 1

    def _compare_in_time(self, name: str, step: Step, before: View | None) -> None:
        """Compare until target and core agree, for as long as a target may take to show what a step leads to.

        An answer says that something was taken in, not that it is done. Real time passes meanwhile, on both sides, and
        none of the target's own, in which silence would accept a change.
        """
        if not _takes_time(step):
            self._compare(name, step, before)
            return
        patience = self._patience.setdefault(step.do, Patience(shortest=0.2, longest=SOON))
        ended = self.subjects[name].ended
        began, seen, compared = time.monotonic(), len(self.exchanges), set(ended)
        while True:
            try:
                self._compare(name, step, before)
            except Disagreement:
                if time.monotonic() - began >= patience.seconds:
                    raise
            else:
                patience.took(time.monotonic() - began)
                return
            del self.exchanges[seen:]
            ended &= compared
            time.sleep(_GLANCE)
            self._tick()

    def _compare(self, name: str, step: Step, before: View | None) -> None:
        subject = self.subjects[name]
        views = [oracle.view(name) for oracle in self._oracles]
        if any(_without_pending(view) != _without_pending(views[0]) for view in views) or left_open(step, before):
            subject.aside = True
            return
        shown = self._client.get_subscription(subject.purchase.id)
        view = self._followed(name, views[0], shown)
        shown = self._settled(step, subject, view, shown)
        self.exchanges.append(shown.exchange)
        blame = Blame(step, before, view, subject.purchase)
        if view.status == "Unsubscribed" and shown.status_code == 404 and before and step.do == "wait":
            subject.aside = True  # a voided purchase may be gone (LCY-005)
            return
        self._agree(blame.status, shown.status.value == view.status, f"{name} {view.status}", shown.status, shown)
        self._agree(
            blame.value,
            any(self._shows(shown, *values) for values in self._values(subject, view)),
            f"{name} with {_value_in_words(view)}",
            f"planId {shown.plan.value!r}, quantity {shown.quantity.value!r}",
            shown,
        )
        self._compare_term(blame, name, view, shown)
        self._compare_operations(blame, name, subject, view)

    def _values(self, subject: Subject, view: View) -> list[tuple[str, int | None]]:
        """Return the plan and seats that may show: a change of the publisher's own is perhaps applied at once."""
        oracle = self._oracles[0]
        own = [key for key in view.pending if key in subject.operations and oracle.is_own(key)]
        return [(view.plan, view.quantity), *(oracle.wanted(key) for key in own)]

    def _shows(self, shown: SubscriptionAnswer, plan: str, quantity: int | None) -> bool:
        seats = shown.quantity.value
        hidden = len(self._oracles) > 1 and (shown.quantity.absent or seats in (None, ""))
        return shown.plan.value == plan and (quantity is None or hidden or number_of_seats(seats) == quantity)

    def _followed(self, name: str, view: View, shown: SubscriptionAnswer) -> View:
        """Let the oracles follow a reinstatement that the target has completed a moment earlier than they do."""
        if view.status != "Suspended" or shown.status.value != "Subscribed" or not view.pending:
            return view
        subject = self.subjects[name]
        key = view.pending[-1]
        operation = self._client.get_operation(subject.purchase.id, subject.operations.get(key, ""))
        if operation.status.value != "Succeeded":
            return view
        for oracle in self._oracles:
            oracle.catch_up(key)
        return self.view(name)

    def _settled(self, step: Step, subject: Subject, view: View, shown: SubscriptionAnswer) -> SubscriptionAnswer:
        """Give an activation or a cancellation the minutes that it may take to show."""
        if shown.status.value == view.status or step.do not in {"activate", "cancel"}:
            return shown
        shown = self._situations.wait_for_status(subject.purchase, view.status)
        self._known, self._at = self._situations.now(), time.monotonic()
        self._tick()
        return shown

    def _compare_term(self, blame: Blame, name: str, view: View, shown: SubscriptionAnswer) -> None:
        term = shown["term"]
        first, last = day_of(term["startDate"].value), day_of(term["endDate"].value)
        if view.status not in {"Subscribed", "Suspended"} or first is None or last is None or view.first_day is None:
            return
        # Midnight may pass between two clocks that are not the same.
        near = abs(first - view.first_day) <= self._slack and abs(last - (view.last_day or last)) <= self._slack
        self._agree(
            blame.term(first_day_is_right=first == view.first_day),
            near,
            f"{name} with the term {view.first_day} to {view.last_day}",
            f"{term['startDate'].value} to {term['endDate'].value}",
            shown,
        )

    @property
    def _slack(self) -> timedelta:
        return timedelta(days=self._situations.term_slack_days)

    def _compare_operations(self, blame: Blame, name: str, subject: Subject, view: View) -> None:
        for key in list(subject.operations)[-1:]:
            expected = view.operations.get(key)
            if expected is None or key in subject.ended:
                continue
            operation = self._client.get_operation(subject.purchase.id, subject.operations[key])
            self.exchanges.append(operation.exchange)
            self._agree(
                blame.outcome,
                operation.status.value == expected,
                f"operation {key} {expected}",
                operation.status,
                operation,
            )
            if expected in FINAL:
                subject.ended.add(key)
            if len(self._oracles) == 1:
                self._compare_list(name, subject, view)

    def _compare_list(self, name: str, subject: Subject, view: View) -> None:
        listed = self._client.list_operations(subject.purchase.id)
        self.exchanges.append(listed.exchange)
        names = {own: key for key, own in subject.operations.items()}
        ids = [entry["id"].value for entry in listed["operations"]]
        shown = sorted(names[each] for each in ids if each in names)
        expected = sorted(key for key in view.pending if key in subject.operations)
        missing = set(expected) - set(shown)
        self._agree(
            "OPL-001" if missing else "OPL-011",
            shown == expected,
            f"{', '.join(expected) or 'no operation'} of {name} listed as outstanding",
            f"{', '.join(shown) or 'none'} listed",
            listed,
        )

    def _agree(self, requirement: str, agreed: bool, expected: str, actual: Any, answer: Answer) -> None:
        if not agreed:
            _answered(answer)
            raise Disagreement(requirement, expected, str(actual), self._evidence(answer))
        self._came_across[requirement] += 1

    def _evidence(self, answer: Any) -> list[Exchange]:
        last = [answer.exchange] if isinstance(answer, Answer) else []
        return list({id(exchange): exchange for exchange in [*self.exchanges[-8:], *last]}.values())


def _answered(answer: Answer) -> int:
    """Return the status, where one came: of silence nobody can say that it is the wrong answer."""
    if answer.status_code is None:
        raise Precondition(f"{answer.exchange.method} got no answer: {answer.error}", answer.exchange)
    return answer.status_code


def _takes_time(step: Step) -> bool:
    """Whether what a step leads to may show later than its answer; `_settled` sees to activation and cancellation."""
    if step.do == "event":
        return step.word in _ACKNOWLEDGED
    return step.do in {"settle", "wait", "change plan", "change seats"}


def _without_pending(view: View) -> tuple[Any, ...]:
    return view.status, view.plan, view.quantity, view.first_day, view.last_day, tuple(view.operations.items())


def _value_in_words(view: View) -> str:
    return f"planId {view.plan!r}" + ("" if view.quantity is None else f", quantity {view.quantity}")
