"""Texts that a target may have written, made safe to look at: no hidden characters, no endless lines."""

import re
from urllib.parse import urlsplit

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]"
)

_GUID = re.compile(r"([0-9a-fA-F]{4})[0-9a-fA-F]{4}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLACEHOLDER = re.compile(r"\[([a-z-]+):[0-9a-f]{8}[ a-z-]*\]")


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


def short_ids(text: str) -> str:
    """Return a text with its GUIDs cut to four characters."""
    return _GUID.sub(r"\1…", text)


def short_path(url: str) -> str:
    """Return the path of an address, its GUIDs and placeholders shortened, without host and api-version."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    query = "&".join(pair for pair in parts.query.split("&") if not pair.startswith("api-version="))
    path = short_ids(f"{parts.path or '/'}?{query}" if query else parts.path or "/")
    return _PLACEHOLDER.sub(r"[\1]", path)
