"""Access tokens for the Fulfillment API: client credentials of our own application, through msal.

Source: pc-saas-registration § get the token with an HTTP POST.
"""

import asyncio
from typing import Any, Final

import msal
import requests
from msal.exceptions import MsalError

from fulfillment_conformance.reference_publisher.alarm import Alarm
from fulfillment_conformance.reference_publisher.settings import MARKETPLACE_APP_ID, Settings

SUBJECT: Final = "access token for the Fulfillment API"
"""What the alarm is about."""

SCOPES: Final = (f"{MARKETPLACE_APP_ID}/.default",)


class AccessTokenUnavailable(Exception):  # noqa: N818 - a state of affairs, not a mistake
    """Entra issues no access token: it is out of reach, or refuses our credentials. Somebody has to look at it."""


class EntraSession(requests.Session):
    """How msal reaches Entra: with our certificate authorities, a time limit, and no say for the environment.

    `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE` and proxy variables would silently overrule what the settings say.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = str(settings.ca_file) if settings.ca_file is not None else True
        if settings.proxy is not None:
            self.proxies = {"https": settings.proxy}
        self._seconds = settings.patience.request

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """Send one request within the time limit."""
        options.setdefault("timeout", self._seconds)
        return super().request(*args, **options)


class AccessTokens:
    """The access token of the moment. msal keeps it and renews it five minutes before it expires."""

    def __init__(self, settings: Settings, alarm: Alarm) -> None:
        """Prepare to ask Entra; `alarm` sounds when it refuses us."""
        self._settings = settings
        self._alarm = alarm
        self._authority = f"{settings.login_url}/{settings.tenant_id}"
        self._application: msal.ConfidentialClientApplication | None = None
        self._token = ""
        self._lock = asyncio.Lock()

    async def current(self) -> str:
        """Return a valid access token.

        Raises:
            AccessTokenUnavailable: Entra issues none.
        """
        async with self._lock:  # everybody who needs a new one waits for the same request
            return await self._acquire()

    async def after_refusal(self, refused: str) -> str:
        """Return another token than the one that the API has just refused as if it had expired.

        Raises:
            AccessTokenUnavailable: Entra issues none.
        """
        async with self._lock:
            if self._token == refused:
                self._application = None
            return await self._acquire()

    async def _acquire(self) -> str:
        try:
            answer = await asyncio.to_thread(self._ask)
        except (requests.RequestException, MsalError, ValueError, KeyError) as error:
            raise self._unavailable(f"Entra cannot be asked for an access token ({type(error).__name__})") from error
        if "access_token" not in answer:
            raise self._unavailable(f"Entra refuses us an access token: {_reason(answer)}")
        self._alarm.over(SUBJECT)
        self._token = str(answer["access_token"])
        return self._token

    def _unavailable(self, reason: str) -> AccessTokenUnavailable:
        # The next try gets a new msal application: the old one would repeat a refusal for up to a minute.
        self._application = None
        self._alarm.sound(SUBJECT, reason)
        return AccessTokenUnavailable(reason)

    def _ask(self) -> dict[str, Any]:
        if self._application is None:
            self._application = msal.ConfidentialClientApplication(
                self._settings.client_id,
                client_credential=self._settings.client_secret,
                authority=self._authority,
                instance_discovery=False,  # it would ask Microsoft's public cloud whether our authority exists
                http_client=EntraSession(self._settings),
            )
        answer: dict[str, Any] = self._application.acquire_token_for_client(list(SCOPES))
        return answer


def _reason(answer: dict[str, Any]) -> str:
    """Return OAuth error and AADSTS numbers; descriptions may quote what was sent."""
    numbers = ", ".join(f"AADSTS{number}" for number in answer.get("error_codes") or ())
    return " ".join(filter(None, (str(answer.get("error", "no reason given")), numbers)))
