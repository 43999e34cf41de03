from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.messages import Customer, Subscription
from fulfillment_conformance.reference_publisher.sessions import (
    CONSUMERS_TENANT_ID,
    LIFETIME_SECONDS,
    MOST_SESSIONS,
    Session,
    Sessions,
    User,
)

TENANT = "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"
RESELLER = "0c4f7f1a-7d1f-4f5c-8f58-6f3f1d2c9b11"


class Counting:
    """Entropy and clock of a test."""

    def __init__(self) -> None:
        self.count = 0
        self.now = 0.0

    def entropy(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")

    def clock(self) -> float:
        return self.now


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def sessions(counting: Counting) -> Sessions:
    return Sessions(secure=False, entropy=counting.entropy, clock=counting.clock)


def with_cookie(value: str, name: str = "session") -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{name}={value}".encode())]})


def test_a_session_is_found_by_its_cookie_until_it_runs_out(sessions: Sessions, counting: Counting) -> None:
    session = sessions.begin()

    assert sessions.of(with_cookie(session.key)) is session
    assert sessions.of(with_cookie("guessed")) is None
    assert sessions.of(Request({"type": "http", "headers": []})) is None
    counting.now = LIFETIME_SECONDS + 1
    assert sessions.of(with_cookie(session.key)) is None


def test_a_renewed_session_is_not_found_by_what_was_known_before(sessions: Sessions) -> None:
    session = sessions.begin()
    key, csrf = session.key, session.csrf
    sessions.renew(session)

    assert sessions.of(with_cookie(key)) is None
    assert sessions.of(with_cookie(session.key)) is session
    assert not session.sent(csrf)


def test_the_oldest_sessions_give_way(sessions: Sessions) -> None:
    first = sessions.begin()
    for _ in range(MOST_SESSIONS):
        sessions.begin()

    assert sessions.of(with_cookie(first.key)) is None


@pytest.mark.parametrize(
    ("secure", "start", "flag"), [(True, "__Host-session=", "secure"), (False, "session=", "httponly")]
)
def test_cookies_are_kept_from_scripts_and_other_sites(counting: Counting, secure: bool, start: str, flag: str) -> None:
    sessions = Sessions(secure=secure, entropy=counting.entropy)
    cookie = sessions.attach(sessions.begin(), Response()).headers["set-cookie"].lower()

    assert cookie.startswith(start.lower())
    assert flag in cookie
    assert ("secure" in cookie) is secure
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


@pytest.mark.parametrize("sent", ["", "guessed", None, 7])
def test_a_form_has_to_send_the_sessions_own_value(sessions: Sessions, sent: object) -> None:
    session = sessions.begin()

    assert session.sent(session.csrf)
    assert not session.sent(sent)


@pytest.mark.parametrize(
    ("user", "belongs"),
    [
        (User(tenant_id=TENANT), True),
        (User(tenant_id=RESELLER), True),
        (User(tenant_id="e3d07b95-81f2-4ac6-b5e8-1c9f2a604d7b", email="buyer@customer.example"), False),
        (User(tenant_id=CONSUMERS_TENANT_ID, email="Buyer@customer.example"), True),
        (User(tenant_id=CONSUMERS_TENANT_ID, email="another@customer.example"), False),
        (User(tenant_id=CONSUMERS_TENANT_ID), False),
    ],
)
def test_a_purchase_belongs_to_its_tenants_or_to_a_personal_account_by_address(user: User, belongs: bool) -> None:
    subscription = Subscription(
        id="1",
        beneficiary=Customer(tenant_id=TENANT, email="buyer@customer.example"),
        purchaser=Customer(tenant_id=RESELLER),
    )

    assert user.belongs_to(subscription) is belongs


def test_accounts_are_for_who_showed_their_token_or_is_of_their_tenant(
    subscription: Callable[..., dict[str, Any]],
) -> None:
    bought = Subscription.read(subscription())
    account = Account.opened(bought)
    session = Session(key="k", csrf="c", started=0.0)

    assert not session.may_manage(account)
    session.user = User(tenant_id=TENANT)
    assert session.may_manage(account)
    session.user = User(tenant_id=CONSUMERS_TENANT_ID)
    assert not session.may_manage(replace(account, tenant_id=CONSUMERS_TENANT_ID))
    session.purchases[bought.id] = bought
    assert session.may_manage(account)


def test_a_session_shows_no_purchase_token() -> None:
    assert "canary" not in repr(Session(key="k", csrf="c", started=0.0, purchase_token="canary"))
