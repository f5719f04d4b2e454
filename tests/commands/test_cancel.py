"""`kaizen-batch cancel`: batches end at the provider, and what they have finished is kept."""

from pathlib import Path

from kaizen_batch import Journal
from kaizen_batch.simulator import Simulator
from kaizen_batch.simulator.settings import error_reply

from .test_waiting import ROWS, job, run

__all__ = ["job"]


def test_cancelled_batches_are_collected_and_the_rest_asked_live(job: list[str], tmp_path: Path) -> None:
    with Simulator(batch_s=30.0) as simulator:
        run(simulator, *job, "--detach")
        done = run(simulator, "cancel", str(tmp_path / "out.csv"))
        assert done.exit_code == 0, done.output
        assert done.output.count("cancelled ") == 2
        again = run(simulator, "cancel", str(tmp_path / "out.csv"))
        assert again.exit_code == 0, again.output
        live = run(simulator, *job, "--finish-by", "1s")
        assert live.exit_code == 0, live.output
        assert set(simulator.ledger.billed_by_prompt().values()) == {1}
    assert (tmp_path / "out.csv").read_text().count("mock answer") == ROWS


def test_batches_that_the_provider_lost_are_given_up_on_request(job: list[str], tmp_path: Path) -> None:
    journal = tmp_path / "out.csv.journal.db"
    with Simulator(batch_s=30.0) as simulator:
        run(simulator, *job, "--detach")
    port = simulator.base_url.rsplit(":", 1)[1].split("/")[0]
    with Simulator(port=int(port)) as simulator:  # at the same address, without any batch
        lost = run(simulator, "cancel", str(journal))
        assert lost.exit_code == 1
        assert "add --give-up" in lost.output
        done = run(simulator, "cancel", str(journal), "--give-up")
        assert done.exit_code == 0, done.output
        assert "2 batches, 50 rows to ask again" in done.output
        assert Journal(journal).count()["unknown"] == 50
        assert run(simulator, *job).exit_code == 0
    assert Journal(journal).totals().maybe_paid_twice == 50


def test_an_error_of_the_provider_is_said(job: list[str], tmp_path: Path) -> None:
    with Simulator(batch_s=30.0) as simulator:
        run(simulator, *job, "--detach")
        simulator.reply_to_batches_with(*[error_reply(401, "invalid_api_key")] * 2)
        done = run(simulator, "cancel", str(tmp_path / "out.csv"))
    assert done.exit_code == 1
    assert done.output.count("invalid_api_key") + done.output.count("401") >= 2


def test_without_open_batches_there_is_nothing_to_cancel(job: list[str], tmp_path: Path) -> None:
    with Simulator(batch_s=0.1) as simulator:
        assert run(simulator, *job).exit_code == 0
        done = run(simulator, "cancel", str(tmp_path / "out.csv"))
    assert (done.exit_code, "none is open" in done.output) == (0, True)
