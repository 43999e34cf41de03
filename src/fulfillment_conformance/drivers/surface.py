"""The HTTP side of every driver: one call, and whose fault it is when it does not go well.

An answer that was announced is returned. A refusal becomes `CannotArrange` with the exchange. Everything else (nobody
there, a time-out, a login page, a wrong key) says nothing about the target's conformance and ends as
`EnvironmentUnavailable`. No message quotes a value of an answer, which may be a token or a secret; only an error's own
text is passed on.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Observer
from fulfillment_conformance.http_client import HttpClient, trust
from fulfillment_conformance.interruptions import CannotArrange

if TYPE_CHECKING:
    from fulfillment_conformance.inside import Inside

T = TypeVar("T")

TIMEOUT_SECONDS = 30.0
_QUOTED_CHARACTERS = 300


class Surface:
    """The control surface below one base address."""

    def __init__(
        self,
        base_url: str,
        *,
        observer: Observer,
        tls_ca: Path | None = None,
        headers: Mapping[str, str] | None = None,
        inside: "Inside | None" = None,
    ) -> None:
        """Talk to `base_url`; `headers` go with every request, and through `inside` if this process serves it.

        Raises:
            UsageProblem: `tls_ca` holds no certificate.
        """
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers or {})
        self._http = HttpClient(observer=observer, tls=trust(tls_ca), timeout=TIMEOUT_SECONDS, inside=inside)

    def call(
        self,
        method: str,
        path: str,
        *,
        purpose: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        answers: Collection[int] = (200,),
        refuses: Collection[int] = (400, 404, 409),
        timeout: float | None = None,
    ) -> Answer:
        """Make one call and return its answer, whose status is one of `answers`.

        Args:
            method: HTTP method.
            path: path and query below the base address.
            purpose: a few words for the report.
            body: sent as JSON, unless None.
            headers: further headers of this request.
            answers: the statuses with which the call succeeds.
            refuses: the statuses with which the target says no.
            timeout: seconds, instead of `TIMEOUT_SECONDS`.

        Raises:
            CannotArrange: the target refused.
            EnvironmentUnavailable: anything else went wrong.
        """
        content = b"" if body is None else json.dumps(body).encode()
        exchange = self._http.send(
            method,
            self.base_url + path,
            headers={**self._headers, **(headers or {}), **({"content-type": "application/json"} if content else {})},
            content=content,
            sender="suite",
            receiver="control",
            purpose=purpose,
            timeout=timeout,
        )
        answer = Answer(exchange)
        call = f"{purpose}: {method} {self.base_url}{path.split('?', 1)[0]}"
        if exchange.status is None or exchange.error is not None:
            distrusted = "CERTIFICATE_VERIFY_FAILED" in (exchange.error or "")
            advice = "name its authority in tls_ca" if distrusted else "check that the sandbox is running"
            raise EnvironmentUnavailable(
                f"{call} got no usable answer ({exchange.error}); {advice}, "
                "and that the target file has the right address"
            )
        if exchange.status in answers:
            return answer
        if exchange.status in refuses:
            raise CannotArrange(f"{call} was refused with {exchange.status}{_reason(answer)}", exchange)
        advice = (
            "check the control key in the target file"
            if exchange.status in {401, 403}
            else "check that this is the address of the sandbox's control surface, and the sandbox's own log"
        )
        raise EnvironmentUnavailable(
            f"{call} answered {exchange.status}{_reason(answer)}, expected {_listed(answers)}; {advice}"
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def read(answer: Answer, shape: TypeAdapter[T], *, part: str | None = None, **known: Any) -> T:
    """Return the JSON object of an answer, or one field of it, in its typed form.

    Args:
        answer: what the control surface said.
        shape: the type it has to have; unknown fields are passed over.
        part: name of the field to read; the whole body when not given.
        known: fields that the caller knows and the answer does not repeat.

    Raises:
        EnvironmentUnavailable: the body is not of that shape; the message names each field that is wrong.
    """
    reading = answer.body if part is None else answer[part]
    if reading.absent:
        raise malformed(answer, f"{part} is missing" if answer.body else "it is not JSON")
    value = {**reading.value, **known} if known and isinstance(reading.value, dict) else reading.value
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        raise malformed(answer, _faults(error, part)) from None


def malformed(answer: Answer, what: str) -> EnvironmentUnavailable:
    """Return the error that says what is wrong with an answer of the control surface, without quoting it."""
    call = f"{answer.exchange.method} {answer.exchange.url.split('?', 1)[0]}"
    return EnvironmentUnavailable(
        f"{call} answered {answer.status_code}, but its body cannot be used: {what}; check that this is the address of "
        "the sandbox's control surface, and that its version fits"
    )


def _faults(error: ValidationError, part: str | None) -> str:
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    lead = () if part is None else (part,)
    named = [f"{'.'.join(str(step) for step in (*lead, *fault['loc'])) or 'body'}: {fault['msg']}" for fault in faults]
    return "; ".join(named[:5]) + (f"; and {len(named) - 5} more" if len(named) > 5 else "")


def _reason(answer: Answer) -> str:
    """Return what an answer itself says about its refusal: protocol error, else short plain text, else its kind."""
    code, message = answer["error"]["code"].value, answer["error"]["message"].value
    if isinstance(code, str) and isinstance(message, str):
        return f" ({code}: {message[:_QUOTED_CHARACTERS]})"
    kind = answer.header("content-type").value
    text = answer.text.strip()
    if not text:
        return " (no body)"
    if text.startswith("<") or len(text) > _QUOTED_CHARACTERS:
        return f" ({len(answer.exchange.response_body)} bytes of {kind or 'unnamed content'})"
    return f" ({text})"


def _listed(statuses: Collection[int]) -> str:
    return " or ".join(str(status) for status in statuses)
