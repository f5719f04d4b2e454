"""The licenses of what kaizen-batch installs, as docs/licenses.md lists them: `python -m tests.docs.licenses`.

They are read from the metadata of the installed distributions, starting at kaizen-batch with all of its extras.
"""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.pages import DOCS

PAGE = DOCS / "licenses.md"
ROOT, EXTRAS = "kaizen-batch", frozenset({"all"})

# The permissive families, and weak copyleft, which asks nothing of those who only use a library.
ALLOWED = re.compile(r"\b(MIT|BSD|Apache|ISC|PSF|Python|Unlicense|CC0|0BSD|Zlib|HPND|MPL|LGPL|Mozilla)", re.IGNORECASE)
REFUSED = re.compile(
    r"(?<!L)(A?GPL|GNU (Affero )?General Public)|SSPL|Business Source|Commons Clause|Proprietary", re.I
)

_CLASSIFIER = "License :: OSI Approved :: "
_LONGEST = 40


def installed() -> dict[str, Distribution]:
    """Every distribution that kaizen-batch needs on this machine, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(ROOT, EXTRAS)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        waiting += [
            (canonicalize_name(needed.name), frozenset(needed.extras)) for needed in _needs(found[name], extras)
        ]
    del found[ROOT]
    return dict(sorted(found.items()))


def _needs(dist: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in dist.requires or ():
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            yield needed


def license_of(dist: Distribution) -> str:
    """Its license in a few words: the expression, else the classifiers, else the first line of the old field."""
    metadata = dist.metadata
    expression = metadata.get("License-Expression")
    classified = [text.removeprefix(_CLASSIFIER) for text in metadata.get_all("Classifier", ()) if _CLASSIFIER in text]
    old = (metadata.get("License") or "").strip().partition("\n")[0]
    short = old if len(old) <= _LONGEST and ALLOWED.search(old) else ""  # some put the whole text there
    return str(expression or short or ", ".join(classified) or old[:_LONGEST])


def table() -> dict[str, str]:
    """The license of each."""
    return {name: license_of(dist) for name, dist in installed().items()}


def listed() -> dict[str, str]:
    """What the page says."""
    return dict(re.findall(r"^\| `([\w.-]+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


if __name__ == "__main__":
    for name, text in table().items():
        print(f"| `{name}` | {text} |")
