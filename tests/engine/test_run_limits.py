"""The limits of a run: only those that are lower than the agent's are added."""

import pytest

from kaizen_batch import BatchConfig, MockProvider, RunConfig
from kaizen_batch.agents import create_agent
from kaizen_batch.engine.run_limits import RunLimits
from kaizen_batch.limits import AdaptiveConcurrencyLimiter, UpstreamLimits


def limits_of(agent: UpstreamLimits, **run: object) -> RunLimits:
    return RunLimits(agent, RunConfig(**run), None)  # type: ignore[arg-type]


def agent_limits(**options: object) -> UpstreamLimits:
    config = BatchConfig(llm_provider="mock", **options)  # type: ignore[arg-type]
    return create_agent(config, None, MockProvider()).upstream_limits


@pytest.mark.parametrize(("agent", "run", "wanted"), [(10, 4, 4), (4, 10, 4), (5, 5, 5)])
def test_the_lower_concurrency_counts(agent: int, run: int, wanted: int) -> None:
    limits = limits_of(agent_limits(max_concurrent=agent), max_concurrent=run)
    assert limits.max_concurrent == wanted
    assert limits.limit == wanted


def test_the_ceiling_of_the_agent_is_shared_by_its_runs() -> None:
    agent = agent_limits(max_concurrent=5)
    one, two = limits_of(agent, max_concurrent=5), limits_of(agent, max_concurrent=5)
    assert one.slots == two.slots == (agent.slots,)


def test_an_adaptive_run_adapts_below_the_ceiling_of_the_agent() -> None:
    agent = agent_limits(max_concurrent=8)
    ceiling, own = limits_of(agent, max_concurrent=100, adaptive=True).slots
    assert ceiling is agent.slots
    assert isinstance(own, AdaptiveConcurrencyLimiter)
    assert own.max_concurrent == 8


def test_only_a_lower_rate_is_the_runs_own() -> None:
    agent = agent_limits(requests_per_minute=100, tokens_per_minute=1000)
    assert limits_of(agent, requests_per_minute=100, tokens_per_minute=2000).rate is None
    rate = limits_of(agent, requests_per_minute=50).rate
    assert rate is not None
    assert (rate.limit_of("requests"), rate.limit_of("tokens")) == (50, None)


def test_a_budget_bounds_all_endpoints() -> None:
    limits = limits_of(agent_limits(), budget_usd=2.0)
    assert limits.budget is not None
    assert limits.budget in limits.for_all
    assert limits_of(agent_limits()).budget is None
