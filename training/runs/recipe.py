"""Recipes: one dataclass of plain fields, one complete YAML a run, overrides on the command line."""

import argparse
import contextlib
import dataclasses
import math
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from grover_hf.errors import InputError

RECIPES = Path(__file__).parents[1] / "recipes"

R = TypeVar("R")


def recipe_field(text: str, **default: Any) -> Any:
    """Return a field of a recipe with the help that the command line shows; `default=` if it has one."""
    return dataclasses.field(metadata={"help": text}, **default)


def with_dashes(arguments: Sequence[str] | None) -> list[str]:
    """Return a command line whose options are spelled with dashes: `--batch_size 8` is `--batch-size 8`.

    Args:
        arguments: The command line; None for that of the process.
    """
    words = []
    for word in sys.argv[1:] if arguments is None else arguments:
        name, equals, value = word.partition("=")
        words.append((name.replace("_", "-") if name.startswith("--") else name) + equals + value)
    return words


def recipe_from_command_line(
    recipe_class: type[R], kind: str, arguments: Sequence[str] | None = None, *, prog: str | None = None
) -> R:
    """Return the recipe that `--config` names, with `--field value` for every field to change.

    The value of a text field is taken as it stands, other values are YAML; "null" is None in fields that may
    be None. A field of yes or no may stand alone: `--overwrite` is `--overwrite true`.

    Args:
        recipe_class: A dataclass; the `help` in each field's metadata is shown by `--help`.
        kind: The folder of packaged recipes that `--config` may name without a path.
        arguments: The command line; None for that of the process.
        prog: What the command is called; None for the training's launch.
    """
    parser = argparse.ArgumentParser(
        prog=prog or f"accelerate launch -m training.{kind}",
        formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False,
    )
    packaged = ", ".join(sorted(path.stem for path in (RECIPES / kind).glob("*.yaml")))
    parser.add_argument("--config", required=True, help=f"a YAML file, or a packaged recipe: {packaged}")
    hints = typing.get_type_hints(recipe_class)
    for field in _fields(recipe_class):
        hint = hints[field.name]
        alone: dict[str, Any] = {"nargs": "?", "const": "true"} if bool in (hint, *typing.get_args(hint)) else {}
        option, text = f"--{field.name.replace('_', '-')}", field.metadata.get("help")
        parser.add_argument(option, help=text, metavar="VALUE", **alone)
    given = vars(parser.parse_args(with_dashes(arguments)))
    config = given.pop("config")
    changes = {name: _from_word(value, hints[name], name) for name, value in given.items() if value is not None}
    return read_recipe(recipe_class, config, kind, changes)


def plan_from_command_line(
    plan_class: type[R], first: str, description: str, prog: str, arguments: Sequence[str] | None
) -> R:
    """Return a plan, which needs no file: its first field by its place, every other one by an option.

    Args:
        plan_class: A dataclass of plain fields, made with `recipe_field`.
        first: Name of the field that stands first on the command line.
        description: What the command does.
        prog: What it is called.
        arguments: The command line; None for that of the process.
    """
    parser = argparse.ArgumentParser(prog=prog, allow_abbrev=False, description=description)
    hints = typing.get_type_hints(plan_class)
    for field in _fields(plan_class):
        hint, text = hints[field.name], field.metadata["help"]
        kind = next((kind for kind in typing.get_args(hint) if kind is not type(None)), hint)
        option, is_required = f"--{field.name.replace('_', '-')}", field.default is dataclasses.MISSING
        if field.name == first:
            parser.add_argument(first, type=kind, help=text)
        elif kind is bool:
            parser.add_argument(option, action="store_true", help=text)
        else:
            default = None if is_required else field.default
            parser.add_argument(
                option, type=kind, default=default, required=is_required, metavar="VALUE", help=text
            )
    return plan_class(**vars(parser.parse_args(with_dashes(arguments))))


def read_recipe(recipe_class: type[R], config: str, kind: str, changes: dict[str, Any]) -> R:
    """Read a recipe; `changes` win over the file.

    Raises:
        InputError: If there is no such recipe, a key is unknown, a field is missing or has
            another type.
    """
    path = Path(config)
    if not path.exists() and path.suffix == "":
        path = RECIPES / kind / f"{config}.yaml"
    try:
        values = {**read_yaml(path), **changes}
    except FileNotFoundError:
        names = ", ".join(sorted(path.stem for path in (RECIPES / kind).glob("*.yaml")))
        raise InputError(f"There is no recipe {config}; packaged ones are {names}.") from None
    fields = {field.name: field for field in _fields(recipe_class)}
    if unknown := sorted(set(values) - set(fields)):
        raise InputError(f"{path} has unknown keys {', '.join(unknown)}; known are {', '.join(fields)}.")
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    if missing := [name for name in required if name not in values]:
        raise InputError(f"{path} lacks {', '.join(missing)}; set them in it or as --{missing[0]} VALUE.")
    hints = typing.get_type_hints(recipe_class)
    for name, value in values.items():
        place = f"--{name.replace('_', '-')}" if name in changes else f"{path}: {name}"
        values[name] = _checked(value, hints[name], place)
    return recipe_class(**values)


class _EachNameOnce(yaml.SafeLoader):
    """Refuses a name that stands twice: the first value would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        names = [key.value for key, _ in node.value]
        if doubled := [name for name in names if names.count(name) > 1]:
            raise yaml.YAMLError(f"{doubled[0]} stands there more than once")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the names and values of a YAML file.

    Raises:
        FileNotFoundError: If there is no such file.
        InputError: If it is not YAML, or has no names.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _EachNameOnce)
    except (yaml.YAMLError, ValueError, RecursionError, IsADirectoryError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if content is not None and not (isinstance(content, dict) and all(isinstance(name, str) for name in content)):
        raise InputError(f"{path} holds no lines `name: value`.")
    return content or {}


def _from_word(word: str, hint: Any, name: str) -> Any:
    """Return the value of a field that a word of the command line says."""
    allowed, option = _allowed(hint), f"--{name.replace('_', '-')}"
    if not word:
        raise InputError(f"{option} is empty.")
    if word == "null" and type(None) in allowed:
        return None
    # Of `str | list[str]` a list is what looks like one; names in lists are text too, such as chromosome 1.
    lists_names = list[str] in allowed
    if str in allowed and not (lists_names and word.startswith("[")):
        return word
    try:
        return yaml.load(word, yaml.BaseLoader if lists_names else yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InputError(f"{option} is {word!r}, which cannot be read.") from None


def _allowed(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _fields(recipe_class: type[Any]) -> list[dataclasses.Field[Any]]:
    """Return the fields of a recipe: its own first, then those of every training."""
    own = recipe_class.__annotations__
    return sorted(dataclasses.fields(recipe_class), key=lambda field: field.name not in own)


def _checked(value: Any, wanted: Any, what: str) -> Any:
    allowed = _allowed(wanted)
    if value is None and type(None) in allowed:
        return None
    # YAML reads 1 as an integer where a float is meant; and 4e-4 (no dot) as a string.
    if float in allowed and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{what} is {value}, not a finite number.")
    lists = [kind for kind in allowed if typing.get_origin(kind) is list]
    if isinstance(value, list) and lists and all(type(x) is typing.get_args(lists[0])[0] for x in value):
        return value
    if not any(type(value) is kind for kind in allowed):
        names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in allowed)
        hint = ", such as [0, 1]" if lists else ""
        raise InputError(f"{what} is {value!r}; it must be {names}{hint}.")
    return value
