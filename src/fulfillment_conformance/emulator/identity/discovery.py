"""OpenID Connect metadata and signing keys, at Microsoft's own paths."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.errors import TENANT_NOT_FOUND, EntraError, Failure
from fulfillment_conformance.emulator.identity.keys import COMMON_TENANTS, KeyRing
from fulfillment_conformance.emulator.identity.settings import CONSUMERS_TENANT_ID
from fulfillment_conformance.emulator.identity.tokens import TokenIssuer, TokenVersion, issuer

ENTRA_HOSTS: Final = ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net")
"""Microsoft's names for the one Entra that everybody uses who is in no national cloud."""


def origin(request: Request) -> str:
    """Return scheme, host and port that a request was sent to: where this emulator's Entra is for its sender."""
    return f"{request.url.scheme}://{request.url.netloc}"


def token_endpoint(base: str, tenant: str, version: TokenVersion) -> str:
    """Return the address of a tenant's token endpoint."""
    return f"{base}/{tenant}/oauth2/token" if version == 1 else f"{base}/{tenant}/oauth2/v2.0/token"


class Discovery:
    """Metadata of both versions, and key sets. Issuers are Microsoft's; endpoints are where the request was sent."""

    def __init__(self, directory: Directory, keys: KeyRing, tokens: TokenIssuer) -> None:
        self._directory = directory
        self._keys = keys
        self._tokens = tokens

    @property
    def metadata_routes(self) -> Sequence[Route]:
        """Where metadata is served."""
        return (
            Route("/{tenant}/.well-known/openid-configuration", self._metadata_v1),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._metadata_v2),
        )

    @property
    def instance_routes(self) -> Sequence[Route]:
        """Where Microsoft's libraries ask whether a host is Entra's before they send it a secret."""
        return (Route("/common/discovery/instance", self._instance),)

    @property
    def key_routes(self) -> Sequence[Route]:
        """Where keys are served."""
        return (
            Route("/{tenant}/discovery/keys", self._keys_v1),
            Route("/{tenant}/discovery/v2.0/keys", self._keys_v2),
        )

    async def _metadata_v1(self, request: Request) -> Response:
        return self._metadata(request, 1)

    async def _metadata_v2(self, request: Request) -> Response:
        return self._metadata(request, 2)

    def _metadata(self, request: Request, version: TokenVersion) -> Response:
        tenant = self._directory.tenant(request.path_params["tenant"])
        if tenant is None:
            return self._no_such_tenant(request)
        base = origin(request)
        prefix = "" if version == 1 else "/v2.0"
        metadata = {
            "token_endpoint": token_endpoint(base, tenant, version),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{base}/{tenant}/discovery{prefix}/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": issuer(version, _issuing_tenant(tenant)),
            "authorization_endpoint": f"{base}/{tenant}/oauth2{prefix}/authorize",
            "claims_supported": [
                "sub", "iss", "aud", "exp", "iat", "nonce", "name", "ver", "oid", "tid", "preferred_username", "email",
            ],
            "code_challenge_methods_supported": ["plain", "S256"],
            "tenant_region_scope": None if tenant in COMMON_TENANTS else "EU",
            "cloud_instance_name": "microsoftonline.com",
        }  # fmt: skip
        return JSONResponse(metadata)

    async def _instance(self, request: Request) -> Response:
        asked = urlsplit(request.query_params.get("authorization_endpoint", ""))
        tenant = self._directory.tenant(asked.path.strip("/").partition("/")[0])
        if asked.hostname not in {*ENTRA_HOSTS, request.url.hostname} or tenant is None:
            return JSONResponse({"error": "invalid_instance", "error_description": "Unknown authority."}, 400)
        version = "/v2.0" if "/v2.0/" in asked.path else ""
        return JSONResponse(
            {
                "tenant_discovery_endpoint": f"{origin(request)}/{tenant}{version}/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [
                    {
                        "preferred_network": ENTRA_HOSTS[0],
                        "preferred_cache": "login.windows.net",
                        "aliases": list(ENTRA_HOSTS),
                    }
                ],
            }
        )

    async def _keys_v1(self, request: Request) -> Response:
        return self._key_set(request, 1)

    async def _keys_v2(self, request: Request) -> Response:
        return self._key_set(request, 2)

    def _key_set(self, request: Request, version: TokenVersion) -> Response:
        tenant = self._directory.tenant(request.path_params["tenant"])
        if tenant is None:
            return self._no_such_tenant(request)
        entries: list[dict[str, Any]] = []
        for key, only_tenant in self._keys.published(tenant):
            entry = dict(key.jwk)
            if version == 2:
                entry["issuer"] = issuer(2, only_tenant or _issuing_tenant(tenant))
            entries.append(entry)
        return JSONResponse({"keys": entries})

    def _no_such_tenant(self, request: Request) -> Response:
        failure = EntraError(TENANT_NOT_FOUND, f"Tenant '{request.path_params['tenant']}' not found.")
        return Failure(failure, self._tokens, request).as_json()


def _issuing_tenant(tenant: str) -> str:
    """Return what stands in an issuer: the tenant, or the template that `common` publishes instead."""
    if tenant == "consumers":
        return CONSUMERS_TENANT_ID
    return "{tenantid}" if tenant in COMMON_TENANTS else tenant
