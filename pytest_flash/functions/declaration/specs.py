"""What is known of a function that ``@remote`` decorated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .routes import Route

if TYPE_CHECKING:
    from ...resources import ServerlessResource

INSTANCE = "instance"
"""``__flash_stand_in__`` of the instances of remote classes, in place of True."""
BOUND_METHOD = "__flash_bound_method__"
"""An attribute of the methods of such an instance: the instance, and the method's name."""
REMOTE_CONFIG = "__remote_config__"
"""What apps of the official SDK ask a decorated function for."""
REMOTE_MARK = "__flash_remote__"
"""An attribute of the decorator, by which it is known under any name a module gives it."""


@dataclass(frozen=True, eq=False)
class FunctionSpec:
    """One decorated function: where it is defined, where it runs, what it needs there.

    ``route`` is set on load-balancing endpoints alone. Live calls do not use it: they go to the
    worker's ``/execute``.

    ``owner`` and ``method`` are set for a method of a remote class; ``function`` is then the
    method as the class defines it. A class itself is its own ``function``. ``declared_by`` is what
    takes ``dependencies``, for messages.
    """

    function: Callable[..., Any]
    resource: ServerlessResource
    dependencies: tuple[str, ...]
    system_dependencies: tuple[str, ...]
    accelerate_downloads: bool
    file: str
    line: int
    route: Route | None = None
    owner: type | None = None
    method: str | None = None
    declared_by: str = "@remote"

    @property
    def name(self) -> str:
        """The function's name as its module spells it; a method's begins with its class's."""
        if self.owner is not None:
            return f"{self.owner.__name__}.{self.method}"
        return self.function.__name__

    @property
    def remote_config(self) -> dict[str, object]:
        """What runpod_flash 1.1 leaves as ``__remote_config__`` on what it decorates."""
        route = self.route
        return {
            "resource_config": self.resource,
            "method": route.method if route is not None else None,
            "path": route.path if route is not None else None,
            "dependencies": list(self.dependencies) or None,
            "system_dependencies": list(self.system_dependencies) or None,
        }

    @property
    def location(self) -> str:
        """``file:line`` of the definition."""
        return f"{self.file}:{self.line}"
