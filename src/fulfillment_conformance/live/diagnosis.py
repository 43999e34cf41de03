"""What usually goes wrong between a publisher, Entra and the Fulfillment API, in words that name the field to change.

Entra says what it dislikes by number (AADSTS...); the Fulfillment API has one text for all causes, so what it dislikes
is read from the token that it refused. Sources: the pages on registering a SaaS application and on Entra's error codes;
what the live service does instead is LB-51 to LB-53 of the field notes in docs/live.md.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fulfillment_conformance.emulator.identity.settings import FORMER_MARKETPLACE_APP_ID, MARKETPLACE_APP_ID

SKEW_SECONDS: Final = 300.0
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"AADSTS(\d+)")

_NO_TENANTS = frozenset({"common", "organizations", "consumers"})
_REGISTRATION = "Entra admin center > App registrations > your application"
_CREDENTIALS = f"{_REGISTRATION} > Certificates & secrets"
_ENTERPRISE = "Entra admin center > Enterprise applications"
_TECHNICAL = "Partner Center > Marketplace offers > your offer > Technical configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, as the target file has it.

    `secret_is_an_id` says whether the secret has the form of a GUID, as the *Secret ID* has and no secret's value.
    """

    tenant_id: str
    client_id: str
    resource: str
    credential: str
    authority: str = ""
    endpoint: str = "v2"
    secret_is_an_id: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One usual failure.

    Attributes:
        name: a short name that stays the same, for search and for tests.
        means: what is so.
        field: the key of the target file, or the field in Entra or Partner Center, that has to change.
        do: where to change it, and to what.
    """

    name: str
    means: str
    field: str
    do: str

    def __str__(self) -> str:
        return f"[{self.name}] {self.means}. To change: {self.field}. What to do: {self.do}"


@dataclass(frozen=True, slots=True)
class _Entra:
    """A number of Entra's, and what it usually means; `when` tells apart two causes of one number."""

    numbers: frozenset[int]
    diagnosis: Diagnosis
    when: Callable[[Asked, str], bool] = field(default=lambda _asked, _said: True)


def _known(
    *numbers: int,
    name: str,
    means: str,
    field: str,
    do: str,
    when: Callable[[Asked, str], bool] = lambda _asked, _said: True,
) -> _Entra:
    return _Entra(frozenset(numbers), Diagnosis(name=name, means=means, field=field, do=do), when)


ENTRA: Final = (
    _known(
        50059,
        90019,
        90130,
        name="tenant-not-named",
        means="'common', 'organizations' and 'consumers' are no tenants that an application can sign in to by itself",
        field="marketplace.identity.tenant_id",
        do=f"set it to the Directory (tenant) ID of {_REGISTRATION} > Overview",
    ),
    _known(
        90002,
        900021,
        900023,
        name="wrong-tenant",
        means="no tenant has this id",
        field="marketplace.identity.tenant_id",
        do=f"set it to the Directory (tenant) ID of {_REGISTRATION} > Overview; {_TECHNICAL} names the same one",
    ),
    _known(
        700016,
        name="wrong-application",
        means="the tenant has no application with this id: the id is wrong (an object id, the landing page's "
        "application), or the application is registered in another tenant",
        field="marketplace.identity.client_id (or tenant_id)",
        do=f"set it to the Application (client) ID of {_REGISTRATION} > Overview, and tenant_id to the Directory "
        "(tenant) ID beside it",
    ),
    _known(
        7000229,
        name="missing-service-principal",
        means="the application is registered, but has no service principal in its tenant",
        field=_ENTERPRISE,
        do="create it: `az ad sp create --id <client_id>`, or open the application's Overview and follow 'Create "
        "Service Principal'; nothing in the target file is to be changed",
    ),
    _known(
        7000112,
        name="application-disabled",
        means="an administrator has disabled the application in this tenant",
        field=f"{_ENTERPRISE} > your application > Properties > Enabled for users to sign-in",
        do="set it to Yes, or name an application that is in use in marketplace.identity.client_id",
    ),
    _known(
        7000222,
        name="expired-secret",
        means="the client secret has expired",
        field="marketplace.identity.client_secret",
        do=f"{_CREDENTIALS} > Client secrets > New client secret; put its Value into the environment variable of "
        "client_secret, where the pipeline keeps it",
    ),
    _known(
        7000215,
        name="secret-id-instead-of-value",
        means="the client secret has the form of a Secret ID; what is wanted is its Value, which is shown only once",
        field="marketplace.identity.client_secret",
        do=f"{_CREDENTIALS} > Client secrets > New client secret, and copy the column Value",
        when=lambda asked, _said: asked.secret_is_an_id,
    ),
    _known(
        7000215,
        name="wrong-secret",
        means="the client secret is not one of this application's: it was copied from another one, cut off, or deleted",
        field="marketplace.identity.client_secret",
        do=f"{_CREDENTIALS} > Client secrets > New client secret, and copy the column Value at once",
    ),
    _known(
        7000218,
        name="no-credential",
        means="the request carried no credential that Entra reads",
        field="marketplace.identity.client_secret, client_certificate or federated_token",
        do=f"give one of them; the application needs the same kind in {_CREDENTIALS}",
    ),
    _known(
        500011,
        name="resource-is-an-address",
        means="the resource was asked for by an address; the marketplace is known by its application id only",
        field="marketplace.identity.resource",
        do=f"remove the key, or set it to {MARKETPLACE_APP_ID}",
        when=lambda asked, _said: "://" in asked.resource,
    ),
    _known(
        500011,
        650052,
        name="tenant-without-the-marketplace",
        means="the tenant has no service principal of the marketplace's API, so it issues no token for it",
        field=_ENTERPRISE,
        do=f"create it once: `az ad sp create --id {MARKETPLACE_APP_ID}`; the tenant has to be the one of {_TECHNICAL}",
        when=lambda asked, _said: asked.resource == MARKETPLACE_APP_ID,
    ),
    _known(
        500011,
        650052,
        name="wrong-resource",
        means="the tenant knows no resource with this id",
        field="marketplace.identity.resource",
        do=f"remove the key, or set it to {MARKETPLACE_APP_ID}",
    ),
    _known(
        500014,
        name="marketplace-disabled-in-tenant",
        means="the tenant's service principal of the marketplace's API is disabled",
        field=f"{_ENTERPRISE} > (search for the id in marketplace.identity.resource) > Properties",
        do="an administrator sets Enabled for users to sign-in to Yes",
    ),
    _known(
        70011,
        1002012,
        28002,
        name="wrong-scope",
        means="the scope is not '<resource id>/.default', the only form for client credentials",
        field="marketplace.identity.resource",
        do=f"remove the key, or set it to {MARKETPLACE_APP_ID} without '/.default' and without a slash",
    ),
    _known(
        700027,
        name="certificate-not-registered",
        means="the certificate that signed the request is not registered for the application, or another one is",
        field="marketplace.identity.client_certificate",
        do=f"{_CREDENTIALS} > Certificates > Upload certificate: the public part of the file; compare the thumbprints",
    ),
    _known(
        700024,
        name="clock-skew",
        means="the signed request lies outside its time: this machine's clock is wrong, or the federated token is old",
        field="this machine's clock (marketplace.identity.federated_token, if it is used)",
        do="set the clock by NTP (`timedatectl set-ntp true`); fetch the federated token right before the run",
    ),
    _known(
        700023,
        name="wrong-authority",
        means="the signed request is made out to another identity provider than the one it was sent to",
        field="marketplace.identity.authority",
        do="remove the key for the public cloud; in a national cloud give that cloud's address",
    ),
    _known(
        700213,
        70021,
        name="federated-subject-mismatch",
        means="no federated credential of the application has the subject of this token (branch, tag, environment or "
        "pull request that the pipeline runs for)",
        field=f"{_CREDENTIALS} > Federated credentials > Subject identifier",
        do="set it to the subject that Entra names, letter by letter; GitHub's has the form "
        "repo:OWNER/NAME:ref:refs/heads/BRANCH",
    ),
    _known(
        700211,
        name="federated-issuer-mismatch",
        means="no federated credential of the application has the issuer of this token",
        field=f"{_CREDENTIALS} > Federated credentials > Issuer",
        do="set it to the issuer that Entra names, without a slash at its end if it has none there",
    ),
    _known(
        700212,
        name="federated-audience-mismatch",
        means="no federated credential of the application has the audience of this token",
        field="marketplace.identity.federated_token",
        do="fetch the token for the audience api://AzureADTokenExchange, which is what federated credentials expect",
    ),
    _known(
        50027,
        5002727,
        50013,
        name="federated-token-malformed",
        means="the token that stands for the application is no JWT, or its signature cannot be checked",
        field="marketplace.identity.federated_token (or federated_token_file)",
        do="put the token itself there, not the answer that it came in; print only its length to look at it",
    ),
    _known(
        53003,
        530031,
        530032,
        name="conditional-access",
        means="a Conditional Access policy for workload identities blocks the application from where this machine is",
        field="Entra admin center > Protection > Conditional Access > Policies (workload identities)",
        do="exclude the application's service principal, or add the addresses of the pipeline to the named locations; "
        "Sign-in logs > Service principal sign-ins names the policy",
    ),
    _known(
        65001,
        65004,
        90094,
        name="consent-missing",
        means="the tenant has not consented to the application's asking for this resource",
        field=f"{_ENTERPRISE} > your application > Permissions",
        do="an administrator presses Grant admin consent; the application has to be of the tenant that is asked",
    ),
    _known(
        700021,
        name="assertion-of-another-application",
        means="the signed request names another application than marketplace.identity.client_id",
        field="marketplace.identity.client_id",
        do="give the application whose certificate or federated credential this is",
    ),
    _known(
        90033,
        90013,
        50196,
        90055,
        name="entra-is-busy",
        means="Entra is out of order or asked too often",
        field="nothing",
        do="come back later; if it stays so look at the service health page of Azure",
    ),
)
"""Numbers that Entra answers token requests with; the first that fits counts."""


def of_entra(answer: Mapping[str, Any], asked: Asked) -> Diagnosis:
    """Say what an error of the token or metadata endpoint means.

    Args:
        answer: its JSON: `error`, `error_description`, `error_codes`.
        asked: what was asked for.
    """
    said = str(answer.get("error_description") or answer.get("error") or "")
    if asked.tenant_id.lower() in _NO_TENANTS:
        return ENTRA[0].diagnosis
    codes = answer.get("error_codes")
    numbers = [int(code) for code in codes if str(code).isdecimal()] if isinstance(codes, list) else []
    numbers += [int(number) for number in _NUMBER.findall(said)]
    for number in numbers:
        for known in ENTRA:
            if number in known.numbers and known.when(asked, said):
                return known.diagnosis
    return Diagnosis(
        name="unknown",
        means="Entra gave no token, and its reason is none of the usual ones",
        field=f"marketplace.identity (tenant_id, client_id, {asked.credential}, resource)",
        do="look the number up at https://login.microsoftonline.com/error, and the attempt in Entra admin center > "
        "Sign-in logs > Service principal sign-ins",
    )


def of_network(error: str, host: str) -> Diagnosis:
    """Say what it means that a host cannot be reached."""
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return Diagnosis(
            name="certificate-distrusted",
            means=f"the certificate of {host} is signed by nobody whom this machine trusts, as behind a proxy that "
            "looks into TLS",
            field="marketplace.tls_ca",
            do="name the PEM file of that proxy's authority; CA variables such as REQUESTS_CA_BUNDLE are not read",
        )
    resolved = any(word in error for word in ("Name or service", "getaddrinfo", "resolution", "nodename"))
    return Diagnosis(
        name="name-not-resolved" if resolved else "not-reachable",
        means=f"{host} {'is not known to the resolver of this machine' if resolved else 'cannot be reached'} ({error})",
        field="marketplace.identity.authority, marketplace.base_url or marketplace.addresses",
        do="check the address; a proxy has to let this machine through, since proxy variables are not read",
    )


def of_refusal(
    claims: Mapping[str, Any] | None,
    asked: Asked,
    *,
    now: float,
    their_time: float | None = None,
    lists: bool = False,
) -> Diagnosis:
    """Say why the Fulfillment API refuses an access token that Entra has issued, as far as the token tells.

    Args:
        claims: what the token says, None when it cannot be read.
        asked: what was asked for.
        now: this machine's time, seconds since 1970.
        their_time: the API's time by its Date header.
        lists: the API takes the token for the list, and refuses it for a single subscription.
    """
    claims = claims or {}
    audience = str(claims.get("aud", ""))
    bare = audience.removeprefix("api://").rstrip("/").lower()
    skew = 0.0 if their_time is None else their_time - now
    if abs(skew) > SKEW_SECONDS:
        return Diagnosis(
            name="clock-skew",
            means=f"this machine's clock and the API's are {abs(skew):.0f} seconds apart, so that tokens seem too old, "
            "or not yet valid",
            field="this machine's clock",
            do="set it by NTP (`timedatectl set-ntp true`)",
        )
    if bare == FORMER_MARKETPLACE_APP_ID:
        return Diagnosis(
            name="former-resource",
            means=f"the token is for {FORMER_MARKETPLACE_APP_ID}, the marketplace's application id of before 2020",
            field="marketplace.identity.resource",
            do=f"remove the key, or set it to {MARKETPLACE_APP_ID}",
        )
    if bare == MARKETPLACE_APP_ID and audience.lower() != MARKETPLACE_APP_ID:
        other = "v2" if asked.endpoint == "v1" else "v1"
        return Diagnosis(
            name="audience-spelled-differently",
            means=f"the token's audience is {audience!r}; the API compares it with the bare application id",
            field="marketplace.identity.resource (or endpoint)",
            do=f"set resource to {MARKETPLACE_APP_ID}, without 'api://' or a slash; if it is so, try endpoint: {other}",
        )
    if audience and bare != MARKETPLACE_APP_ID:
        return Diagnosis(
            name="wrong-resource",
            means=f"the token is for another resource, {audience!r}",
            field="marketplace.identity.resource",
            do=f"remove the key, or set it to {MARKETPLACE_APP_ID}",
        )
    if claims and "oid" not in claims:
        return Diagnosis(
            name="missing-service-principal",
            means="the token names no service principal (claim oid): the application is registered, and no more",
            field=_ENTERPRISE,
            do="create it: `az ad sp create --id <client_id>`",
        )
    if claims and str(claims.get("tid", "")).lower() != asked.tenant_id.lower() and _GUID.fullmatch(asked.tenant_id):
        return Diagnosis(
            name="token-of-another-tenant",
            means=f"the token is of tenant {claims.get('tid')}, not of {asked.tenant_id}",
            field="marketplace.identity.tenant_id (or authority)",
            do=f"give the tenant of {_TECHNICAL}",
        )
    if lists:
        return Diagnosis(
            name="subscription-of-another-application",
            means="the list is shown, this subscription is not: its offer is published with another application",
            field="marketplace.live.subscriptions[].id (or the offer's technical configuration)",
            do=f"list subscriptions of the offer whose {_TECHNICAL} names application {asked.client_id}",
        )
    return Diagnosis(
        name="offer-published-with-another-application",
        means=f"the token is in order, but no offer names application {asked.client_id} of tenant {asked.tenant_id}",
        field=f"{_TECHNICAL} > Microsoft Entra tenant ID, Microsoft Entra application ID",
        do="set both to the ids of the target file, and publish the offer again (Review and publish > Preview is "
        "enough); or put the offer's ids into marketplace.identity. It takes up to an hour to be in force",
    )
