"""What stands for the objects that a checkpoint's pickle describes: records, and builtin values. Never imports torch.

`allowed` is the rule for the names that a file may have, and `called` and `instance` say what takes the place of a call
of each. Nothing here imports or calls what a name names.
"""

from __future__ import annotations

import struct
import sys
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
    """An object: the name of its class, its attributes, and its items where its class is a list or a mapping."""

    kind: str
    state: dict[Any, Any] = field(default_factory=dict)
    items: list[Any] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Packed:
    """The numbers of a storage as a file of torch.save, which lies in the pickle itself."""

    payload: bytes


@dataclass(frozen=True, eq=False)
class Storage:
    """`count` numbers of a type that torch calls `kind`, such as FloatStorage; `read` gives their bytes."""

    kind: str
    count: int
    read: Callable[[], bytes]


@dataclass(frozen=True, eq=False)
class Strided:
    """A tensor as a view of its storage, in numbers; whether it stays inside is not checked yet."""

    storage: Packed | Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(eq=False)
class NumpyType:
    """A plain numeric dtype: its code, such as f8, and byte order."""

    code: str
    order: str = "<"


@dataclass(eq=False)
class NumpyArray:
    """An array of numpy's: `data` in the order of C, or of Fortran."""

    kind: NumpyType | None = None
    shape: tuple[int, ...] = ()
    data: bytes = b""
    fortran: bool = False


MOST_SIDES = 16
"""Numbers of a tensor's shape; torch's own networks have 5 at most."""
NUMPY_TYPES = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
"""`struct`'s letter for each numpy type that may occur."""


def allowed(name: Name) -> bool:
    """Whether a checkpoint may name it: what CALLS lists, torch's layers and types, and classes of somebody's training
    code, which no library here has. Anything else of Python or of a library is what a poisoned file names.
    """
    if name in CALLS:
        return True
    if not name.name.isidentifier():
        return False
    top = name.module.partition(".")[0]
    if top == "torch":
        return name.module.startswith("torch.nn.") or (name.module in ("torch", "torch.storage") and _torch_type(name))
    return bool(top) and top not in LIBRARIES and all(part.isidentifier() for part in name.module.split("."))


def _torch_type(name: Name) -> bool:
    return name.name.endswith("Storage") or name.name in TORCH_TYPES


def called(name: Name, arguments: tuple[object, ...]) -> object:
    """What stands for the call of an allowed `name`; None where it may be named and not called.

    Raises ValueError or TypeError for arguments that make no sense.
    """
    return CALLS[name](*arguments) if name in CALLS else None


def instance(name: Name, arguments: tuple[object, ...]) -> object:
    """What stands for a new object of the class `name`, which no constructor has seen."""
    return CALLS[name](*arguments) if name in CALLS else Record(name.name)


def plain_keys(items: Sequence[object]) -> Sequence[object]:
    """`items`, each a plain value: hashing nested ones could overflow the interpreter's own stack, and integers beyond
    the modulus of their hash can be chosen to hash alike, which makes a dict's time quadratic. Else ValueError.
    """
    for item in items:
        if not (item is None or isinstance(item, str | int | float | bytes)):
            raise ValueError("a key is no plain value")
        if isinstance(item, int) and abs(item) >= sys.hash_info.modulus:
            raise ValueError("a key is a number of more than 61 bits")
    return items


def copied(arguments: Sequence[object]) -> tuple[int, int]:
    """Items and bytes that a call with these arguments may copy."""
    items = sum(len(part) for part in arguments if isinstance(part, list | tuple | dict | set | frozenset))
    return 1 + len(arguments) + items, sum(len(part) for part in arguments if isinstance(part, str | bytes | bytearray))


def _mapping(items: object = ()) -> dict[object, object]:
    if isinstance(items, dict):
        return dict(items)
    if not isinstance(items, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in items):
        raise ValueError("a mapping is not made of pairs")
    return dict(zip(plain_keys([pair[0] for pair in items]), (pair[1] for pair in items), strict=True))


def _default_mapping(factory: object = None, items: object = ()) -> dict[object, object]:
    del factory  # what it would be called for is not there
    return _mapping(items)


def _set(items: object = ()) -> set[object]:
    if not isinstance(items, list | tuple):
        raise ValueError("a set is not made of items")
    return set(plain_keys(items))


def _persistent(meta: object) -> Record:
    """A module saved together with its own source text, which is not kept."""
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise ValueError("a persistent object has no state")
    kind = meta.get("class_name", "")
    return Record(kind[:100] if isinstance(kind, str) else "", meta["state"])


def _packed(payload: object) -> Packed:
    if not isinstance(payload, bytes):
        raise ValueError("a storage is no bytes")
    return Packed(payload)


def _tensor(storage: object, offset: object, size: object, stride: object, *rest: object) -> Strided:
    del rest  # whether it wants a gradient, and its hooks
    if not isinstance(storage, Packed | Storage):
        raise ValueError("a tensor has no storage")
    if not isinstance(size, tuple) or not isinstance(stride, tuple) or not len(size) == len(stride) <= MOST_SIDES:
        raise ValueError("a tensor has no shape")
    return Strided(storage, count(offset), tuple(map(count, size)), tuple(map(count, stride)))


def count(value: object) -> int:
    """`value`, a whole number of at least 0 that torch could hold; raises ValueError for any other."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError("a tensor's shape is impossible")
    return value


def _parameter(data: object, *rest: object) -> Strided:
    del rest
    if not isinstance(data, Strided):
        raise ValueError("a parameter is no tensor")
    return data


def _decorated(rebuild: object, kind: object, arguments: object, *rest: object) -> object:
    """A tensor that was given attributes, which are not kept."""
    del kind, rest
    if not isinstance(rebuild, Name) or rebuild not in TENSORS or not isinstance(arguments, tuple):
        raise ValueError("a tensor is made in an unknown way")
    return CALLS[rebuild](*arguments)


def _items(*arguments: object) -> tuple[object, ...]:
    (items,) = arguments
    if not isinstance(items, list | tuple) or len(items) > MOST_SIDES:
        raise ValueError("a shape is not made of a few sides")
    return tuple(items)


def _words(*arguments: object) -> str:
    return ":".join(str(argument)[:100] for argument in arguments if isinstance(argument, str | int))


def _bytes(text: object, encoding: object = "latin1") -> bytes:
    """What protocol 2, which has no bytes, makes of them."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes are no text of single bytes")
    return text.encode("latin-1")


def _no_bytes(*arguments: object) -> bytes:
    """What protocol 2 makes of bytes that are none."""
    if arguments:
        raise ValueError("bytes are made of something")
    return b""


def _byte_array(data: object = b"", *rest: object) -> bytes:
    return _bytes(data, *rest) if isinstance(data, str) else bytes(data) if isinstance(data, bytes) else _no_bytes(data)


def _numpy_type(code: object, *rest: object) -> NumpyType:
    del rest  # whether to align and to copy
    if not isinstance(code, str) or code.lstrip("<>|=") not in NUMPY_TYPES:
        raise ValueError("a number is of a numpy type that is not plain")
    return NumpyType(code.lstrip("<>|="), ">" if code.startswith(">") else "<")


def _scalar(kind: object, data: object) -> bool | int | float:
    if not isinstance(kind, NumpyType) or not isinstance(data, bytes):
        raise ValueError("a number has no type")
    return struct.unpack(kind.order + NUMPY_TYPES[kind.code], data)[0]


def _array(*arguments: object) -> NumpyArray:
    del arguments  # its class, and a shape that does not count yet
    return NumpyArray()


def _buffered(data: object, kind: object, shape: object, order: object) -> NumpyArray:
    return filled(NumpyArray(), (1, shape, kind, order == "F", bytes(data) if isinstance(data, bytearray) else data))


def filled(array: NumpyArray, state: object) -> NumpyArray:
    """`array` with the state that numpy's pickles give it; raises ValueError for one that they do not."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise ValueError("an array has no state")
    _, shape, array.kind, array.fortran, array.data = state
    array.shape = tuple(map(count, _items(shape)))
    if not isinstance(array.kind, NumpyType) or not isinstance(array.data, bytes):
        raise ValueError("an array is of a numpy type that is not plain")
    return array


TENSORS: Mapping[Name, Callable[..., object]] = {
    Name("torch._utils", "_rebuild_tensor"): _tensor,
    Name("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Name("torch._utils", "_rebuild_parameter"): _parameter,
    Name("torch._utils", "_rebuild_parameter_with_state"): _parameter,
}
"""The functions that make tensors."""
_NUMPY = {
    Name(f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")  # of numpy 1 and of numpy 2
    for module, name, stand_in in (
        ("multiarray", "scalar", _scalar),
        ("multiarray", "_reconstruct", _array),
        ("numeric", "_frombuffer", _buffered),
    )
}
CALLS: Mapping[Name, Callable[..., object]] = {
    **TENSORS,
    **_NUMPY,
    Name("torch._tensor", "_rebuild_from_type_v2"): _decorated,
    Name("torch.storage", "_load_from_bytes"): _packed,
    Name("torch", "Size"): _items,
    Name("torch", "device"): _words,
    Name("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    Name("collections", "OrderedDict"): _mapping,
    Name("collections", "defaultdict"): _default_mapping,
    Name("dnnlib.util", "EasyDict"): _mapping,
    Name("argparse", "Namespace"): lambda *_: Record("Namespace"),
    Name("functools", "partial"): lambda *_: Record("partial"),
    Name("pathlib", "PosixPath"): _words,
    Name("pathlib", "WindowsPath"): _words,
    **{
        Name(builtins, name): stand_in
        for builtins in ("builtins", "__builtin__")  # of Python 3, and as protocol 2 calls them
        for name, stand_in in (("set", _set), ("bytes", _no_bytes), ("bytearray", _byte_array))
    },
    Name("_codecs", "encode"): _bytes,
    Name("numpy", "ndarray"): _array,
    Name("numpy", "dtype"): _numpy_type,
}
"""What takes the place of each function and container that checkpoints name."""
TORCH_TYPES = frozenset({
    "Tensor", "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
})  # fmt: skip
"""Names of torch itself, beside its storages, that may be named."""
LIBRARIES = frozenset({*sys.stdlib_module_names, "__builtin__", "copy_reg", "torch", "numpy", "gpk"})
"""Where a name is on CALLS, or refused."""
