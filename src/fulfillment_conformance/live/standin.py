"""A stand-in of the live service: the emulator behind TLS, on the live service's own host names.

It holds the subscriptions of a target file under their own ids, takes the file's purchase tokens, and knows the file's
application by whatever credential it has. Whoever goes by the target that it gives reaches it instead of Microsoft:
that target differs from the file in `addresses` and `tls_ca`, which are the user's own means as well.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.identity.settings import FederatedCredential, IdentitySettings
from fulfillment_conformance.emulator.messages import Reply, Request
from fulfillment_conformance.emulator.offers import BENEFICIARY, offers_from
from fulfillment_conformance.emulator.settings import Profile
from fulfillment_conformance.exchange import Observer, ignore
from fulfillment_conformance.fieldtypes import HostAndPort
from fulfillment_conformance.live.entra import PUBLIC_CLOUD
from fulfillment_conformance.live.section import ListedSubscription, LiveSection, PurchaseToken
from fulfillment_conformance.marketplace import Caller, Marketplace, Offer, Purchase
from fulfillment_conformance.serving import serve
from fulfillment_conformance.target import MarketplaceTarget


@dataclass(frozen=True, slots=True)
class StandIn:
    """A running stand-in, and the target by which it is reached."""

    emulator: Emulator
    target: MarketplaceTarget


@contextmanager
def stand_in(
    target: MarketplaceTarget,
    *,
    profile: Profile = "documented",
    observer: Observer = ignore,
    folder: Path | None = None,
) -> Iterator[StandIn]:
    """Serve a stand-in for a target with the driver `live`, on loopback, while the block runs.

    Args:
        target: what the stand-in is built after.
        profile: whose behaviour it shows.
        observer: hears of every request that arrives.
        folder: where its authority's certificate is put; None takes a temporary one.
    """
    emulator = emulator_of(target, profile=profile, observer=observer)
    hosts = {_host(target.base_url or ""), _host(authority_of(target))}
    authority = CertificateAuthority()
    with tempfile.TemporaryDirectory() as temporary:
        certificate = authority.write(folder or Path(temporary))
        with serve(emulator.app, tls=authority.server_context(*sorted(hosts))) as serving:
            here = HostAndPort(serving.host, serving.port)
            changed = target.model_copy(update={"tls_ca": certificate, "addresses": dict.fromkeys(sorted(hosts), here)})
            yield StandIn(emulator, changed)


def authority_of(target: MarketplaceTarget) -> str:
    """Return the identity provider's address; the public cloud's where the file names none."""
    assert target.identity is not None
    return target.identity.authority or PUBLIC_CLOUD


def emulator_of(target: MarketplaceTarget, *, profile: Profile = "documented", observer: Observer = ignore) -> Emulator:
    """Return an emulator that has what a target file lists."""
    identity = _identity(target)
    live = target.live or LiveSection()
    offers = _offers(target, live.subscriptions, identity)
    emulator = Emulator(Settings(profile=profile, offers=offers, identity=identity), observer=observer)
    for listed in live.subscriptions:
        build(emulator.market, listed, identity)
    _take_tokens(emulator, live.purchase_tokens)
    return emulator


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""


def _identity(target: MarketplaceTarget) -> IdentitySettings:
    given = target.identity
    assert given is not None
    settings = IdentitySettings(tenant_id=given.tenant_id, client_id=given.client_id, client_secret="-")  # noqa: S106
    if given.client_secret is not None:
        return replace(settings, client_secret=given.client_secret.get_secret_value())
    if given.client_certificate is not None:
        return replace(settings, certificate_pem=given.client_certificate.read_bytes())
    token = given.federated_assertion(target.file.parent)
    return replace(settings, federated=_issued_by(token))


def _issued_by(token: str) -> tuple[FederatedCredential, ...]:
    """Return the credential that a pipeline's token is one of; none when it is no token."""
    try:
        claims: Mapping[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return ()
    return (FederatedCredential(issuer=str(claims.get("iss")), subject=str(claims.get("sub"))),)


def _offers(
    target: MarketplaceTarget, listed: Sequence[ListedSubscription], identity: IdentitySettings
) -> tuple[Offer, ...]:
    """Return the file's offers, and beside them whatever the subscriptions name and no offer has."""
    documents: dict[str, dict[str, Any]] = {offer.offer_id: offer.document() for offer in target.offers}
    for each in listed:
        document = documents.setdefault(each.offer, {"offerId": each.offer, "plans": []})
        if all(plan["planId"] != each.plan for plan in document["plans"]):
            seats = {"isPricePerSeat": True, "minQuantity": 1} if each.quantity is not None else {}
            document["plans"] = [*document["plans"], {"planId": each.plan, **seats}]
    return offers_from(list(documents.values()), identity)


def build(
    market: Marketplace, listed: ListedSubscription, identity: IdentitySettings, *, term_unit: str | None = None
) -> None:
    """Put one subscription there, in the state that the file tells of; its term is the plan's first, if not given."""
    offer = next(offer for offer in market.offers() if offer.offer_id == listed.offer)
    plan = offer.plan(listed.plan)
    assert plan is not None
    quantity = listed.quantity if plan.is_price_per_seat else None
    market.purchase(
        Purchase(
            offer_id=offer.offer_id,
            plan_id=listed.plan,
            quantity=quantity,
            term_unit=term_unit,
            beneficiary=BENEFICIARY,
            subscription_id=listed.id,
            name=f"{listed.offer} {listed.id[:8]}",
        )
    )
    if listed.status == "PendingFulfillmentStart":
        return
    market.activate(Caller(offer.publisher_id, identity.tenant_id.lower(), identity.client_id.lower()), listed.id)
    if listed.status == "Suspended":
        market.suspend(listed.id)
    elif listed.status == "Unsubscribed":
        market.unsubscribe(listed.id)


def _take_tokens(emulator: Emulator, tokens: Sequence[PurchaseToken]) -> None:
    """Let the file's purchase tokens stand for the stand-in's own."""
    own = {each.token.get_secret_value(): emulator.market.issue_token(each.subscription) for each in tokens}

    def resolve(request: Request, answer: Any) -> Reply:
        given = request.headers.get("x-ms-marketplace-token", "")
        if given in own:
            request.headers = {**request.headers, "x-ms-marketplace-token": own[given]}
        reply: Reply = answer(request)
        return reply

    emulator.api.wrap("resolve", resolve)
