"""An OpenAI-compatible endpoint on 127.0.0.1, for tests, demos and benchmarks of the HTTP path: a chaos server.

>>> with Simulator(latency_s=0.01) as simulator:
...     agent = BatchProcessorAgent(base_url=simulator.base_url, api_key="any")
...     agent.process_single("hello")
>>> simulator.ledger.billed
1

It serves `/v1/chat/completions`, `/v1/models`, `/v1/files` and `/v1/batches`, enforces rate limits, adds latency,
injects faults at given rates, runs batches on an accelerated clock, and keeps a ledger of every call (`GET /ledger`,
`GET /ledger?entries=0`, `POST /ledger/reset`).
From a shell: `python -m kaizen_batch.simulator --port 0`.
"""

from kaizen_batch.simulator.ledger import Entry, Ledger
from kaizen_batch.simulator.server import Simulator
from kaizen_batch.simulator.settings import Reply, Settings

__all__ = ["Entry", "Ledger", "Reply", "Settings", "Simulator"]
