import pytest

from fulfillment_conformance.emulator.callers import Callers, ObservedVerifier
from fulfillment_conformance.emulator.clock import wall_clock
from fulfillment_conformance.emulator.identity import FABRIKAM, IdentityProvider, IdentitySettings, NoServicePrincipal
from fulfillment_conformance.emulator.identity.settings import FORMER_MARKETPLACE_APP_ID
from fulfillment_conformance.emulator.identity.verification import AccessTokenForOtherAudience, AccessTokenRefused
from fulfillment_conformance.emulator.offers import default_offers
from fulfillment_conformance.marketplace import Caller, Ids, Marketplace, Refused

IDENTITY = IdentitySettings()


@pytest.fixture
def identity() -> IdentityProvider:
    return IdentityProvider(IDENTITY)


def callers(identity: IdentityProvider, *, offers: int = 3) -> Callers:
    market = Marketplace(ids=Ids(0), start=wall_clock(), offers=default_offers(IDENTITY)[:offers])
    return Callers(market, identity)


def former(identity: IdentityProvider) -> str:
    application = identity.directory.fulfillment_application
    claims = identity.tokens.access_claims(application, audience=FORMER_MARKETPLACE_APP_ID, version=1)
    return identity.sign({}, claims)


@pytest.mark.parametrize("version", [1, 2])
def test_a_token_leads_to_the_publisher_whose_offers_name_its_application(
    identity: IdentityProvider, version: int
) -> None:
    token = identity.access_token(version=1 if version == 1 else 2)

    assert callers(identity)(f"Bearer {token}") == Caller("contoso", IDENTITY.tenant_id, IDENTITY.client_id)


def test_another_application_leads_to_another_publisher(identity: IdentityProvider) -> None:
    token = identity.access_token("foreign-publisher")

    assert callers(identity)(f"Bearer {token}") == Caller("fabrikam", FABRIKAM.tenant_id, FABRIKAM.client_id)


def test_an_application_that_no_offer_names_is_refused(identity: IdentityProvider) -> None:
    with pytest.raises(Refused, match="technical configuration") as refused:
        callers(identity, offers=2)(f"Bearer {identity.access_token('foreign-publisher')}")
    assert refused.value.status == 403


def test_without_a_token_nobody_calls(identity: IdentityProvider) -> None:
    with pytest.raises(AccessTokenRefused):
        callers(identity)(None)


def test_the_live_service_has_been_seen_to_let_in_two_kinds_more(identity: IdentityProvider) -> None:
    registered_only, for_version_1 = identity.access_token("no-service-principal"), former(identity)
    with pytest.raises(NoServicePrincipal):
        callers(identity)(f"Bearer {registered_only}")
    with pytest.raises(AccessTokenForOtherAudience):
        callers(identity)(f"Bearer {for_version_1}")

    identity.verifier = ObservedVerifier(identity.keys)

    assert callers(identity)(f"Bearer {registered_only}").publisher_id == "contoso"
    assert callers(identity)(f"Bearer {for_version_1}").publisher_id == "contoso"
    with pytest.raises(AccessTokenForOtherAudience):
        callers(identity)(f"Bearer {identity.access_token('wrong-audience')}")
