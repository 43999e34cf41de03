"""The one call of Microsoft Graph that a landing page may make without an administrator's consent: who am I."""

import time
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fulfillment_conformance.emulator.identity.directory import Directory
from fulfillment_conformance.emulator.identity.keys import KeyRing
from fulfillment_conformance.emulator.identity.settings import GRAPH_APP_ID, User
from fulfillment_conformance.emulator.identity.verification import AccessTokenRefused, AccessTokenVerifier


class Graph:
    """`GET /v1.0/me` for a token of a signed-in user with the scope User.Read."""

    def __init__(self, directory: Directory, keys: KeyRing) -> None:
        self._users = {user.object_id: user for user in directory.users}
        self._verifier = AccessTokenVerifier(keys)

    @property
    def routes(self) -> Sequence[Route]:
        """Where the profile is served."""
        return (Route("/v1.0/me", self._me),)

    async def _me(self, request: Request) -> Response:
        try:
            claims = self._verifier.signed_claims(self._verifier.bearer(request.headers.get("authorization")))
            self._verifier.check_times(claims, time.time())
        except AccessTokenRefused as refused:
            return _refusal(401, "InvalidAuthenticationToken", str(refused))
        user = self._users.get(str(claims.get("oid")))
        if claims.get("aud") != GRAPH_APP_ID or user is None:
            return _refusal(401, "InvalidAuthenticationToken", "The token is not a user's token for Microsoft Graph.")
        if "User.Read" not in str(claims.get("scp", "")).split():
            return _refusal(403, "Authorization_RequestDenied", "The token lacks the scope User.Read.")
        return JSONResponse(_profile(user))


def _profile(user: User) -> dict[str, Any]:
    return {
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
        "id": user.object_id,
        "displayName": user.display_name,
        "givenName": user.given_name,
        "surname": user.surname,
        "jobTitle": user.job_title,
        "mail": user.mail,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": "en-US",
        "userPrincipalName": user.user_principal_name,
        "businessPhones": [],
    }


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status)
