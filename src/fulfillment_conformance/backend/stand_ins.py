"""What exists at the target, put where a generated call names something well-formed that does not exist.

Nobody can make up a subscription id or a purchase token. Without stand-ins every generated call would end at 404 or at
a bad token, and nothing behind that would ever be reached.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from fulfillment_conformance.backend.situations import PlanKind, Situations
from fulfillment_conformance.checks import GUID
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.generated import MadeUp
from fulfillment_conformance.interruptions import Interruption

_PATH = re.compile(
    rf"/saas/subscriptions/(?P<subscription>{GUID.pattern})(?P<part>/\w+)?(?:/(?P<operation>{GUID.pattern}))?"
)
_PURCHASE_TOKEN = "x-ms-marketplace-token"  # noqa: S105 - the name of a header
_WELL_FORMED_TOKEN = re.compile(r"[!-~]{1,2048}")


class StandIns:
    """Stands real things in, one of its own for each kind of call, so that no call spoils another kind's.

    What the target has shown itself, in an answer to an earlier call, stays as it is: that is how links lead on.
    """

    def __init__(self, situations: Situations) -> None:
        self._situations = situations
        self._made: dict[str, tuple[str, str] | None] = {}
        self._shown: set[str] = set()

    def put_into(self, made_up: MadeUp) -> MadeUp:
        """Return the call with real ids and a real purchase token in place of well-formed ones that nobody issued."""
        path = _PATH.fullmatch(made_up.path)
        if path is not None:
            made_up = replace(made_up, path=self._path(made_up, path))
        return replace(made_up, headers=tuple((name, self._header(name, value)) for name, value in made_up.headers))

    def learn(self, answer: Exchange) -> None:
        """Remember the ids in a successful answer; those in a refusal may be the call's own."""
        if answer.status is None or answer.status >= 300:
            return
        text = answer.response_body.decode("utf-8", "replace")
        located = [value for name, value in answer.response_headers if name.lower() == "operation-location"]
        for part in (text, *located):
            self._shown.update(found.lower() for found in GUID.findall(part))

    def _path(self, made_up: MadeUp, path: re.Match[str]) -> str:
        if path["subscription"].lower() in self._shown:
            return made_up.path
        part = path["part"] or ""
        real = self._real(made_up.method, part, made_up.body)
        if real is None:
            return made_up.path
        return f"/saas/subscriptions/{real[0]}{part}" + (f"/{real[1]}" if path["operation"] else "")

    def _header(self, name: str, value: str) -> str:
        if name.lower() == _PURCHASE_TOKEN and _WELL_FORMED_TOKEN.fullmatch(value):
            real = self._of_its_own("resolve", self._purchase)
            return value if real is None else real[1]
        return value

    def _real(self, method: str, part: str, body: bytes) -> tuple[str, str] | None:
        if part == "/activate":
            return self._of_its_own("activate", self._purchase)
        if part == "/operations":
            return self._of_its_own(f"{method} operation", self._change)
        kind: PlanKind | None = "per-seat" if b'"quantity"' in body else None
        return self._of_its_own(f"{method} {kind}", lambda: (self._situations.subscribed(kind).id, ""))

    def _of_its_own(self, name: str, make: Callable[[], tuple[str, str]]) -> tuple[str, str] | None:
        if name not in self._made:
            try:
                self._made[name] = make()
            except Interruption:
                self._made[name] = None  # a target that cannot be put into this situation is called with made-up ids
        return self._made[name]

    def _purchase(self) -> tuple[str, str]:
        purchase = self._situations.buy()
        return purchase.id, purchase.token

    def _change(self) -> tuple[str, str]:
        change = self._situations.pending_change()
        return change.purchase.id, change.operation_id
