"""Tests of a buyer's browser: where it goes, what it carries along, and where it stops."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.scripted import Scripted, reply

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.emulator.identity import pages as entra_pages
from fulfillment_conformance.exchange import Exchange, Party, header
from fulfillment_conformance.stage.buyer import (
    LONGEST_COOKIE,
    MOST_COOKIES,
    Buyer,
    Page,
    Request,
    forged,
    forged_address,
    same_form,
)

SITE, ENTRA = "https://isv.example", "https://login.example"
SIGN_IN = f"{ENTRA}/common/oauth2/v2.0/authorize"
PARTIES: dict[str, Party] = {SITE: "publisher", ENTRA: "identity"}

FORM = """
<html><body><h1>Welcome, ACME</h1>
<form id="first" action="/other" method="get"><input name="q" value="x"></form>
<form id="signup" action="register?step=2&amp;x=1" method="POST">
  <input type="hidden" name="csrf" value="c1">
  <input name="email" value="old@isv.example"><input name="blank">
  <input type="checkbox" name="terms" checked><input type="checkbox" name="news" value="yes" checked>
  <input type="checkbox" name="spam" value="yes"><input type="radio" name="plan" value="silver">
  <input type="radio" name="plan" value="gold" checked>
  <input name="locked" value="1" disabled><input value="nameless">
  <select name="country"><option value="">Choose</option><option value="DE" selected>Germany</option></select>
  <select name="size"><option value="">Choose</option><option value="L">Large</option></select>
  <select name="unit"><option>seats</option></select><select name="empty"></select>
  <textarea name="note">Hello</textarea>
  <input type="submit" name="go" value="Go"><input type="image" name="i"><input type="file" name="f">
  <input type="reset" name="r"><button name="b">B</button><input type="button" name="bb" value="b">
</form></body></html>
"""

Site = Callable[[Exchange], object]


def buyer(site: Site, **settings: Any) -> tuple[Buyer, Scripted]:
    script = Scripted(site)
    return Buyer(script.http, party_of=PARTIES.get, **settings), script


def pages(**by_path: tuple[int, str, dict[str, str]]) -> Site:
    """Answer by the last part of the path: status, body, headers."""

    def answer(exchange: Exchange) -> None:
        name = exchange.url.partition("?")[0].rpartition("/")[2] or "home"
        status, text, headers = by_path.get(name, (200, f"<p>{name}</p>", {}))
        reply(exchange, status, text.encode(), **headers)

    return answer


def to(address: str, status: int = 302) -> tuple[int, str, dict[str, str]]:
    return status, "", {"Location": address}


def sent(exchange: Exchange) -> dict[str, str]:
    return dict(exchange.request_headers)


def page(text: str, status: int | None = 200) -> Page:
    exchange = Exchange(sender="buyer", receiver="publisher", method="GET", url=SITE, status=status)
    exchange.response_body = text.encode()
    return Page(Answer(exchange), SITE)


# --- a page ---


@pytest.mark.parametrize(
    ("html", "scripted"),
    [
        ("<p>plain</p>", False),
        ("<script>go()</script>", True),
        ("<script type='module' src='/app.js'></script>", True),
        ("<script type='text/javascript'>go()</script>", True),
        ("<script type='application/x-javascript'>go()</script>", True),
        ("<script type='text/ecmascript'>go()</script>", True),
        ("<script type='application/json'>{}</script>", False),
        ("<script type='application/ld+json'>{}</script>", False),
        ("<body onload='go()'>", True),
        ("<button onclick='go()'>", False),
    ],
)
def test_a_page_with_scripts_may_become_another(html: str, scripted: bool) -> None:
    assert page(html).scripted == scripted


def test_a_page_is_read_as_a_person_reads_it() -> None:
    shown = page("<h1>Welcome,</h1> <b>ACME</b> <input value='Gold plan'><option value='DE'><textarea value='note'>")

    assert shown.text == "Welcome, ACME"
    assert shown.html.startswith("<h1>")
    assert [shown.shows(text) for text in ("welcome, acme", "GOLD PLAN", "de", "note", "silver")] == [
        *(True, True, True, True, False)
    ]


@pytest.mark.parametrize(("status", "opened"), [(200, True), (204, True), (302, False), (404, False), (None, False)])
def test_an_error_is_no_page_to_look_at(status: int | None, opened: bool) -> None:
    assert page("", status).opened == opened


# --- opening ---


def test_a_page_is_opened_as_a_browser_opens_it() -> None:
    it, script = buyer(pages())
    shown = it.open(f"{SITE}/signup?token=a%2Bb#top", "landing page")

    [exchange] = script.sent
    assert (exchange.method, exchange.url) == ("GET", f"{SITE}/signup?token=a%2Bb")
    assert (exchange.sender, exchange.receiver, exchange.purpose) == ("buyer", "publisher", "landing page")
    assert sent(exchange) == {"accept": "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"}
    assert (shown.url, shown.way, shown.problem) == (f"{SITE}/signup?token=a%2Bb#top", [exchange], "")
    assert it.page is shown
    assert it.history == [exchange]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_is_followed_with_get(status: int) -> None:
    it, script = buyer(pages(a=to("/b", status)))
    shown = it.post(f"{SITE}/a", b"x=1", "text/plain")

    assert [(each.method, each.url, each.request_body) for each in script.sent] == [
        ("POST", f"{SITE}/a", b"x=1"),
        ("GET", f"{SITE}/b", b""),
    ]
    assert "content-type" not in sent(script.last)
    assert (shown.url, len(shown.way), shown.text) == (f"{SITE}/b", 2, "b")


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_keeps_the_body(status: int) -> None:
    it, script = buyer(pages(a=to("b", status)))
    it.post(f"{SITE}/x/a", b"x=1", "text/plain")

    assert (script.last.method, script.last.url, script.last.request_body) == ("POST", f"{SITE}/x/b", b"x=1")
    assert sent(script.last)["content-type"] == "text/plain"


@pytest.mark.parametrize("status", [300, 304, 201, 400])
def test_a_location_elsewhere_means_nothing(status: int) -> None:
    it, script = buyer(pages(a=to("/b", status)))
    it.open(f"{SITE}/a")

    assert len(script.sent) == 1


def test_a_redirect_without_a_location_is_where_it_ends() -> None:
    it, _ = buyer(pages(a=(302, "moved", {})))

    assert it.open(f"{SITE}/a").text == "moved"


def test_a_loop_of_redirects_ends() -> None:
    it, script = buyer(pages(a=to("/a")))
    shown = it.open(f"{SITE}/a")

    assert len(script.sent) == 20
    assert shown.problem == "more than 20 redirects"


def test_redirects_share_the_time_of_one_page() -> None:
    it, script = buyer(pages(a=to("/a")))
    script.timeout = 0.0
    shown = it.open(f"{SITE}/a")

    assert len(script.sent) == 1
    assert shown.problem == "more than 0 s of redirects"


@pytest.mark.parametrize("address", ["http://[::1", "https://[/", "//[x"])
def test_an_address_that_is_none_leads_nowhere(address: str) -> None:
    it, script = buyer(pages(a=to(address), form=(200, f'<form action="{address}" method="post"></form>', {})))

    assert "the page leads to " in it.open(f"{SITE}/a").problem
    it.open(f"{SITE}/form")
    assert "the page leads to " in it.submit("form", {}).problem
    assert len(script.sent) == 2


def test_a_browser_keeps_so_many_cookies_and_none_that_is_very_long() -> None:
    def bake(exchange: Exchange) -> None:
        first = 100 * len(it.history)
        reply(exchange, 200, b"")
        exchange.response_headers = (
            ("set-cookie", f"long={'x' * LONGEST_COOKIE}"),
            *(("set-cookie", f"c{number}=1") for number in range(first, first + 100)),
        )

    it, script = buyer(bake)
    for _ in range(3):
        it.open(f"{SITE}/a")

    kept = sent(script.sent[-1])["cookie"].split("; ")
    assert len(kept) == MOST_COOKIES
    assert (kept[0], kept[-1]) == ("c20=1", "c199=1")


@pytest.mark.parametrize("piece", ["<div>", "<form><input name='a'>", "<select name='s'><option>"])
def test_a_page_that_is_nested_very_deep_is_read(piece: str) -> None:
    it, _ = buyer(pages(a=(200, piece * 3_000, {})))
    shown = it.open(f"{SITE}/a")

    assert not shown.shows("anything")
    it.submit("#nowhere", {})
    assert shown.problem == f"the page at {SITE}/a has no form that matches '#nowhere'"


def test_a_page_that_costs_too_much_to_read_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulfillment_conformance.stage.buyer.READING_SECONDS", 0.1)
    shown = page("<!--<a href='" * 20_000)
    begun = time.thread_time()

    assert shown.text == shown.text == ""
    assert time.thread_time() - begun < 5
    assert shown.problem == "the page cannot be read within 0.1 s"


def test_nineteen_redirects_are_no_loop() -> None:
    it, _ = buyer(lambda exchange: reply(exchange, 302 if len(it.history) < 19 else 200, b"", Location="/a"))

    assert it.open(f"{SITE}/a").problem == ""


def test_what_the_target_file_does_not_name_is_not_opened() -> None:
    it, script = buyer(pages(a=to("https://elsewhere.example/b?token=t")))
    shown = it.open(f"{SITE}/a")

    assert len(script.sent) == 1
    assert shown.problem == shown.elsewhere
    assert shown.elsewhere == (
        "the page leads to https://elsewhere.example, which the target file does not name; if it is part of the "
        "service, add it to publisher.origins"
    )
    assert shown.url == "https://elsewhere.example/b?token=t"
    shown = it.open("https://elsewhere.example/")
    assert (shown.answer.status_code, shown.answer.error) == (None, shown.problem)
    assert len(script.sent) == 1


# --- cookies ---


def test_cookies_are_kept_for_their_origin_and_given_up_when_they_end() -> None:
    jar = {
        "a": (200, "", {"Set-Cookie": "s=1; Path=/; HttpOnly"}),
        "b": (200, "", {"set-cookie": "t=2"}),
        "c": (200, "", {"Set-Cookie": "s=x; Max-Age=0"}),
        "d": (200, "", {"Set-Cookie": "t="}),
        "e": (200, "", {"Set-Cookie": "bad cookie\x00=;;", "X-Set-Cookie": "u=3"}),
    }
    it, script = buyer(pages(**jar), account=None)
    cookies = []
    for name in "abcde":
        it.open(f"{SITE}/{name}")
        cookies.append(sent(script.last).get("cookie"))
    it.open(f"{SITE}/home")

    assert cookies == [None, "s=1", "s=1; t=2", "t=2", None]
    assert "cookie" not in sent(script.last)


def test_cookies_of_one_origin_are_not_shown_to_another() -> None:
    it, script = buyer(pages(a=(200, "", {"Set-Cookie": "s=1"})), account=None)
    it.open(f"{SITE}/a")
    it.open(f"{ENTRA}/x")

    assert "cookie" not in sent(script.last)


def test_a_quoted_cookie_is_sent_back_as_it_came() -> None:
    it, script = buyer(pages(a=(200, "", {"Set-Cookie": 's="a b"'})))
    it.open(f"{SITE}/a")
    it.open(f"{SITE}/a")

    assert sent(script.last)["cookie"] == 's="a b"'


@pytest.mark.parametrize(
    ("account", "cookie"), [("buyer", "emulator_account=buyer"), ("guest", "emulator_account=guest")]
)
def test_entra_finds_an_account_signed_in(account: str, cookie: str) -> None:
    it, script = buyer(pages(), account=account)
    it.open(f"{ENTRA}/authorize")
    assert sent(script.last)["cookie"] == cookie
    it.open(f"{SITE}/signup")
    assert "cookie" not in sent(script.last)
    it.sign_in_as(None)
    it.open(f"{ENTRA}/authorize")
    assert "cookie" not in sent(script.last)


def test_the_account_is_the_buyers_unless_another_is_named() -> None:
    it, script = buyer(pages(), account_cookie="who")
    it.open(f"{ENTRA}/authorize")
    assert sent(script.last)["cookie"] == "who=buyer"
    it.fresh("guest").open(f"{ENTRA}/authorize")
    assert sent(script.last)["cookie"] == "who=guest"
    it.fresh().open(f"{ENTRA}/authorize")
    assert sent(script.last)["cookie"] == "who=buyer"


def test_a_fresh_browser_knows_nothing_and_another_tab_knows_all() -> None:
    it, script = buyer(pages(a=(200, "", {"Set-Cookie": "s=1"})), account="guest")
    shown = it.open(f"{SITE}/a")
    tab, fresh = it.another_tab(), it.fresh()
    assert (tab.page, fresh.page, fresh.history) == (shown, None, [])
    fresh.open(f"{SITE}/b")
    assert "cookie" not in sent(script.last)
    tab.open(f"{SITE}/b")
    assert sent(script.last)["cookie"] == "s=1"

    assert it.history == tab.history == [script.sent[0], script.sent[2]]
    assert it.page is shown
    tab.open(f"{ENTRA}/x")
    assert sent(script.last)["cookie"] == "emulator_account=guest"


# --- forms ---


def test_a_form_is_submitted_with_all_that_is_in_it() -> None:
    it, script = buyer(pages(home=(200, FORM, {})))
    it.open(f"{SITE}/")
    it.submit("#signup", {"email": "new@isv.example", "extra": "1"}, "sign up")

    assert (script.last.method, script.last.url) == ("POST", f"{SITE}/register?step=2&x=1")
    assert script.last.request_body.decode() == (
        "csrf=c1&email=new%40isv.example&blank=&terms=on&news=yes&plan=gold&country=DE&size=&unit=seats&empty=&"
        "note=Hello&extra=1"
    )
    assert sent(script.last)["content-type"] == "application/x-www-form-urlencoded"
    assert sent(script.last)["origin"] == SITE
    assert sent(script.last)["referer"] == f"{SITE}/"
    assert script.last.purpose == "sign up"


@pytest.mark.parametrize("method", ['method="get"', "", 'method="GET"'])
@pytest.mark.parametrize("action", ['action="/other?old=1#part"', "action='/other'"])
def test_a_form_without_post_puts_its_fields_into_the_query(method: str, action: str) -> None:
    it, script = buyer(pages(home=(200, f"<form {method} {action}><input name=q value='a b'></form>", {})))
    it.open(f"{SITE}/home")
    it.submit("form", {})

    assert (script.last.method, script.last.url, script.last.request_body) == ("GET", f"{SITE}/other?q=a+b", b"")
    assert "origin" not in sent(script.last)
    assert script.last.purpose == "submit form"


@pytest.mark.parametrize("action", ["", 'action=""'])
def test_a_form_without_an_address_goes_back_to_its_page(action: str) -> None:
    it, script = buyer(pages(home=(200, f"<form method=post {action}></form>", {})))
    it.open(f"{SITE}/home?token=t")
    it.submit("form", {})

    assert script.last.url == f"{SITE}/home?token=t"


def test_a_form_is_found_by_something_inside_it_too() -> None:
    it, script = buyer(pages(home=(200, FORM, {})))
    it.open(f"{SITE}/home")
    it.submit("input[name=csrf]", {})
    assert script.last.url == f"{SITE}/register?step=2&x=1"


@pytest.mark.parametrize("selector", ["#nothing", "h1"])
def test_a_form_that_is_not_there_is_said(selector: str) -> None:
    it, script = buyer(pages(home=(200, FORM, {})))
    shown = it.open(f"{SITE}/home")

    assert it.submit(selector, {}) is shown
    assert shown.problem == f"the page at {SITE}/home has no form that matches {selector!r}"
    assert len(script.sent) == 1


def test_values_are_forged_before_they_are_sent() -> None:
    it, script = buyer(pages(home=(200, "<form method=post><input name=a value=mine><input name=b></form>", {})))
    it.open(f"{SITE}/home")
    it.submit("form", {"b": "mine"}, forging={"mine": "theirs"})

    assert script.last.request_body == b"a=theirs&b=theirs"


def test_a_script_posts_relative_to_its_page() -> None:
    it, script = buyer(pages())
    it.post(f"{SITE}/a/b", b"", "text/plain")
    assert script.last.url == f"{SITE}/a/b"
    it.post("../api", b"{}", "application/json", "by script")

    assert (script.last.url, script.last.purpose) == (f"{SITE}/api", "by script")
    assert (sent(script.last)["content-type"], sent(script.last)["origin"]) == ("application/json", SITE)
    assert sent(script.last)["referer"] == f"{SITE}/a/b"


def test_another_site_is_not_told_which_page_it_was() -> None:
    it, script = buyer(pages())
    it.open(f"{ENTRA}/secret")
    it.post(f"{SITE}/hook", b"", "text/plain")

    assert "referer" not in sent(script.last)


# --- half of a sign-in ---


def signs_in_by_redirect(exchange: Exchange) -> None:
    """A publisher whose sign-in comes back in an address, and that begins anew when the state is not right."""
    if exchange.url == f"{SITE}/signup":
        reply(exchange, 302, location=f"{SIGN_IN}?state=s", set_cookie="visit=1; HttpOnly")
    elif exchange.url.startswith(SIGN_IN):
        reply(exchange, 302, location=f"{SITE}/signed-in?code=c&state=s")
    elif exchange.url == f"{SITE}/signed-in?code=c&state=s":
        reply(exchange, 302, location="/welcome")
    elif exchange.url.startswith(f"{SITE}/signed-in"):
        reply(exchange, 302, location=f"{SIGN_IN}?state=s")
    else:
        reply(exchange, 200, b"welcome")


def test_a_sign_in_can_be_left_before_it_is_brought_back() -> None:
    it, script = buyer(signs_in_by_redirect)

    answer = it.open_until_signed_in(f"{SITE}/signup")

    assert answer == Request("GET", f"{SITE}/signed-in?code=c&state=s")
    assert [each.receiver for each in script.sent] == ["publisher", "identity"]
    assert it.bring(answer).text == "welcome"
    assert header(script.sent[2].request_headers, "cookie") == "visit=1"


def test_the_posted_answer_of_a_sign_in_is_kept_with_its_form() -> None:
    it, script = buyer(signs_in_by_form)

    answer = it.open_until_signed_in(f"{SITE}/signup")

    assert answer is not None
    assert (answer.method, answer.url) == ("POST", f"{SITE}/signin-oidc")
    assert parse_qs(answer.body.decode()) == {"code": ["a+b/c="], "state": ["&"]}
    assert "a%2Bb" not in repr(answer)
    assert it.bring(answer).url == f"{SITE}/signup/welcome"
    assert header(script.sent[2].request_headers, "origin") == ENTRA


def test_whoever_is_sent_to_entra_once_more_is_not_signed_in_there_again() -> None:
    it, script = buyer(signs_in_by_redirect)

    shown = it.bring(Request("GET", f"{SITE}/signed-in?code=c"))

    assert [each.receiver for each in script.sent] == ["publisher", "identity"]
    assert shown.url.startswith(SIGN_IN)


def test_a_page_without_sign_in_has_no_answer_to_bring() -> None:
    it, _ = buyer(pages())

    assert it.open_until_signed_in(f"{SITE}/signup") is None


# --- Entra's page ---

SENDS_ITSELF = f"""<form action="{SITE}/signed-in?a=1&amp;b=2" method="post"><input name="code" value="c">
<input name="state" value="s"></form><script>document.forms[0].submit()</script>"""


def test_entras_form_submits_itself() -> None:
    it, script = buyer(pages(authorize=(200, SENDS_ITSELF, {})))
    shown = it.open(f"{ENTRA}/authorize")

    assert (script.last.method, script.last.url) == ("POST", f"{SITE}/signed-in?a=1&b=2")
    assert script.last.request_body == b"code=c&state=s"
    assert sent(script.last)["content-type"] == "application/x-www-form-urlencoded"
    assert "referer" not in sent(script.last)
    assert (shown.text, len(shown.way)) == ("signed-in", 2)


def signs_in_by_form(exchange: Exchange) -> None:
    """A publisher whose sign-in asks for `response_mode=form_post`, and Entra's page that posts the answer back."""
    if exchange.url == f"{SITE}/signup":
        reply(exchange, 302, location=f"{SIGN_IN}?response_mode=form_post", set_cookie="visit=1; HttpOnly")
    elif exchange.url.startswith(SIGN_IN):
        form = entra_pages.form_post(f"{SITE}/signin-oidc", {"code": "a+b/c=", "state": "&"})
        reply(exchange, 200, bytes(form.body), content_type="text/html")
    elif exchange.url == f"{SITE}/signin-oidc":
        reply(exchange, 302, location="/signup/welcome")
    else:
        reply(exchange, 200, b"<form><input type='submit'></form>document.forms[0].submit()", content_type="text/html")


def test_the_page_of_entra_that_posts_itself_is_posted_back_to_the_publisher() -> None:
    it, script = buyer(signs_in_by_form)

    shown = it.open(f"{SITE}/signup")

    posted = script.sent[2]
    assert [(each.method, each.url.partition("?")[0], each.receiver) for each in script.sent] == [
        ("GET", f"{SITE}/signup", "publisher"),
        ("GET", SIGN_IN, "identity"),
        ("POST", f"{SITE}/signin-oidc", "publisher"),
        ("GET", f"{SITE}/signup/welcome", "publisher"),
    ]
    assert parse_qs(posted.request_body.decode()) == {"code": ["a+b/c="], "state": ["&"]}
    assert header(posted.request_headers, "content-type") == "application/x-www-form-urlencoded"
    assert header(posted.request_headers, "cookie") == "visit=1"
    assert shown.url == f"{SITE}/signup/welcome"


def test_such_a_post_says_that_it_comes_from_entra() -> None:
    it, script = buyer(signs_in_by_form)

    it.open(f"{SITE}/signup")

    assert header(script.sent[2].request_headers, "origin") == ENTRA
    assert header(script.sent[2].request_headers, "referer") is None


@pytest.mark.parametrize(
    ("address", "status", "text"),
    [
        (SITE, 200, SENDS_ITSELF),
        (ENTRA, 400, SENDS_ITSELF),
        (ENTRA, 200, SENDS_ITSELF.replace("submit()", "show()")),
        (ENTRA, 200, SENDS_ITSELF.replace("action", "data-action")),
    ],
)
def test_no_other_form_submits_itself(address: str, status: int, text: str) -> None:
    it, script = buyer(pages(authorize=(status, text, {})))
    it.open(f"{address}/authorize")

    assert len(script.sent) == 1


# --- forging ---


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("mine", "theirs"),
        ("mine too", "mine too"),
        ({"mine": ["mine", {"a": ("mine", 1)}]}, {"mine": ["theirs", {"a": ["theirs", 1]}]}),
        (1, 1),
        (None, None),
    ],
)
def test_texts_are_exchanged_at_any_depth(value: Any, result: Any) -> None:
    assert forged(value, {"mine": "theirs"}) == result
    assert forged("mine", None) == "mine"


ID, ANOTHER = "37f9dea2-4345-438f-b0bd-03d40d28c7e0", "74dfb4db-c193-4891-827d-eb05fbdc64b0"


@pytest.mark.parametrize(
    ("url", "result"),
    [
        (f"{SITE}/a/{ID}/b", f"{SITE}/a/{ANOTHER}/b"),
        (f"{SITE}/a?id={ID}&x&y=1", f"{SITE}/a?id={ANOTHER}&x&y=1"),
        (f"{SITE}/a/b%20c?d=b+c", f"{SITE}/a/d%2Fe?d=d%2Fe"),
        (f"{SITE}/a-{ID}", f"{SITE}/a-{ID}"),
        (SITE, SITE),
    ],
)
def test_whole_parts_of_an_address_are_exchanged(url: str, result: str) -> None:
    assert forged_address(url, {ID: ANOTHER, "b c": "d/e"}) == result
    assert forged_address(url, None) == url


def test_a_forms_address_is_forged_as_well() -> None:
    it, script = buyer(pages(home=(200, f"<form method=post action=/confirm/{ID}></form>", {})))
    it.open(f"{SITE}/home")
    it.submit("form", {}, forging={ID: ANOTHER})

    assert script.last.url == f"{SITE}/confirm/{ANOTHER}"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (f"<form action=/confirm/{ANOTHER}><input name=b><input name=a></form>", True),
        ("<form action=/cancel><input name=a><input name=b></form>", False),
        (f"<form action=/confirm/{ID}><input name=a></form>", False),
        ("<p>nothing</p>", False),
    ],
)
def test_a_form_is_the_same_whatever_it_is_about(other: str, same: bool) -> None:
    form = f"<form action=/confirm/{ID}><input name=a><input name=b value=1></form>"
    it, _ = buyer(pages(one=(200, form, {}), other=(200, other, {})))

    assert same_form(it.open(f"{SITE}/one"), it.open(f"{SITE}/other"), "form") is same


def test_no_form_is_like_no_form() -> None:
    it, _ = buyer(pages())

    assert not same_form(it.open(f"{SITE}/one"), it.open(f"{SITE}/other"), "form")
