"""Images and documents: where they may come from, and what is refused before any call."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from kaizen_batch import BatchProcessorAgent, Document, Image, InputError, InputField, Journal, OutputField, Signature
from kaizen_batch.signature import media
from kaizen_batch.signature.media import image_type, loaded, media_of, part_of
from kaizen_batch.simulator import Simulator
from tests.signature.pictures import PDF, gif, jpeg, png, webp

PNG = png()
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def sent(thing: Image | Document) -> Any:
    [message] = loaded([{"role": "user", "content": [part_of(thing)]}])
    [part] = message["content"]
    return part[part["type"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "bill.pdf").write_bytes(PDF)
    (tmp_path / "words.png").write_text("no image")
    return tmp_path


@pytest.mark.parametrize("form", [str, Path, "bytes", "data"])
def test_an_image_is_sent_as_a_data_url_wherever_it_comes_from(form: Any, folder: Path) -> None:
    path = folder / "cat.png"
    source = {"bytes": PNG, "data": URL}.get(form) if isinstance(form, str) else form(path)
    assert sent(Image(source, detail="low")) == {"url": URL, "detail": "low"}


@pytest.mark.parametrize("url", ["https://a.example/cat.png", "HTTP://a.example/cat"])
def test_a_url_is_left_to_the_endpoint(url: str) -> None:
    assert sent(Image(url)) == {"url": url}
    assert sent(Document(url))["file_data"] == url


def test_a_document_has_a_name(folder: Path) -> None:
    data = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
    assert sent(Document(folder / "bill.pdf")) == {"filename": "bill.pdf", "file_data": data}
    assert sent(Document(PDF)) == {"filename": "document.pdf", "file_data": data}
    assert sent(Document(PDF, name="x.pdf"))["filename"] == "x.pdf"


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        ("words.png", Image, "the image 'words.png' is not an image that models take"),
        ("cat.png", Document, "the document 'cat.png' is not a PDF"),
        ("none.png", Image, "cannot be read: No such file"),
        ("", Image, "is not a file"),
        ("a\0b.png", Image, "cannot be read"),
    ],
)
def test_what_cannot_be_sent_is_named(name: str, kind: Any, why: str, folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        sent(kind(str(folder / name) if name else folder))
    assert why in str(caught.value) and str(folder) not in str(caught.value)


@pytest.mark.parametrize("url", ["data:image/png,xx", "data:image/png;base64,###", "data:"])
def test_a_data_url_must_be_base64(url: str) -> None:
    with pytest.raises(InputError, match="without valid base64"):
        sent(Image(url))


def test_a_device_is_not_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(InputError, match="is not a file"):
        sent(Image(folder / "pipe.png"))


def test_too_many_bytes_are_refused_before_they_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MOST_IMAGE_BYTES", 50)
    for source in (folder / "cat.png", PNG, URL):
        with pytest.raises(InputError, match="at most 50 are allowed"):
            sent(Image(source))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (jpeg(1, 1), "image/jpeg"),
        (gif(1, 1), "image/gif"),
        (webp(b"VP8X", 1, 1), "image/webp"),
        (PDF, None),
        (b"", None),
    ],
)
def test_the_type_is_that_of_the_content(content: bytes, kind: str | None) -> None:
    assert image_type(content) == kind


def test_what_an_item_may_hold() -> None:
    assert media_of(Image, "a.png") == Image("a.png")
    assert media_of(Image, bytearray(b"x")) == Image(b"x")
    assert media_of(Image, {"bytes": None, "path": "a.png"}) == Image("a.png")
    assert media_of(Document, Document("a.pdf", name="b")) == Document("a.pdf", name="b")
    for wrong in ("", None, 5, Document("a.pdf"), {"path": None}):
        with pytest.raises(InputError):
            media_of(Image, wrong)


class Look(Signature):
    """Say what it is."""

    photo: Image = InputField("the photo")
    bill: Document | None = InputField("the bill", default=None)
    question: str = InputField()
    answer: str = OutputField()


@pytest.mark.enable_socket
@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_a_signature_takes_images_and_a_bad_one_fails_its_row_alone(transport: str, folder: Path) -> None:
    rows = [
        {"photo": str(folder / "cat.png"), "question": "what?"},
        {"photo": str(folder / "words.png"), "question": "what?"},
        {"photo": PNG, "bill": folder / "bill.pdf", "question": "how much?"},
    ]
    with Simulator() as server:
        agent = BatchProcessorAgent(
            base_url=server.base_url, signature=Look, provider_options={"transport": transport}, journal=folder / "j.db"
        )
        batch = await agent.run_batch(rows)
        assert [result["status"] for result in batch.results] == ["ok", "error", "ok"]
        assert batch.results[1]["error"]["code"] == "invalid_media" and batch.results[1]["attempts"] == 0
        assert sorted((entry.images, entry.files) for entry in server.ledger.entries) == [(1, 0), (1, 1)]
        content = next(
            body["messages"][1]["content"] for body in server.bodies if len(body["messages"][1]["content"]) == 3
        )
        assert content[0] == {"type": "text", "text": "photo:"}
        assert content[1] == {"type": "image_url", "image_url": {"url": URL}}
        again = await agent.run_batch(rows)
        assert again.summary.from_journal == 2 and server.ledger.calls == 2
    stored = (folder / "j.db").read_bytes()
    assert base64.b64encode(PNG) not in stored and PNG not in stored
    requests = [entry.request for entry in Journal(folder / "j.db").entries()]
    assert all('"media":{"sha256":"' in request for request in requests)


@pytest.mark.enable_socket
async def test_a_fallback_gets_the_image_too(folder: Path) -> None:
    from kaizen_batch.simulator.settings import error_reply

    with Simulator() as server:
        server.reply_with(error_reply(400, "bad", "no images here"))
        agent = BatchProcessorAgent(base_url=server.base_url, signature=Look, fallbacks=("other",))
        [result] = await agent.process_batch([{"photo": folder / "cat.png", "question": "what?"}])
        assert result["answered_by"] == "other" and server.ledger.entries[-1].images == 1


@pytest.mark.enable_socket
async def test_a_journal_of_images_stays_small(tmp_path: Path) -> None:
    items = [{"photo": png(padding=200_000 + n), "question": str(n)} for n in range(20)]
    with Simulator() as server:
        agent = BatchProcessorAgent(base_url=server.base_url, signature=Look, journal=tmp_path / "j.db")
        batch = await agent.run_batch(items)
        assert server.ledger.entries[0].images == 1
    assert batch.summary.ok == 20
    assert sum(path.stat().st_size for path in files_of(tmp_path)) < 400_000


def files_of(folder: Path) -> list[Path]:
    return list(folder.glob("j.db*"))
