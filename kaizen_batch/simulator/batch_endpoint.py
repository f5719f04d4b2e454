"""`/v1/files` and `/v1/batches` without sockets: which request does what, and which responses are lost."""

import json
import random
from collections.abc import Callable
from typing import Any

from kaizen_batch.simulator.answers import RawResponse, reply_bytes, to_bytes
from kaizen_batch.simulator.batches import Batches, Bill, RefusedBatch, Refuses
from kaizen_batch.simulator.settings import TORN, Reply, Settings, error_reply
from kaizen_batch.simulator.uploads import FileStore, read_form

Route = Callable[[str, bytes, bytes], Reply | RawResponse]


class BatchEndpoint:
    """Answers the requests to `/v1/files` and `/v1/batches`."""

    def __init__(self, settings: Settings, bill: Bill, refuses: Refuses) -> None:
        self.files: FileStore = FileStore()
        self.batches: Batches = Batches(settings, self.files, bill, refuses)
        self._settings = settings
        self._random = random.Random(settings.seed)
        self._routes: dict[tuple[str, str, str], Route] = {
            ("POST", "files", ""): self._upload,
            ("GET", "files", ""): lambda _, query, __: Reply(200, self.files.page(query)),
            ("GET", "files", "content"): self._content,
            ("DELETE", "files", "one"): self._delete,
            ("GET", "files", "one"): self._file,
            ("POST", "batches", ""): self._create,
            ("GET", "batches", ""): self._list,
            ("GET", "batches", "one"): self._batch,
            ("POST", "batches", "cancel"): self._cancel,
        }

    def handle(self, method: bytes, target: bytes, body: bytes) -> RawResponse:
        """The response to a request whose path begins with `/v1/files` or `/v1/batches`."""
        path, _, query = target.partition(b"?")
        _, _, kind, *rest = path.decode().rstrip("/").split("/")
        name, action = (*rest, "one")[:2] if rest else ("", "")
        route = self._routes.get((method.decode(), kind, action))
        if route is None:
            return as_response(error_reply(404, "not_found", f"there is no {path!r} for this method"))
        return as_response(route(name, query, body))

    def _upload(self, _: str, __: bytes, body: bytes) -> Reply:
        form = read_form(body)
        if "file" not in form or "purpose" not in form:
            return error_reply(400, "invalid_request", "a form with the fields file and purpose is needed")
        filename, content = form["file"]
        stored = self.files.add(content, filename, form["purpose"][1].decode())
        return self._unless_lost(self._settings.batch_rate_lost_upload, stored.to_dict())

    def _file(self, name: str, _: bytes, __: bytes) -> Reply:
        stored = self.files.get(name)
        return Reply(200, stored.to_dict()) if stored else _no("file", name)

    def _content(self, name: str, _: bytes, __: bytes) -> Reply | RawResponse:
        stored = self.files.get(name)
        return RawResponse(to_bytes(200, stored.content, b"application/jsonl")) if stored else _no("file", name)

    def _delete(self, name: str, _: bytes, __: bytes) -> Reply:
        if not self.files.delete(name):
            return _no("file", name)
        return Reply(200, {"id": name, "object": "file", "deleted": True})

    def _create(self, _: str, __: bytes, body: bytes) -> Reply:
        try:
            batch = self.batches.create(json.loads(body))
        except (RefusedBatch, ValueError, TypeError) as error:
            return error_reply(400, getattr(error, "code", "invalid_request"), str(error))
        return self._unless_lost(self._settings.batch_rate_lost_create, self.batches.to_dict(batch))

    def _list(self, _: str, query: bytes, __: bytes) -> Reply:
        if not self._settings.batch_list:
            return error_reply(404, "not_found", "batches cannot be listed here")
        return Reply(200, self.batches.page(query))

    def _batch(self, name: str, _: bytes, __: bytes) -> Reply:
        batch = self.batches.get(name)
        return Reply(200, self.batches.to_dict(batch)) if batch else _no("batch", name)

    def _cancel(self, name: str, _: bytes, __: bytes) -> Reply:
        batch = self.batches.get(name)
        if batch is None:
            return _no("batch", name)
        if not batch.is_open:
            return error_reply(409, "conflict", f"a batch that is {batch.status} cannot be cancelled")
        self.batches.cancel(batch)
        return Reply(200, self.batches.to_dict(batch))

    def _unless_lost(self, rate: float, body: Any) -> Reply:
        return TORN if self._random.random() < rate else Reply(200, body)


def as_response(reply: Reply | RawResponse) -> RawResponse:
    """A reply as bytes; without a status the connection is closed."""
    if isinstance(reply, RawResponse):
        return reply
    return RawResponse(reply_bytes(reply)) if reply.status else RawResponse(then="abort")


def _no(what: str, name: str) -> Reply:
    return error_reply(404, "not_found", f"there is no {what} {name!r}")
