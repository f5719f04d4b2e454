"""Ray Data: its HTTP processor, from a file of JSON Lines to a folder of them.

https://docs.ray.io/en/latest/data/api/doc/ray.data.llm.HttpRequestProcessorConfig.html

    python -m benchmarks.peers.ray_data URL SOURCE TARGET ACTORS

An actor has at most four batches at a time, and in each of them one call.
"""

import os
import sys
from typing import Any

from benchmarks.bare import MODEL

PROMPT = "Label {text}"


def main(url: str, source: str, target: str, actors: int) -> None:
    """Ask about each row of a file."""
    import ray  # here, since its import warns of pydantic's old ways, which tests take for errors
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    ray.init(num_cpus=actors + 1, _node_ip_address="127.0.0.1", include_dashboard=False, log_to_driver=False)
    config = HttpRequestProcessorConfig(
        url=f"{url}/chat/completions",
        headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        concurrency=actors,
        max_retries=2,
    )
    processor = build_processor(config, preprocess=_request, postprocess=_answer)
    processor(ray.data.read_json(source)).write_json(target, mode="overwrite")


def _request(row: dict[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": PROMPT.format(text=row["text"])}]
    return {"payload": {"model": MODEL, "messages": messages}}


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "result": row["http_response"]["choices"][0]["message"]["content"]}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
