"""The live service as a target: everything put together, looked over before a run, put back at its end.

Nothing found here is the service's fault. What hinders a run is told as a diagnosis that names the field to change.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from pydantic import TypeAdapter

from fulfillment_conformance.answers import Answer, SubscriptionAnswer
from fulfillment_conformance.backend.client import FulfillmentClient
from fulfillment_conformance.drivers.base import OfferInfo
from fulfillment_conformance.drivers.live import LiveDriver
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.exchange import Exchange, Observer, header
from fulfillment_conformance.http_client import trust
from fulfillment_conformance.interruptions import Interruption
from fulfillment_conformance.live.diagnosis import of_network, of_refusal
from fulfillment_conformance.live.entra import (
    EntraTokens,
    PublisherApplication,
    certificate_credential,
    federated_credential,
)
from fulfillment_conformance.live.guard import Allowance, Guard
from fulfillment_conformance.live.http import LiveHttp
from fulfillment_conformance.live.ledger import Ledger
from fulfillment_conformance.live.section import LiveSection
from fulfillment_conformance.live.situations import FoundSituations
from fulfillment_conformance.live.standin import authority_of
from fulfillment_conformance.live.undo import Undo, told
from fulfillment_conformance.preflight import Preflight, clocks_agree, tells_calls_apart
from fulfillment_conformance.redaction import Redactor
from fulfillment_conformance.target import MarketplaceTarget

_OFFERS = TypeAdapter(tuple[OfferInfo, ...])


@dataclass
class LiveService:
    """The way to the live service, guarded, with the publisher's own token."""

    target: MarketplaceTarget
    section: LiveSection
    http: LiveHttp
    tokens: EntraTokens
    client: FulfillmentClient
    driver: LiveDriver
    undo: Undo

    @property
    def base_url(self) -> str:
        """Where the Fulfillment API is."""
        assert self.target.base_url is not None
        return self.target.base_url


def application_of(target: MarketplaceTarget) -> PublisherApplication:
    """Return the publisher's application, with the credential that the file names.

    Raises:
        UsageProblem: the credential's file cannot be used.
    """
    identity = target.identity
    assert identity is not None
    password = identity.client_certificate_password
    if identity.client_secret is not None:
        credential: object = identity.client_secret.get_secret_value()
    elif identity.client_certificate is not None:
        credential = certificate_credential(
            identity.client_certificate, password.get_secret_value() if password else None
        )
    else:
        credential = federated_credential(lambda: identity.federated_assertion(target.file.parent))
    return PublisherApplication(
        tenant_id=identity.tenant_id,
        client_id=identity.client_id,
        credential=credential,  # type: ignore[arg-type] # one of the three forms that msal takes
        credential_key=identity.credentials[0],
        authority=authority_of(target),
        resource=identity.resource,
        endpoint=identity.endpoint,
    )


@contextmanager
def live_service(
    target: MarketplaceTarget,
    *,
    observer: Observer,
    redactor: Redactor,
    ledger: Path | None = None,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[LiveService]:
    """Prepare the way to the live service; nothing is sent yet.

    Args:
        target: a target with the driver `live`.
        observer: hears of every exchange.
        redactor: learns the secrets that come up.
        ledger: the ledger's file, instead of the one that the target names.
        wait: sleeps so many seconds.

    Raises:
        UsageProblem: a file that the target names cannot be used.
    """
    assert target.base_url is not None
    assert target.identity is not None
    section = target.live or LiveSection()
    folder = target.file.parent
    book = Ledger(
        ledger or folder / section.ledger,
        api=target.base_url,
        requests_per_day=section.requests_per_day,
        requests_per_minute=section.requests_per_minute,
    )
    allowance = Allowance(
        base_url=target.base_url,
        authority=authority_of(target),
        tenant_id=target.identity.tenant_id,
        subscriptions={each.id: each for each in section.subscriptions},
        tokens={each.token.get_secret_value(): each.subscription for each in section.purchase_tokens},
    )
    with (
        book,
        LiveHttp(
            Guard(allowance, own_operation=book.is_own),
            book,
            kill_switch=folder / section.kill_switch,
            wait=wait,
            observer=observer,
            tls=trust(target.tls_ca),
            timeout=target.timeout,
            addresses={host.lower(): (place.host, place.port) for host, place in target.addresses.items()},
        ) as http,
    ):
        application = application_of(target)
        tokens = EntraTokens(application, http, learn=redactor.learn)
        http.tokens = tokens
        client = FulfillmentClient(target.base_url, http=http, access_token=tokens)
        driver = LiveDriver(
            tenant_id=application.tenant_id,
            client_id=application.client_id,
            client_secret=application.credential if isinstance(application.credential, str) else None,
            authority=application.authority,
            resource=application.resource,
            offers=_OFFERS.validate_python([offer.model_dump(by_alias=True) for offer in target.offers]),
        )
        yield LiveService(target, section, http, tokens, client, driver, Undo(client, http, wait=wait))


def look_over(service: LiveService, preflight: Preflight) -> None:
    """Make sure that judging makes sense, and that an earlier run has left nothing changed.

    Raises:
        EnvironmentUnavailable: it does not; the message is a diagnosis.
    """
    try:
        _look_over(service, preflight)
    except Interruption as hindered:
        raise EnvironmentUnavailable(str(hindered)) from None


def _look_over(service: LiveService, preflight: Preflight) -> None:
    base_url = service.base_url
    listing = f"{base_url}/saas/subscriptions?api-version=2018-08-31"
    first = service.http.send("GET", listing, purpose="is anybody there?")
    preflight.look("reachable", lambda: _reachable(first, base_url))
    preflight.look("clock", lambda: clocks_agree(first, base_url))
    preflight.look("access token", lambda: _got(service))
    listed = service.client.list_subscriptions()
    preflight.look("access token taken", lambda: _taken(service, listed))
    preflight.look("left over", lambda: put_back(service))
    looks = [service.client.get_subscription(each.id) for each in service.section.subscriptions if "read" in each.may]
    preflight.look("answers", lambda: tells_calls_apart([Answer(first), listed, *looks], base_url))
    preflight.look("subscriptions", lambda: _subscriptions(service, looks))
    preflight.look("allowed", lambda: _allowed(service))


def put_back(service: LiveService) -> str:
    """Undo whatever the ledger says is changed, and say what was done.

    Raises:
        EnvironmentUnavailable: something could not be put back.
        MissingCapability: the target file, the budget or the kill switch forbids it.
    """
    outcomes = service.undo.everything()
    if stuck := [str(outcome) for outcome in outcomes if outcome.result == "open"]:
        raise EnvironmentUnavailable(
            f"{'; '.join(stuck)}; look at the subscription in Partner Center or the portal, and run restore again"
        )
    said = [f"{len(outcomes)} earlier change{'s' if len(outcomes) > 1 else ''} undone"] if outcomes else ["nothing"]
    return "; ".join([*said, *told(outcomes)])


@contextmanager
def opened(service: LiveService, redactor: Redactor) -> Iterator[FoundSituations]:
    """Lend out situations while the block runs; at its end everything is put back.

    Raises:
        EnvironmentUnavailable: something could not be put back; `restore` can be tried later.
    """
    situations = FoundSituations(
        service.driver,
        service.client,
        service.http,
        service.section,
        service.undo,
        redactor=redactor,
        publisher_id=service.target.publisher_id,
    )
    with ExitStack() as stack:
        stack.callback(_put_back_at_last, service)
        yield situations


def _put_back_at_last(service: LiveService) -> None:
    if service.http.ledger.open_changes():
        try:
            put_back(service)
        except Interruption as hindered:
            raise EnvironmentUnavailable(
                f"not everything could be put back: {hindered}; run restore when that has changed"
            ) from None


def _reachable(exchange: Exchange, base_url: str) -> str:
    if exchange.status is None:
        diagnosis = of_network(exchange.error or "", base_url.partition("://")[2].partition("/")[0])
        raise EnvironmentUnavailable(f"marketplace.base_url {base_url} gave no answer: {diagnosis}")
    return f"answers {exchange.status}"


def _got(service: LiveService) -> str:
    service.tokens()
    application = service.tokens.application
    return f"obtained with {application.credential_key}, endpoint {application.endpoint}, for {application.resource}"


def _taken(service: LiveService, answer: Answer) -> str:
    if answer.status_code in {401, 403}:
        raise EnvironmentUnavailable(
            f"{service.base_url} refuses the access token: {_refusal(service, answer, lists=False)}"
        )
    if not answer.is_success:
        raise EnvironmentUnavailable(
            f"{service.base_url}/saas/subscriptions answered {answer.status_code or answer.error} to the list of "
            "subscriptions; check marketplace.base_url, the address that /saas/subscriptions is below"
        )
    return "accepted"


def _refusal(service: LiveService, answer: Answer, *, lists: bool) -> str:
    date = header(answer.exchange.response_headers, "date")
    try:
        their_time = None if date is None else parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        their_time = None
    asked = service.tokens.application.asked
    return str(of_refusal(service.tokens.claims, asked, now=time.time(), their_time=their_time, lists=lists))


def _subscriptions(service: LiveService, looks: list[SubscriptionAnswer]) -> str:
    """Make sure that what is listed is there, and is what the file says: later it is compared with that."""
    readable = [each for each in service.section.subscriptions if "read" in each.may]
    for listed, look in zip(readable, looks, strict=True):
        if look.status_code in {401, 403}:
            refusal = _refusal(service, look, lists=True)
            raise EnvironmentUnavailable(f"subscription {listed.id} is refused: {refusal}")
        if look.status_code == 404:
            raise EnvironmentUnavailable(
                f"subscription {listed.id} of marketplace.live.subscriptions does not exist at {service.base_url}; "
                "`inventory` shows what does"
            )
        if look.is_success and look["offerId"].value != listed.offer:
            raise EnvironmentUnavailable(
                f"subscription {listed.id} is listed under offer {listed.offer!r}, and is of "
                f"{look['offerId'].value!r}; correct marketplace.live.subscriptions[].offer, which says what may be "
                "touched"
            )
        plan, seats = str(look.plan.value).strip(), str(look.quantity.value).strip()
        wrong = [("plan", plan, listed.plan)] if plan != listed.plan else []
        if listed.quantity is not None and seats != str(listed.quantity):
            wrong.append(("quantity", seats, str(listed.quantity)))
        for key, shown, said in wrong if look.is_success else ():
            raise EnvironmentUnavailable(
                f"subscription {listed.id} shows {key} {shown!r}, and the target file says {said!r}; correct "
                f"marketplace.live.subscriptions[].{key}, or change the subscription back in the portal"
            )
    states = ", ".join(f"{look.status.value}" for look in looks)
    return f"{len(looks)} listed: {states}" if looks else "none listed; `inventory` proposes the section live"


def _allowed(service: LiveService) -> str:
    changing = [each for each in service.section.subscriptions if set(each.may) - {"read"}]
    used = service.http.ledger.used()
    return (
        f"changes on {len(changing)} of {len(service.section.subscriptions)} subscriptions; "
        f"{service.section.requests_per_day - used} of {service.section.requests_per_day} requests left for 24 hours"
    )
