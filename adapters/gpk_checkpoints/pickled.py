"""What stands for the objects that an official pickle describes: records, and builtin values. Never imports torch.

`known` is the list of the names that official checkpoints use, and `made` says what takes the place of a call of each.
Nothing here imports or calls what a name names.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Name:
    """Something of a library that the file names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Record:
    """An object: the name of its class, and its attributes."""

    kind: str
    state: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Storage:
    """The numbers of one tensor or several, as torch.save wrote them."""

    payload: bytes


@dataclass(frozen=True, eq=False)
class Strided:
    """A tensor as a view of its storage, in numbers; whether it stays inside is not checked yet."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False)
class NumpyType:
    """A plain numeric dtype: its code, such as f8, and byte order."""

    code: str
    order: str = "<"


NUMPY_TYPES = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
"""`struct`'s letter for each numpy type that may occur."""


def known(name: Name) -> bool:
    """Whether official checkpoints use `name`: a function of CALLS, a layer, or a plain class of the training code."""
    return name in CALLS or name in LAYERS or (name.module.startswith("training.") and name.name.isidentifier())


def made(name: Name, arguments: tuple[object, ...]) -> object:
    """What stands for the call of a known `name`; raises ValueError or TypeError for arguments that make no sense."""
    return CALLS[name](*arguments) if name in CALLS else Record(name.name)


def plain_keys(items: Sequence[object]) -> Sequence[object]:
    """`items`, each a plain value: hashing nested ones could overflow the interpreter's own stack."""
    if not all(item is None or isinstance(item, str | int | float | bytes) for item in items):
        raise ValueError("a key is no plain value")
    return items


def _mapping(items: object = ()) -> dict[object, object]:
    if isinstance(items, dict):
        return dict(items)
    if not isinstance(items, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in items):
        raise ValueError("a mapping is not made of pairs")
    return dict(zip(plain_keys([pair[0] for pair in items]), (pair[1] for pair in items), strict=True))


def _set(items: object = ()) -> set[object]:
    if not isinstance(items, list | tuple):
        raise ValueError("a set is not made of items")
    return set(plain_keys(items))


def _persistent(meta: object) -> Record:
    """A module saved together with its own source text, which is not kept."""
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise ValueError("a persistent object has no state")
    return Record(str(meta.get("class_name", ""))[:100], meta["state"])


def _storage(payload: object) -> Storage:
    if not isinstance(payload, bytes):
        raise ValueError("a storage is no bytes")
    return Storage(payload)


def _tensor(storage: object, offset: object, size: object, stride: object, *rest: object) -> Strided:
    del rest  # whether it wants a gradient, and its hooks
    if not isinstance(storage, Storage):
        raise ValueError("a tensor has no storage")
    if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride):
        raise ValueError("a tensor has no shape")
    return Strided(storage, _count(offset), tuple(map(_count, size)), tuple(map(_count, stride)))


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError("a tensor's shape is impossible")
    return value


def _parameter(data: object, *rest: object) -> Strided:
    del rest
    if not isinstance(data, Strided):
        raise ValueError("a parameter is no tensor")
    return data


def _numpy_type(code: object, *rest: object) -> NumpyType:
    del rest  # whether to align and to copy
    if not isinstance(code, str) or code not in NUMPY_TYPES:
        raise ValueError("a number is of a numpy type that is not plain")
    return NumpyType(code)


def _scalar(kind: object, data: object) -> bool | int | float:
    if not isinstance(kind, NumpyType) or not isinstance(data, bytes):
        raise ValueError("a number has no type")
    return struct.unpack(kind.order + NUMPY_TYPES[kind.code], data)[0]


CALLS: Mapping[Name, Callable[..., object]] = {
    Name("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
    Name("torch.storage", "_load_from_bytes"): _storage,
    Name("collections", "OrderedDict"): _mapping,
    Name("dnnlib.util", "EasyDict"): _mapping,
    Name("builtins", "set"): _set,
    Name("__builtin__", "set"): _set,
    Name("numpy", "dtype"): _numpy_type,
    Name("numpy.core.multiarray", "scalar"): _scalar,
    Name("numpy._core.multiarray", "scalar"): _scalar,
}
"""What takes the place of each function and container that official checkpoints name."""

LAYERS = frozenset({Name("torch.nn.modules.container", "Sequential"), Name("torch.nn.modules.activation", "Softplus")})
"""Classes of torch whose instances become records."""
