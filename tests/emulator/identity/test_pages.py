from bs4 import BeautifulSoup

from fulfillment_conformance.emulator.identity import pages
from fulfillment_conformance.emulator.identity.settings import BUYER, PERSONAL

HOSTILE = '"><script>alert(1)</script>'


def soup(body: bytes | memoryview) -> BeautifulSoup:
    return BeautifulSoup(bytes(body), "html.parser")


def test_the_account_picker_posts_the_account_that_was_pressed() -> None:
    page = soup(pages.account_picker([BUYER, PERSONAL], client_id="app-1", action="/common?a=1&b=2").body)
    form = page.find("form")

    assert form is not None
    assert form["method"] == "post"
    assert form["action"] == "/common?a=1&b=2"
    buttons = [(button["name"], button["value"]) for button in form.find_all("button")]
    assert buttons == [("account", "buyer"), ("account", "personal"), ("cancel", "yes")]
    assert "app-1" in page.get_text()


def test_the_form_that_goes_back_carries_every_field() -> None:
    page = soup(pages.form_post("https://contoso.example/back", {"code": "a&b", "state": HOSTILE}).body)
    fields = {field["name"]: field["value"] for field in page.find_all("input", type="hidden")}

    assert fields == {"code": "a&b", "state": HOSTILE}
    assert len(page.find_all("script")) == 1


def test_an_error_page_shows_what_it_was_given_as_text() -> None:
    answer = pages.error(f"AADSTS50011: no such address {HOSTILE}", status=400)

    assert answer.status_code == 400
    assert soup(answer.body).find("script") is None
    assert "AADSTS50011" in soup(answer.body).get_text()


def test_no_page_is_stored() -> None:
    for page in (
        pages.account_picker([], client_id="", action=""),
        pages.form_post("", {}),
        pages.error("", status=400),
    ):
        assert page.headers["cache-control"] == "no-store, no-cache"
