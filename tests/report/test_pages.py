import base64
import hashlib
import re
from html import unescape

import pytest
from markupsafe import Markup

from fulfillment_conformance.report import pages

SHEETS = ("report.css", "matrix.css")
CONTENT = {"role": "publisher", "columns": [], "rows": [], "filters": [], "kinds": {}, "meanings": {}}


def test_everything_printed_is_escaped_and_visible() -> None:
    text = pages.render("matrix.html.j2", styles=SHEETS, script="report.js", suites="<b>\u202e&", **CONTENT)

    assert "Made by &lt;b&gt;⟨U+202E⟩&amp; from" in text


def test_what_is_marked_as_markup_stays_as_it_is() -> None:
    text = pages.render("matrix.html.j2", styles=SHEETS, script="report.js", suites=Markup("<b>"), **CONTENT)

    assert "Made by <b> from" in text


def test_the_style_sheets_are_one_and_the_policy_knows_it() -> None:
    text = pages.render("matrix.html.j2", styles=SHEETS, script="report.js", suites="", **CONTENT)
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)

    assert "#matrix.targets" in style
    assert ".hero" in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in unescape(text)


def test_what_a_template_needs_has_to_be_given() -> None:
    with pytest.raises(Exception, match="suites"):
        pages.render("matrix.html.j2", styles=SHEETS, script="report.js", **CONTENT)
