"""Where every identifier comes from: a seeded source, so that two runs with one seed name everything alike."""

from hashlib import shake_256


class Ids:
    """An endless, reproducible supply of GUIDs and opaque bytes; equal seeds give equal sequences."""

    __slots__ = ("_drawn", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = b"fulfillment-conformance:%d:" % seed
        self._drawn = 0

    def guid(self) -> str:
        """Return the next GUID: lower case, with dashes, marked as version 4 (random)."""
        digits = self.token_bytes(16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def token_bytes(self, n: int) -> bytes:
        """Return the next `n` bytes."""
        self._drawn += 1
        return shake_256(self._seed + b"%d" % self._drawn).digest(n)
