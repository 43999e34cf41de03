"""Secrets that must be seen nowhere, and every way in which one may be spelled."""

import base64
import html
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus


def spellings(secret: str) -> set[str]:
    """Return how a secret may stand in a text."""
    escaped = json.dumps(secret)[1:-1]
    characters = "".join(f"%{byte:02X}" for byte in secret.encode())
    return {
        secret,
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        quote_plus(secret),
        characters,
        characters.lower(),
        html.escape(secret),
        html.escape(html.escape(secret)),
        escaped,
        json.dumps(escaped)[1:-1],
        repr(secret)[1:-1],
        "".join(f"\\u{ord(character):04x}" for character in secret),
        "".join(f"&#{ord(character)};" for character in secret),
    }


def found(secret: str, text: str) -> list[str]:
    """Return the spellings of a secret that stand in a text."""
    return [spelling for spelling in spellings(secret) if spelling in text]


def basic(user: str, password: str) -> str:
    """Return the credentials of HTTP basic authentication."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and content of every file below a folder; names are looked through as well."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        yield f"name of {name}", name
        if path.is_file():
            yield name, path.read_bytes().decode("utf-8", "replace")
