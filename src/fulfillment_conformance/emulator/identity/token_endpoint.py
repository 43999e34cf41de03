"""The token endpoints v1 (`resource`, numbers as strings) and v2.0 (`scope`, numbers)."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fulfillment_conformance.emulator.identity.clients import Client, authenticate
from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.discovery import origin, token_endpoint
from fulfillment_conformance.emulator.identity.errors import (
    MISSING_PARAMETER,
    NO_STORE,
    NO_TENANT_NAMED,
    RESOURCE_NOT_FOUND,
    SCOPE_NEEDS_DEFAULT,
    TENANT_NOT_FOUND,
    UNSUPPORTED_GRANT,
    EntraError,
    Failure,
)
from fulfillment_conformance.emulator.identity.grants import Grants
from fulfillment_conformance.emulator.identity.keys import COMMON_TENANTS, KeyRing
from fulfillment_conformance.emulator.identity.tokens import TokenIssuer, TokenVersion

_DIRECTORY_GRAPH = "00000002-0000-0000-c000-000000000000"
"""Whom a v1 token is for when the request names no resource."""


class Lifetime(Protocol):
    """Where the present lifetime of access tokens is read."""

    access_token_lifetime: timedelta


class TokenEndpoint:
    """Answers token requests, with Entra's own refusals."""

    def __init__(
        self, directory: Directory, keys: KeyRing, tokens: TokenIssuer, grants: Grants, lifetime: Lifetime
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._tokens = tokens
        self._grants = grants
        self._lifetime = lifetime

    @property
    def routes(self) -> Sequence[Route]:
        """Where tokens are issued."""
        return (
            Route("/{tenant}/oauth2/token", self._v1, methods=["POST"]),
            Route("/{tenant}/oauth2/v2.0/token", self._v2, methods=["POST"]),
        )

    async def _v1(self, request: Request) -> Response:
        return await self._answer(request, 1)

    async def _v2(self, request: Request) -> Response:
        return await self._answer(request, 2)

    async def _answer(self, request: Request, version: TokenVersion) -> Response:
        async with request.form() as fields:
            form = {name: value for name, value in fields.items() if isinstance(value, str)}
        try:
            body = self._issue(request, form, version)
        except EntraError as error:
            return Failure(error, self._tokens, request).as_json()
        return JSONResponse(body, headers=NO_STORE)

    def _issue(self, request: Request, form: Mapping[str, str], version: TokenVersion) -> dict[str, Any]:
        segment = request.path_params["tenant"]
        tenant = self._directory.tenant(segment)
        if tenant is None:
            raise EntraError(TENANT_NOT_FOUND, f"Tenant '{segment}' not found. Check the tenant id.")
        grant_type = form.get("grant_type")
        if not grant_type:
            raise EntraError(MISSING_PARAMETER, "The request body lacks the parameter 'grant_type'.")
        if grant_type not in ("client_credentials", "authorization_code", "refresh_token"):
            raise EntraError(
                UNSUPPORTED_GRANT,
                f"The grant type '{grant_type}' is not supported; use 'client_credentials', 'authorization_code' or "
                "'refresh_token'.",
            )
        now = time.time()
        client = authenticate(
            form,
            request.headers.get("authorization"),
            directory=self._directory,
            tenant=tenant,
            audiences=_assertion_audiences(request, tenant),
            now=now,
        )
        match grant_type:
            case "client_credentials":
                return self._for_application(client, form, tenant, version)
            case "authorization_code":
                return self._grants.redeem_code(client.application, form, version, now=now)
            case _:
                return self._grants.redeem_refresh_token(client.application, form, version)

    def _for_application(
        self, client: Client, form: Mapping[str, str], tenant: str, version: TokenVersion
    ) -> dict[str, Any]:
        if tenant in COMMON_TENANTS:
            raise EntraError(
                NO_TENANT_NAMED, f"'{tenant}' names no tenant; the client credentials grant needs the tenant's own id."
            )
        resource = form.get("resource", _DIRECTORY_GRAPH) if version == 1 else _resource_of_scope(form.get("scope"))
        audience = resource if resource == _DIRECTORY_GRAPH else self._directory.resource(resource)
        if audience is None:
            raise EntraError(
                RESOURCE_NOT_FOUND, f"The resource principal named '{resource}' was not found in tenant '{tenant}'."
            )
        lifetime = self._lifetime.access_token_lifetime
        claims = self._tokens.access_claims(
            client.application,
            audience=resource if version == 1 else audience,
            version=version,
            by_certificate=client.by_certificate,
            lifetime=lifetime,
        )
        token = self._tokens.sign({}, claims, key=self._keys.key_of(client.application.tenant_id))
        seconds = int(lifetime.total_seconds())
        if version == 2:
            return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
        return {
            "token_type": "Bearer",
            "expires_in": str(seconds),
            "ext_expires_in": str(seconds),
            "expires_on": str(claims["exp"]),
            "not_before": str(claims["nbf"]),
            "resource": resource,
            "access_token": token,
        }


def _assertion_audiences(request: Request, tenant: str) -> frozenset[str]:
    """Return what an assertion may be made out to: either token endpoint, here or at Microsoft's own host."""
    versions: tuple[TokenVersion, ...] = (1, 2)
    return frozenset(
        token_endpoint(base, tenant, version).lower()
        for base in (origin(request), "https://login.microsoftonline.com")
        for version in versions
    )


def _resource_of_scope(scope: str | None) -> str:
    if not scope or not scope.strip():
        raise EntraError(MISSING_PARAMETER, "The request body lacks the parameter 'scope'.")
    resource, slash, last = scope.strip().rpartition("/")
    if not slash or last != ".default" or " " in resource:
        raise EntraError(
            SCOPE_NEEDS_DEFAULT,
            f"The scope '{scope}' is not valid; the client credentials grant needs '<resource id>/.default'.",
        )
    return resource
