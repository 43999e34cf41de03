"""Before anything is judged: is the target there, is a token had, do the clocks agree, does what is bought show?

Nothing found here is the target's fault; it ends the run with exit code 6 and says what to do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from fulfillment_conformance.answers import Answer
from fulfillment_conformance.errors import ConformanceError, EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange, header

SKEW_LIMIT = timedelta(minutes=5)
"""How far clocks may differ before tokens are refused for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what, whether it is in order, and what was seen."""

    what: str
    good: bool
    seen: str


class Preflight:
    """Runs one look after the other and keeps what each found."""

    def __init__(self, tell: Callable[[Finding], None] = lambda _finding: None) -> None:
        self.findings: list[Finding] = []
        self._tell = tell

    def look(self, what: str, action: Callable[[], str]) -> None:
        """Do one look; its error is kept and raised again.

        Raises:
            ConformanceError: what `action` raised.
        """
        try:
            seen = action()
        except ConformanceError as error:
            self._keep(Finding(what, False, str(error)))
            raise
        self._keep(Finding(what, True, seen))

    def _keep(self, finding: Finding) -> None:
        self.findings.append(finding)
        self._tell(finding)


def reachable(exchange: Exchange, address: str, key: str) -> str:
    """Make sure that an HTTP answer came, whatever its status.

    Raises:
        EnvironmentUnavailable: none did.
    """
    if exchange.status is None:
        hint = "name its authority in tls_ca" if "CERTIFICATE_VERIFY_FAILED" in (exchange.error or "") else "is it up?"
        raise EnvironmentUnavailable(f"{key} {address} cannot be reached: {exchange.error}; {hint}")
    return f"answers {exchange.status}"


def clocks_agree(exchange: Exchange, address: str) -> str:
    """Compare the target's Date header, if it sends one, with this machine's clock.

    Raises:
        EnvironmentUnavailable: they differ by more than five minutes.
    """
    date = header(exchange.response_headers, "date")
    if date is None:
        return "no Date header to compare"
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return "a Date header that cannot be read"
    difference = (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)) - datetime.now(UTC)
    if abs(difference) > SKEW_LIMIT:
        raise EnvironmentUnavailable(
            f"the clock of {address} differs from this machine's by {int(difference.total_seconds())} seconds; "
            f"tokens need clocks that agree within {int(SKEW_LIMIT.total_seconds())} seconds: set both by NTP"
        )
    return f"{abs(difference.total_seconds()):.0f} s apart"


def token_is_taken(answers: list[Answer], address: str) -> str:
    """Make sure that not every authenticated call is refused: that would be a wrong set-up, not a verdict.

    Raises:
        EnvironmentUnavailable: all of them were 401 or 403.
    """
    if all(answer.status_code in {401, 403} for answer in answers):
        raise EnvironmentUnavailable(
            f"{address} refuses the suite's access token on every call "
            f"({', '.join(str(answer.status_code) for answer in answers)}); check that identity names the tenant and "
            "application of the offer's technical configuration, and that the secret has not expired"
        )
    return "accepted"


def tells_calls_apart(answers: list[Answer], address: str) -> str:
    """Make sure that calls with and without a token, right and wrong ones, are not all answered alike.

    A proxy's login page, a server under a wrong path, or a stub answers everything with one status. Whatever a test
    asked of it would measure nothing.

    Raises:
        EnvironmentUnavailable: all of them had the same status.
    """
    statuses = {answer.status_code for answer in answers}
    if len(statuses) == 1:
        said = answers[0].status_code if answers[0].status_code is not None else f"not at all ({answers[0].error})"
        raise EnvironmentUnavailable(
            f"{address} answers every call alike, {said}, whether it is right or wrong; check that this is the address "
            "that /saas/subscriptions is below, and that no proxy or stub stands in for the API"
        )
    return ", ".join(str(answer.status_code) for answer in answers)


def shows_purchase(subscription_id: str, answers: list[Answer], address: str) -> str:
    """Make sure that something bought through the control surface shows in at least one answer of the API.

    Raises:
        EnvironmentUnavailable: the subscription's id stands in none of them.
    """
    wanted = subscription_id.lower()
    if not any(answer.is_success and wanted in answer.text.lower() for answer in answers):
        seen = ", ".join(f"{answer.exchange.purpose}: {answer.status_code or answer.error}" for answer in answers)
        raise EnvironmentUnavailable(
            f"a purchase made for this check does not show at {address} ({seen}); check that the control surface and "
            "the API are of the same sandbox, and that publisher_id and identity name the publisher of its offers"
        )
    return "a fresh purchase shows in the API"
