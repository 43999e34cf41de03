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
    opened, page = urlsplit(purchase.landing_page_url or ""), urlsplit(landing_page)
    parameters = dict(parse_qsl(opened.query))
    token = parameters.pop("token", "")
    resolved = marketplace.resolve(token)

    check("LND-002").that(
        opened[:3] == page[:3] and parameters == dict(parse_qsl(page.query)) and bool(token),
        expected=f"{landing_page} with the parameter token",
        actual=purchase.landing_page_url,
        rests_on=[resolved],
    )
    check("LND-002").equals(resolved["id"], purchase.id)


@requirement("LND-034")
def test_the_token_in_the_address_is_percent_encoded(sent_to, check):
    """In the raw query no character stands that means something else there: no blank, +, /, = or &."""
    purchase = sent_to(LANDING_PAGES["plain"])
    query = urlsplit(purchase.landing_page_url or "").query
    raw = query.removeprefix("token=") if query.startswith("token=") else ""
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
