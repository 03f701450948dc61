"""Options of a command out of the fields of a settings dataclass (`gpk.plugin.option`)."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Union

import typer

LabelsAs = Annotated[
    str | None,
    typer.Option(
        help="How camera labels are turned into EG3D's on reading: opengl, w2c, z-up, scale=0.01 and more, joined"
        " by + (docs/photos.md); as-they-are only warns of what is unlikely."
    ),
]
"""Option of every command that reads an album's labels."""


def options_of(settings: type) -> list[inspect.Parameter]:
    """An option for each field; one that is not given is None."""
    hints = typing.get_type_hints(settings)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[Union[_spelled(hints[field.name]), None], typer.Option(help=_told(field))],  # noqa: UP007
        )
        for field in _fields(settings)
    ]


def with_parameters(command: Callable[..., None], parameters: Iterable[inspect.Parameter]) -> Callable[..., None]:
    """`command`, which takes any keyword, as Typer is to see it."""
    own = [p if p.name == "ctx" or p.kind is p.VAR_POSITIONAL else p.replace(kind=p.KEYWORD_ONLY) for p in parameters]
    command.__signature__ = inspect.Signature(own)  # pyright: ignore[reportFunctionMemberAccess]
    command.__annotations__ = {p.name: p.annotation for p in own}
    return command


def settings_command(run: Callable[..., None], settings: type) -> Callable[..., None]:
    """The command that calls `run(registry, given, *, …)`, `given` being the settings that were stated: its options are
    those of `run`, and then a field of `settings` each.
    """

    def command(ctx: typer.Context, **given: Any) -> None:  # noqa: ANN401 - as the options are
        run(ctx.obj, stated(settings, given), **given)

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    common = list(inspect.signature(run, eval_str=True).parameters.values())[2:]
    return with_parameters(command, [context, *common, *options_of(settings)])


def stated(settings: type, given: dict[str, Any]) -> dict[str, Any]:
    """The fields among the options, taken out of `given`: those that were given, in types that YAML has."""
    hints = typing.get_type_hints(settings)
    taken = {field.name: given.pop(field.name) for field in _fields(settings)}
    return {name: _parsed(hints[name], value) for name, value in taken.items() if value is not None}


def _fields(settings: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(settings) if field.init]


def _spelled(hint: Any) -> Any:  # noqa: ANN401 - types as values
    """The type that the command line reads: text where the field is a tuple."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (sole,) = (kind for kind in arguments if kind is not type(None))
        return _spelled(sole)
    return str if origin is tuple else hint


def _parsed(hint: Any, value: Any) -> Any:  # noqa: ANN401 - types as values
    """What was given as the field wants it: a text with commas is a tuple's list."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (sole,) = (kind for kind in arguments if kind is not type(None))
        return _parsed(sole, value)
    if origin is not tuple or not isinstance(value, str):
        return value
    items = [item.strip() for item in value.split(",") if item.strip()]
    return [_number(item) for item in items] if arguments[0] in (int, float) else items


def _number(text: str) -> float | str:
    """The number, or the text itself, about which the settings complain by name."""
    try:
        return float(text)
    except ValueError:
        return text


def _told(field: dataclasses.Field[Any]) -> str:
    """What a person is told about an option, with its default."""
    told = field.metadata.get("help", "")
    default = field.default if field.default is not dataclasses.MISSING else None
    if default is None or default == ():
        return told
    if isinstance(default, tuple):
        default = ",".join(f"{item:g}" if isinstance(item, float) else str(item) for item in default)
    elif isinstance(default, bool):
        default = "yes" if default else "no"
    elif isinstance(default, float):
        default = f"{default:g}"
    return f"{told} [default: {default}]"
