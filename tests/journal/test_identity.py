"""Files by their inode: the lock on the file itself, descriptors that must wait, and a watch over both files."""

import os
from pathlib import Path

import pytest

from kaizen_batch.errors import JournalError
from kaizen_batch.journal import identity


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "run.db").write_bytes(b"main")
    (tmp_path / "run.db-wal").write_bytes(b"wal")
    return tmp_path / "run.db"


def test_the_lock_holds_under_every_name_of_the_file(file: Path) -> None:
    os.link(file, file.with_name("link.db"))
    with (
        identity.file_lock(file),
        pytest.raises(JournalError, match="another run"),
        identity.file_lock(file.with_name("link.db")),
    ):
        pass
    with identity.file_lock(file.with_name("link.db")):
        pass


def descriptors() -> int:
    """How many this process has open; Linux says so."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nothing tells the open descriptors")
def test_a_descriptor_waits_for_the_last_connection(file: Path) -> None:
    before = descriptors()
    known = identity.file_id(file)
    identity.connected(known)
    identity.connected(known)
    with identity.file_lock(file):
        assert identity.in_use(file)
    identity.disconnected(known)
    assert descriptors() == before + 1, "closing it would drop SQLite's locks"
    identity.disconnected(known)
    assert not identity.in_use(file)
    assert descriptors() == before


@pytest.mark.parametrize("part", ["", "-wal"])
@pytest.mark.parametrize("what", ["deleted", "replaced"])
def test_the_watch_sees_another_file_under_the_name(file: Path, part: str, what: str) -> None:
    watch = identity.Watch(file, lambda: True)
    watch.check()
    victim = Path(f"{file}{part}")
    if what == "replaced":
        file.with_name("other").write_bytes(victim.read_bytes())
        file.with_name("other").replace(victim)
    else:
        victim.unlink()
    with pytest.raises(JournalError, match=f"{victim.name}' was {what}") as caught:
        watch.check()
    assert caught.value.code == "journal_replaced"


@pytest.mark.parametrize("ours", [True, False])
def test_the_same_file_with_another_content_is_asked_whose_it_is(file: Path, ours: bool) -> None:
    watch = identity.Watch(file, lambda: ours)
    file.write_bytes(b"longer than it was")
    if ours:
        watch.check()
        watch.check()
    else:
        with pytest.raises(JournalError, match="overwritten"):
            watch.check()
