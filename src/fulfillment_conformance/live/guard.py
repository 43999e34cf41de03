"""Which requests may be sent to the live service at all: decided from the request alone, before anything is sent.

Everything is forbidden that is not recognised as one of the calls of the Fulfillment API on a subscription whose entry
in the target file allows it, or as a question to the publisher's own tenant at the identity provider. How a request is
spelled gives it no way around: methods, addresses and ids are compared exactly, and a body that cannot be read, or
could be read in two ways, counts as whatever needs the most permissions.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from fulfillment_conformance.exchange import header
from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.live.section import ListedSubscription, Permission

Kind = Literal["identity", "list", "resolve", "read", "activate", "change", "cancel", "settle"]
"""What a request is: a question to the identity provider, or a call of the Fulfillment API."""

Headers = Iterable[tuple[str, str]]

_ID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_OPERATION: Final = r"[0-9A-Za-z:,%-]+"
_CALLS: Final[tuple[tuple[str, re.Pattern[str], Kind], ...]] = (
    ("GET", re.compile(r"/?"), "list"),
    ("POST", re.compile(r"/resolve"), "resolve"),
    ("GET", re.compile(rf"/(?P<id>{_ID})"), "read"),
    ("GET", re.compile(rf"/(?P<id>{_ID})/listAvailablePlans"), "read"),
    ("GET", re.compile(rf"/(?P<id>{_ID})/operations"), "read"),
    ("GET", re.compile(rf"/(?P<id>{_ID})/operations/(?P<operation>{_OPERATION})"), "read"),
    ("POST", re.compile(rf"/(?P<id>{_ID})/activate"), "activate"),
    ("PATCH", re.compile(rf"/(?P<id>{_ID})"), "change"),
    ("DELETE", re.compile(rf"/(?P<id>{_ID})"), "cancel"),
    ("PATCH", re.compile(rf"/(?P<id>{_ID})/operations/(?P<operation>{_OPERATION})"), "settle"),
)
_QUESTIONS: Final[Mapping[str, re.Pattern[str]]] = {
    "GET": re.compile(
        r"/[0-9A-Za-z.-]+((/v2\.0)?/\.well-known/openid-configuration|/discovery(/v2\.0)?/keys)", re.IGNORECASE
    ),
    "POST": re.compile(r"/[0-9A-Za-z.-]+/oauth2(/v2\.0)?/token", re.IGNORECASE),
}
_OVERRIDES: Final = frozenset({"x-http-method", "x-http-method-override", "x-method-override"})
_MADE_UP: Final = 24
"""Characters up to which a purchase token is too short to be one."""
NO_TOKEN: Final = "no-purchase-token:"  # noqa: S105 - no password
"""Begins what stands in for a purchase token where the file lists none; the guard sends nothing that carries it."""


class Forbidden(MissingCapability):
    """A request that the target file does not allow; it was not sent. `capability` is the permission it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a target file allows.

    Attributes:
        base_url: address that `/saas/subscriptions` is below.
        authority: address of the identity provider, without the tenant.
        tenant_id: the publisher's tenant there.
        subscriptions: id in lower case -> its entry.
        tokens: purchase token -> the id of its subscription.
    """

    base_url: str
    authority: str
    tenant_id: str
    subscriptions: Mapping[str, ListedSubscription]
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A request that may be sent.

    `subscription_id` is the one it addresses, None where it addresses none. `wanted` is what a change asks for: new
    values by the fields `planId` and `quantity`; a value that cannot be told is None.
    """

    kind: Kind
    subscription_id: str | None = None
    wanted: Mapping[str, Any] = field(default_factory=dict)

    @property
    def alters(self) -> bool:
        """Whether the request may change something on the live service."""
        return self.kind in {"activate", "change", "cancel", "settle"}


class Guard:
    """Says of each request whether it may be sent."""

    def __init__(
        self, allowance: Allowance, *, own_operation: Callable[[str, str], bool] = lambda _subscription, _id: False
    ) -> None:
        """Go by `allowance`; `own_operation` says whether an operation of a subscription was begun by the suite."""
        self.allowance = allowance
        self._own_operation = own_operation
        self._api = urlsplit(allowance.base_url)
        self._identity = urlsplit(allowance.authority)

    def judge(self, method: str, url: str, headers: Headers = (), body: bytes = b"") -> Passage:
        """Return what a request is, if it may be sent.

        Raises:
            Forbidden: it may not; says what would allow it.
        """
        headers = list(headers)
        address = _split(url)
        if named := sorted(_OVERRIDES & {name.lower() for name, _ in headers}):
            raise Forbidden("read", f": the header {named[0]} makes another method of {method}, so it is not sent")
        if address is not None and _same_origin(address, self._identity) and self._is_question(method, address.path):
            return Passage(kind="identity")
        prefix = f"{self._api.path}/saas/subscriptions"
        if address is None or not _same_origin(address, self._api) or not address.path.startswith(prefix):
            raise Forbidden(
                "read",
                f": {method} {_shown(url)} leads neither to the API at {self.allowance.base_url} nor to the token "
                f"endpoint of {self.allowance.authority}, so it is not sent",
            )
        path = address.path[len(prefix) :]
        for wanted_method, pattern, kind in _CALLS:
            found = pattern.fullmatch(path)
            if found is not None and method == wanted_method:
                return self._call(kind, found.groupdict(), headers, body)
        raise Forbidden("read", f": {method} {_shown(url)} is no call of the API on a listed subscription; not sent")

    def knows(self, host: str) -> bool:
        """Whether a host is the API's or the identity provider's."""
        return host.lower() in {self._api.hostname, self._identity.hostname}

    def _is_question(self, method: str, path: str) -> bool:
        """Whether a request reads metadata or keys, or asks for a token; a tenant may go by its id or by its domain."""
        if not path.startswith(f"{self._identity.path}/"):
            return False
        pattern = _QUESTIONS.get(method)
        return pattern is not None and pattern.fullmatch(path, len(self._identity.path)) is not None

    def _call(self, kind: Kind, ids: Mapping[str, str], headers: Headers, body: bytes) -> Passage:
        if kind == "list":
            return Passage(kind=kind)
        if kind == "resolve":
            return Passage(kind=kind, subscription_id=self._resolved(header(headers, "x-ms-marketplace-token")))
        subscription_id = ids["id"].lower()
        entry = self.allowance.subscriptions.get(subscription_id)
        if entry is None:
            raise Forbidden("read", f": subscription {subscription_id} is not listed in the target file; nothing sent")
        wanted = _wanted(body) if kind == "change" else {}
        for permission in self._needed(kind, wanted):
            if permission not in entry.may:
                raise Forbidden(
                    permission,
                    f": subscription {subscription_id} is listed with may: [{', '.join(entry.may)}]; add {permission} "
                    "if losing what it is now is no matter",
                )
        if kind == "settle" and not self._own_operation(subscription_id, ids["operation"]):
            raise Forbidden(
                "change-plan",
                f": operation {ids['operation']} of subscription {subscription_id} was not begun by the suite; whoever "
                "began it waits for the publisher's answer",
            )
        return Passage(kind=kind, subscription_id=subscription_id, wanted=wanted)

    def _needed(self, kind: Kind, wanted: Mapping[str, Any]) -> tuple[Permission, ...]:
        match kind:
            case "read":
                return ("read",)
            case "activate":
                return ("activate",)
            case "cancel":
                return ("cancel",)
            case "change":
                fields: Mapping[str, Permission] = {"planId": "change-plan", "quantity": "change-quantity"}
                return tuple(fields[name] for name in wanted)
            case _:
                return ()

    def _resolved(self, token: str | None) -> str | None:
        """Return the subscription that a purchase token stands for, None for what cannot be a token."""
        if token is not None and token.startswith(NO_TOKEN):
            raise Forbidden(
                "manage-tokens",
                f": the target file has no purchase token of subscription {token.removeprefix(NO_TOKEN)} that is "
                "younger than 24 hours; open its landing page once more and list the token in live.purchase_tokens",
            )
        if token is None or len(token) <= _MADE_UP:
            return None
        if token in self.allowance.tokens:
            return self.allowance.tokens[token]
        if any(_spoilt(token, listed) for listed in self.allowance.tokens):
            return None
        raise Forbidden(
            "manage-tokens", ": the purchase token is not one of live.purchase_tokens; whose it is cannot be known"
        )


def _split(url: str) -> SplitResult | None:
    try:
        address = urlsplit(url)
        _ = address.port
    except ValueError:
        return None
    odd = any(character in url for character in "\\\t\r\n ") or not url.isascii()
    return None if odd or "@" in address.netloc else address


def _same_origin(one: SplitResult, other: SplitResult) -> bool:
    ports = {"https": 443, "http": 80}
    return (one.scheme, one.hostname, one.port or ports.get(one.scheme)) == (
        other.scheme,
        other.hostname,
        other.port or ports.get(other.scheme),
    )


def _shown(url: str) -> str:
    return url.partition("?")[0][:200]


def _wanted(body: bytes) -> dict[str, Any]:
    """Return the new values in the body of a change; names are compared without case, as the service may do."""
    unclear = {"planId": None, "quantity": None}
    try:
        pairs = json.loads(body, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return unclear
    if not isinstance(pairs, _Pairs):
        return unclear
    names = {"planid": "planId", "quantity": "quantity"}
    wanted: dict[str, Any] = {}
    for name, value in pairs.items:
        known = names.get(name.lower())
        if known is not None:
            wanted[known] = None if known in wanted else value
    return wanted or unclear


class _Pairs:
    """A JSON object with whatever names it repeats."""

    def __init__(self, items: list[tuple[str, Any]]) -> None:
        self.items = items


def _spoilt(token: str, listed: str) -> bool:
    """Whether a token is a listed one that was cut or altered: it shares at least half of it, at either end."""
    half = max(len(listed) // 2, 1)
    return len(listed) > _MADE_UP and (token.startswith(listed[:half]) or token.endswith(listed[-half:]))
