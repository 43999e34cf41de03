"""What the operator decides: the two Entra applications, the addresses, the rules, the waiting times."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

MARKETPLACE_APP_ID: Final = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
"""Microsoft's application: the resource of our access tokens, and the client in the tokens of its webhook calls."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """The multitenant Entra application through which buyers sign in. It is not the one that calls the API.

    Attributes:
        client_id: its application id.
        client_secret: its secret.
    """

    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "client_id", _guid("sign-in client id", self.client_id))
        _present("sign-in client secret", self.client_secret)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the application waits, and how often it asks. All times are seconds.

    Attributes:
        request: limit of one HTTP call to the marketplace or to Entra.
        attempts: how often a call is made in all when it meets 429, 500, 503, or silence.
        pause: wait before the second attempt; it doubles from one attempt to the next.
        longest_pause: the most that a Retry-After header is obeyed; a longer one ends the attempts.
        webhook: limit for deciding on a notification. The marketplace gives a change ten seconds.
        poll: time between two looks at an operation that we started ourselves.
        poll_for: how long such an operation is watched.
        look_again: waits before each further look at a subscription that has not yet become what was announced.
    """

    request: float = 10.0
    attempts: int = 3
    pause: float = 0.5
    longest_pause: float = 30.0
    webhook: float = 9.5
    poll: float = 5.0
    poll_for: float = 600.0
    look_again: tuple[float, ...] = (0.0, 1.0, 5.0, 15.0, 60.0, 300.0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One publisher.

    Blank or malformed identities are refused here: an application that starts without knowing its tenant could check no
    notification.

    Attributes:
        tenant_id: our directory, as in the offer's technical configuration.
        client_id: our single-tenant application that calls the Fulfillment API, as in the technical configuration.
        client_secret: its secret.
        api_url: base address of the Fulfillment API.
        login_url: base address of Entra; https, because msal insists on it.
        ca_file: PEM file with the certificate authority of both addresses; None: the authorities of this machine.
        proxy: address of the HTTP proxy by which both are reached; None: directly.
        public_url: where browsers reach this application, without a path.
        sign_in: how buyers sign in. None switches sign-in off, for pipelines without a person; never for production.
        offers: the offers that this application serves; empty: all offers of the publisher.
        refused_plans: plans to which our customers cannot change.
        reinstates: whether we can take up service again after a suspension.
        operator_key: what `x-operator-key` must say on operator pages; None: only callers on this machine are let in.
        patience: waiting times.
    """

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    api_url: str = "https://marketplaceapi.microsoft.com/api"
    login_url: str = "https://login.microsoftonline.com"
    ca_file: Path | None = None
    proxy: str | None = None
    public_url: str = "http://127.0.0.1:5000"
    sign_in: SignIn | None = None
    offers: frozenset[str] = frozenset()
    refused_plans: frozenset[str] = frozenset()
    reinstates: bool = True
    operator_key: str | None = field(default=None, repr=False)
    patience: Patience = Patience()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tenant_id", _guid("tenant id", self.tenant_id))
        object.__setattr__(self, "client_id", _guid("client id", self.client_id))
        _present("client secret", self.client_secret)
        object.__setattr__(self, "api_url", _address("API address", self.api_url, {"http", "https"}))
        object.__setattr__(self, "login_url", _address("login address", self.login_url, {"https"}))
        object.__setattr__(self, "public_url", _address("public address", self.public_url, {"http", "https"}))
        if self.proxy is not None:
            object.__setattr__(self, "proxy", _address("proxy's address", self.proxy, {"http", "https"}))
        if self.operator_key is not None:
            _present("operator key", self.operator_key)

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https, so that cookies may insist on it."""
        return self.public_url.startswith("https:")

    def serves(self, offer_id: str) -> bool:
        """Whether an offer is one of ours. A preview purchase names its offer with the suffix `-preview`."""
        return not self.offers or offer_id.removesuffix("-preview") in self.offers

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings of a stand-alone run.

        Names are `PUBLISHER_` and the attribute in capitals, `PUBLISHER_SIGN_IN_CLIENT_ID` and
        `PUBLISHER_SIGN_IN_CLIENT_SECRET` for the sign-in; lists have commas. Waiting times stay as they are. The proxy
        is that of `HTTPS_PROXY`, unless Entra's address is one of this machine.

        Raises:
            ValueError: a value is missing or cannot be used; the message names it and never shows a secret.
        """
        given = {
            name.removeprefix("PUBLISHER_").lower(): value.strip()
            for name, value in environment.items()
            if name.startswith("PUBLISHER_") and value.strip()
        }
        missing = [name for name in ("tenant_id", "client_id", "client_secret") if name not in given]
        if missing:
            names = ", ".join(f"PUBLISHER_{name.upper()}" for name in missing)
            raise ValueError(f"{names} must be set: the Entra application of the offer's technical configuration")
        texts: dict[str, Any] = {name: given[name] for name in _TEXTS if name in given}
        lists = {name: _list(given.get(name, "")) for name in ("offers", "refused_plans")}
        sign_in = None
        if "sign_in_client_id" in given:
            sign_in = SignIn(client_id=given["sign_in_client_id"], client_secret=given.get("sign_in_client_secret", ""))
        local = urlsplit(texts.get("login_url", "")).hostname in {"localhost", "127.0.0.1", "::1"}
        return cls(
            **texts,
            proxy=None if local else environment.get("HTTPS_PROXY") or environment.get("https_proxy") or None,
            offers=lists["offers"],
            refused_plans=lists["refused_plans"],
            ca_file=Path(given["ca_file"]) if "ca_file" in given else None,
            sign_in=sign_in,
            reinstates=_yes("PUBLISHER_REINSTATES", given.get("reinstates", "yes")),
        )


_TEXTS = ("tenant_id", "client_id", "client_secret", "api_url", "login_url", "public_url", "operator_key")


def _list(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _yes(name: str, text: str) -> bool:
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if text.lower() not in answers:
        raise ValueError(f"{name} is {text!r}; say yes or no")
    return answers[text.lower()]


def _guid(name: str, value: str) -> str:
    lowered = value.strip().lower()
    if not _GUID.fullmatch(lowered):
        raise ValueError(f"the {name} is {value!r}; give the GUID that Entra shows for it")
    return lowered


def _present(name: str, value: str) -> None:
    if not value.strip():
        raise ValueError(f"the {name} is blank; give the value, or leave the setting out")


def _address(name: str, value: str, schemes: set[str]) -> str:
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(
            f"the {name} is {value!r}; give an absolute {' or '.join(sorted(schemes))} address without query"
        )
    return value.rstrip("/")
