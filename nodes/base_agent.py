"""BaseAgent: an agent as a Kailash node that works on batches."""

import logging
from typing import Any, Unpack

from kaizen_batch.agents import Agent, AgentWrapper, ProviderLike, create_agent, limits_of
from kaizen_batch.config import BatchConfig, Mode
from kaizen_batch.errors import ConfigError
from kaizen_batch.events import EventSink, for_run
from kaizen_batch.files.jobs import FileJob, JobResult, run_job
from kaizen_batch.files.templates import PromptTemplate
from kaizen_batch.limits import RateLimits
from kaizen_batch.metrics import RunMetrics
from kaizen_batch.nodes.base_node import DataNode, add_instance, items_of
from kaizen_batch.nodes.batch_calls import BatchCalls
from kaizen_batch.nodes.catalog import input_parameters, output_parameters
from kaizen_batch.nodes.engine_view import (
    NodeSink,
    OwnWork,
    limits_within,
    lowered,
    of_job,
    run_items,
    streaming,
)
from kaizen_batch.nodes.executors import check_objects, run_work, work_of
from kaizen_batch.nodes.items import GraphAgent, GuardedAgent, check_template, kind_of_input
from kaizen_batch.nodes.kailash_types import NodeData, NodeParameter, WorkflowBuilder
from kaizen_batch.nodes.mixins import ErrorHandlingMixin, LoggingMixin, PerformanceMixin
from kaizen_batch.nodes.node_options import (
    INPUTS,
    OBJECTS,
    ConfigLike,
    NodeOptions,
    NodeSettings,
    as_batch_config,
    reconfigured,
    split_options,
)
from kaizen_batch.nodes.pickling import Recipe, recipe
from kaizen_batch.nodes.stored_options import by_path, resolved, stored_inputs, stored_options
from kaizen_batch.providers import check_provider_name
from kaizen_batch.results import BatchResult, BatchSummary
from kaizen_batch.signature import Signature, SignatureLike, as_signature
from kaizen_batch.strategies import ParallelBatchStrategy

logger: logging.Logger = logging.getLogger("kaizen_batch.agent")


class BaseAgent(BatchCalls, LoggingMixin, PerformanceMixin, ErrorHandlingMixin, DataNode):
    """An agent of your own: subclass it and write `async run_async(**inputs) -> dict`.

    >>> class Shout(BaseAgent):
    ...     async def run_async(self, text, **_):
    ...         return {"loud": text.upper()}
    >>> Shout(max_concurrent=5).execute(batch=[{"text": "hi"}])["results"][0]["loud"]
    'HI'

    Without `run_async` it asks a model, as `signature` says. `config` is a BatchConfig, a dict of its options, or any
    dataclass with fields of these names; the options can be keywords as well. `strategy` runs the batches (default: a
    ParallelBatchStrategy from the config). `provider` takes the place of `llm_provider`. `signature` and `provider`
    may be import paths ("package.module:Name"). `limits` are RateLimits that it shares with other agents. `on_event`
    receives every event of every run.

    The config's `max_concurrent`, `requests_per_minute` and `tokens_per_minute` hold over all runs of the agent
    together, on any event loop and thread, whichever strategy runs them.

    As a node it takes `batch` (items), `batch` and `template` (rows), or `prompt` (one text), and returns `results`
    and `summary`. Large jobs go by path: `input_path`, `output_path` and, as a rule, `template` do what `run_job` does
    with a FileJob, in constant memory. Then `results` is empty, since they are in the file, and `summary` also has
    `output_path`, `failed_path` (None if no row failed), `rows_read`, `rows_written` and `rows_failed`.

    NodeOptions describes the options of the node itself: `on_stop`, `runtime_inputs`, `api_key_secret` and others.

    Raises: ConfigError for an unknown or invalid option, SignatureError.
    """

    _INIT_CAPTURE_EXCLUDE = DataNode._INIT_CAPTURE_EXCLUDE | {
        "config", "signature", "strategy", "provider", "limits", "on_event", "secret_provider",
    }  # fmt: skip

    def __init__(
        self,
        config: ConfigLike | None = None,
        *,
        signature: SignatureLike | str | None = None,
        strategy: object = None,
        provider: ProviderLike | str | None = None,
        limits: RateLimits | None = None,
        on_event: EventSink | None = None,
        **options: Unpack[NodeOptions],
    ) -> None:
        given = split_options(config, {**options, "signature": signature, "provider": provider})
        self._settings = NodeSettings(**given.node)
        self.batch_config: BatchConfig = as_batch_config(given.config, given.engine)
        self._config = self.batch_config
        self._objects = {name: resolved(thing) for name, thing in given.objects.items()}
        if "provider" not in self._objects:
            check_provider_name(self._config.llm_provider)
        check_objects(self._settings.ray, strategy, limits)
        found = self._objects.get("signature")
        self.signature: Signature | None = None if found is None else as_signature(found)()
        self._on_event = on_event
        self._limits = limits_of(self._config)
        self._limits.shared = limits
        self._own_strategy = ParallelBatchStrategy.from_config(self._config).belongs_to(self._limits)
        self.strategy: Any = self._own_strategy if strategy is None else strategy
        self._engine_agent: Agent | None = None
        self._start_measuring()
        self._stored = stored_options(self._config)
        # By import path where there is one, so that a serialized workflow is plain JSON.
        objects = {name: by_path(thing) for name, thing in self._objects.items()}
        self._again: NodeData = {
            **self._stored, **objects, **self._settings.stored(), **stored_inputs(given.inputs), **given.kailash
        }  # fmt: skip
        super().__init__(**self._again)

    async def run_async(self, **inputs: Any) -> NodeData:
        """The work for one item; its dict becomes the result. By default the model's answer."""
        if self.signature is None and "provider" not in self._objects:
            raise NotImplementedError(f"{type(self).__name__} has no run_async and no signature")
        return await self._single(inputs)

    def __reduce__(self) -> Recipe:
        """For pickle: the class and the options, without any key. Raises: PicklingError for a literal one."""
        own = None if self.strategy is self._own_strategy else self.strategy
        objects = {"strategy": own, "limits": self._limits.shared, "on_event": self._on_event}
        return recipe(type(self), self.batch_config, self._again, objects)

    async def run_job(self, job: FileJob, *, progress: bool = False, mode: Mode | None = None) -> JobResult:
        """A batch from file to file, in constant memory; see `kaizen_batch.run_job`."""
        if self._settings.ray is not None:
            config = self._config if mode is None else self._config.with_options(mode=mode)
            return await run_work(self, work_of(self, job, config), self._settings.ray, progress=progress)
        runner = streaming(self.strategy)
        strategy = runner if mode is None else runner.configured(runner.config.with_mode(mode))
        return await self._run_job(job, strategy, self.engine_agent(), progress=progress)

    def to_workflow(self, node_id: str = "agent") -> WorkflowBuilder:
        """A workflow of this one node, to run or to build on: `runtime.execute(agent.to_workflow().build())`."""
        builder = WorkflowBuilder()
        add_instance(builder, self, node_id)
        return builder

    def engine_agent(self) -> Agent:
        """What the engine runs for this node: the model behind its signature, or its own `run_async`."""
        # Made at the first run, not in the constructor: Kailash constructs a node several times in each build.
        if self._engine_agent is None:
            self._config = self._settings.with_secret(self._config)
            self._engine_agent = self._agent_for(self._config)
        return self._engine_agent

    def get_parameters(self) -> dict[str, NodeParameter]:
        """The node's inputs and options, as Kailash's catalog shows them."""
        return input_parameters()

    def get_output_schema(self) -> dict[str, NodeParameter]:
        """`results` and `summary`."""
        return output_parameters()

    def admit(self, chosen: NodeData) -> NodeData:
        """The inputs of one execution, and the options that the caller chose for it. Raises: ConfigError."""
        rules = self._settings.rules
        rules.check(chosen)
        for name in ("input_path", "output_path"):
            if name in chosen:
                chosen[name] = rules.confined(name, chosen[name])
        configured = {name: self.config[name] for name in INPUTS if self.config.get(name) is not None}
        return configured | chosen

    async def async_run(self, **inputs: Any) -> NodeData:
        """Run the batch, the one prompt or the file that the graph passes in."""
        given = {name: inputs.pop(name, None) for name in INPUTS}
        kind = kind_of_input(given)
        strategy, agent = self._for_run(inputs)
        template = PromptTemplate(given["template"]) if given["template"] is not None else None
        if kind == "input_path":
            job = FileJob(given["input_path"], given["output_path"], template=template)
            if self._settings.ray is not None:
                work = work_of(self, job, agent.config or self._config, in_graph=True)
                return self._outputs(*of_job(await run_work(self, work, self._settings.ray)))
            guarded = GuardedAgent(agent, references=self._settings.allows_references)
            return self._outputs(*of_job(await self._run_job(job, strategy, guarded)))
        if self._settings.ray is not None:
            raise ConfigError("the executor runs jobs by path: give input_path and output_path, or leave out executor")
        if kind is None:
            logger.warning("%s: neither `batch` nor `prompt` was given; the result is empty", self.id)
            return self._outputs(BatchResult([], BatchSummary(max_concurrent=self._config.max_concurrent)), {})
        items = [given["prompt"]] if kind == "prompt" else items_of(given["batch"], "batch")
        if template is not None:
            check_template(template, agent, items)
        agent = GraphAgent(agent, template, references=self._settings.allows_references)
        result = await run_items(strategy, agent, items, batch=kind == "batch")
        return self._outputs(result, {})

    def _outputs(self, result: BatchResult, more: NodeData) -> NodeData:
        self._settings.check_end(result)
        return {"results": result.results, "summary": {**result.summary.to_dict(), **more}}

    async def _run_job(self, job: FileJob, strategy: object, agent: Agent, *, progress: bool = False) -> JobResult:
        runner = streaming(strategy)
        return await run_job(job, agent, runner.config.over(agent.config), strategy=runner, progress=progress)

    def agent_of_worker(self, config: BatchConfig, *, in_graph: bool) -> Agent:
        """What another process runs for this node; it is watched from here."""
        agent = self._agent_for(self._settings.with_secret(config))
        agent.watcher = None
        return GuardedAgent(agent, references=self._settings.allows_references) if in_graph else agent

    def watch(self, metrics: RunMetrics) -> tuple[EventSink, ...]:
        """A run of this agent begins, whichever strategy runs it."""
        self.watch_run(metrics)
        own = NodeSink(self, metrics)
        return (own,) if self._on_event is None else (own, for_run(self._on_event))

    def _for_run(self, chosen: NodeData) -> tuple[object, Agent]:
        """The strategy and agent of one execution: what the caller chose changes options for it alone."""
        agent = self.engine_agent()
        objects = {name: resolved(chosen.pop(name)) for name in OBJECTS if name in chosen}
        config = reconfigured(self._config, self._stored, self.config)
        if chosen:
            config = self._settings.rules.config_of_run(config, chosen)
        if config is self._config and not objects:
            return self.strategy, agent
        own = self.strategy is self._own_strategy
        strategy = ParallelBatchStrategy.from_config(config) if own else lowered(self.strategy, chosen)
        return strategy, self._agent_for(config, **objects)

    def _agent_for(self, config: BatchConfig, **objects: Any) -> Agent:
        """The agent of a config, with what all runs of this node share."""
        agent = self._made_for(config, **objects)
        if agent is self._objects.get("provider"):
            agent = AgentWrapper(agent)  # the user's own object, which other nodes may have too
        if agent.config is None:
            agent.config = config
        agent.watcher = self.watch
        agent.upstream_limits = limits_within(self._limits, self._config, config)
        for fallback in agent.fallbacks:
            if fallback.endpoint == agent.endpoint:
                fallback.upstream_limits.shared = self._limits.shared
        return agent

    def _made_for(self, config: BatchConfig, **objects: Any) -> Agent:
        if type(self).run_async is not BaseAgent.run_async:
            return OwnWork(self)  # a subclass that does the work itself
        given = {**self._objects, **objects}
        if not given and self.signature is None:
            return OwnWork(self)  # it reports for each item that there is no work
        # A function in the provider's place gives its own outputs; the default signature is not for it.
        signature = given.get("signature", None if "provider" in given else self.signature)
        return create_agent(config, signature, given.get("provider"))
