"""Pages whose faults are in what their scripts do: nothing of it shows in what is served."""

import json
from typing import Any

from starlette.responses import HTMLResponse, Response

from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.landing_page import show_in_sight
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.messages import Subscription
from fulfillment_conformance.reference_publisher.sessions import Session


def _allowing_scripts(publisher: ReferencePublisher, **headers: str) -> None:
    kept = {name: value for name, value in publisher.page_headers.items() if name != "content-security-policy"}
    replace(publisher, "page_headers", {**kept, **headers})


def _with_script(publisher: ReferencePublisher, make: Any) -> None:
    """Let the purchase page carry a script, made from what was bought; < is written so that nobody sees markup."""
    page = publisher.landing.purchase_page

    def scripted(session: Session, subscription: Subscription, **context: Any) -> Response:
        response = page(session, subscription, **context)
        html = bytes(response.body).decode().replace("</body>", f"<script>{make(subscription)}</script></body>")
        return HTMLResponse(html, status_code=response.status_code)

    replace(publisher.landing, "purchase_page", scripted)


@defect("writes-names-as-markup", breaks=["GET-038"], in_browser=True)
def writes_names_as_markup(publisher: ReferencePublisher) -> None:
    """A script greets the subscription by its name, and takes the name for markup."""
    _allowing_scripts(publisher)

    def greeting(bought: Subscription) -> str:
        name = json.dumps(bought.name).replace("<", "\\u003c")
        return f"document.body.insertAdjacentHTML('beforeend', '\\u003cp>Welcome to ' + {name})"

    _with_script(publisher, greeting)


@defect("cleans-the-address-too-late", breaks=["LND-037"], in_browser=True)
def cleans_the_address_too_late(publisher: ReferencePublisher) -> None:
    """A script takes the token out of the address bar, after the style sheet was asked for with it as Referer."""
    _allowing_scripts(publisher, **{"referrer-policy": "unsafe-url"})
    _with_script(publisher, lambda _: "history.replaceState(null, '', location.pathname)")
    show_in_sight(publisher)


@defect("keeps-the-access-token-in-the-browser", breaks=["AUT-021"], in_browser=True)
def keeps_the_access_token_in_the_browser(publisher: ReferencePublisher) -> None:
    """A script puts the access token together from what the page holds, and into the browser's storage."""
    _allowing_scripts(publisher)

    def storing(_: Subscription) -> str:
        token = json.dumps(publisher.access_tokens._token[::-1])
        return f"localStorage.setItem('token', {token}.split('').reverse().join(''))"

    _with_script(publisher, storing)


@defect("lets-a-script-call-the-api", breaks=["HDR-021"], in_browser=True)
def lets_a_script_call_the_api(publisher: ReferencePublisher) -> None:
    """A script asks the Fulfillment API whether it is there."""
    _allowing_scripts(publisher)
    address = json.dumps(publisher.settings.api_url.removesuffix("api"))
    calling = f"fetch({address} + ['api', 'saas', 'subscriptions'].join('/'), {{mode: 'no-cors'}})"
    _with_script(publisher, lambda _: calling)


@defect("shows-a-trace-by-script", breaks=["AUT-028"], in_browser=True)
def shows_a_trace_by_script(publisher: ReferencePublisher) -> None:
    """The page that excuses itself shows what went wrong, with the lines of code that it went through."""
    _allowing_scripts(publisher)
    apology = publisher.landing.apology
    shown = "['Trace', 'back (most recent call last)'].join('') + ': File landing.py, line 1'"

    def explained() -> Response:
        response = apology()
        script = f"<script>document.body.append({shown})</script></body>"
        html = bytes(response.body).decode().replace("</body>", script)
        return HTMLResponse(html, status_code=response.status_code)

    replace(publisher.landing, "apology", explained)
