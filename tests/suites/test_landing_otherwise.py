"""Landing pages that work otherwise than the reference publisher's, rightly or wrongly, are judged as they deserve.

Some activate during the visit and end at a portal on another host, some keep what a purchase token stands for, some are
plain pages whose confirmation is a call, some let Entra post an ID token.
"""

import functools
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import jwt
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.suites.otherwise import buyers_take
from tests.suites.runs import Judged, judge

from fulfillment_conformance.reference_publisher.accounts import Account
from fulfillment_conformance.reference_publisher.fulfillment import FulfillmentApi
from fulfillment_conformance.reference_publisher.landing import Landing
from fulfillment_conformance.reference_publisher.messages import Status, Subscription
from fulfillment_conformance.reference_publisher.sessions import Session
from fulfillment_conformance.reference_publisher.sign_in import CALLBACK_PATH, EntraSignIn
from fulfillment_conformance.reference_publisher.sign_in_pages import SignInPages
from fulfillment_conformance.target import Post

PORTAL = "https://portal.contoso.example"
ELSEWHERE = (
    f"the page leads to {PORTAL}, which the target file does not name; if it is part of the service, add it to "
    "publisher.origins"
)
Meddle = Callable[[], None]


def judged(folder: Path, meddle: Meddle, *only: str, defects: tuple[str, ...] = ()) -> Judged:
    """Judge a reference publisher that was meddled with by some requirements."""
    publisher = {"embedded": True, "defects": list(defects), "timeouts": {"effect": 1.0}}
    target = {"role": "publisher", "publisher": publisher}
    result = judge(target, folder, *(f"--only={each}" for each in only), meddle=meddle)
    assert not result.blamed
    return result


def activating_at_once(show: Callable[[Landing, Session, Subscription], Response]) -> None:
    """Let the visit itself activate, and end in what `show` gives."""
    buyers_take()
    present = Landing.present

    async def activate_and_present(self: Landing, session: Session, subscription: Subscription) -> Response:
        if subscription.status is not Status.PENDING:
            return await present(self, session, subscription)
        async with self._accounts.lock(subscription.id):
            account = self.set_up(subscription, "", subscription.beneficiary.email)
            _, trouble = await self.activate(account, subscription)
        return HTMLResponse(trouble, 502) if trouble else show(self, session, subscription)

    setattr(Landing, "present", activate_and_present)  # noqa: B010


def activate_during_the_visit() -> None:
    """Activate what is resolved, without asking, and show the purchase."""
    activating_at_once(lambda landing, session, subscription: landing.purchase_page(session, subscription))


def end_at_a_portal() -> None:
    """Activate during the visit, and send every buyer on to a portal on another host."""
    activating_at_once(lambda _landing, _session, _subscription: RedirectResponse(PORTAL, 302))
    open_page, present = Landing.open, Landing.present

    async def open_or_leave(self: Landing, request: Request) -> Response:
        response = await open_page(self, request)
        return RedirectResponse(f"{PORTAL}/help", 302) if response.status_code in {200, 400, 503} else response

    async def present_elsewhere(self: Landing, session: Session, subscription: Subscription) -> Response:
        response = await present(self, session, subscription)
        return RedirectResponse(PORTAL, 302) if response.status_code == 200 else response

    setattr(Landing, "open", open_or_leave)  # noqa: B010
    setattr(Landing, "present", present_elsewhere)  # noqa: B010


def test_a_page_on_a_host_that_nobody_has_named_decides_nothing(tmp_path: Path) -> None:
    unseen = {"AAC-007", "GET-038", "LND-011", "LND-012", "LND-013", "LND-017", "LND-020", "LND-021", "LND-027"}
    unseen |= {"AUT-029", "LND-015", "LND-035", "RES-024"}
    seen = {"ACT-004", "ACT-026", "LND-028", "LND-029", "LND-038"}
    told = judged(tmp_path, end_at_a_portal, *unseen, *seen)

    assert told.with_outcome("failed") == set()
    assert told.with_outcome("undecided") == unseen
    for each in told.why(unseen, "undecided"):
        assert ELSEWHERE in each
    evidence = (told.folder / "exchanges.jsonl").read_text(encoding="utf-8")
    assert f'"url": "{PORTAL}' not in evidence


def end_at_a_portal_that_is_told_why() -> None:
    """Hand what the marketplace says of a refusal to the portal, in the address."""
    end_at_a_portal()
    send, said = FulfillmentApi.send, [""]

    async def overhear(self: FulfillmentApi, *request: Any) -> httpx2.Response:
        answer = await send(self, *request)
        if answer.status_code == 403:
            said[0] = answer.text
        return answer

    def pass_it_on(_: Landing) -> Response:
        return RedirectResponse(f"{PORTAL}?{urlencode({'error': said[0]})}", 302)

    setattr(FulfillmentApi, "send", overhear)  # noqa: B010
    setattr(Landing, "apology", pass_it_on)  # noqa: B010


def test_an_address_that_is_not_opened_shows_what_is_in_it(tmp_path: Path) -> None:
    told = judged(tmp_path, end_at_a_portal_that_is_told_why, "AUT-029")

    assert told.with_outcome("failed") == {"AUT-029"}


def welcome_back() -> None:
    """Greet whoever comes to manage a subscription, and say nothing of it."""
    present = Landing.present

    async def greet(self: Landing, session: Session, subscription: Subscription) -> Response:
        if subscription.status is Status.SUBSCRIBED:
            return HTMLResponse("<p>Welcome back.</p>")
        return await present(self, session, subscription)

    setattr(Landing, "present", greet)  # noqa: B010


def test_a_page_that_was_seen_and_says_nothing_of_the_subscription_is_none_to_manage_it(tmp_path: Path) -> None:
    told = judged(tmp_path, welcome_back, "LND-015", "LND-017")

    assert told.with_outcome("passed") == {"LND-015"}
    assert told.with_outcome("failed") == {"LND-017"}


def test_whoever_activates_during_the_visit_is_judged_on_failed_activations(tmp_path: Path) -> None:
    told = judged(tmp_path, activate_during_the_visit, "ACT-023", "ACT-025", "ACT-026", "HDR-032")

    assert told.with_outcome("passed") == {"ACT-023", "ACT-025", "ACT-026", "HDR-032"}


@pytest.mark.parametrize(
    ("defect", "broken"),
    [
        ("shows-failed-activations-as-active", {"ACT-023", "ACT-025"}),
        ("reads-the-answer-of-activate", {"ACT-026"}),
        ("gives-up-at-silence", {"HDR-032"}),
    ],
)
def test_whoever_activates_during_the_visit_and_misreads_the_answer_fails(
    tmp_path: Path, defect: str, broken: set[str]
) -> None:
    told = judged(tmp_path, activate_during_the_visit, *broken, defects=(defect,))

    assert told.with_outcome("failed") == broken


def keep_what_a_token_stands_for() -> None:
    """Resolve each purchase token once, for whoever looks first, and keep what it stands for."""
    kept: dict[str, Subscription] = {}
    resolve, open_page = Landing.resolve, Landing.open

    async def resolve_once(self: Landing, token: str) -> Subscription:
        if token not in kept:
            kept[token] = await resolve(self, token)
        return kept[token]

    async def resolve_first(self: Landing, request: Request) -> Response:
        token = request.query_params.get("token")
        if token is not None and request.method == "GET":
            kept.setdefault(token, await resolve(self, token))
        return await open_page(self, request)

    setattr(Landing, "resolve", resolve_once)  # noqa: B010
    setattr(Landing, "open", resolve_first)  # noqa: B010


def keep_nothing_and_fail_now_and_then() -> None:
    """Fail at every other visit, and keep what a token stands for."""
    keep_what_a_token_stands_for()
    open_page = Landing.open
    opened = iter(range(10_000))

    async def open_now_and_then(self: Landing, request: Request) -> Response:
        if "token" in request.query_params and next(opened) % 2:
            return HTMLResponse("try again", 503)
        return await open_page(self, request)

    setattr(Landing, "open", open_now_and_then)  # noqa: B010


def test_what_a_token_stands_for_may_be_kept(tmp_path: Path) -> None:
    told = judged(tmp_path, keep_what_a_token_stands_for, "LND-001")

    assert told.with_outcome("passed") == {"LND-001"}


def test_whoever_keeps_it_must_be_there_all_the_same(tmp_path: Path) -> None:
    told = judged(tmp_path, keep_nothing_and_fail_now_and_then, "LND-001")

    assert told.with_outcome("failed") == {"LND-001"}


def confirm_by_a_call(page: Callable[[Session, Subscription], str]) -> None:
    """Let the page be `page`, and let a call confirm what it shows."""
    buyers_take(Post.model_validate({"post": "/signup/confirm", "json": {"id": "{subscription_id}"}}))
    known: dict[str, Subscription] = {}

    def plain(self: Landing, session: Session, subscription: Subscription, **_: Any) -> Response:
        known[subscription.id] = subscription
        return HTMLResponse(page(session, subscription))

    async def confirm(self: Landing, request: Request) -> Response:
        subscription = known[(await request.json())["id"]]
        account: Account = self.set_up(subscription, "", subscription.beneficiary.email)
        await self.activate(account, subscription)
        return HTMLResponse("done")

    setattr(Landing, "purchase_page", plain)  # noqa: B010
    setattr(Landing, "confirm", confirm)  # noqa: B010


def plain_page(session: Session, subscription: Subscription, *, with_all: bool, script: str) -> str:
    """Show a purchase, or only its id, and perhaps run a script."""
    assert session.user is not None
    facts: Mapping[str, str] = {
        "offer": subscription.offer_id,
        "plan": subscription.plan_id,
        "email": session.user.email,
        "name": session.user.name,
    }
    all_of_it = (
        "<p>{offer}, {plan}, {name}</p><form><input type=email name=mail value={email}><button>OK</button></form>"
    )
    return (all_of_it if with_all else "<p>{plan}</p>").format(**facts) + script


ROWS = ("LND-011", "LND-012", "LND-013", "LND-020", "LND-021")
SCRIPT = "<script src=/app.js></script>"


@pytest.mark.parametrize(
    ("with_all", "script", "outcomes"),
    [
        (True, "", ["passed"] * 5),
        (True, SCRIPT, ["passed"] * 5),
        (False, "", [*["failed"] * 4, "untestable"]),
        (False, SCRIPT, ["untestable"] * 5),
    ],
    ids=["all", "all and a script", "nothing", "nothing but a script"],
)
def test_a_page_that_is_confirmed_by_a_call_is_judged_by_what_it_shows(
    tmp_path: Path, with_all: bool, script: str, outcomes: list[str]
) -> None:
    page = functools.partial(plain_page, with_all=with_all, script=script)
    told = judged(tmp_path, functools.partial(confirm_by_a_call, page), *ROWS)

    assert [told.outcomes[each] for each in ROWS] == outcomes
    for each in told.why(set(ROWS), "untestable"):
        assert ("publisher.browser: the page runs scripts" in each) == bool(script)


def sign_in_by_a_posted_id_token(*, looks_at: str) -> None:
    """Let Entra post an ID token, as some frameworks ask by default; compare `state`, `nonce`, both or neither."""
    numbers = itertools.count(1)

    async def begin(self: EntraSignIn, session: Session, *, choose_account: bool = False) -> str:
        session.sign_in = {"state": f"state-{next(numbers)}", "nonce": f"nonce-{next(numbers)}"}
        asked = {
            "client_id": self._sign_in.client_id,
            "response_type": "id_token",
            "response_mode": "form_post",
            "scope": "openid profile email",
            "redirect_uri": self.redirect_uri,
            "prompt": "select_account" if choose_account else "",
        }
        return f"{self.authority}/oauth2/v2.0/authorize?{urlencode(asked | session.sign_in)}"

    async def come_back(self: SignInPages, request: Request) -> Response:
        session, form = self._sessions.of(request), await request.form()
        if session is None:
            return HTMLResponse("who are you?", 403)
        claims = jwt.decode(str(form["id_token"]), options={"verify_signature": False})
        brought = {"state": form.get("state"), "nonce": claims.get("nonce")}
        if any(brought[name] != session.sign_in.get(name) for name in looks_at.split()):
            return HTMLResponse("not yours", 403)
        session.user = self._sign_in.user(claims)
        return RedirectResponse(session.after_sign_in, 303)

    def routes(self: SignInPages) -> list[Route]:
        return [
            Route("/signin", self.leave, methods=["GET"]),
            Route(CALLBACK_PATH, functools.partial(come_back, self), methods=["POST"]),
        ]

    setattr(EntraSignIn, "begin", begin)  # noqa: B010
    setattr(SignInPages, "routes", property(routes))  # noqa: B010


@pytest.mark.parametrize(
    ("looks_at", "state", "nonce"),
    [
        ("state nonce", "passed", "passed"),
        ("nonce", "passed", "passed"),
        ("state", "passed", "failed"),
        ("", "failed", "failed"),
    ],
    ids=["both", "nonce", "state", "neither"],
)
def test_a_posted_id_token_is_bound_by_state_or_nonce(tmp_path: Path, looks_at: str, state: str, nonce: str) -> None:
    told = judged(
        tmp_path, functools.partial(sign_in_by_a_posted_id_token, looks_at=looks_at), "LND-004", "LND-038", "LND-039"
    )

    assert told.outcomes["LND-004"] == "passed"
    assert (told.outcomes["LND-038"], told.outcomes["LND-039"]) == (state, nonce)
