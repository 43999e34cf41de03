"""Secrets and personal data become stable placeholders before anything is written.

`Redactor` knows secrets by place (headers, query parameters, form and JSON fields), by shape (JWTs, bearer credentials,
e-mail addresses) and by value (whatever it was told to learn, see `learned`). Equal values give equal placeholders
within one run, so that evidence can still be compared: `[purchase-token:3f9a01c2]`, or
`[purchase-token:3f9a01c2 percent-encoded]` where the value was spelled so. The key of the placeholders is random per
run and never stored. A secret that was found by its place is known by its value from then on, so that a target which
repeats it elsewhere gives nothing away.

Redacting twice is the same as redacting once.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, unquote_plus

from fulfillment_conformance.learned import SPELLINGS, LearnedValues

T = TypeVar("T")

_SECRET_HEADERS = {
    "authorization": "token",
    "proxy-authorization": "token",
    "x-ms-marketplace-token": "purchase-token",
    "x-control-key": "secret",
    "x-api-key": "secret",
    "api-key": "secret",
    "ocp-apim-subscription-key": "secret",
    "x-functions-key": "secret",
}
_COOKIE_HEADERS = {"cookie", "set-cookie"}
# Names of parameters and fields, compared without case, `_` and `-`: clientSecret is client_secret, too.
_FIELD_KINDS = {
    "token": "purchase-token",
    "access_token": "token",
    "id_token": "token",
    "refresh_token": "token",
    "assertion": "token",
    "client_assertion": "token",
    "client_secret": "secret",
    "password": "secret",
    "secret": "secret",
    "api_key": "secret",
    "sig": "secret",
    "key": "secret",
    "code": "secret",
    "code_verifier": "secret",
    "csrf": "secret",
    "csrf_token": "secret",
    "email_id": "email",
    "email": "email",
    "mail": "email",
    "upn": "email",
    "preferred_username": "email",
    "user_principal_name": "email",
    "contact_email": "email",
    "login_hint": "email",
    "puid": "person",
    "client_info": "person",
}
# Secrets in a query or a form, but the name of an error or of a setting in JSON and in prose.
_ONLY_IN_QUERIES = {"code", "key"}
_KIND_OF = {name.replace("_", ""): kind for name, kind in _FIELD_KINDS.items()}

_PLACEHOLDER = re.compile(
    rf"\[(?:token|purchase-token|secret|email|person|cookie):[0-9a-f]{{8}}(?: (?:{'|'.join(SPELLINGS)}))?\]"
)
# A name is looked up only after it was found: an alternation of all names would be tried at every blank of a page.
_PARAMETER = re.compile(r"(?P<lead>^|[?&;\s\"'(,])(?P<name>[A-Za-z_-]{3,24}+)=")
_PARAMETER_VALUE = re.compile(r"[^&#\s\"'<>)\]]+")
_MEMBER = re.compile(r"(?P<lead>[\"'])(?P<name>[A-Za-z_-]{3,24}+)\\*[\"']\s*+:\s*+\\*[\"']")
_MEMBER_VALUE = re.compile(r"(?:[^\"'\\]|\\[^\"'])+")
_CREDENTIALS = re.compile(
    r"[Bb](?:[Ee][Aa][Rr][Ee][Rr]|[Aa][Ss][Ii][Cc])(?:\s|%20|\+)++(?P<value>[A-Za-z0-9._~+/=-]{16,}+)"
)
_SCHEME = re.compile(r"[A-Za-z-]+(?: |$)")
_USER_INFO = re.compile(r"://(?P<value>[^/@\s:\"'<>]*+:[^/@\s\"'<>]++)@")
# The second branch takes a run without a dot whole, so that no position inside it is tried again.
_JWT = re.compile(r"eyJ(?:[A-Za-z0-9_-]{5,}+(?P<rest>(?:\.[A-Za-z0-9_-]*+){1,4})|[A-Za-z0-9_-]*+)")
_AT_AND_DOMAIN = re.compile(r"(?:@|%(?:25)*40|&#64;|&#[Xx]40;|&commat;|\\u0040)(?P<domain>[\w-]++(?:\.[\w-]++)+)")
_REVERSED_MAILBOX = re.compile(r"(?:[Bb7]2%|[\w.'#~+-])*+(?P<escape>%?)")
_SHORTEST_LEARNED_BY_PLACE = 16
"""Characters; a cookie `theme=dark` must not hide that word everywhere."""
_LONGEST_MAILBOX = 320
_LONGEST_REMEMBERED = 64
_MOST_REMEMBERED_OF_A_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A part of a text that must not be seen, and what stands in for it."""

    start: int
    end: int
    placeholder: str
    learned: bool = False


class Redactor:
    """Replaces secrets and personal data by placeholders. Safe to use from several threads."""

    def __init__(self, learned: Iterable[str] = (), *, key: bytes | None = None) -> None:
        """Start with secrets known beforehand; `key` lets workers of one run agree on their placeholders."""
        self.key = key or secrets.token_bytes(16)
        self.run_id = hmac.new(self.key, b"run", hashlib.sha256).hexdigest()[:16]
        """What tells this run from others, the same in all of its workers; it tells nothing about the key."""
        self._learned = LearnedValues()
        self._by_place: set[str] = set()
        self._clean: list[set[str]] = [set() for _ in range(_LONGEST_REMEMBERED + 1)]  # by length
        for secret in learned:
            self.learn(secret)

    def learn(self, secret: str, kind: str = "secret") -> None:
        """Hide this value from now on wherever it stands, in whatever spelling.

        Values of fewer than four characters are passed over: they stand in every text by chance.
        """
        shortest = self._learned.add(secret, kind)
        for length in range(shortest, _LONGEST_REMEMBERED + 1):  # in no spelling does a shorter text hold it
            # A new set instead of an emptied one: a thread that began before this value was known adds to the old one.
            self._clean[length] = set()

    def placeholder(self, kind: str, value: str) -> str:
        """Return what stands in for a value: equal for equal values, telling nothing else about them."""
        digest = hmac.digest(self.key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
        return f"[{kind}:{digest[:8]}]"

    def text(self, value: str) -> str:
        """Redact free text: learned values, JWTs, e-mail addresses, and what secret names stand before."""
        # Keys, ids and dates come again and again: remember the short ones that were found clean.
        clean = self._clean[len(value)] if len(value) <= _LONGEST_REMEMBERED else None
        if not value or (clean is not None and value in clean):
            return value
        parts: list[str] = []
        taken = 0
        for placeholder in _PLACEHOLDER.finditer(value) if "[" in value else ():
            parts += [self._without_secrets(value[taken : placeholder.start()], first=not parts), placeholder.group()]
            taken = placeholder.end()
        redacted = "".join([*parts, self._without_secrets(value[taken:], first=not parts)])
        if clean is not None and redacted == value and len(clean) < _MOST_REMEMBERED_OF_A_LENGTH:
            clean.add(value)
        return redacted

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[list[str]]:
        """Redact a header list; names and authentication schemes stay readable."""
        pairs = list(headers)
        return self.settled(lambda: [[self.text(name), self._header(name.lower(), value)] for name, value in pairs])

    def data(self, value: Any, name: str = "") -> Any:
        """Redact JSON data: secret fields by name, everything else as text."""
        return self.settled(lambda: self._data(value, name))

    def settled(self, redact: Callable[[], T]) -> T:
        """Return what `redact` returns once it finds nothing new: a secret may stand before the place that tells it."""
        while True:
            known = len(self._by_place)
            redacted = redact()
            if known == len(self._by_place):
                return redacted

    def _data(self, value: Any, name: str) -> Any:
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._data(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._data(item, name) for item in value]
        if value is None or isinstance(value, bool) or value == "":
            return value
        lowered = name.lower()
        if lowered in _SECRET_HEADERS or lowered in _COOKIE_HEADERS:
            return self._header(lowered, str(value))
        kind = None if lowered in _ONLY_IN_QUERIES else _kind_of(name)
        clean = self.text(str(value)) if kind is None else self._stand_in(kind, str(value))
        return value if clean == str(value) else clean

    def body(self, body: bytes, content_type: str = "") -> str:
        """Redact a body and return it as text: JSON and forms by field, other text by shape, bytes as a length."""
        if not body:
            return ""
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            digest = hashlib.sha256(body).hexdigest()
            return f"[{len(body)} bytes that are not UTF-8 text, sha256 {digest[:16]}]"
        if "x-www-form-urlencoded" in content_type.lower():
            return self.settled(lambda: self.text("&".join(self._form_field(pair) for pair in text.split("&"))))
        if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "[", '"'}:
            try:
                return json.dumps(self.data(json.loads(text.lstrip("\ufeff"))), ensure_ascii=False)
            except (ValueError, RecursionError):
                return self.text(text)
        return self.text(text)

    def _without_secrets(self, text: str, *, first: bool) -> str:
        hidden = sorted(self._hidden(text, first=first), key=lambda part: (part.start, -part.end))
        if not hidden:
            return text
        parts: list[str] = []
        taken = 0
        for group in _overlapping(hidden):
            start, end = group[0].start, max(part.end for part in group)
            parts += [text[taken:start], _best(group, end - start).placeholder]
            taken = end
        return "".join([*parts, text[taken:]])

    def _hidden(self, text: str, *, first: bool) -> Iterator[_Hidden]:
        """Yield what must not be seen; `first` tells that nothing stands before the text."""
        for known in self._learned.occurrences(text):
            placeholder = self.placeholder(known.kind, known.value)
            if known.spelling:
                placeholder = f"{placeholder[:-1]} {known.spelling}]"
            yield _Hidden(known.start, known.end, placeholder, learned=True)
        if "=" in text:
            yield from self._named(text, _PARAMETER, _PARAMETER_VALUE, first=first)
        if ":" in text:
            yield from self._named(text, _MEMBER, _MEMBER_VALUE)
            for found in _USER_INFO.finditer(text):
                yield _Hidden(*found.span("value"), self.placeholder("secret", found["value"]))
        for found in _CREDENTIALS.finditer(text):
            # Words after the scheme (`Bearer authorization_uri=`) are no credentials.
            if any(character.isdigit() for character in found["value"]):
                yield _Hidden(*found.span("value"), self.placeholder("token", found["value"]))
        if "eyJ" in text:
            for found in _JWT.finditer(text):
                if found["rest"]:
                    yield _Hidden(*found.span(), self.placeholder("token", found.group()))
        for found in _AT_AND_DOMAIN.finditer(text):
            before = _REVERSED_MAILBOX.match(text[max(0, found.start() - _LONGEST_MAILBOX) : found.start()][::-1])
            # A per cent sign before the mailbox makes its first two characters the end of an escape: `%3Dbuyer@...`
            length = before.start("escape") - (2 if before["escape"] else 0) if before else 0
            if length > 0:
                mailbox = unquote(text[found.start() - length : found.start()])
                address = f"{mailbox}@{found['domain']}".lower()
                yield _Hidden(found.start() - length, found.end(), self.placeholder("email", address))

    def _named(
        self, text: str, names: re.Pattern[str], values: re.Pattern[str], *, first: bool = True
    ) -> Iterator[_Hidden]:
        taken = 0
        for found in names.finditer(text):
            name, lead = found["name"].lower(), found["lead"]
            kind = _kind_of(name)
            if kind is None or found.end() < taken or not (lead or first):
                continue
            if name in _ONLY_IN_QUERIES and lead not in {"?", "&", ";"}:
                continue
            value = values.match(text, found.end())
            if value is not None:
                taken = value.end()
                self._learn_by_place(unquote(value.group()), kind)
                yield _Hidden(*value.span(), self._spelled(kind, value.group()))

    def _spelled(self, kind: str, value: str) -> str:
        plain = unquote(value)
        placeholder = self.placeholder(kind, plain.strip().lower() if kind == "email" else plain)
        return placeholder if plain == value else f"{placeholder[:-1]} percent-encoded]"

    def _stand_in(self, kind: str, value: str) -> str:
        """Return the placeholder of a value that is secret by its place, the known one if there is one."""
        learned = self._learned.kind_of(value)
        if learned is not None:
            return self.placeholder(learned, value)
        known = self.text(value)
        self._learn_by_place(value, kind)
        if _PLACEHOLDER.fullmatch(known):
            return known
        return self.placeholder(kind, value.strip().lower() if kind == "email" else value)

    def _learn_by_place(self, value: str, kind: str) -> None:
        if kind in {"email", "person"} or len(value) < _SHORTEST_LEARNED_BY_PLACE or value in self._by_place:
            return
        if _PLACEHOLDER.fullmatch(value):
            return  # redacted before
        self._by_place.add(value)
        whole = (0, len(value))
        if whole not in {(known.start, known.end) for known in self._learned.occurrences(value)}:
            self.learn(value, kind)

    def _header(self, name: str, value: str) -> str:
        if name in _COOKIE_HEADERS:
            return self._cookie(name, value)
        kind = _SECRET_HEADERS.get(name)
        if kind is None or not value:
            return self.text(value)
        scheme = _SCHEME.match(value) if name.endswith("authorization") else None
        if scheme is not None:
            credentials = value[scheme.end() :]
            return scheme.group() + (self._stand_in(kind, credentials) if credentials else "")
        return self._stand_in(kind, value)

    def _cookie(self, name: str, value: str) -> str:
        pairs = self.text(value).split(";")
        secret_pairs = pairs if name == "cookie" else pairs[:1]
        hidden = [self._pair(pair) for pair in secret_pairs]
        return ";".join(hidden + pairs[len(secret_pairs) :])

    def _pair(self, pair: str) -> str:
        key, equals, value = pair.partition("=")
        return f"{key}={self._stand_in('cookie', value)}" if equals and value else pair

    def _form_field(self, pair: str) -> str:
        key, _, value = pair.partition("=")
        kind = _kind_of(unquote_plus(key))
        if not value:
            return pair
        if kind is not None:
            known = self.text(value)
            return f"{key}={known if _PLACEHOLDER.fullmatch(known) else self._stand_in(kind, unquote_plus(value))}"
        plain = unquote_plus(value)
        redacted = self.text(plain)
        return pair if redacted == plain else f"{key}={redacted}"


def _kind_of(name: str) -> str | None:
    return _KIND_OF.get(name.lower().replace("_", "").replace("-", ""))


def _overlapping(parts: Iterable[_Hidden]) -> Iterator[list[_Hidden]]:
    """Group parts, ordered by their start, so that no two groups overlap."""
    group: list[_Hidden] = []
    end = 0
    for part in parts:
        if group and part.start >= end:
            yield group
            group = []
        group.append(part)
        end = max(end, part.end) if len(group) > 1 else part.end
    if group:
        yield group


def _best(group: list[_Hidden], length: int) -> _Hidden:
    """Return the part whose placeholder tells most: a learned value that is most of the group, else the longest."""
    return max(group, key=lambda part: (part.learned and 2 * (part.end - part.start) > length, part.end - part.start))
