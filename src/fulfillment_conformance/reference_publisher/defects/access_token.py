"""Publishers that ask for their access token in a wrong way first, or show the marketplace another one."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from fulfillment_conformance.reference_publisher.access_tokens import AccessTokenUnavailable
from fulfillment_conformance.reference_publisher.app import ReferencePublisher
from fulfillment_conformance.reference_publisher.defects.registry import defect, replace
from fulfillment_conformance.reference_publisher.messages import Subscription
from fulfillment_conformance.reference_publisher.settings import MARKETPLACE_APP_ID

_SCOPE = f"{MARKETPLACE_APP_ID}/.default"


def _asking_first(
    publisher: ReferencePublisher,
    *,
    method: str = "POST",
    path: str = "",
    content_type: str = "application/x-www-form-urlencoded",
    **changes: str | None,
) -> None:
    """Let the first access token be asked for in vain with a changed form, and then as it should be."""
    settings = publisher.settings
    current = publisher.access_tokens.current
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": _SCOPE,
        **changes,
    }
    url = f"{settings.login_url}{path or f'/{settings.tenant_id}/oauth2/v2.0/token'}"
    fields = {name: value for name, value in form.items() if value is not None}
    asked: list[bool] = []

    async def ask_twice() -> str:
        if not asked:
            asked.append(True)
            await publisher.http.request(method, url, data=fields, headers={"content-type": content_type})
        return await current()

    replace(publisher.access_tokens, "current", ask_twice)


@defect("asks-with-a-password", breaks=["AUT-001"])
def asks_with_a_password(publisher: ReferencePublisher) -> None:
    """The token is asked for with somebody's name and password."""
    _asking_first(publisher, grant_type="password", username="service@contoso.example", password="none")  # noqa: S106


@defect("asks-by-get", breaks=["AUT-002"])
def asks_by_get(publisher: ReferencePublisher) -> None:
    """The token request is a GET."""
    _asking_first(publisher, method="GET")


@defect("asks-for-the-resource-by-address", breaks=["AUT-003"])
def asks_for_the_resource_by_address(publisher: ReferencePublisher) -> None:
    """At the endpoint of version 1 the resource is written as an address."""
    path = f"/{publisher.settings.tenant_id}/oauth2/token"
    _asking_first(publisher, path=path, scope=None, resource=f"api://{MARKETPLACE_APP_ID}")


@defect("asks-for-another-scope", breaks=["AUT-004"])
def asks_for_another_scope(publisher: ReferencePublisher) -> None:
    """The scope is one that users delegate."""
    _asking_first(publisher, scope=f"{MARKETPLACE_APP_ID}/user_impersonation")


@defect(
    "asks-for-the-scope-by-address",
    breaks=["AAC-008", "ACT-004", "AUT-004", "EVT-037", "LND-029", "POL-005", "RES-025", "TST-003"],
)
def asks_for_the_scope_by_address(publisher: ReferencePublisher) -> None:
    """The scope is written as the address of the API, for which Entra knows no principal: there is never a token."""
    settings = publisher.settings
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": "https://marketplaceapi.microsoft.com/.default",
    }

    async def ask_in_vain() -> str:
        await publisher.http.post(f"{settings.login_url}/{settings.tenant_id}/oauth2/v2.0/token", data=form)
        raise AccessTokenUnavailable("Entra refuses us an access token")

    replace(publisher.access_tokens, "current", ask_in_vain)


@defect("asks-without-credentials", breaks=["AUT-005"])
def asks_without_credentials(publisher: ReferencePublisher) -> None:
    """The token request has neither secret nor assertion."""
    _asking_first(publisher, client_secret=None)


@defect("asks-in-plain-text", breaks=["AUT-006"])
def asks_in_plain_text(publisher: ReferencePublisher) -> None:
    """The token request is called text/plain."""
    _asking_first(publisher, content_type="text/plain")


@defect("asks-under-common", breaks=["AUT-007"])
def asks_under_common(publisher: ReferencePublisher) -> None:
    """The token is asked for under /common instead of the tenant in the technical configuration."""
    _asking_first(publisher, path="/common/oauth2/v2.0/token")


def _showing_first(publisher: ReferencePublisher, claims: Mapping[str, Any]) -> None:
    """Let a subscription be read in vain with a token of these claims before it is activated."""
    activate = publisher.api.activate
    token = ".".join(_encoded(part) for part in ({"alg": "RS256", "typ": "JWT"}, claims, "no signature"))

    async def look_and_activate(subscription: Subscription) -> None:
        headers = {**publisher.api.headers(), "authorization": f"Bearer {token}"}
        await publisher.http.get(publisher.api.url(subscription.id), headers=headers)
        await activate(subscription)

    replace(publisher.api, "activate", look_and_activate)


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@defect("has-no-service-principal", breaks=["AUT-017", "POL-006"])
def has_no_service_principal(publisher: ReferencePublisher) -> None:
    """An access token names no service principal."""
    _showing_first(publisher, {"appid": publisher.settings.client_id, "tid": publisher.settings.tenant_id})


@defect("calls-in-a-users-name", breaks=["AUT-020"])
def calls_in_a_users_name(publisher: ReferencePublisher) -> None:
    """An access token was delegated by a user."""
    _showing_first(publisher, {"oid": publisher.settings.client_id, "scp": "user_impersonation"})
