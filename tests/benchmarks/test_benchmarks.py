"""The benchmarks run: every module imports, arms are found, and a part works without other libraries."""

from importlib import import_module
from pathlib import Path

import click
import pytest

import benchmarks
from benchmarks import __main__, harness, peers_over_http
from benchmarks.harness import Arm, Plan, endpoint, measure, sample

FOLDER = Path(benchmarks.__file__).parent
MODULES = [path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"]
PEERS = [path.stem for path in (FOLDER / "peers").glob("*.py") if path.stem != "__init__"]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports(name: str) -> None:
    import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_imports_or_misses_a_package_of_others(name: str) -> None:
    try:
        import_module(f"benchmarks.peers.{name}")
    except ModuleNotFoundError as error:
        assert str(error.name).partition(".")[0] not in harness.OUR_OWN


@pytest.mark.parametrize("part", __main__.PARTS)
def test_every_part_is_there(part: str) -> None:
    module, _, function = __main__.PARTS[part].partition(":")
    assert callable(getattr(import_module(f"benchmarks.{module}"), function))


def test_parts_are_chosen_by_name() -> None:
    assert __main__.chosen("headline, engine") == ["headline", "engine"]
    assert "adaptive" not in __main__.chosen(None)
    with pytest.raises(click.BadParameter, match="'headlin': the parts are ceiling, engine"):
        __main__.chosen("headlin")


def test_a_quick_plan_is_one_of_few_items() -> None:
    assert Plan(quick=True).items(8_000) == 160
    assert Plan(quick=True).items(60) == harness.WARM_UP
    assert Plan(rounds=5).items(8_000) == 8_000
    assert (Plan(rounds=5).at_most(3), Plan(rounds=2).at_most(3)) == (3, 2)


def test_an_arm_gets_a_small_batch_first_then_waits_then_gets_all() -> None:
    seen: list[object] = []

    async def arm(items: int, other: str) -> int:
        seen.append((items, other))
        return items

    run = measure(arm, {"items": 1_000, "other": "x"}, lambda: seen.append("wait"))
    assert seen == [(harness.WARM_UP, "x"), "wait", (1_000, "x")]
    assert run.items == 1_000
    assert run.elapsed_s > 0 and run.peak_mb > 1


def test_an_arm_need_not_be_async() -> None:
    assert measure(lambda items: items, {"items": 7}, lambda: None).items == 7


def test_two_processes_over_http_do_all_items_between_them() -> None:
    with endpoint(latency_s=0.001) as url:
        taken = sample(Arm("two", "ours:batch", {"items": 60, "url": url, "at_once": 5}, processes=2))
    assert taken is not None and taken.items_per_s > 0


def test_our_client_runs_without_the_engine() -> None:
    with endpoint() as url:
        assert sample(Arm("client", "ours:client", {"items": 60, "url": url, "at_once": 5})) is not None


def test_an_arm_that_fails_says_why() -> None:
    with pytest.raises(SystemExit, match=r"bare:batch failed:[\s\S]*Connect call failed"):
        sample(Arm("x", "bare:batch", {"items": 1, "url": "http://127.0.0.1:1/v1", "at_once": 1}))


def test_the_engine_s_part_runs_without_its_peers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # A folder in front whose packages say that they are not there, whatever is installed here.
    for package in ("aiometer", "langchain_core", "langchain_openai"):
        (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('no', name={package!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.tables.RESULTS", tmp_path / "results")
    targets = __main__.run("engine", Plan(rounds=1, quick=True))
    printed = capsys.readouterr().out
    assert len([line for line in printed.splitlines() if line.endswith("not installed")]) == 2
    assert all(target.reached is not None for target in targets)
    assert (tmp_path / "results" / "engine.json").exists()


def test_a_target_against_an_absent_peer_is_not_measured() -> None:
    samples = {label: [] for label in (peers_over_http.OURS, *peers_over_http.PEERS)}
    assert [target.reached for target in peers_over_http.faster_than(samples)] == [None] * 3
