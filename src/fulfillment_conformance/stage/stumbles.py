"""Where a buyer's way through a publisher's pages first went wrong, and what Entra refused on it: words for reports."""

import re
from html import unescape
from typing import Final
from urllib.parse import parse_qs, urlsplit

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.stage.buyer import Page
from fulfillment_conformance.stage.calls import answered

_CARRYING: Final = ("browser: document", "browser: xhr", "browser: fetch")
"""Purposes of a browser's requests that a visit turns on; a picture that it misses stops nobody."""

_NUMBERED: Final = re.compile(r"AADSTS\d+: [^\"<]+")
_LONGEST: Final = 300


def failure_of(page: Page) -> str:
    """Name the first request on the way to a page that failed, or what is wrong with the page; empty if nothing is."""
    for exchange in page.way:
        aside = exchange.purpose.startswith("browser: ") and exchange.purpose not in _CARRYING
        if aside or exchange.receiver not in {"publisher", "identity"}:
            continue
        if exchange.status is None:
            return f"{_request(exchange)} got no answer: {exchange.error}"
        if exchange.status >= 400:
            return f"{_request(exchange)} answered {exchange.status}"
    if page.problem:
        return page.problem
    return f"no page: {page.answer.error}" if page.answer.status_code is None else ""


def refusal_of(exchange: Exchange) -> str:
    """Say which request Entra has refused, and why; empty for what it grants, and for answers of anybody else."""
    if exchange.receiver != "identity" or exchange.status is None:
        return ""
    if exchange.status >= 400:
        reason = f"{exchange.status} {_in_the_answer(exchange)}".strip()
    elif exchange.status >= 300:
        reason = _on_the_way_back(str(Answer(exchange).header("location").value))
    else:
        reason = _in_the_answer(exchange) if 'name="error"' in Answer(exchange).text else ""
    return f"{_request(exchange)}: {reason}" if reason else ""


def _request(exchange: Exchange) -> str:
    return f"{exchange.method} {urlsplit(exchange.url).path or '/'}"


def _in_the_answer(exchange: Exchange) -> str:
    """Return what the token endpoint says, or the page of a refused sign-in."""
    document = answered(exchange)
    if isinstance(document, dict):
        return _told(str(document.get("error", "")), str(document.get("error_description", "")))
    found = _NUMBERED.search(Answer(exchange).text)
    return _told("", unescape(found[0])) if found else ""


def _on_the_way_back(location: str) -> str:
    """Return the error that a redirect to the application carries; empty if it carries none."""
    parts = urlsplit(location)
    fields = parse_qs(parts.query) | parse_qs(parts.fragment)
    return _told(fields["error"][0], fields.get("error_description", [""])[0]) if "error" in fields else ""


def _told(error: str, description: str) -> str:
    said = description.partition(" Trace ID:")[0].strip().rstrip(".")
    return ", ".join(filter(None, (error, said[:_LONGEST])))
