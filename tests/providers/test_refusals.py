"""Which field an error refuses, in the forms in which servers say it."""

import pytest

from kaizen_batch.providers.refusals import refused_field

SENT = ("temperature", "max_tokens", "max_completion_tokens", "top_p", "seed", "logprobs", "user", "response_format")


def openai(message: str, *, param: str | None = None, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (openai("anything", param="temperature", code="unsupported_value"), "temperature"),
        (openai("anything", param="max_tokens", code="unsupported_parameter"), "max_tokens"),
        (openai("Unsupported parameter: 'temperature' is not supported.", param="temperature"), "temperature"),
        (openai("Unsupported parameter: 'temperature' is not supported with this model."), "temperature"),
        (
            openai("Unsupported value: 'temperature' does not support 0.1 with this model. Only the default (1)."),
            "temperature",
        ),
        (
            openai("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
            "max_tokens",
        ),
        (
            {
                "error": {
                    "message": "litellm.UnsupportedParamsError: gpt-5 models (including gpt-5-codex) don't support "
                    "temperature=0.1. Only temperature=1 is supported.",
                    "type": None,
                    "param": None,
                    "code": "400",
                }
            },
            "temperature",
        ),
        (openai("invalid temperature: only 1 is allowed for this model"), "temperature"),
        (openai("property 'logprobs' is unsupported"), "logprobs"),
        (openai("Unrecognized request argument supplied: max_completion_tokens"), "max_completion_tokens"),
        (openai("Unknown parameter: 'seed'.", param="seed", code="unknown_parameter"), "seed"),
        (
            [{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": no field.'}}],
            "seed",
        ),
        ({"detail": [{"type": "extra_forbidden", "loc": ["body", "top_p"], "msg": "Extra inputs"}]}, "top_p"),
        (openai("top_p: Extra inputs are not permitted"), "top_p"),
        (openai("Malformed input request: extraneous key [seed] is not permitted, please reformat."), "seed"),
        (openai("`temperature` is deprecated for this model."), "temperature"),
        (
            openai("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
            "response_format",
        ),
    ],
)
def test_a_refused_field_is_found(body: object, name: str) -> None:
    assert refused_field(body, SENT) == name


@pytest.mark.parametrize(
    "body",
    [
        openai("This model's maximum context length is 8192 tokens. Your max_tokens is fine, your prompt is not."),
        openai("Invalid value for 'messages': the temperature of the reactor was given twice"),
        openai("max_tokens is too large: 90000. This model supports at most 4096 completion tokens."),
        openai("The prompt was blocked: 'the seed of evil'"),
        openai("Unsupported parameter: 'not_sent'", param="not_sent", code="unsupported_parameter"),
        "temperature rises",
        None,
        {"detail": [{"type": "missing", "loc": ["body", "seed"], "msg": "Field required"}]},
    ],
)
def test_an_error_about_something_else_refuses_none(body: object) -> None:
    assert refused_field(body, SENT) is None
