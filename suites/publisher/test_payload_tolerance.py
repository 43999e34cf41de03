"""Notifications in every form that real ones have had (scenarios B01 to B14): read leniently, same effect.

Each line of a table is one form, seen in the field or in a sample of the pages; it changes the genuine payload. A form
is judged only where the same event has its effect in the documented form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from fulfillment_conformance.emulator.faults import Rewrites
from fulfillment_conformance.interruptions import NotClaimed
from fulfillment_conformance.marketplace import Action
from fulfillment_conformance.marks import requirement

Payload = dict[str, Any]

DESCRIBED = ("offerId", "planId", "publisherId")
SHORT = ("id", "activityId", "operationRequestSource", "subscriptionId", "timeStamp", "action")


@dataclass(frozen=True)
class Form:
    """One form of a payload: what is odd about it, the event it comes with, and how it is made from the genuine one."""

    what: str
    event: str
    change: Callable[[Payload], Payload]


def _with(**values: Any) -> Callable[[Payload], Payload]:
    return lambda payload: payload | values


def _without(*names: str) -> Callable[[Payload], Payload]:
    return lambda payload: {name: value for name, value in payload.items() if name not in names}


def _nested(**values: Any) -> Callable[[Payload], Payload]:
    return lambda payload: payload | {"subscription": payload["subscription"] | values}


def _quantity(written: Callable[[int], Any]) -> Callable[[Payload], Payload]:
    return lambda payload: payload | {"quantity": written(int(payload.get("quantity") or 1))}


def _at(written: Callable[[datetime], str]) -> Callable[[Payload], Payload]:
    """Write the time at which the event really happened in another form: some go by it, to tell old news from new."""

    def rewritten(payload: Payload) -> Payload:
        told = datetime.fromisoformat(payload["timeStamp"])
        return payload | {"timeStamp": written(told if told.tzinfo else told.replace(tzinfo=UTC))}

    return rewritten


def _short(payload: Payload) -> Payload:
    return {name: payload[name] for name in SHORT if name in payload}


PLAN, SEATS_CHANGE, END = "ChangePlan", "ChangeQuantity", "Unsubscribe"
PAUSE, BACK, TERM = "Suspend", "Reinstate", "Renew"
NO_DATES = {"startDate": "0001-01-01T00:00:00", "endDate": "0001-01-01T00:00:00"}
DAYS = {"startDate": "2026-11-01", "endDate": "2026-11-30"}
THREE_YEARS = {"startDate": "2026-11-01T00:00:00Z", "endDate": "2029-10-31T00:00:00Z", "chargeDuration": "P1M"}


def _written(pattern: str, zone: tzinfo = UTC, ahead: timedelta = timedelta()) -> Callable[[datetime], str]:
    return lambda at: (at + ahead).astimezone(zone).strftime(pattern)


SEVEN_DIGITS = _written("%Y-%m-%dT%H:%M:%S.%f7Z")
SEVEN_DIGITS_OFFSET = _written("%Y-%m-%dT%H:%M:%S.%f7+00:00")
AN_HOUR_AHEAD = _written("%Y-%m-%dT%H:%M:%S.%f+01:00", timezone(timedelta(hours=1)))
NO_ZONE = _written("%Y-%m-%dT%H:%M:%S.%f")
NEXT_DAY = _written("%Y-%m-%d", ahead=timedelta(days=1))
"""Not the same day: its first moment lies before what the customer did earlier."""

# fmt: off
MISSING = [  # EVT-014
    Form("six fields only",               PLAN,         _short),
    Form("six fields only",               SEATS_CHANGE, _short),
    Form("six fields only",               TERM,         _short),
    Form("six fields only",               PAUSE,        _short),
    Form("six fields only",               BACK,         _short),
    Form("six fields only",               END,          _short),
    Form("no nested subscription",        PLAN,         _without("subscription")),
    Form("empty descriptions",            TERM,         _with(**dict.fromkeys(DESCRIBED, ""), status="", quantity="")),
    Form("descriptions null, NotStarted", TERM,         _with(**dict.fromkeys(DESCRIBED), status="NotStarted")),
    Form("descriptions null, NotStarted", PAUSE,        _with(**dict.fromkeys(DESCRIBED), status="NotStarted")),
    Form("descriptions null, NotStarted", BACK,         _with(**dict.fromkeys(DESCRIBED), status="NotStarted")),
    Form("empty descriptions",            END,          _with(**dict.fromkeys(DESCRIBED, ""), status="", quantity="")),
    Form("descriptions null, NotStarted", END,          _with(**dict.fromkeys(DESCRIBED), status="NotStarted")),
    Form("nested subscription null",      END,          _with(subscription=None, quantity=None)),
]
SEATS = [  # EVT-015
    Form("quantity as a number",          SEATS_CHANGE, _quantity(int)),
    Form("quantity as text",              SEATS_CHANGE, _quantity(str)),
    Form("quantity after a blank",        SEATS_CHANGE, _quantity(" {}".format)),
    Form("quantity null",                 PLAN,         _with(quantity=None)),
    Form("quantity absent",               PLAN,         _without("quantity")),
    Form("quantity 0 on a flat plan",     PLAN,         _with(quantity=0)),
    Form("quantity 1 on a flat plan",     PLAN,         _with(quantity=1)),
    Form("quantity as text",              TERM,         _quantity(str)),
    Form("quantity null",                 TERM,         _with(quantity=None)),
    Form("quantity absent",               TERM,         _without("quantity")),
    Form("quantity empty",                PAUSE,        _with(quantity="")),
    Form("quantity null",                 PAUSE,        _with(quantity=None)),
    Form("quantity as text",              BACK,         _quantity(str)),
    Form("quantity empty",                BACK,         _with(quantity="")),
    Form("quantity empty",                END,          _with(quantity="")),
    Form("quantity null",                 END,          _with(quantity=None)),
]
STATUS = [  # EVT-043
    Form("status InProgress",             PLAN,         _with(status="InProgress")),
    Form("status NotStarted",             PLAN,         _with(status="NotStarted")),
    Form("status In Progress",            PLAN,         _with(status="In Progress")),
    Form("status Succeeded",              PLAN,         _with(status="Succeeded")),
    Form("status Success",                PLAN,         _with(status="Success")),
    Form("status empty",                  PLAN,         _with(status="")),
    Form("no status",                     PLAN,         _without("status")),
    Form("status NotStarted",             TERM,         _with(status="NotStarted")),
    Form("status Success",                TERM,         _with(status="Success")),
    Form("status NotStarted",             PAUSE,        _with(status="NotStarted")),
    Form("no status",                     PAUSE,        _without("status")),
    Form("status Success",                BACK,         _with(status="Success")),
    Form("status empty",                  BACK,         _with(status="")),
    Form("status Success",                END,          _with(status="Success")),
]
TIMES = [  # EVT-044
    Form("seven digits and Z",            PLAN,         _at(SEVEN_DIGITS)),
    Form("seven digits and an offset",    PLAN,         _at(SEVEN_DIGITS_OFFSET)),
    Form("another offset",                PLAN,         _at(AN_HOUR_AHEAD)),
    Form("no zone",                       PLAN,         _at(NO_ZONE)),
    Form("a date only",                   PLAN,         _at(NEXT_DAY)),
    Form("seven digits and an offset",    TERM,         _at(SEVEN_DIGITS_OFFSET)),
    Form("no zone",                       TERM,         _at(NO_ZONE)),
    Form("seven digits and an offset",    PAUSE,        _at(SEVEN_DIGITS_OFFSET)),
    Form("no zone",                       BACK,         _at(NO_ZONE)),
    Form("another offset",                END,          _at(AN_HOUR_AHEAD)),
]
TERMS = [  # EVT-045; Get subscription shows the same term
    Form("no term",                       PLAN,         _nested(term=None)),
    Form("a term without dates",          PLAN,         _nested(term={"termUnit": "P1M"})),
    Form("dates of the year 1",           PLAN,         _nested(term={**NO_DATES, "termUnit": "P1M"})),
    Form("days only",                     PLAN,         _nested(term={**DAYS, "termUnit": "P1M"})),
    Form("three years",                   PLAN,         _nested(term={**THREE_YEARS, "termUnit": "P3Y"})),
]
MORE = [  # WHK-011
    Form("unknown properties",            PLAN,         _with(aNewProperty={"nested": [1, None]}, another="x")),
    Form("unknown nested properties",     PLAN,         _nested(aNewProperty=True, another={"deeper": {}})),
    Form("unknown properties",            SEATS_CHANGE, _with(aNewProperty={"nested": [1, None]}, another="x")),
    Form("unknown properties",            TERM,         _with(aNewProperty={"nested": [1, None]}, another="x")),
    Form("unknown properties",            PAUSE,        _with(aNewProperty="x", another={"deeper": []})),
    Form("unknown properties",            BACK,         _with(aNewProperty=0, another=None)),
    Form("unknown nested properties",     BACK,         _nested(aNewProperty=True, another={"deeper": {}})),
    Form("unknown properties",            END,          _with(aNewProperty=[], another=0.5, purchaseToken=None)),
]
# fmt: on


class Judge:
    """Sends forms of one table and checks their effect.

    A new customer comes for each change and each ending, so that none repeats what an earlier one was; one goes through
    suspensions and renewals.
    """

    def __init__(self, stage, microsoft, publisher):
        self.stage, self.microsoft, self.publisher = stage, microsoft, publisher
        self.lasting = None

    def judges(self, check, forms):
        """Record one decision per form."""
        works = {}
        for form in sorted(forms, key=lambda each: each.event == END):  # no ending may disturb a change
            event = form.event
            if event == SEATS_CHANGE and not self.stage.sells_seats:
                continue
            if event in {PLAN, SEATS_CHANGE} and self.publisher.service.claims.refuses_changes:
                check.not_applicable("claims.refuses_changes: the publisher says that it refuses all changes")
                continue
            if event == PLAN and (alone := self.cannot_change_plan()):
                check.not_applicable(alone)
                continue
            if event == BACK and self.publisher.service.claims.refuses_reinstatement:
                continue
            if event not in works:
                works[event] = self.sends(event, lambda payload: payload)
            plain, had_effect, _ = works[event]
            if not had_effect:
                check.undecided(f"{event} has no effect in the documented form either", rests_on=[plain])
                continue
            answer, had_effect, came = self.sends(event, form.change)
            check.that(
                answer.is_success and had_effect,
                expected=f"{event} with {form.what}: 2xx and its effect",
                actual=came,
                rests_on=[answer, plain],
            )

    def cannot_change_plan(self):
        """Return why no customer can change to another plan; an empty text if one can."""
        try:
            self.stage.subscribed().other_plan()
        except NotClaimed as why:
            return str(why)
        return ""

    def sends(self, event, change):
        """Let an event happen and announce it in some form; returns answer, whether it had its effect, what came."""
        if event == END:
            return self.ends(change)
        if event in {PAUSE, BACK, TERM}:
            return self.lasts(event, change)
        if event == PLAN:
            customer = self.stage.subscribed()
            announcement = customer.change_plan(customer.other_plan().plan_id)
        else:
            customer = self.stage.subscribed(self.stage.seat_plan(), quantity=10)
            announcement = customer.change_quantity(customer.other_seats)
        before, wanted = customer.account(), announcement.operation
        payload = change(self.microsoft.payload(announcement))

        def has_effect(now):
            if event == PLAN:
                return now.has(plan=wanted.plan_id) and now.seats.value == before.seats.value
            return now.has(plan=wanted.plan_id, seats=wanted.quantity)

        term = Rewrites(lambda answer: _same_term(answer, payload), "term")
        with self.microsoft.disturbed(term, call="get_subscription", of=customer.id):
            answer = self.publisher.receives(announcement, payload=payload)
            outcome = customer.settles(announcement)
            account = customer.eventually(has_effect)
        done = account is None or (has_effect(account) and account.gives_access)
        shown = f"{account.status}, {account.plan}, {account.seats}" if account else "no state page"
        came = f"{answer.status_code or answer.error}; operation {outcome.operation.status}; {shown}"
        return answer, done and outcome.operation.status == "Succeeded", came

    def lasts(self, event, change):
        """Suspend, reinstate or renew somebody's subscription, and announce it in some form; plan and seats stay."""
        customer = self.lasting or self.stage.subscribed_per_seat()
        self.lasting = None
        before = customer.account()
        if event == BACK:
            self.publisher.receives(customer.suspend())
            customer.eventually(lambda now: not now.gives_access)
        announcement = {PAUSE: customer.suspend, BACK: customer.reinstate, TERM: customer.renew}[event]()
        answer = self.publisher.receives(announcement, payload=change(self.microsoft.payload(announcement)))
        customer.settles(announcement)

        def has_effect(now):
            kept = event == PAUSE or (now.plan.value == before.plan.value and now.seats.value == before.seats.value)
            return now.gives_access is (event != PAUSE) and kept

        if event == TERM:
            customer.effects()  # what a renewal leads to has shown by then
        account = customer.eventually(has_effect) if answer.is_success else customer.account()
        done = answer.is_success and (account is None or has_effect(account))
        if done and event != PAUSE:
            self.lasting = customer
        shown = f"{account.status}, {account.plan}, {account.seats}" if account else "no state page"
        return answer, done, f"{answer.status_code or answer.error}; {shown}"

    def ends(self, change):
        """Cancel a new customer's subscription and announce it in some form."""
        customer = self.stage.subscribed()
        announcement = customer.unsubscribe()
        answer = self.publisher.receives(announcement, payload=change(self.microsoft.payload(announcement)))
        account = customer.eventually(lambda now: not now.gives_access) if answer.is_success else customer.account()
        done = answer.is_success and (account is None or not account.gives_access)
        return answer, done, f"{answer.status_code or answer.error}; {account.status if account else 'no state page'}"


@pytest.fixture
def judge(stage, microsoft, publisher):
    """Sends events in odd forms."""
    return Judge(stage, microsoft, publisher)


@requirement("EVT-014")
def test_descriptive_fields_may_be_missing_null_or_empty(judge, check):
    """Ids and action are enough: the rest is to be had from Get operation and Get subscription."""
    judge.judges(check("EVT-014"), MISSING)


@requirement("EVT-015")
def test_seats_come_as_number_text_or_nothing(judge, check):
    """4, "4", " 4": four seats; empty, null, absent: no matter."""
    judge.judges(check("EVT-015"), SEATS)


@requirement("EVT-043")
def test_the_status_word_decides_nothing(judge, check):
    """InProgress, NotStarted, Succeeded, Success, none: the same effect each time."""
    judge.judges(check("EVT-043"), STATUS)


@requirement("EVT-044")
def test_times_come_in_every_form(judge, check):
    """Seven digits and Z, an offset, no zone, a date only."""
    judge.judges(check("EVT-044"), TIMES)


@requirement("EVT-045")
def test_a_term_without_dates_is_not_the_end_of_access(judge, check):
    """Missing, of the year 1, days only, three years long: the event has its effect, and access goes on."""
    judge.judges(check("EVT-045"), TERMS)


@requirement("WHK-011")
def test_unknown_properties_do_no_harm(judge, check):
    """Microsoft may add to the payload at both levels."""
    judge.judges(check("WHK-011"), MORE)


@requirement("EVT-042")
def test_subscribe_for_an_active_subscription_is_taken_and_changes_nothing(microsoft, publisher, subscribed, check):
    """Renewals have been announced as Subscribe, too: in full and with six fields, neither makes a second account."""
    with microsoft.deciding_otherwise(renewal_sends_subscribe=True):
        renewals = [subscribed.renew() for _ in range(2)]
    answered = [publisher.receives(renewed) for renewed in renewals]
    active = subscribed.eventually(lambda now: now.gives_access)
    subscribed.remember()
    in_full = subscribed.announced(Action.SUBSCRIBE)
    full = microsoft.payload(renewals[-1]) | {"id": in_full.operation.id, "action": "Subscribe"}
    answers = [publisher.receives(in_full, payload=full)]
    in_short = subscribed.announced(Action.SUBSCRIBE)
    answers.append(publisher.receives(in_short, payload=_short(microsoft.payload(in_short))))
    effect = subscribed.effects().understood()

    for answer, what in zip(answers, ("in full", "with six fields"), strict=True):
        if not all(each.is_success for each in answered) or (active is not None and not active.gives_access):
            check("EVT-042").undecided("Renew was not taken, or ended access", rests_on=[*answered, answer])
            continue
        check("EVT-042").that(
            answer.is_success and not effect.differences,
            expected=f"Subscribe {what} answered 200, the account as it was",
            actual=f"{answer.status_code or answer.error}; {'; '.join(effect.differences) or 'no change'}",
            rests_on=[answer, *answered, *effect.evidence()],
        )


@requirement("WHK-033")
def test_an_unknown_action_changes_nothing(microsoft, publisher, subscribed, check):
    """A word that is not among the seven events: no server error, no effect."""
    announcement = subscribed.a_pending_event()
    payload = microsoft.payload(announcement)
    answers = [
        publisher.receives(announcement, payload=payload | {"action": word}, forged=True)
        for word in ("Transfer", "FutureAction")
    ]
    effect = subscribed.effects()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    if not twin.is_success and not subscribed.claims.refuses_changes:
        check("WHK-033").undecided("the genuine change was not taken either", rests_on=[twin])
        return
    for answer in answers:
        check("WHK-033").that(
            answer.status_code is not None and answer.status_code < 500 and not effect.changes(),
            expected="no server error and no effect",
            actual=f"{answer.status_code or answer.error}; {'; '.join(effect.changes()) or 'no effect'}",
            rests_on=[answer, *effect.evidence()],
            notes=[] if answer.is_success else [f"{answer.status_code}: 2xx would end the delivery"],
        )


@requirement("WHK-043")
def test_a_body_that_is_no_json_is_a_clients_mistake(publisher, subscribed, check):
    """Half an object, nothing at all: refused with 4xx, and the next good call works."""
    announcement = subscribed.an_event()
    broken = [publisher.receives(announcement, payload=body, forged=True) for body in (b"{", b"", b"\xff\xfe{")]
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    for answer in broken:
        check("WHK-043").refused(answer, while_twin=twin)


@requirement("WHK-052")
def test_other_methods_do_no_harm(publisher, subscribed, check):
    """GET, HEAD, OPTIONS, PUT and DELETE of the webhook: no server error, no effect, and POST works afterwards."""
    announcement = subscribed.a_pending_event()
    answers = [
        publisher.receives(announcement, method=method) for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
    ]
    effect = subscribed.effects()
    twin = publisher.receives(announcement)
    subscribed.settles(announcement)

    for answer in answers:
        if not twin.is_success:
            check("WHK-052").undecided("POST was not taken either", rests_on=[answer, twin])
            continue
        check("WHK-052").that(
            answer.status_code is not None and answer.status_code < 500 and not effect.changes(),
            expected=f"{answer.exchange.method}: below 500 and no effect",
            actual=f"{answer.status_code or answer.error}; {'; '.join(effect.changes()) or 'no effect'}",
            rests_on=[answer, *effect.evidence()],
        )


def _same_term(answer, payload):
    nested = payload.get("subscription")
    return answer | {"term": nested["term"]} if isinstance(nested, dict) and "term" in nested else answer
