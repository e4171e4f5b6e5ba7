"""How servers prove who they are."""

from __future__ import annotations

import ssl

from .errors import LocalProtocolError
from .messages import Url


def default_context() -> ssl.SSLContext:
    """A context with the certificate authorities of certifi, whatever the environment says.

    Loading them costs 20 ms.
    """
    import certifi

    return with_http(ssl.create_default_context(cafile=certifi.where()))


def with_http(context: ssl.SSLContext) -> ssl.SSLContext:
    """``context``, which offers HTTP/1.1 alone."""
    context.set_alpn_protocols(["http/1.1"])
    return context


def context_for(url: Url, context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """What a connection to ``url`` is made with; None for plain HTTP.

    Raises LocalProtocolError for https without a context: nothing is ever sent in the clear there.
    """
    if not url.is_secure:
        return None
    if context is None:
        raise LocalProtocolError("https, and nothing to verify its certificate with")
    return context
