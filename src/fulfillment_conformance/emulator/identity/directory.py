"""Looking up tenants, applications, users and resources, as the token endpoint and the sign-in pages do."""

from collections.abc import Sequence

from fulfillment_conformance.emulator.identity.keys import COMMON_TENANTS
from fulfillment_conformance.emulator.identity.settings import (
    BUYER,
    COLLEAGUE,
    CONSUMERS_TENANT_ID,
    FABRIKAM,
    FORMER_MARKETPLACE_APP_ID,
    GRAPH_APP_ID,
    MARKETPLACE_APP_ID,
    PERSONAL,
    STRANGER,
    Application,
    IdentitySettings,
    User,
)

_RESOURCES = {
    MARKETPLACE_APP_ID: MARKETPLACE_APP_ID,
    FORMER_MARKETPLACE_APP_ID: FORMER_MARKETPLACE_APP_ID,
    GRAPH_APP_ID: GRAPH_APP_ID,
    "https://graph.microsoft.com": GRAPH_APP_ID,
}


class Directory:
    """Everything that one emulator's Entra knows. Ids are in lower case, as Entra writes them wherever it does."""

    def __init__(self, settings: IdentitySettings) -> None:
        shared = settings.landing_client_id.lower() == settings.client_id.lower()
        self.fulfillment_application = Application(
            tenant_id=settings.tenant_id.lower(),
            client_id=settings.client_id.lower(),
            client_secret=settings.client_secret,
            certificate_pem=settings.certificate_pem,
            multitenant=shared,
            redirect_uris=settings.landing_redirect_uris if shared else (),
            federated=settings.federated,
        )
        self.landing_application = (
            self.fulfillment_application
            if shared
            else Application(
                tenant_id=settings.tenant_id.lower(),
                client_id=settings.landing_client_id.lower(),
                client_secret=settings.landing_client_secret,
                multitenant=True,
                redirect_uris=settings.landing_redirect_uris,
            )
        )
        self.foreign_application = FABRIKAM
        self.users: Sequence[User] = (BUYER, COLLEAGUE, PERSONAL, STRANGER)
        applications = (self.fulfillment_application, self.landing_application, self.foreign_application)
        self._applications = {application.client_id: application for application in applications}
        self._tenants = {someone.tenant_id for someone in (*applications, *self.users)}

    def tenant(self, segment: str) -> str | None:
        """Return the tenant that a path segment names, in lower case, or None when there is none."""
        segment = segment.lower()
        return segment if segment in self._tenants or segment in COMMON_TENANTS else None

    def application(self, client_id: str, tenant: str) -> Application | None:
        """Return an application that can be used in a tenant: at home, or anywhere when it is multitenant."""
        application = self._applications.get(client_id.lower())
        if application is None or (not application.multitenant and tenant != application.tenant_id):
            return None
        return application

    def resource(self, name: str) -> str | None:
        """Return the application id of a resource given by its id or address, or None when there is none."""
        name = name.rstrip("/")
        if name in _RESOURCES:
            return _RESOURCES[name]
        application = self._applications.get(name.removeprefix("api://").lower())
        return application.client_id if application is not None else None

    def users_of(self, tenant: str) -> list[User]:
        """Return who can sign in under a path segment."""
        if tenant == "common":
            return list(self.users)
        if tenant == "organizations":
            return [user for user in self.users if user.tenant_id != CONSUMERS_TENANT_ID]
        if tenant == "consumers":
            tenant = CONSUMERS_TENANT_ID
        return [user for user in self.users if user.tenant_id == tenant]
