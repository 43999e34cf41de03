"""A certificate authority made on the spot, for emulators that have to be reached by https.

Whoever connects has to trust the authority's certificate: a Python client takes `client_context()`, every other one the
PEM file that `write` or `kept_in` leaves. A publisher that is started once and judged often needs an authority that
stays; that is what `kept_in` is for. Otherwise its key exists in this process only.
"""

import os
import ssl
from pathlib import Path
from typing import Self

import trustme

from fulfillment_conformance.errors import UsageProblem

FILE_NAME = "fulfillment-conformance-ca.pem"
KEY_FILE_NAME = "fulfillment-conformance-ca-key.pem"


class CertificateAuthority:
    """Issues server certificates that only clients who were told of this authority trust."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="fulfillment-conformance")

    @classmethod
    def kept_in(cls, folder: Path) -> Self:
        """Return the authority whose certificate and key lie in a folder; made, and put there, the first time.

        Raises:
            UsageProblem: the files cannot be read or written, or are no certificate and key.
        """
        certificate, key = folder.resolve() / FILE_NAME, folder.resolve() / KEY_FILE_NAME
        authority = cls()
        try:
            if certificate.is_file() and key.is_file():
                authority._authority = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
                return authority
            authority.write(folder)
            # Nobody but the owner may sign in its name: created closed, not closed afterwards.
            descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(authority._authority.private_key_pem.bytes())
        except (OSError, ValueError) as error:
            raise UsageProblem(
                f"the certificate authority in {folder} cannot be used: {error}; remove {certificate.name} and "
                f"{key.name} there, and new ones will be made"
            ) from error
        return authority

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
