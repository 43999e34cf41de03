"""Where buyers go to sign in, and where Entra sends them back to."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fulfillment_conformance.reference_publisher.pages import notice
from fulfillment_conformance.reference_publisher.sessions import Sessions
from fulfillment_conformance.reference_publisher.sign_in import CALLBACK_PATH, EntraSignIn, SignInFailed


class SignInPages:
    """Both ends of a sign-in; the middle is Entra's."""

    def __init__(self, sign_in: EntraSignIn, sessions: Sessions) -> None:
        self._sign_in = sign_in
        self._sessions = sessions

    @property
    def routes(self) -> Sequence[Route]:
        """Both addresses."""
        return [
            Route("/signin", self.leave, methods=["GET"]),
            Route(CALLBACK_PATH, self.come_back, methods=["GET"]),
        ]

    async def leave(self, request: Request) -> Response:
        """Send the buyer to Entra; `?switch=1` lets him choose another account than the one he is signed in with."""
        session = self._sessions.of(request) or self._sessions.begin()
        try:
            address = await self._sign_in.begin(session, choose_account="switch" in request.query_params)
        except SignInFailed as failure:
            return notice("Please try again in a few minutes", str(failure), status=503, link=("/signin", "Try again"))
        return self._sessions.attach(session, RedirectResponse(address, status_code=303))

    async def come_back(self, request: Request) -> Response:
        """Take in who has signed in, and go on with what he came for."""
        session = self._sessions.of(request)
        try:
            if session is None:
                raise SignInFailed("The sign-in took too long, or this browser does not keep cookies.")
            session.user = await self._sign_in.finish(session, request.query_params)
        except SignInFailed as failure:
            return notice("You are not signed in", str(failure), status=403, link=("/signin?switch=1", "Sign in"))
        self._sessions.renew(session)
        return self._sessions.attach(session, RedirectResponse(session.after_sign_in, status_code=303))
