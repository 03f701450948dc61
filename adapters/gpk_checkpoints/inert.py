r"""A pickle read as data: what it says is written down, and nothing that it names is imported or called.

A pickle is a program for a small stack machine (Python, `pickletools`). This machine runs the instructions that make
values and, where a program would import or call something, keeps a record of it: for the names that checkpoints use
(`pickled`), and for no others. No code or object of another library is within the program's reach, so that there is
nothing to misuse and nothing that a later file could find changed. Never imports torch.
"""

from __future__ import annotations

import pickletools
import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from gpk.errors import WeightsError
from gpk_checkpoints.budget import Budget
from gpk_checkpoints.pickled import (
    Name,
    NumpyArray,
    NumpyType,
    Record,
    Strided,
    allowed,
    called,
    copied,
    filled,
    instance,
    plain_keys,
)  # fmt: skip

REMEDY = (
    "If you trust whoever wrote it: have the program that made it save the generator's state_dict() alone, with "
    "safetensors.torch.save_file or torch.save"
)
"""What is said at the end of every refusal."""
LITERALS = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING",
})  # fmt: skip
"""Instructions that push their argument."""
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
"""What others push."""
EMPTY: Mapping[str, Callable[[], object]] = {
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": set
}  # fmt: skip
"""What makes the value that others push."""
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
"""How many values others make a tuple of."""
SLACK = 1 << 20
"""Items and bytes that may be made beyond what a file is long: one of a few bytes may hold a few copies."""

Persistent = Callable[[object], object]
"""What stands for something that lies outside of the pickle, by what the pickle says of it."""


def read_pickle(file: IO[bytes], size: int, where: str, persistent: Persistent | None = None) -> object:
    """What the pickle that begins here in `file`, of `size` bytes, describes: builtin values and the records of
    `pickled`; `persistent` gives what lies outside of it. Leaves the file behind the pickle's end.

    Raises WeightsError that begins with `where` for a name or an instruction that checkpoints do not use, for a
    file that is cut short or damaged, and for one that would have more made of it than it holds.
    """
    budget = Budget(where, items=2 * size + SLACK, size=4 * size + SLACK)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in a text, which is refused
            return _Machine(where, persistent, budget).run(_Reader(file, size))
    except MemoryError as error:
        raise WeightsError(
            f"{where} needs more memory than there is: close other programs, or use another machine"
        ) from error
    except (ValueError, TypeError, IndexError, OverflowError, struct.error) as error:
        raise WeightsError(
            f"{where} is a pickle that is cut short or damaged ({shown(str(error))}): copy it again from where it came"
        ) from error


def shown(text: str) -> str:
    """`text` from a file, short and without characters that a terminal would obey."""
    return ascii(text[:100])[1:-1]


class _Reader:
    """A file that is never asked for more bytes than it has left, whatever length an instruction claims."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def tell(self) -> int:
        return self.file.tell()

    def read(self, count: int) -> bytes:
        return self.file.read(min(count, self.size - self.file.tell()))

    def readline(self) -> bytes:
        return self.file.readline(1 << 12)


class _Machine:
    """The stack machine: a stack, the places of its marks, and a memo. What an instruction copies is taken off the
    budget, for three bytes of a program may copy all that came before them.
    """

    def __init__(self, where: str, persistent: Persistent | None, budget: Budget) -> None:
        self.where, self.persistent, self.budget = where, persistent, budget
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self, file: _Reader) -> object:
        """The value that the program in `file` ends with."""
        for opcode, argument, _ in pickletools.genops(file):  # pyright: ignore[reportArgumentType]
            self.step(opcode.name, argument)
        return self.stack.pop()

    def step(self, name: str, argument: object) -> None:
        """Carries out one instruction."""
        push, pop = self.stack.append, self.stack.pop
        if name in LITERALS:
            push(argument)
        elif name in CONSTANTS:
            push(CONSTANTS[name])
        elif name in EMPTY:
            push(EMPTY[name]())
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("BINPUT", "LONG_BINPUT") and isinstance(argument, int):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET") and isinstance(argument, int):
            if argument not in self.memo:
                raise ValueError(f"nothing is remembered as {argument}")
            push(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name == "POP":
            pop()
        elif name == "POP_MARK":
            self.marked()
        elif name in TUPLES:
            push(tuple(self.off(TUPLES[name])))
        elif name == "TUPLE":
            push(tuple(self.marked()))
        elif name == "LIST":
            push(self.marked())
        elif name == "FROZENSET":
            push(frozenset(plain_keys(self.marked())))
        elif name == "DICT":
            items = self.marked()
            push(dict(zip(plain_keys(items[::2]), items[1::2], strict=True)))
        elif name in ("SETITEM", "SETITEMS"):
            items = self.off(2) if name == "SETITEM" else self.marked()
            self.extended(dict, items)
        elif name == "ADDITEMS":
            items = self.marked()
            self.extended(set, items)
        elif name in ("APPEND", "APPENDS"):
            items = self.off(1) if name == "APPEND" else self.marked()
            self.extended(list, items)
        elif name == "GLOBAL":
            push(self.named(*str(argument).split(" ", 1)))
        elif name == "STACK_GLOBAL":
            push(self.named(*self.off(2)))
        elif name in ("REDUCE", "NEWOBJ"):
            what, arguments = self.off(2)
            if not isinstance(what, Name) or not isinstance(arguments, tuple):
                raise ValueError("it calls something that is no function")
            self.budget.spend(*copied(arguments))
            made = instance(what, arguments) if name == "NEWOBJ" else called(what, arguments)
            if made is None:
                raise self.refusal(what)
            push(made)
        elif name == "BINPERSID" and self.persistent is not None:
            push(self.persistent(pop()))
        elif name == "BUILD":
            self.build(pop(), self.stack[-1])
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise WeightsError(
                f"{self.where} is a pickle with the instruction {name}, which checkpoints do not use: it is refused, "
                f"and nothing in it was run. {REMEDY}"
            )

    def off(self, count: int) -> list[object]:
        """The last `count` values, taken off the stack."""
        at = len(self.stack) - count
        if not 0 <= at <= len(self.stack):
            raise ValueError("it takes more values than there are")
        taken = self.stack[at:]
        del self.stack[at:]
        return taken

    def marked(self) -> list[object]:
        """What lies above the last mark, taken off the stack."""
        return self.off(len(self.stack) - self.marks.pop())

    def extended(self, kind: type[dict] | type[list] | type[set], items: Sequence[object]) -> None:
        """Adds `items` to what lies on top of the stack, which is of this very type or a record of one like it."""
        top = self.stack[-1]
        if isinstance(top, Record):
            top.items.extend(items)
        elif type(top) is not kind:
            raise ValueError(f"it adds items to something that is no {kind.__name__}")
        elif isinstance(top, dict):
            top.update(zip(plain_keys(items[::2]), items[1::2], strict=True))
        elif isinstance(top, set):
            top.update(plain_keys(items))
        elif isinstance(top, list):
            top.extend(items)

    def named(self, module: object, attribute: object = None) -> Name:
        """The name, which must be one that checkpoints use."""
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise ValueError("a name is no text")
        name = Name(module, attribute)
        if module.startswith("dnnlib.tflib"):
            raise WeightsError(
                f"{self.where} is a StyleGAN of the TensorFlow era, which only TensorFlow can read: "
                "get the PyTorch (StyleGAN2-ADA) version of the file"
            )
        if not allowed(name):
            raise self.refusal(name)
        return name

    def refusal(self, name: Name) -> WeightsError:
        """The error that says what the file wants to have called."""
        return WeightsError(
            f"{self.where} is a pickle that names {shown(str(name))}, which checkpoints do not: it is refused, and "
            f"nothing in it was run. {REMEDY}"
        )

    def build(self, state: object, target: object) -> None:
        """Gives `target` its attributes; those of a mapping or a tensor are of no use here."""
        if isinstance(target, NumpyType) and isinstance(state, tuple) and state[1:2] in (("<",), (">",), ("|",)):
            target.order = ">" if state[1] == ">" else "<"
        elif isinstance(target, NumpyArray):
            filled(target, state)
        elif isinstance(target, Record) and (parts := _attributes(state)) is not None:
            for part in parts:
                self.budget.spend(len(part))
                target.state.update(part)
        elif type(target) not in (dict, Strided) or _attributes(state) is None:
            raise ValueError(f"it sets attributes of a {type(target).__name__}")


def _attributes(state: object) -> list[dict[object, object]] | None:
    """The attributes in an object's state, which may come as a pair with those of its slots; None where it has none.
    Nothing is copied: a few bytes of a file may have it looked at again and again.
    """
    parts = state if isinstance(state, tuple) and len(state) == 2 else (state,)
    told = [part for part in parts if type(part) is dict]
    return told if all(part is None or type(part) is dict for part in parts) and (told or len(parts) == 2) else None
