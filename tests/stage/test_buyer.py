from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from tests.scripted import Scripted, reply

from fulfillment_conformance.emulator.identity import pages
from fulfillment_conformance.exchange import Exchange, Party, header
from fulfillment_conformance.stage.buyer import Buyer

SITE = "https://publisher.example"
ENTRA = "https://login.example"
SIGN_IN = f"{ENTRA}/common/oauth2/v2.0/authorize"
PARTIES: dict[str, Party] = {SITE: "publisher", ENTRA: "identity"}

Browse = Callable[[Callable[[Exchange], object]], tuple[Buyer, Scripted]]


@pytest.fixture
def browse() -> Browse:
    """Return a browser, and what it sends, before sites that answer as a test says."""

    def browse(answer: Callable[[Exchange], object]) -> tuple[Buyer, Scripted]:
        sites = Scripted(answer)
        return Buyer(sites.http, party_of=PARTIES.get), sites

    return browse


def signs_in_by_form(exchange: Exchange) -> None:
    """A publisher whose sign-in asks for `response_mode=form_post`, and Entra's page that posts the answer back."""
    if exchange.url == f"{SITE}/signup":
        reply(exchange, 302, location=f"{SIGN_IN}?response_mode=form_post", set_cookie="visit=1; HttpOnly")
    elif exchange.url.startswith(SIGN_IN):
        page = pages.form_post(f"{SITE}/signin-oidc", {"code": "a+b/c=", "state": "&"})
        reply(exchange, 200, bytes(page.body), content_type="text/html")
    elif exchange.url == f"{SITE}/signin-oidc":
        reply(exchange, 302, location="/signup/welcome")
    else:
        reply(exchange, 200, b"<form><input type='submit'></form>document.forms[0].submit()", content_type="text/html")


def test_the_page_of_entra_that_posts_itself_is_posted_back_to_the_publisher(browse: Browse) -> None:
    buyer, sites = browse(signs_in_by_form)

    page = buyer.open(f"{SITE}/signup")

    posted = sites.sent[2]
    assert [(each.method, each.url.partition("?")[0], each.receiver) for each in sites.sent] == [
        ("GET", f"{SITE}/signup", "publisher"),
        ("GET", SIGN_IN, "identity"),
        ("POST", f"{SITE}/signin-oidc", "publisher"),
        ("GET", f"{SITE}/signup/welcome", "publisher"),
    ]
    assert parse_qs(posted.request_body.decode()) == {"code": ["a+b/c="], "state": ["&"]}
    assert header(posted.request_headers, "content-type") == "application/x-www-form-urlencoded"
    assert header(posted.request_headers, "cookie") == "visit=1"
    assert page.url == f"{SITE}/signup/welcome"


def test_such_a_post_says_that_it_comes_from_entra(browse: Browse) -> None:
    buyer, sites = browse(signs_in_by_form)

    buyer.open(f"{SITE}/signup")

    assert header(sites.sent[2].request_headers, "origin") == ENTRA
    assert header(sites.sent[2].request_headers, "referer") is None


def test_a_form_of_the_publishers_own_comes_from_its_page(browse: Browse) -> None:
    buyer, sites = browse(
        lambda exchange: reply(exchange, 200, b"<form method='post' action='/confirm'><input name='a'></form>")
    )
    buyer.open(f"{SITE}/signup")

    buyer.submit("form", {"a": "1"})

    assert header(sites.last.request_headers, "origin") == SITE
    assert header(sites.last.request_headers, "referer") == f"{SITE}/signup"


def test_a_page_of_the_publishers_own_is_left_to_the_onboarding_steps(browse: Browse) -> None:
    script = b"<form method='post' action='/x'></form><script>document.forms[0].submit()</script>"
    buyer, sites = browse(lambda exchange: reply(exchange, 200, script))

    buyer.open(f"{SITE}/signup")

    assert len(sites.sent) == 1


def test_addresses_that_nobody_named_are_not_opened(browse: Browse) -> None:
    buyer, sites = browse(lambda exchange: reply(exchange, 302, location="https://elsewhere.example/"))

    page = buyer.open(f"{SITE}/signup")

    assert len(sites.sent) == 1
    assert page.problem == "the page leads to https://elsewhere.example, which the target file does not name"
