"""Which keys may be in the file, in memory, so that a new item needs no read from the disk."""

from struct import Struct
from threading import Lock

_BITS = 2**26
_BYTES = _BITS // 8 - 1  # as a mask
_words = Struct("<QQ").unpack_from


class SeenKeys:
    """A Bloom filter of request keys: "no" is certain, "yes" must be looked up.

    >>> seen = SeenKeys()
    >>> seen.add(key)
    >>> key in seen
    True

    8 MB whatever it holds; with a million keys it takes 900 of a million others for seen, with five million 2%. The
    keys are digests, so parts of them serve as their hashes. Source: B. H. Bloom, CACM 13(7), 1970.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_BITS // 8)
        self._guard = Lock()

    def add(self, key: bytes) -> None:
        """Remember a key."""
        # No loop: this is on every item's way, twice.
        bits = self._bits
        first, second = _words(key)
        with self._guard:  # runs on other threads add theirs; a lost bit would be a wrong "no"
            bits[first >> 3 & _BYTES] |= 1 << (first & 7)
            bits[second >> 3 & _BYTES] |= 1 << (second & 7)

    def __contains__(self, key: bytes) -> bool:
        bits = self._bits
        first, second = _words(key)
        return bool(bits[first >> 3 & _BYTES] >> (first & 7) & bits[second >> 3 & _BYTES] >> (second & 7) & 1)
