"""The files of the simulator: uploaded, listed, read, deleted, as `/v1/files` does."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from urllib.parse import parse_qs

_PART = re.compile(rb'content-disposition:[^\r]*?\bname="(?P<name>[^"]*)"(?:[^\r]*?filename="(?P<file>[^"]*)")?', re.I)
_MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file: its id, what it was called, what it is for, its bytes."""

    id: str
    filename: str
    purpose: str
    created_at: int
    content: bytes

    def to_dict(self) -> dict[str, object]:
        """The file object of the API."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
        }


class FileStore:
    """All files, newest last. Ids tell nothing about contents."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._numbers = count(1)

    def add(self, content: bytes, filename: str, purpose: str) -> StoredFile:
        """Store a file."""
        number = next(self._numbers)
        name = f"file-{sha256(filename.encode()).hexdigest()[:8]}{number:06d}"
        stored = self._files[name] = StoredFile(name, filename, purpose, unix_time(), content)
        return stored

    def get(self, name: object) -> StoredFile | None:
        """The file with this id."""
        return self._files.get(str(name))

    def delete(self, name: str) -> bool:
        """Whether there was such a file."""
        return self._files.pop(name, None) is not None

    def page(self, query: bytes) -> dict[str, object]:
        """A page of files, newest first unless `order=asc`."""
        asked = parse_qs(query.decode())
        files = [file for file in self._files.values() if file.purpose in asked.get("purpose", [file.purpose])]
        return page_of([file.to_dict() for file in files], query)


def page_of(oldest_first: list[dict[str, object]], query: bytes) -> dict[str, object]:
    """A page of a list: `limit`, `after`, `order`."""
    asked = {name: values[-1] for name, values in parse_qs(query.decode()).items()}
    things = oldest_first if asked.get("order") == "asc" else oldest_first[::-1]
    ids = [thing["id"] for thing in things]
    start = ids.index(asked["after"]) + 1 if asked.get("after") in ids else 0
    limit = min(int(asked.get("limit", 20)), _MOST_LISTED)
    shown = things[start : start + limit]
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    more = start + limit < len(things)
    return {"object": "list", "data": shown, "first_id": first, "last_id": last, "has_more": more}


def read_form(body: bytes) -> dict[str, tuple[str, bytes]]:
    """The fields of a multipart form: name to (file name, content). The body's first line is its boundary."""
    boundary, _, _ = body.partition(b"\r\n")
    fields: dict[str, tuple[str, bytes]] = {}
    for part in body.split(b"\r\n" + boundary) if boundary.startswith(b"--") else ():
        head, blank, content = part.removeprefix(boundary).partition(b"\r\n\r\n")
        found = _PART.search(head)
        if found and blank:
            fields[found["name"].decode()] = ((found["file"] or b"").decode(), content)
    return fields


def unix_time() -> int:
    """Now, in whole seconds, as the API tells times."""
    return int(datetime.now(UTC).timestamp())
