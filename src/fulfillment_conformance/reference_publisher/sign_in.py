"""Single sign-on of buyers: Entra's authorization code flow with PKCE, through msal and a multitenant application.

The application that signs buyers in asks for nothing but who they are, which no administrator has to consent to.
Source page: azure-ad-transactable-saas-landing-page.
"""

import asyncio
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msal
import requests
from msal.exceptions import MsalError

from fulfillment_conformance.reference_publisher.access_tokens import EntraSession
from fulfillment_conformance.reference_publisher.messages import text
from fulfillment_conformance.reference_publisher.sessions import Session, User
from fulfillment_conformance.reference_publisher.settings import Settings, SignIn

CALLBACK_PATH: Final = "/signin/callback"
"""The redirect URI of the application's registration in Entra, below our public address."""

LEEWAY_SECONDS: Final = 240.0


class SignInFailed(Exception):  # noqa: N818 - an outcome
    """The buyer is not signed in; the text is for him."""


class EntraSignIn:
    """Sends buyers to Entra and reads who comes back."""

    def __init__(self, settings: Settings, sign_in: SignIn, *, clock: Callable[[], float] = time.time) -> None:
        """Sign in through one application; `clock` gives seconds since 1970."""
        self._settings = settings
        self._sign_in = sign_in
        self._clock = clock
        self._entra = EntraSession(settings)
        self.authority = f"{settings.login_url}/common"  # work and school accounts of any tenant, and personal ones
        self.scopes: Sequence[str] = ("email",)  # msal adds openid and profile
        self.redirect_uri = f"{settings.public_url}{CALLBACK_PATH}"

    async def begin(self, session: Session, *, choose_account: bool = False) -> str:
        """Start a sign-in, remember it in the session, and return the address to send the browser to.

        Raises:
            SignInFailed: Entra is out of reach.
        """
        prompt = {"prompt": "select_account"} if choose_account else {}
        try:
            application = await asyncio.to_thread(self._application)
            with warnings.catch_warnings():
                # msal recommends that Entra's page sends the answer as a form. It would come without our cookie, which
                # is SameSite; and a code that shows in an address is worth nothing without secret and PKCE verifier.
                warnings.simplefilter("ignore", UserWarning)
                flow: dict[str, Any] = application.initiate_auth_code_flow(
                    list(self.scopes), redirect_uri=self.redirect_uri, **prompt
                )
        except (requests.RequestException, MsalError, ValueError, KeyError) as error:
            raise SignInFailed("Microsoft's sign-in cannot be reached at present.") from error
        session.sign_in = flow
        return str(flow["auth_uri"])

    async def finish(self, session: Session, answer: Mapping[str, str]) -> User:
        """Exchange the code in Entra's answer for the buyer's identity. A sign-in can be finished once.

        Raises:
            SignInFailed: the answer belongs to no sign-in of this session, or names nobody.
        """
        flow, session.sign_in = session.sign_in, {}
        try:
            result: dict[str, Any] = await asyncio.to_thread(
                lambda: self._application().acquire_token_by_auth_code_flow(flow, dict(answer))
            )
        except (requests.RequestException, MsalError, ValueError, KeyError, RuntimeError) as error:
            raise SignInFailed("The sign-in could not be completed.") from error
        if "error" in result or not isinstance(result.get("id_token_claims"), dict):
            raise SignInFailed("The sign-in was not completed.")
        return self.user(result["id_token_claims"])

    def user(self, claims: Mapping[str, Any]) -> User:
        """Validate the claims of an ID token, which msal leaves to the application, and return whom they name.

        Its signature need not be checked: it came from Entra's token endpoint by TLS, not through the browser.
        """
        tenant_id = text(claims.get("tid")).lower()
        expires = claims.get("exp")
        genuine = (
            self.is_for_us(claims)
            and bool(tenant_id)
            and claims.get("iss") == f"https://login.microsoftonline.com/{tenant_id}/v2.0"
            and isinstance(expires, int | float)
            and self._clock() < expires + LEEWAY_SECONDS
        )
        if not genuine:
            raise SignInFailed("Microsoft's answer was not meant for this application.")
        return User(
            tenant_id=tenant_id,
            name=text(claims.get("name")),
            email=text(claims.get("email")) or text(claims.get("preferred_username")),
        )

    def is_for_us(self, claims: Mapping[str, Any]) -> bool:
        """Whether an ID token was made out to our sign-in application."""
        return claims.get("aud") == self._sign_in.client_id

    def _application(self) -> msal.ConfidentialClientApplication:
        return msal.ConfidentialClientApplication(
            self._sign_in.client_id,
            client_credential=self._sign_in.client_secret,
            authority=self.authority,
            instance_discovery=False,
            exclude_scopes=["offline_access"],
            http_client=self._entra,
        )
