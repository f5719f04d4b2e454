"""What holds a call back: how many at once, how many a minute, how much money, and a pause for everyone."""

from kaizen_batch.limits.adaptive import AdaptiveConcurrencyLimiter
from kaizen_batch.limits.admission import Admission, Line
from kaizen_batch.limits.announced import announcement
from kaizen_batch.limits.base import Limit, Ticket
from kaizen_batch.limits.budget import Budget
from kaizen_batch.limits.concurrency import ConcurrencyLimiter
from kaizen_batch.limits.estimate import TokenEstimate
from kaizen_batch.limits.gate import Gate
from kaizen_batch.limits.rate import RateLimiter
from kaizen_batch.limits.slots import Slots

__all__ = [
    "AdaptiveConcurrencyLimiter",
    "Admission",
    "Budget",
    "ConcurrencyLimiter",
    "Gate",
    "Limit",
    "Line",
    "RateLimiter",
    "Slots",
    "Ticket",
    "TokenEstimate",
    "announcement",
]
