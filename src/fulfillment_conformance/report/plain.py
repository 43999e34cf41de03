"""Texts that a target may have written, made safe to look at: no hidden characters, no endless lines."""

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Replace characters that cannot be seen, or that turn a text around, by signs that can.

    Tab and line feed stay. A carriage return before a line feed goes without a trace.
    """
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text.replace("\r\n", "\n"))


def clip(text: str, limit: int) -> str:
    """Cut a text to `limit` characters, with an ellipsis as the last one where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int = 200) -> str:
    """Return a text as a single line of at most `limit` characters, without hidden ones."""
    return clip(visible(" ".join(text.split())), limit)
