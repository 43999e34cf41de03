"""Opaque texts that only their maker can read: purchase tokens, continuation tokens.

A sealed text says nothing about its content, cannot be altered without notice, and always contains `+`, `/` and `=`, so
that whoever forgets to percent-encode or decode it finds out. This is a model's safeguard, no protection of secrets.
"""

import base64
import binascii
import hmac
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, shake_256
from itertools import count
from uuid import UUID

from fulfillment_conformance.marketplace.ids import Ids

_TAG = 16
_SALT = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Seal:
    """Turns bytes into sealed text and back; equal content gives equal text."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def close(self, content: bytes) -> str:
        """Return the sealed text of `content`."""
        # One byte of filler, where it is needed, keeps the length off a multiple of three: base64 then ends in "=".
        filler = b"\0" * ((_TAG + 1 + _SALT + len(content)) % 3 == 0)
        for salt in count():
            body = bytes([len(filler)]) + filler + salt.to_bytes(_SALT) + content
            tag = self._tag(body)
            text = base64.b64encode(tag + self._masked(tag, body)).decode("ascii")
            if "+" in text and "/" in text:
                break
        return text

    def open(self, text: str) -> bytes | None:
        """Return the content of a sealed text, or None for any text that this seal has not made."""
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
        # The last character has bits that decoding ignores; comparing with the canonical form notices a change there.
        if len(raw) < _TAG + 1 + _SALT or base64.b64encode(raw) != text.encode("ascii"):
            return None
        tag = raw[:_TAG]
        body = self._masked(tag, raw[_TAG:])
        if not hmac.compare_digest(tag, self._tag(body)):
            return None
        return body[1 + body[0] + _SALT :]

    def _tag(self, body: bytes) -> bytes:
        return blake2b(body, key=self._key, digest_size=_TAG).digest()

    def _masked(self, tag: bytes, body: bytes) -> bytes:
        stream = shake_256(self._key + tag).digest(len(body))
        return (int.from_bytes(body) ^ int.from_bytes(stream)).to_bytes(len(body))


class PurchaseTokens:
    """Issues and reads purchase tokens; a subscription may have any number of them at a time.

    A token is 236 characters long, as seen on the live service in 2022, and carries the subscription's id and the time
    at which it ceases to be valid.
    """

    __slots__ = ("_ids", "_seal")

    _NOISE = 133

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._seal = Seal(ids.token_bytes(32))

    def issue(self, subscription_id: str, expires: datetime) -> str:
        """Return a new token, different from every other one."""
        expiry = (expires - _EPOCH) // _MICROSECOND
        return self._seal.close(UUID(subscription_id).bytes + expiry.to_bytes(8) + self._ids.token_bytes(self._NOISE))

    def read(self, token: str) -> tuple[str, datetime] | None:
        """Return the subscription's id and the end of validity, or None for anything but an issued token."""
        content = self._seal.open(token)
        if content is None:
            return None
        return str(UUID(bytes=content[:16])), _EPOCH + int.from_bytes(content[16:24]) * _MICROSECOND
