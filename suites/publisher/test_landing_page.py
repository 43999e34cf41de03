"""What buyers see: a new purchase, an account to manage, visits that lead nowhere (theme LND; scenarios G01 to G14)."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.emulator.faults import Answers
from fulfillment_conformance.emulator.identity.settings import BUYER, COLLEAGUE, PERSONAL
from fulfillment_conformance.emulator.offers import RESELLER
from fulfillment_conformance.marketplace import Channel, Customer
from fulfillment_conformance.marks import requirement
from fulfillment_conformance.stage.buyer import Page, same_form
from fulfillment_conformance.stage.calls import briefly, sent, tells
from fulfillment_conformance.stage.leaks import MARKED, told
from fulfillment_conformance.stage.sign_in import buying_as, sign_in_requests
from fulfillment_conformance.target import SubmitForm

WORKER = replace(
    COLLEAGUE,
    name="worker",
    object_id="0b6f5e1d-3c2a-4978-8d17-a4e69f52c083",
    user_principal_name="worker@contoso-customer.example",
    mail="first.last@contoso-customer.example",
)
"""Somebody whose mail is not his user principal name."""

BY_SCRIPT = "publisher.browser: the page runs scripts, which may add it; ask for a look at it in the browser"
"""Why nothing is wrong yet with a page that lacks something as it is served."""


@requirement("LND-001")
def test_the_landing_page_is_there_each_time(stage, purchase, check):
    """Opened again and again it answers without server error, and it is a landing page: it resolves its token.

    Whether it does so each time, or keeps what the token stands for, is its own affair.
    """
    opened = [stage.scan(purchase, "GET") for _ in range(3)]
    opened += [exchange for _ in ("visited", "reloaded") for exchange in _of_the_service(purchase.visit())]
    purchase.complete()

    if not purchase.resolves and not purchase.resolved:
        check("LND-001").undecided("nothing shows that it is a landing page: no resolve call", rests_on=opened)
        return
    check("LND-001").that(
        all(each.status is not None and each.status < 500 for each in opened),
        expected="an answer below 500 each time",
        actual=", ".join(str(each.status or each.error) for each in opened),
        rests_on=opened,
    )


@requirement("LND-040")
def test_a_link_that_was_looked_at_works_all_the_same(stage, purchase, check):
    """A link scanner's HEAD and GET and the buyer's own reload use nothing up: the purchase can be completed."""
    untouched = stage.purchase()
    untouched.visit()
    untouched.complete()
    twin = untouched.awaits("activate")
    looks = [stage.scan(purchase, method) for method in ("HEAD", "GET")]
    looks += [exchange for _ in ("visited", "reloaded") for exchange in _of_the_service(purchase.visit())]
    page = purchase.complete()
    activated = purchase.awaits("activate")

    if not any(call.status == 200 for call in twin):
        reason = "a purchase whose link nobody has looked at is not activated either"
        check("LND-040").undecided(reason, rests_on=twin)
        return
    check("LND-040").that(
        any(call.status == 200 for call in activated),
        expected="the purchase activated, as one whose link was opened once",
        actual=briefly(activated, otherwise=f"no activate call; {purchase.course}"),
        rests_on=[*looks, page.answer, *activated, *twin],
    )


@requirement("LND-011", "LND-012", "LND-013")
def test_the_page_shows_what_was_bought_and_who_buys(publisher, purchase, check):
    """Offer and plan, the buyer's name and address, and fields in which they can be corrected."""
    page = purchase.visit_as_shown()
    by_script = publisher.may_add_to(page)
    if page.elsewhere or not (purchase.resolved or by_script):
        for each in check.each("LND-011", "LND-012", "LND-013"):
            each.undecided(page.elsewhere or "the page did not resolve the token", rests_on=[page.answer])
        return
    bought = purchase.subscription
    plan = purchase.offer.plan(bought.plan_id)
    offered = [bought.offer_id, purchase.offer.display_name]
    planned = [bought.plan_id, plan.display_name if plan else bought.plan_id]
    signed_in = bool(sign_in_requests(purchase.buyer.history))
    names = [BUYER.given_name, BUYER.surname] if signed_in else []
    form = "" if page.scripted else "form "  # a script sends what stands anywhere
    fields = [
        element
        for element in page.tree.select(", ".join(f"{form}{each}" for each in ("input", "textarea", "select")))
        if element.name != "input" or str(element.get("type") or "text").lower() in {"text", "email", "tel", "search"}
    ]

    def decide(requirement_id, condition, **said):
        if not condition and by_script:
            check(requirement_id).untestable(BY_SCRIPT)
        else:
            check(requirement_id).that(condition, rests_on=[page.answer], **said)

    decide(
        "LND-011",
        any(map(page.shows, offered)) and any(map(page.shows, planned)),
        expected=f"offer {bought.offer_id!r} and plan {bought.plan_id!r}, by id or name",
        actual=page.text[:300],
    )
    decide(
        "LND-012",
        page.shows(bought.beneficiary.email) and all(map(page.shows, names)),
        expected="the buyer's e-mail address" + (" and first and last name" if names else ""),
        actual=page.text[:300],
    )
    decide(
        "LND-013",
        bool(fields) and bool(page.tree.select(f"{form}[type=submit], {form}button")),
        expected="a form with fields for the account details and a button to confirm",
        actual=f"{len(fields)} fields that can be filled in",
    )


@requirement("LND-020", "LND-021")
def test_the_contact_address_is_the_buyers_own(stage, microsoft, publisher, check):
    """Filled in from mail for Entra users, from the user principal name for personal accounts; and it can be given."""
    rows = ("LND-020", "LND-021")
    with microsoft.knowing(WORKER):
        at_work, at_home = stage.purchase(), stage.purchase(beneficiary=buying_as(PERSONAL))
        at_work.buyer.sign_in_as(WORKER.name)
        at_home.buyer.sign_in_as(PERSONAL.name)
        pages = {customer.id: customer.visit_as_shown() for customer in (at_work, at_home)}
    if not sign_in_requests([*at_work.buyer.history, *at_home.buyer.history]):
        for each in check.each(*rows):
            each.untestable("claims.sign_in: the buyer was not sent to Entra on the way")
        return
    elsewhere = next((page.elsewhere for page in pages.values() if page.elsewhere), "")
    by_script = any(map(publisher.may_add_to, pages.values()))
    if elsewhere or not ((at_work.resolved and at_home.resolved) or by_script):
        reason = elsewhere or "the page did not resolve the token"
        for each in check.each(*rows):
            each.undecided(reason, rests_on=[page.answer for page in pages.values()])
        return
    asked = pages[at_home.id].tree.select("input[type=email], input[name*=mail i], input[id*=mail i]")
    filled_in = {
        customer.id: [str(field.get("value") or "") for field in pages[customer.id].tree.select("input[value]")]
        for customer in (at_work, at_home)
    }

    if not asked and by_script:
        check("LND-020").untestable(BY_SCRIPT)
    else:
        check("LND-020").that(
            bool(asked),
            expected="a field for the contact e-mail of a buyer whose mail is empty",
            actual=f"{len(asked)} fields for an e-mail address",
            rests_on=[pages[at_home.id].answer],
        )
    if not any("@" in value for values in filled_in.values() for value in values):
        nothing = "the page fills in no address; nothing shows where one would be taken from"
        check("LND-021").untestable(BY_SCRIPT if by_script else nothing)
        return
    check("LND-021").that(
        WORKER.mail in filled_in[at_work.id] and PERSONAL.user_principal_name in filled_in[at_home.id],
        expected="mail of the Entra user, user principal name of the personal account",
        actual=f"at work {'mail' if WORKER.mail in filled_in[at_work.id] else 'something else'}, personal "
        f"{'user principal name' if PERSONAL.user_principal_name in filled_in[at_home.id] else 'something else'}",
        rests_on=[page.answer for page in pages.values()],
    )


@requirement("LND-015", "LND-016", "LND-017")
def test_managing_an_active_subscription_is_no_new_purchase(stage, subscribed, check):
    """*Manage account*: sign-in as always, the account's page, no activate call, the account as it was."""
    page = subscribed.manage()
    effect = subscribed.effects().understood()
    offered = _sends_the_form_of_new_purchases(stage, subscribed)
    activated = subscribed.called("activate")
    known = [subscribed.id, subscribed.subscription.name, subscribed.subscription.plan_id]
    status = page.answer.status_code
    signed_in = sign_in_requests(subscribed.buyer.history, page)

    if not subscribed.resolved:
        for each in check.each("LND-015", "LND-017"):
            each.undecided("the page did not resolve the token", rests_on=[page.answer])
    else:
        changes = effect.changes()
        if page.elsewhere and not activated and not changes:
            check("LND-015").undecided(page.elsewhere, rests_on=[page.answer, *effect.evidence()])
        else:
            check("LND-015").that(
                page.opened and not activated and not changes,
                expected="a page, no activate call, no change of the account, and no form that activates it again",
                actual=f"{status}; {briefly(activated, otherwise='no activate call')}"
                f"{' when the form on the page was sent' if offered else ''}; " + ("; ".join(changes) or "no change"),
                rests_on=[page.answer, *effect.evidence(), *activated],
            )
        if page.elsewhere:
            check("LND-017").undecided(page.elsewhere, rests_on=[page.answer])
        else:
            check("LND-017").that(
                page.opened and any(map(page.shows, known)),
                expected=f"a page about {subscribed.subscription.name!r}",
                actual=f"{status}: {page.text[:200]}",
                rests_on=[page.answer],
            )
    if signed_in or subscribed.claims.sign_in:
        check("LND-016").that(
            bool(signed_in),
            expected="the returning buyer is sent to Entra to sign in",
            actual=signed_in[0].url.partition("?")[0] if signed_in else f"{status} without sign-in",
            rests_on=[*(request.exchange for request in signed_in), page.answer],
        )
    else:
        check("LND-016").untestable("claims.sign_in: the buyer was not sent to Entra")


@requirement("LND-014")
def test_what_comes_next_is_for_a_person_to_read(purchase, check):
    """The page after activation explains how to go on; whether it does is for somebody to say who reads it."""
    purchase.onboard()

    page = purchase.page
    check("LND-014").undecided(
        page.elsewhere or "a person has to read the page that followed the activation", rests_on=[page.answer]
    )


@requirement("LND-027")
@pytest.mark.parametrize("query", ["", "token="], ids=["none", "empty"])
def test_the_landing_page_without_token_helps(stage, microsoft, publisher, purchase, check, query):
    """No token, or an empty one: a page below 500 that ends somewhere, and the marketplace is not asked for nothing."""
    mark = microsoft.mark
    page = stage.new_buyer().open(_with(publisher.service.landing_page, query), "landing page without token")
    empty = microsoft.called("resolve", since=mark)
    purchase.visit()
    purchase.complete()
    status = page.answer.status_code

    if not purchase.resolves:
        check("LND-027").undecided("with a token it does not resolve it either", rests_on=[page.answer])
        return
    if page.elsewhere and not empty:
        check("LND-027").undecided(page.elsewhere, rests_on=[page.answer])
        return
    check("LND-027").that(
        status is not None and status < 500 and not empty and not page.problem and bool(page.text or page.scripted),
        expected="a page below 500 with something on it, and no resolve call",
        actual=f"{page.problem or status or page.answer.error}{'' if page.text else ', nothing on the page'}; "
        f"{briefly(empty, otherwise='no resolve call')}",
        rests_on=[page.answer, *empty],
    )


@requirement("LND-035")
def test_a_visit_to_a_suspended_or_cancelled_subscription_gives_no_access(stage, publisher, check):
    """The page explains; activate is not called, and access stays off."""
    suspended, cancelled = stage.subscribed(), stage.subscribed()
    taken = [publisher.receives(suspended.suspend()), publisher.receives(cancelled.unsubscribe())]
    for customer, answer in zip((suspended, cancelled), taken, strict=True):
        closed = customer.eventually(lambda now: not now.gives_access)
        customer.remember()
        visited = customer.manage()
        resolved, status = customer.resolved, visited.answer.status_code
        effect = customer.effects()
        _sends_the_form_of_new_purchases(stage, customer)
        activated = customer.called("activate")
        account = customer.account()
        state = customer.subscription.status.value

        if not answer.is_success or not resolved or (closed is not None and closed.gives_access):
            check("LND-035").undecided(f"the publisher does not follow to {state}", rests_on=[answer, visited.answer])
            continue
        if visited.elsewhere and not activated and (account is None or not account.gives_access):
            check("LND-035").undecided(visited.elsewhere, rests_on=[visited.answer, *effect.evidence()])
            continue
        check("LND-035").that(
            status is not None and status < 500 and not activated and (account is None or not account.gives_access),
            expected=f"{state}: a page below 500, no activate call, no access",
            actual=f"{status}; {briefly(activated, otherwise='no activate call')}; "
            f"{account.status if account else 'no state page'}",
            rests_on=[visited.answer, *activated, *effect.evidence()],
        )


@requirement("LND-041")
@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("call", ["resolve", "activate"])
def test_a_failure_is_told_in_words_for_buyers(microsoft, purchase, check, call, status):
    """The marketplace refuses or fails, with a marked text: it is on no page, and neither is a trace of the program."""
    failure = {"error": {"code": "Failed", "message": MARKED}}
    with microsoft.disturbed(Answers(status, failure), call=call) as fault:
        pages = [purchase.visit(), purchase.complete()]
    way = [exchange for page in pages for exchange in _of_the_service(page)]
    purchase.buyer = purchase.buyer.fresh()
    purchase.onboard()
    found = told(way)

    if not fault.met:
        check("LND-041").undecided(f"{call} was not called", rests_on=way)
        return
    elsewhere = next((page.elsewhere for page in pages if page.elsewhere), "")
    if elsewhere and not found:
        check("LND-041").undecided(elsewhere, rests_on=way)
        return
    check("LND-041").that(
        not found,
        expected=f"{call} answered {status}: pages that hold neither the marketplace's own text nor a trace",
        actual=" and ".join(found) or f"nothing of the kind on a page answered {pages[-1].answer.status_code}",
        rests_on=way,
    )


@requirement("LND-037", "REG-015")
def test_the_publishers_own_query_is_kept_and_the_token_leaves_the_address(stage, publisher, purchase, check):
    """The landing page may have parameters of its own; the token does not stay in the address bar."""
    plain = stage.purchase()
    plain.visit()
    plain.complete()
    page = purchase.visit(alongside="campaign=spring")
    completed = purchase.complete()
    if not publisher.made_by_script and tells(completed.url, purchase.token):
        page = completed
    shown = page.url
    resolved = [call for call in purchase.resolves if sent(call, "x-ms-marketplace-token") == purchase.token]
    referers = [each for each in purchase.buyer.history[1:] if tells(sent(each, "referer") or "", purchase.token)]
    in_sight = tells(shown, purchase.token)

    if plain.resolved:
        check("REG-015").that(
            bool(resolved),
            expected="a landing page address with a parameter of its own works: the token is resolved",
            actual=briefly(purchase.resolves, otherwise="no resolve call"),
            rests_on=[page.answer, *purchase.resolves, *plain.resolves],
        )
    else:
        check("REG-015").undecided("without such a parameter the token is not resolved either", rests_on=plain.resolves)
    if not resolved:
        check("LND-037").undecided("the page did not resolve the token", rests_on=[page.answer])
    elif in_sight and "history." in page.html and publisher.service.browser:
        check("LND-037").not_applicable("the page cleans its address by script, which is looked at in the browser")
    elif in_sight and "history." in page.html:
        check("LND-037").untestable("publisher.browser: the page may clean its address by script; ask for a look at it")
    else:
        check("LND-037").that(
            not in_sight and not referers,
            expected="the page that is shown in the end has an address without the token, and no Referer holds it",
            actual="the token is in the address" if in_sight else f"{len(referers)} Referers with the token",
            rests_on=[page.answer, *referers],
        )


@requirement("AAC-007")
def test_the_landing_page_manages_automatically_activated_subscriptions(stage, publisher, check):
    """Nobody had to open it, and *Manage account* opens it all the same."""
    customer, other = stage.auto_activated(), stage.purchase()
    answer = publisher.receives(customer.announced())
    page = customer.manage()
    other.visit()
    other.complete()

    if not other.resolved:
        check("AAC-007").undecided("the token of another purchase is not resolved either", rests_on=other.resolves)
        return
    if page.elsewhere and customer.resolved:
        check("AAC-007").undecided(page.elsewhere, rests_on=[answer, page.answer, *customer.resolves])
        return
    check("AAC-007").that(
        bool(customer.resolved) and page.opened,
        expected="the token is resolved and a page is shown",
        actual=f"{page.answer.status_code or page.answer.error}; "
        f"{briefly(customer.resolves, otherwise='no resolve call')}; Subscribe answered {answer.status_code}",
        rests_on=[answer, page.answer, *customer.resolves, *other.resolves],
    )


@requirement("GET-038")
def test_names_are_shown_escaped_whatever_they_hold(stage, publisher, check):
    """Markup, emoji and three hundred characters in the name, no e-mail: page and webhook work, nothing is injected.

    It is looked for in every page of the purchase's life, in text and in attributes.
    """
    markup = "<script>alert('conformance')</script><b>Ünïcode 🚀</b>\" data-conformance='1' "
    nobody = Customer(email=None, object_id=BUYER.object_id, tenant_id=BUYER.tenant_id)
    plain, odd = stage.subscribed(), stage.purchase(name=markup + "x" * (300 - len(markup)), beneficiary=nobody)
    page = odd.visit()
    odd.complete()
    resolved = odd.resolved
    activated = odd.awaits("activate")
    shown = list(odd.buyer.history)
    if activated:
        shown += odd.manage().way
    taken = publisher.receives(plain.suspend())
    answer = publisher.receives(odd.suspend()) if odd.subscription.status == "Subscribed" else None

    if not taken.is_success or not resolved:
        reason = "the publisher does not work with an ordinary name either"
        check("GET-038").undecided(reason, rests_on=[taken, page.answer])
        return
    injected = [each for each in shown if each.receiver == "publisher" and _holds_markup(each)]
    works = bool(activated) and answer is not None and answer.is_success
    if page.elsewhere and works and not injected:
        check("GET-038").undecided(page.elsewhere, rests_on=[page.answer, *activated, answer])
        return
    check("GET-038").that(
        not injected and page.opened and works,
        expected="pages that hold the name escaped or not at all, activation, and events as usual",
        actual=f"page {page.answer.status_code}"
        f"{''.join(f', the markup as it is on {urlsplit(each.url).path}' for each in injected[:1])}; "
        f"{briefly(activated, otherwise='no activate call')}; Suspend answered {answer.status_code if answer else '-'}",
        rests_on=[page.answer, *injected, *activated, *([answer] if answer else [])],
    )


@requirement("GET-038")
def test_addresses_are_shown_escaped(stage, purchase, check):
    """An e-mail address may hold markup between quotation marks; the page shows it as text, or not at all."""
    address = "\"<script>alert('conformance')</script>\"@contoso-customer.example"
    odd = stage.purchase(beneficiary=Customer(email=address, object_id=BUYER.object_id, tenant_id=BUYER.tenant_id))
    page = odd.visit()
    purchase.visit()
    purchase.complete()
    shown = [each for each in odd.buyer.history if each.receiver == "publisher"]
    injected = [each for each in shown if _holds_markup(each)]

    if not purchase.resolved or not odd.resolved:
        check("GET-038").undecided("the page did not resolve the token", rests_on=[page.answer])
        return
    if page.elsewhere and not injected:
        check("GET-038").undecided(page.elsewhere, rests_on=[page.answer])
        return
    check("GET-038").that(
        not injected and page.opened,
        expected="a page that holds the address escaped or not at all",
        actual=f"page {page.answer.status_code}{', the markup as it is' if injected else ''}",
        rests_on=[page.answer, *injected],
    )


@requirement("CSP-001", "CSP-004", "CSP-006")
def test_a_resellers_purchase_is_set_up_by_the_customer(stage, publisher, check):
    """The reseller pays, the customer uses: the same flow, and an account of the customer's tenant."""
    customer = stage.purchase(channel=Channel.CSP, purchaser=RESELLER)
    customer.buyer.sign_in_as(COLLEAGUE.name)
    page = customer.visit()
    customer.complete()
    activated = customer.awaits("activate")
    account = customer.eventually(lambda now: now.gives_access)
    direct = stage.subscribed()
    events = [publisher.receives(direct.suspend())]
    if customer.subscription.status == "Subscribed":
        events.append(publisher.receives(customer.suspend()))
    signed_in = sign_in_requests(customer.buyer.history)

    check("CSP-001").that(
        bool(activated) and (events[-1].is_success or not events[0].is_success),
        expected="resolve, activate and events as for a direct purchase",
        actual=f"{briefly(activated, otherwise='no activate call')}; events answered "
        f"{', '.join(str(event.status_code) for event in events)}",
        rests_on=[page.answer, *activated, *events],
    )
    if not signed_in:
        check("CSP-006").untestable("claims.sign_in: the buyer was not sent to Entra")
    else:
        check("CSP-006").that(
            bool(activated),
            expected="a user of the customer's tenant who is not the one named in the purchase completes it",
            actual=briefly(activated, otherwise=f"no activate call; the page answered {page.answer.status_code}"),
            rests_on=[page.answer, *activated],
        )
    if account is None or account.tenant.absent:
        check("CSP-004").untestable("publisher.state.tenant: nothing shows whose the account is")
    else:
        check("CSP-004").equals(account.tenant, customer.subscription.beneficiary.tenant_id)


def _of_the_service(page):
    """Return what the publisher has answered on the way to a page."""
    return [each for each in page.way if each.receiver == "publisher"]


def _with(address, query):
    """Return an address with a query added to its own."""
    return f"{address}{'&' if urlsplit(address).query else '?'}{query}" if query else address


def _holds_markup(exchange):
    """Whether the markup of a name has become part of a page."""
    page = Page(Answer(exchange), exchange.url)
    raw = ("<script>alert('conformance')", "<b>Ünïcode")
    is_html = "html" in str(page.answer.header("content-type").value)
    return is_html and (any(part in page.html for part in raw) or bool(page.tree.select("[data-conformance]")))


def _sends_the_form_of_new_purchases(stage, customer):
    """Send the form by which new purchases are set up, if the customer's page has it; tell whether it has."""
    steps = customer.publisher.service.onboarding
    if not steps or not all(isinstance(step, SubmitForm) for step in steps):
        return False
    other = stage.purchase()
    if not same_form(customer.page, other.visit(), steps[0].submit):
        return False
    customer.complete()
    customer.effects()
    return True
