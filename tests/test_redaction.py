import base64
import html
import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlencode

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fulfillment_conformance.redaction import Redactor

KEY = b"0123456789abcdef"
TOKEN = base64.b64encode(bytes(range(150, 250)) + b"\xfb\xff\xfe").decode()
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJidXllciJ9.c2lnbmF0dXJl-_x"
EMAIL = "canary.buyer+tag@contoso.example"
PLACEHOLDER = re.compile(r"\[(?:token|purchase-token|secret|email|person|cookie):[0-9a-f]{8}[ a-z-]*\]")


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor(["local-development-secret"], key=KEY)
    redactor.learn(TOKEN, "purchase-token")
    return redactor


class TestPlaceholders:
    def test_equal_values_look_equal(self, redactor: Redactor) -> None:
        assert redactor.placeholder("secret", "a") == redactor.placeholder("secret", "a")
        assert redactor.placeholder("secret", "a") != redactor.placeholder("secret", "b")

    def test_another_run_has_other_placeholders(self) -> None:
        assert Redactor().placeholder("secret", "a") != Redactor().placeholder("secret", "a")

    def test_workers_that_share_a_key_agree(self) -> None:
        assert Redactor(key=KEY).placeholder("secret", "a") == Redactor(key=KEY).placeholder("secret", "a")

    def test_the_value_looks_the_same_in_every_place(self, redactor: Redactor) -> None:
        placeholder = redactor.placeholder("purchase-token", TOKEN)

        assert redactor.text(f"<{TOKEN}>") == f"<{placeholder}>"
        assert redactor.text(f"/signup?token={TOKEN}&x=1") == f"/signup?token={placeholder}&x=1"
        assert redactor.headers([("X-MS-Marketplace-Token", TOKEN)]) == [["X-MS-Marketplace-Token", placeholder]]
        assert redactor.data({"token": TOKEN, "other": [TOKEN]}) == {"token": placeholder, "other": [placeholder]}
        assert redactor.body(urlencode({"token": TOKEN}).encode(), "application/x-www-form-urlencoded") == (
            f"token={placeholder[:-1]} percent-encoded]"
        )

    def test_the_spelling_is_told(self, redactor: Redactor) -> None:
        placeholder = redactor.placeholder("purchase-token", TOKEN)[:-1]

        assert redactor.text(quote(TOKEN, safe="")) == f"{placeholder} percent-encoded]"
        assert redactor.text(quote(quote(TOKEN, safe=""), safe="")) == f"{placeholder} percent-encoded twice]"
        assert redactor.text(TOKEN.replace("+", " ")) == f"{placeholder} with blanks for plus signs]"
        assert redactor.headers([("x-ms-marketplace-token", quote(TOKEN, safe=""))])[0][1] == (
            f"{placeholder} percent-encoded]"
        )


class TestText:
    @pytest.mark.parametrize(
        ("text", "seen"),
        [
            ("nothing to hide: a=b, https://contoso.example/x?plan=gold", None),
            (f"Bearer {JWT}", "Bearer [token]"),
            (f"q=Bearer%20{JWT}", "q=Bearer%20[token]"),
            (f"glued-{JWT}", "glued-[token]"),
            ("Bearer 0123456789abcdefXYZ", "Bearer [token]"),
            ("basic Y2xpZW50OnNlY3JldDEyMw==", "basic [token]"),
            ("Bearer authorization_uri=, Bearer authentication-required", None),
            (f"mail to {EMAIL}.", "mail to [email]."),
            (f"?contact={quote(EMAIL)}&x=1", "?contact=[email]&x=1"),
            ("x%3Dbuyer%40contoso.example", "x%3D[email]"),
            ("x%3Dbuyer%2540contoso.example", "x%3D[email]"),
            ("user%2Btag%40contoso.example", "[email]"),
            ("jürgen&#64;contoso.example", "[email]"),
            ("a_b.com#EXT#@fabrikam.onmicrosoft.com", "[email]"),
            ("@contoso.example, a@b, a @ b.c", None),
            ("https://user:pass@host/x", "https://[secret]@host/x"),
            ("/x?token=abc#top", "/x?token=[purchase-token]#top"),
            ("/x?a=1&amp;token=abc&amp;b=2", "/x?a=1&amp;token=[purchase-token]&amp;b=2"),
            ("next=/login?client_secret=x%20y", "next=/login?client_secret=[secret percent-encoded]"),
            ("clientSecret=abc password=d", "clientSecret=[secret] password=[secret]"),
            ("?code=abc&key=d", "?code=[secret]&key=[secret]"),
            ("error code=404 key=planId", None),
            ('{"access_token": "abc", "broken', '{"access_token": "[token]", "broken'),
            ("var x = {'client_secret':'ab\\'c'}", None),
            ('"{\\"token\\": \\"abc\\"}"', '"{\\"token\\": \\"[purchase-token]\\"}"'),
            ('{"code": "BadRequest", "key": "planId"', None),
        ],
    )
    def test_secrets_are_known_by_shape_and_place(self, redactor: Redactor, text: str, seen: str | None) -> None:
        told = re.sub(r"\[([a-z-]+):[0-9a-f]{8}", r"[\1", redactor.text(text))
        if "client_secret':'" in text:
            assert told.startswith("var x = {'client_secret':'[secret]")
        else:
            assert told == (text if seen is None else seen)

    def test_parts_that_overlap_are_hidden_together(self) -> None:
        redactor = Redactor(["abcdef", "defghi"], key=KEY)

        assert PLACEHOLDER.fullmatch(redactor.text("abcdefghi"))

    def test_a_learned_word_in_an_address_leaves_nothing_of_it(self) -> None:
        redactor = Redactor(["contoso"], key=KEY)

        assert PLACEHOLDER.fullmatch(redactor.text("buyer@contoso.example"))

    def test_e_mail_addresses_are_equal_without_case(self, redactor: Redactor) -> None:
        assert redactor.text(EMAIL) == redactor.text(EMAIL.upper()) == redactor.text(quote(EMAIL.upper()))
        assert redactor.text(EMAIL) == redactor.data({"emailId": EMAIL})["emailId"]

    def test_a_forged_placeholder_hides_nothing_from_the_redactor(self, redactor: Redactor) -> None:
        forged = f"[token:00000000 {TOKEN}]"

        assert TOKEN not in redactor.text(forged)
        assert TOKEN not in redactor.data({"token": forged})["token"]

    def test_what_was_clean_before_it_was_learned_is_hidden_afterwards(self, redactor: Redactor) -> None:
        assert redactor.text("fresh-value") == "fresh-value"
        redactor.learn("fresh-value")

        assert redactor.text("fresh-value") == redactor.placeholder("secret", "fresh-value")


class TestHeaders:
    @pytest.mark.parametrize(
        ("name", "value", "seen"),
        [
            ("Authorization", f"Bearer {JWT}", "Bearer [token]"),
            ("Authorization", "Bearer opaque", "Bearer [token]"),
            ("Authorization", "Bearer", "Bearer"),
            ("Authorization", "Bearer ", "Bearer "),
            ("Authorization", "opaque-123", "[token]"),
            ("authorization", "", ""),
            ("Proxy-Authorization", "Basic abc", "Basic [token]"),
            ("x-ms-marketplace-token", "abc", "[purchase-token]"),
            ("x-control-key", "abc", "[secret]"),
            ("Cookie", "sid=abc; theme=dark", "sid=[cookie]; theme=[cookie]"),
            ("Set-Cookie", "sid=abc; Path=/; HttpOnly", "sid=[cookie]; Path=/; HttpOnly"),
            ("Set-Cookie", "sid=; Path=/", "sid=; Path=/"),
            ("Location", "/next?token=abc", "/next?token=[purchase-token]"),
            ("Content-Type", "application/json; charset=utf-8", "application/json; charset=utf-8"),
            ("WWW-Authenticate", 'Bearer realm="contoso", error="invalid_token"', None),
        ],
    )
    def test_secret_headers_keep_their_scheme(
        self, redactor: Redactor, name: str, value: str, seen: str | None
    ) -> None:
        [[same_name, told]] = redactor.headers([(name, value)])

        assert same_name == name
        assert re.sub(r"\[([a-z-]+):[0-9a-f]{8}", r"[\1", told) == (value if seen is None else seen)

    def test_a_learned_value_in_a_header_name_or_a_cookie_name_is_hidden(self, redactor: Redactor) -> None:
        told = redactor.headers([("x-local-development-secret", "1"), ("Cookie", "local-development-secret=1")])

        assert "local-development-secret" not in json.dumps(told)


class TestData:
    def test_fields_are_known_by_name_in_any_spelling(self, redactor: Redactor) -> None:
        told = redactor.data(
            {
                "accessToken": "a",
                "access_token": "a",
                "Client-Secret": "b",
                "puid": 1003,
                "sig": None,
                "client_info": "c",
            }
        )

        assert told["accessToken"] == told["access_token"] == redactor.placeholder("token", "a")
        assert told["Client-Secret"] == redactor.placeholder("secret", "b")
        assert told["puid"] == redactor.placeholder("person", "1003")
        assert told["sig"] is None
        assert told["client_info"] == redactor.placeholder("person", "c")

    def test_header_names_in_json_are_known(self, redactor: Redactor) -> None:
        told = redactor.data({"headers": {"authorization": "Bearer opaque", "set-cookie": "sid=abc; Path=/"}})

        assert "opaque" not in json.dumps(told)
        assert "sid=abc" not in json.dumps(told)

    def test_other_values_keep_value_and_type(self, redactor: Redactor) -> None:
        data = {"quantity": 20, "price": 1.5, "autoRenew": True, "term": None, "code": "BadRequest", "empty": ""}

        assert redactor.data(data) == data

    def test_a_number_that_was_learned_is_hidden(self) -> None:
        assert "20481024" not in json.dumps(Redactor(["20481024"]).data({"pin": 20481024}))

    def test_keys_are_redacted_too(self, redactor: Redactor) -> None:
        assert TOKEN not in json.dumps(redactor.data({TOKEN: 1}))


class TestBody:
    def test_json_stays_json(self, redactor: Redactor) -> None:
        body = json.dumps({"id": "1", "beneficiary": {"emailId": EMAIL}, "quantity": 3}).encode()

        told = json.loads(redactor.body(body, "application/json"))

        assert told == {"id": "1", "beneficiary": {"emailId": redactor.placeholder("email", EMAIL)}, "quantity": 3}

    def test_a_byte_order_mark_does_not_hide_json(self, redactor: Redactor) -> None:
        assert "abc" not in redactor.body('\ufeff{"password": "abc"}'.encode())

    def test_broken_json_is_redacted_by_field(self, redactor: Redactor) -> None:
        assert "opaque" not in redactor.body(b'{"access_token": "opaque", "expires_in": 36', "application/json")

    @pytest.mark.parametrize("depth", [100, 300, 600, 900, 2_000, 20_000])
    def test_json_of_any_depth_is_redacted(self, redactor: Redactor, depth: int) -> None:
        body = b"[" * depth + json.dumps(TOKEN).encode() + b"]" * depth

        told = redactor.body(body, "application/json")

        assert TOKEN not in told
        assert "purchase-token" in told

    def test_forms_are_redacted_by_field(self, redactor: Redactor) -> None:
        body = urlencode({"client_secret": "a b&c", "plan": "gold", "who": EMAIL, "empty": ""}).encode()

        told = redactor.body(body, "application/x-www-form-urlencoded; charset=utf-8")

        assert told == (
            f"client_secret={redactor.placeholder('secret', 'a b&c')}&plan=gold"
            f"&who={redactor.placeholder('email', EMAIL)}&empty="
        )

    def test_a_field_name_can_be_a_secret(self, redactor: Redactor) -> None:
        form = "application/x-www-form-urlencoded"

        assert "local-development-secret" not in redactor.body(b"local-development-secret=1", form)
        assert "local-development-secret" not in redactor.body(b"local-development-secret", form)

    def test_bytes_are_told_by_their_length(self, redactor: Redactor) -> None:
        assert redactor.body(b"\xff\xfe\x00").startswith("[3 bytes that are not UTF-8 text, sha256 ")
        assert TOKEN not in redactor.body(TOKEN.encode("utf-16"))
        assert redactor.body("token".encode("utf-16-le")).startswith("[10 bytes")

    def test_no_body_is_no_text(self, redactor: Redactor) -> None:
        assert redactor.body(b"") == ""


# --- properties: whatever the secret, wherever it stands, however it is spelled ---

SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]), min_size=4, max_size=60
) | st.sampled_from([TOKEN, JWT, EMAIL, "p@ss word & more", "50%25off", 'quo"te\\back', "#;&amp;x", "%41<b>"])
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda value: quote(value, safe=""),
    "percent, lower case": lambda value: re.sub("%..", lambda found: found.group().lower(), quote(value)),
    "percent, every character": lambda value: "".join(f"%{byte:02X}" for byte in value.encode()),
    "form": quote_plus,
    "html": html.escape,
    "html, decimal": lambda value: "".join(f"&#{ord(character)};" for character in value),
    "html, hexadecimal": lambda value: "".join(f"&#x{ord(character):X};" for character in value),
    "json": lambda value: json.dumps(value)[1:-1],
    "json, slashes": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "json, every character": lambda value: "".join(f"\\u{ord(character):04x}" for character in value),
}
SPELLERS = st.lists(st.sampled_from(sorted(SPELLINGS)), min_size=0, max_size=2)
# Words of the placeholders themselves may of course be seen.
VOCABULARY = "".join(f"[{kind}:0123456789abcdef" for kind in ("purchase-token", "secret", "email", "person", "cookie"))


class TestWhatIsFoundByItsPlace:
    """A secret that stands where secrets stand is known by its value from then on."""

    SESSION = "4be81d07c2a94f55-of-a-session"

    def test_a_cookie_is_hidden_wherever_it_is_repeated(self, redactor: Redactor) -> None:
        redactor.headers([("set-cookie", f"session={self.SESSION}; HttpOnly")])

        assert self.SESSION not in redactor.text(f"you are {self.SESSION}, are you not?")

    @pytest.mark.parametrize(
        "place",
        [
            lambda redactor, secret: redactor.headers([("Authorization", f"Bearer {secret}")]),
            lambda redactor, secret: redactor.data({"access_token": secret}),
            lambda redactor, secret: redactor.text(f"https://landing.example/?token={quote(secret, safe='')}"),
        ],
        ids=["header", "field", "parameter"],
    )
    def test_a_secret_that_its_shape_gives_away_is_known_without_its_shape_as_well(
        self, redactor: Redactor, place: Callable[[Redactor, str], object]
    ) -> None:
        secret = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
        place(redactor, secret)
        spelled = "".join(f"%{byte:02x}" for byte in secret.encode())

        assert "%63%61" not in redactor.text(f"x{spelled}y")
        assert redactor.text(spelled) == f"{redactor.text(secret)[:-1]} percent-encoded]"

    def test_it_is_hidden_in_what_stands_before_its_place(self, redactor: Redactor) -> None:
        body = json.dumps({"echo": f"<{self.SESSION}>", "access_token": self.SESSION}).encode()

        assert self.SESSION not in redactor.body(body, "application/json")

    def test_words_and_addresses_are_left_alone(self, redactor: Redactor) -> None:
        redactor.headers([("set-cookie", "theme=dark")])
        redactor.data({"email": "nobody.in.particular"})

        assert redactor.text("dark, nobody.in.particular") == "dark, nobody.in.particular"


def spelled(secret: str, spellers: list[str]) -> str:
    for speller in spellers:
        secret = SPELLINGS[speller](secret)
    return secret


def readings(text: str) -> set[str]:
    """Return what somebody who undoes escapes could read in a text."""
    seen = {text}
    for _ in range(3):
        seen |= {read(one) for one in list(seen) for read in (unquote, html.unescape, _without_backslashes)}
    return seen


def _without_backslashes(text: str) -> str:
    return re.sub(
        r"\\(?:u([0-9a-f]{4})|(.))",
        lambda found: chr(int(found[1], 16)) if found[1] else found[2],
        text,
        flags=re.IGNORECASE,
    )


@settings(deadline=None)
@given(secret=SECRETS, spellers=SPELLERS, before=st.text("ab /<>=\"'", max_size=9), after=st.text("ab /<>", max_size=9))
@example(secret="abc%", spellers=["percent"], before="", after="41")
@example(secret="%41<b>", spellers=["html"], before="", after="")
def test_no_learned_secret_in_any_spelling_survives(secret: str, spellers: list[str], before: str, after: str) -> None:
    assume(secret not in VOCABULARY and secret not in before + after)
    told = Redactor([secret], key=KEY).text(before + spelled(secret, spellers) + after)

    assert spelled(secret, spellers) not in told
    assert not any(secret in reading for reading in readings(told))


@settings(deadline=None)
@given(secret=SECRETS, spellers=SPELLERS, place=st.sampled_from(["value", "key", "nested", "header", "url", "cookie"]))
def test_no_learned_secret_survives_in_a_body_or_header(secret: str, spellers: list[str], place: str) -> None:
    assume(secret not in VOCABULARY and secret not in "value key nested deep text location")
    redactor = Redactor([secret], key=KEY)
    text = spelled(secret, spellers)
    told: Any
    if place == "header":
        told = redactor.headers([("location", f"/x?{text}"), (text, "1")])
    elif place == "cookie":
        told = redactor.headers([("cookie", f"a={text}; {text}"), ("set-cookie", f"b=1; {text}")])
    elif place == "url":
        told = redactor.body(quote(text).encode(), "application/x-www-form-urlencoded")
    else:
        documents: dict[str, Any] = {"value": {"text": text}, "key": {text: 1}, "nested": [{"deep": [text]}]}
        told = redactor.body(json.dumps(documents[place]).encode(), "application/json")

    assert not any(secret in reading for reading in readings(json.dumps(told, ensure_ascii=False)))


TEXTS = st.lists(
    st.sampled_from(
        [TOKEN, quote(TOKEN, safe=""), JWT, EMAIL, quote(EMAIL), "local-development-secret", "token=", "&", "?", " ",
         "Bearer ", "://u:p@h", '"token": "', '"', "[token:01234567]", "[", "]", "code=", "x", "%", "\\", "é", "\ud800"]
    )
    | st.text(max_size=5),
    max_size=8,
).map("".join)  # fmt: skip


@settings(deadline=None)
@given(text=TEXTS)
def test_redacting_twice_is_the_same_as_once(text: str) -> None:
    redactor = Redactor(["local-development-secret", TOKEN], key=KEY)
    once = redactor.text(text)

    assert redactor.text(once) == once


@settings(deadline=None)
@given(value=st.recursive(TEXTS | st.none() | st.integers(), lambda inner: st.dictionaries(TEXTS, inner, max_size=3)))
def test_redacting_data_twice_is_the_same_as_once(value: Any) -> None:
    redactor = Redactor(["local-development-secret", TOKEN], key=KEY)
    once = redactor.data(value)

    assert redactor.data(once) == once


@settings(deadline=None)
@given(names=st.lists(st.sampled_from(["authorization", "cookie", "set-cookie", "location", "x-api-key"])), value=TEXTS)
def test_redacting_headers_twice_is_the_same_as_once(names: list[str], value: str) -> None:
    redactor = Redactor(["local-development-secret", TOKEN], key=KEY)
    once = redactor.headers([(name, value) for name in names])

    assert redactor.headers([(name, told) for name, told in once]) == once


@settings(deadline=None)
@given(body=st.binary(max_size=200) | TEXTS.map(lambda text: text.encode("utf-8", "replace")))
def test_any_body_can_be_redacted(body: bytes) -> None:
    redactor = Redactor(["local-development-secret", TOKEN], key=KEY)

    for content_type in ("", "application/json", "application/x-www-form-urlencoded", "text/html"):
        assert isinstance(redactor.body(body, content_type), str)


# --- cost ---


def seconds(function: Callable[[], object]) -> float:
    """Return the best of several runs, in seconds of this thread: other work on the machine does not count."""
    best = float("inf")
    for _ in range(7):
        started = time.thread_time()
        function()
        best = min(best, time.thread_time() - started)
    return best


def page(size: int) -> bytes:
    line = f"<p class='a'>Welcome to contoso &amp; co. <a href='/x?y=1&amp;token={quote(TOKEN)}'>x</a></p>\n"
    return (line * (size // len(line) + 1))[:size].encode()


def test_the_cost_of_a_page_does_not_grow_with_what_was_learned() -> None:
    spent = []
    for count in (1, 1_000):
        redactor = Redactor()
        for number in range(count):
            redactor.learn(base64.b64encode(f"{number:0128}".encode()).decode(), "purchase-token")
        spent.append(seconds(partial(redactor.body, page(20_000), "text/html")))

    assert spent[1] < 20 * max(spent[0], 0.001), "a thousand times as many values"


@pytest.mark.parametrize(
    "text", ["a", "a.", "eyJ", "token=", "?token=", "a@", "%25", "&amp;", "\\u0041", '"token":"', "[token:", "a:b@"]
)
def test_no_text_is_expensive(redactor: Redactor, text: str) -> None:
    short, long = text * (5_000 // len(text)), text * (80_000 // len(text))

    # Sixteen times the text: linear time is 16 times as much, quadratic time 256 times.
    assert seconds(lambda: redactor.text(long)) < 100 * max(seconds(lambda: redactor.text(short)), 0.000_2)
