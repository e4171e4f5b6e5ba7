"""Request bodies, checked against the types that state them: what they forbid is refused (422)."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from ..server.http_errors import HttpError

_T = TypeVar("_T")


def parse(adapter: TypeAdapter[_T], body: bytes) -> _T:
    """Read ``body``; raises HttpError 400 (no JSON) or 422 (it is not what ``adapter`` reads)."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
    if any(problem["type"] == "json_invalid" for problem in problems):
        raise HttpError(400, f"the request body is not JSON: {problems[0]['msg']}")
    raise refused(*(f"{_path(problem['loc'])}: {problem['msg']}" for problem in problems))


def refused(*problems: str) -> HttpError:
    """A 422; each problem begins with the path of what is wrong, the whole body being ``$``."""
    return HttpError(422, "Request validation failed.", errors=problems)


def _path(location: tuple[int | str, ...]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "$" + "".join(steps)
