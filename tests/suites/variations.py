"""Targets that lead the tests into branches no right target leads to, and what each test is to say of them.

A target that *stumbles* answers one request of every test, the first, the second and so on, as a service does that
always says the same: each step of a story fails once. Others can be arranged or seen in part only, or do everything
later. What the tests make of them is kept in `variations.json`: outcome and reason of every check, for each test that
does not pass as a whole.
"""

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.suites.runs import Judged, judge, nothing
from tests.suites.test_few_plans import sell_one_plan

from fulfillment_conformance.drivers.base import CAPABILITIES
from fulfillment_conformance.drivers.embedded import EmbeddedDriver
from fulfillment_conformance.emulator import Emulator
from fulfillment_conformance.emulator.faults import Rewrites
from fulfillment_conformance.emulator.fulfillment import PATHS
from fulfillment_conformance.emulator.identity.provider import IdentityProvider
from fulfillment_conformance.emulator.identity.tokens import TokenVersion
from fulfillment_conformance.emulator.silent import SILENT_SERVICES
from fulfillment_conformance.reference_publisher import ReferencePublisher
from fulfillment_conformance.reference_publisher.messages import Event
from fulfillment_conformance.reference_publisher.webhook import DONE, Verdict, Webhook
from fulfillment_conformance.stage import opening
from fulfillment_conformance.stage.embedded import embedded_service
from fulfillment_conformance.stage.publisher import Service
from fulfillment_conformance.stage.usual import Event as OrdinaryEvent
from fulfillment_conformance.stage.usual import Usual, UsualEvents

TABLE: Final = Path(__file__).with_name("variations.json")

GENERATED: Final = ("test_schema.py", "test_lifecycle.py", "test_at_once.py")
"""What makes its requests up, or lets two race: which of them is the nth one is nobody's concern."""

TARGETS: Final[Mapping[str, dict[str, Any]]] = {
    "marketplace": {"role": "marketplace", "marketplace": {"driver": "embedded"}},
    "publisher": {"role": "publisher", "publisher": {"embedded": True, "timeouts": {"effect": 2.0}}},
}

LATE_SECONDS: Final = 0.1

NEEDED: Final = frozenset(
    {"id", "subscriptionId", "subscription", "saasSubscriptionStatus", "offerId", "planId", "quantity", "action"}
    | {"status", "subscriptions", "plans", "operations", "@nextLink"}
)
"""What no test gets far without."""

LEFT_OUT: Final = object()

_VARYING: Final = (
    (re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\[[a-z -]+:[0-9a-f]+(?: percent-encoded)?\]"), "<hidden>"),
)
_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class Variation:
    """What is judged instead of a reference: `meddle` is done to it in the process of a run, before that starts."""

    role: str
    name: str
    meddle: Callable[[], None]
    options: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.role}: {self.name}"


class _Stumbling:
    """An application whose `nth` request of every test goes to `other`; those of fixtures do not count.

    Neither do those of ordinary events that are tried once in a run for all tests, whichever of them asks first.
    """

    undisturbed: ClassVar[bool] = False

    def __init__(self, app: ASGIApp, other: ASGIApp, nth: int, below: str) -> None:
        self._app = app
        self._other = other
        self._nth = nth
        self._below = below
        self._test = ""
        self._seen = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await (self._other if self._is_the_one(scope) else self._app)(scope, receive, send)

    def _is_the_one(self, scope: Scope) -> bool:
        test = os.environ.get("PYTEST_CURRENT_TEST", "")
        counts = scope["type"] == "http" and test.endswith("(call)") and scope["path"].startswith(self._below)
        if not counts or _Stumbling.undisturbed:
            return False
        self._seen = self._seen + 1 if test == self._test else 1
        self._test = test
        return self._seen == self._nth


def stumble_as_a_marketplace(nth: int, how: str) -> None:
    """Let the embedded marketplace answer the nth call of its API in every test as a silent service does."""
    init = Emulator.__init__

    def stumble(self: Emulator, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        self.app = _Stumbling(self.app, SILENT_SERVICES[how], nth, "/api/")

    setattr(Emulator, "__init__", stumble)  # noqa: B010


def stumble_as_a_publisher(nth: int, how: str) -> None:
    """Let the reference publisher answer the nth request of every test as a silent service does."""
    init, ordinary = ReferencePublisher.__init__, UsualEvents.__call__

    def go_undisturbed(self: UsualEvents, event: OrdinaryEvent) -> Usual:
        _Stumbling.undisturbed = True
        try:
            return ordinary(self, event)
        finally:
            _Stumbling.undisturbed = False

    def stumble(self: ReferencePublisher, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        self.app.add_middleware(_Stumbling, other=SILENT_SERVICES[how], nth=nth, below="/")

    setattr(ReferencePublisher, "__init__", stumble)  # noqa: B010
    setattr(UsualEvents, "__call__", go_undisturbed)  # noqa: B010


def have_no_means_but(*capabilities: str) -> None:
    """Let the embedded marketplace be one that can be asked for no other situations."""
    setattr(EmbeddedDriver, "capabilities", frozenset(capabilities))  # noqa: B010


def say_otherwise(change: Callable[[str, Any], Any]) -> None:
    """Let the embedded marketplace tell ids, states, plans and seats as they are, and the rest otherwise."""
    init = Emulator.__init__

    def altered(value: Any) -> Any:
        if isinstance(value, list):
            return [altered(each) for each in value]
        if not isinstance(value, dict):
            return value
        said = {name: altered(each) if name in NEEDED else change(name, each) for name, each in value.items()}
        return {name: each for name, each in said.items() if each is not LEFT_OUT}

    def alter(self: Emulator, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        for operations in PATHS.values():
            for call in operations.values():
                self.faults.add(Rewrites(lambda document: b"" if document is None else altered(document)), call=call)
        self.wrap_notification(
            lambda delivery, compose: replace(sent := compose(delivery), payload=altered(sent.payload))
        )

    setattr(Emulator, "__init__", alter)  # noqa: B010


def say_as_little_as_possible() -> None:
    """Let the embedded marketplace leave out what no test needs, in answers, notifications and their tokens."""
    say_otherwise(leave_out)
    claims = IdentityProvider.webhook_claims

    def fewer(self: IdentityProvider, version: TokenVersion = 2) -> dict[str, Any]:
        return {
            name: value
            for name, value in claims(self, version).items()
            if name not in {"aio", "iat", "rh", "uti", "ver"}
        }

    setattr(IdentityProvider, "webhook_claims", fewer)  # noqa: B010


def refuse_callers_with(status: int) -> None:
    """Let the embedded marketplace answer so where it should answer 401 or 403."""
    init = Emulator.__init__

    def refuse(self: Emulator, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        app = self.app

        async def alike(scope: Scope, receive: Receive, send: Send) -> None:
            async def said(message: Message) -> None:
                if message.get("status") in {401, 403} and scope["path"].startswith("/api/"):
                    message = {**message, "status": status}
                await send(message)

            await app(scope, receive, said)

        self.app = alike

    setattr(Emulator, "__init__", refuse)  # noqa: B010


def leave_out(_: str, __: Any) -> object:
    """Say nothing of it."""
    return LEFT_OUT


def of_another_kind(_: str, value: Any) -> Any:
    """Say it in a JSON type that it does not have."""
    return (
        7 if isinstance(value, str | None) else "7" if isinstance(value, int) else {} if isinstance(value, list) else []
    )


def of_another_value(_: str, value: Any) -> Any:
    """Say something else of the same JSON type; what is a date, a day later."""
    if isinstance(value, dict):
        return {name: of_another_value(name, each) for name, each in value.items()}
    if isinstance(value, bool):
        return not value
    if not isinstance(value, str):
        return value
    try:
        return f"{date.fromisoformat(value[:10]) + timedelta(days=1)}{value[10:]}"
    except ValueError:
        return f"another-{value}"


def show_nothing() -> None:
    """Let the target file name nothing of the publisher but its two addresses and the onboarding."""

    def otherwise(*arguments: Any) -> Service:
        return replace(embedded_service(*arguments), state=None, self_service=None, reconcile=None)

    setattr(opening, "embedded_service", otherwise)  # noqa: B010


def do_nothing() -> None:
    """Let the webhook take every genuine notification and leave it at that."""

    async def take(self: Webhook, event: Event) -> Verdict:
        return DONE

    setattr(Webhook, "take", take)  # noqa: B010


def act_later() -> None:
    """Let the webhook answer 200 at once, and take a moment before it does anything; what it refuses it reports so."""
    take = Webhook.take

    async def take_later(self: Webhook, event: Event) -> Verdict:
        async def later() -> None:
            await asyncio.sleep(LATE_SECONDS)
            verdict = await take(self, event)
            if 400 <= verdict.status < 500 and event.action.startswith("Change"):
                await self.report(event, "Failure")
            elif verdict.then is not None:
                await verdict.then()

        return Verdict(then=later)

    setattr(Webhook, "take", take_later)  # noqa: B010


def _stumbling(role: str, meddle: Callable[[int, str], None]) -> list[Variation]:
    ways = [
        ("server-error", 1),
        ("server-error", 2),
        ("server-error", 3),
        ("server-error", 4),
        ("empty-object", 1),
        ("empty-object", 2),
    ]
    return [Variation(role, f"{how} at request {nth}", partial(meddle, nth, how)) for how, nth in ways]


VARIATIONS: Final = (
    *_stumbling("marketplace", stumble_as_a_marketplace),
    Variation("marketplace", "nothing but purchases", partial(have_no_means_but, "purchases")),
    Variation("marketplace", "no clock", partial(have_no_means_but, *sorted(CAPABILITIES - {"clock"}))),
    Variation("marketplace", "leaves out what it can", say_as_little_as_possible),
    Variation("marketplace", "has values of other kinds", partial(say_otherwise, of_another_kind)),
    Variation("marketplace", "has other values", partial(say_otherwise, of_another_value)),
    Variation("marketplace", "refuses callers with 400", partial(refuse_callers_with, 400)),
    Variation("marketplace", "refuses callers with 402", partial(refuse_callers_with, 402)),
    Variation("marketplace", "the reference", nothing),
    Variation("marketplace", "as observed", nothing, ("--profile=observed",)),
    *_stumbling("publisher", stumble_as_a_publisher),
    Variation("publisher", "shows nothing", show_nothing),
    Variation("publisher", "sells one plan", sell_one_plan, claims={"per_seat": False}),
    Variation("publisher", "does nothing", do_nothing),
    Variation("publisher", "acts later", act_later),
    Variation("publisher", "the reference", nothing),
    Variation("publisher", "as observed", nothing, ("--profile=observed",)),
)


def judged_by(variation: Variation, folder: Path, *only: str) -> Judged:
    """Judge a variation by some requirements or by all."""
    left_out = " and ".join(f"not {name}" for name in GENERATED)
    ids = [f"--only={each}" for each in only]
    options = ["--seed=0", *variation.options, *ids, "--", "-k", left_out]
    target = TARGETS[variation.role] | ({"claims": dict(variation.claims)} if variation.claims else {})
    return judge(target, folder, *options, meddle=variation.meddle)


def told(run: Judged) -> dict[str, str]:
    """Return what each test of a run said, as the table has it; of one that passed as a whole, nothing."""
    return {test["test"]: text for test in run.results["tests"] if (text := _said(test))}


def differences(variation: Variation, run: Judged) -> list[str]:
    """Describe each test of a run that said something else than the table says."""
    expected, came = table().get(str(variation), {}), told(run)
    return [
        f"{name}:\n  expected: {expected.get(name, 'passed')}\n  came:     {came.get(name, 'passed')}"
        for name in sorted(test["test"] for test in run.results["tests"])
        if expected.get(name) != came.get(name)
    ]


@cache
def table() -> dict[str, dict[str, str]]:
    """Return what the tests are to say: variation -> test -> its checks."""
    whole: dict[str, dict[str, str]] = json.loads(TABLE.read_text(encoding="utf-8"))
    return whole


def keep(variation: Variation, run: Judged) -> None:
    """Write what the tests of a whole run said into the table."""
    whole = {**(table() if TABLE.exists() else {}), str(variation): told(run)}
    TABLE.write_text(json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    table.cache_clear()


def _said(test: Mapping[str, Any]) -> str:
    said = {
        f"{check['requirement']} {check['outcome']}" + (f": {_plain(check['reason'])}" if check.get("reason") else "")
        for check in test["checks"]
    }
    if said and not test["blame"] and all(each.endswith(" passed") for each in said):
        return ""
    blame = [f"the fault of: {test['blame']}"] if test["blame"] else []
    return "; ".join([*blame, *sorted(said)]) or "no check"


def _plain(reason: str) -> str:
    for varying, name in _VARYING:
        reason = varying.sub(name, reason)
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
