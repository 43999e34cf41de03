"""The situations that tests ask for, looked up among the subscriptions that a target file lists.

Nothing can be bought, suspended or renewed on the live service by a program. A test gets a subscription that is already
in the state it asks for, each only once within the test, so that two are really two; afterwards plans and seats are put
back. What is not there makes the test's requirements untestable, and says what would have to be listed.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.backend.situations import ACTIVATION_LIMIT, PlanKind, Purchase, Situations
from fulfillment_conformance.drivers.base import Driver, OfferInfo, PlanInfo
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.live.guard import NO_TOKEN
from fulfillment_conformance.live.http import LiveHttp, Shown
from fulfillment_conformance.live.section import ListedSubscription, LiveSection, Permission
from fulfillment_conformance.live.undo import Undo
from fulfillment_conformance.redaction import Redactor

A = TypeVar("A", bound=Answer)

LONGEST_PAUSE: Final = 15.0
"""Seconds between two looks at something that takes minutes; each look is a request of the budget."""
LIVE_LIMIT: Final = 180.0
"""Seconds of real waiting for something that the live service does within minutes."""
_ABOUT: Final[Mapping[str, Permission]] = {
    "ACT": "activate",
    "CHP": "change-plan",
    "CHQ": "change-quantity",
    "DEL": "cancel",
}
"""Theme of the catalogue -> what its tests do to a subscription."""
_HERE = "a purchase cannot be made by a program, so buy one in the portal and list it in live.subscriptions"


class FoundSituations(Situations):
    """Situations that exist already. Permissions are not looked at here: what is not allowed is not sent."""

    def __init__(
        self,
        driver: Driver,
        client: FulfillmentClient,
        http: LiveHttp,
        section: LiveSection,
        undo: Undo,
        *,
        redactor: Redactor,
        publisher_id: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """Look among the subscriptions of `section`; `undo` puts them back after each test."""
        super().__init__(driver, client, redactor=redactor, publisher_id=publisher_id)
        self._http = http
        self._section = section
        self._undo = undo
        self._clock = clock
        self._sleep = wait
        self._lent: set[str] = set()
        self._about: Permission = "read"

    @contextmanager
    def during_test(self, claims: Iterable[str] = ()) -> Iterator[None]:
        """Lend each subscription once while the block runs, and put back afterwards what it changed.

        Those come first that allow what the test is about, as far as the ids tell that it decides.

        Raises:
            EnvironmentUnavailable, MissingCapability: it could not be put back.
        """
        self._lent.clear()
        themes = [claim.partition("-")[0] for claim in claims]
        self._about = next((_ABOUT[theme] for theme in themes if theme in _ABOUT), "read")
        try:
            yield
        finally:
            if self._http.ledger.open_changes():
                self._put_back()

    def _put_back(self) -> None:
        stuck = [str(outcome) for outcome in self._undo.everything() if outcome.result == "open"]
        if stuck:
            raise EnvironmentUnavailable(f"{'; '.join(stuck)}; run restore when that has changed")

    # --- what is there ---

    def buy(
        self,
        kind: PlanKind | None = "flat",
        *,
        plan: tuple[OfferInfo, PlanInfo] | None = None,
        quantity: int | None = None,
        **details: Any,
    ) -> Purchase:
        """Return a listed subscription that waits for activation."""
        return self._look_up("PendingFulfillmentStart", kind, plan, quantity, details)

    def subscribed(self, kind: PlanKind | None = "flat", **details: Any) -> Purchase:
        """Return a listed subscription that is active."""
        return self._by("Subscribed", kind, details)

    def suspended(self, kind: PlanKind | None = "flat", **details: Any) -> Purchase:
        """Return a listed subscription whose payment is missing."""
        return self._by("Suspended", kind, details)

    def unsubscribed(self, kind: PlanKind | None = "flat", **details: Any) -> Purchase:
        """Return a listed subscription that has been cancelled."""
        return self._by("Unsubscribed", kind, details)

    def any_purchase(self, kind: PlanKind | None = "flat") -> Purchase:
        """Return a listed subscription in whatever state, an active one if there is one."""
        for status in ("Subscribed", "PendingFulfillmentStart", "Suspended", "Unsubscribed"):
            if self._candidates(status, kind, None):
                return self._look_up(status, kind, None, None, {})
        of_kind = f"{kind} " if kind else ""
        raise MissingCapability("purchases", f": no {of_kind}subscription is listed that could be read; {_HERE}")

    def takes_any_call(self) -> None:
        """End the test: calls that a generator makes up go anywhere, and only listed subscriptions are addressed."""
        raise MissingCapability("generated-calls", ": calls that are made up are not sent to the live service")

    def manage_token(self, purchase: Purchase, *, expired: bool = False) -> str:
        """Return a listed purchase token of the subscription; `expired` one that is older than 24 hours."""
        return self._token(purchase.id, expired=expired)

    # --- time ---

    def wait(self, read: Callable[[], A], done: Callable[[A], bool], *, limit: timedelta = ACTIVATION_LIMIT) -> A:
        """Read again and again until `done`, for `LIVE_LIMIT` at most, with growing pauses."""
        deadline = time.monotonic() + min(LIVE_LIMIT, limit.total_seconds())
        pause = 0.05
        answer = read()
        while not done(answer) and answer.status_code is not None and time.monotonic() < deadline:
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            answer = read()
        return answer

    # --- looking up ---

    def _by(self, status: str, kind: PlanKind | None, details: dict[str, Any]) -> Purchase:
        plan, quantity = details.pop("plan", None), details.pop("quantity", None)
        return self._look_up(status, kind, plan, quantity, details)

    def _look_up(
        self,
        status: str,
        kind: PlanKind | None,
        plan: tuple[OfferInfo, PlanInfo] | None,
        quantity: int | None,
        details: dict[str, Any],
    ) -> Purchase:
        if wanted := {name: value for name, value in details.items() if value is not None}:
            capability = {"channel": "csp", "free_trial": "free-trial"}.get(next(iter(wanted)), "purchases")
            said = ", ".join(f"{name}={value}" for name, value in wanted.items())
            raise MissingCapability(capability, f": a purchase with {said} cannot be looked up among what is listed")
        found = [each for each in self._candidates(status, kind, plan) if quantity is None or each.quantity == quantity]
        if not found:
            seats = f" with {quantity} seats" if quantity is not None else ""
            of = f" of plan {plan[1].plan_id}" if plan else ""
            another = "another " if self._lent else ""
            raise MissingCapability(
                "purchases", f": {another}{kind or ''} subscription that is {status}{of}{seats} is not listed; {_HERE}"
            )
        return self._purchase_of(found[0])

    def _candidates(
        self, status: str, kind: PlanKind | None, plan: tuple[OfferInfo, PlanInfo] | None
    ) -> Sequence[ListedSubscription]:
        """Return what is listed, readable and so; first what allows what the test is about, then what allows most."""
        found = []
        for listed in self._section.subscriptions:
            if "read" not in listed.may or listed.id in self._lent:
                continue
            shown = self._shown(listed.id)
            if shown is None or shown.status != status or shown.offer != listed.offer:
                continue
            info = self._plan_of(listed)
            if kind is not None and info.is_price_per_seat != (kind == "per-seat"):
                continue
            if plan is not None and (listed.offer, listed.plan) != (plan[0].offer_id, plan[1].plan_id):
                continue
            found.append(listed)
        return sorted(found, key=lambda each: (self._about not in each.may, -len(each.may)))

    def _shown(self, subscription_id: str) -> Shown | None:
        if subscription_id not in self._http.shown:
            self.client.get_subscription(subscription_id)
        return self._http.shown.get(subscription_id)

    def _offer_of(self, listed: ListedSubscription) -> OfferInfo:
        known = next((offer for offer in self.driver.offers() if offer.offer_id == listed.offer), None)
        return known or OfferInfo(offer_id=listed.offer, publisher_id=self.publisher_id or "", plans=())

    def _plan_of(self, listed: ListedSubscription) -> PlanInfo:
        plans = self._offer_of(listed).plans
        known = next((plan for plan in plans if plan.plan_id == listed.plan), None)
        return known or PlanInfo(plan_id=listed.plan, term_units=(), is_price_per_seat=listed.quantity is not None)

    def _purchase_of(self, listed: ListedSubscription) -> Purchase:
        # What the file says, not what the service shows: or else the service would be compared with itself.
        self._lent.add(listed.id)
        info, offer = self._plan_of(listed), self._offer_of(listed)
        self.on_purchase(listed.id, offer)
        return Purchase(
            id=listed.id,
            token=self._token_or_none(listed.id) or f"{NO_TOKEN}{listed.id}",
            offer=offer,
            plan_info=info,
            quantity=listed.quantity if info.is_price_per_seat else None,
        )

    def _token_or_none(self, subscription_id: str, *, expired: bool = False) -> str | None:
        tokens = (each for each in self._section.purchase_tokens if each.subscription == subscription_id)
        fitting = [each for each in tokens if (each.expires <= self._clock()) == expired]
        token = max(fitting, key=lambda each: each.expires, default=None)
        return token.token.get_secret_value() if token is not None else None

    def _token(self, subscription_id: str, *, expired: bool) -> str:
        token = self._token_or_none(subscription_id, expired=expired)
        if token is None:
            age = "older" if expired else "younger"
            raise MissingCapability(
                "expired-tokens" if expired else "manage-tokens",
                f": no purchase token of subscription {subscription_id} that is {age} than 24 hours is listed",
            )
        self._redactor.learn(token, "purchase-token")
        return token
