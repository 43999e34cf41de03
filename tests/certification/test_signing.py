import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fulfillment_conformance.certification import signing
from fulfillment_conformance.certification.signing import BadSignature, PrivateKey
from fulfillment_conformance.errors import UsageProblem

PAYLOAD = b'{"_type": "https://in-toto.io/Statement/v1"}\n'
NO_PASSPHRASE = serialization.NoEncryption()


def private_pem(key: PrivateKey | rsa.RSAPrivateKey, lock: bytes = b"") -> bytes:
    encryption = serialization.BestAvailableEncryption(lock) if lock else NO_PASSPHRASE
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


KEYS: dict[str, PrivateKey] = {
    "Ed25519": Ed25519PrivateKey.from_private_bytes(bytes(32)),
    "P-256": ec.derive_private_key(7, ec.SECP256R1()),
    "P-384": ec.derive_private_key(7, ec.SECP384R1()),
}


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest) -> PrivateKey:
    return KEYS[request.param]


def test_a_signature_is_that_of_the_key_and_the_payload(key: PrivateKey) -> None:
    envelope = signing.sign(PAYLOAD, key)
    signing.check(envelope, PAYLOAD, key.public_key())

    data = json.loads(envelope)
    assert base64.b64decode(data["payload"]) == PAYLOAD
    assert data["payloadType"] == "application/vnd.in-toto+json"
    [signature] = data["signatures"]
    assert signature["keyid"] == signing.fingerprint(key.public_key())


def test_equal_bytes_are_signed_by_equal_bytes() -> None:
    assert signing.sign(PAYLOAD, KEYS["Ed25519"]) == signing.sign(PAYLOAD, KEYS["Ed25519"])


def test_what_is_signed_is_what_dsse_says() -> None:
    """By the protocol of DSSE v1, so that other programs can check it."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    [signature] = json.loads(signing.sign(b"hello world", key))["signatures"]

    message = b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"
    key.public_key().verify(base64.b64decode(signature["sig"]), message)


def test_another_payload_key_or_signature_is_found(key: PrivateKey) -> None:
    envelope = signing.sign(PAYLOAD, key)
    other = signing.sign(PAYLOAD + b" ", key)
    stranger = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
    data = json.loads(envelope)
    data["signatures"][0]["sig"] = json.loads(other)["signatures"][0]["sig"]
    moved = (json.dumps(data, indent=1) + "\n").encode()

    with pytest.raises(BadSignature, match="signs another statement"):
        signing.check(other, PAYLOAD, key.public_key())
    with pytest.raises(BadSignature, match="is signed by the key"):
        signing.check(envelope, PAYLOAD, stranger.public_key())
    with pytest.raises(BadSignature, match="a signature that this key did not make"):
        signing.check(moved, PAYLOAD, key.public_key())


@pytest.mark.parametrize(
    "envelope", [b"", b"[]", b"{}", b'{"signatures": [{}], "payload": ""}', b"[" * 100_000, b'{"signatures": []}']
)
def test_what_is_no_envelope_is_told(envelope: bytes) -> None:
    with pytest.raises(BadSignature, match="no signed envelope of one signature"):
        signing.check(envelope, PAYLOAD, KEYS["Ed25519"].public_key())


def test_an_envelope_written_otherwise_is_found(key: PrivateKey) -> None:
    envelope = signing.sign(PAYLOAD, key) + b"\n"

    with pytest.raises(BadSignature, match="not written as certify writes it"):
        signing.check(envelope, PAYLOAD, key.public_key())


class TestFiles:
    def test_keys_are_read_from_pem(self, key: PrivateKey, tmp_path: Path) -> None:
        (tmp_path / "key.pem").write_bytes(private_pem(key))
        (tmp_path / "public.pem").write_bytes(signing.as_pem(key.public_key()))
        private = signing.load_private_key(tmp_path / "key.pem")
        public = signing.load_public_key(tmp_path / "public.pem")

        assert signing.fingerprint(private.public_key()) == signing.fingerprint(public)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"no key", "holds no private key in PEM; make one by `openssl genpkey"),
            (private_pem(KEYS["Ed25519"], b"passphrase"), "is locked by a passphrase; give a key without one"),
            (private_pem(rsa.generate_private_key(65537, 1024)), "neither Ed25519 nor ECDSA on P-256 or P-384"),
        ],
        ids=["nothing", "locked", "rsa"],
    )
    def test_a_private_key_that_cannot_be_used_is_told(self, content: bytes, said: str, tmp_path: Path) -> None:
        (tmp_path / "key.pem").write_bytes(content)

        with pytest.raises(UsageProblem, match=said):
            signing.load_private_key(tmp_path / "key.pem")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"no key", "holds no public key in PEM; get it from the private one"),
            (private_pem(KEYS["Ed25519"]), "holds a private key, and verifying takes the public one"),
            (
                ec.derive_private_key(7, ec.SECP521R1())
                .public_key()
                .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
                "neither Ed25519 nor ECDSA on P-256 or P-384",
            ),
        ],
        ids=["nothing", "private", "other curve"],
    )
    def test_a_public_key_that_cannot_be_used_is_told(self, content: bytes, said: str, tmp_path: Path) -> None:
        (tmp_path / "public.pem").write_bytes(content)

        with pytest.raises(UsageProblem, match=said):
            signing.load_public_key(tmp_path / "public.pem")

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        for load in (signing.load_private_key, signing.load_public_key):
            with pytest.raises(UsageProblem, match=r"nothing\.pem: No such file or directory; name a PEM file"):
                load(tmp_path / "nothing.pem")
