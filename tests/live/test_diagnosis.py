"""Each misconfiguration is made for real: at the stand-in's Entra, at its offers, or in the file, with msal between."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.live.account import API, APPLICATION, ENVIRONMENT, SEATS, TENANT, Account, account, subscriptions
from tests.live.credentials import FEDERATED, certificate, pipeline_token

from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator.faults import Answers, Rewrites
from fulfillment_conformance.errors import EnvironmentUnavailable
from fulfillment_conformance.live.diagnosis import ENTRA, Asked, of_entra, of_network, of_refusal
from fulfillment_conformance.live.opening import look_over
from fulfillment_conformance.preflight import Preflight

MARKETPLACE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
FORMER = "62d94f6c-d599-489b-a797-3e10e42fbe22"
ANOTHER = "00000000-1111-4222-8333-444444444444"


@dataclass(frozen=True)
class Mistake:
    """What is wrong, the name of its diagnosis, and the field that has to change.

    `identity` and `marketplace` are keys of the file, `environ` are variables, `at` changes the stand-in.
    """

    name: str
    to_change: str
    identity: Mapping[str, Any] = field(default_factory=dict)
    marketplace: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, Any] = field(default_factory=dict)
    at: Callable[[Account], object] = lambda _acc: None


def entra_says(number: int, error: str = "invalid_client") -> Callable[[Account], object]:
    """Let the token endpoint refuse in Entra's form."""
    said = {"error": error, "error_description": f"AADSTS{number}: No. Trace ID: 1", "error_codes": [number]}
    return lambda acc: acc.emulator.faults.add(Answers(401, said), call="token")


def token_says(**claims: Any) -> Callable[[Account], object]:
    """Let the token endpoint issue a token that differs from a good one in some claims; None leaves one out."""

    def change(acc: Account) -> object:
        identity = acc.emulator.identity
        application = identity.directory.fulfillment_application

        def other(document: dict[str, Any]) -> dict[str, Any]:
            genuine = identity.tokens.access_claims(application, audience=MARKETPLACE, version=2)
            said = {name: value for name, value in {**genuine, **claims}.items() if value is not None}
            return {**document, "access_token": identity.sign({}, said)}

        return acc.emulator.faults.add(Rewrites(other), call="token")

    return change


def published_with_another_application(*offers: str) -> Callable[[Account], object]:
    def change(acc: Account) -> None:
        market = acc.emulator.market
        for offer in market.offers():
            if not offers or offer.offer_id in offers:
                market.publish(replace(offer, app_id=ANOTHER))

    return change


def federated(acc: Account) -> None:
    application = acc.emulator.identity.directory.fulfillment_application
    object.__setattr__(application, "federated", (FEDERATED,))


def no_marketplace_in_tenant(acc: Account) -> None:
    acc.emulator.identity.directory.resource = lambda name: None  # type: ignore[method-assign]


BY_PIPELINE = {"client_secret": None, "federated_token": "${FEDERATED_TOKEN}"}

MISTAKES = [
    Mistake("wrong-tenant", "identity.tenant_id", identity={"tenant_id": ANOTHER}),
    Mistake("tenant-not-named", "identity.tenant_id", identity={"tenant_id": "common"}),
    Mistake("wrong-application", "identity.client_id", identity={"client_id": ANOTHER}),
    Mistake("wrong-secret", "identity.client_secret", environ={"CLIENT_SECRET": "of-another-application"}),
    Mistake("secret-id-instead-of-value", "identity.client_secret", environ={"CLIENT_SECRET": ANOTHER}),
    Mistake("expired-secret", "identity.client_secret", at=entra_says(7000222)),
    Mistake("missing-service-principal", "Enterprise applications", at=entra_says(7000229, "unauthorized_client")),
    Mistake("missing-service-principal", "Enterprise applications", at=token_says(oid=None)),
    Mistake("application-disabled", "Enabled for users to sign-in", at=entra_says(7000112, "unauthorized_client")),
    Mistake("former-resource", "identity.resource", identity={"resource": FORMER}),
    Mistake(
        "resource-is-an-address", "identity.resource", identity={"resource": "https://marketplaceapi.microsoft.com"}
    ),
    Mistake("wrong-resource", "identity.resource", identity={"resource": ANOTHER}),
    Mistake("wrong-resource", "identity.resource", identity={"resource": "00000003-0000-0000-c000-000000000000"}),
    Mistake("wrong-scope", "identity.resource", at=entra_says(1002012, "invalid_scope")),
    Mistake("tenant-without-the-marketplace", "Enterprise applications", at=no_marketplace_in_tenant),
    Mistake("marketplace-disabled-in-tenant", "Properties", at=entra_says(500014, "invalid_resource")),
    Mistake(
        "certificate-not-registered",
        "identity.client_certificate",
        identity={"client_secret": None, "client_certificate": "application.pem"},
    ),
    Mistake(
        "federated-subject-mismatch",
        "Subject identifier",
        identity=BY_PIPELINE,
        environ={"FEDERATED_TOKEN": pipeline_token(sub="repo:contoso/crm:pull_request")},
        at=federated,
    ),
    Mistake(
        "federated-subject-mismatch",
        "Subject identifier",
        identity=BY_PIPELINE,
        environ={"FEDERATED_TOKEN": pipeline_token()},
    ),
    Mistake(
        "federated-issuer-mismatch",
        "Federated credentials > Issuer",
        identity=BY_PIPELINE,
        environ={"FEDERATED_TOKEN": pipeline_token(iss="https://gitlab.example")},
        at=federated,
    ),
    Mistake(
        "federated-audience-mismatch",
        "identity.federated_token",
        identity=BY_PIPELINE,
        environ={"FEDERATED_TOKEN": pipeline_token(aud="https://github.com/contoso")},
        at=federated,
    ),
    Mistake(
        "federated-token-malformed",
        "identity.federated_token",
        identity=BY_PIPELINE,
        environ={"FEDERATED_TOKEN": '{"value": "eyJ..."}'},
        at=federated,
    ),
    Mistake(
        "clock-skew",
        "this machine's clock",
        identity=BY_PIPELINE,
        environ={"FEDERATED_TOKEN": pipeline_token(exp=int(time.time()) - 3600)},
        at=federated,
    ),
    Mistake(
        "audience-spelled-differently", "identity.resource", identity={"resource": f"{MARKETPLACE}/", "endpoint": "v1"}
    ),
    Mistake("audience-spelled-differently", "identity.resource", at=token_says(aud=f"api://{MARKETPLACE}")),
    Mistake("conditional-access", "Conditional Access", at=entra_says(53003, "access_denied")),
    Mistake("consent-missing", "Permissions", at=entra_says(65001, "invalid_grant")),
    Mistake("entra-is-busy", "nothing", at=entra_says(90033, "temporarily_unavailable")),
    Mistake(
        "offer-published-with-another-application",
        "Technical configuration > Microsoft Entra tenant ID, Microsoft Entra application ID",
        at=published_with_another_application(),
    ),
    Mistake(
        "subscription-of-another-application",
        "live.subscriptions[].id",
        at=published_with_another_application("contoso-seats-preview"),
    ),
    Mistake("certificate-distrusted", "marketplace.tls_ca", marketplace={"tls_ca": "another-authority.pem"}),
    Mistake(
        "name-not-resolved",
        "marketplace.base_url",
        marketplace={"base_url": "https://marketplaceapi.invalid/api"},
    ),
    Mistake(
        "not-reachable",
        "marketplace.addresses",
        marketplace={"addresses": {"marketplaceapi.microsoft.com": "127.0.0.1:9"}},
    ),
]


def diagnosed(folder: Path, monkeypatch: pytest.MonkeyPatch, mistake: Mistake) -> str:
    certificate(folder)
    (folder / "another-authority.pem").write_bytes(CertificateAuthority().pem)
    for name, value in mistake.environ.items():
        monkeypatch.setitem(ENVIRONMENT, name, value)
    identity = {"tenant_id": TENANT, "client_id": APPLICATION, "client_secret": "${CLIENT_SECRET}", **mistake.identity}
    identity = {name: value for name, value in identity.items() if value is not None}
    with account(folder, mistake.live, identity=identity, **mistake.marketplace) as acc:
        mistake.at(acc)
        with acc.service() as service, pytest.raises(EnvironmentUnavailable) as hindered:
            look_over(service, Preflight())
    return str(hindered.value)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_named_with_the_field_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: Mistake
) -> None:
    said = diagnosed(tmp_path, monkeypatch, mistake)

    assert f"[{mistake.name}]" in said
    assert mistake.to_change in said.partition("To change: ")[2].partition(". What to do: ")[0]
    assert not [value for value in mistake.environ.values() if value in said and value != ANOTHER]


def test_there_are_more_than_fifteen() -> None:
    assert len({mistake.name for mistake in MISTAKES}) >= 25


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"marketplace": {"base_url": f"{API}/v2"}}, "check marketplace.base_url"),
        (
            {
                "live": {
                    "subscriptions": [{"id": ANOTHER, "offer": "o-preview", "plan": "silver"}],
                    "purchase_tokens": [],
                }
            },
            f"subscription {ANOTHER} of marketplace.live.subscriptions does not exist",
        ),
        (
            {"live": {"subscriptions": [{**subscriptions()[0], "offer": "o-preview"}], "purchase_tokens": []}},
            "correct marketplace.live.subscriptions[].offer",
        ),
        (
            {"live": {"subscriptions": [{**subscriptions()[0], "plan": "gold"}], "purchase_tokens": []}},
            "shows plan 'silver', and the target file says 'gold'; correct marketplace.live.subscriptions[].plan",
        ),
        (
            {"live": {"subscriptions": [{**subscriptions()[2], "quantity": 9}], "purchase_tokens": []}},
            "shows quantity '10', and the target file says '9'",
        ),
    ],
)
def test_what_entra_has_no_part_in_is_told_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    assert said in diagnosed(tmp_path, monkeypatch, Mistake("", "", **changes))


ASKED = Asked(tenant_id=TENANT, client_id=APPLICATION, resource=MARKETPLACE, credential="client_secret")


def test_every_number_of_entras_has_one_meaning_unless_something_tells_two_apart() -> None:
    first = {number: known for known in reversed(ENTRA) for number in known.numbers}

    for number, known in first.items():
        diagnosis = of_entra({"error_codes": [number]}, replace(ASKED, resource="x", secret_is_an_id=False))
        assert diagnosis.name
        assert diagnosis.do
        assert known.numbers
    assert of_entra({"error_description": "AADSTS7000222: expired"}, ASKED).name == "expired-secret"
    assert of_entra({"error_codes": "nonsense", "error": "x"}, ASKED).name == "unknown"


def test_a_clock_is_told_from_a_wrong_offer() -> None:
    good = {"aud": MARKETPLACE, "oid": "x", "tid": TENANT}

    assert of_refusal(good, ASKED, now=1000, their_time=2000).name == "clock-skew"
    assert of_refusal(good, ASKED, now=1000, their_time=1100).name == "offer-published-with-another-application"
    assert of_refusal(None, ASKED, now=1000).name == "offer-published-with-another-application"
    assert of_refusal({**good, "tid": SEATS}, ASKED, now=1000).name == "token-of-another-tenant"


def test_network_faults_are_told_apart() -> None:
    assert of_network("ConnectError: [Errno -2] Name or service not known", "h").name == "name-not-resolved"
    assert of_network("ConnectTimeout", "h").name == "not-reachable"


PAGE = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")


def test_every_name_is_on_the_page_and_every_name_on_the_page_is_given() -> None:
    table = PAGE.partition("## When it does not work")[2]
    told = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`([a-z-]+)`", row)
    }
    given = (
        {known.diagnosis.name for known in ENTRA} | {mistake.name for mistake in MISTAKES} | {"token-of-another-tenant"}
    )

    assert told == given
