"""From "package.file:factory,key=value" to the torch module that such code of a user's makes.

The current folder is on Python's path while that code is imported and called, as `python -m` has it, and at no other
time. What the code raises is told as the user's, with the line of theirs; what it prints goes to stderr.
"""

from __future__ import annotations

import ast
import copy
import importlib
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gpk.errors import GpkError, InputError, UnknownNameError

EXAMPLE = "module:package.file:factory"
OURS = ("z", "range", "framing")
"""Settings that are gpk's: the width of a code, the numbers between which the module's pictures are, and how its
training set was cut from photographs.
"""
_NAME = re.compile(r"(?P<path>\w+(\.\w+)*):(?P<attribute>\w+(\.\w+)*)(?P<settings>(,\w+=[^,]+)*)")


@dataclass(frozen=True)
class Code:
    """What a name names: the attribute of a module of Python's, what to call it with, and what gpk is told of it."""

    path: str
    attribute: str
    arguments: Mapping[str, Any]
    stated: Mapping[str, str]

    @staticmethod
    def parse(text: str) -> Code:
        """The code that "package.file:factory,key=value,…" names; raises InputError for text that is none.

        >>> Code.parse("nets.dcgan:Generator,ngf=16,z=100")
        Code(path='nets.dcgan', attribute='Generator', arguments={'ngf': 16}, stated={'z': '100'})
        """
        if (match := _NAME.fullmatch(text)) is None:
            raise InputError(
                f"module:{text} names no code: say {EXAMPLE}, and what to call it with as in {EXAMPLE},ngf=64"
            )
        pairs = dict(pair.split("=", 1) for pair in match["settings"].split(",") if pair)
        arguments = {key: _literal(value) for key, value in pairs.items() if key not in OURS}
        stated = {key: value for key, value in pairs.items() if key in OURS}
        return Code(match["path"], match["attribute"], arguments, stated)

    def find(self) -> object:
        """The object, with its module imported; raises InputError where it is not there."""
        with importable(), theirs(f"importing {self.path}"):
            try:
                found: object = importlib.import_module(self.path)
            except ModuleNotFoundError as error:
                if error.name is None or not f"{self.path}.".startswith(f"{error.name}."):
                    raise  # a package that the code itself needs
                parent, _, last = error.name.rpartition(".")
                wrong = UnknownNameError("module", last, _modules(parent))
                near = str(wrong).partition(" Known:")[0].removesuffix(":")
                raise InputError(
                    f"{near}. Looked for {error.name} in {Path.cwd()} and on Python's path: "
                    "run gpk in the folder that has it"
                ) from error
        for name in self.attribute.split("."):
            if not hasattr(found, name):
                names = (
                    [other for other in vars(found) if not other.startswith("_")] if hasattr(found, "__dict__") else []
                )
                raise UnknownNameError(f"attribute of {self.path}", name, names)
            found = getattr(found, name)
        return found

    def make(self, found: object) -> nn.Module:
        """What the object makes, on the CPU: the object's own copy where it is a module already, else what it returns.

        Raises InputError where it raises, or makes something else.
        """
        what = f"{self.path}:{self.attribute}"
        if isinstance(found, nn.Module):
            if self.arguments:
                raise InputError(f"{what} is a module already, and takes no {', '.join(self.arguments)}")
            return copy.deepcopy(found)
        if not callable(found):
            raise InputError(f"{what} is a {type(found).__name__}: name a torch module, or a function that returns one")
        with importable(), theirs(f"calling {what}"), torch.device("cpu"), torch.enable_grad():
            made = found(**self.arguments)
            if isinstance(made, nn.Module):
                # A function may return one and the same object each time, which attaching and tuning would change.
                return made if isinstance(found, type) else copy.deepcopy(made)
        raise InputError(f"{what} made a {type(made).__name__}, not a torch module (nn.Module)")


@contextmanager
def importable() -> Iterator[None]:
    """The current folder is on Python's path, inside the block."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path.remove(here)


@contextmanager
def theirs(doing: str) -> Iterator[None]:
    """What the user's code raises inside is an InputError that names their line."""
    try:
        yield
    except GpkError:
        raise
    except (Exception, SystemExit) as error:  # other people's code: it may fail in any way, and it is theirs to mend
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        raise InputError(
            f"{doing} raised {type(error).__name__}: {error}{where} (`gpk --debug …` shows all)"
        ) from error


def _is_theirs(file: str) -> bool:
    own = Path(__file__).parent
    return (
        Path(file).is_file()
        and own not in Path(file).parents
        and "site-packages" not in file
        and (not file.startswith(str(Path(importlib.__file__).parent)))
    )


def _literal(text: str) -> Any:  # noqa: ANN401 - whatever a constructor takes
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _modules(parent: str) -> list[str]:
    """Modules beside one that is not there: in its package, or in the current folder."""
    paths = getattr(sys.modules.get(parent), "__path__", None) if parent else [str(Path.cwd())]
    return [module.name for module in pkgutil.iter_modules(paths)] if paths else []
