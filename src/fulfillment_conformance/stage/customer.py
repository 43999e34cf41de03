"""One subscription of one customer: what happens to it at the marketplace, and what the publisher makes of it."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

from fulfillment_conformance.answers import ABSENT, Reading
from fulfillment_conformance.basis import ACTING
from fulfillment_conformance.emulator.faults import Planned
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import CannotArrange, NotClaimed, NotUnderstood, Precondition
from fulfillment_conformance.marketplace import Action, Marketplace, Offer, Operation, Plan, Refused, Subscription
from fulfillment_conformance.stage.buyer import Buyer, Page, Request, forged, forged_address
from fulfillment_conformance.stage.by_hand import ask
from fulfillment_conformance.stage.calls import PURCHASE_TOKEN, refused_for_its_values, sent
from fulfillment_conformance.stage.microsoft import Announcement, Microsoft, about, kind_of
from fulfillment_conformance.stage.publisher import ACCEPTANCE_SECONDS, Account, Publisher
from fulfillment_conformance.stage.stumbles import failure_of, refusal_of
from fulfillment_conformance.target import Browser, BrowserAction, Claims, Command, Get, Post, Step, SubmitForm


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publisher did with a change: the PATCH it sent, if any, and how the operation ended."""

    operation: Operation
    patches: tuple[Exchange, ...]

    @property
    def words(self) -> list[object]:
        """The status word of every PATCH."""
        return [_status_word(patch) for patch in self.patches]

    @property
    def rejected(self) -> bool:
        """Whether the change failed, or a PATCH Failure was accepted: live services carry it out all the same."""
        accepted = [_status_word(patch) for patch in self.patches if patch.status == 200]
        return self.operation.status == "Failed" or accepted == ["Failure"]

    @property
    def overruled(self) -> bool:
        """Whether the publisher rejected the change and the marketplace carried it out all the same (ruling 14)."""
        return self.rejected and self.operation.status == "Succeeded"


@dataclass(frozen=True, slots=True)
class SeenEffects:
    """What became visible: calls that act on the subscription, and changes of what the publisher shows.

    `shown` is what it showed of status, plan and seats, each before and after; `looks` are the exchanges of that.
    `unclear` says why nobody can tell whether the state has changed, though something else is shown; else it is empty.
    """

    calls: tuple[Exchange, ...]
    differences: tuple[str, ...]
    looks: tuple[Exchange, ...] = ()
    shown: tuple[Reading, ...] = ()
    subscription: str = ""
    unclear: str = ""

    def understood(self) -> Self:
        """Return this, where something genuine has happened: another word for the state may mean the same then.

        Where nothing has, another word is a change, whatever it means.

        Raises:
            NotUnderstood: nobody can tell whether the state is another one.
        """
        if self.unclear:
            raise NotUnderstood(self.unclear, self.looks[-1])
        return self

    def but_refusals(self) -> Self:
        """Return this without reports that a change has failed: to whoever answers first, they are what 4xx is else."""
        return replace(self, calls=tuple(call for call in self.calls if _status_word(call) != "Failure"))

    def changes(self) -> Sequence[str]:
        """Describe each change, in words for the report."""
        acted = [f"{call.method} {urlsplit(call.url).path}" for call in self.calls]
        return [*acted, *self.differences]

    def evidence(self) -> Sequence[Exchange]:
        """Return the exchanges that show it."""
        return [*self.calls, *self.looks]


@dataclass(slots=True, eq=False)
class Customer:
    """A subscription and its owner."""

    id: str
    token: str = field(repr=False)
    offer: Offer
    microsoft: Microsoft
    publisher: Publisher
    buyer: Buyer
    bystander: "Callable[[], Customer | None]" = lambda: None
    page: Page | None = None
    visited_at: int = 0
    _stumble: str = ""
    _mark: int = 0
    _before: Account | None = None
    _latest: str = ""

    # --- the marketplace's side ---

    @property
    def subscription(self) -> Subscription:
        """The subscription as the marketplace has it."""
        return self.microsoft.subscription(self.id)

    def happens(self, command: Callable[[Marketplace], Operation]) -> Announcement:
        """Let something happen at the marketplace and return the notification of it, not yet sent.

        From here on `effects` tells what the publisher did.

        Raises:
            Precondition: it cannot happen now, because of what the publisher has made of something before.
        """
        self.remember()
        try:
            operation = self.microsoft.perform(command)
        except Refused as refusal:
            raise Precondition(f"what should happen next is not possible: {refusal.message}") from refusal
        announcement = self.microsoft.announcement(operation)
        if announcement is None:
            raise Precondition(
                f"{operation.action} of {self.id} ended as {operation.status} at once: an earlier change is still open"
            )
        self._latest = operation.id
        return announcement

    def announced(self, action: Action = Action.SUBSCRIBE) -> Announcement:
        """Return the notification of something that has happened by itself, not yet sent."""
        announcement = self._waiting(lambda operation: operation.action is action)
        if announcement is None:
            raise RuntimeError(f"no {action} of {self.id} waits to be sent")
        return announcement

    def change_plan(self, plan: str) -> Announcement:
        """The customer changes the plan at the marketplace; a change that waits already is announced once more."""
        waiting = self._waiting(lambda operation: operation.action is Action.CHANGE_PLAN and operation.plan_id == plan)
        return waiting or self.happens(lambda market: market.customer_changes_plan(self.id, plan))

    def change_quantity(self, quantity: int) -> Announcement:
        """The customer changes the seats at the marketplace; a change that waits already is announced once more."""
        waiting = self._waiting(
            lambda operation: operation.action is Action.CHANGE_QUANTITY and operation.quantity == quantity
        )
        return waiting or self.happens(lambda market: market.customer_changes_quantity(self.id, quantity))

    def an_event(self) -> Announcement:
        """Let something happen that this publisher takes: another plan, or a suspension where it takes no other."""
        if self.can_change_plan:
            return self.change_plan(self.other_plan().plan_id)
        return self.suspend() if self.subscription.status == "Subscribed" else self.reinstate()

    def a_pending_event(self) -> Announcement:
        """Let something happen that this publisher takes, and that is not in force before it has been announced.

        So whoever reads subscriptions now and then learns of it by its notification alone: a change of plan, or the end
        of a suspension where no other plan is taken.
        """
        if self.can_change_plan or self.claims.refuses_reinstatement:
            return self.an_event()
        if self.subscription.status == "Subscribed":
            self.publisher.receives(self.suspend())
            self.eventually(lambda now: not now.gives_access)
        return self.reinstate()

    def suspend(self) -> Announcement:
        """Payment is missing."""
        return self._waiting(lambda operation: operation.action is Action.SUSPEND) or self.happens(
            lambda market: market.suspend(self.id)
        )

    def reinstate(self) -> Announcement:
        """Payment has come."""
        return self.happens(lambda market: market.reinstate(self.id))

    def renew(self) -> Announcement:
        """A new term begins."""
        return self.happens(lambda market: market.renew(self.id))

    def unsubscribe(self) -> Announcement:
        """The customer cancels."""
        return self._waiting(lambda operation: operation.action is Action.UNSUBSCRIBE) or self.happens(
            lambda market: market.unsubscribe(self.id)
        )

    def _waiting(self, matches: Callable[[Operation], bool]) -> Announcement | None:
        held = self.microsoft.announcements(self.id)
        return next((each for each in held if matches(each.operation)), None)

    def other_plan(self, but: Sequence[str] = ()) -> Plan:
        """Return another public plan of the offer, to change to.

        Raises:
            NotClaimed: the offer has one public plan only, so that nobody can change to another.
            Precondition: the others are refused, or left out.
        """
        others = plans_to_change_to(self.offer, self.subscription.plan_id)
        if not others:
            raise NotClaimed(
                f"marketplace.offers: offer {self.offer.offer_id} has no other public plan, so that no customer can "
                "change to one"
            )
        found = [plan for plan in others if plan.plan_id not in {*but, *self.claims.refused_plans}]
        if not found:
            raise Precondition(f"offer {self.offer.offer_id} has no other public plan to change to")
        return found[0]

    @property
    def has_other_plan(self) -> bool:
        """Whether the marketplace sells another plan to change to, refused ones left out."""
        others = {plan.plan_id for plan in plans_to_change_to(self.offer, self.subscription.plan_id)}
        return bool(others.difference(self.claims.refused_plans))

    @property
    def can_change_plan(self) -> bool:
        """Whether there is another plan that this publisher takes a change to."""
        return self.has_other_plan and not self.claims.refuses_changes

    @property
    def other_seats(self) -> int:
        """Another number of seats that the plan allows: one more, or one less where it allows no more.

        Raises:
            NotClaimed: it allows one number only, or is not priced per seat.
        """
        sold = self.subscription
        plan = next(plan for plan in self.offer.plans if plan.plan_id == sold.plan_id)
        if sold.quantity is not None:
            for seats in (sold.quantity + 1, sold.quantity - 1):
                if plan.allows(seats):
                    return seats
        raise NotClaimed(f"marketplace.offers: plan {plan.plan_id} allows no other number of seats to change to")

    def plan_to_lie_about(self, truth: str) -> str | None:
        """Return a plan of the offer that is neither the present one nor the true one; None if there is no third."""
        ids = [plan.plan_id for plan in self.offer.plans]
        return next((plan for plan in ids if plan not in {self.subscription.plan_id, truth}), None)

    # --- the publisher's side ---

    @property
    def claims(self) -> Claims:
        """What the publisher says about itself."""
        return self.publisher.service.claims

    def visit(self, *, alongside: str = "", tab: Buyer | None = None) -> Page:
        """Open the landing page with the purchase token, as the marketplace does.

        Args:
            alongside: a query string of the publisher's own that its address has besides the token.
            tab: the browser tab to open it in, instead of the buyer's first one.
        """
        self.visited_at = self.microsoft.mark
        landing_page = self.publisher.service.landing_page
        if alongside:
            landing_page += f"{'&' if urlsplit(landing_page).query else '?'}{alongside}"
        self.page = (tab or self.buyer).open(with_token(landing_page, self.token), "landing page")
        self._stumble = failure_of(self.page)
        return self.page

    def visit_as_shown(self) -> Page:
        """Open the landing page, and return it as a person sees it: in a browser where scripts may make it.

        Without a look in the browser it is returned as it is served; `Publisher.may_add_to` says whether that is all.

        Raises:
            CannotArrange: it is gone through in a browser, and the target file does not ask for a look at it there.
        """
        if not self.publisher.made_by_script:
            return self.visit()
        if not self.publisher.service.browser:
            if any(isinstance(step, Browser) for step in self.publisher.service.onboarding):
                raise CannotArrange("publisher.browser: scripts make the buyer's page, so it takes a browser to see it")
            return self.visit()
        self.visited_at = self.microsoft.mark
        self.buyer.browse(with_token(self.publisher.service.landing_page, self.token))
        assert self.buyer.page is not None
        self.page = self.buyer.page
        self._stumble = failure_of(self.page)
        return self.page

    def visit_until_signed_in(self) -> Request | None:
        """Open the landing page and sign in, but do not bring Entra's answer to the publisher; see `Buyer.bring`.

        Returns:
            What would bring it there; None if the landing page leads to no sign-in by itself.
        """
        self.visited_at, self._stumble = self.microsoft.mark, ""
        return self.buyer.open_until_signed_in(
            with_token(self.publisher.service.landing_page, self.token), "landing page"
        )

    def complete(self, *, tab: Buyer | None = None, forging: Mapping[str, str] | None = None) -> Page:
        """Do what a buyer does after the landing page has opened: the onboarding steps of the target file.

        Args:
            tab: the browser tab to do it in, instead of the one of the visit.
            forging: values that are exchanged for others in what is sent.
        """
        bought = self.subscription
        self.publisher.completed.add(self.id)
        self.page = self._take(
            self.publisher.service.onboarding, tab or self.buyer, bought.plan_id, bought.quantity, forging
        )
        return self.page

    def manage(self, account: str | None = "buyer") -> Page:
        """Press *Manage account* at the marketplace: a fresh token opens the landing page in a fresh browser."""
        self.token = self.microsoft.perform(lambda market: market.issue_token(self.id))
        self.microsoft.hide(self.token, "purchase-token")
        self.buyer = self.buyer.fresh(account)
        return self.visit()

    def asks(
        self,
        wish: str,
        *,
        plan: str = "",
        seats: int | None = None,
        account: str = "buyer",
        forging: Mapping[str, str] | None = None,
    ) -> Page:
        """Ask for a change on the publisher's own pages.

        Args:
            wish: `change_plan`, `change_seats` or `cancel`, as in the target file.
            plan: the plan that is wanted.
            seats: the number of seats that is wanted.
            account: who signs in at Entra for that.
            forging: values that are exchanged for others in what is sent.

        Raises:
            NotClaimed: the publisher does not offer it.
        """
        steps = getattr(self.publisher.service.self_service, wish, ())
        if not steps:
            raise NotClaimed(f"publisher.self_service.{wish}: the target file says of no way to do it")
        self.manage(account)
        self.remember()
        now = self.subscription
        seats = now.quantity if seats is None else seats
        self.page = self._take(steps, self.buyer, plan or now.plan_id, seats, forging)
        return self.page

    def _take(
        self,
        steps: Sequence[Step],
        tab: Buyer,
        plan: str,
        seats: int | None,
        forging: Mapping[str, str] | None,
    ) -> Page:
        landing_page = self.publisher.service.landing_page
        known = {
            "{token}": self.token,
            "{subscription_id}": self.id,
            "{landing_page}": with_token(landing_page, self.token),
            "{plan}": plan,
            "{seats}": "" if seats is None else str(seats),
        }
        for step in steps:
            if isinstance(step, SubmitForm):
                tab.submit(step.submit, filled(step.fields, known), forging=forging)
            elif isinstance(step, Post):
                url = forged_address(urljoin(landing_page, filled(step.post, known)), forging)
                if step.json_body is not None:
                    body = json.dumps(forged(filled(step.json_body, known), forging)).encode()
                    tab.post(url, body, "application/json")
                else:
                    body = urlencode(forged(filled(step.form or {}, known), forging)).encode()
                    tab.post(url, body, "application/x-www-form-urlencoded")
            elif isinstance(step, Get):
                tab.open(urljoin(landing_page, filled(step.get, known)))
            elif isinstance(step, Browser):
                actions = [_filled_action(action, known, forging) for action in step.browser]
                tab.browse(with_token(landing_page, self.token), actions)
            elif isinstance(step, Command):
                self._run([str(forged(each, forging)) for each in filled(step.command, known)], tab)
            else:
                self._by_hand(filled(step.by_hand, known), step.within, tab)
            if tab.page is not None:
                self._stumble = self._stumble or failure_of(tab.page)
        if tab.page is None:
            raise Precondition("no page has been opened")
        return tab.page

    def _run(self, command: Sequence[str], tab: Buyer) -> None:
        """Run a program of the target file, in the file's folder, for as long as a page may take."""
        service = self.publisher.service
        try:
            ended = subprocess.run(  # noqa: S603 - the target file's own
                command,
                cwd=service.folder,
                timeout=service.timeouts.page,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            problem = f"it ended with {ended.returncode}" if ended.returncode else ""
        except subprocess.TimeoutExpired:
            problem = f"it did not end within {service.timeouts.page:g} s"
        except OSError as error:
            problem = f"{type(error).__name__}: {error.strerror}"
        if problem and tab.page is not None:
            tab.page.problem = f"command {command[0]}: {problem}"

    def _by_hand(self, request: str, seconds: float, tab: Buyer) -> None:
        """Ask a person, until the service has acted on the subscription or time is over."""
        begun = self.microsoft.mark
        ask(f"{request}\nThe run goes on when the service has called the marketplace, or in {seconds:g} seconds.")

        def acted() -> bool | None:
            return any(call.method != "GET" for call in self.calls(begun)) or None

        if self.microsoft.wait(acted, seconds=seconds) is None and tab.page is not None:
            tab.page.problem = f"by hand: nothing had happened after {seconds:g} s"

    @property
    def course(self) -> str:
        """Say how the last visit went, for whoever wonders why a call has not come of it.

        Told are its first failing step, or how its last one was answered, and what Entra and the proxy have refused.
        """
        refused = next(filter(None, map(refusal_of, self.microsoft.since(self.visited_at))), "")
        if self._stumble:
            told = f"the first failing step: {self._stumble}"
        elif self.page is not None:
            told = f"no step failed, and the page answered {self.page.answer.status_code}"
        else:
            told = "no page was opened"
        told += f"; Entra had refused {refused}" if refused else ""
        return told + "".join(f"; {tunnel}" for tunnel in self.microsoft.refused_tunnels(since=self.visited_at)[-1:])

    @property
    def refused_access(self) -> list[Exchange]:
        """The publisher's requests for an access token, if Entra has refused it all of them; none if it has got one.

        Counted are those of the last visit, and those of the whole run where the visit has led to none.
        """
        asked = self.microsoft.access_token_requests(since=self.visited_at) or self.microsoft.access_token_requests()
        return asked if all(call.status != 200 for call in asked) else []

    @property
    def resolves(self) -> list[Exchange]:
        """The resolve calls that the last visit has led to."""
        return self.microsoft.called("resolve", since=self.visited_at)

    @property
    def resolved(self) -> list[Exchange]:
        """Those of them that the marketplace has answered with the purchase.

        A publisher may keep what a token stands for; where the last visit led to none, those of earlier visits with the
        same token count.
        """
        now = [call for call in self.resolves if call.status == 200]
        before = self.microsoft.called("resolve")
        return now or [call for call in before if call.status == 200 and sent(call, PURCHASE_TOKEN) == self.token]

    @property
    def activations(self) -> list[Exchange]:
        """The activate calls that the last visit has led to, for whatever subscription.

        Purchases that others have completed are theirs: whoever activates by and by may come to them at any time.
        """
        others = self.publisher.completed - {self.id}
        calls = self.microsoft.called("activate", since=self.visited_at)
        return [call for call in calls if kind_of(call)[1] not in others]

    def called(self, kind: str) -> list[Exchange]:
        """Return the calls of a kind about this subscription since the last `remember`."""
        return self.microsoft.called(kind, since=self._mark, of=self.id)

    def awaits(self, kind: str, *, count: int = 1) -> list[Exchange]:
        """Return the calls of a kind about this subscription, once there are so many or time for an effect is over."""
        begun = time.monotonic()
        came = self.microsoft.wait(lambda: len(self.called(kind)) >= count or None, seconds=self.publisher.effect_limit)
        self.publisher.note_effect(came=came is not None, after=time.monotonic() - begun)
        return self.called(kind)

    def awaits_repeat(
        self, kind: str, fault: Planned, *, silence: float = 0.0, of: Announcement | None = None
    ) -> list[Exchange]:
        """Return the calls of a kind, once one that met a fault has been made again or time for that is over.

        Args:
            kind: the kind of call.
            fault: what happens to the first of them.
            silence: for how many seconds the fault leaves a call unanswered; the publisher may give it up before.
            of: the notification that the calls report the outcome of.
        """
        begun, limit = time.monotonic(), self.publisher.effect_limit if of is None else self._report_limit(of)
        came = fault.begun.wait(limit)
        if of is not None and limit:
            self.publisher.note_report(came=came, after=time.monotonic() - begun)
        if came:
            self.microsoft.wait(lambda: self.called(kind) or None, seconds=silence + ACCEPTANCE_SECONDS)
            self.microsoft.wait(
                lambda: len(self.called(kind)) > 1 or None, seconds=self.publisher.service.timeouts.effect
            )
        return self.called(kind)

    def awaits_patches(self, of: Announcement) -> list[Exchange]:
        """Return the PATCH calls on operations after a notification, once there is one or none is to be expected."""
        begun, limit = time.monotonic(), self._report_limit(of)
        came = self.microsoft.wait(lambda: self.called("settle_operation") or None, seconds=limit)
        if limit:
            self.publisher.note_report(came=came is not None, after=time.monotonic() - begun)
        return self.called("settle_operation")

    def _report_limit(self, of: Announcement) -> float:
        """Return for how many seconds a report can be expected: not at all on what the publisher has refused."""
        return self.publisher.silence_limit if self.microsoft.was_taken(of.operation.id) else 0.0

    def awaits_reads(self, *, after: Sequence[Exchange]) -> list[Exchange]:
        """Return the reads of this subscription that follow the last of some calls, once there is one."""

        def reads() -> list[Exchange]:
            return [call for call in self.called("get_subscription") if not after or call.at > after[-1].at]

        self.microsoft.wait(lambda: reads() or None, seconds=self.publisher.effect_limit)
        return reads()

    def onboard(self) -> None:
        """Visit the landing page, complete it, and wait until the publisher has activated the subscription."""
        mark = self.microsoft.mark
        self.visit()
        self.complete()
        lost = self.page is not None and bool(self.page.problem or self.page.answer.status_code is None)
        completed = time.monotonic()
        activated = self.microsoft.wait(
            lambda: next((call for call in self.calls(mark) if call.url.split("?")[0].endswith("/activate")), None),
            seconds=0.0 if lost else self.publisher.patience,
        )
        status = self.subscription.status.value
        self.publisher.note_activation(came=status == "Subscribed", after=time.monotonic() - completed)
        if status != "Subscribed":
            seen = f"activate was answered {activated.status}" if activated else "the publisher did not call activate"
            refused = refused_for_its_values(activated) if activated else ""
            because = f"(ACT-006): {seen}: {refused}" if refused else f"(ACT-004): {seen}; {self.course}"
            raise Precondition(f"the purchase was not activated {because}", activated)
        if self.publisher.shows_state:
            self._appears()
        self.remember()

    def _appears(self) -> None:
        """Wait until the publisher shows the account that it has activated: what it shows may lag behind."""

        def in_use(account: Account) -> bool:
            return account.status.value not in {ABSENT, "PendingFulfillmentStart"}

        found, _, waited = self._look(in_use, within=self.publisher.appearance_limit)
        self.publisher.note_appearance(came=found is not None, after=waited)

    def remember(self) -> None:
        """Take what is now as the state that `effects` compares with."""
        self._mark = self.microsoft.mark
        self._before = self.publisher.account(self.id)

    def calls(self, since: int | None = None) -> list[Exchange]:
        """Return the Fulfillment calls about this subscription since the last `remember`, or since a mark."""
        return about(self.microsoft.since(self._mark if since is None else since), self.id)

    def acting_calls(self) -> list[Exchange]:
        """Return those calls that change something: activate, PATCH, DELETE."""
        return [call for call in self.calls() if call.method in ACTING]

    def effects(self) -> SeenEffects:
        """Tell what the publisher has done with this subscription since the last `remember`.

        First another customer's genuine change is carried through: whatever the publisher had put aside to do later has
        had its turn by then. Where it has taken no change of that customer, the marketplace allows no further one.
        """
        other = self.bystander()
        if other is not None:
            with suppress(Precondition):
                other.goes_through_a_change()
        return self.effects_so_far()

    def effects_so_far(self) -> SeenEffects:
        """Tell what can be seen of it at this moment, without waiting for anything.

        Raises:
            NotUnderstood: nothing but one of both looks at the account shows a change, and that look tells nothing.
        """
        after = self.publisher.account(self.id)
        calls = tuple(self.acting_calls())
        if after is None or self._before is None:
            return SeenEffects(calls, (), (after.exchange,) if after else (), subscription=self.id)
        blind = next((look for look in (self._before, after) if look.tells_nothing), None)
        if blind is not None and not calls and after.differences(self._before):
            raise NotUnderstood(blind.unclear, blind.exchange)
        return SeenEffects(
            calls,
            tuple(after.differences(self._before)),
            (self._before.exchange, after.exchange),
            after.beside(self._before),
            self.id,
            after.unclear_beside(self._before),
        )

    def goes_through_a_change(self) -> None:
        """Carry a genuine event through to its end, whatever comes of it."""
        plan = self.other_plan()
        announcement = self.change_plan(plan.plan_id)
        self.publisher.receives(announcement)
        self.settles(announcement)

    def settles(self, announcement: Announcement) -> Outcome:
        """Wait until a change has an outcome: by PATCH, by rejection, or by silence for ten seconds.

        Silence is measured in real time, since the publisher's clock is real; then the marketplace's ten seconds pass.
        A publisher that does not acknowledge, by its claim or by what it has shown, is not waited for that long, and
        neither is one whose PATCH the marketplace has refused. A notification that was not taken has no outcome yet: it
        would be delivered again.
        """
        operation_id = announcement.operation.id

        def decided() -> bool | None:
            refused = any(patch.status != 200 for patch in self.patches(operation_id))
            return refused or not self.microsoft.operation(announcement.operation).is_pending or None

        taken = self.microsoft.was_taken(operation_id)
        begun = time.monotonic()
        heard = self.microsoft.wait(decided, seconds=self.publisher.silence_limit if taken else 0.0)
        if taken:
            waited = time.monotonic() - begun
            if heard and announcement.operation.is_pending:
                # Ended by PATCH, if not by silence: that is reported when its answer has gone out, a moment later.
                seconds = ACCEPTANCE_SECONDS / 2 if waited < ACCEPTANCE_SECONDS / 2 else 1.0
                self.microsoft.wait(lambda: self.patches(operation_id) or None, seconds=seconds)
            self.publisher.note_report(came=bool(self.patches(operation_id)), after=waited)
        operation = self.microsoft.operation(announcement.operation)
        if taken and operation.is_pending:
            self.microsoft.advance(timedelta(seconds=ACCEPTANCE_SECONDS + 1))
            operation = self.microsoft.operation(announcement.operation)
        return Outcome(operation, tuple(self.patches(operation_id)))

    def patches(self, operation_id: str | None = None) -> list[Exchange]:
        """Return the PATCH calls on operations of this subscription, or on one of them."""
        return [
            call
            for call in self.calls()
            if call.method == "PATCH"
            and "/operations/" in call.url
            and (operation_id is None or f"/operations/{operation_id}" in call.url.lower())
        ]

    @staticmethod
    def word_of(patch: Exchange) -> object:
        """Return the status word that a PATCH of an operation carries."""
        return _status_word(patch)

    def account(self) -> Account | None:
        """Look at what the publisher shows now."""
        return self.publisher.account(self.id)

    def eventually(self, done: Callable[[Account], bool]) -> Account | None:
        """Look until the publisher shows what is waited for, or its time for an effect is over.

        Where it has refused the latest notification nothing is waited for. What cannot be understood may still become
        what is waited for.
        """
        refused = self.microsoft.was_refused(self._latest)
        found, last, waited = self._look(done, within=0.0 if refused else self.publisher.effect_limit)
        if last is not None and not refused:
            self.publisher.note_effect(came=found is not None, after=waited)
        return found or last

    def _look(self, done: Callable[[Account], bool], *, within: float) -> tuple[Account | None, Account | None, float]:
        """Look until something shows, for so many seconds; return what is right, what came last, and the time taken."""
        last: list[Account] = []

        def look() -> Account | None:
            account = self.publisher.account(self.id)
            if account is None:
                return None
            last[:] = [account]
            try:
                return account if done(account) else None
            except NotUnderstood:
                return None

        pause, waited = 0.02, 0.0
        found = look()
        while found is None and last and waited < within:
            self.microsoft.wait(lambda: None, seconds=pause)
            waited += pause
            pause = min(pause * 1.5, 1.0)
            found = look()
        return found, last[0] if last else None, waited


def with_token(landing_page: str, token: str) -> str:
    """Append the purchase token to a landing page address as the marketplace does: percent-encoded, as `token`."""
    query = urlencode({"token": token})
    return f"{landing_page}{'&' if urlsplit(landing_page).query else '?'}{query}"


def plans_to_change_to(offer: Offer, present: str) -> list[Plan]:
    """Return the plans of an offer that every customer of the plan `present` can change to."""
    return [
        plan
        for plan in offer.plans
        if plan.plan_id != present
        and not (plan.is_private or plan.is_stop_sell or plan.auto_activate or plan.has_free_trials)
    ]


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """Return a value of the target file with its placeholders filled in, at any depth."""
    if isinstance(value, str):
        for name, content in known.items():
            value = value.replace(name, content)
        return value
    if isinstance(value, Mapping):
        return {key: filled(inner, known) for key, inner in value.items()}
    return [filled(inner, known) for inner in value] if isinstance(value, list | tuple) else value


def _filled_action(action: BrowserAction, known: Mapping[str, str], forging: Mapping[str, str] | None) -> BrowserAction:
    values = action.model_dump(exclude_none=True)
    return BrowserAction.model_construct(**forged(filled(values, known), forging))


def _status_word(patch: Exchange) -> object:
    try:
        body = json.loads(patch.request_body)
    except (ValueError, RecursionError):
        return None
    return body.get("status") if isinstance(body, dict) else None
