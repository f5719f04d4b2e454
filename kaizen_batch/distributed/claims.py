"""Who has a shard whose journal is not in the run folder: one process at a time, on whatever machine.

A journal's lock keeps a second process of the same machine away. Between machines it is a claim in the run folder:

    claims/0003.1.json    who has shard 3, how many calls its journal knows, what they can have cost, and its last beat

It is made by exclusive creation, so of several processes that start together one wins. The others watch it by their own
clocks (those of two machines need not agree). When it has not changed for EXPIRES_S, its process is dead, and one of
them creates the claim with the next number; after twice that time they give up. A process that was only suspended sees
that number at its next beat, and stops. A claim that was made here, for the same journal, is not watched: whoever makes
one has a lock of this machine, so the process before is dead.

Claims outlive their machines. Calls that the last one knew and the copy of the journal does not were perhaps paid.

Source: as leases.py; the growing number is the fencing token of M. Burrows, "The Chubby lock service", OSDI 2006.
"""

import asyncio
import socket
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from kaizen_batch.distributed.folder import Folder
from kaizen_batch.errors import JournalError

BEAT_S = 2.0
EXPIRES_S = 10.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Claim(Struct, frozen=True):
    """Who has a shard: its machine and journal. `calls` and `usd` are what that journal knows, `beat` counts the beats.

    `over`: the process has ended as it should.
    """

    owner: str
    beat: int = 0
    calls: int = 0
    usd: float = 0.0
    over: bool = False


def owner_of(journal: Path) -> str:
    """This machine since it was started, the disk, and the journal: whoever has all of them obeys one lock."""
    boot = place = ""
    with suppress(OSError):
        boot = _BOOT.read_text().strip()
    with suppress(OSError):
        folder = journal.parent.stat()
        place = f"{folder.st_dev}:{folder.st_ino}"
    return f"{socket.gethostname()} {boot} {place} {journal}"


def claim_name(shard: int, number: int) -> str:
    """The file of a claim."""
    return f"claims/{shard:04d}.{number}.json"


def latest(folder: Folder, shard: int) -> tuple[int, Claim | None]:
    """The last claim to a shard and its number, which is 0 if there is none."""
    number = next(number for number in count(1) if not folder.has(claim_name(shard, number))) - 1
    return number, _read(folder, shard, number) if number else None


def _read(folder: Folder, shard: int, number: int) -> Claim | None:
    data = folder.read(claim_name(shard, number))
    try:
        return None if data is None else msgspec.json.decode(data, type=Claim)
    except msgspec.DecodeError:
        return None


async def claimed(folder: Folder, shard: int, journal: Path) -> "Held":
    """Claim a shard. Raises: JournalError if another process has it."""
    owner = owner_of(journal)
    number, last = await asyncio.to_thread(latest, folder, shard)
    if last is not None and not last.over and last.owner != owner:
        last = await _watched(folder, shard, number, last)
    claim = Claim(owner) if last is None else replace(last, owner=owner, beat=0, over=False)
    if not await asyncio.to_thread(folder.create, claim_name(shard, number + 1), msgspec.json.encode(claim)):
        raise taken(shard, "another process has started it just now")
    held = Held(folder, shard, number + 1, claim)
    held.was_here = last is not None and last.owner == owner
    return held


async def _watched(folder: Folder, shard: int, number: int, last: Claim) -> Claim:
    """The claim, when its process is dead or over. Raises: JournalError if it goes on living."""
    began = changed = time.monotonic()
    while time.monotonic() < changed + EXPIRES_S:
        if time.monotonic() > began + 2 * EXPIRES_S:
            raise taken(shard, f"it is being processed on {last.owner.partition(' ')[0]}")
        await asyncio.sleep(BEAT_S / 2)
        now = await asyncio.to_thread(_read, folder, shard, number)
        if now is not None and now != last:
            last, changed = now, time.monotonic()
        if last.over:
            break
    return last


def taken(shard: int, why: str) -> JournalError:
    """What is said when a shard is not free."""
    return JournalError(f"shard {shard} is not free: {why}; wait for its end, or stop that process and try again")


class Held:
    """A claim of this process; `was_here` if the one before was of this machine and journal, too."""

    def __init__(self, folder: Folder, shard: int, number: int, claim: Claim) -> None:
        self.claim: Claim = claim
        self.was_here: bool = False
        self._folder = folder
        self._shard = shard
        self._number = number

    def beat(self, calls: int, usd: float, *, over: bool = False) -> None:
        """Say that this process lives, or has ended, and what its journal knows. Raises: JournalError if it lost it."""
        if self._folder.has(claim_name(self._shard, self._number + 1)):
            raise taken(self._shard, "another process took it over while this one was not heard of")
        self.claim = replace(self.claim, beat=self.claim.beat + 1, calls=calls, usd=usd, over=over)
        self._folder.write(claim_name(self._shard, self._number), msgspec.json.encode(self.claim))
