"""What chance and load do to a call: its fault, and the seconds that it takes."""

import math
import random
from bisect import bisect_right
from itertools import accumulate

from kaizen_batch.simulator.settings import Settings

_SERVER_ERRORS = (500, 500, 500, 502, 503)


class Dice:
    """Faults and latencies by the seed: the same for the same order of calls."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        rates = settings.rates()
        self._names = [*rates, ""]
        self._ends = list(accumulate(rates.values()))
        self._random = random.Random(settings.seed)

    def fault(self) -> str:
        """The fault that hits the next call, or nothing."""
        return self._names[bisect_right(self._ends, self._random.random())] if self._ends else ""

    def server_error(self) -> int:
        """Which status a 500 has."""
        return self._random.choice(_SERVER_ERRORS)

    def latency_s(self) -> float:
        """Seconds of the next call, on an idle server."""
        settings = self._settings
        if not settings.latency_sigma:
            return settings.latency_s
        return settings.latency_s * math.exp(self._random.gauss(0.0, settings.latency_sigma))


def slowdown(settings: Settings, in_flight: int, age_s: float) -> float:
    """The factor on the time of a call that makes it so many in flight, `age_s` seconds after the start."""
    factor = 1.0
    if settings.knee is not None and in_flight > settings.knee:
        factor = (in_flight / settings.knee) ** settings.knee_power
    if settings.brownout is not None:
        start_s, end_s, worse = settings.brownout
        factor *= worse if start_s <= age_s < end_s else 1.0
    return factor
