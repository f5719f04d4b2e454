"""Which keys may be in the file: asked in memory, so that an item that is new costs no trip to the disk."""

from struct import Struct

_BITS = 2**25
_BYTES = _BITS // 8 - 1  # as a mask
_words = Struct("<QQQ").unpack_from


class SeenKeys:
    """A Bloom filter of request keys: "no" is certain, "yes" must be looked up.

    >>> seen = SeenKeys()
    >>> seen.add(key)
    >>> key in seen
    True

    4 MB whatever it holds; of a million keys that it never saw it takes 600 for seen, of five million 5%. The keys
    are digests, so parts of them serve as their hashes. Source: B. H. Bloom, CACM 13(7), 1970.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_BITS // 8)

    def add(self, key: bytes) -> None:
        """Remember a key."""
        # No loop: this is on every item's way, twice.
        bits = self._bits
        first, second, third = _words(key)
        bits[first >> 3 & _BYTES] |= 1 << (first & 7)
        bits[second >> 3 & _BYTES] |= 1 << (second & 7)
        bits[third >> 3 & _BYTES] |= 1 << (third & 7)

    def __contains__(self, key: bytes) -> bool:
        bits = self._bits
        return all(bits[word >> 3 & _BYTES] >> (word & 7) & 1 for word in _words(key))
