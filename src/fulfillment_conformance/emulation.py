"""The emulator as a program of its own: serve it, say where everything is, and end when asked to."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fulfillment_conformance import __version__
from fulfillment_conformance.certificates import CertificateAuthority
from fulfillment_conformance.emulator import Emulator, Settings
from fulfillment_conformance.emulator.deviations import DEVIATIONS
from fulfillment_conformance.errors import UsageProblem
from fulfillment_conformance.exchange import Exchange
from fulfillment_conformance.fieldtypes import HostAndPort
from fulfillment_conformance.intercept import MICROSOFT, PRELOAD_FOR_NODE, intercepting
from fulfillment_conformance.serving import Serving, serve, serve_until_signal

_ANY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an emulator is served.

    Attributes:
        host: address to listen on.
        port: port for plain HTTP; 0 picks a free one.
        tls_port: port for https; None serves none.
        intercept_port: port of a proxy that answers for Microsoft's hosts; None serves none.
        allow: other hosts that clients of the proxy may reach.
        ca_folder: where the certificate is written that clients of https, and of the proxy, have to trust.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    tls_port: int | None = None
    intercept_port: int | None = None
    allow: Sequence[str] = ()
    ca_folder: Path = Path()


def serve_emulator(
    settings: Settings,
    place: Place,
    *,
    secret_from: str | None = None,
    key_from: str | None = None,
    tell: Callable[[str], None],
) -> None:
    """Serve an emulator until Ctrl-C or a termination signal. Main thread only, as Python delivers signals there.

    Args:
        settings: how the emulator is set up.
        place: where it is served.
        secret_from: the environment variable that the client secret came from; None: it is the one for development.
        key_from: the environment variable that the control key came from, if there is a key.
        tell: gets each line of what a user has to know; none of them holds a secret.

    Raises:
        UsageProblem: a deviation does not exist, a port is taken, the certificate cannot be written, or others could
            connect to a control surface without a key.
    """
    if settings.control_key is None and not HostAndPort(place.host, place.port).is_loopback:
        raise UsageProblem(
            f"--host {place.host}: other machines could reach the control surface there; put a key into an environment "
            "variable and name it with --control-key-env, or listen on 127.0.0.1"
        )
    emulator = Emulator(settings)
    with ExitStack() as stack:
        tls: Serving | None = None
        proxy: Serving | None = None
        ca_file: Path | None = None
        authority = CertificateAuthority()
        if place.tls_port is not None or place.intercept_port is not None:
            ca_file = authority.write(place.ca_folder)
        if place.intercept_port is not None:

            def report(exchange: Exchange) -> None:
                came = exchange.error or exchange.status
                tell(_row("proxy", f"{exchange.method} {exchange.url}: {came}, {exchange.purpose}"))

            proxy = stack.enter_context(
                intercepting(
                    emulator.app,
                    authority=authority,
                    listen=HostAndPort(place.host, place.intercept_port),
                    allow=place.allow,
                    setting="--intercept-allow",
                    observer=report,
                    clock=emulator.now,
                )
            )
        if place.tls_port is not None:
            context = authority.server_context(*_names(place.host))
            tls = stack.enter_context(serve(emulator.app, host=place.host, port=place.tls_port, tls=context))

        def announce(plain: Serving) -> None:
            for line in _announcement(settings, plain, tls, proxy, ca_file, secret_from, key_from):
                tell(line)

        serve_until_signal(emulator.app, host=place.host, port=place.port, announce=announce)
    tell("ended")


def _names(host: str) -> list[str]:
    """Return what the certificate is for: this machine's names, and the address listened on if it is one."""
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    return list(dict.fromkeys(names if host in _ANY_ADDRESS else [host, *names]))


def _announcement(
    settings: Settings,
    plain: Serving,
    tls: Serving | None,
    proxy: Serving | None,
    ca_file: Path | None,
    secret_from: str | None,
    key_from: str | None,
) -> Iterator[str]:
    identity = settings.identity
    yield f"fulfillment-conformance {__version__}: emulator, profile {settings.profile}, seed {settings.seed}"
    yield _row("web page", f"{plain.url}/")
    yield _row("Fulfillment API", f"{plain.url}/api")
    yield _row("control surface", f"{plain.url}/control{f', key from {key_from}' if key_from else ''}")
    yield _row("identity provider", f"{plain.url}/{identity.tenant_id}")
    if tls is not None:
        yield _row("the same over TLS", tls.url)
    if proxy is not None:
        yield _row("HTTPS_PROXY", f"{proxy.url} answers for {', '.join(MICROSOFT)}")
        yield _row("Node.js up to 20", f"NODE_OPTIONS=--require={PRELOAD_FOR_NODE}")
    if ca_file is not None:
        yield _row("trust for TLS", str(ca_file))
    yield _row("tenant id", identity.tenant_id)
    yield _row("client id", identity.client_id)
    yield _row(
        "client secret",
        f"from {secret_from}" if secret_from else f"the one for development, shown by GET {plain.url}/control/identity",
    )
    yield _row("webhook", settings.webhook_url or "none yet; PUT /control/webhook, or --webhook, names one")
    yield _row("landing page", settings.landing_page_url or "none yet; PUT /control/landing-page, or --landing-page")
    for name in settings.deviations:
        yield _row("deviation", f"{name}: {DEVIATIONS[name].summary}")
    if not settings.deviations:
        yield _row("deviations", "none")
    yield "Ctrl-C ends it."


def _row(what: str, said: str) -> str:
    return f"{what:<18} {said}"
