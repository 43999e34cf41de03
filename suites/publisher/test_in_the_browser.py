"""The landing page in a real browser: what scripts do to address bar, names, secrets (LND, GET, HDR, AUT; G06, G14).

The same requirements are judged by what is served, in other files. Here a Chromium of this machine looks at what
becomes of it, if the target file asks for that with `publisher.browser: true`.
"""

import pytest

from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.interruptions import NotClaimed
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import bearer, briefly, sent, tells
from fulfillment_conformance.stage.customer import with_token
from fulfillment_conformance.stage.leaks import MARKED, TRACE


@pytest.fixture
def looks(publisher):
    """Open a customer's landing page in the browser, as the marketplace does."""
    if not publisher.service.browser:
        raise NotClaimed("publisher.browser: the target file does not ask for a look in the browser")

    def look(customer, evaluate=""):
        customer.visited_at = customer.microsoft.mark
        return customer.buyer.browse(with_token(publisher.service.landing_page, customer.token), evaluate=evaluate)

    return look


@requirement("LND-037", "HDR-021", "AUT-021")
def test_the_browser_keeps_neither_purchase_token_nor_secrets(microsoft, purchase, looks, check):
    """Once the page has come to rest: no token in address bar or Referer, no secret, no call of the API."""
    mark = microsoft.mark
    view = looks(purchase)
    referers = [each for each in view.exchanges[1:] if tells(sent(each, "referer") or "", purchase.token)]
    calls = [each for each in view.exchanges if "/api/saas/subscriptions" in each.url]
    secret = microsoft.emulator.settings.identity.client_secret
    secrets = {secret, *(bearer(call) for call in microsoft.since(mark) if call.sender == "publisher")} - {""}
    own = [each for each in view.exchanges if each.receiver != "identity"]
    holding = [
        each for each in own if any(secret.encode() in each.request_body + each.url.encode() for secret in secrets)
    ]
    kept = [where for where, text in (("page", view.html), ("storage", view.stored)) if any(s in text for s in secrets)]
    page = view.document

    if not purchase.resolved or page is None:
        for each in check.each("LND-037", "HDR-021", "AUT-021"):
            each.undecided(f"the page did not resolve the token{view.problem and ': ' + view.problem}", rests_on=own)
        return
    check("LND-037").that(
        not tells(view.url, purchase.token) and not referers,
        expected="in the end no token in the address bar, and none in the Referer of any request on the way",
        actual="the token is in the address bar"
        if tells(view.url, purchase.token)
        else f"{len(referers)} Referers with the token",
        rests_on=referers or [page],
    )
    check("HDR-021").that(
        not calls,
        expected="no request from the page to the Fulfillment API",
        actual=briefly(calls, otherwise=f"none of {len(view.exchanges)} requests"),
        rests_on=calls or [page],
    )
    check("AUT-021").that(
        not kept and not holding,
        expected="neither client secret nor access token in the page, in storage, or in what the page sends",
        actual="; ".join([*kept, *(f"{each.method} {each.url.partition('?')[0]}" for each in holding)]) or "nowhere",
        rests_on=holding or [page],
    )


@requirement("GET-038")
def test_names_run_no_script(stage, looks, check):
    """The subscription's name holds markup that would run if the page took it for its own."""
    plain = stage.purchase()
    hostile = stage.purchase(name="<img src=x onerror='window.conformance=1'><script>window.conformance=1</script>")
    ordinary, view = looks(plain), looks(hostile, "window.conformance === 1")

    elsewhere = hostile.buyer.page.elsewhere
    if not plain.resolved or not hostile.resolved or view.document is None or elsewhere:
        reason = elsewhere or "the page did not resolve the token"
        check("GET-038").undecided(reason, rests_on=ordinary.exchanges + view.exchanges)
        return
    check("GET-038").that(
        not view.found and not view.dialogs,
        expected="a page on which the name is text",
        actual="the name has run as a script" if view.found or view.dialogs else "nothing of it ran",
        rests_on=[view.document],
    )


@requirement("AUT-028")
def test_the_apology_holds_no_error_trace(microsoft, purchase, looks, check):
    """The marketplace fails while the page is being made: what the browser shows in the end is for people."""
    failure = {"error": {"code": "InternalServerError", "message": MARKED}}
    with microsoft.disturbed(Answers(500, failure), call="resolve") as fault:
        view = looks(purchase)
    found = [TRACE.search(view.text), MARKED in view.text + view.url]
    elsewhere = purchase.buyer.page.elsewhere
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()

    if not fault.met or view.document is None:
        check("AUT-028").undecided("the page did not resolve the token", rests_on=view.exchanges)
        return
    if elsewhere and not any(found):
        check("AUT-028").undecided(elsewhere, rests_on=[view.document])
        return
    check("AUT-028").that(
        not any(found),
        expected="an apology without raw error text and without a trace",
        actual="raw error text" if found[1] else "an error trace" if found[0] else f"{view.text[:120]!r}",
        rests_on=[view.document],
    )
