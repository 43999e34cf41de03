"""Single sign-on before activation: who may come in, and what is asked of them (LND, POL; scenarios G03, G11, G13)."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from fulfillment_conformance.emulator.faults import Rewrites
from fulfillment_conformance.emulator.identity.settings import PERSONAL, STRANGER
from fulfillment_conformance.interruptions import CannotArrange, Precondition
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.calls import PURCHASE_TOKEN, briefly, claims, form, sent
from fulfillment_conformance.stage.microsoft import kind_of
from fulfillment_conformance.stage.sign_in import BASIC_SCOPES, bringing, brought_back, buying_as, sign_in_requests

NO_SIGN_IN = "claims.sign_in: the buyer was not sent to Entra, and the target file does not say that he should be"

NEIGHBOUR = replace(
    PERSONAL,
    name="neighbour",
    object_id="00000000-0000-0000-4b7e-28d1c69f0a35",
    display_name="Kim Akers",
    given_name="Kim",
    surname="Akers",
    user_principal_name="kim.akers@outlook.example",
    puid="00034001D2E3F4A6",
)
"""Somebody else with a personal account."""


@pytest.fixture
def arrival(purchase):
    """A first visit of a buyer who is not signed in anywhere at the publisher's."""
    purchase.visit()
    purchase.complete()
    return purchase


@pytest.fixture
def requests(arrival):
    """The authorization requests of that visit; none of what follows can be seen without one."""
    found = sign_in_requests(arrival.buyer.history, arrival.page)
    if not found and not arrival.claims.sign_in:
        raise CannotArrange(NO_SIGN_IN)
    return found


@requirement("LND-004", "POL-003")
def test_the_buyer_signs_in_with_entra(arrival, requests, check):
    """The visit leads to Entra's authorization endpoint."""
    for each in check.each("LND-004", "POL-003"):
        each.that(
            bool(requests),
            expected="the buyer is sent to .../oauth2/v2.0/authorize, or shown the way there",
            actual=_where(requests) or f"{arrival.page.answer.status_code} without sign-in",
            rests_on=[*(request.exchange for request in requests), arrival.page.answer],
        )


@requirement("LND-005", "LND-006")
def test_accounts_of_every_tenant_and_personal_ones_can_sign_in(stage, microsoft, arrival, requests, check):
    """The address is bound to no tenant, least of all the publisher's; a buyer with a personal account gets through."""
    own_tenant = microsoft.emulator.settings.identity.tenant_id.lower()
    segments = {request.tenant for request in requests}
    private = stage.purchase(beneficiary=buying_as(PERSONAL))
    private.buyer.sign_in_as(PERSONAL.name)
    page = private.visit()
    private.complete()
    followed = any(each.receiver == "identity" for each in arrival.buyer.history)
    rests_on = [*(request.exchange for request in requests), page.answer, *private.resolves]

    for requirement_id, open_to_them, buyer, expected, who in (
        (
            "LND-005",
            "common" in segments or {"organizations", "consumers"} <= segments,
            private,
            "/common, or /organizations with another way for personal accounts, which can be used",
            "a personal account",
        ),
        (
            "LND-006",
            bool(segments & {"common", "organizations"}),
            arrival,
            f"a sign-in bound to no tenant, and a buyer of another one than {own_tenant} gets through",
            "the buyer",
        ),
    ):
        if open_to_them and followed and not buyer.resolves and (refused := buyer.refused_access):
            reason = f"the publisher got no access token (AUT), so nothing shows whether {who} gets through"
            check(requirement_id).undecided(f"{reason}; {buyer.course}", rests_on=[*rests_on, *refused])
            continue
        came = f"got through: {briefly(buyer.resolves, otherwise='no')}" if followed else "was not tried"
        check(requirement_id).that(
            open_to_them and (bool(buyer.resolves) or not followed),
            expected=expected,
            actual=f"{_where(requests) or 'no sign-in'}; {who} {came}",
            rests_on=rests_on,
        )


@requirement("LND-007", "LND-008", "POL-004")
def test_the_first_sign_in_asks_for_nothing_that_needs_an_administrator(arrival, requests, check):
    """Scopes of the first request: openid, profile, email, offline_access, User.Read, and no more."""
    scopes = [scope for request in requests for scope in request.scopes]
    surplus = [scope for scope in scopes if scope.lower() not in BASIC_SCOPES]
    powerful = [scope for scope in surplus if ".all" in scope.lower() or "directory" in scope.lower()]
    by_administrator = [r for r in requests if r.asks_an_administrator or r.prompt == "admin_consent"]
    rests_on = [*(request.exchange for request in requests), arrival.page.answer]

    check("LND-007").that(
        bool(requests) and not surplus,
        expected="scopes among openid, profile, email, offline_access, User.Read",
        actual=" ".join(scopes) or ("none" if requests else "no sign-in"),
        rests_on=rests_on,
    )
    check("LND-008").that(
        bool(requests) and not powerful and not by_administrator,
        expected="no scope that an administrator has to consent to, and no admin consent page",
        actual=" ".join(powerful) or _where(by_administrator) or ("none" if requests else "no sign-in"),
        rests_on=rests_on,
    )
    check("POL-004").that(
        bool(requests) and not surplus and not by_administrator,
        expected="no more than User.Read",
        actual=" ".join(surplus) or _where(by_administrator) or ("no more" if requests else "no sign-in"),
        rests_on=rests_on,
    )


@requirement("LND-009")
def test_further_permissions_are_asked_for_later(arrival, requests, check):
    """What a publisher needs beyond the basics it asks for once the purchase is active."""
    before = {scope.lower() for request in requests for scope in request.scopes}
    arrival.manage()
    later = sign_in_requests(arrival.buyer.history, arrival.page)
    more = {scope.lower() for request in later for scope in request.scopes} - BASIC_SCOPES

    if not more:
        check("LND-009").not_applicable("the publisher asked for no further permissions")
        return
    check("LND-009").that(
        not before - BASIC_SCOPES,
        expected="the basic scopes at first, more only afterwards",
        actual=f"at first {' '.join(sorted(before))}; later also {' '.join(sorted(more))}",
        rests_on=[request.exchange for request in (*requests, *later)],
    )


@requirement("LND-022")
def test_an_id_token_for_another_application_signs_nobody_in(microsoft, purchase, check):
    """Entra's answer holds an ID token whose `aud` is another application's: no sign-in, so no activation."""
    identity = microsoft.emulator.identity

    def for_another(answer):
        if "id_token" in answer:
            answer["id_token"] = identity.sign({}, {**claims(answer["id_token"]), "aud": "not-this-application"})
        return answer

    with microsoft.disturbed(Rewrites(for_another, "ID token"), call="token") as fault:
        page = purchase.visit()
        purchase.complete()
        activations = purchase.activations
    exchanged = [call for call in microsoft.called("token", since=purchase.visited_at) if _signs_in(call)]
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()

    if not fault.met or not exchanged:
        check("LND-022").untestable(
            "no ID token came from the token endpoint; in a form or fragment it is not replaced"
        )
        return
    check("LND-022").that(
        not activations,
        expected="no activation for somebody whose ID token is meant for another application",
        actual=briefly(activations, otherwise=f"none; the page answered {page.answer.status_code}"),
        rests_on=[*exchanged, page.answer, *activations],
    )


INVENTED = "a-value-that-nobody-gave-out"
OTHERS_STATE = {
    "with the state of another browser": lambda fields: fields,
    "with a state that was never given out": lambda fields: fields | {"state": INVENTED},
    "without state": lambda fields: {name: value for name, value in fields.items() if name != "state"},
}
"""Answers of Entra to a sign-in that another browser has begun."""

OTHERS_NONCE = {
    "with another nonce": lambda found: found | {"nonce": INVENTED},
    "without nonce": lambda found: {name: value for name, value in found.items() if name != "nonce"},
}
"""ID tokens that do not belong to this sign-in."""


@pytest.fixture
def signs_in(microsoft):
    """Let a buyer bring an answer of Entra's to the publisher; tell the page, and the calls that the sign-in led to.

    Whoever sends him to Entra once more has not let him in: that second sign-in is not ended.
    """

    def bring(customer, answer, *others):
        mark = microsoft.mark
        page = customer.buyer.bring(answer)
        tokens, ids = {each.token for each in (customer, *others)}, {each.id for each in (customer, *others)}
        resolved = [call for call in microsoft.called("resolve", since=mark) if sent(call, PURCHASE_TOKEN) in tokens]
        activated = [call for call in microsoft.called("activate", since=mark) if kind_of(call)[1] in ids]
        return page, [*resolved, *activated]

    return bring


@pytest.fixture
def own_sign_in(stage, signs_in):
    """The request of a sign-in whose answer was brought by the browser that began it, and was taken.

    It is the twin of those that are brought wrongly.
    """
    customer = stage.purchase()
    answer = customer.visit_until_signed_in()
    asked = sign_in_requests(customer.buyer.history, customer.buyer.page)
    if not asked and not customer.claims.sign_in:
        raise CannotArrange(NO_SIGN_IN)
    if answer is None:
        raise CannotArrange("the landing page sends nobody to Entra by itself, so that no answer can be brought back")
    if urlsplit(answer.url).fragment:
        raise CannotArrange("Entra's answer is a fragment, which the page's script reads; it is not tried in a browser")
    page, calls = signs_in(customer, answer)
    if not calls:
        raise Precondition(
            "no call shows that somebody has signed in: bringing back Entra's own answer led to neither resolve nor "
            f"activate; the page answered {page.answer.status_code}"
        )
    return asked[-1]


def signed_in(customer):
    """Return what brings Entra's answer back for a customer, where another one's visit has shown that there is one."""
    answer = customer.visit_until_signed_in()
    if answer is None:
        page = customer.buyer.page.answer
        raise Precondition(
            "one visit of the landing page led to Entra, and the next one did not: it was answered "
            f"{page.status_code or 'with nothing'}; look into the service's log",
            page.exchange,
        )
    return answer


@requirement("LND-038")
def test_an_answer_of_entra_counts_only_in_the_browser_that_asked_for_it(stage, own_sign_in, signs_in, check):
    """Somebody has signed in and brings Entra's answer into a buyer's browser: it signs nobody in there.

    The buyer is on his way to Entra himself, so that no answer is refused for want of a session.
    """
    for what, altered in OTHERS_STATE.items():
        someone, buyer = stage.purchase(), stage.purchase()
        answer = signed_in(someone)
        signed_in(buyer)
        page, calls = signs_in(buyer, bringing(answer, altered(brought_back(answer))), someone)

        check("LND-038").that(
            not calls,
            expected=f"{what}: no sign-in, so neither resolve nor activate",
            actual=briefly(calls, otherwise=f"none; the page answered {page.answer.status_code}"),
            rests_on=[own_sign_in.exchange, page.answer, *calls],
        )


@requirement("LND-039")
def test_an_id_token_of_another_sign_in_signs_nobody_in(stage, microsoft, own_sign_in, signs_in, check):
    """The ID token has another nonce than the sign-in was asked for with, or none: nobody is signed in."""
    identity = microsoft.emulator.identity
    if not own_sign_in.parameters.get("nonce"):
        check("LND-039").not_applicable(
            "the sign-in is asked for without a nonce, which an ID token for a code may lack"
        )
        return
    for what, altered in OTHERS_NONCE.items():

        def replaced(fields, altered=altered):
            if "id_token" not in fields:
                return fields
            return fields | {"id_token": identity.sign({}, altered(dict(claims(fields["id_token"]))))}

        customer = stage.purchase()
        answer = signed_in(customer)
        in_front = replaced(brought_back(answer))
        if "id_token" in in_front:
            microsoft.hide(in_front["id_token"], "token")
        with microsoft.disturbed(Rewrites(replaced, "ID token"), call="token"):
            page, calls = signs_in(customer, bringing(answer, in_front))
        fetched = [call for call in microsoft.called("token", since=customer.visited_at) if _signs_in(call)]
        if "id_token" not in in_front and not fetched:
            check("LND-039").undecided(f"{what}: the publisher has fetched no ID token", rests_on=[page.answer])
            continue
        check("LND-039").that(
            not calls,
            expected=f"{what}: no sign-in, so neither resolve nor activate",
            actual=briefly(calls, otherwise=f"none; the page answered {page.answer.status_code}"),
            rests_on=[own_sign_in.exchange, *fetched, page.answer, *calls],
        )


@requirement("LND-031")
@pytest.mark.parametrize("stranger", [STRANGER, PERSONAL], ids=["of another tenant", "with a personal account"])
def test_a_stranger_with_the_link_does_not_get_the_purchase(purchase, check, stranger):
    """Signed in as somebody who neither uses nor pays for the purchase: the page asks or refuses."""
    purchase.buyer.sign_in_as(stranger.name)
    page = purchase.visit()
    purchase.complete()
    _keeps_away(check, purchase, page, f"no activation by {stranger.name!r}, who is of none of the tenants concerned")


@requirement("LND-031")
def test_a_personal_account_is_told_from_others_of_its_tenant(stage, microsoft, check):
    """All personal accounts are of one tenant: that somebody is of it as well does not make the purchase his."""
    purchase = stage.purchase(beneficiary=buying_as(PERSONAL))
    with microsoft.knowing(NEIGHBOUR):
        purchase.buyer.sign_in_as(NEIGHBOUR.name)
        page = purchase.visit()
        purchase.complete()
    _keeps_away(check, purchase, page, "no activation by somebody else with a personal account", owner=PERSONAL.name)


def _keeps_away(check, purchase, page, expected, *, owner="buyer"):
    """Decide whether somebody who should not have got a purchase has got it; its owner does afterwards."""
    activations = purchase.activations
    signed_in = sign_in_requests(purchase.buyer.history, page)
    purchase.buyer = purchase.buyer.fresh(owner)
    purchase.onboard()

    if not signed_in:
        check("LND-031").untestable(NO_SIGN_IN)
        return
    check("LND-031").that(
        not activations,
        expected=expected,
        actual=briefly(activations, otherwise=f"none; the page answered {page.answer.status_code}"),
        rests_on=[*(request.exchange for request in signed_in), page.answer, *activations],
    )


@requirement("REG-012")
def test_buyers_sign_in_with_another_application_than_the_one_that_calls_the_api(microsoft, arrival, requests, check):
    """The multitenant application of the landing page is not the one that fetches access tokens."""
    arrival.awaits("activate")
    signing_in = {request.parameters.get("client_id", "").lower() for request in requests} - {""}
    fetched = [call for call in microsoft.called("token") if form(call).get("grant_type") == "client_credentials"]
    calling = {form(call).get("client_id", "").lower() for call in fetched} - {""}

    if not signing_in or not calling:
        check("REG-012").undecided("either sign-in or token request does not show its application")
        return
    check("REG-012").that(
        not signing_in & calling,
        expected="two applications",
        actual=f"sign-in {', '.join(sorted(signing_in))}; API {', '.join(sorted(calling))}",
        rests_on=[*(request.exchange for request in requests), fetched[-1]],
    )


def _signs_in(call):
    """Whether a token request is for a buyer's token and not for the application's own."""
    return form(call).get("grant_type") != "client_credentials"


def _where(requests):
    return "; ".join(dict.fromkeys(request.url.partition("?")[0] for request in requests))
