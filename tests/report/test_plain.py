import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report import runs

from fulfillment_conformance.report.plain import clip, one_line, short_ids, short_path, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain ü 🔑 text\n\twith lines", "plain ü 🔑 text\n\twith lines"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a⟨U+000D⟩b"),
        ("\x1b[31mred", "⟨U+001B⟩[31mred"),
        ("nul\0", "nul⟨U+0000⟩"),
        ("abc\u202efdp.exe", "abc⟨U+202E⟩fdp.exe"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("\ud83d", "⟨U+D83D⟩"),
    ],
)
def test_hidden_characters_become_visible(text: str, seen: str) -> None:
    assert visible(text) == seen


@settings(deadline=None)
@given(st.text())
def test_nothing_hidden_is_left(text: str) -> None:
    for character in visible(text):
        assert character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI"}


@settings(deadline=None)
@given(st.text(), st.integers(1, 40))
def test_a_clipped_text_is_never_longer(text: str, limit: int) -> None:
    clipped = clip(text, limit)

    assert len(clipped) <= limit
    assert clipped == text or clipped.endswith("…")


def test_ids_are_cut() -> None:
    assert short_ids(f"ChangePlan of {runs.SUBSCRIPTION.upper()}, {runs.SUBSCRIPTION}") == "ChangePlan of 37F9…, 37f9…"


def test_one_line_is_one_line() -> None:
    assert one_line(" a\n\n b\tc \x1b") == "a b c ⟨U+001B⟩"
    assert one_line("x" * 300) == "x" * 199 + "…"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h/api/saas/subscriptions?api-version=2018-08-31", "/api/saas/subscriptions"),
        (f"http://h/api/saas/subscriptions/{runs.SUBSCRIPTION}?api-version=1&x=2", "/api/saas/subscriptions/37f9…?x=2"),
        ("http://h/signup?token=[purchase-token:01234567 percent-encoded]", "/signup?token=[purchase-token]"),
        ("http://h", "/"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_paths_are_short(url: str, path: str) -> None:
    assert short_path(url) == path
