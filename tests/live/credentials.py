"""Credentials of a publisher's application: a certificate, and a pipeline's token."""

import functools
import time
from pathlib import Path
from typing import Any

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fulfillment_conformance.emulator.identity.settings import EXCHANGE_AUDIENCE, FederatedCredential

ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "repo:contoso/crm:ref:refs/heads/main"
PIPELINE_KEY = rsa.generate_private_key(65537, 2048)
FEDERATED = FederatedCredential(
    issuer=ISSUER,
    subject=SUBJECT,
    public_key_pem=PIPELINE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
)


def pipeline_token(**claims: Any) -> str:
    """The token that a pipeline gets for itself."""
    now = int(time.time())
    genuine = {"iss": ISSUER, "sub": SUBJECT, "aud": EXCHANGE_AUDIENCE, "iat": now, "nbf": now, "exp": now + 300}
    return jwt.encode({**genuine, **claims}, PIPELINE_KEY, algorithm="RS256")


@functools.cache
def _issued() -> bytes:
    rsa_keys = trustme.KeyType.RSA
    issued = trustme.CA(key_type=rsa_keys).issue_cert("application.contoso.example", key_type=rsa_keys)
    return issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes()


def certificate(folder: Path) -> Path:
    """A PEM file with a private key and its certificate; the same ones in every test of a process."""
    path = folder / "application.pem"
    path.write_bytes(_issued())
    return path
