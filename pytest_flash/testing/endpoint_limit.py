"""``--flash-max-endpoints``: how many endpoints a run may create on Runpod.

A run that would create more is ended by ``pytest_hooks``, with exit code 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import EndpointLimitError

if TYPE_CHECKING:
    from ..provisioner.provisioner import Provisioner, Source


def stay_within_limit(provisioner: Provisioner, resources: Sequence[Source], limit: int) -> None:
    """Raise EndpointLimitError, before any of ``resources`` is created, for more than ``limit``."""
    wanted = provisioner.plan(resources).creations
    count = len(wanted) + provisioner.creations
    if wanted and count > limit:
        names = ", ".join(each.endpoint_name for each in wanted)
        before = f", and {provisioner.creations} before" if provisioner.creations else ""
        raise EndpointLimitError(
            f"this run would create {count} endpoints on Runpod ({names}{before}); the limit "
            f"is {limit}. Raise it with --flash-max-endpoints {count}"
        )


@contextmanager
def naming_the_option() -> Iterator[None]:
    """Have the error say how the limit is raised, where endpoints went between plan and step."""
    try:
        yield
    except EndpointLimitError as error:
        raise EndpointLimitError(f"{error}. Raise it with --flash-max-endpoints") from None
