import base64
import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from fulfillment_conformance.emulator.identity.keys import (
    KEPT_FILE_NAME,
    KeyRing,
    SigningKey,
    b64url,
    keep_keys_in,
    pooled_key,
    stranger_key,
)
from fulfillment_conformance.errors import UsageProblem

FOREIGN = "3c5e8f10-97ab-4d26-8e4f-b06d2c71a953"
HOME = "8d1f3a52-64b0-4c4e-9b4e-0a5f7e2c1d10"


def public_numbers(key: SigningKey) -> rsa.RSAPublicNumbers:
    return key.public_key.public_numbers()


def test_b64url_has_no_padding_and_no_reserved_characters() -> None:
    assert b64url(b"\xfb\xff\xfe") == "-__-"
    assert b64url(b"a") == "YQ"


def test_a_pooled_key_is_made_once_even_when_asked_for_at_the_same_time() -> None:
    got: list[SigningKey] = []
    threads = [threading.Thread(target=lambda: got.append(pooled_key(4))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 4
    assert len({id(key) for key in got}) == 1
    assert pooled_key(0) is not pooled_key(1)


def test_a_jwk_gives_the_same_key_by_numbers_and_by_certificate() -> None:
    key = pooled_key(0)
    by_numbers = jwt.PyJWK({**key.jwk, "alg": "RS256"}).key
    [x5c] = jwt.PyJWKSet.from_dict({"keys": [key.jwk]}).keys[0]._jwk_data["x5c"]
    certificate = x509.load_der_x509_certificate(base64.b64decode(x5c))
    by_certificate = certificate.public_key()

    assert isinstance(by_certificate, rsa.RSAPublicKey)
    assert by_numbers.public_numbers() == by_certificate.public_numbers() == public_numbers(key)
    assert key.public_key.key_size == 2048


def test_the_key_id_is_the_thumbprint_of_the_certificate() -> None:
    key = pooled_key(0)
    der = key.certificate.public_bytes(serialization.Encoding.DER)

    assert key.kid == b64url(hashlib.sha1(der).digest())
    assert key.jwk["kid"] == key.jwk["x5t"] == key.kid
    assert key.jwk["use"] == "sig"
    assert key.jwk["kty"] == "RSA"


def test_the_certificate_is_signed_by_its_own_key() -> None:
    certificate = pooled_key(0).certificate

    pooled_key(0).public_key.verify(
        certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA256()
    )


def test_no_key_ring_publishes_the_strangers_key() -> None:
    keys = KeyRing(FOREIGN)
    keys.rotate()
    keys.rotate()
    published = {key.kid for tenant in ("common", HOME, FOREIGN) for key, _ in keys.published(tenant)}

    assert stranger_key().kid not in published


def test_a_tenant_publishes_its_own_keys_and_common_publishes_all_of_them() -> None:
    keys = KeyRing(FOREIGN)
    genuine, foreign = (keys.signing_key, None), (keys.foreign_key, FOREIGN)

    assert keys.published(HOME) == [genuine]
    assert keys.published(FOREIGN) == [foreign]
    for several in ("common", "organizations", "consumers"):
        assert keys.published(several) == [genuine, foreign]
    assert keys.key_of(HOME) is keys.signing_key
    assert keys.key_of(FOREIGN) is keys.foreign_key


def test_rotation_keeps_the_previous_key_published_until_the_next_one() -> None:
    keys = KeyRing(FOREIGN)
    first = keys.signing_key
    keys.rotate()
    second = keys.signing_key
    after_one = [key for key, _ in keys.published(HOME)]
    keys.rotate()
    after_two = [key for key, _ in keys.published(HOME)]

    assert second is not first
    assert after_one == [second, first]
    assert after_two == [keys.signing_key, second]


def test_rotation_can_drop_the_previous_key_at_once() -> None:
    keys = KeyRing(FOREIGN)
    keys.rotate(keep_previous=False)

    assert keys.published(HOME) == [(keys.signing_key, None)]


def test_keys_that_are_no_longer_published_are_still_known_to_have_signed() -> None:
    keys = KeyRing(FOREIGN)
    first = keys.signing_key
    keys.rotate(keep_previous=False)

    assert keys.issued_with(first.kid, HOME) is first
    assert keys.issued_with(keys.foreign_key.kid, FOREIGN) is keys.foreign_key
    assert keys.issued_with(keys.foreign_key.kid, HOME) is None
    assert keys.issued_with(first.kid, FOREIGN) is None
    assert keys.issued_with(None, HOME) is None


PRINT_KIDS = """
import sys
from pathlib import Path
from fulfillment_conformance.emulator.identity.keys import KeyRing, keep_keys_in
keep_keys_in(Path(sys.argv[1]))
ring = KeyRing("foreign")
print(ring.signing_key.kid, ring.foreign_key.kid)
"""


def test_kept_keys_are_the_same_in_another_process(tmp_path: Path) -> None:
    # In processes of their own: the pool of this one belongs to all tests.
    kids = [
        subprocess.run([sys.executable, "-c", PRINT_KIDS, tmp_path], capture_output=True, check=True).stdout
        for _ in range(2)
    ]

    assert kids[0] == kids[1]
    assert len(set(kids[0].split())) == 2


def test_a_file_without_keys_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / KEPT_FILE_NAME).write_text("no keys")

    with pytest.raises(UsageProblem, match="remove it, and new keys will be made"):
        keep_keys_in(tmp_path)
