"""Signing keys of the identity provider: where they come from, who publishes them, how they are rotated."""

import base64
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from fulfillment_conformance.errors import UsageProblem


def b64url(data: bytes) -> str:
    """Encode as JOSE does: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, eq=False)
class SigningKey:
    """An RSA key with the self-signed certificate in which Entra publishes it."""

    private_key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @cached_property
    def public_key(self) -> rsa.RSAPublicKey:
        """The half that is published."""
        return self.private_key.public_key()

    @cached_property
    def kid(self) -> str:
        """The name of the key in token headers and key sets: the SHA-1 thumbprint of its certificate."""
        return b64url(self.certificate.fingerprint(hashes.SHA1()))  # noqa: S303 - what `x5t` is defined as

    @cached_property
    def jwk(self) -> dict[str, Any]:
        """The public half as an entry of a JWK set."""
        numbers = self.public_key.public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": b64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": b64url(numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")),
            "x5c": [
                base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode("ascii"),
            ],
        }


_GENUINE, _FOREIGN, _STRANGER, _FIRST_ROTATED = range(4)
"""Numbers in the pool."""

SPARE_KEYS = 100
"""From this number on the pool's keys belong to nobody: for whoever publishes one of his own."""

_pool: dict[int, SigningKey] = {}
_pool_lock = threading.Lock()


def pooled_key(number: int) -> SigningKey:
    """Return the process's signing key of that number, made on first use.

    Making a key takes some 60 ms, so the identity providers of one process share theirs; another process has others.
    """
    with _pool_lock:
        if number not in _pool:
            _pool[number] = _make_key()
        return _pool[number]


KEPT_FILE_NAME = "fulfillment-conformance-signing-keys.pem"
_KEPT = (_GENUINE, _FOREIGN)


def keep_keys_in(folder: Path) -> None:
    """Sign with the keys that lie in a folder from now on; made, and put there, the first time.

    A publisher caches Microsoft's keys for hours; it would refuse genuine calls of the next run if that had others. To
    be called before the first identity provider is made: keys that are in use are not exchanged.

    Raises:
        UsageProblem: the file cannot be read or written, or holds something else.
    """
    path = folder.resolve() / KEPT_FILE_NAME
    try:
        if path.is_file():
            kept = _read_keys(path.read_bytes())
            with _pool_lock:
                _pool.update(zip(_KEPT, kept, strict=True))
            return
        folder.mkdir(parents=True, exist_ok=True)
        kept = [pooled_key(number) for number in _KEPT]
        # Nobody but the owner may sign in Microsoft's name: created closed, not closed afterwards.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join(_pem(key) for key in kept))
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{path} cannot be used: {error}; remove it, and new keys will be made") from error


def _pem(key: SigningKey) -> bytes:
    private = key.private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + key.certificate.public_bytes(serialization.Encoding.PEM)


def _read_keys(pem: bytes) -> list[SigningKey]:
    certificates = x509.load_pem_x509_certificates(pem)
    end = b"-----END PRIVATE KEY-----"
    begin = b"-----BEGIN PRIVATE KEY-----"
    found = [begin + part.partition(begin)[2] + end for part in pem.split(end)[:-1]]
    keys = [serialization.load_pem_private_key(part, password=None) for part in found]
    if len(keys) != len(_KEPT) or len(certificates) != len(_KEPT):
        raise ValueError(
            f"it holds {len(keys)} keys and {len(certificates)} certificates, expected {len(_KEPT)} of each"
        )
    if not all(isinstance(key, rsa.RSAPrivateKey) for key in keys):
        raise ValueError("it holds keys that are not RSA")
    return [
        SigningKey(key, certificate)
        for key, certificate in zip(keys, certificates, strict=True)
        if isinstance(key, rsa.RSAPrivateKey)
    ]


def stranger_key() -> SigningKey:
    """Return a key that no identity provider ever publishes."""
    return pooled_key(_STRANGER)


def _make_key() -> SigningKey:
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts.accesscontrol.windows.net")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=5 * 365))
        .sign(private_key, hashes.SHA256())
    )
    return SigningKey(private_key, certificate)


class KeyRing:
    """The keys of one identity provider: Microsoft's own, which rotate, and those of the foreign tenant.

    Real Entra shares its keys among tenants; here the foreign tenant has its own, so that a receiver that trusts every
    key it is shown, whomever it belongs to, can be told from one that does not.
    """

    def __init__(self, foreign_tenant_id: str) -> None:
        self._foreign_tenant_id = foreign_tenant_id
        self._next = _FIRST_ROTATED
        self._genuine = [pooled_key(_GENUINE)]
        self._published = 1

    @property
    def signing_key(self) -> SigningKey:
        """Microsoft's present signing key."""
        return self._genuine[-1]

    @property
    def foreign_key(self) -> SigningKey:
        """The foreign tenant's signing key."""
        return pooled_key(_FOREIGN)

    def key_of(self, tenant_id: str) -> SigningKey:
        """Return the key that signs the tokens of a tenant."""
        return self.foreign_key if tenant_id == self._foreign_tenant_id else self.signing_key

    def published(self, tenant: str) -> list[tuple[SigningKey, str | None]]:
        """Return the keys published under a tenant's path, or under `common` and the like, newest first.

        The second of each pair is the only tenant that the key signs for, None for Microsoft's own.
        """
        genuine: list[tuple[SigningKey, str | None]] = [
            (key, None) for key in reversed(self._genuine[-self._published :])
        ]
        foreign = [(self.foreign_key, self._foreign_tenant_id)]
        if tenant == self._foreign_tenant_id:
            return [*foreign]
        return [*genuine, *foreign] if tenant in COMMON_TENANTS else genuine

    def issued_with(self, kid: object, tenant_id: object) -> SigningKey | None:
        """Return the key of that name if it ever signed for that tenant, published or not."""
        keys = [self.foreign_key] if tenant_id == self._foreign_tenant_id else self._genuine
        return next((key for key in keys if key.kid == kid), None)

    def rotate(self, *, keep_previous: bool = True) -> None:
        """Sign with a new key; the previous one stays published until the next rotation, or goes at once."""
        self._genuine.append(pooled_key(self._next))
        self._next += 1
        self._published = 2 if keep_previous else 1


COMMON_TENANTS = frozenset({"common", "organizations", "consumers"})
"""Path segments that stand for many tenants."""
