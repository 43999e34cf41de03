"""Self-contained HTML pages: a template with its own style and script, and a policy that allows nothing else.

Everything that is printed is escaped, and its hidden characters are made visible.
"""

import base64
import functools
import hashlib
from typing import Any

import jinja2
from markupsafe import Markup

from fulfillment_conformance.report.plain import visible


def render(template: str, *, styles: tuple[str, ...], script: str, **content: Any) -> str:
    """Return a page.

    Args:
        template: name of the template, a file in the folder `page`.
        styles: names of its style sheets, put one after the other.
        script: name of its script.
        content: what the template prints.
    """
    style, code = "".join(map(_asset, styles)), _asset(script)
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            style=Markup(style),  # noqa: S704 - the package's own file
            script=Markup(code),  # noqa: S704 - the package's own file
            policy="; ".join(
                [
                    "default-src 'none'",
                    f"style-src '{_hash(style)}'",
                    f"script-src '{_hash(code)}'",
                    "img-src data:",
                    "base-uri 'none'",
                    "form-action 'none'",
                ]
            ),
        )
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _clean(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("fulfillment_conformance.report", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@functools.cache
def _asset(name: str) -> str:
    loader = _environment().loader
    return loader.get_source(_environment(), name)[0] if loader else ""
