"""The publisher under test, from outside: its webhook, its landing page, and what it shows of its accounts."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

from jsonpointer import JsonPointer, JsonPointerException

from fulfillment_conformance.answers import ABSENT, Answer, Reading, read_json
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient, trust
from fulfillment_conformance.interruptions import CannotArrange, NotUnderstood
from fulfillment_conformance.marketplace import SubscriptionStatus
from fulfillment_conformance.stage.buyer import Page
from fulfillment_conformance.stage.microsoft import GENUINE, Announcement, Microsoft
from fulfillment_conformance.target import Claims, Get, Reconcile, SelfService, State, Step, SubmitForm, Timeouts
from fulfillment_conformance.waits import Waits

ACCEPTANCE_SECONDS = 10.0
"""The window in which a publisher can report the outcome of a change (WHK-025)."""

SECRET_PARAMETERS = frozenset(
    {"code", "key", "sig", "token", "secret", "apikey", "api_key", "access_token", "password", "sv", "subscription-key"}
    | {"auth", "authorization", "pwd", "passwd", "x-functions-key", "functionkey", "accesskey", "signature"}
    | {"client_secret", "webhook_secret", "authtoken", "bearer", "credential"}
)
"""Query parameters that carry a secret in a URL (REG-006); hyphens and underscores make no difference."""

SAY_NOTHING: Final = frozenset({301, 302, 303, 307, 308, 401, 403, 407, 408, 429})
"""Answers that tell of the moment or of who asks, not of the account."""

WORDS: Final = tuple(status.value for status in SubscriptionStatus)
"""Microsoft's words for the state of a subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where the publisher is, and how to get on with it: the part of the target file that tests need."""

    landing_page: str
    webhook: str
    origins: tuple[str, ...] = ()
    onboarding: tuple[Step, ...] = ()
    state: State | None = None
    self_service: SelfService | None = None
    reconcile: Reconcile | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    tls_ca: Path | None = None
    browser: bool = False
    folder: Path = Path()
    claims: Claims = field(default_factory=Claims)


@dataclass(frozen=True, slots=True)
class Account:
    """What the publisher shows of a subscription, in Microsoft's words; readings are absent where it says nothing."""

    status: Reading
    plan: Reading
    seats: Reading
    tenant: Reading
    term_end: Reading
    exchange: Exchange

    @property
    def tells_nothing(self) -> bool:
        """Whether the look was answered by nothing, or by a status that tells of the moment and not of the account."""
        answered = self.exchange.status
        return answered is None or answered >= 500 or answered in SAY_NOTHING

    @property
    def unclear(self) -> str:
        """Why nobody can tell which state the publisher shows; empty where it shows one, or knows of no account."""
        if self.tells_nothing:
            answered = self.exchange.status
            return (
                f"publisher.state.get: the account was answered {answered or f'with nothing: {self.exchange.error}'}, "
                "which tells nothing of it; expected 200, or 404 where there is none, and no sign-in; look into the "
                "service's log"
            )
        if self.status.absent or self.status.value in WORDS:
            return ""
        return (
            f"publisher.state.words: the account shows the status {_in_the_file(self.status.value)}; expected one of "
            f"{', '.join(WORDS)}, or a word that publisher.state.words translates; say there which of them it means, "
            "and run again"
        )

    @property
    def state(self) -> Reading:
        """The status, for whatever turns on it; absent where the publisher knows of no account.

        Raises:
            NotUnderstood: it is none of Microsoft's words, and the target file does not say which of them it means.
        """
        if reason := self.unclear:
            raise NotUnderstood(reason, self.exchange)
        return self.status

    @property
    def gives_access(self) -> bool:
        """Whether the customer can use the service.

        Raises:
            NotUnderstood: see `state`.
        """
        return bool(self.state.value == "Subscribed")

    def has(self, *, plan: str | None = None, seats: int | None = None) -> bool:
        """Whether the account exists and has this plan and these seats, as far as the publisher shows them."""
        wanted = ((self.plan, plan), (self.seats, seats))
        return not self.status.absent and all(
            value is None or reading.absent or reading.value == value for reading, value in wanted
        )

    def beside(self, before: "Account") -> tuple[Reading, ...]:
        """Return status, plan and seats, each as an earlier look showed it and as it is now."""
        return (before.status, self.status, before.plan, self.plan, before.seats, self.seats)

    def differences(self, before: "Account") -> list[str]:
        """Describe what changed since an earlier look."""
        return [
            f"{now.name} changed from {then.value!r} to {now.value!r}"
            for now, then in ((self.status, before.status), (self.plan, before.plan), (self.seats, before.seats))
            if now.value != then.value
        ]

    def unclear_beside(self, before: "Account") -> str:
        """Why nobody can tell whether anything changed since an earlier look; empty where one can.

        Two words for the state may mean the same, and an answer that tells nothing hides plan and seats as well.
        """
        unclear = self.unclear or before.unclear
        same = all(
            now.absent or then.absent or now.value == then.value
            for now, then in ((self.plan, before.plan), (self.seats, before.seats))
        )
        return unclear if unclear and same and self.status.value != before.status.value else ""


class Publisher:
    """The service under test; `completed` are the subscriptions whose buyers have gone through its landing page."""

    def __init__(self, service: Service, microsoft: Microsoft, http: HttpClient) -> None:
        self.service = service
        self._microsoft = microsoft
        self._http = http
        self.has_seen_forged_tokens = False
        self.completed: set[str] = set()
        effect = service.timeouts.effect
        self._effects = Waits(effect, shortest=effect / 4, misses=3)
        self._reports = Waits(ACCEPTANCE_SECONDS, shortest=1.0, misses=2)
        self._activations = Waits(effect, shortest=min(1.0, effect), misses=2)
        self._appearances = Waits(effect, shortest=0.0, misses=2)

    @property
    def silence_limit(self) -> float:
        """Seconds to wait for a PATCH: the whole window, less where the publisher has shown that it sends none."""
        return self._reports.limit if self.service.claims.acknowledges_changes else 0.0

    def note_report(self, *, came: bool, after: float) -> None:
        """Note whether the outcome of a change was reported or refused, and after how many seconds."""
        self._reports.note(came=came, after=after)

    @property
    def effect_limit(self) -> float:
        """Seconds to wait for an effect: as the target file says, less where effects fail to come again and again."""
        return self._effects.limit

    def note_effect(self, *, came: bool, after: float) -> None:
        """Note whether an effect that was waited for has come, and after how many seconds."""
        self._effects.note(came=came, after=after)

    @property
    def patience(self) -> float:
        """Seconds to wait for an activation; a publisher that never activates is not waited for each time anew."""
        return self._activations.limit

    def note_activation(self, *, came: bool, after: float) -> None:
        """Note whether a purchase that was completed has been activated, and after how many seconds."""
        self._activations.note(came=came, after=after)

    @property
    def appearance_limit(self) -> float:
        """Seconds to wait until an account shows that it is in use; none where that has failed to come."""
        return self._appearances.limit

    def note_appearance(self, *, came: bool, after: float) -> None:
        """Note whether the account of an activated purchase has shown that it is in use, and after how many seconds."""
        self._appearances.note(came=came, after=after)

    @property
    def shows_state(self) -> bool:
        """Whether the target file says where the publisher shows its accounts."""
        return self.service.state is not None

    def shows(self, what: Literal["plan", "seats", "tenant", "term_end"]) -> bool:
        """Whether the target file says where an account shows its plan, seats, tenant or end of term."""
        return self.service.state is not None and getattr(self.service.state, what) is not None

    @property
    def made_by_script(self) -> bool:
        """Whether the buyer's page may work by script: what it shows may then not be in what is served.

        What a program or a person goes through may be such a page; forms are sent as they are served.
        """
        return any(not isinstance(step, SubmitForm | Get) for step in self.service.onboarding)

    def may_add_to(self, page: Page) -> bool:
        """Whether a page that was not looked at in a browser may show more there than was served."""
        return self.made_by_script and not self.service.browser and page.scripted

    def secrets_in_addresses(self) -> list[str]:
        """Return the names of query parameters that look like secrets in the landing page's and webhook's address."""
        queries = [urlsplit(address).query for address in (self.service.landing_page, self.service.webhook)]
        names = [name for query in queries for name, _ in parse_qsl(query, keep_blank_values=True)]
        return [name for name in names if _bare(name) in map(_bare, SECRET_PARAMETERS)]

    def trust(self) -> ssl.SSLContext:
        """Return a TLS context that checks the publisher's certificate as the target file says."""
        return trust(self.service.tls_ca)

    def receives(
        self,
        announcement: Announcement,
        *,
        token: str | None = GENUINE,
        authorization: Sequence[str] | None = None,
        payload: dict[str, Any] | bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        method: str = "POST",
        url: str | None = None,
        forged: bool | None = None,
    ) -> Answer:
        """Let the publisher receive a notification and return its answer.

        What is not given is genuine; `authorization` gives all values of that header. The marketplace takes the answer
        for the publisher's only if nothing is forged: neither token nor headers nor method nor address. A payload in
        another shape is still the marketplace's own, unless `forged` says that it tells lies.
        """
        genuine = token == GENUINE and authorization is None and headers is None and method == "POST" and url is None
        if forged is not None:
            genuine = not forged
        self.has_seen_forged_tokens |= bool(authorization) and not genuine
        return self._microsoft.send(
            announcement,
            token=token,
            authorization=authorization,
            payload=payload,
            headers=dict(headers) if headers is not None else None,
            heard=genuine,
            method=method,
            url=url,
        )

    def reconciles(self) -> Answer:
        """Make the publisher read the whole list of subscriptions, and return what it answers.

        Raises:
            CannotArrange: the target file does not say how.
        """
        if self.service.reconcile is None:
            raise CannotArrange("publisher.reconcile: the target file says of no way to make it read the list")
        url = urljoin(self.service.landing_page, self.service.reconcile.post)
        return Answer(self._http.send("POST", url, receiver="publisher", purpose="read the list of subscriptions"))

    def account(self, subscription_id: str) -> Account | None:
        """Look at what the publisher shows about a subscription; None where it shows nothing at all."""
        state = self.service.state
        if state is None:
            return None
        url = urljoin(
            self.service.landing_page, state.get.replace("{subscription_id}", quote(subscription_id, safe=""))
        )
        exchange = self._http.send("GET", url, receiver="publisher", purpose="what does the publisher believe?")
        body: Any = ABSENT
        if exchange.status == 200:
            body = read_json(exchange.response_body)
        words = state.words
        return Account(
            status=_reading(
                "the publisher's status",
                exchange,
                body,
                state.status,
                lambda word: word if word is ABSENT else words.get(_in_the_file(word), word),
            ),
            plan=_reading("the publisher's plan", exchange, body, state.plan),
            seats=_reading("the publisher's seats", exchange, body, state.seats, _number),
            tenant=_reading("the account's tenant", exchange, body, state.tenant),
            term_end=_reading("the end of the account's term", exchange, body, state.term_end),
            exchange=exchange,
        )


def _reading(
    name: str,
    exchange: Exchange,
    body: Any,
    pointer: str | None,
    understood: Callable[[Any], Any] = lambda value: value,
) -> Reading:
    """Read what stands at a pointer; its place is told unless another value was made of it."""
    shown = _at(body, pointer)
    value = understood(shown)
    place = ("body", *_steps(body, pointer)) if pointer is not None and shown is not ABSENT and value is shown else None
    return Reading(name, value, exchange, place)


def _steps(body: Any, pointer: str) -> Iterator[str | int]:
    for part in JsonPointer(pointer).parts:
        step = int(part) if isinstance(body, list) else part
        body = body[step]
        yield step


def _at(body: Any, pointer: str | None) -> Any:
    if pointer is None or body is ABSENT:
        return ABSENT
    try:
        return JsonPointer(pointer).resolve(body)
    except JsonPointerException:
        return ABSENT


def _in_the_file(word: Any) -> str:
    """Return a status as the target file names it: text as it is, `true`, `null` and numbers as JSON writes them."""
    return word if isinstance(word, str) else json.dumps(word)


def _bare(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _number(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        return None  # no seats
    return int(value) if isinstance(value, str) and value.strip().isdigit() else value
