"""Who exists in the emulator's Entra: tenants, application registrations, users."""

from dataclasses import dataclass, field

MARKETPLACE_APP_ID = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
"""The application id of Microsoft's marketplace: audience of access tokens, sender of notification tokens."""

FORMER_MARKETPLACE_APP_ID = "62d94f6c-d599-489b-a797-3e10e42fbe22"
"""The resource of version 1 of the API. Tokens for it are still issued, and refused by version 2."""

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
"""The application id of Microsoft Graph."""

CONSUMERS_TENANT_ID = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of every personal Microsoft account."""

BENEFICIARY_TENANT_ID = "b9a6c1d4-2e58-4f37-9c0d-7a41e5d83f62"
"""The tenant of the customer who buys unless a purchase names another."""

STRANGER_TENANT_ID = "e3d07b95-81f2-4ac6-b5e8-1c9f2a604d7b"
"""The tenant of a customer who has nothing to do with any purchase."""


EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"
"""The audience of tokens that stand for an application by federation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedCredential:
    """Whose tokens stand for an application: those of a pipeline, for instance.

    `public_key_pem` is the issuer's key; None looks at no signature.
    """

    issuer: str
    subject: str
    audience: str = EXCHANGE_AUDIENCE
    public_key_pem: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An application registration.

    Attributes:
        tenant_id: the directory it is registered in.
        client_id: its application id.
        client_secret: accepted at the token endpoint.
        certificate_pem: public certificate with which client assertions are checked; None: only the secret is accepted.
        multitenant: users of every tenant, and personal accounts, may sign in to it.
        redirect_uris: where a sign-in may return to, besides any loopback address.
        federated: whose tokens stand for it.
    """

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    certificate_pem: bytes | None = field(default=None, repr=False)
    multitenant: bool = False
    redirect_uris: tuple[str, ...] = ()
    federated: tuple[FederatedCredential, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can sign in. `name` is what the cookie `emulator_account` and the account picker call them."""

    name: str
    tenant_id: str
    object_id: str
    display_name: str
    given_name: str
    surname: str
    user_principal_name: str = field(repr=False)
    mail: str | None = field(repr=False)
    puid: str = field(repr=False)
    job_title: str | None = None


FABRIKAM = Application(
    tenant_id="3c5e8f10-97ab-4d26-8e4f-b06d2c71a953",
    client_id="a47d1e6b-0c92-4f8e-9d35-62b8f0e7c414",
    client_secret="fabrikam-development-secret",  # noqa: S106 - the made-up second publisher's
)
"""The second publisher's application, in its own tenant with its own signing keys."""

BUYER = User(
    name="buyer",
    tenant_id=BENEFICIARY_TENANT_ID,
    object_id="4f1d6c0a-5b7e-4938-a2c1-d80e93f64b27",
    display_name="Adele Vance",
    given_name="Adele",
    surname="Vance",
    user_principal_name="adele.vance@contoso-customer.example",
    mail="adele.vance@contoso-customer.example",
    puid="1003200091A0B1C2",
    job_title="Head of Procurement",
)
"""The default beneficiary and purchaser."""

COLLEAGUE = User(
    name="colleague",
    tenant_id=BENEFICIARY_TENANT_ID,
    object_id="8e27b3f9-1d40-4c65-b7fa-0c95a1e2d386",
    display_name="Alex Wilber",
    given_name="Alex",
    surname="Wilber",
    user_principal_name="alex.wilber@contoso-customer.example",
    mail="alex.wilber@contoso-customer.example",
    puid="1003200091A0B1C3",
    job_title="Marketing Assistant",
)
"""Somebody else in the beneficiary's tenant."""

PERSONAL = User(
    name="personal",
    tenant_id=CONSUMERS_TENANT_ID,
    object_id="00000000-0000-0000-6c1f-9ab3e5d72084",
    display_name="Pat Rivera",
    given_name="Pat",
    surname="Rivera",
    user_principal_name="pat.rivera@outlook.example",
    mail=None,
    puid="00034001D2E3F4A5",
)
"""A personal account; its `mail` is empty."""

STRANGER = User(
    name="stranger",
    tenant_id=STRANGER_TENANT_ID,
    object_id="c06a9d52-f3b8-47e1-94d7-5b2e81f0a36c",
    display_name="Sam Northwind",
    given_name="Sam",
    surname="Northwind",
    user_principal_name="sam@northwind.example",
    mail="sam@northwind.example",
    puid="1003200091A0B1C4",
)
"""A user of a tenant that has bought nothing."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The applications that the publisher under test has registered.

    The first four are the fulfillment application, as in the offer's technical configuration; the landing page signs
    buyers in with its own multitenant application, or with the same one when both client ids are equal (its secret and
    certificate are then those of the fulfillment application). The defaults are those of the embedded demonstration.

    Attributes:
        tenant_id: the publisher's directory.
        client_id: the fulfillment application.
        client_secret: its secret.
        certificate_pem: public certificate with which client assertions are checked; None: only the secret is accepted.
        landing_client_id: the application that the landing page signs buyers in with.
        landing_client_secret: its secret.
        landing_redirect_uris: where its sign-in may return to, besides any loopback address.
        federated: whose tokens stand for the fulfillment application.
    """

    tenant_id: str = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"
    client_id: str = "5f0c2a9e-3b7d-4f61-8a2c-6d9e1b4f7a20"
    client_secret: str = field(default="local-development-secret", repr=False)
    certificate_pem: bytes | None = field(default=None, repr=False)
    landing_client_id: str = "d2b84e17-6fa0-4b93-8c5d-f19e3a70c628"
    landing_client_secret: str = field(default="local-landing-page-secret", repr=False)
    landing_redirect_uris: tuple[str, ...] = ()
    federated: tuple[FederatedCredential, ...] = ()
