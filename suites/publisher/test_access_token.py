"""How the publisher gets its access token, and what it does without one (theme AUT; scenarios F01, F03, F04)."""

from contextlib import ExitStack, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.emulator.fulfillment import OPERATIONS
from fulfillment_conformance.emulator.identity.settings import FORMER_MARKETPLACE_APP_ID, MARKETPLACE_APP_ID
from fulfillment_conformance.interruptions import Precondition
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import PURCHASE_TOKEN, answered, bearer, brief, briefly, claims, form, sent
from fulfillment_conformance.stage.leaks import MARKED, holds, told

A_FEW = 8
"""How many tries of one call are still bounded."""

PURCHASES = 5
"""Of so many in a row one at least needs no fresh token, also where several processes have a token each."""


@pytest.fixture
def token_requests(microsoft, purchase):
    """Return the publisher's token requests of this run, sign-ins of buyers left out."""
    for attempt in ("first", "again"):
        purchase.buyer = purchase.buyer.fresh()
        purchase.visit()
        purchase.complete()
        found = microsoft.access_token_requests()
        if found or not purchase.resolves:
            break
        if attempt == "first":  # it has a token from an earlier run
            refused = f"Bearer {bearer(purchase.resolves[-1])}"
            with microsoft.disturbed(Answers(401), call="*", bearing=refused):
                purchase.manage()  # with another purchase token: what the first one stands for may be kept
                purchase.complete()
    if not found:
        raise Precondition(
            "no token request of the publisher has reached the identity provider: it may have a token from an earlier "
            "run, or none at all; restart it and run again"
        )
    return found


@requirement("AUT-001", "AUT-002", "AUT-005", "AUT-006", "AUT-007")
def test_the_access_token_is_asked_for_with_the_applications_own_credentials(microsoft, token_requests, check):
    """Client credentials of the application in the technical configuration, by form, at its tenant's endpoint."""
    identity = microsoft.emulator.settings.identity
    calls = _for_the_marketplace(token_requests)
    fields = [form(call) for call in calls]
    paths = [urlsplit(call.url).path.lower() for call in calls]
    # What is no form, or no POST, cannot be read: it shows in type and method alone.
    posted = [call for call in token_requests if call.method == "POST"]
    types = [(sent(call, "content-type") or "none").partition(";")[0].lower() for call in posted]
    client_ids = [each.get("client_id", "none").lower() for each in fields]

    check("AUT-001").that(
        all(each.get("grant_type") == "client_credentials" for each in fields),
        expected="grant_type=client_credentials",
        actual=", ".join(each.get("grant_type", "none") for each in fields),
        rests_on=calls,
    )
    check("AUT-002").that(
        len(posted) == len(token_requests),
        expected="POST to the token endpoint, of version 1 or 2.0",
        actual="; ".join(map(brief, token_requests)),
        rests_on=token_requests,
    )
    check("AUT-005").that(
        all(each.get("client_id") and (each.get("client_secret") or each.get("client_assertion")) for each in fields),
        expected="client_id, and client_secret or client_assertion",
        actual="; ".join(", ".join(sorted(each)) for each in fields),
        rests_on=calls,
    )
    check("AUT-006").that(
        all(each == "application/x-www-form-urlencoded" for each in types),
        expected="content-type application/x-www-form-urlencoded",
        actual=", ".join(types),
        rests_on=posted,
    )
    check("AUT-007").that(
        all(path.startswith(f"/{identity.tenant_id.lower()}/") for path in paths)
        and all(client_id == identity.client_id.lower() for client_id in client_ids),
        expected=f"tenant {identity.tenant_id} and application {identity.client_id}, as in the technical configuration",
        actual="; ".join(f"{path}, {client_id}" for path, client_id in zip(paths, client_ids, strict=True)),
        rests_on=calls,
    )


@requirement("AUT-003", "AUT-004", "V1-002")
def test_the_access_token_is_asked_for_the_marketplace(purchase, token_requests, check):
    """The resource, or the scope of it, is the marketplace's application id, and not its predecessor's."""
    calls = _for_the_marketplace(token_requests)
    resources = [form(call).get("resource", "none") for call in calls if _version(call) == 1]
    scopes = [form(call).get("scope", "none") for call in calls if _version(call) == 2]

    for requirement_id, asked, right in (
        ("AUT-003", resources, MARKETPLACE_APP_ID),
        ("AUT-004", scopes, f"{MARKETPLACE_APP_ID}/.default"),
    ):
        if not asked:
            other = "version 2.0" if requirement_id == "AUT-003" else "version 1"
            check(requirement_id).not_applicable(f"the publisher uses the endpoint of {other}")
            continue
        check(requirement_id).that(
            all(each == right for each in asked), expected=right, actual=", ".join(asked), rests_on=calls
        )
    audiences = [str(claims(bearer(call)).get("aud")) for call in purchase.resolves]
    everything = [
        form(call).get("resource") or form(call).get("scope") or "none" for call in token_requests
    ] + audiences
    check("V1-002").that(
        not any(FORMER_MARKETPLACE_APP_ID in each for each in everything),
        expected=f"no token for {FORMER_MARKETPLACE_APP_ID}",
        actual=", ".join(dict.fromkeys(everything)),
        rests_on=[*token_requests, *purchase.resolves],
    )


@requirement("AUT-017", "AUT-020", "POL-006")
def test_the_token_belongs_to_the_application_and_to_no_user(subscribed, check):
    """What is presented to the API names a service principal, and was delegated by nobody."""
    presented = [(call, claims(bearer(call))) for call in [*subscribed.resolves, *subscribed.calls(0)]]
    without = [call for call, found in presented if not found.get("oid")]
    delegated = [call for call, found in presented if "scp" in found or "upn" in found]
    issued_here = "the token is the emulator's own: whether the real tenant has the service principal shows at Entra"

    for each in check.each("AUT-017", "POL-006"):
        each.that(
            bool(presented) and not without,
            expected="claim oid in every access token",
            actual=briefly(without, otherwise=f"in all of {len(presented)} calls"),
            rests_on=without or [call for call, _ in presented],
            notes=[issued_here],
        )
    check("AUT-020").that(
        bool(presented) and not delegated,
        expected="no claim scp or upn: an application's token",
        actual=briefly(delegated, otherwise=f"in none of {len(presented)} calls"),
        rests_on=delegated or [call for call, _ in presented],
    )


@requirement("AUT-010", "AUT-027")
def test_a_token_is_used_until_it_expires_and_then_renewed(stage, microsoft, publisher, subscribed, check):
    """Purchases share a token; a refused one is exchanged for another; an expired one is not used any more."""
    customers = [subscribed, stage.subscribed()]
    while (fresh := _tokens(customers[-1:]) - _tokens(customers[:-1])) and len(customers) < PURCHASES:
        customers.append(stage.subscribed())
    before, known = _calls(customers), _tokens(customers)
    mark = microsoft.mark
    with _refusing(microsoft, known | _every_token(microsoft)):
        with microsoft.issuing_tokens_for(timedelta(seconds=1)):
            announcement = subscribed.an_event()
            first = publisher.receives(announcement)
            subscribed.settles(announcement)
            refused = [call for call in subscribed.calls() if call.status == 401]
            renewals = [call for call in microsoft.called("token", since=mark) if call.status == 200]
            microsoft.wait(lambda: None, seconds=1.1 if renewals else 0.0)
        short_lived = {answered(call).get("access_token") for call in renewals}
        announcement = (
            subscribed.suspend() if subscribed.subscription.status == "Subscribed" else subscribed.reinstate()
        )
        answers = [publisher.receives(announcement, forged=True), publisher.receives(announcement)]

        def with_another() -> bool | None:
            calls = subscribed.calls()
            return (
                any(call.status not in {None, 401, 403} and bearer(call) not in short_lived for call in calls) or None
            )

        # What was put aside to be done later may need some time.
        microsoft.wait(with_another, seconds=publisher.effect_limit if renewals and answers[-1].is_success else 0.0)
        later = subscribed.calls()

    check("AUT-027").that(
        not fresh and (bool(renewals) or not refused),
        expected="purchases that share a token, and another one after a 401",
        actual=f"{len(known)} tokens for {len(before)} calls of {len(customers)} purchases; "
        f"{len(renewals)} token requests after {len(refused)} refusals with 401",
        rests_on=[*before, *refused, *renewals],
        notes=[] if refused else ["the notification led to no call that could be refused"],
    )
    if not renewals:
        seen = "asked for no other token when the marketplace refused the one it has with 401"
        check("AUT-010").undecided(
            f"the publisher {seen if refused else 'made no call on a notification that could be refused with 401'}; "
            "whether it asks for another token when its hour is over shows in a longer run only",
            rests_on=[first, *later],
        )
        return
    check("AUT-010").that(
        bool(with_another()),
        expected="another token once the short-lived one has expired, and calls with it that are not refused for it",
        actual=f"notification answered {', '.join(str(answer.status_code) for answer in answers)}; "
        f"{briefly(later, otherwise='no calls')}",
        rests_on=[*renewals, *answers, *later],
    )


@requirement("AUT-021")
def test_no_secret_reaches_the_browser(stage, microsoft, subscribed, check):
    """Neither client secret nor access token is in any page, script, redirect or cookie, that of a failure included."""
    subscribed.manage()
    failing = stage.purchase()
    with microsoft.disturbed(Answers(500), call="resolve"):
        failing.visit()
        failing.complete()
    identity = microsoft.emulator.settings.identity
    calls = [*subscribed.calls(0), *subscribed.resolves, *failing.resolves]
    secrets = {identity.client_secret, identity.landing_client_secret, *map(bearer, calls)} - {""}
    history = [*subscribed.buyer.history, *failing.buyer.history]
    shown = [each for each in history if each.receiver == "publisher"]
    leaks = [each for each in shown if holds(each, secrets)]

    check("AUT-021").that(
        bool(shown) and bool(secrets) and not leaks,
        expected="neither client secret nor access token in what the browser is sent, be it encoded",
        actual=briefly(leaks, otherwise=f"in none of {len(shown)} answers"),
        rests_on=leaks or shown,
    )


@requirement("AUT-028")
def test_without_an_access_token_nobody_is_misled(stage, microsoft, publisher, check):
    """Entra refuses the credentials: 5xx or a queue, so that no event is lost; the buyer gets an apology."""
    customer, visitor = stage.subscribed(), stage.subscribed()
    announcement = customer.suspend()
    visitor.token = microsoft.perform(lambda market: market.issue_token(visitor.id))
    microsoft.hide(visitor.token, "purchase-token")
    with _no_access(microsoft) as missed:
        answer = publisher.receives(announcement, forged=True)
        if answer.is_success:  # what it has put aside may need a token as well
            microsoft.wait(lambda: missed() or None, seconds=publisher.effect_limit)
        by_webhook = missed()
        page = visitor.visit()  # in the browser of the first visit, whose buyer need not sign in again
        by_page = missed() - by_webhook
    done_later = customer.eventually(lambda now: not now.gives_access) if answer.is_success else None
    twin = publisher.receives(announcement)
    status = page.answer.status_code
    found = told(page.way)

    if not twin.is_success:
        check("AUT-028").undecided("the notification is not taken with an access token either", rests_on=[answer, twin])
    elif not by_webhook:
        reason = "the webhook neither asked for an access token nor used one, so it missed none"
        check("AUT-028").undecided(reason, rests_on=[answer, twin])
    elif answer.is_success and done_later is None:
        reason = "no state page shows whether what was answered 200 is done later"
        check("AUT-028").undecided(reason, rests_on=[answer, twin])
    else:
        check("AUT-028").that(
            answer.is_server_error or (done_later is not None and not done_later.gives_access),
            expected="5xx from the webhook while no access token can be had, or 200 and the event carried out later",
            actual=f"{answer.status_code or answer.error}; {done_later.status if done_later else 'to be sent again'}",
            rests_on=[answer, twin, *([done_later.exchange] if done_later else [])],
            notes=["whether the operator is alerted cannot be seen"],
        )
    if not by_page:
        reason = "the landing page neither asked for an access token nor used one, so it missed none"
        check("AUT-028").undecided(reason, rests_on=[page.answer])
        return
    if page.elsewhere and not found:
        check("AUT-028").undecided(page.elsewhere, rests_on=page.way)
        return
    check("AUT-028").that(
        status is not None and not found,
        expected="a page without raw error text or trace while no access token can be had",
        actual=f"{status or page.answer.error}, with {' and '.join(found) or 'nothing of the kind'}",
        rests_on=[*page.way, page.answer],
    )


@requirement("AUT-029")
def test_a_403_is_neither_repeated_without_end_nor_shown_to_the_buyer(microsoft, publisher, purchase, check):
    """The API refuses the application: a few tries, and a page that does not hold the API's own text."""
    refusal = {"error": {"code": "Forbidden", "message": MARKED}}
    mark = microsoft.mark
    with microsoft.disturbed(Answers(403, refusal), call="resolve") as resolve:
        page = purchase.visit()
        purchase.complete()
        microsoft.calms_down(lambda: resolve.met, beyond=A_FEW)
    with microsoft.disturbed(Answers(403, refusal), call="list_subscriptions") as listing:
        if publisher.service.reconcile is not None:
            publisher.reconciles()
    purchase.buyer = purchase.buyer.fresh()
    with microsoft.disturbed(Answers(403, refusal), call="activate") as activation:
        pages = [page, purchase.visit(), purchase.complete()]
        microsoft.calms_down(lambda: activation.met, beyond=A_FEW)
    tries = [*microsoft.called("resolve", since=mark), *microsoft.called("activate", since=mark)]
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()

    if not resolve.met:
        check("AUT-029").undecided("resolve was not called", rests_on=[page.answer])
        return
    met = [resolve.met, listing.met, activation.met]
    shown = [each for each in pages if MARKED in each.html + each.url]
    if page.elsewhere and max(met) <= A_FEW and not shown:
        check("AUT-029").undecided(page.elsewhere, rests_on=[*tries, page.answer])
        return
    check("AUT-029").that(
        max(met) <= A_FEW and not shown,
        expected=f"at most {A_FEW} calls each, and not a word of the API's refusal on a page",
        actual=f"resolve {met[0]}, list {met[1]}, activate {met[2]} times; the text is {'' if shown else 'not '}shown",
        rests_on=[*tries, *(each.answer for each in shown or pages)],
    )


@requirement("AUT-027")
def test_a_401_that_stays_is_not_answered_with_tokens_without_end(microsoft, purchase, check):
    """One more token after a 401 is enough to see that the token was not at fault."""
    mark = microsoft.mark
    with microsoft.disturbed(Answers(401), call="resolve") as refused:
        page = purchase.visit()
        purchase.complete()
        microsoft.calms_down(lambda: refused.met, beyond=A_FEW)
    asked = microsoft.access_token_requests(since=mark)
    tries = microsoft.called("resolve", since=mark)
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()

    if not refused.met:
        check("AUT-027").undecided("resolve was not called", rests_on=[page.answer])
        return
    check("AUT-027").that(
        refused.met <= A_FEW and len(asked) <= A_FEW,
        expected=f"at most {A_FEW} resolve calls and {A_FEW} token requests where each call is answered 401",
        actual=f"{refused.met} resolve calls, {len(asked)} token requests",
        rests_on=[*tries[: A_FEW + 1], *asked[: A_FEW + 1], page.answer],
    )


@contextmanager
def _no_access(microsoft):
    """Let Entra issue no token and the marketplace believe none, whichever process has it; give a count of both."""
    refusal = {"error": "invalid_client", "error_description": MARKED, "error_codes": [7000222]}
    with ExitStack() as stack:
        plans = [stack.enter_context(microsoft.disturbed(Answers(401, refusal), call="token"))]
        plans += [stack.enter_context(microsoft.disturbed(Answers(401), call=name)) for name in OPERATIONS]
        yield lambda: sum(plan.met for plan in plans)


@contextmanager
def _refusing(microsoft, tokens):
    """Let the marketplace refuse these access tokens as it refuses expired ones."""
    with ExitStack() as stack:
        for token in tokens:
            stack.enter_context(microsoft.disturbed(Answers(401), call="*", bearing=f"Bearer {token}"))
        yield


def _calls(customers):
    """Return the calls of the customers' purchases, but for those that were refused because of their token."""
    own = {customer.token for customer in customers}
    resolves = [call for call in customers[0].resolves if sent(call, PURCHASE_TOKEN) in own]
    calls = [*resolves, *(call for customer in customers for call in customer.calls(0))]
    return [call for call in calls if call.status != 401]


def _tokens(customers):
    return {bearer(call) for call in _calls(customers)}


def _every_token(microsoft):
    """Return the access tokens of this run, also those that another process of the publisher has and did not show."""
    shown = {bearer(call) for call in microsoft.since(0) if call.receiver == "marketplace"}
    granted = [call for call in microsoft.called("token") if call.status == 200]
    issued = {str(answered(call).get("access_token", "")) for call in granted}
    return (shown | issued) - {""}


def _version(call):
    return 1 if urlsplit(call.url).path.lower().endswith("/oauth2/token") else 2


def _for_the_marketplace(calls):
    """Return the requests for the marketplace's resource; all of them if none is."""
    about = [call for call in calls if MARKETPLACE_APP_ID in call.request_body.decode("utf-8", "replace")]
    return about or calls
