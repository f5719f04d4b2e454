"""Random faults and latencies, and the slowdown under load."""

import math
import random
from bisect import bisect_right
from itertools import accumulate

from kaizen_batch.simulator.settings import Settings

_SERVER_ERRORS = (500, 500, 500, 502, 503)


class FaultInjector:
    """Draws faults and latencies from the seed: the same sequence of calls gets the same ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        rates = settings.rates()
        self._names = [*rates, ""]
        self._ends = list(accumulate(rates.values()))
        self._random = random.Random(settings.seed)

    def fault(self) -> str:
        """The fault of the next call, or an empty string."""
        return self._names[bisect_right(self._ends, self._random.random())] if self._ends else ""

    def server_error(self) -> int:
        """The status of a server error."""
        return self._random.choice(_SERVER_ERRORS)

    def latency_s(self) -> float:
        """Seconds that the next call takes on an idle server."""
        settings = self._settings
        if not settings.latency_sigma:
            return settings.latency_s
        return settings.latency_s * math.exp(self._random.gauss(0.0, settings.latency_sigma))


def slowdown(settings: Settings, in_flight: int, age_s: float) -> float:
    """The factor on the latency of a call, with `in_flight` calls in flight and `age_s` seconds after the start."""
    factor = 1.0
    if settings.knee is not None and in_flight > settings.knee:
        factor = (in_flight / settings.knee) ** settings.knee_power
    if settings.brownout is not None:
        start_s, end_s, worse = settings.brownout
        factor *= worse if start_s <= age_s < end_s else 1.0
    return factor
