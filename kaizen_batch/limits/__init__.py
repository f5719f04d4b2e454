"""What holds a call back: how many at once, how many a minute, how much money, and a pause for everyone."""

from kaizen_batch.concurrency.slots import Slots
from kaizen_batch.limits.adaptive import AdaptiveConcurrencyLimiter
from kaizen_batch.limits.admission import ADMISSION, Admission
from kaizen_batch.limits.budget import Budget, Ledger
from kaizen_batch.limits.circuit_breaker import CircuitBreaker
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.endpoints import EndpointChoice
from kaizen_batch.limits.queue import WaitQueue
from kaizen_batch.limits.rate import RateLimit, RateLimiter
from kaizen_batch.limits.rate_limit_headers import read_rate_limit_headers
from kaizen_batch.limits.rate_limits import RateLimits
from kaizen_batch.limits.reservation import InFlight, Limit, Reservation
from kaizen_batch.limits.token_estimate import TokenEstimate
from kaizen_batch.limits.upstream_limits import UpstreamLimits

__all__ = [
    "ADMISSION",
    "AdaptiveConcurrencyLimiter",
    "Admission",
    "Budget",
    "CircuitBreaker",
    "ConcurrencyLimiter",
    "EndpointChoice",
    "InFlight",
    "Ledger",
    "Limit",
    "RateLimit",
    "RateLimiter",
    "RateLimits",
    "Reservation",
    "Slots",
    "TokenEstimate",
    "UpstreamLimits",
    "WaitQueue",
    "read_rate_limit_headers",
]
