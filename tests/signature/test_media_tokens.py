"""The tokens of images, against the makers' own examples."""

import base64

import pytest

from kaizen_batch import BatchProcessorAgent, ConfigError, Document, Image, InputField, OutputField, Signature
from kaizen_batch.agents import prepared
from kaizen_batch.signature.media_tokens import image_tokens, media_size, pixels
from kaizen_batch.simulator import Simulator
from tests.signature.pictures import PDF, gif, jpeg, png, webp


@pytest.mark.parametrize(
    ("model", "width", "height", "low", "tokens"),
    [
        # https://platform.openai.com/docs/guides/images-vision#calculating-costs
        ("gpt-4o", 1024, 1024, False, 765),
        ("gpt-4o", 2048, 4096, False, 1105),
        ("gpt-4o", 4096, 8192, True, 85),
        ("gpt-4o-mini", 1024, 1024, False, 2833 + 4 * 5667),
        ("openai/gpt-4o-2024-08-06", 1024, 1024, False, 765),
        ("gpt-5", 1024, 1024, False, 70 + 4 * 140),
        ("o3", 512, 512, False, 75 + 150),
        ("gpt-4.1-mini", 1024, 1024, False, 1659),
        ("gpt-4.1-mini", 1800, 2400, False, 2489),
        ("gpt-5-nano", 32, 32, False, 3),
        ("claude-sonnet", 1092, 1092, False, 1704 + 1000),
    ],
)
def test_the_tokens_of_an_image(model: str, width: int, height: int, low: bool, tokens: int) -> None:
    assert image_tokens(model, width, height, low=low) == tokens


@pytest.mark.parametrize(
    "content",
    [png(300, 200), jpeg(300, 200), gif(300, 200), *(webp(kind, 300, 200) for kind in (b"VP8X", b"VP8L", b"VP8 "))],
)
def test_the_size_is_read_from_the_first_bytes(content: bytes) -> None:
    assert pixels(f"data:image/x;base64,{base64.b64encode(content).decode()}") == (300, 200)


@pytest.mark.parametrize(
    "url", ["https://a.example/x.png", "data:image/png;base64,AAAA", "data:image/png;base64,é", ""]
)
def test_a_size_that_cannot_be_read_is_unknown(url: str) -> None:
    assert pixels(url) is None


def test_texts_have_no_media_and_urls_no_bound() -> None:
    assert media_size([{"role": "user", "content": "hi"}, {"content": [{"type": "text", "text": "hi"}]}], "m") is None
    url = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
    found = media_size([{"role": "user", "content": [url]}], "m")
    assert found is not None and not found.is_bound


class See(Signature):
    thing: Image = InputField()
    answer: str = OutputField()


class Read(Signature):
    thing: Document = InputField()
    answer: str = OutputField()


def test_the_size_of_a_request_counts_pixels_and_not_characters() -> None:
    agent = BatchProcessorAgent(llm_provider="mock", model="gpt-4o", signature=See).engine_agent()
    small, large = (prepared(agent, {"thing": png(100, 100, padding=n)}) for n in (0, 100_000))
    sizes = [agent.size(request, agent.body(request)) for request in (small, large)]
    assert sizes[0] == sizes[1] and sizes[0][1] and 255 < sizes[0][0] < 600


@pytest.mark.enable_socket
async def test_a_budget_needs_a_bound_and_an_image_has_one() -> None:
    with Simulator() as server:
        options = {"base_url": server.base_url, "price": {"input": 1, "output": 1}, "budget_usd": 1.0}
        seen = await BatchProcessorAgent(**options, signature=See).process_batch([{"thing": png(1000, 1000)}])
        assert seen[0]["status"] == "ok"
        [read] = await BatchProcessorAgent(**options, signature=Read).process_batch([{"thing": PDF}])
        assert read["error"]["code"] == "unbounded_cost" and server.ledger.calls == 1
        [known] = await BatchProcessorAgent(**options, signature=Read, model="gpt-4o").process_batch([{"thing": PDF}])
        assert known["error"]["code"] == "unbounded_cost"  # a name says nothing at a server of one's own
    with pytest.raises(ConfigError):
        BatchProcessorAgent(**options, signature="no")
