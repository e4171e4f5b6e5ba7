"""The base of every configuration object: immutable, strict, and clear about what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler  # in pydantic itself: 2.11

from ..errors import ConfigurationError
from ..security.api_key import without
from ..wire.choices import nearest
from .definition_warnings import warn

M = TypeVar("M", bound="Model")

_API_KEY = "RUNPOD_API_KEY"


class Model(BaseModel):
    """A configuration object. Values that cannot work raise ConfigurationError, all at once.

    None means "not given". So does any empty value of an official field that is not taken here,
    since there it says nothing. What the official SDK takes and has no meaning here is left out or
    replaced, with one FlashWarning for the object.

    A field may be set, as on making the object, until the object is used for the first time: until
    it is hashed.
    """

    __slots__ = ("_is_used",)

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls: type[M], data: Any, build: ModelWrapValidatorHandler[M]) -> M:
        if isinstance(data, cls):
            return build(data)
        if not isinstance(data, Mapping):
            raise ConfigurationError(
                f"{cls.__name__} is made of named fields, not of a {type(data).__name__}"
            )
        said = {key: value for key, value in data.items() if value is not None}
        notes = list(cls._translate(said))
        problems = [problem for item in said.items() if (problem := cls._misplaced(*item))]
        given = {key: value for key, value in said.items() if key in cls.model_fields}
        try:
            built = build(given)
        except ValidationError as error:
            problems += _reasons(error)
        else:
            problems += built._conflicts()
            if not problems:
                if notes:
                    warn(_noted(cls, data, notes))
                return built
        # Outside the handler, so that pydantic's error, which holds the input, is not attached.
        raise ConfigurationError(_report(cls, data, problems))

    @classmethod
    def _translate(cls, said: dict[str, Any]) -> Iterator[str]:
        """Leave out of ``said``, or replace, what the official SDK takes and has no meaning here;
        gives what to warn of."""
        for key in [each for each in said if each not in cls.model_fields]:
            ignored = cls._ignored().get(key)
            if ignored is not None:
                if said.pop(key):
                    yield f"{key} is ignored: {ignored}"
            elif key not in cls._refused() and nearest(key, cls.model_fields) is None:
                del said[key]
                yield f"{key} is ignored: there is no such field"

    @classmethod
    def _ignored(cls) -> dict[str, str]:
        """Names that the official SDK takes and that have no meaning here, with the reason."""
        return {}

    @classmethod
    def _misplaced(cls, key: str, value: object) -> str | None:
        if key in cls.model_fields:
            return None
        if key in cls._refused():
            return f"{key}: {cls._refused()[key]}" if value else None
        return f"{key}: no such field; did you mean {nearest(key, cls.model_fields)!r}?"

    @classmethod
    def _refused(cls) -> dict[str, str]:
        """Names that the official SDK knows and that would be a mistake here, with the reason."""
        return {}

    def _conflicts(self) -> Iterator[str]:
        """What is wrong between fields that are each valid."""
        yield from ()

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Only what was given; of an environment, only the names."""
        for field in type(self).model_fields:
            if field in self.model_fields_set:
                value = getattr(self, field)
                yield field, dict.fromkeys(value, ...) if field == "env" else value

    if not TYPE_CHECKING:  # type checkers know frozen models already

        def __setattr__(self, field: str, value: object) -> None:
            if getattr(self, "_is_used", False):
                raise ConfigurationError(_frozen(self, field))
            if not {field} & (type(self).model_fields.keys() | self._ignored().keys()):
                raise ConfigurationError(f"{type(self).__name__} has no field {field!r}")
            given = {each: getattr(self, each) for each in self.model_fields_set}
            changed = type(self).model_validate({**given, field: value})
            self.__dict__.update(changed.__dict__)
            object.__setattr__(self, "__pydantic_fields_set__", changed.model_fields_set)

        def __delattr__(self, field: str) -> None:
            raise ConfigurationError(f"{type(self).__name__}.{field} cannot be deleted")

    def _use(self) -> None:
        """From now on nothing about it may change."""
        object.__setattr__(self, "_is_used", True)


def nested(kind: type[M]) -> Callable[[object], M]:
    """A check for a field that holds a ``kind``, or a dict of its fields."""

    def check(value: object) -> M:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a {kind.__name__}, not a {type(value).__name__}")
        try:
            return kind.model_validate(value)
        except ConfigurationError as error:
            text = str(error).replace("\n", "\n  ")
        raise ValueError(text)

    return check


def _reasons(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        field = ".".join(map(str, each["loc"]))
        if each["type"] == "missing":
            yield f"{field}: is required"
        elif each["type"] == "value_error":
            yield f"{field}: {each['ctx']['error']}"
        else:
            yield f"{field}: {each['input']!r} {each['msg'].removeprefix('Input ')}"


def _report(cls: type[Model], data: Mapping[str, object], problems: list[str]) -> str:
    key, name = os.environ.get(_API_KEY), data.get("name")
    named = f" {without(name, key)[:150]!r}" if isinstance(name, str) and name else ""
    # A value that is refused is shown, whatever it is.
    return without("\n  ".join([f"{cls.__name__}{named} cannot be used:", *problems]), key)


def _noted(cls: type[Model], data: Mapping[str, object], notes: list[str]) -> str:
    key, name = os.environ.get(_API_KEY), data.get("name")
    named = f" {name[:150]!r}" if isinstance(name, str) and name else ""
    return without(f"{cls.__name__}{named}: {'; '.join(notes)}", key)


def _frozen(model: Model, field: str) -> str:
    return (
        f"{type(model).__name__}.{field} cannot be changed once the object was used; set it before "
        "the first call, or when making the object"
    )
