"""The simulator: what it answers, what it books, and the command that serves it."""

import json
from hashlib import sha256
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

import pytest

from kaizen_batch.simulator import Reply, Simulator
from kaizen_batch.simulator.settings import error_reply

from .raw_http import ask_url, get


def ask(simulator: Simulator, prompt: str = "hello", key: str = "any", **more: Any) -> Any:
    return ask_url(simulator.base_url, prompt, key, **more)


def refused(simulator: Simulator, **more: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(HTTPError) as caught:
        ask(simulator, **more)
    with caught.value as error:
        return error.code, json.load(error)["error"]


def test_a_call_is_answered_in_the_shape_of_openai(simulator: Simulator) -> None:
    answer = ask(simulator)
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "mock answer to: hello"}
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


def test_the_same_question_has_the_same_answer(simulator: Simulator) -> None:
    assert ask(simulator) == ask(simulator)


def test_the_ledger_books_what_was_billed_and_what_was_not(simulator: Simulator) -> None:
    simulator.reply_with(error_reply(500, "server_error"))
    with pytest.raises(HTTPError) as caught:
        ask(simulator, "refused")
    caught.value.close()
    total = ask(simulator, "good")["usage"]["total_tokens"]
    ledger = simulator.ledger
    assert (ledger.calls, ledger.billed, ledger.in_flight, ledger.peak_in_flight) == (2, 1, 0, 1)
    assert [(e.status, e.billed, e.tokens) for e in ledger.entries] == [(500, False, 0), (200, True, total)]
    assert [e.prompt_sha256 for e in ledger.entries] == [sha256(p).hexdigest() for p in (b"refused", b"good")]


@pytest.mark.parametrize("before", [True, False])
def test_a_torn_connection_is_billed_or_not(before: bool) -> None:
    with Simulator(rate_torn=1.0, torn_before_billing=before) as simulator, pytest.raises((HTTPException, OSError)):
        ask(simulator)
    [entry] = simulator.ledger.entries
    assert (entry.status, entry.billed, entry.tokens > 0) == (0, not before, not before)


def test_half_a_body_is_billed() -> None:
    with Simulator(rate_bad_json=1.0) as simulator, pytest.raises(json.JSONDecodeError):
        ask(simulator)
    assert (simulator.ledger.calls, simulator.ledger.billed) == (1, 1)


def test_a_throttle_says_how_long_to_wait() -> None:
    with Simulator(rate_429=1.0, retry_after_s=0.25) as simulator:
        with pytest.raises(HTTPError) as caught:
            ask(simulator)
        with caught.value as error:
            assert (error.code, error.headers["retry-after-ms"]) == (429, "250")
            assert json.load(error)["error"]["code"] == "rate_limit_exceeded"
    assert simulator.ledger.billed == 0


def test_rates_are_shares_of_the_calls_and_the_seed_repeats_them() -> None:
    def statuses() -> list[int]:
        with Simulator(rate_500=0.3, seed=7) as simulator:
            for _ in range(100):
                try:
                    ask(simulator)
                except HTTPError as error:
                    error.close()
            return [entry.status for entry in simulator.ledger.entries]

    first = statuses()
    assert 15 < sum(status >= 500 for status in first) < 45
    assert first == statuses()


def test_scripted_replies_come_in_their_order_and_then_its_own(simulator: Simulator) -> None:
    simulator.reply_with(Reply(200, {"first": 1}), Reply(200, '"second"', {"Content-Type": "application/json"}))
    assert [ask(simulator), ask(simulator)] == [{"first": 1}, "second"]
    assert ask(simulator)["object"] == "chat.completion"


def test_bodies_holds_the_requests(simulator: Simulator) -> None:
    ask(simulator, "hello", temperature=0.5)
    assert simulator.bodies[0]["temperature"] == 0.5
    assert simulator.bodies[0]["messages"][-1]["content"] == "hello"


def test_models_are_listed_over_http(simulator: Simulator) -> None:
    answer = get(f"{simulator.base_url}/models")
    assert answer["object"] == "list"
    assert "gpt-4o-mini" in [model["id"] for model in answer["data"]]


def test_the_ledger_is_read_over_http(simulator: Simulator) -> None:
    ask(simulator)
    ledger = get(simulator.base_url.removesuffix("/v1") + "/ledger")
    assert (ledger["calls"], ledger["billed"], ledger["in_flight"]) == (1, 1, 0)
    assert ledger["entries"][0]["status"] == 200


def test_only_the_wanted_key_is_let_in() -> None:
    with Simulator(api_key="sk-right") as simulator:
        assert ask(simulator, key="sk-right")["choices"]
        status, error = refused(simulator, key="sk-wrong")
    assert (status, error["code"]) == (401, "invalid_api_key")
    assert "sk-wrong" not in error["message"]
    assert (simulator.ledger.calls, simulator.ledger.billed) == (2, 1)


@pytest.mark.parametrize("model", ["o3", "gpt-5-mini", "strict-unknown"])
@pytest.mark.parametrize("parameter", ["max_tokens", "temperature"])
def test_some_models_refuse_a_parameter_by_name(simulator: Simulator, model: str, parameter: str) -> None:
    status, error = refused(simulator, model=model, **{parameter: 0.5})
    assert (status, error["code"], error["param"]) == (400, "unsupported_parameter", parameter)


def test_a_schema_is_answered_with_json_that_follows_it(simulator: Simulator) -> None:
    schema = {"type": "object", "properties": {"team": {"enum": ["billing", "tech"]}, "sure": {"type": "boolean"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "t", "schema": schema}}
    answer = ask(simulator, "the tech team, please", response_format=wanted)
    content = json.loads(answer["choices"][0]["message"]["content"])
    assert content["team"] == "tech"
    assert isinstance(content["sure"], bool)


def test_a_taken_port_is_an_os_error(simulator: Simulator) -> None:
    port = int(simulator.base_url.split(":")[2].split("/")[0])
    with pytest.raises(OSError), Simulator(port=port):
        pass


def test_nobody_listens_after_the_with_block() -> None:
    with Simulator() as simulator:
        ask(simulator)
    with pytest.raises(OSError):
        ask(simulator)
