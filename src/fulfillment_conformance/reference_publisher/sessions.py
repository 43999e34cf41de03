"""Sessions of buyers: what must survive between two of their requests stays on the server, behind a random cookie.

The purchase token waits here while the buyer signs in, so that no redirect can damage it and no address shows it.
"""

import base64
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.messages import Subscription

LIFETIME_SECONDS: Final = 3600.0
MOST_SESSIONS: Final = 10_000
"""Link scanners open many sessions and use none; the oldest give way."""

CONSUMERS_TENANT_ID: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of every personal Microsoft account: it tells nothing about who bought."""

Entropy = Callable[[int], bytes]
"""Gives unpredictable bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who has signed in."""

    tenant_id: str
    name: str = ""
    email: str = ""

    @property
    def personal(self) -> bool:
        """Whether it is a personal Microsoft account."""
        return self.tenant_id == CONSUMERS_TENANT_ID

    def belongs_to(self, subscription: Subscription) -> bool:
        """Whether the user is of the tenant that uses or pays for a subscription.

        A colleague or a reseller's administrator may finish a purchase. Personal accounts share one tenant; there the
        e-mail address decides, which Entra has verified for them.
        """
        parties = (subscription.beneficiary, subscription.purchaser)
        if self.personal:
            return bool(self.email) and self.email.lower() in {party.email.lower() for party in parties}
        return self.tenant_id in {party.tenant_id for party in parties}


@dataclass(slots=True, kw_only=True)
class Session:
    """One visit.

    Attributes:
        key: the secret in the cookie.
        csrf: what every form of this session has to send back.
        started: when, by the clock of `Sessions`.
        purchase_token: the decoded purchase token of the last visit to the landing page; empty: none.
        user: who has signed in.
        sign_in: the sign-in under way, as msal wants it back.
        after_sign_in: where the buyer goes then.
        purchases: what this visitor has shown a purchase token for, as resolved, by subscription id.
    """

    key: str
    csrf: str
    started: float
    purchase_token: str = field(default="", repr=False)
    user: User | None = None
    sign_in: dict[str, Any] = field(default_factory=dict, repr=False)
    after_sign_in: str = "/signup"
    purchases: dict[str, Subscription] = field(default_factory=dict)

    def may_manage(self, account: Account) -> bool:
        """Whether this visitor may see and change an account."""
        if account.subscription_id in self.purchases:
            return True
        user = self.user
        return (
            user is not None
            and not user.personal
            and user.tenant_id in {account.tenant_id, account.purchaser_tenant_id}
        )

    def sent(self, csrf: object) -> bool:
        """Whether a form comes from a page of this session."""
        return isinstance(csrf, str) and hmac.compare_digest(csrf.encode(), self.csrf.encode())


class Sessions:
    """All sessions, in memory."""

    def __init__(self, *, secure: bool, entropy: Entropy, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep sessions; `secure` makes browsers send the cookie by https only."""
        self._secure = secure
        self._entropy = entropy
        self._clock = clock
        self._cookie = "__Host-session" if secure else "session"
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def of(self, request: Request) -> Session | None:
        """Return the session of a request, or None when it has none, or one that has run out."""
        session = self._sessions.get(request.cookies.get(self._cookie, ""))
        if session is None or self._clock() - session.started > LIFETIME_SECONDS:
            return None
        return session

    def begin(self) -> Session:
        """Return a new session."""
        session = Session(key=self._secret(), csrf=self._secret(), started=self._clock())
        self._sessions[session.key] = session
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def renew(self, session: Session) -> None:
        """Give a session a new key: whoever knew the one from before a sign-in must not share what comes after."""
        del self._sessions[session.key]
        session.key, session.csrf = self._secret(), self._secret()
        self._sessions[session.key] = session

    def attach(self, session: Session, response: Response) -> Response:
        """Put the session's cookie on a response."""
        response.set_cookie(
            self._cookie, session.key, path="/", secure=self._secure, httponly=True, samesite="lax"
        )  # fmt: skip
        return response

    def _secret(self) -> str:
        return base64.urlsafe_b64encode(self._entropy(32)).rstrip(b"=").decode("ascii")
