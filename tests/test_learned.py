import html
import json
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulfillment_conformance.learned import SHORTEST, SPELLINGS, LearnedValues, Occurrence

TOKEN = "aB+/c9=" * 20


def learned(*values: str) -> LearnedValues:
    known = LearnedValues()
    for value in values:
        known.add(value, "secret")
    return known


def places(text: str, *values: str) -> list[tuple[str, str]]:
    """Return the parts of the text that were found, with their spelling."""
    found = sorted(learned(*values).occurrences(text), key=lambda one: one.start)
    return [(text[one.start : one.end], one.spelling) for one in found]


def test_nothing_is_found_before_anything_is_learned() -> None:
    assert not learned()
    assert learned().occurrences("a text") == []


def test_an_occurrence_names_place_value_and_kind() -> None:
    known = LearnedValues()
    known.add("s3cret", "password")

    assert known.occurrences("my s3cret!") == [Occurrence(3, 9, "s3cret", "password", "")]


@pytest.mark.parametrize(
    ("spell", "spelling"),
    [
        (str, ""),
        (lambda value: quote(value, safe=""), "percent-encoded"),
        (quote, "percent-encoded"),
        (lambda value: quote(value, safe="").lower().replace("ab", "aB"), "percent-encoded"),
        (lambda value: quote(quote(value, safe=""), safe=""), "percent-encoded twice"),
        (lambda value: value.replace("+", " "), "with blanks for plus signs"),
        (lambda value: value.replace("+", "&#x2B;").replace("/", "&#47;"), "escaped"),
        (lambda value: value.replace("+", "\\u002b").replace("/", "\\/"), "escaped"),
        (lambda value: "".join(f"&#{ord(character)};" for character in value), "escaped"),
        (lambda value: "".join(f"\\x{ord(character):02x}" for character in value), "escaped"),
        (lambda value: html.escape(quote(value, safe="")).replace("%", "&#37;"), "escaped"),
    ],
)
def test_a_value_is_found_in_every_spelling(spell: "object", spelling: str) -> None:
    assert callable(spell)
    spelled = spell(TOKEN)

    assert places(f"<a href='/signup?token={spelled}'>", TOKEN) == [(spelled, spelling)]


def test_a_value_that_was_learned_encoded_is_found_decoded() -> None:
    assert places("token a+b/c!", "a%2Bb%2Fc") == [("a+b/c", "decoded")]


def test_characters_beyond_ascii_are_found_escaped() -> None:
    secret = "pässwörd 🔑 key"

    assert places(json.dumps(secret), secret) == [(json.dumps(secret)[1:-1], "escaped")]
    assert places(quote(secret), secret) == [(quote(secret), "percent-encoded")]
    assert places(quote_plus(secret), secret) == [(quote_plus(secret), "percent-encoded")]


def test_a_value_is_found_inside_a_longer_run_of_the_same_characters() -> None:
    assert places(f"/landing/{TOKEN}/x", TOKEN) == [(TOKEN, "")]
    assert places(f"xx{TOKEN}yy", TOKEN) == [(TOKEN, "")]


def test_values_that_overlap_are_both_found() -> None:
    assert places("abcdefgh", "abcdef", "defgh") == [("abcdef", ""), ("defgh", "")]


def test_values_with_the_same_beginning_are_told_apart() -> None:
    first, second = "prefix-" * 8 + "1", "prefix-" * 8 + "2"

    assert places(f"{second} and {first}", first, second) == [(second, ""), (first, "")]


def test_too_short_a_value_is_passed_over() -> None:
    assert places("abc " * 3, "a" * (SHORTEST - 1)) == []
    assert not learned("", "abc")


@pytest.mark.parametrize("given_as", [TOKEN, quote(TOKEN, safe=""), quote(quote(TOKEN, safe=""), safe="")])
def test_a_value_tells_how_long_a_text_with_it_is_at_the_least(given_as: str) -> None:
    assert LearnedValues().add(given_as, "secret") == len(TOKEN)


def test_the_first_kind_of_a_value_stays() -> None:
    known = LearnedValues()
    known.add("s3cret", "first")
    known.add("s3cret", "second")

    assert [one.kind for one in known.occurrences("s3cret")] == ["first"]


@settings(deadline=None)
@given(value=st.text(min_size=SHORTEST, max_size=80), before=st.text(max_size=40), after=st.text(max_size=40))
def test_every_value_is_found_wherever_it_stands(value: str, before: str, after: str) -> None:
    found = learned(value).occurrences(before + value + after)

    assert any(one.start <= len(before) and one.end >= len(before) + len(value) for one in found)


@settings(deadline=None)
@given(text=st.text(alphabet="ab%&#;\\u0412/+ 5xn", max_size=60), value=st.text("ab+", min_size=4, max_size=8))
def test_every_place_that_is_named_lies_in_the_text(text: str, value: str) -> None:
    for one in learned(value).occurrences(text):
        assert 0 <= one.start < one.end <= len(text)
        assert one.spelling in {"", *SPELLINGS}


def test_values_can_be_learned_while_others_search() -> None:
    known = learned(TOKEN)
    misses: list[int] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            if not known.occurrences(f"<{TOKEN}>"):
                misses.append(1)

    thread = threading.Thread(target=search)
    thread.start()
    for number in range(300):
        known.add(f"another secret {number:04}", "secret")
    stop.set()
    thread.join()

    assert misses == []
