"""`kaizen-batch --version`, with `-v` for bug reports: versions, platform, and which variables are set."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = ("kailash", "openai", "aiohttp", "httptools", "uvloop", "pydantic", "pyarrow", "jinja2", "click", "rich")
_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")


def version_text(*, verbose: bool = False) -> str:
    """One line, or all that a bug report needs; of variables only whether they are set."""
    first = f"kaizen-batch, version {version('kaizen-batch')}"
    if not verbose:
        return first
    lines = [
        first,
        f"python      {platform.python_version()} ({platform.python_implementation()}), {sys.executable}",
        f"platform    {platform.platform()}",
        *(f"{name:12s}{_version_of(name)}" for name in _LIBRARIES),
        f"set         {', '.join(_set_variables()) or 'none of ' + ', '.join(_VARIABLES)}",
    ]
    return "\n".join(lines)


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _set_variables() -> list[str]:
    ours = sorted(name for name in os.environ if name.startswith("KAIZEN_"))
    return [name for name in _VARIABLES if os.environ.get(name)] + ours
