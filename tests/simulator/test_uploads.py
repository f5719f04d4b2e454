"""Files: forms, pages, ids."""

from kaizen_batch.simulator.uploads import FileStore, page_of, read_form

_FORM = (
    b'--b1\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b1\r\n'
    b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\nContent-Type: application/x\r\n\r\n'
    b"{}\r\n--not it\r\n\r\n--b1--\r\n"
)


def test_the_fields_of_a_form_are_read() -> None:
    assert read_form(_FORM) == {"purpose": ("", b"batch"), "file": ("a.jsonl", b"{}\r\n--not it\r\n")}


def test_what_is_no_form_has_no_fields() -> None:
    assert read_form(b"{}") == {} == read_form(b"")


def test_pages_are_newest_first_and_follow_each_other() -> None:
    things: list[dict[str, object]] = [{"id": str(n)} for n in range(5)]
    first = page_of(things, b"limit=2")
    assert ([thing["id"] for thing in first["data"]], first["has_more"]) == (["4", "3"], True)  # type: ignore[attr-defined]
    last = page_of(things, b"limit=3&after=3")
    assert ([thing["id"] for thing in last["data"]], last["has_more"]) == (["2", "1", "0"], False)  # type: ignore[attr-defined]
    assert page_of(things, b"order=asc&limit=1")["first_id"] == "0"
    assert page_of([], b"")["data"] == []


def test_files_are_listed_by_purpose_and_deleted() -> None:
    files = FileStore()
    batch, other = files.add(b"1", "a", "batch"), files.add(b"2", "b", "user_data")
    assert files.page(b"purpose=batch")["data"] == [batch.to_dict()]
    assert (files.get(other.id), files.delete(other.id), files.delete(other.id), files.get(other.id)) == (
        other, True, False, None,
    )  # fmt: skip
