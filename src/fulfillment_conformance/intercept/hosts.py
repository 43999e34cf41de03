"""Which of Microsoft's hosts the emulator answers for, and what each of them serves.

The emulator is one origin. Behind Microsoft's names it is as many as Microsoft has: the Fulfillment API is not at the
host that signs people in, and the control surface is at none of them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from fulfillment_conformance.emulator.messages import error_reply
from fulfillment_conformance.exchange import Exchange, Observer, Party

ENTRA: Final = "login.microsoftonline.com"
"""The host that Entra's metadata names, whichever of its hosts is asked."""

_GRAPH: Final = ("/v1.0/",)
_NOT_ENTRA: Final = ("/api/", "/control/", *_GRAPH)


def _is_entra(path: str) -> bool:
    return path.count("/") >= 2 and not path.startswith(_NOT_ENTRA)


MICROSOFT: Final[Mapping[str, tuple[Party, Callable[[str], bool]]]] = {
    "marketplaceapi.microsoft.com": ("marketplace", lambda path: path.startswith("/api/")),
    ENTRA: ("identity", _is_entra),
    "login.windows.net": ("identity", _is_entra),
    "login.microsoft.com": ("identity", _is_entra),
    "sts.windows.net": ("identity", _is_entra),
    "graph.microsoft.com": ("identity", lambda path: path.startswith(_GRAPH)),
}
"""Host -> who it is, and which paths it has."""


class MicrosoftHosts:
    """The emulator's application as Microsoft's hosts show it: each serves its own, by https, and nothing else.

    Args:
        app: the emulator's application.
        observer: told of requests that reach a host which does not serve them; of all others the emulator tells.
        clock: the marketplace's time.
    """

    def __init__(self, app: ASGIApp, *, observer: Observer, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._observer = observer
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = _host_of(scope)
        party, serves = MICROSOFT.get(host, ("elsewhere", lambda _: False))
        if serves(scope["path"]):
            shown = ENTRA if party == "identity" and host != "graph.microsoft.com" else host
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            await self._app(
                {**scope, "scheme": "https", "headers": [(b"host", shown.encode()), *others]}, receive, send
            )
            return
        self._report(scope, host, party)
        known = host or "a host without name"
        await error_reply(404, "PathUnknown", f"Nothing is served at {scope['path']} of {known}.").send(send)

    def _report(self, scope: Scope, host: str, party: Party) -> None:
        self._observer(
            Exchange(
                sender="publisher",
                receiver=party,
                method=scope["method"],
                url=f"https://{host}{scope['path']}",
                status=404,
                virtual_at=self._clock(),
                purpose=f"{host} does not serve this" if host in MICROSOFT else "not one of Microsoft's hosts",
            )
        )


def _host_of(scope: Scope) -> str:
    """Return the host that a request names, in lower case, without the port that https has anyway."""
    named = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return named.lower().removesuffix(":443")
