"""JSON files whose content is a frozen dataclass: read with every field checked, written as the fields stand.

A field that is None by default is left out of the file while it is None, and only such a field may be missing
where a file is read: a date, say, that a new record gets by itself is not to be invented there. Names in a file
that the dataclass does not know are passed over, so that a later version may add some.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from grover_hf.errors import InputError

R = TypeVar("R")

_NAMES = {int: "an integer", float: "a number", str: "text", bool: "true or false", type(None): "null"}


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the names and values of a JSON file.

    Raises:
        FileNotFoundError: If there is none.
        InputError: If it holds anything else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged: it does not hold names with values.")
    return content


def record_of(record_class: type[R], content: Mapping[str, Any], place: str | Path) -> R:
    """Return the record that a JSON object holds.

    Args:
        record_class: A dataclass whose fields are text, numbers, booleans, None, lists, tuples, dictionaries
            with names, or records again.
        content: The object.
        place: The file, and the field in it, for errors.

    Raises:
        InputError: If a field is missing, has another type, or is a number that is not finite.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{place} is {content!r}, not names with values.")
    hints = typing.get_type_hints(record_class)
    values = {}
    for field in dataclasses.fields(record_class):  # type: ignore[arg-type]
        if field.name in content:
            values[field.name] = _checked(content[field.name], hints[field.name], f"{place}: {field.name}")
        elif field.default is not None:
            raise InputError(f"{place} lacks {field.name}: the file is damaged, or is not one of ours.")
    return record_class(**values)


def plain(record: Any) -> dict[str, Any]:
    """Return a record as JSON and templates take it; fields that are None by default are left out if they are."""
    values = {field: getattr(record, field.name) for field in dataclasses.fields(record)}
    kept = {field: value for field, value in values.items() if value is not None or field.default is not None}
    return {field.name: _plain(value) for field, value in kept.items()}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return plain(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _checked(value: Any, wanted: Any, place: str) -> Any:
    if wanted is Any:
        return _finite(value, place)
    if isinstance(wanted, types.UnionType):
        return _checked_union(value, typing.get_args(wanted), place)
    if dataclasses.is_dataclass(wanted):
        return record_of(wanted, value, place)  # type: ignore[arg-type]
    kind, arguments = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if kind is dict and isinstance(value, dict):
        return {name: _checked(one, arguments[1], f"{place}: {name}") for name, one in value.items()}
    if kind in (list, tuple) and isinstance(value, list):
        # A tuple of a fixed length names the type of each; `...` means as many as there are.
        of_each = [arguments[0]] * len(value) if len(arguments) < 2 or arguments[1] is ... else arguments
        if len(of_each) == len(value):
            named = enumerate(zip(value, of_each, strict=True))
            return kind(_checked(one, of_one, f"{place}[{number}]") for number, (one, of_one) in named)
    if type(value) is kind or (kind is float and type(value) is int):
        return _finite(value, place)
    raise InputError(f"{place} is {value!r}; it must be {_name(wanted)}.")


def _checked_union(value: Any, kinds: tuple[Any, ...], place: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    errors = []
    for kind in kinds:
        try:
            return _checked(value, kind, place)
        except InputError as error:
            errors.append(error)
    # That of the kind that was meant: lists come last.
    raise errors[-1 if isinstance(value, list) else 0]


def _finite(value: Any, place: str) -> Any:
    """Return a value as it is; raise `InputError` if it is, or holds, a number that is not finite."""
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            _finite(one, f"{place}: {name}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{place} is {value}, not a finite number.")
    return value


def _name(kind: Any) -> str:
    return _NAMES.get(kind, f"a list, {kind}" if typing.get_origin(kind) in (list, tuple) else str(kind))
