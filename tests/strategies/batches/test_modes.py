"""The cheapest mode that is done in time."""

from pathlib import Path

import pytest

from kaizen_batch import BatchConfig, FileJob, ParallelBatchStrategy, Price, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.config import Mode
from kaizen_batch.simulator import Simulator
from kaizen_batch.strategies.batches.modes import LEAST_BATCH_S, Modes

LIVE, HALF = Price(1.0, 2.0), Price(0.5, 1.0)
FOREVER = float("inf")


@pytest.mark.parametrize(
    ("prices", "left_s", "mode"),
    [
        ({"live": LIVE, "batch": HALF}, FOREVER, "batch"),
        ({"live": LIVE, "batch": HALF}, 200 + LEAST_BATCH_S, "batch"),
        ({"live": LIVE, "batch": HALF}, 199 + LEAST_BATCH_S, "live"),
        ({"live": LIVE, "flex": HALF, "batch": HALF}, FOREVER, "flex"),
        ({"live": LIVE, "flex": HALF}, 400, "flex"),
        ({"live": LIVE, "flex": HALF}, 399, "live"),
        ({"live": LIVE, "flex": HALF, "batch": Price(0.4, 1.0)}, FOREVER, "batch"),
        ({"live": LIVE, "batch": LIVE}, FOREVER, "live"),
        ({"live": None, "batch": None}, FOREVER, "batch"),
        ({"live": LIVE}, FOREVER, "live"),
        ({"live": LIVE, "batch": HALF}, -5, "live"),
    ],
)
def test_the_cheapest_that_is_done_in_time(prices: dict[Mode, Price | None], left_s: float, mode: Mode) -> None:
    assert Modes(prices, left_s, live_s=100.0).cheapest() == mode


async def test_flex_asks_at_the_service_tier_in_every_way_of_running(tmp_path: Path) -> None:
    with Simulator(price_input=1.0, price_output=2.0) as simulator:
        config = BatchConfig(
            base_url=simulator.base_url, model="gpt-5-mini", mode="flex", price={"input": 1, "output": 2}
        )
        agent = create_agent(config)
        result = await ParallelBatchStrategy().run_batch(agent, ["a", "b"])
        async with ParallelBatchStrategy().stream(agent, ["c"]) as run:
            assert [each["status"] async for each in run] == ["ok"]
        (tmp_path / "in.csv").write_text("text\nd\n")
        job = FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template="{text}")
        assert (await run_job(job, agent, config)).complete
        live = await ParallelBatchStrategy().run_batch(agent, ["e"], mode="live")
        modes = simulator.ledger.billed_by_mode()
    assert (result.summary.ok, live.summary.ok) == (2, 1)
    assert {mode: number for mode, (number, _) in modes.items()} == {"flex": 4, "live": 1}
