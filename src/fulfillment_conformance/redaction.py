r"""Secrets and personal data become stable placeholders before anything is written.

`Redactor` knows secrets by place (headers, query parameters, form and JSON fields), by shape (JWTs, e-mail addresses) and
by value (whatever it was told to learn). Equal values give equal placeholders within one run, so that evidence can still
be compared: `[purchase-token:3f9a01c2]`. The key of the placeholders is random per run and never stored.
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

_SECRET_HEADERS = {
    "authorization": "token",
    "proxy-authorization": "token",
    "x-ms-marketplace-token": "purchase-token",
    "x-control-key": "secret",
    "x-api-key": "secret",
    "x-functions-key": "secret",
}
_COOKIE_HEADERS = {"cookie", "set-cookie"}
_FIELD_KINDS = {
    "token": "purchase-token",
    "access_token": "token",
    "accesstoken": "token",
    "id_token": "token",
    "refresh_token": "token",
    "assertion": "token",
    "client_assertion": "token",
    "client_secret": "secret",
    "clientsecret": "secret",
    "password": "secret",
    "secret": "secret",
    "sig": "secret",
    "key": "secret",
    "code": "secret",
    "code_verifier": "secret",
    "csrf": "secret",
    "emailid": "email",
    "email": "email",
    "mail": "email",
    "upn": "email",
    "preferred_username": "email",
    "userprincipalname": "email",
    "contactemail": "email",
    "login_hint": "email",
    "puid": "person",
}
# `code` and `key` are secrets in a query or form, but the name of an error in JSON.
_NOT_IN_JSON = {"code", "key"}
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?")
_EMAIL = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~.-]+(?:@|%40)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PLACEHOLDER = re.compile(r"\[(?:token|purchase-token|secret|email|person|cookie):[0-9a-f]{8}[^\]]*\]")
_PARAMETER = re.compile(
    r"(?P<lead>(?:^|[?&;\s\"'(])(?P<name>" + "|".join(sorted(_FIELD_KINDS, key=len, reverse=True)) + r")=)"
    r"(?P<value>[^&#\s\"'<>)\]]+)",
    re.IGNORECASE,
)
# One character of an opaque token in any of the spellings that pages, JSON and URLs give it.
_OPAQUE = re.compile(
    r"(?:[A-Za-z0-9+/=_~%.-]|&#(?:x2[bf]|x3d|4[37]|61);|\\u00(?:2[bf]|3d)|\\/){24,}", re.IGNORECASE
)
_SPELLINGS = (
    (re.compile(r"&#x2b;|&#43;|\\u002b", re.IGNORECASE), "+"),
    (re.compile(r"&#x2f;|&#47;|\\u002f|\\/", re.IGNORECASE), "/"),
    (re.compile(r"&#x3d;|&#61;|\\u003d", re.IGNORECASE), "="),
)
_SHORTEST_SECRET = 4


class Redactor:
    """Replaces secrets and personal data by placeholders. Safe to use from several threads."""

    def __init__(self, learned: Iterable[str] = (), *, key: bytes | None = None) -> None:
        """Start with secrets known beforehand; `key` lets workers of one run agree on their placeholders."""
        self.key = key or secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._opaque: dict[str, str] = {}
        self._literal: dict[str, str] = {}
        self._literal_pattern: re.Pattern[str] | None = None
        for secret in learned:
            self.learn(secret)

    def learn(self, secret: str, kind: str = "secret") -> None:
        """Hide this value from now on wherever it stands, also percent-encoded, HTML-escaped or JSON-escaped."""
        if len(secret) < _SHORTEST_SECRET:
            return
        with self._lock:
            if len(secret) >= 40 and _OPAQUE.fullmatch(secret):
                self._opaque[secret] = kind
                return
            for spelling in {
                secret,
                quote(secret, safe=""),
                quote(secret),
                quote_plus(secret),
                json.dumps(secret)[1:-1],
                secret.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
            }:
                self._literal[spelling] = self.placeholder(kind, secret)
            self._literal_pattern = re.compile("|".join(map(re.escape, sorted(self._literal, key=len, reverse=True))))

    def placeholder(self, kind: str, value: str) -> str:
        """Return what stands in for a value: equal for equal values, telling nothing else about them."""
        digest = hmac.new(self.key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"[{kind}:{digest[:8]}]"

    def text(self, value: str) -> str:
        """Redact free text: learned values, JWTs, e-mail addresses, `name=value` pairs of secret names."""
        if not value:
            return value
        if self._literal_pattern is not None:
            value = self._literal_pattern.sub(lambda found: self._literal[found.group()], value)
        value = _PARAMETER.sub(self._parameter, value)
        value = _JWT.sub(lambda found: self.placeholder("token", found.group()), value)
        if self._opaque:
            value = _OPAQUE.sub(self._known_opaque, value)
        return _EMAIL.sub(lambda found: self.placeholder("email", unquote(found.group()).lower()), value)

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[list[str]]:
        """Redact a header list; names and authentication schemes stay readable."""
        return [[name, self._header(name.lower(), value)] for name, value in headers]

    def data(self, value: Any, name: str = "") -> Any:
        """Redact JSON data: secret fields by name, everything else as text."""
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item, name) for item in value]
        if not isinstance(value, str) or not value:
            return value
        lowered = name.lower()
        kind = None if lowered in _NOT_IN_JSON else _FIELD_KINDS.get(lowered)
        if kind is None or _PLACEHOLDER.fullmatch(value):
            return self.text(value)
        return self.placeholder(kind, value.strip().lower() if kind == "email" else value)

    def body(self, body: bytes, content_type: str = "") -> str:
        """Redact a body and return it as text: JSON and forms by field, other text by shape, bytes as a length."""
        if not body:
            return ""
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            digest = hashlib.sha256(body).hexdigest()
            return f"[{len(body)} bytes that are not UTF-8, sha256 {digest[:16]}]"
        if "x-www-form-urlencoded" in content_type.lower():
            return "&".join(self._form_field(pair) for pair in text.split("&"))
        if text.lstrip()[:1] in {"{", "[", '"'}:
            try:
                parsed = json.loads(text)
            except (ValueError, RecursionError):
                return self.text(text)
            return json.dumps(self.data(parsed), ensure_ascii=False)
        return self.text(text)

    def _header(self, name: str, value: str) -> str:
        if name in _COOKIE_HEADERS:
            return self._cookie(name, value)
        kind = _SECRET_HEADERS.get(name)
        if kind is None:
            return self.text(value)
        if name.endswith("authorization"):
            scheme, blank, credentials = value.partition(" ")
            if not blank:
                return value if value.isalpha() else self.placeholder(kind, value)
            return f"{scheme} {self.placeholder(kind, credentials)}" if credentials else value
        return self.placeholder(kind, value) if value else value

    def _cookie(self, name: str, value: str) -> str:
        pairs = value.split(";")
        secret_pairs = pairs if name == "cookie" else pairs[:1]
        hidden = [self._pair(pair) for pair in secret_pairs]
        return ";".join(hidden + [self.text(pair) for pair in pairs[len(secret_pairs) :]])

    def _pair(self, pair: str) -> str:
        key, equals, value = pair.partition("=")
        return f"{key}={self.placeholder('cookie', value)}" if equals and value else pair

    def _form_field(self, pair: str) -> str:
        key, equals, value = pair.partition("=")
        kind = _FIELD_KINDS.get(unquote_plus(key).lower())
        if not equals or not value:
            return self.text(pair)
        plain = unquote_plus(value)
        if kind is None:
            redacted = self.text(plain)
            return f"{key}={value if redacted == plain else redacted}"
        return f"{key}={self.placeholder(kind, plain)}"

    def _parameter(self, found: re.Match[str]) -> str:
        value = found["value"]
        if _PLACEHOLDER.search(value):
            return found.group()
        plain = unquote(value)
        spelled = "" if plain == value else " percent-encoded"
        kind = _FIELD_KINDS[found["name"].lower()]
        return found["lead"] + self.placeholder(kind, plain)[:-1] + spelled + "]"

    def _known_opaque(self, found: re.Match[str]) -> str:
        run = found.group()
        for lead, candidate in (("", run), *_after_equals(run)):
            for spelling, read in _READINGS:
                plain = read(candidate)
                kind = self._opaque.get(plain)
                if kind is not None:
                    return lead + self.placeholder(kind, plain)[:-1] + (f" {spelling}]" if plain != candidate else "]")
        return run


def _after_equals(run: str) -> list[tuple[str, str]]:
    key, equals, rest = run.partition("=")
    return [(key + equals, rest)] if equals and rest.strip("=") else []


def _respelled(value: str) -> str:
    for pattern, character in _SPELLINGS:
        value = pattern.sub(character, value)
    return value


_READINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("", str),
    ("percent-encoded", unquote),
    ("percent-encoded twice", lambda value: unquote(unquote(value))),
    ("escaped", _respelled),
)
