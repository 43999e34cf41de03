"""The authorization endpoint: who is at the browser, and back to the application with a code or an ID token."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fulfillment_conformance.emulator.identity import pages
from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.errors import (
    APPLICATION_NOT_FOUND,
    INVALID_REQUEST,
    MISSING_PARAMETER,
    NO_STORE,
    NOBODY_SIGNED_IN,
    REDIRECT_URI_MISMATCH,
    SCOPE_NOT_VALID,
    TENANT_NOT_FOUND,
    UNSUPPORTED_RESPONSE_TYPE,
    USER_CANCELLED,
    USER_NOT_IN_TENANT,
    EntraError,
    Failure,
)
from fulfillment_conformance.emulator.identity.grants import Grants, SignIn
from fulfillment_conformance.emulator.identity.settings import Application, User
from fulfillment_conformance.emulator.identity.tokens import TokenIssuer, TokenVersion

ACCOUNT_COOKIE = "emulator_account"
"""A browser that carries it is signed in as the user it names, and is never asked."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_RESPONSE_TYPES = frozenset({"code", "id_token", "code id_token"})
_RESPONSE_MODES = frozenset({"query", "fragment", "form_post"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """An authorization request whose answer may go to its redirect URI."""

    application: Application
    tenant: str
    redirect_uri: str
    response_type: str
    response_mode: str
    state: str | None
    parameters: Mapping[str, str]


class SignInPages:
    """The authorization endpoints v1 and v2.0."""

    def __init__(self, directory: Directory, tokens: TokenIssuer, grants: Grants) -> None:
        self._directory = directory
        self._tokens = tokens
        self._grants = grants

    @property
    def routes(self) -> Sequence[Route]:
        """Where browsers are sent."""
        return (
            Route("/{tenant}/oauth2/authorize", self._v1, methods=["GET", "POST"]),
            Route("/{tenant}/oauth2/v2.0/authorize", self._v2, methods=["GET", "POST"]),
        )

    async def _v1(self, request: Request) -> Response:
        return await self._answer(request, 1)

    async def _v2(self, request: Request) -> Response:
        return await self._answer(request, 2)

    async def _answer(self, request: Request, version: TokenVersion) -> Response:
        parameters = dict(request.query_params)
        if request.method == "POST":
            async with request.form() as fields:
                parameters |= {name: value for name, value in fields.items() if isinstance(value, str)}
        choice = parameters.pop("account", None)
        cancelled = parameters.pop("cancel", None) is not None
        try:
            asked = self._read(request.path_params["tenant"], parameters)
        except EntraError as error:
            return self._error_page(error, request)
        try:
            scopes = self._check(asked, version)
            if cancelled:
                raise EntraError(USER_CANCELLED, "The user did not sign in.")
            name = choice or request.cookies.get(ACCOUNT_COOKIE)
            if name is None and parameters.get("prompt") == "none":
                raise EntraError(NOBODY_SIGNED_IN, "Nobody is signed in, and the request forbids to ask.")
        except EntraError as error:
            failure = Failure(error, self._tokens, request)
            return _back(asked, {"error": error.kind.error, "error_description": failure.description})
        if name is None:
            return self._picker(request, asked)
        try:
            user = self._user(name, asked.tenant)
        except EntraError as error:
            return self._error_page(error, request)
        return self._signed_in(asked, user, scopes, version)

    def _read(self, segment: str, parameters: Mapping[str, str]) -> _Asked:
        """Return the request if its answer, good or bad, may be sent to its redirect URI."""
        tenant = self._directory.tenant(segment)
        if tenant is None:
            raise EntraError(TENANT_NOT_FOUND, f"Tenant '{segment}' not found.")
        client_id = parameters.get("client_id")
        if not client_id:
            raise EntraError(MISSING_PARAMETER, "The request lacks the parameter 'client_id'.")
        application = self._directory.application(client_id, tenant)
        if application is None:
            raise EntraError(
                APPLICATION_NOT_FOUND, f"Application '{client_id}' was not found in the directory of tenant '{tenant}'."
            )
        redirect_uri = parameters.get("redirect_uri", "")
        if not _may_return_to(redirect_uri, application):
            raise EntraError(
                REDIRECT_URI_MISMATCH,
                f"The redirect URI '{redirect_uri}' is neither a loopback address nor registered for '{client_id}'.",
            )
        response_type = " ".join(sorted(parameters.get("response_type", "").split()))
        usual = "query" if response_type == "code" else "fragment"
        response_mode = parameters.get("response_mode", usual)
        return _Asked(
            application=application,
            tenant=tenant,
            redirect_uri=redirect_uri,
            response_type=response_type,
            response_mode=response_mode if response_mode in _RESPONSE_MODES else usual,
            state=parameters.get("state"),
            parameters=parameters,
        )

    def _check(self, asked: _Asked, version: TokenVersion) -> tuple[str, ...]:
        """Return the scopes asked for.

        Raises:
            EntraError: something in the request is wrong that the application is told about.
        """
        parameters = asked.parameters
        if asked.response_type not in _RESPONSE_TYPES:
            raise EntraError(
                UNSUPPORTED_RESPONSE_TYPE,
                f"Response type '{asked.response_type}' is not supported; use 'code', 'id_token' or 'code id_token'.",
            )
        mode = parameters.get("response_mode", asked.response_mode)
        if mode != asked.response_mode or (mode == "query" and asked.response_type != "code"):
            raise EntraError(
                INVALID_REQUEST, f"Response mode '{mode}' does not go with response type '{asked.response_type}'."
            )
        if "id_token" in asked.response_type and not parameters.get("nonce"):
            raise EntraError(MISSING_PARAMETER, "The request lacks the parameter 'nonce'.")
        if parameters.get("code_challenge_method", "plain") not in {"S256", "plain"}:
            raise EntraError(INVALID_REQUEST, "The code challenge method must be 'S256' or 'plain'.")
        if version == 1:
            resource = parameters.get("resource")
            scopes = ("openid", "profile", "email", *([f"{resource}/User.Read"] if resource else ()))
        else:
            scopes = tuple(parameters.get("scope", "").split())
        if not scopes:
            raise EntraError(MISSING_PARAMETER, "The request lacks the parameter 'scope'.")
        if "id_token" in asked.response_type and "openid" not in scopes:
            raise EntraError(SCOPE_NOT_VALID, "An ID token needs the scope 'openid'.")
        self._grants.audience_of(scopes)
        return scopes

    def _user(self, name: str, tenant: str) -> User:
        known = {user.name: user for user in self._directory.users}
        if name not in known:
            raise EntraError(INVALID_REQUEST, f"There is no account '{name}'; the accounts are {', '.join(known)}.")
        if known[name] not in self._directory.users_of(tenant):
            raise EntraError(USER_NOT_IN_TENANT, f"The account '{name}' does not exist in tenant '{tenant}'.")
        return known[name]

    def _picker(self, request: Request, asked: _Asked) -> Response:
        hint = asked.parameters.get("login_hint", "").lower()
        users = self._directory.users_of(asked.tenant)
        users.sort(key=lambda user: user.user_principal_name.lower() != hint)
        action = f"{request.url.path}?{urlencode(asked.parameters)}"
        return pages.account_picker(users, client_id=asked.application.client_id, action=action)

    def _signed_in(self, asked: _Asked, user: User, scopes: tuple[str, ...], version: TokenVersion) -> Response:
        parameters = asked.parameters
        sign_in = SignIn(user=user, client_id=asked.application.client_id, scopes=scopes, nonce=parameters.get("nonce"))
        answer: dict[str, str] = {}
        if "code" in asked.response_type.split():
            answer["code"] = self._grants.issue_code(
                sign_in,
                redirect_uri=asked.redirect_uri,
                challenge=parameters.get("code_challenge"),
                method=parameters.get("code_challenge_method", "plain"),
                now=time.time(),
            )
        if "id_token" in asked.response_type:
            answer["id_token"] = self._grants.id_token(sign_in, version, code=answer.get("code"))
        return _back(asked, answer)

    def _error_page(self, error: EntraError, request: Request) -> Response:
        return pages.error(Failure(error, self._tokens, request).description, status=error.kind.status)


def _may_return_to(redirect_uri: str, application: Application) -> bool:
    if redirect_uri in application.redirect_uris:
        return True
    try:
        parts = urlsplit(redirect_uri)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK and not parts.fragment


def _back(asked: _Asked, answer: Mapping[str, str]) -> Response:
    """Return what takes the browser back to the application, in the way that it asked for."""
    fields = dict(answer)
    if asked.state is not None:
        fields["state"] = asked.state
    if asked.response_mode == "form_post":
        return pages.form_post(asked.redirect_uri, fields)
    parts = urlsplit(asked.redirect_uri)
    encoded = urlencode(fields)
    if asked.response_mode == "fragment":
        parts = parts._replace(fragment=encoded)
    else:
        parts = parts._replace(query=f"{parts.query}&{encoded}" if parts.query else encoded)
    return RedirectResponse(urlunsplit(parts), status_code=302, headers=NO_STORE)
