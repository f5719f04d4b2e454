"""No identifier has a retired name, and no text reads like a translation; see words.py for both lists."""

from tests.checks.words import OTHER_SENSES, ROOT, files, identifiers, retired_identifiers, translated_phrases


def test_no_identifier_has_a_retired_name() -> None:
    assert sorted(map(str, set(retired_identifiers()))) == []


def test_every_other_sense_is_in_use() -> None:
    used = {(name, path.relative_to(ROOT).as_posix()) for path in files("*.py") for name, _ in identifiers(path)}
    for other in OTHER_SENSES:
        for identifier in other.identifiers.split():
            assert any(name == identifier and path.startswith(other.path) for name, path in used), identifier


def test_no_text_reads_like_a_translation() -> None:
    assert sorted(map(str, translated_phrases())) == []


def test_the_glossary_defines_each_replacement() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").lower()
    terms = ("upstream", "slot", "wait queue", "reservation", "circuit breaker", "pause", "run metrics", "coalesce")
    assert [term for term in terms if f"| {term} |" not in glossary] == []
