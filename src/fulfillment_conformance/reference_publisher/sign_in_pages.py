"""Where buyers go to sign in, and where Entra sends them back to.

    GET  /signin            off to Entra
    POST /signin/callback   Entra's answer, a form sent by its page: kept on the server
    GET  /signin/finish     the buyer's browser again: exchange the answer for an identity

A form sent by another site's page comes without our cookie, as it should. The redirect that follows it brings the cookie,
and only the session that started the sign-in finds the answer.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fulfillment_conformance.reference_publisher.messages import text
from fulfillment_conformance.reference_publisher.pages import notice
from fulfillment_conformance.reference_publisher.sessions import Session, Sessions
from fulfillment_conformance.reference_publisher.sign_in import CALLBACK_PATH, EntraSignIn, SignInFailed

MOST_UNDER_WAY: Final = 10_000
"""Sign-ins that are begun and never finished; the oldest give way."""


class SignInPages:
    """Both ends of a sign-in; the middle is Entra's."""

    def __init__(self, sign_in: EntraSignIn, sessions: Sessions) -> None:
        self._sign_in = sign_in
        self._sessions = sessions
        self._under_way: OrderedDict[str, Session] = OrderedDict()

    @property
    def routes(self) -> Sequence[Route]:
        """The three addresses."""
        return [
            Route("/signin", self.leave, methods=["GET"]),
            Route(CALLBACK_PATH, self.take_answer, methods=["POST"]),
            Route("/signin/finish", self.finish, methods=["GET"]),
        ]

    async def leave(self, request: Request) -> Response:
        """Send the buyer to Entra; `?switch=1` lets him choose another account than the one he is signed in with."""
        session = self._sessions.of(request) or self._sessions.begin()
        try:
            address = await self._sign_in.begin(session, choose_account="switch" in request.query_params)
        except SignInFailed as failure:
            return notice("Please try again in a few minutes", str(failure), status=503, link=("/signin", "Try again"))
        self._under_way[session.sign_in["state"]] = session
        while len(self._under_way) > MOST_UNDER_WAY:
            self._under_way.popitem(last=False)
        return self._sessions.attach(session, RedirectResponse(address, status_code=303))

    async def take_answer(self, request: Request) -> Response:
        """Keep Entra's answer for the session that waits for it."""
        form = {name: text(value) for name, value in (await request.form()).items()}
        session = self._under_way.pop(form.get("state", ""), None)
        if session is not None:
            session.sign_in_answer = form
        return RedirectResponse("/signin/finish", status_code=303)

    async def finish(self, request: Request) -> Response:
        """Take in who has signed in, and go on with what he came for."""
        session = self._sessions.of(request)
        try:
            if session is None or not session.sign_in_answer:
                raise SignInFailed("The sign-in took too long, or this browser does not keep cookies.")
            session.user = await self._sign_in.finish(session)
        except SignInFailed as failure:
            return notice("You are not signed in", str(failure), status=403, link=("/signin?switch=1", "Sign in"))
        self._sessions.renew(session)
        return self._sessions.attach(session, RedirectResponse(session.after_sign_in, status_code=303))
