"""Signatures: a DSSE envelope around the statement, made with an Ed25519 or ECDSA key that the user gives as PEM."""

import base64
import binascii
import hashlib
import json
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fulfillment_conformance.errors import UsageProblem

PAYLOAD_TYPE = "application/vnd.in-toto+json"

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey
PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

_HASHES = {SECP256R1.name: hashes.SHA256(), SECP384R1.name: hashes.SHA384()}
_MAKE_ONE = "make one by `openssl genpkey -algorithm ed25519 -out key.pem`"


class BadSignature(ValueError):  # noqa: N818 - says what is so
    """An envelope is not one, or its signature is not that of the key; the message says which."""


def load_private_key(file: Path) -> PrivateKey:
    """Read the key to sign with.

    Raises:
        UsageProblem: the file cannot be read, or holds no key that can be used.
    """
    pem = _read(file)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise UsageProblem(f"{file} is locked by a passphrase; give a key without one, or {_MAKE_ONE}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageProblem(f"{file} holds no private key in PEM; {_MAKE_ONE}") from None
    if not _usable(key):
        raise UsageProblem(f"{file} holds a key that is neither Ed25519 nor ECDSA on P-256 or P-384; {_MAKE_ONE}")
    assert isinstance(key, PrivateKey)
    return key


def load_public_key(file: Path) -> PublicKey:
    """Read the key that an archive has to be signed with.

    Raises:
        UsageProblem: the file cannot be read, or holds no key that can be used.
    """
    pem = _read(file)
    hint = "get it from the private one by `openssl pkey -in key.pem -pubout -out public.pem`"
    if b"PRIVATE KEY" in pem:
        raise UsageProblem(f"{file} holds a private key, and verifying takes the public one; {hint}")
    try:
        return public_key(pem)
    except BadSignature as error:
        raise UsageProblem(f"{file} {error}; {hint}") from None


def public_key(pem: bytes) -> PublicKey:
    """Return the public key that stands in a PEM text.

    Raises:
        BadSignature: none does that can be used.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise BadSignature("holds no public key in PEM") from None
    if not _usable(key):
        raise BadSignature("holds a key that is neither Ed25519 nor ECDSA on P-256 or P-384")
    assert isinstance(key, PublicKey)
    return key


def as_pem(key: PublicKey) -> bytes:
    """Return a public key as PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: PublicKey) -> str:
    """Return what names a public key: SHA-256 of its SubjectPublicKeyInfo, in hex."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def sign(payload: bytes, key: PrivateKey) -> bytes:
    """Return the envelope of a signed payload."""
    message = _encoded(payload)
    signature = key.sign(message) if isinstance(key, Ed25519PrivateKey) else _ecdsa(message, key)
    return _envelope(payload, fingerprint(key.public_key()), signature)


def check(envelope: bytes, payload: bytes, key: PublicKey) -> None:
    """Make sure that an envelope holds this payload and the key's signature of it, and is written as `sign` does.

    Raises:
        BadSignature: it does not.
    """
    try:
        data = json.loads(envelope)
        [entry] = data["signatures"]
        signed = base64.b64decode(data["payload"], validate=True)
        signature = base64.b64decode(entry["sig"], validate=True)
        signer = str(entry["keyid"])
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise BadSignature("is no signed envelope of one signature") from None
    if signed != payload:
        raise BadSignature("signs another statement than the one in the archive")
    if signer != fingerprint(key):
        raise BadSignature(f"is signed by the key {signer[:16]}, not by {fingerprint(key)[:16]}")
    if envelope != _envelope(payload, signer, signature):
        raise BadSignature("is not written as certify writes it")
    message = _encoded(payload)
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(_HASHES[key.curve.name]))
    except InvalidSignature:
        raise BadSignature("carries a signature that this key did not make of this statement") from None


def _ecdsa(message: bytes, key: EllipticCurvePrivateKey) -> bytes:
    algorithm = _HASHES[key.curve.name]
    try:
        return key.sign(message, ECDSA(algorithm, deterministic_signing=True))
    except UnsupportedAlgorithm:  # an OpenSSL before 3.2: valid all the same, but other bytes each time
        return key.sign(message, ECDSA(algorithm))


def _encoded(payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _envelope(payload: bytes, signer: str, signature: bytes) -> bytes:
    data = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode("ascii"),
        "signatures": [{"keyid": signer, "sig": base64.b64encode(signature).decode("ascii")}],
    }
    return (json.dumps(data, indent=1) + "\n").encode("ascii")


def _usable(key: object) -> bool:
    if isinstance(key, EllipticCurvePrivateKey | EllipticCurvePublicKey):
        return key.curve.name in _HASHES
    return isinstance(key, Ed25519PrivateKey | Ed25519PublicKey)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageProblem(f"--key {file}: {error.strerror or error}; name a PEM file") from None
