"""How many tokens a call may take, without a tokenizer: its input from the bytes of its body, its output from others.

**Input.** A token of a byte-level BPE is at least one byte, so bytes bound tokens from above. After five answers the
bound is the highest ratio seen, times 1.25: items whose ratios lie within a factor of 1.25 of each other are always
bounded, and by at most 1.25 * 1.25 times their tokens. What an endpoint adds to a body unseen (a prompt of its own, an
image behind a link) shows as more tokens than bytes and is added to each call.

**Output.** `max_tokens` bounds an answer, but most answers are far shorter, and some calls set no bound at all. Once
20 answers are known a call reserves the 99th percentile of their lengths and 10% more (before, from five on, one and a
half times the longest), never more than `max_tokens`. Rarely a call exceeds that; so that even then no window is
exceeded, a window must have room for one call of one and a quarter times the longest answer beyond what is reserved
(`headroom`). Money is not estimated here: a budget reserves the worst case.
"""

import math
from collections import deque

_ANSWERS_NEEDED = 5
_MARGIN = 1.25
_USUAL_RATIO = 0.25  # English text; the endpoint's own estimate is made like this too

_SAMPLES = 500  # the lengths of so many answers are kept
_LOOK_EACH = 50  # answers
_SAMPLES_NEEDED = 20
_QUANTILE = 0.99
_OUTPUT_MARGIN = 1.1
_EARLY_MARGIN = 1.5


class TokenEstimate:
    """The tokens of a call, learned from the usage that comes back.

    >>> estimate = TokenEstimate()
    >>> estimate.tokens(400, max_output=100)  # one token a byte, as nothing is known yet
    500
    """

    def __init__(self) -> None:
        self.ratio: float = 1.0
        self._highest = 0.0
        self._unseen = 0
        self._answers = 0
        self._recent: deque[int] = deque(maxlen=_SAMPLES)
        self._look_at = 0
        self._usual: int | None = None
        self._longest = 0

    def tokens(self, body_bytes: int, max_output: int) -> int:
        """Tokens that a call takes at most: those of its body and `max_output`."""
        # the rounding is there so that 100 bytes at 0.07 a byte are 7 tokens, not 8
        return math.ceil(round(self.ratio * body_bytes, 6)) + self._unseen + max_output

    def likely(self, body_bytes: int, max_output: int) -> int:
        """Tokens that a call will rather take: four bytes a token before the first answer, then the most seen."""
        return math.ceil((self._highest or _USUAL_RATIO) * body_bytes) + max_output

    def output(self, max_output: int | None) -> tuple[int, int] | None:
        """Output tokens to reserve for a call, and the headroom beyond; None while nothing bounds or tells them."""
        if self._usual is None:
            return None if max_output is None else (max_output, 0)
        if max_output is None or max_output >= self._longest:
            return self._usual, self._longest - self._usual
        usual = min(self._usual, max_output)
        return usual, max_output - usual

    def learn(self, body_bytes: int, input_tokens: int, output_tokens: int = 0) -> None:
        """Take in the usage of an answered call; senseless numbers (0 or less) are left out."""
        if body_bytes <= 0 or input_tokens <= 0:
            return
        self._answers = answers = self._answers + 1
        if output_tokens > 0:
            self._recent.append(output_tokens)
            if output_tokens > self._longest or answers >= self._look_at:
                self._look(sorted(self._recent))
        ratio = input_tokens / body_bytes
        if ratio > self._highest:
            self._highest = ratio
        elif answers > _ANSWERS_NEEDED and ratio <= 1.0:
            return  # nearly always: nothing new
        self._unseen = max(self._unseen, input_tokens - body_bytes)
        if answers >= _ANSWERS_NEEDED:
            self.ratio = min(1.0, self._highest * _MARGIN)

    def _look(self, lengths: list[int]) -> None:
        self._look_at = self._answers + (1 if self._answers < _SAMPLES_NEEDED else _LOOK_EACH)
        if len(lengths) < _ANSWERS_NEEDED:
            return
        if len(lengths) < _SAMPLES_NEEDED:
            self._usual = math.ceil(_EARLY_MARGIN * lengths[-1])
        else:
            self._usual = math.ceil(_OUTPUT_MARGIN * lengths[int(_QUANTILE * (len(lengths) - 1))])
        self._longest = max(self._usual, math.ceil(_MARGIN * lengths[-1]))
