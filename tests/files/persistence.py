"""What pickle needs while a file of others' classes is written: modules of those names, which are gone afterwards.

`saved` and `torch_saved` write; numpy's names are those of the numpy that is asked for, whichever is installed.
"""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
    """Only a name: the official one runs the source text in `meta`."""


class EasyDict(dict[str, Any]):
    """Only a name."""


class Persistent:
    """An object that is saved with its source text."""

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.class_name, self.state = class_name, state

    def __reduce__(self) -> tuple[Any, ...]:
        source = "import os\nraise SystemExit('this text was run')\n"
        meta = {"type": "class", "version": 6, "module_src": source, "class_name": self.class_name, "state": self.state}
        return _reconstruct_persistent_obj, (meta,)

    def at(self, path: str) -> Persistent:
        """The module at a dotted `path` inside this one."""
        found: Any = self
        for name in path.split("."):
            found = found.state["_modules"][name]
        return found


def stand_in(name: str, base: type = nn.Module) -> type:
    """A class that exists only to be named in a file."""
    return type(name, (base,), {})


NAMED: dict[str, list[Any]] = {
    "torch_utils.persistence": [_reconstruct_persistent_obj],
    "dnnlib.util": [EasyDict],
    "dnnlib.tflib.network": [stand_in("Network", object)],
    "training.triplane": [stand_in("OSGDecoder")],
    "training.volumetric_rendering.renderer": [stand_in("ImportanceRenderer")],
    "training.volumetric_rendering.ray_marcher": [stand_in("MipRayMarcher2")],
    "model": [stand_in("Generator"), stand_in("Block"), stand_in("Layer")],
}
"""Modules that exist while a file is written, and what is in them."""


def named(module: str, name: str) -> type:
    """The stand-in of this name."""
    return next(member for member in NAMED[module] if member.__name__ == name)


@contextmanager
def standing() -> Iterator[None]:
    """The modules of NAMED, so that pickle finds in them what it writes down."""
    made: list[str] = []
    for path, members in NAMED.items():
        parts = path.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            if name not in sys.modules:
                sys.modules[name] = ModuleType(name)
                made.append(name)
        for member in members:
            member.__module__, member.__qualname__ = path, member.__name__
            setattr(sys.modules[path], member.__name__, member)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def module_state(
    modules: Mapping[str, Any],
    parameters: Mapping[str, Tensor | None] | None = None,
    buffers: Mapping[str, Tensor | None] | None = None,
    **attributes: Any,
) -> dict[str, Any]:
    """The attributes of a torch module."""
    return {
        **vars(nn.Module()),
        "training": False,
        "_parameters": OrderedDict(parameters or {}),
        "_buffers": OrderedDict(buffers or {}),
        "_modules": OrderedDict(modules),
        **attributes,
    }


def plain(kind: type, state: dict[str, Any]) -> Any:
    """An object of `kind` with these attributes, which no constructor has seen."""
    made = object.__new__(kind)
    vars(made).update(state)
    return made


_Base: Any = pickle._Pickler


class _Pickler(_Base):
    """Python's own, with numpy's inner names as one of its versions has them."""

    core = "numpy._core"

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = str(getattr(obj, "__module__", ""))
        if not re.match(r"numpy\.(_core|core)\b", module):
            super().save_global(obj, name)
            return
        inside, attribute = re.sub(r"numpy\.(_core|core)\b", self.core, module), name or obj.__name__
        if self.proto >= 4:
            self.save(inside)
            self.save(attribute)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{inside}\n{attribute}\n".encode())
        self.memoize(obj)

    dispatch = {**_Base.dispatch, FunctionType: save_global}  # noqa: RUF012 (as the base has it)


class _Pickler1(_Pickler):
    core = "numpy.core"


def saved(path: Path, value: object, *, protocol: int = 4, numpy: int = 2) -> Path:
    """Writes `value` as a plain pickle, as somebody with this version of numpy does."""
    installed = int(np.__version__.partition(".")[0])
    kind = pickle.Pickler if numpy == installed else _Pickler1 if numpy == 1 else _Pickler  # the first is far quicker
    with standing(), path.open("wb") as file:
        kind(file, protocol).dump(value)
    return path


def torch_saved(path: Path, value: object, *, legacy: bool = False) -> Path:
    """Writes `value` with torch.save: a zip file, or what torch wrote before 1.6."""
    with standing(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Couldn't retrieve source code")  # the stand-ins have none
        torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path
