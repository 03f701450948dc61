"""`gpk plugins new`: the repository of a plugin, which works before its first edit."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from gpk.errors import InputError, UnknownNameError
from gpk.registry import Registry
from gpk_cli.output import AsJson, say
from gpk_cli.plugin_files import PARTS, Names, rendered, write_whole
from gpk_cli.stdout import print_json

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 24
"""Letters of a name: it stands in lines of code, which have to stay as they are broken."""


def add_commands(group: typer.Typer) -> None:
    """Adds this module's command to the group `plugins`."""
    group.command()(new)


def new(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What people will type: lower-case letters, digits, dashes.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the repository [default: gpk-NAME].")] = None,
    parts: Annotated[
        str, typer.Option("--with", help="What it offers: backend, detector, judge, task, or several with commas.")
    ] = "backend",
    as_json: AsJson = False,
) -> None:
    """Write the repository of a plugin of your own, which installs and passes its tests before you edit it.

    It has an example of what it offers, of a backend a small untrained network, with its contract test and an example
    of CI, and says where yours goes.
    """
    wanted = _parts(parts)
    names = _named(name)
    _require_free(names, ctx.obj, frozenset(getattr(ctx.find_root().command, "commands", {})))
    directory = out or Path(names.distribution)
    files = rendered(names, wanted)
    write_whole(directory, files)
    following = [f"cd {shlex.quote(str(directory))} && python -m pip install -e '.[test]' && python -m pytest"]
    if "backend" in wanted:
        following += [f"gpk {name}-album album", f"gpk personalize album --backend {name}"]
    if as_json:
        told = {"name": name, "distribution": names.distribution, "package": names.package}
        print_json(told | {"directory": str(directory), "files": list(files), "next": following})
        return
    for path in files:
        print(directory / path)
    say("\n".join(["", "It is yours, under Apache-2.0 until you say otherwise. Now:", "", *following]))


def _parts(text: str) -> frozenset[str]:
    """What `--with` asks for; raises UnknownNameError for what the template does not have."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if part not in PARTS:
            raise UnknownNameError("part", part, PARTS)
    return frozenset(parts or ["backend"])


def _named(name: str) -> Names:
    """The names of a plugin; raises InputError where `name` cannot be one."""
    if name.startswith("gpk-"):
        raise InputError(f"leave the gpk- out of {name!r}: the package is called gpk-NAME by itself")
    if not NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        hint = f", such as {near!r}" if NAME.fullmatch(near) else ""
        raise InputError(
            f"{name!r} cannot be a plugin's name: take lower-case letters and digits, with single dashes between words "
            f"and a letter first{hint}"
        )
    if len(name) > LONGEST:
        raise InputError(f"{name!r} has {len(name)} letters, and people will type it: take at most {LONGEST}")
    return Names(name)


def _require_free(names: Names, registry: Registry, commands: frozenset[str]) -> None:
    """Raises InputError where something that is installed has one of the names."""
    for report in registry.plugins():
        theirs = {report.name, *(name for offered in report.offers.values() for name in offered)}
        if taken := sorted(names.offers & theirs):
            raise InputError(f"the plugin {report} has the name {taken[0]!r}: take another for yours")
    if taken := sorted(names.offers & commands):
        raise InputError(f"`gpk {taken[0]}` is a command already: take another name for your plugin")
    if importlib.util.find_spec(names.package) is not None:
        raise InputError(f"there is a package {names.package} here already: take another name for your plugin")
