"""From file to file: order, failures, resuming, and an output that appears whole."""

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from kaizen_batch import (
    BatchConfig,
    BatchError,
    BatchFinished,
    BatchProgress,
    Completion,
    ConfigError,
    FileJob,
    InputField,
    ItemFinished,
    Journal,
    MockProvider,
    OutputField,
    PromptTemplate,
    Provider,
    RecordError,
    Request,
    RunConfig,
    ServerError,
    Signature,
    open_records,
    record_writer,
    run_job,
)
from kaizen_batch.agents import create_agent
from kaizen_batch.errors import AuthenticationError, BadRequestError
from kaizen_batch.files.job_rows import open_input

MOCK = BatchConfig(llm_provider="mock", max_concurrent=5, retry={"attempts": 1})
TEMPLATE = PromptTemplate("Say {text}")


class Picky(Provider):
    """Answers, but for prompts that hold a word; `asked` are all prompts."""

    def __init__(self, words: dict[str, Exception] | None = None) -> None:
        self.asked: list[str] = []
        self._words = words or {}

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request.prompt)
        await asyncio.sleep(0)
        for word, error in self._words.items():
            if word in request.prompt:
                raise error
        return Completion(text=request.prompt.upper())


class Counted(Signature):
    """Count the words."""

    prompt: str = InputField("what to count")
    words: int = OutputField("the number of words")


class Slow(Picky):
    """Waits at a prompt until it is let go."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self._word = word

    async def complete(self, request: Request) -> Completion:
        if self._word in request.prompt:
            self.reached.set()
            await asyncio.Event().wait()
        return await super().complete(request)


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """A file of rows with an id and a text."""

    def make(name: str = "in.csv", texts: Any = 20) -> Path:
        rows = texts if isinstance(texts, list) else [f"text {n}" for n in range(texts)]
        with record_writer(tmp_path / name, columns=["id", "text"]) as writer:
            for number, text in enumerate(rows):
                writer.write({"id": number, "text": text})
        return tmp_path / name

    return make


def read(path: Path, **options: Any) -> list[dict[str, Any]]:
    with open_records(path, **options) as records:
        return list(records)


def agent(provider: Provider | None = None, config: BatchConfig = MOCK, signature: Any = None) -> Any:
    return create_agent(config, signature, provider or Picky())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# The way through.


@pytest.mark.parametrize("target", ["out.csv", "out.jsonl", "out.parquet", "out.tsv.gz"])
@pytest.mark.parametrize("kind", ["in.csv", "in.jsonl", "in.parquet"])
async def test_rows_come_out_in_order_with_their_answers(source: Any, tmp_path: Path, kind: str, target: str) -> None:
    job = FileJob(source(kind, 300), tmp_path / target, template=TEMPLATE)
    result = await run_job(job, agent(), MOCK)
    rows = read(tmp_path / target)
    assert [str(row["id"]) for row in rows] == [str(n) for n in range(300)]
    assert [row["result"] for row in rows] == [f"SAY TEXT {n}" for n in range(300)]
    assert list(rows[0]) == ["id", "text", "result"]
    assert (result.rows_read, result.rows_written, result.rows_failed, result.failed_output) == (300, 300, 0, None)
    assert (result.summary.ok, result.output) == (300, str(tmp_path / target))
    assert names(tmp_path) == {kind, target}


async def test_types_stand_from_parquet_to_parquet(source: Any, tmp_path: Path) -> None:
    path = source("in.parquet")
    await run_job(FileJob(path, tmp_path / "out.parquet", template=TEMPLATE), agent(), MOCK)
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "out.parquet")}
    assert types == {"id": "int64", "text": "string", "result": "string"}


async def test_without_a_template_the_row_itself_goes_to_the_agent(source: Any, tmp_path: Path) -> None:
    async def measure(text: str, id: Any) -> dict[str, Any]:
        return {"length": len(text), "text": f"{id}!"}

    job = FileJob(source("in.jsonl", ["a", "bbb"]), tmp_path / "out.jsonl")
    await run_job(job, measure, RunConfig())
    assert read(tmp_path / "out.jsonl") == [
        {"id": 0, "text": "a", "length": 1, "text_result": "0!"},
        {"id": 1, "text": "bbb", "length": 3, "text_result": "1!"},
    ]


async def test_an_output_of_the_name_of_a_column_gets_a_suffix_also_in_the_header(source: Any, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,result\nx,old\n")
    await run_job(FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template=TEMPLATE), agent(), MOCK)
    assert (tmp_path / "out.csv").read_text() == "text,result,result_result\nx,old,SAY X\n"


@pytest.mark.parametrize(("name", "lines"), [("out.csv", "id,text,result\n"), ("out.jsonl", "")])
async def test_no_rows_make_an_output_without_rows(source: Any, tmp_path: Path, name: str, lines: str) -> None:
    result = await run_job(FileJob(source(texts=[]), tmp_path / name, template=TEMPLATE), agent(), MOCK)
    assert ((tmp_path / name).read_text(), result.rows_read) == (lines, 0)


async def test_values_that_are_no_json_reach_an_agent_as_what_they_look_like(tmp_path: Path) -> None:
    import datetime

    async def same(day: Any) -> dict[str, Any]:
        return {"seen": day}

    with record_writer(tmp_path / "in.parquet") as writer:
        writer.write({"day": datetime.date(2024, 2, 29)})
    job = FileJob(tmp_path / "in.parquet", tmp_path / "out.jsonl")
    await run_job(job, same, RunConfig(journal=tmp_path / "run.db"))
    assert read(tmp_path / "out.jsonl") == [{"day": "2024-02-29", "seen": "2024-02-29"}]


# A part of the rows.


async def test_a_limit_takes_the_first_rows(source: Any, tmp_path: Path) -> None:
    provider = Picky()
    job = FileJob(source(), tmp_path / "out.csv", template=TEMPLATE, limit=3)
    await run_job(job, agent(provider), MOCK)
    assert [row["id"] for row in read(tmp_path / "out.csv")] == ["0", "1", "2"]
    assert len(provider.asked) == 3


@pytest.mark.parametrize("kind", ["in.csv", "in.jsonl", "in.parquet"])
async def test_a_sample_is_so_many_rows_in_order_and_the_same_ones_again(
    source: Any, tmp_path: Path, kind: str
) -> None:
    path, taken = source(kind, 2500), []
    for _ in range(2):
        job = FileJob(path, tmp_path / "out.jsonl", template=TEMPLATE, sample=10)
        result = await run_job(job, agent(), MOCK)
        assert (result.rows_read, result.summary.total) == (10, 10)
        taken.append([int(row["id"]) for row in read(tmp_path / "out.jsonl")])
    assert taken[0] == taken[1] == sorted(set(taken[0]))
    assert max(taken[0]) > 1500 and len(taken[0]) == 10


async def test_a_sample_of_more_than_there_is_is_all(source: Any, tmp_path: Path) -> None:
    job = FileJob(source(), tmp_path / "out.csv", template=TEMPLATE, sample=100)
    assert (await run_job(job, agent(), MOCK)).rows_read == 20
    job = FileJob(source(), tmp_path / "out.csv", template=TEMPLATE, sample=100, limit=7)
    assert (await run_job(job, agent(), MOCK)).rows_read == 7


@pytest.mark.parametrize("name", ["limit", "sample"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3"])
def test_a_wrong_number_of_rows_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a whole number, at least 1; given: "):
        FileJob("in.csv", "out.csv", **{name: value})


# Rows that fail.


async def test_failed_rows_stand_apart_and_can_be_fed_in_again(source: Any, tmp_path: Path) -> None:
    texts = [f"{'bad' if n in (3, 7) else 'good'} {n}" for n in range(10)]
    job = FileJob(source("in.csv", texts), tmp_path / "out.csv", template=TEMPLATE)
    result = await run_job(job, agent(Picky({"bad": BadRequestError("no such thing")})), MOCK)
    assert [row["id"] for row in read(tmp_path / "out.csv")] == ["0", "1", "2", "4", "5", "6", "8", "9"]
    failed = tmp_path / "out.failed.csv"
    assert result.failed_output == str(failed)
    assert (result.rows_read, result.rows_written, result.rows_failed) == (10, 8, 2)
    assert read(failed) == [
        {
            "id": str(n), "text": f"bad {n}",
            "row": str(n + 1), "error_code": "bad_request", "error": "no such thing", "response": "",
        }
        for n in (3, 7)
    ]  # fmt: skip
    again = FileJob(failed, tmp_path / "rest.csv", template=TEMPLATE)
    result = await run_job(again, agent(Picky({"bad 7": BadRequestError("still not")})), MOCK)
    assert read(tmp_path / "rest.csv") == [{"id": "3", "text": "bad 3", "result": "SAY BAD 3"}]
    assert read(tmp_path / "rest.failed.csv") == [
        {"id": "7", "text": "bad 7", "row": "2", "error_code": "bad_request", "error": "still not", "response": ""}
    ]


async def test_failed_rows_keep_their_types_in_a_format_that_has_them(source: Any, tmp_path: Path) -> None:
    job = FileJob(source("in.jsonl", 2), tmp_path / "o.csv", template=TEMPLATE, failed=tmp_path / "f.failed.jsonl")
    await run_job(job, agent(Picky({"text 1": BadRequestError("no")})), MOCK)
    assert read(tmp_path / "f.failed.jsonl") == [
        {"id": 1, "text": "text 1", "row": 2, "error_code": "bad_request", "error": "no", "response": None}
    ]
    provider = Picky()
    await run_job(FileJob(tmp_path / "f.failed.jsonl", tmp_path / "o2.jsonl", template=TEMPLATE), agent(provider), MOCK)
    assert read(tmp_path / "o2.jsonl") == [{"id": 1, "text": "text 1", "result": "SAY TEXT 1"}]


async def test_columns_of_these_names_in_any_other_file_are_the_users(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("text,error_code,error\nx,7,old\ny,8,older\n")
    job = FileJob(tmp_path / "log.csv", tmp_path / "out.csv", template="{text} {error}")
    await run_job(job, agent(Picky({"older": BadRequestError("new")})), MOCK)
    assert read(tmp_path / "out.csv") == [{"text": "x", "error_code": "7", "error": "old", "result": "X OLD"}]
    assert read(tmp_path / "out.failed.csv") == [
        {
            "text": "y",
            "error_code": "8",
            "error": "older",
            "row": "2",
            "error_code_result": "bad_request",
            "error_result": "new",
            "response": "",
        }
    ]


async def test_when_nothing_fails_an_older_file_of_failed_rows_is_gone(source: Any, tmp_path: Path) -> None:
    job = FileJob(source(), tmp_path / "out.csv", template=TEMPLATE)
    await run_job(job, agent(Picky({"text 5": BadRequestError("no")})), MOCK)
    assert names(tmp_path) == {"in.csv", "out.csv", "out.failed.csv"}
    await run_job(job, agent(), MOCK)
    assert names(tmp_path) == {"in.csv", "out.csv"}


async def test_an_output_without_any_row_does_not_replace_one_that_has_some(source: Any, tmp_path: Path) -> None:
    job = FileJob(source(texts=3), tmp_path / "out.csv", template=TEMPLATE)
    await run_job(job, agent(), MOCK)
    before = read(tmp_path / "out.csv")
    done = await run_job(job, agent(Picky({"Say": AuthenticationError("no")})), MOCK)
    assert (done.rows_written, done.rows_failed) == (0, 3)
    assert read(tmp_path / "out.csv") == before
    assert len(read(tmp_path / "out.failed.csv")) == 3


async def test_a_row_that_lacks_a_column_fails_alone_and_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"other": 1}\n{"text": "a"}\n{"text": null}\n')
    provider = Picky()
    await run_job(FileJob(tmp_path / "in.jsonl", tmp_path / "o.csv", template=TEMPLATE), agent(provider), MOCK)
    assert provider.asked == ["Say a"]
    assert read(tmp_path / "o.failed.jsonl") == [
        {
            "other": 1,
            "row": 1,
            "error_code": "invalid_input",
            "error": "the row has no column 'text', which the prompt template names",
            "response": None,
        },
        {
            "text": None,
            "row": 3,
            "error_code": "missing_values",
            "error": "nothing to ask about: 'text' of this row is empty",
            "response": None,
        },
    ]


async def test_rows_that_were_not_attempted_are_failed_rows_with_the_reason(source: Any, tmp_path: Path) -> None:
    provider = Picky({"text 3": AuthenticationError("the key is wrong")})
    result = await run_job(FileJob(source(), tmp_path / "out.csv", template=TEMPLATE), agent(provider), MOCK)
    failed = read(tmp_path / "out.failed.csv")
    assert result.summary.stopped and "the key is wrong" in result.summary.stopped
    assert result.rows_read == 20 == result.rows_written + result.rows_failed
    codes = {row["error_code"] for row in failed}
    assert codes == {"invalid_api_key", "not_attempted"}
    assert all("the key is wrong" in row["error"] for row in failed)
    assert not result.complete and result.output == str(tmp_path / "out.partial.csv")
    everyone = [*read(tmp_path / "out.partial.csv"), *failed]
    assert sorted(int(row["id"]) for row in everyone) == list(range(20))


async def test_with_on_error_raise_the_answered_rows_are_in_the_partial_output(source: Any, tmp_path: Path) -> None:
    config = MOCK.with_options(on_error="raise")
    with pytest.raises(BatchError, match="row 4 failed: no"):
        await run_job(
            FileJob(source(), tmp_path / "out.csv", template=TEMPLATE),
            agent(Picky({"text 3": BadRequestError("no")})),
            config,
        )
    assert names(tmp_path) == {"in.csv", "out.partial.csv"}


async def test_a_file_of_failed_rows_from_before_0_2_is_read_without_its_columns(tmp_path: Path) -> None:
    (tmp_path / "old.failed.csv").write_text("text,error_code,error\nx,length,cut off\n")
    await run_job(FileJob(tmp_path / "old.failed.csv", tmp_path / "out.csv", template=TEMPLATE), agent(), MOCK)
    assert read(tmp_path / "out.csv") == [{"text": "x", "result": "SAY X"}]


# What is refused before any call.


@pytest.mark.parametrize("kind", ["in.csv", "in.jsonl", "in.parquet"])
async def test_a_template_for_other_columns_is_refused(source: Any, tmp_path: Path, kind: str) -> None:
    provider = Picky()
    job = FileJob(source(kind), tmp_path / "out.csv", template="{txt}")
    with pytest.raises(ConfigError, match="names 'txt', and the rows have 'id', 'text'"):
        await run_job(job, agent(provider), MOCK)
    assert (provider.asked, names(tmp_path)) == ([], {kind})


async def test_rows_that_do_not_fit_the_signature_are_rejected_with_the_fix(source: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"takes 'prompt', and the rows have 'id', 'text': pass a template, such as"):
        await run_job(FileJob(source(), tmp_path / "out.csv"), agent(), MOCK)


class Two(Signature):
    """Compare."""

    id: str = InputField()
    text: str = InputField()
    hint: str = InputField(default="none")
    score: float = OutputField()


async def test_a_signature_takes_the_columns_of_its_names(source: Any, tmp_path: Path) -> None:
    mock = MockProvider(answer=lambda request: '{"score": 0.5}')
    await run_job(FileJob(source(texts=2), tmp_path / "out.jsonl"), agent(mock, signature=Two), MOCK)
    assert [row["score"] for row in read(tmp_path / "out.jsonl")] == [0.5, 0.5]
    with pytest.raises(ConfigError, match="leave out the template"):
        await run_job(FileJob(source(), tmp_path / "o.csv", template=TEMPLATE), agent(mock, signature=Two), MOCK)


async def test_a_broken_row_is_found_before_anything_is_asked(tmp_path: Path) -> None:
    provider = Picky()
    (tmp_path / "in.csv").write_text("text\n" + "x\n" * 5000 + "1,2\n")
    with pytest.raises(RecordError, match="row 5001"):
        await run_job(FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template=TEMPLATE), agent(provider), MOCK)
    assert (provider.asked, names(tmp_path)) == ([], {"in.csv"})


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ({"output": "in.csv"}, "input and output are the same file"),
        ({"output": "sub/../in.csv"}, "input and output are the same file"),
        ({"output": "link.csv"}, "input and output are the same file"),
        ({"output": "o.csv", "failed": "in.csv"}, "input and failed are the same file"),
        ({"output": "o.csv", "failed": "o.csv"}, "output and failed are the same file"),
        ({"output": "run.db"}, "output and journal are the same file"),
        ({"output": "-", "failed": "-"}, "output and failed are the same file"),
    ],
)
async def test_one_file_is_not_two_things(source: Any, tmp_path: Path, paths: dict[str, str], said: str) -> None:
    (tmp_path / "sub").mkdir()
    path, before = source(), source().read_bytes()
    (tmp_path / "link.csv").symlink_to(path)
    given = {name: value if value == "-" else str(tmp_path / value) for name, value in paths.items()}
    job = FileJob(path, **given, output_format="csv", template=TEMPLATE)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=said):
        await run_job(job, agent(), MOCK.with_options(journal=tmp_path / "run.db"))
    assert path.read_bytes() == before


async def test_a_missing_input_and_a_wrong_name_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="there is no file"):
        await run_job(FileJob(tmp_path / "in.csv", tmp_path / "out.csv", sample=3), agent(), MOCK)
    with pytest.raises(ConfigError, match="does not say the format"):
        FileJob("in.xyz", "out.csv")
    with pytest.raises(ConfigError, match="prompt template"):
        FileJob("in.csv", "out.csv", template="no place")


def test_where_failed_rows_go() -> None:
    assert FileJob("a.csv", "d/out.jsonl.gz").failed == "d/out.failed.csv"
    assert FileJob("d/a.csv", "-").failed == "d/a.failed.csv"
    assert FileJob("-", "-").failed == "kaizen-batch.failed.jsonl"
    assert FileJob("a.parquet", "out.csv").failed == "out.failed.parquet"
    assert FileJob("a.tsv.gz", "out.csv").failed == "out.failed.tsv"
    assert FileJob("a.ods", "out.csv").failed == "out.failed.jsonl"
    assert FileJob(["a.csv", "b.csv"], "out.csv").failed == "out.failed.csv"
    assert FileJob("a.pdf", "out.csv").failed == "out.failed.jsonl"


# Interruption, and going on.


async def test_an_interrupted_job_leaves_the_old_output_and_goes_on_from_the_journal(
    source: Any, tmp_path: Path
) -> None:
    config = MOCK.with_options(journal=tmp_path / "run.db", grace_s=0)
    (tmp_path / "out.csv").write_text("old")
    job = FileJob(source(texts=100), tmp_path / "out.csv", template=TEMPLATE)
    slow = Slow("text 60")
    task = asyncio.create_task(run_job(job, agent(slow), config))
    await slow.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "out.csv").read_text() == "old"
    assert not any(name.endswith(".part") for name in names(tmp_path))
    done = Journal(tmp_path / "run.db").count()["done"]
    assert done >= 60
    assert 60 <= len(read(tmp_path / "out.partial.csv")) <= done
    provider = Slow("no such text")
    result = await run_job(job, agent(provider), config)
    assert len(provider.asked) == 100 - done == 100 - result.summary.from_journal
    assert [row["result"] for row in read(tmp_path / "out.csv")] == [f"SAY TEXT {n}" for n in range(100)]
    assert not (tmp_path / "out.partial.csv").exists()


async def test_a_job_that_an_exception_ends_says_what_it_wrote(source: Any, tmp_path: Path) -> None:
    ended: list[Any] = []
    slow, others, finished = Slow("text 5"), asyncio.Event(), itertools.count(1)

    def count(event: Any) -> None:
        if isinstance(event, ItemFinished) and next(finished) == 19:
            others.set()

    job = FileJob(source(), tmp_path / "out.csv", template=TEMPLATE)
    task = asyncio.create_task(run_job(job, agent(slow), MOCK, on_event=count, on_end=ended.append))
    await others.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    [result] = ended
    assert (result.complete, result.output) == (False, str(tmp_path / "out.partial.csv"))
    # Those included that were answered, and waited for their turn behind the slow one.
    assert [row["id"] for row in read(tmp_path / "out.partial.csv")] == [str(n) for n in range(20) if n != 5]


async def test_more_columns_hold_what_is_known_of_each_answer(source: Any, tmp_path: Path) -> None:
    columns = ("finish_reason", "usage", "cost", "attempts", "model")
    job = FileJob(source(texts=1), tmp_path / "out.jsonl", template=TEMPLATE, columns=columns)
    await run_job(job, agent(), MOCK)
    [row] = read(tmp_path / "out.jsonl")
    assert list(row)[2:] == [
        *("result", "finish_reason", "input_tokens", "output_tokens", "reasoning_tokens"),
        *("cost_usd", "attempts", "model"),
    ]
    assert (row["attempts"], row["model"]) == (1, MOCK.model)
    with pytest.raises(ConfigError, match="no result column 'costs': did you mean 'cost'"):
        FileJob("a.csv", "b.csv", columns=("costs",))


async def test_a_failed_row_has_its_name_and_the_answer_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("key,text\nT-7,x\n")
    job = FileJob(tmp_path / "in.csv", tmp_path / "out.csv", template=TEMPLATE, id="key")
    await run_job(job, agent(Picky(), signature=Counted), MOCK.with_options(max_reasks=0))
    [failed] = read(tmp_path / "out.failed.csv")
    assert (failed["row"], failed["error_code"], failed["response"]) == ("T-7", "invalid_output", "SAY X")


async def test_an_event_sink_hears_of_the_end_when_the_output_is_there(source: Any, tmp_path: Path) -> None:
    told: list[tuple[str, bool]] = []

    def tell(event: Any) -> None:
        if isinstance(event, BatchFinished) or (isinstance(event, BatchProgress) and event.done == event.total):
            told.append((type(event).__name__, (tmp_path / "out.csv").exists()))

    job = FileJob(source(), tmp_path / "out.csv", template=TEMPLATE)
    await run_job(job, agent(), MOCK.with_options(journal=tmp_path / "run.db"), on_event=tell)
    assert told == [("BatchProgress", True), ("BatchFinished", True)]


async def test_after_an_error_the_end_is_told_and_never_100_percent(source: Any, tmp_path: Path) -> None:
    told: list[Any] = []
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(RecordError, match="it is a folder"):
        await run_job(FileJob(source(), tmp_path / "out.csv", template=TEMPLATE), agent(), MOCK, on_event=told.append)
    assert told == []

    job = FileJob(source(), "/dev/full", output_format="csv", failed=tmp_path / "f.csv", template=TEMPLATE)
    with pytest.raises(RecordError, match="no space is left"):
        await run_job(job, agent(), MOCK, on_event=told.append)
    assert isinstance(told[-1], BatchFinished)
    assert not [event for event in told if isinstance(event, BatchProgress) and event.done == event.total]


async def test_a_sink_that_raises_at_the_end_harms_nothing(source: Any, tmp_path: Path) -> None:
    def tell(event: Any) -> None:
        if isinstance(event, BatchFinished):
            raise RuntimeError("no")

    job = FileJob(source(), tmp_path / "out.csv", template=TEMPLATE)
    assert (await run_job(job, agent(), MOCK, on_event=tell)).rows_written == 20


async def test_the_total_is_known_to_the_events_of_a_file(source: Any, tmp_path: Path) -> None:
    for kind in ("in.csv", "in.jsonl", "in.parquet"):
        told: list[Any] = []
        job = FileJob(source(kind), tmp_path / "out.jsonl", template=TEMPLATE, limit=15)
        await run_job(job, agent(), MOCK, on_event=told.append)
        assert told[0].total == 15 == told[-2].total


async def test_only_so_many_rows_are_read_ahead_as_the_window_holds(
    source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    ahead: list[int] = []

    def spy(job: FileJob, rendering: int) -> Any:
        opened.append(open_input(job, rendering))
        return opened[-1]

    async def look(id: str) -> dict[str, Any]:
        ahead.append(opened[-1].rows_read - int(id))
        return {}

    monkeypatch.setattr("kaizen_batch.files.jobs.open_input", spy)
    config = RunConfig(max_concurrent=2, window=4)
    await run_job(FileJob(source(texts=500), tmp_path / "out.csv"), look, config)
    assert len(ahead) == 500 and max(ahead) <= 4


# Standard streams.


async def test_standard_input_and_output(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    import io
    import sys

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "a"}\n{"text": "bad"}\n')))
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out))
    await run_job(FileJob("-", "-", template=TEMPLATE), agent(Picky({"bad": BadRequestError("no")})), MOCK)
    assert json.loads(out.getvalue()) == {"text": "a", "result": "SAY A"}
    assert [row["text"] for row in read(tmp_path / "kaizen-batch.failed.jsonl")] == ["bad"]
    with pytest.raises(ConfigError, match="a stream cannot be read twice"):
        await run_job(FileJob("-", "o.csv", template=TEMPLATE, sample=3), agent(), MOCK)


async def test_a_fallback_gets_the_same_prompt(source: Any, tmp_path: Path) -> None:
    config = BatchConfig(llm_provider="mock", model="first", fallbacks=["second"], retry={"attempts": 1})

    class OnlySecond(Picky):
        async def complete(self, request: Request) -> Completion:
            if request.model == "first":
                raise ServerError("down")
            return await super().complete(request)

    made = create_agent(config, None, OnlySecond())
    await run_job(FileJob(source(texts=2), tmp_path / "out.csv", template=TEMPLATE), made, config)
    assert [row["result"] for row in read(tmp_path / "out.csv")] == ["SAY TEXT 0", "SAY TEXT 1"]
