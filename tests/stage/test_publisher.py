"""Tests of the publisher under test as the suite sees it from outside."""

import ssl
from pathlib import Path
from typing import Any, cast

import pytest
from tests.scripted import Scripted, reply

from fulfillment_conformance.answers import ABSENT, Answer
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.interruptions import CannotArrange, NotUnderstood
from fulfillment_conformance.stage.buyer import Page
from fulfillment_conformance.stage.microsoft import GENUINE, Announcement, Microsoft
from fulfillment_conformance.stage.publisher import ACCEPTANCE_SECONDS, SECRET_PARAMETERS, Publisher, Service
from fulfillment_conformance.target import (
    Browser,
    ByHand,
    Claims,
    Command,
    Get,
    Post,
    Reconcile,
    State,
    SubmitForm,
    Timeouts,
)

STATE = State(
    get="/accounts/{subscription_id}",
    status="/state",
    plan="/plan/id",
    seats="/seats",
    tenant="/tenant",
    term_end="/term/0/end",
    words={"live": "Subscribed", "off": "Suspended", "true": "Subscribed", "null": "Unsubscribed"},
)
ANSWER = cast("Answer", "answered")
SHOWN = {"state": "live", "plan": {"id": "gold"}, "seats": "12", "tenant": "t1", "term": [{"end": "2026-02-09"}]}


class Sent:
    """Stands for Microsoft: keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, announcement: Announcement, **how: Any) -> Answer:
        self.sent.append({"announcement": announcement, **how})
        return ANSWER


class World:
    """A publisher whose pages answer as a test says."""

    def __init__(self, *, shown: Any = SHOWN, status: int | None = 200, **service: Any) -> None:
        self.script = Scripted(lambda exchange: reply(exchange, status, shown))
        self.microsoft = Sent()
        addresses = {"landing_page": "https://isv.example/app/signup", "webhook": "https://isv.example/hook"}
        self.publisher = Publisher(
            Service(**(addresses | service)), cast("Microsoft", self.microsoft), self.script.http
        )


ANNOUNCEMENT = cast("Announcement", "announcement")


# --- its account page ---


def test_what_it_shows_is_read_in_microsofts_words() -> None:
    world = World(state=STATE)
    account = world.publisher.account("a b/c")

    assert account is not None
    assert (account.status.value, account.plan.value, account.seats.value) == ("Subscribed", "gold", 12)
    assert (account.tenant.value, account.term_end.value) == ("t1", "2026-02-09")
    assert account.exchange is world.script.last
    assert (world.script.last.method, world.script.last.url) == ("GET", "https://isv.example/accounts/a%20b%2Fc")
    assert (world.script.last.receiver, world.script.last.purpose) == ("publisher", "what does the publisher believe?")
    assert account.gives_access
    assert [str(reading.name) for reading in (account.status, account.plan, account.seats)] == [
        "the publisher's status",
        "the publisher's plan",
        "the publisher's seats",
    ]


@pytest.mark.parametrize(
    ("word", "status"),
    [("off", "Suspended"), ("Unsubscribed", "Unsubscribed"), (True, "Subscribed"), (None, "Unsubscribed")],
)
def test_a_word_has_a_meaning_if_it_is_microsofts_or_translated(word: Any, status: str) -> None:
    account = World(shown={"state": word}, state=STATE).publisher.account("s")

    assert account is not None
    assert (account.status.value, account.state.value, account.unclear) == (status, status, "")
    assert account.gives_access == (status == "Subscribed")


@pytest.mark.parametrize(
    ("word", "named"), [("Live", "Live"), ("", ""), (5, "5"), (False, "false"), (["live"], '["live"]')]
)
def test_a_word_that_nobody_has_explained_means_neither_access_nor_none(word: Any, named: str) -> None:
    account = World(shown={"state": word, "plan": {"id": "gold"}}, state=STATE).publisher.account("s")

    assert account is not None
    assert account.status.value == word
    for ask in ("state", "gives_access"):
        with pytest.raises(NotUnderstood) as told:
            getattr(account, ask)
        assert str(told.value).startswith(
            f"publisher.state.words: the account shows the status {named}; expected one of PendingFulfillmentStart, "
            "Subscribed, Suspended, Unsubscribed, or a word that publisher.state.words translates; say there"
        )
        assert told.value.exchange is account.exchange
    assert account.has(plan="gold")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (500, "the account was answered 500, which tells nothing of it; expected 200, or 404"),
        (429, "the account was answered 429, which tells nothing of it; expected 200, or 404"),
        (401, "the account was answered 401, which .* or 404 where there is none, and no sign-in"),
        (302, "the account was answered 302, which"),
        (None, "the account was answered with nothing: ConnectError: refused, which tells"),
    ],
)
def test_an_answer_that_tells_nothing_means_neither_access_nor_none(status: int | None, told: str) -> None:
    account = World(status=status, state=STATE).publisher.account("s")

    assert account is not None
    with pytest.raises(NotUnderstood, match=told):
        _ = account.gives_access


@pytest.mark.parametrize("status", [404, 410, 400, 204])
def test_an_account_that_is_not_there_gives_no_access(status: int) -> None:
    account = World(status=status, state=STATE).publisher.account("s")

    assert account is not None
    assert account.state.absent
    assert not account.gives_access


@pytest.mark.parametrize(
    ("shown", "seats"),
    [("12", 12), (" 12 ", 12), (12, 12), ("-1", "-1"), ("twelve", "twelve"), (None, None), ("", None), (" ", None)],
)
def test_seats_are_a_number_where_they_can_be(shown: Any, seats: Any) -> None:
    account = World(shown={"seats": shown}, state=STATE).publisher.account("s")

    assert account is not None
    assert account.seats.value == seats


@pytest.mark.parametrize(
    ("status", "shown"), [(404, SHOWN), (201, SHOWN), (None, SHOWN), (200, b"<html>"), (200, []), (200, b"[" * 100_000)]
)
def test_what_cannot_be_read_is_absent(status: int | None, shown: Any) -> None:
    account = World(shown=shown, status=status, state=STATE).publisher.account("s")

    assert account is not None
    values = [account.status, account.plan, account.seats, account.tenant, account.term_end]
    assert [reading.value for reading in values] == [ABSENT] * 5
    assert not account.has()


def test_what_the_target_file_does_not_name_is_absent() -> None:
    account = World(state=State(get="/a/{subscription_id}", status="/state")).publisher.account("s")

    assert account is not None
    assert (account.status.value, account.plan.value, account.seats.value) == ("live", ABSENT, ABSENT)
    assert World().publisher.account("s") is None


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ({}, True),
        ({"plan": "gold"}, True),
        ({"plan": "silver"}, False),
        ({"seats": 12}, True),
        ({"seats": 11}, False),
        ({"plan": "gold", "seats": 11}, False),
    ],
)
def test_an_account_has_a_plan_and_seats(wanted: dict[str, Any], has: bool) -> None:
    account = World(state=STATE).publisher.account("s")

    assert account is not None
    assert account.has(**wanted) == has


def test_what_is_not_shown_cannot_be_wrong() -> None:
    account = World(shown={"state": "live"}, state=STATE).publisher.account("s")

    assert account is not None
    assert account.has(plan="silver", seats=3)


def test_what_has_changed_between_two_looks_is_said() -> None:
    before = World(state=STATE).publisher.account("s")
    after = World(shown={"state": "off", "plan": {"id": "gold"}, "seats": 3, "tenant": "t2"}, state=STATE)
    account = after.publisher.account("s")

    assert account is not None
    assert before is not None
    assert account.differences(before) == [
        "the publisher's status changed from 'Subscribed' to 'Suspended'",
        "the publisher's seats changed from 12 to 3",
    ]
    assert account.differences(account) == []


@pytest.mark.parametrize(
    ("then", "now", "clear"),
    [
        ({"state": "live"}, {"state": "off"}, True),
        ({"state": "live"}, {"state": "renewed"}, False),
        ({"state": "renewed"}, {"state": "live"}, False),
        ({"state": "renewed"}, {"state": "renewed"}, True),
        ({"state": "live", "seats": 3}, {"state": "renewed", "seats": 3}, False),
        ({"state": "live", "seats": 3}, {"state": "renewed", "seats": 4}, True),
        ({"state": "live", "plan": {"id": "a"}}, {"state": "renewed", "plan": {"id": "b"}}, True),
    ],
)
def test_whether_another_word_is_another_state_may_be_unclear(then: Any, now: Any, clear: bool) -> None:
    before, after = (World(shown=shown, state=STATE).publisher.account("s") for shown in (then, now))

    assert before is not None
    assert after is not None
    assert (after.unclear_beside(before) == "") == clear


def test_an_answer_that_tells_nothing_is_no_change() -> None:
    before, after = (World(status=status, state=STATE).publisher.account("s") for status in (200, 503))

    assert before is not None
    assert after is not None
    assert "answered 503" in after.unclear_beside(before)


@pytest.mark.parametrize("what", ["plan", "seats", "tenant", "term_end"])
def test_what_it_shows_is_known_from_the_target_file(what: Any) -> None:
    bare = World(state=State(get="/a/{subscription_id}", status="/state")).publisher

    assert World(state=STATE).publisher.shows(what)
    assert not bare.shows(what)
    assert bare.shows_state
    assert not World().publisher.shows(what)
    assert not World().publisher.shows_state


# --- how long it is waited for ---


def test_it_is_waited_for_as_the_target_file_says() -> None:
    publisher = World(timeouts=Timeouts(effect=8.0)).publisher

    assert (publisher.effect_limit, publisher.patience, publisher.silence_limit) == (8.0, 8.0, 10.0)
    assert ACCEPTANCE_SECONDS == 10.0


def test_one_that_says_that_it_reports_nothing_is_not_waited_for() -> None:
    assert World(claims=Claims(acknowledges_changes=False)).publisher.silence_limit == 0.0


@pytest.mark.parametrize(
    ("note", "limit", "misses", "shortest", "longest"),
    [
        ("note_effect", "effect_limit", 3, 2.0, 8.0),
        ("note_report", "silence_limit", 2, 1.0, 10.0),
        ("note_activation", "patience", 2, 1.0, 8.0),
    ],
)
def test_what_fails_to_come_is_waited_for_less(
    note: str, limit: str, misses: int, shortest: float, longest: float
) -> None:
    publisher = World(timeouts=Timeouts(effect=8.0)).publisher
    for _ in range(misses):
        assert getattr(publisher, limit) == longest
        getattr(publisher, note)(came=False, after=longest)

    assert getattr(publisher, limit) == shortest
    getattr(publisher, note)(came=True, after=longest)
    assert getattr(publisher, limit) == longest


def test_an_impatient_target_file_is_never_waited_for_longer() -> None:
    publisher = World(timeouts=Timeouts(effect=0.4)).publisher
    for _ in range(2):
        publisher.note_activation(came=False, after=0.4)

    assert publisher.patience == 0.4


# --- what is known of it ---


@pytest.mark.parametrize(
    ("steps", "made"),
    [
        ((), False),
        ((Get(get="/a"), SubmitForm(submit="form")), False),
        ((Post(post="/a", form={}),), True),
        ((Browser(browser=()),), True),
        ((Command(command=("go",)),), True),
        ((SubmitForm(submit="form"), ByHand(by_hand="confirm")), True),
    ],
)
def test_a_page_that_is_gone_through_otherwise_than_by_its_forms_may_be_made_by_script(steps: Any, made: bool) -> None:
    assert World(onboarding=steps).publisher.made_by_script == made


@pytest.mark.parametrize(
    ("html", "steps", "browser", "may"),
    [
        ("<script>go()</script>", (Post(post="/a", form={}),), False, True),
        ("<p>plain</p>", (Post(post="/a", form={}),), False, False),
        ("<script>go()</script>", (Post(post="/a", form={}),), True, False),
        ("<script>go()</script>", (SubmitForm(submit="form"),), False, False),
    ],
)
def test_scripts_may_add_to_a_page_that_nobody_has_seen_in_a_browser(
    html: str, steps: Any, browser: bool, may: bool
) -> None:
    exchange = Exchange(sender="buyer", receiver="publisher", method="GET", url="https://isv.example/", status=200)
    exchange.response_body = html.encode()

    assert World(onboarding=steps, browser=browser).publisher.may_add_to(Page(Answer(exchange), exchange.url)) == may


@pytest.mark.parametrize("name", sorted(SECRET_PARAMETERS))
def test_secrets_in_addresses_are_found_by_their_names(name: str) -> None:
    addresses: dict[str, Any] = {
        "landing_page": f"https://isv.example/?{name.upper()}=1",
        "webhook": f"https://isv.example/?a=&{name}=",
    }

    assert World(**addresses).publisher.secrets_in_addresses() == [name.upper(), name]
    assert World(webhook="https://isv.example/?tenant=1&encode=2").publisher.secrets_in_addresses() == []


def test_hyphens_make_no_other_name_of_a_secret() -> None:
    world = World(landing_page="https://isv.example/?Api-Key=1", webhook="https://isv.example/?xFunctionsKey=1")

    assert world.publisher.secrets_in_addresses() == ["Api-Key", "xFunctionsKey"]


def test_a_certificate_is_trusted_as_the_target_file_says(tmp_path: Path) -> None:
    assert World().publisher.trust().verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(UsageProblem, match=r"nothing\.pem"):
        World(tls_ca=tmp_path / "nothing.pem").publisher.trust()


def test_it_reads_the_list_where_there_is_a_way_to_make_it() -> None:
    world = World(reconcile=Reconcile(post="/admin/reconcile"), status=204)

    assert world.publisher.reconciles().status_code == 204
    assert (world.script.last.method, world.script.last.url) == ("POST", "https://isv.example/admin/reconcile")
    assert (world.script.last.receiver, world.script.last.purpose) == ("publisher", "read the list of subscriptions")
    with pytest.raises(CannotArrange, match=r"publisher\.reconcile: the target file says of no way"):
        World().publisher.reconciles()


# --- notifications ---


@pytest.mark.parametrize(
    ("how", "heard"),
    [
        ({}, True),
        ({"payload": {"a": 1}}, True),
        ({"payload": {"a": 1}, "forged": True}, False),
        ({"token": "other"}, False),
        ({"token": None}, False),
        ({"authorization": []}, False),
        ({"headers": {}}, False),
        ({"method": "PUT"}, False),
        ({"url": "https://isv.example/other"}, False),
        ({"headers": {"x": None}, "forged": False}, True),
    ],
)
def test_only_the_answer_to_a_genuine_notification_is_heard(how: dict[str, Any], heard: bool) -> None:
    world = World()

    assert world.publisher.receives(ANNOUNCEMENT, **how) is ANSWER
    given = {name: value for name, value in how.items() if name != "forged"}
    assert world.microsoft.sent == [
        {
            "announcement": ANNOUNCEMENT,
            "heard": heard,
            "token": GENUINE,
            "authorization": None,
            "payload": None,
            "headers": None,
            "method": "POST",
            "url": None,
            **given,
        }
    ]


def test_it_is_known_whether_it_has_seen_a_forged_token() -> None:
    publisher = World().publisher
    publisher.receives(ANNOUNCEMENT)
    publisher.receives(ANNOUNCEMENT, authorization=[])
    publisher.receives(ANNOUNCEMENT, token=None)
    publisher.receives(ANNOUNCEMENT, authorization=["Bearer genuine"], forged=False)
    assert not publisher.has_seen_forged_tokens
    publisher.receives(ANNOUNCEMENT, authorization=["Bearer forged"])
    publisher.receives(ANNOUNCEMENT)

    assert publisher.has_seen_forged_tokens
