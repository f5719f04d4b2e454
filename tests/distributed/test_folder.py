"""The run folder: a plan is created once, files appear whole, network drives are recognized."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kaizen_batch import ConfigError
from kaizen_batch.distributed import LocalFolder, open_folder
from kaizen_batch.distributed.folder import is_network


def test_only_one_of_many_creates_a_file(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "run")
    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(lambda n: folder.create("plan.json", str(n).encode() * 1000), range(40)))
    assert created.count(True) == 1
    assert folder.read("plan.json") == str(created.index(True)).encode() * 1000
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["plan.json"]


def test_a_file_is_put_and_fetched(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "run")
    (tmp_path / "a").write_bytes(b"one")
    assert not folder.has("parts/1") and folder.read("parts/1") is None
    assert not folder.fetch("parts/1", tmp_path / "b")
    folder.put("parts/1", tmp_path / "a")
    (tmp_path / "a").write_bytes(b"two")
    folder.put("parts/1", tmp_path / "a")
    assert folder.has("parts/1") and folder.fetch("parts/1", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"two"
    assert (tmp_path / "run" / "parts" / "1").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written to"):
        LocalFolder(tmp_path / "file" / "run").create("plan.json", b"")


def test_a_network_drive_is_recognized(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\ntmpfs {tmp_path}/local tmpfs rw 0 0\n")
    assert is_network(tmp_path / "run", mounts) and not is_network(tmp_path / "local" / "run", mounts)
    assert not is_network(Path("/elsewhere"), mounts) and not is_network(tmp_path, tmp_path / "none")
