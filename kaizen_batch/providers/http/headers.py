"""The headers of a call, and whom its TLS trusts: what every client of ours says and does alike."""

import os
import ssl

_ORGANIZATION = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}


def endpoint_headers(api_key: str) -> dict[str, str]:
    """Those of the SDK that matter."""
    given = {header: os.environ.get(name) for name, header in _ORGANIZATION.items()}
    return {
        "Authorization": f"Bearer {api_key}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "kaizen-batch",
        **{header: value for header, value in given.items() if value is not None},
    }


def ssl_context() -> ssl.SSLContext:
    """Whom the SDK trusts: SSL_CERT_FILE or SSL_CERT_DIR, else the system's store."""
    try:
        from httpx2 import create_ssl_context  # the SDK's own HTTP client, which knows where each system keeps it
    except ImportError:
        context = ssl.create_default_context()
    else:
        context = create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
