"""Where a function is served by a load-balancing endpoint: ``method`` and ``path`` of @remote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from ...resources.definition_warnings import warn

if TYPE_CHECKING:
    from ...resources import ServerlessResource

# Flash SDK 1.1, client: what it accepts.
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
_PATH = re.compile(r"/[^\s?#]*")
# Flash worker 1.0: served by the worker itself.
_TAKEN = ("/execute", "/ping")


@dataclass(frozen=True)
class Route:
    """A method and a path that begins with a slash."""

    method: str
    path: str


def route_of(resource: ServerlessResource, method: object, path: object) -> Route | None:
    """The route of a function on ``resource``; None on a queue-based one.

    Warns of a route where there can be none. Raises ConfigurationError for none where there must
    be one, and one that cannot be served.
    """
    if resource.routing == "QUEUE":
        if method is not None or path is not None:
            warn(
                f"@remote: method and path are ignored: they are for load-balancing endpoints, and "
                f"{resource.name!r} is a {type(resource).__name__}"
            )
        return None
    if method is None or path is None:
        raise ConfigurationError(
            f"@remote: {resource.name!r} is a load-balancing endpoint, whose functions need method "
            'and path, such as method="POST", path="/x"'
        )
    if method not in _METHODS:
        raise ConfigurationError(f"@remote: method={method!r} is none of {', '.join(_METHODS)}")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise ConfigurationError(
            f"@remote: path={path!r} must begin with '/' and hold no space, '?' or '#'"
        )
    if path in _TAKEN:
        raise ConfigurationError(
            f"@remote: path={path!r} is served by the Flash worker itself; choose another"
        )
    return Route(str(method), path)
