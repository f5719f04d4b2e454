"""Settings: unknown or out-of-range values are rejected, and shares are read by name."""

import pytest

from kaizen_batch.simulator import Settings, Simulator
from kaizen_batch.simulator.settings import error_reply


@pytest.mark.parametrize(
    "options",
    [
        {"rate_429": 1.5},
        {"rate_429": 0.6, "rate_500": 0.6},
        {"latency_s": -1},
        {"latency_s": float("nan")},
        {"window_s": 0.0},
        {"knee": 0},
        {"brownout": (2.0, 1.0, 3.0)},
        {"requests_per_minute": 10, "window_s": 0.5},
    ],
)
def test_a_setting_out_of_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Settings(**options)  # type: ignore[arg-type]


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="rate_418"):
        Simulator(rate_418=0.5)


def test_only_faults_that_occur_have_a_share() -> None:
    assert Settings(rate_429=0.1, rate_torn=0.2).rates() == {"429": 0.1, "torn": 0.2}
    assert Settings().rates() == {}


def test_a_limit_per_minute_is_converted_to_its_window() -> None:
    assert Settings(window_s=0.1).per_window(600) == pytest.approx(1.0)
    assert Settings(window_s=0.1).per_window(600) >= 1  # type: ignore[operator]
    assert Settings().per_window(None) is None


def test_an_error_reply_has_the_shape_of_openai() -> None:
    reply = error_reply(400, "invalid_value", param="temperature").with_headers({"x": "y"})
    error = {"message": "status 400", "type": "error", "param": "temperature", "code": "invalid_value"}
    assert (reply.status, reply.body, reply.headers) == (400, {"error": error}, {"x": "y"})
