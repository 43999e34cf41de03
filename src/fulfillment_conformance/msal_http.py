"""The suite's own HTTP client in the form in which msal takes one.

msal decides what is asked and how it is signed. Everything it sends goes the suite's one way out: bounded in time and
size, recorded, and without a say for the proxy and CA variables of the machine.
"""

import json
from typing import Any
from urllib.parse import urlencode

from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.http_client import HttpClient


class NoAnswer(Exception):  # noqa: N818 - what there is of it is the exchange
    """The identity provider gave no answer that came whole; msal lets it pass."""

    def __init__(self, exchange: Exchange) -> None:
        """`exchange` says in its `error` what has happened."""
        super().__init__(f"{exchange.url}: {exchange.error}")
        self.exchange = exchange


class MsalSession:
    """What msal takes for a `requests.Session`."""

    def __init__(self, http: HttpClient) -> None:
        """Send through `http`."""
        self._http = http
        self.last: Exchange | None = None

    @property
    def last_error(self) -> dict[str, Any] | None:
        """The JSON object that was answered last, if it is an error."""
        try:
            document = json.loads(self.last.response_body) if self.last is not None else None
        except ValueError:
            return None
        return document if isinstance(document, dict) and "error" in document else None

    def get(self, url: str, *, params: Any = None, headers: Any = None, **_: Any) -> "MsalResponse":
        """Read what Entra says about a tenant."""
        return self._send("GET", url, params, headers, b"", "read the tenant's metadata")

    def post(self, url: str, *, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> "MsalResponse":
        """Ask for a token."""
        form = {name: value for name, value in dict(data or {}).items() if value is not None}
        body = urlencode(form).encode()
        form_type = {"content-type": "application/x-www-form-urlencoded"}
        return self._send("POST", url, params, {**dict(headers or {}), **form_type}, body, "access token")

    def close(self) -> None:
        """Leave the client open: it is not msal's."""

    def _send(self, method: str, url: str, params: Any, headers: Any, body: bytes, purpose: str) -> "MsalResponse":
        address = url if not params else f"{url}?{urlencode(params)}"
        given = {str(name): str(value) for name, value in dict(headers or {}).items()}
        exchange = self._http.send(method, address, headers=given, content=body, receiver="identity", purpose=purpose)
        self.last = exchange
        if exchange.status is None:
            raise NoAnswer(exchange)
        return MsalResponse(exchange, exchange.status)


class MsalResponse:
    """What msal takes for a `requests.Response`."""

    def __init__(self, exchange: Exchange, status: int) -> None:
        """Show an exchange that has an answer."""
        self.status_code = status
        self.text = exchange.response_body.decode("utf-8", "replace")
        self.headers = {name.lower(): value for name, value in exchange.response_headers}

    def raise_for_status(self) -> None:
        """Raise for an answer that is an error."""
        if self.status_code >= 400:
            raise ValueError(f"the identity provider answered {self.status_code}")
