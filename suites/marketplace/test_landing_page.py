"""Where the marketplace sends a buyer (catalogue theme LND, as far as the marketplace does it)."""

from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest

from fulfillment_conformance.interruptions import MissingCapability
from fulfillment_conformance.marks import requirement

LANDING_PAGES = {
    "plain": "https://publisher.example/signup",
    "with-parameters": "https://publisher.example/signup?campaign=spring&language=en",
}


@pytest.fixture
def sent_to(situations):
    """Return a function that lets a customer buy when this is the offer's landing page, and returns the purchase."""
    situations.needs("landing-page")
    if situations.driver.name == "microsoft-emulator":
        raise MissingCapability("landing-page", ": a script of its web page opens it, and nothing here runs scripts")

    def sent_to(landing_page):
        situations.driver.set_landing_page(landing_page)
        return situations.buy()

    yield sent_to
    situations.driver.set_landing_page(None)


@requirement("LND-002")
@pytest.mark.parametrize("landing_page", LANDING_PAGES.values(), ids=LANDING_PAGES)
def test_the_buyer_arrives_with_the_purchase_token(sent_to, marketplace, check, landing_page):
    """The landing page is opened with its own parameters and token, which is the purchase token."""
    purchase = sent_to(landing_page)
    _is_opened(check("LND-002"), marketplace, purchase.landing_page_url, landing_page, purchase)


@requirement("LND-002")
def test_every_buyer_arrives_with_the_purchase_token(sent_to, marketplace, situations, check):
    """So does who buys seats, who buys through a reseller, and who presses Manage account later."""
    page = LANDING_PAGES["with-parameters"]
    with situations.further():
        purchase = sent_to(page)
        if situations.has("manage-tokens"):
            situations.activate(purchase)
            if marketplace.resolve(situations.managed(purchase).token).is_success:  # which RES-012 asks
                later = situations.managed(purchase)
                _is_opened(check("LND-002"), marketplace, later.landing_page_url, page, purchase)
        for purchase in situations.of_each_kind(situations.buy):
            _is_opened(check("LND-002"), marketplace, purchase.landing_page_url, page, purchase)
        if situations.has("csp"):
            resold = situations.buy(None, channel="csp")
            _is_opened(check("LND-002"), marketplace, resold.landing_page_url, page, resold)


@requirement("LND-034")
@pytest.mark.parametrize("landing_page", LANDING_PAGES.values(), ids=LANDING_PAGES)
def test_the_token_in_the_address_is_percent_encoded(sent_to, check, landing_page):
    """In the raw query no character stands that means something else there: no blank, +, /, = or &."""
    purchase = sent_to(landing_page)
    raw = _raw_token(purchase.landing_page_url)
    standing = sorted(set(raw) & set("+/= &#"))
    if not raw:
        check("LND-034").undecided("there is no token in the address (LND-002)")
        return
    if quote(purchase.token, safe="") == purchase.token:
        check("LND-034").untestable("this target's purchase tokens hold no character that a URL encodes")
        return

    check("LND-034").that(
        unquote(raw) == purchase.token and not standing,
        expected="the purchase token, percent-encoded once",
        actual=f"{purchase.landing_page_url}, with {' '.join(standing) or 'nothing'} left as it was",
    )


@requirement("LND-034")
def test_the_token_of_a_later_visit_is_percent_encoded(sent_to, situations, check):
    """Manage account opens an address in which the token stands as in that of the purchase."""
    with situations.further():
        situations.needs("manage-tokens")
        purchase = sent_to(LANDING_PAGES["plain"])
        situations.activate(purchase)
        visit = situations.managed(purchase)
        raw = _raw_token(visit.landing_page_url)
        if not raw:
            check("LND-034").undecided("there is no token in the address (LND-002)")
            return
        standing = sorted(set(raw) & set("+/= &#"))

        check("LND-034").that(
            unquote(raw) == visit.token and (not standing or quote(visit.token, safe="") == visit.token),
            expected="the purchase token, percent-encoded once",
            actual=f"{visit.landing_page_url}, with {' '.join(standing) or 'nothing'} left as it was",
        )


def _is_opened(check, marketplace, opened_url, landing_page, purchase):
    opened, page = urlsplit(opened_url or ""), urlsplit(landing_page)
    parameters = parse_qsl(opened.query)
    tokens = [value for name, value in parameters if name == "token"]
    others = [(name, value) for name, value in parameters if name != "token"]
    resolved = marketplace.resolve(tokens[0] if tokens else "")

    check.that(
        opened[:3] == page[:3] and sorted(others) == sorted(parse_qsl(page.query)) and len(tokens) == 1,
        expected=f"{landing_page} with the parameter token, once",
        actual=opened_url,
        rests_on=[resolved],
    )
    check.equals(resolved["id"], purchase.id)


def _raw_token(url):
    """Return the token as it stands in the query of an address."""
    query = urlsplit(url or "").query
    return next((part.removeprefix("token=") for part in query.split("&") if part.startswith("token=")), "")
