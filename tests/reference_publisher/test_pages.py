import pytest
from jinja2 import UndefinedError

from fulfillment_conformance.reference_publisher.messages import Subscription, Term
from fulfillment_conformance.reference_publisher.pages import HEADERS, notice, page

HOSTILE = '<script>alert("x")</script>' + "🚀" * 300


def test_a_notice_says_what_it_is_given_escaped() -> None:
    answer = notice(HOSTILE, "one", "two", status=418, link=("/x?a=1&b=2", "go on"))
    html = bytes(answer.body).decode()

    assert answer.status_code == 418
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert '<a href="/x?a=1&amp;b=2">go on</a>' in html


def test_a_purchase_page_escapes_whatever_the_marketplace_sends() -> None:
    bought = Subscription(id=HOSTILE, name=HOSTILE, offer_id=HOSTILE, plan_id=HOSTILE, term=Term(unit="P1Y"))
    html = bytes(
        page(
            "purchase.html",
            title="Set up",
            subscription=bought,
            user=None,
            csrf="c",
            trouble=HOSTILE,
            contact_name=HOSTILE,
            contact_email=HOSTILE,
        ).body
    ).decode()

    assert "<script" not in html
    assert "1 year, renews automatically" in html


def test_a_page_that_lacks_a_value_is_not_made() -> None:
    with pytest.raises(UndefinedError):
        page("purchase.html", title="Set up")


def test_pages_load_nothing_from_elsewhere_and_need_no_script() -> None:
    html = bytes(notice("t", "p").body).decode()

    assert html.count("href=") == 1
    assert 'href="/style.css"' in html
    assert "script" not in html
    assert 'lang="en"' in html
    assert "script-src" not in HEADERS["content-security-policy"]
    assert HEADERS["content-security-policy"].startswith("default-src 'none'")
