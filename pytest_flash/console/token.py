"""Where the console is, and the token that opens it."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import SettingsError

DEFAULT_PATH = "/__flash__"
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+")


@dataclass(frozen=True)
class ConsoleAccess:
    """The console's place on the app's server, and the token that opens it.

    ``path`` has the form ``/a/b``; anything else raises SettingsError.
    """

    path: str = DEFAULT_PATH
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path):
            raise SettingsError(
                f"console path {self.path!r} cannot be used: it must look like {DEFAULT_PATH}, "
                "with letters, digits and _ ~ . - between slashes"
            )

    def url(self, app_url: str) -> str:
        """The address that opens the console of the app at ``app_url``, from this machine."""
        address = urlsplit(app_url)
        anywhere = address.hostname in ("0.0.0.0", "::")
        base = f"http://localhost:{address.port}" if anywhere else app_url
        return f"{base}{self.path}?token={self.token}"

    def opens(self, token: str | None) -> bool:
        """Whether ``token`` is the right one; takes equally long whatever it is."""
        return token is not None and hmac.compare_digest(token.encode(), self.token.encode())
