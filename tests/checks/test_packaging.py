"""The wheel: complete, with one top-level package, and usable outside of the repository."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        source, target = ROOT / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_file():
            target.write_bytes(source.read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(tree)]
    subprocess.run(command, capture_output=True, check=True)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_contains_every_source_and_one_top_level_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"kaizen_batch"}
    expected = {f"kaizen_batch/{path.relative_to(ROOT / 'kaizen_batch')}" for path in _sources("kaizen_batch")}
    expected |= {
        f"kaizen_batch/{path.relative_to(ROOT)}" for floor in ("nodes", "workflows") for path in _sources(floor)
    }
    expected |= {f"kaizen_batch/workflows/data/{name}.csv" for name in ("documents", "customers", "shipments")}
    page = ("page.html", "style.css", "page.js", "live.js", "uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE")
    expected |= {f"kaizen_batch/report/page/{name}" for name in page}
    assert expected | {"kaizen_batch/py.typed"} <= names


def _sources(folder: str) -> list[Path]:
    links = (ROOT / "kaizen_batch" / "nodes", ROOT / "kaizen_batch" / "workflows")
    return [path for path in (ROOT / folder).rglob("*.py") if not any(link in path.parents for link in links)]


def test_the_wheel_works_in_an_empty_environment_outside_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    # A .pth file lends it the dependencies of this environment, without the network. It does not lend the editable
    # install of the repository, because a .pth file inside of a .pth folder is not read.
    [site] = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, cwd=tmp_path, check=True, capture_output=True)
    code = "import kaizen_batch, kaizen_batch.nodes, kaizen_batch.workflows.demo as demo; print(demo.__file__)"
    command = [str(python), "-c", code]
    where = subprocess.run(command, cwd=tmp_path, env={}, check=True, capture_output=True, text=True).stdout
    assert str(environment) in where
    command = [str(environment / "bin" / "kaizen-batch"), "demo"]
    demo = subprocess.run(command, cwd=tmp_path, env={}, check=True, capture_output=True, text=True)
    assert "20 ok, 0 failed" in demo.stdout
