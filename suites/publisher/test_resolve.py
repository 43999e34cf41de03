"""What becomes of the purchase token: decoded once, resolved at the back end (theme RES; scenarios G01 to G08)."""

import re
from urllib.parse import urlencode, urlsplit

from fulfillment_conformance.emulator.identity.settings import STRANGER
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import PURCHASE_TOKEN, briefly, document, sent
from fulfillment_conformance.stage.sign_in import buying_as, sign_in_requests

WAY_OUT = re.compile(r"azure[\s-]*portal|admin\s*cent(er|re)", re.IGNORECASE)
"""Where a buyer gets a fresh link (RES-024)."""


@requirement("LND-003", "RES-025", "RES-003", "RES-002", "RES-004")
def test_the_token_of_the_landing_page_is_resolved_as_it_was_issued(purchase, check):
    """The parameter `token` is decoded once and handed over in its header, every character as it was issued."""
    purchase.visit()
    page = purchase.complete()
    calls = purchase.resolves
    handed_over = [sent(call, PURCHASE_TOKEN) for call in calls]
    seen = briefly(calls, otherwise=f"no resolve call; {purchase.course}")
    tokens = "; ".join(_difference(token, purchase.token) for token in handed_over) or seen
    refused = purchase.refused_access

    check("RES-025").that(
        purchase.token in handed_over,
        expected="a resolve call with the purchase token, decoded",
        actual=tokens,
        rests_on=calls or [*refused, page.answer],
    )
    if not calls and refused:
        # How the token is read and handed over shows in a call, and without an access token there can be none.
        for each in check.each("LND-003", "RES-003", "RES-002", "RES-004"):
            each.undecided(f"the publisher got no access token (AUT): {seen}", rests_on=[*refused, page.answer])
        return
    check("LND-003").that(
        purchase.token in handed_over,
        expected="a resolve call with the purchase token, decoded",
        actual=tokens,
        rests_on=calls or [page.answer],
    )
    check("RES-003").that(
        bool(calls) and all(token == purchase.token for token in handed_over),
        expected="the token decoded exactly once, with its +, / and = as they are",
        actual=tokens,
        rests_on=calls or [page.answer],
    )
    elsewhere = [call for call in calls if "token=" in call.url or purchase.token.encode() in call.request_body]
    check("RES-002").that(
        bool(calls) and all(handed_over) and not elsewhere,
        expected=f"the token in the header {PURCHASE_TOKEN}, not in query or body",
        actual=briefly(elsewhere, otherwise=seen),
        rests_on=calls or [page.answer],
    )
    if calls:
        check("RES-004").that(
            all(document(call) == {} or not call.request_body.strip() for call in calls),
            expected="no body, or {}",
            actual=f"{max(len(call.request_body) for call in calls)} bytes",
            rests_on=calls,
        )
    else:
        check("RES-004").undecided("the publisher did not call resolve", rests_on=[page.answer])


@requirement("RES-025", "ACT-004")
def test_each_visit_of_a_browser_is_about_the_token_it_came_with(stage, check):
    """Somebody sets up one purchase and then, in the same browser, another: it is resolved and activated as well."""
    first, second = stage.purchase(), stage.purchase()
    first.visit()
    first.complete()
    before = first.awaits("activate")
    second.buyer = first.buyer
    second.visit()
    page = second.complete()
    calls = second.resolves
    handed_over = [sent(call, PURCHASE_TOKEN) for call in first.resolves]

    if first.token not in handed_over:
        for each in check.each("RES-025", "ACT-004"):
            each.undecided(f"not even the first purchase is resolved; {second.course}", rests_on=[page.answer])
        return
    check("RES-025").that(
        second.token in handed_over,
        expected="a resolve call with the token of the second visit",
        actual=briefly(calls, otherwise=f"no resolve call; {second.course}")
        + ("" if not calls else f" with {'that' if second.token in handed_over else 'another'} token"),
        rests_on=[*calls, page.answer],
    )
    activated = second.awaits("activate")
    if second.token not in handed_over or not before:
        check("ACT-004").undecided("the first purchase is not activated, or the second not resolved", rests_on=before)
        return
    check("ACT-004").that(
        bool(activated),
        expected=f"POST /{second.id}/activate once the buyer has completed the landing page",
        actual=briefly(activated, otherwise=f"no activate call; {second.course}"),
        rests_on=[*calls, *activated, page.answer],
    )


@requirement("RES-025")
def test_an_id_in_the_address_stands_for_no_purchase(stage, publisher, purchase, check):
    """The address also names a subscription, in the usual words: only the token says what the visit is about."""
    other = stage.purchase(beneficiary=buying_as(STRANGER))
    named = urlencode(dict.fromkeys(("subscriptionId", "subscription_id", "subscription", "id"), other.id))
    landing_page = publisher.service.landing_page
    bare = f"{landing_page}{'&' if urlsplit(landing_page).query else '?'}{named}"
    pages = [stage.new_buyer().open(bare, "landing page with an id"), purchase.visit(alongside=named)]
    pages.append(purchase.complete())
    effect = other.effects()
    name = other.subscription.name

    if not purchase.resolves:
        check("RES-025").undecided("nothing shows that it is a landing page: no resolve call", rests_on=pages[1].way)
        return
    shown = [page for page in pages if page.shows(name)]
    check("RES-025").that(
        not effect.calls and not shown,
        expected=f"nothing of {other.id}, whose token nobody has handed over: neither its name nor an activation",
        actual=briefly(list(effect.calls), otherwise="no activation") + (f"; a page shows {name!r}" if shown else ""),
        rests_on=[*(page.answer for page in pages), *effect.evidence()],
    )


@requirement("LND-028")
def test_the_token_survives_the_sign_in(purchase, check):
    """The buyer comes back from Entra, and the token is still the same."""
    purchase.visit()
    page = purchase.complete()
    calls = purchase.resolves
    tokens = [sent(call, PURCHASE_TOKEN) for call in calls]

    if not sign_in_requests(purchase.buyer.history, page):
        check("LND-028").untestable("claims.sign_in: the buyer was not sent to Entra on the way")
        return
    if not calls and (refused := purchase.refused_access):
        reason = f"the publisher got no access token (AUT): no resolve call; {purchase.course}"
        check("LND-028").undecided(reason, rests_on=[*refused, page.answer])
        return
    check("LND-028").that(
        bool(calls) and all(token == purchase.token for token in tokens),
        expected="after the sign-in, resolve with the very token of the visit",
        actual="; ".join(_difference(token, purchase.token) for token in tokens) or "no resolve call",
        rests_on=[*purchase.buyer.history, *calls],
    )


@requirement("RES-024", "RES-030")
def test_a_token_that_is_expired_or_damaged_gives_advice_and_nothing_else(microsoft, purchase, check):
    """The page says where a fresh link comes from; nothing is set up because of a token that does not resolve."""
    genuine = purchase.token
    expired = microsoft.perform(lambda market: market.issue_token(purchase.id, expired=True))
    middle = len(genuine) // 2
    damaged = genuine[:middle] + ("A" if genuine[middle] != "A" else "B") + genuine[middle + 1 :]
    seen = []
    for what, token in (("expired", expired), ("damaged", damaged)):
        microsoft.hide(token, "purchase-token")
        purchase.token, purchase.buyer = token, purchase.buyer.fresh()
        pages = [purchase.visit(), purchase.complete()]
        page = next((page for page in pages if WAY_OUT.search(page.text)), pages[0])
        seen.append((what, page, purchase.account(), purchase.activations))
    purchase.token, purchase.buyer = genuine, purchase.buyer.fresh()
    purchase.onboard()

    for what, page, account, activations in seen:
        status = page.answer.status_code
        acted = briefly(activations, otherwise="no activation")
        advised = bool(WAY_OUT.search(page.text))
        if page.elsewhere and not advised and not activations:
            check("RES-024").undecided(f"{what} token: {page.elsewhere}", rests_on=[page.answer])
        else:
            check("RES-024").that(
                status is not None and status < 500 and advised and not activations,
                expected=f"{what} token: a page that names the Azure portal or the admin center, and no activation",
                actual=f"{status}: {page.text[:160]!r}; {acted}",
                rests_on=[page.answer, *activations],
            )
        check("RES-030").that(
            not activations and (account is None or not account.gives_access),
            expected=f"{what} token: no activation and no account",
            actual=f"{acted}; {account.status if account else 'no state page'}",
            rests_on=[page.answer, *activations],
        )


def _difference(token, issued):
    if token is None:
        return "no token at all"
    if token == issued:
        return "as issued"
    if token == issued.replace("+", " "):
        return "every + became a blank"
    return "still percent-encoded" if "%" in token else f"another token of {len(token)} characters"
