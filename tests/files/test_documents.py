"""Documents as rows: their text, one that cannot be read, and long ones in parts."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaizen_batch import BatchConfig, ConfigError, FileJob, RecordError, open_records, run_job
from kaizen_batch.agents import create_agent
from kaizen_batch.files.documents import chunks

MOCK = BatchConfig(llm_provider="mock")

DOCX = """<?xml version="1.0" encoding="UTF-8"?><w:document
xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>
<w:p><w:r><w:t>First paragraph.</w:t></w:r></w:p><w:p><w:r><w:t>Größte Sätze.</w:t></w:r></w:p></w:body></w:document>"""
CONTENT_TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml"
ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"""
RELATIONS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1"
Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
Target="word/document.xml"/></Relationships>"""


def a_pdf(pages: list[str]) -> bytes:
    """A PDF with a line of text on each page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>"
    content, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    return content + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of documents, one of them broken."""
    docs = tmp_path / "docs"
    (docs / "deep").mkdir(parents=True)
    (docs / "a.txt").write_text("plain text")
    (docs / "b.md").write_text("# A title\n\nwords")
    (docs / "c.html").write_text("<html><body><h1>Head</h1><script>no()</script><p>body text</p></body></html>")
    (docs / "d.pdf").write_bytes(a_pdf(["page one", "page two"]))
    (docs / "deep" / "e.pdf").write_bytes(b"%PDF-1.4 broken")
    with zipfile.ZipFile(docs / "f.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("word/document.xml", DOCX)
    (docs / "ignored.bin").write_bytes(b"\0")
    return docs


async def test_each_document_is_a_row_and_a_broken_one_fails(folder: Path, tmp_path: Path, read: Any) -> None:
    result = await run_job(FileJob(folder, tmp_path / "out.jsonl", template="{text}"), create_agent(MOCK), MOCK)
    rows = read(tmp_path / "out.jsonl")
    assert [row["name"] for row in rows] == ["a.txt", "b.md", "c.html", "d.pdf", "f.docx"]
    texts = {row["name"]: row["text"] for row in rows}
    assert texts["a.txt"] == "plain text" and "body text" in texts["c.html"] and "no()" not in texts["c.html"]
    assert "page one" in texts["d.pdf"] and "page two" in texts["d.pdf"]
    assert "First paragraph." in texts["f.docx"] and "Größte Sätze." in texts["f.docx"]
    assert [row["pages"] for row in rows][3] == 2 and rows[0]["path"] == str(folder / "a.txt")
    assert list(rows[0]) == ["path", "name", "text", "pages", "result"]
    [failed] = read(tmp_path / "out.failed.jsonl")
    assert (failed["name"], failed["error_code"], failed["text"]) == ("e.pdf", "document_unreadable", None)
    assert failed["error"].startswith("the document cannot be read: ")
    assert (result.rows_read, result.rows_failed, result.summary.calls) == (6, 1, 5)


def test_a_pattern_chooses_documents(folder: Path, read: Any) -> None:
    assert [row["name"] for row in read(folder, glob="*.md")] == ["b.md"]
    assert [row["name"] for row in read(str(folder / "*.[tm]*"))] == ["a.txt", "b.md"]
    assert [row["name"] for row in read([folder / "b.md", folder / "a.txt"])] == ["b.md", "a.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"glob": "*.xyz"}, r"no file matches '\*\.xyz' in the folder"),
        ({"glob": "*.bin"}, "holds what is no document: .*; the documents that can be read are .txt, .md"),
        ({"chunk_tokens": 5}, "chunk_tokens must be a whole number, at least 20; given: 5"),
    ],
)
def test_a_wrong_use_is_an_error(folder: Path, read: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(folder, **options)


def test_a_pattern_needs_a_folder(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.csv").write_text("a\n")
    with pytest.raises(ConfigError, match="glob needs a folder as input"):
        read(tmp_path / "a.csv", glob="*.csv")


async def test_a_long_document_becomes_several_rows(tmp_path: Path, read: Any) -> None:
    (tmp_path / "long.txt").write_text("\n\n".join(f"Paragraph {n}. " + "word " * 30 for n in range(20)))
    job = FileJob(tmp_path / "long.txt", tmp_path / "out.jsonl", template="{text}", chunk_tokens=100)
    result = await run_job(job, create_agent(MOCK), MOCK)
    rows = read(tmp_path / "out.jsonl")
    assert result.rows_written == len(rows) > 5
    assert [row["chunk"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(len(row["text"]) <= 400 for row in rows)
    assert list(rows[0])[:5] == ["path", "name", "chunk", "text", "pages"]


@given(words=st.lists(st.text(st.characters(categories=["L", "P"]), min_size=1, max_size=9), max_size=300))
def test_chunks_hold_all_of_the_text_and_overlap(words: list[str]) -> None:
    text = " ".join(f"{word}{number}" for number, word in enumerate(words))
    found = list(chunks(text, 20))
    assert all(len(part) <= 80 for part in found) and len(found) <= 2 + len(text) // 30
    place = 0
    for part in found:
        at = text.find(part, max(0, place - 80))
        assert 0 <= at <= place + 2  # nothing between two parts but the blanks around them
        place = at + len(part)
    assert text[place:].strip() == ""


def test_short_and_empty_texts_are_one_part() -> None:
    assert list(chunks("", 20)) == [""] and list(chunks(" as it is ", 20)) == [" as it is "]


def test_without_the_library_plain_text_is_read_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "kreuzberg", None)
    assert [row["text"] for row in read(folder, glob="*.txt")] == ["plain text"]
    with pytest.raises(RecordError, match=r"pip install 'kaizen-batch\[documents\]'"):
        open_records(folder / "d.pdf").__enter__()
