"""Items with a model or parameters of their own."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kaizen_batch import BatchItem, BatchProcessorAgent, Image, InputError, InputField, OutputField, Price, Signature
from kaizen_batch.agents import prepared
from kaizen_batch.agents.batch_item import merged, own_model
from kaizen_batch.commands.main import main
from kaizen_batch.providers import Parameters
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply
from tests.signature.pictures import png

pytestmark = pytest.mark.enable_socket


def test_parameters_are_merged_by_name() -> None:
    common = Parameters.of({"seed": 1, "top_p": 0.5})
    assert merged(BatchItem("a"), common) is common
    found = merged(BatchItem("a", parameters={"seed": 2}), common)
    assert found is not None and found.values == {"seed": 2, "top_p": 0.5}


@pytest.mark.parametrize("item", [BatchItem("a", parameters={"model": "x"}), BatchItem("a", model=5)])  # type: ignore[arg-type]
def test_what_cannot_be_asked_fails_its_item(item: BatchItem) -> None:
    with pytest.raises(InputError):
        own_model(item)
        merged(item, None)


async def test_each_item_is_asked_in_its_own_way() -> None:
    items: list[Any] = [
        "a",
        BatchItem("b", model="other"),
        BatchItem({"prompt": "c"}, parameters={"seed": 7}),
        BatchItem("d", parameters={"n": 3}),
    ]
    with Simulator() as server:
        agent = BatchProcessorAgent(base_url=server.base_url, model="m", parameters={"top_p": 0.5}, max_concurrent=1)
        batch = await agent.run_batch(items)
        asked = [(entry.model, entry.parameters.get("seed")) for entry in server.ledger.entries]
    assert asked == [("m", None), ("other", None), ("m", 7)]
    assert [result["status"] for result in batch.results] == ["ok", "ok", "ok", "error"]
    assert [result["answered_by"] for result in batch.results[:3]] == ["m", "other", "m"]
    assert not batch.summary.other_models


async def test_each_model_and_tier_has_its_own_price_and_key(tmp_path: Path) -> None:
    items = [BatchItem("a"), BatchItem("a", model="gpt-4o"), BatchItem("a", parameters={"service_tier": "flex"})]
    openai = BatchProcessorAgent(base_url="https://api.openai.com/v1", api_key="k", model="gpt-5").engine_agent()
    prices = [openai.price_of(prepared(openai, item)) for item in items]
    assert prices == [Price(1.25, 10.0, 0.125), Price(2.5, 10.0, 1.25), Price(0.625, 5.0, 0.0625)]
    with Simulator() as server:
        options: dict[str, Any] = {"base_url": server.base_url, "model": "m", "journal": tmp_path / "j.db"}
        agent = BatchProcessorAgent(**options)
        await agent.run_batch([BatchItem("a"), BatchItem("a", model="n"), BatchItem("a", parameters={"seed": 1})])
        assert server.ledger.calls == 3
        await BatchProcessorAgent(**options, parameters={"seed": 1}).run_batch(["a"])
        assert server.ledger.calls == 3, "the same question, however it was put"


async def test_a_budget_needs_the_price_of_each_model() -> None:
    with Simulator() as server:
        agent = BatchProcessorAgent(base_url=server.base_url, model="m", price={"input": 1, "output": 1}, budget_usd=1)
        batch = await agent.run_batch(["a", BatchItem("b", model="unknown")])
        assert server.ledger.calls == 1
    assert batch.results[1]["error"]["code"] == "unbounded_cost"


async def test_a_fallback_asks_its_own_model() -> None:
    with Simulator() as server:
        server.reply_with(error_reply(400, "bad", "no"))
        agent = BatchProcessorAgent(base_url=server.base_url, model="m", fallbacks=("n",))
        await agent.run_batch([BatchItem("a", model="special", parameters={"seed": 7})])
        asked = [(entry.model, entry.parameters.get("seed")) for entry in server.ledger.entries]
    assert asked == [("special", 7), ("n", 7)]


async def test_images_and_templates_go_with_it() -> None:
    class See(Signature):
        photo: Image = InputField()
        answer: str = OutputField()

    with Simulator() as server:
        options: dict[str, Any] = {"base_url": server.base_url, "model": "m"}
        await BatchProcessorAgent(**options, signature=See).run_batch([BatchItem({"photo": png()}, model="n")])
        await BatchProcessorAgent(**options).run_batch([BatchItem({"x": "hi"}, model="o")], template="Say {x}")
        assert [(entry.model, entry.images) for entry in server.ledger.entries] == [("n", 1), ("o", 0)]
        assert server.bodies[1]["messages"][0]["content"] == "Say hi"  # type: ignore[index]


def test_a_column_may_name_the_model(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    rows = [{"text": "a", "by": "n"}, {"text": "b", "by": ""}, {"text": "c", "by": None}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Simulator() as server:
        asked = ["run", str(source), "--prompt", "{text}", "--output", str(tmp_path / "o.jsonl"), "--model", "m"]
        done = CliRunner().invoke(
            main, [*asked, "--base-url", server.base_url, "--model-column", "by", "--max-concurrent", "1"]
        )
        assert done.exit_code == 0, done.output
        assert [entry.model for entry in server.ledger.entries] == ["n", "m", "m"]
