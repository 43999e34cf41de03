"""A certificate authority made on the spot, for emulators that have to be reached by https.

Its key exists in this process only. Whoever connects has to trust the authority's certificate: a Python client takes
`client_context()`, every other one the PEM file that `write` leaves.
"""

import ssl
from pathlib import Path

import trustme

from fulfillment_conformance.errors import UsageProblem

FILE_NAME = "fulfillment-conformance-ca.pem"


class CertificateAuthority:
    """Issues server certificates that only clients who were told of this authority trust."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="fulfillment-conformance")

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return self._authority.cert_pem.bytes()

    def write(self, folder: Path) -> Path:
        """Write the authority's certificate into a folder, made if need be, and return the file's absolute path.

        Raises:
            UsageProblem: the folder cannot be written to.
        """
        path = folder.resolve() / FILE_NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.pem)
        except OSError as error:
            raise UsageProblem(
                f"cannot write {path}: {error.strerror}; name a folder that can be written to"
            ) from error
        return path

    def server_context(self, *hosts: str) -> ssl.SSLContext:
        """Return the TLS context of a server that is reached by these host names and addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*hosts, organization_name="fulfillment-conformance").configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the TLS context of a client that trusts this authority and no other."""
        return ssl.create_default_context(cadata=self.pem.decode("ascii"))
