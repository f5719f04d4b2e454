"""The filter of keys: a "no" is certain, and rarely is a key taken for seen that never was."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch.journal.seen import SeenKeys


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


@given(st.sets(st.integers(0, 10_000), max_size=50))
def test_what_was_added_is_there(numbers: set[int]) -> None:
    seen = SeenKeys()
    for number in numbers:
        seen.add(key(number))
    assert all(key(number) in seen for number in numbers)


def test_what_was_not_added_is_rarely_taken_for_seen() -> None:
    seen = SeenKeys()
    for number in range(100_000):
        seen.add(key(number))
    wrong = sum(key(number) in seen for number in range(100_000, 200_000))
    assert wrong < 10  # 9e-6 of them: (2 * 100,000 / 2**26) squared
