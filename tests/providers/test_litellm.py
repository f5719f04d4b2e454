"""LiteLLM's SDK on the provider seam, against the simulator; skipped unless LiteLLM is installed."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from kaizen_batch import BatchConfig, BatchProcessorAgent, ConfigError, Price
from kaizen_batch.providers import create_provider
from kaizen_batch.providers.litellm import LiteLLMProvider, _litellm
from kaizen_batch.results import BatchResult
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import TORN, error_reply

pytestmark = pytest.mark.enable_socket
ROOT = Path(__file__).parents[2]
# Where `.ci/interop` installs it, for the proxy.
_INSTALLED = [str(path) for path in ROOT.glob(".venv-litellm/lib/python*/site-packages")]


@pytest.fixture(scope="module")
def sdk() -> ModuleType:
    sys.path += [path for path in _INSTALLED if path not in sys.path]
    try:
        return _litellm()
    except ConfigError:
        pytest.skip("LiteLLM is not installed")


async def run(server: Simulator, items: list[Any], **options: Any) -> BatchResult:
    given = {"model": "openai/m", "api_key": "sk-own", "retry": {"wait_initial": 0.01, "wait_max": 0.02}, **options}
    return await BatchProcessorAgent(llm_provider="litellm", base_url=server.base_url, **given).run_batch(items)


@pytest.mark.skipif(importlib.util.find_spec("litellm") is not None or bool(_INSTALLED), reason="LiteLLM is installed")
def test_without_the_extra_the_error_says_how_to_get_it() -> None:
    with pytest.raises(ConfigError, match=r"kaizen-batch\[litellm\]"):
        create_provider(BatchConfig(llm_provider="litellm", model="x"))


@pytest.mark.filterwarnings("ignore")
async def test_items_are_answered_and_parameters_and_headers_arrive(sdk: ModuleType) -> None:
    with Simulator() as server:
        batch = await run(server, ["a", "b"], parameters={"top_p": 0.5, "vendor": 1}, headers={"X-A": "b"})
        assert batch.summary.ok == 2 and server.ledger.calls == 2
        assert server.ledger.entries[0].parameters["top_p"] == 0.5
        assert (server.headers[0]["x-a"], server.headers[0]["authorization"]) == ("b", "Bearer sk-own")
    assert batch.results[0]["usage"] is not None


class Team(BaseModel):
    team: str
    tags: dict[str, int]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("structured", ["all", "none"])
async def test_schemas_work_and_refusals_are_learned(structured: str, sdk: ModuleType) -> None:
    with Simulator(structured=structured) as server:
        batch = await run(server, ["a", "b"], signature=Team, max_concurrent=1)
    assert batch.summary.ok == 2, batch.results


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("reply", "code", "calls"),
    [
        (error_reply(400, "invalid_value", "the key sk-own is in here"), "invalid_value", 1),
        (error_reply(401, "invalid_api_key", "wrong"), "invalid_api_key", 1),
        (error_reply(429, "insufficient_quota", "no money"), "insufficient_quota", 1),
        (error_reply(429, "slow_down", "slow").with_headers({"retry-after-ms": "20"}), None, 2),
        (error_reply(500, None, "x"), None, 2),
        (TORN, None, 2),
    ],
)
async def test_each_error_is_ours_and_retried_by_us_alone(
    reply: Any, code: str | None, calls: int, sdk: ModuleType
) -> None:
    with Simulator() as server:
        server.reply_with(reply)
        [result] = (await run(server, ["a"])).results
        assert server.ledger.calls == calls
    assert (result["error"]["code"] if result["error"] else None) == code
    assert "sk-own" not in str(result["error"])


@pytest.mark.filterwarnings("ignore")
def test_prices_come_from_its_list_where_ours_has_none(sdk: ModuleType) -> None:
    provider = LiteLLMProvider()
    assert provider.price("openai/gpt-4o-mini") == Price(0.15, 0.6, 0.075)
    dearest = provider.price("anthropic/claude-sonnet-4-5")  # of all lengths of prompts that its release lists
    assert dearest is not None and dearest.input >= 3.75 and dearest.output >= 15.0
    assert provider.price("nobody/nothing") is None
    assert LiteLLMProvider(base_url="http://127.0.0.1:1/v1").price("deepseek/deepseek-chat") is None


@pytest.mark.filterwarnings("ignore")
def test_the_key_of_the_environment_is_not_passed_on(sdk: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    provider = create_provider(BatchConfig(llm_provider="litellm", model="anthropic/x"))
    assert provider._options["api_key"] is None
