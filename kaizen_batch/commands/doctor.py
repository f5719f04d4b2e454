"""`kaizen-batch doctor`: check the setup before a run."""

import asyncio
from pathlib import Path
from typing import Any

import click

from kaizen_batch.commands.checks import Check, check_disk, check_key
from kaizen_batch.commands.command import Command, config_option, json_option, put_json, show_lines
from kaizen_batch.commands.exit_codes import Exit
from kaizen_batch.commands.options import job_keys
from kaizen_batch.commands.remote_checks import check_endpoint
from kaizen_batch.commands.settings import base_url_of
from kaizen_batch.concurrency.sync import run_sync
from kaizen_batch.config import BatchConfig
from kaizen_batch.results.texts.summary import Line

_MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL"}


@click.command("doctor", cls=Command)
@click.option("--model", default="gpt-4o-mini", show_default=True, help="Model to ask.")
@click.option(
    "--base-url",
    multiple=True,
    metavar="URL",
    help="Endpoint, including /v1; repeatable.  [default: OPENAI_BASE_URL, OpenAI]",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    default=Path("run.db"),
    show_default=True,
    help="Where the journal would be: its disk is measured.",
)
@click.option("--no-call", is_flag=True, help="Skip the one paid call, a prompt of three words.")
@config_option(also=job_keys())
@json_option
def main(model: str, base_url: tuple[str, ...], journal: Path, no_call: bool, as_json: bool) -> None:
    """Check what a run needs: the key, the endpoint, the model, its limits, the clock, the disk.

    \b
    Examples:
      kaizen-batch doctor --model gpt-4o-mini
      OPENAI_BASE_URL=http://127.0.0.1:8000/v1 kaizen-batch doctor --model my-model

    Prints one line per check, with the fix where one is needed. The exit code is 1 if a run would fail.
    """
    endpoint = base_url_of(base_url)
    where: dict[str, Any] = {"base_url": endpoint, "endpoint_name": "checked"} if endpoint else {}
    config = BatchConfig(model=model, max_tokens=16, timeout_s=30.0, **where)
    checks = run_sync(lambda: _all(config, journal, call=not no_call))
    if as_json:
        put_json({"ok": _healthy(checks), "checks": [check.to_dict() for check in checks]})
    else:
        for check in checks:
            text = f"{check.name:9s} {check.detail}{f': {check.fix}' if check.fix else ''}"
            show_lines([Line(_MARKS[check.state], text)], err=False)
    click.get_current_context().exit(Exit.OK if _healthy(checks) else Exit.FAILED)


async def _all(config: BatchConfig, journal: Path, *, call: bool) -> list[Check]:
    key = check_key(config)
    each = config.endpoint_configs() or [config]
    remote = [check for one in each for check in await check_endpoint(one, call=call)] if key.state != "fail" else []
    return [key, *remote, await asyncio.to_thread(check_disk, journal)]


def _healthy(checks: list[Check]) -> bool:
    return all(check.state != "fail" for check in checks)
