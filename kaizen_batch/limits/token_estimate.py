"""How many tokens a call may take, from the bytes of its body, without a tokenizer."""

import math

_ANSWERS_NEEDED = 5
_MARGIN = 1.25
_USUAL_RATIO = 0.25  # English text; the endpoint's own estimate is made like this too


class TokenEstimate:
    """An upper bound of a call's tokens, learned from the usage that comes back.

        estimate = TokenEstimate()
        estimate.tokens(400, max_output=100)  # 500: one token a byte, as nothing is known yet
        estimate.learn(400, input_tokens=96)  # after five of these 0.24 * 1.25 = 0.3 tokens a byte

    A token of a byte-level BPE is at least one byte, so bytes bound tokens from above. After five answers the bound
    is the highest ratio seen, times 1.25: items whose ratios lie within a factor of 1.25 of each other are always
    bounded, and by at most 1.25 * 1.25 times their tokens. What an endpoint adds to a body unseen (a prompt of its
    own, an image behind a link) shows as more tokens than bytes and is added to each call.
    """

    def __init__(self) -> None:
        self.ratio: float = 1.0
        self._highest = 0.0
        self._unseen = 0
        self._answers = 0

    def tokens(self, body_bytes: int, max_output: int) -> int:
        """Tokens that a call takes at most: those of its body and `max_output`."""
        # the rounding is there so that 100 bytes at 0.07 a byte are 7 tokens, not 8
        return math.ceil(round(self.ratio * body_bytes, 6)) + self._unseen + max_output

    def likely(self, body_bytes: int, max_output: int) -> int:
        """Tokens that a call will rather take: four bytes a token before the first answer, then the most seen."""
        return math.ceil((self._highest or _USUAL_RATIO) * body_bytes) + max_output

    def learn(self, body_bytes: int, input_tokens: int) -> None:
        """Take in the usage of an answered call; senseless numbers (0 or less) are left out."""
        if body_bytes <= 0 or input_tokens <= 0:
            return
        self._answers += 1
        ratio = input_tokens / body_bytes
        if ratio > self._highest:
            self._highest = ratio
        elif self._answers > _ANSWERS_NEEDED and ratio <= 1.0:
            return  # nearly always: nothing new
        self._unseen = max(self._unseen, input_tokens - body_bytes)
        if self._answers >= _ANSWERS_NEEDED:
            self.ratio = min(1.0, self._highest * _MARGIN)
