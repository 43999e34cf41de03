"""What can come next in a story: every step that is possible, the more telling ones more often."""

from collections.abc import Iterator
from typing import Final

from fulfillment_conformance.backend.situations import Situations, same_market
from fulfillment_conformance.backend.stories import Story, Subject
from fulfillment_conformance.drivers.base import PlanInfo
from fulfillment_conformance.lifecycle_model import Deed, Step, View

MOST_SUBSCRIPTIONS: Final = 3
SPANS: Final = (6.0, 6.0, 1200.0, 9 * 86_400.0)
"""Seconds. No sum of them comes near a limit of ten seconds, eight hours, thirty days or a term."""

Weighed = tuple[int, Step | None]


def purchase(story: Story, situations: Situations, *, per_seat: bool) -> Step:
    """Return the purchase of a plan, of another one each time."""
    plans = list(situations.plans("per-seat" if per_seat else "flat")) or list(situations.plans())
    offer, plan = plans[len(story.subjects) % len(plans)]
    seats = max(plan.min_quantity or 1, min(10, plan.max_quantity or 10)) if plan.is_price_per_seat else None
    return Step(do="buy", of=story.next_name(), offer=offer.offer_id, plan=plan.plan_id, quantity=seats)


def possible_steps(story: Story, situations: Situations) -> list[Step]:
    """Return the steps that a story can go on with, each as often as it is worth."""
    weighed: list[Weighed] = [(1, Step(do="wait", seconds=span)) for span in SPANS if story.can_wait]
    if len(story.subjects) < MOST_SUBSCRIPTIONS:
        weighed += [(1, purchase(story, situations, per_seat=per_seat)) for per_seat in (False, True)]
    for name, subject in story.subjects.items():
        if not subject.aside:
            weighed += _Menu(story, situations, name, subject).steps()
    return [step for weight, step in weighed if step is not None for _ in range(weight)]


class _Menu:
    """The steps about one subscription. Every one of them is on it in every state; what is right has more weight."""

    def __init__(self, story: Story, situations: Situations, name: str, subject: Subject) -> None:
        self._of = name
        self._subject = subject
        self._situations = situations
        self._answers = (200, 400) if story.can_wait else (None,)
        self._view: View = story.view(name)

    def steps(self) -> Iterator[Weighed]:
        status, waits = self._view.status, bool(self._view.pending)
        active = 3 if status == "Subscribed" else 1
        yield {"PendingFulfillmentStart": 6, "Unsubscribed": 3}.get(status, 1), Step(do="activate", of=self._of)
        other = self._other_plan()
        # Where no plan can be changed to, a refusal has no twin, and what rests on it would be left undecided.
        for plan in () if other is None else (other, self._view.plan, "a-plan-that-nobody-made"):
            yield active if plan == other else 1, self._step("change plan", plan=plan)
        for seats in self._seats():
            yield active + 1, self._step("change seats", quantity=seats)
        yield 1, Step(do="cancel", of=self._of)
        yield from self._settlements(4 if waits else 1)
        if self._situations.has("events"):
            yield from self._events(active)
        if self._situations.has("auto-renew") and status != "Unsubscribed":
            for on in (False, True):
                yield 1, Step(do="switch auto-renewal", of=self._of, on=on)

    def _settlements(self, weight: int) -> Iterator[Weighed]:
        for word in ("Success", "Failure") if self._subject.operations else ():
            yield weight, Step(do="settle", of=self._of, word=word)

    def _events(self, active: int) -> Iterator[Weighed]:
        status = self._view.status
        if status == "Unsubscribed":
            yield 1, self._step("event", word="Reinstate")
            return
        for word, weight in (
            ("Suspend", active),
            ("Renew", active),
            ("Reinstate", 4 if status == "Suspended" else 1),
            ("Unsubscribe", 1),
        ):
            yield weight, self._step("event", word=word)
        for answer in self._answers:
            yield active, self._step("event", word="ChangePlan", plan=self._other_plan(), answer=answer)
            yield active, self._step("event", word="ChangeQuantity", quantity=self._more_seats(), answer=answer)

    def _step(
        self,
        do: Deed,
        *,
        word: str | None = None,
        plan: str | None = None,
        quantity: int | None = None,
        answer: int | None = None,
    ) -> Step | None:
        """Return a step, or None where there is nothing to ask for."""
        asks = {"change plan": plan, "ChangePlan": plan, "change seats": quantity, "ChangeQuantity": quantity}
        if asks.get(word or do, "nothing") is None:
            return None
        return Step(do=do, of=self._of, word=word, plan=plan, quantity=quantity, answer=answer)

    def _other_plan(self) -> str | None:
        offer_id = self._subject.purchase.offer.offer_id
        bought = self._subject.purchase.plan_info
        others = (
            plan.plan_id
            for offer, plan in self._situations.plans()
            if offer.offer_id == offer_id and same_market(plan, bought)
        )
        return next((plan for plan in others if plan != self._view.plan), None)

    def _seats(self) -> list[int | None]:
        """Return more and fewer seats, as many as there are, one too many and one too few."""
        plan, present = self._plan(), self._view.quantity
        if present is None or not plan.is_price_per_seat:
            return []
        least, most = plan.min_quantity or 1, plan.max_quantity
        more, fewer = self._more_seats(), present - 1 if present > least else None
        if more is None and fewer is None:  # likewise: the plan has one number of seats
            return []
        return [more, fewer, present, None if most is None else most + 1, least - 1]

    def _more_seats(self) -> int | None:
        plan, present = self._plan(), self._view.quantity
        if present is None or not plan.is_price_per_seat or present == plan.max_quantity:
            return None
        return present + 1

    def _plan(self) -> PlanInfo:
        bought = self._subject.purchase
        return next((plan for plan in bought.offer.plans if plan.plan_id == self._view.plan), bought.plan_info)
