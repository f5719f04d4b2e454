"""What Python code calls on an agent node: batches in memory, streams, DataFrames, single items."""

from abc import ABC, abstractmethod
from typing import Any

from kaizen_batch.agents import Agent
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig, Mode
from kaizen_batch.files.frames import FrameJob, run_frame
from kaizen_batch.files.row_agent import RowAgent
from kaizen_batch.files.templates import OnMissing, PromptTemplate, Template
from kaizen_batch.journal import Journal
from kaizen_batch.journal.batches import Batch
from kaizen_batch.nodes.engine_view import collected, run_items, streaming
from kaizen_batch.nodes.items import check_template
from kaizen_batch.nodes.kailash_types import NodeData
from kaizen_batch.results import BatchResult, Result
from kaizen_batch.strategies import BatchRun, ParallelBatchStrategy
from kaizen_batch.strategies.parallel import Items
from kaizen_batch.strategies.renamed import renamed


class BatchCalls(ABC):
    """The calls of an agent node that need no graph; they all end in its `strategy`."""

    strategy: Any
    _own_strategy: ParallelBatchStrategy
    _config: BatchConfig

    @abstractmethod
    def engine_agent(self) -> Agent:
        """What the engine runs for this node."""

    def run(self, **inputs: object) -> Result:
        """One result dict for one item given as keywords, from synchronous code."""
        return self.process_single(inputs)

    def stream(
        self, items: Items, *, ordered: bool = True, template: Template | None = None, progress: bool = False
    ) -> BatchRun:
        """Results as they come, of any number of items, in constant memory; see ParallelBatchStrategy.stream.

        With a `template` the items are rows, each a dict, or those of a DataFrame.
        """
        more: NodeData = {"progress": True} if progress else {}  # a strategy of the user's may know no progress
        return streaming(self.strategy).stream(self._templated(template, items), items, ordered=ordered, **more)

    @renamed(items="batch")
    async def run_batch(
        self, batch: Items, *, template: Template | None = None, progress: bool = False, mode: Mode | None = None
    ) -> BatchResult:
        """All results in order, and the summary; `mode` in place of the one that is configured (docs/batch.md)."""
        runner, agent = streaming(self.strategy), self._templated(template, batch)
        if isinstance(runner, ParallelBatchStrategy) and (mode is not None or not runner.streams(agent)):
            return await runner.run_batch(agent, batch, progress=progress, mode=mode)
        return await collected(self.stream(batch, template=template, progress=progress))

    @property
    def batches(self) -> list[Batch]:
        """The batches of the provider that the journal knows, oldest first; none without a journal."""
        path = self._config.journal
        return Journal(path).batches() if path is not None and path.is_file() else []

    @renamed(items="batch")
    async def process_batch(
        self, batch: Items, *, template: Template | None = None, progress: bool = False
    ) -> list[Result]:
        """One result dict for each item, in order: `strategy.execute_batch(self, batch)`.

        A DataFrame gives its rows, a Series its values.
        """
        if progress:
            return (await self.run_batch(batch, template=template, progress=True)).results
        agent = self if template is None else self._templated(template, batch)
        results: list[Result] = await self.strategy.execute_batch(agent, batch)
        return results

    def map(
        self, batch: Items, template: Template | None = None, *, progress: bool = False, mode: Mode | None = None
    ) -> BatchResult:
        """The same as `run_batch` from synchronous code: in a script, or in a cell of a notebook.

        >>> agent.map(["a", "b"], "Summarize: {text}", progress=True)  # doctest: +SKIP
        """
        return run_sync(lambda: self.run_batch(batch, template=template, progress=progress, mode=mode))

    def run_frame(
        self, frame: Any, template: Template | None = None, *, on_missing: OnMissing = "fail", progress: bool = False
    ) -> Any:
        """The DataFrame with a column for each output, and one for errors, from synchronous code.

        >>> agent.run_frame(df, "Classify: {text}")  # pandas, Polars, PyArrow and what else narwhals supports

        Without a `template` the signature's inputs are columns. `on_missing` says what becomes of a row whose
        placeholders are all empty: "fail", "ask", or "skip", which leaves its answers null.
        """
        return run_sync(lambda: self._run_frame(frame, template, on_missing, progress))

    @renamed(inputs="prompt")
    def process_single(self, prompt: object, *, template: Template | None = None) -> Result:
        """One result dict for one item, a text or a dict, from synchronous code, inside a running loop as well."""
        return run_sync(lambda: self._single(prompt, template))

    async def _run_frame(self, frame: Any, template: Template | None, on_missing: OnMissing, progress: bool) -> Any:
        job = FrameJob(frame, template, on_missing)
        return await run_frame(job, self.engine_agent(), streaming(self.strategy), progress=progress)

    def _templated(self, template: Template | None, items: object) -> Agent:
        """The engine's agent, for rows if there is a template. Raises: ConfigError."""
        agent = self.engine_agent()
        if template is None:
            return agent
        found = PromptTemplate(template) if isinstance(template, str) else template
        check_template(found, agent, items)
        return RowAgent(agent, found)

    async def _single(self, inputs: object, template: Template | None = None) -> Result:
        # A strategy of somebody else's may call `run_async` for each item, and so must not be asked again.
        given = self.strategy
        strategy = given if isinstance(given, ParallelBatchStrategy) else self._own_strategy
        result = await run_items(strategy, self._templated(template, [inputs]), [inputs], batch=False)
        return result.results[0]
