"""The data of the plots: columns of the timeline, bars of the histogram, and a summary in words."""

import json

from kaizen_batch.metrics import LatencyHistogram
from kaizen_batch.report.facts import Facts
from kaizen_batch.report.plots import latency_plot, plots


def test_every_series_has_a_value_for_each_point_in_time(facts: Facts) -> None:
    drawn = json.loads(json.dumps(plots(facts)))
    points = len(drawn["at_s"])
    assert points == len(drawn["moment"]) > 1
    assert {len(series["values"]) for plot in drawn["over_time"] for series in plot["series"]} == {points}
    assert len({plot["id"] for plot in drawn["over_time"]}) == len(drawn["over_time"])


def test_a_plot_says_its_highest_and_last_values_in_words(facts: Facts) -> None:
    [speed] = [plot for plot in plots(facts)["over_time"] if plot["id"] == "speed"]  # type: ignore[attr-defined]
    assert "answered: highest " in speed["summary"] and ", last " in speed["summary"]


def test_the_bars_of_the_histogram_contain_every_latency() -> None:
    histogram = LatencyHistogram()
    for milliseconds in range(1, 101):
        histogram.add(milliseconds / 1000)
    plot = latency_plot(histogram)
    assert sum(plot["counts"]) == 100  # type: ignore[call-overload]
    low, high = plot["edges_s"]  # type: ignore[misc]
    assert low <= 0.001 and high >= 0.1
    assert 0.045 < plot["quantiles"]["p50"] < 0.056  # type: ignore[index]


def test_without_latencies_there_is_nothing_to_draw() -> None:
    assert latency_plot(LatencyHistogram()) == {
        "at_s": [], "edges_s": [], "counts": [], "blank": "No call was answered.", "quantiles": {},
    }  # fmt: skip
