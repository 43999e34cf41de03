"""Looking at how an address is served: which versions of TLS it speaks, and whether its certificate is good."""

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

SECONDS = 10.0
"""How long one handshake may take."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What came of one handshake: the version agreed on, or what went wrong."""

    version: str | None = None
    problem: str = ""


def shake_hands(url: str, context: ssl.SSLContext) -> Handshake:
    """Connect to the host of an https address and agree on TLS, with this context's trust and versions."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        with (
            socket.create_connection((host, parts.port or 443), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            return Handshake(version=connection.version())
    except (OSError, ValueError) as error:
        return Handshake(problem=f"{type(error).__name__}: {error}")


def outdated() -> ssl.SSLContext | None:
    """Return a context that speaks TLS 1.0 and 1.1 only and checks nothing; None where this machine cannot."""
    if not (ssl.HAS_TLSv1 and ssl.HAS_TLSv1_1):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # OpenSSL 3 offers the old versions at this level only
    # The old versions are asked for on purpose, to see them refused.
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context
