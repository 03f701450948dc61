r"""What a stored weight is multiplied by on its way to its input, watched as a network runs.

A layer with a gain g computes y = g W x. Which g that is cannot be seen in y, for any other g would be some other W;
it can be seen in what the network does with W. So torch's functions are watched (TorchFunctionMode), and numbers are
followed from where they are multiplied to where a weight meets its input, a matrix product or a convolution:

    W * g, then F.linear(x, W g)        F.linear(x * g, W)        (W * (style * g)) @ x

all give g. Followed are products and quotients with a Python number or a buffer of one number, and what changes only
the shape or the type. A product of two tensors (a style) has the numbers of both. Whatever else is done to a tensor,
an activation or a sum, ends its history; so does demodulation, which a gain does not survive in effect either.

A number counts for a weight from where the module that owns the weight was entered: before, it was another layer's.
Where that is not to be told, because the weight is used outside of its module, or its module owns several, sqrt(2)
after an activation may be the activation's or the next layer's. Several answers are kept then (the weight's own
numbers; those since any module was entered; all), and a site may say any of them.

What cannot be seen: gains of biases, noise strengths and constants, which are added and meet nothing; layers made of
functions that are not known here; numbers inside compiled code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_SHAPES = frozenset(
    {
        "view", "reshape", "flatten", "unflatten", "transpose", "permute", "t", "expand", "expand_as", "repeat",
        "contiguous", "unsqueeze", "squeeze", "to", "float", "double", "half", "bfloat16", "type", "clone", "detach",
        "__getitem__", "chunk", "unbind", "split", "flip", "movedim", "swapaxes", "type_as", "view_as", "reshape_as",
        "narrow", "select", "__get__",
    }
)  # fmt: skip
"""Names of functions that change only a tensor's shape or type; `__get__` is that of .T, .mT and .data."""
_TIMES = frozenset({"mul", "multiply", "__mul__", "__rmul__", "mul_", "__imul__"})
_OVER = frozenset({"div", "divide", "true_divide", "__truediv__", "div_", "__itruediv__"})
_MEET = frozenset(
    {
        "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "matmul",
        "__matmul__", "__rmatmul__", "mm", "bmm", "addmm", "baddbmm", "einsum", "tensordot", "mv", "addmv",
    }
)  # fmt: skip
"""Names of functions in which a weight meets its input."""


@dataclass(frozen=True)
class _History:
    """What became of a tensor: the weight that is in it, if any, its own numbers, and those of what it was multiplied
    with, in all and since the last module was entered.
    """

    key: str | None = None
    own: float = 1.0
    within: float = 1.0
    all: float = 1.0

    def scaled(self, number: float) -> _History:
        """After a product with a number."""
        own = self.own * number if self.key else self.own
        return _History(self.key, own, self.within * number, self.all * number)

    def times(self, other: _History) -> _History:
        """After a product of tensors."""
        own = self.own if self.key else other.own
        return _History(self.key or other.key, own, self.within * other.within, self.all * other.all)


@dataclass(frozen=True)
class Meeting:
    """How a weight met its input: the `turn` of the first time, and the factors that a gain may be."""

    turn: int
    factors: frozenset[float]

    def nearest(self, gain: float) -> float:
        """The factor that is nearest to `gain`."""
        return min(self.factors, key=lambda factor: abs(factor - gain))


def meetings(network: nn.Module, weights: Mapping[str, Tensor], run: Callable[[], object]) -> dict[str, Meeting]:
    """How each of the `weights` of `network` that is seen to met its input first, by name, while `run` runs.

    >>> layer = nn.Linear(4, 3)
    >>> met = meetings(layer, {"weight": layer.weight}, lambda: layer(torch.ones(1, 4)))
    >>> sorted(met["weight"].factors)
    [1.0]
    """
    watch = _Watch(network, weights)
    handles = [module.register_forward_pre_hook(watch.entered) for module in network.modules()]
    handles += [module.register_forward_hook(watch.left, always_call=True) for module in network.modules()]
    try:
        with torch.no_grad(), watch:
            run()
    finally:
        for handle in handles:
            handle.remove()
    return watch.seen


class _Watch(TorchFunctionMode):
    """Follows numbers through torch's functions."""

    def __init__(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._numbers = {id(buffer) for buffer in network.buffers() if buffer.numel() == 1}
        # Tensors are kept with their history: another one could get a dead one's id.
        self._known = {id(tensor): (tensor, _History(key)) for key, tensor in weights.items()}
        self._inside: list[nn.Module] = []
        owners = [network.get_submodule(key.rpartition(".")[0]) for key in weights]
        self._owner = {key: owner for key, owner in zip(weights, owners, strict=True) if owners.count(owner) == 1}
        self.seen: dict[str, Meeting] = {}

    def entered(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """What comes into a module has no numbers that are the module's own."""
        self._inside.append(module)
        for value in inputs:
            if isinstance(value, Tensor) and (known := self._known.get(id(value))):
                past = known[1]
                self._known[id(value)] = (value, _History(past.key, past.own, 1.0, past.all))

    def left(self, module: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ANN401 - as torch calls it
        """The module around it is where things happen again."""
        self._inside.pop()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        """Runs `func` and remembers what it did to the tensors it was given."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        tensors = [value for value in _flat([*args, *(kwargs or {}).values()]) if isinstance(value, Tensor)]
        if name in _MEET:
            self._meet(name, tensors)
        elif (history := self._after(name, args, tensors)) is not None:
            for value in _flat([result]):
                if isinstance(value, Tensor):
                    self._known[id(value)] = (value, history)
        return result

    def _after(self, name: str, args: tuple[Any, ...], tensors: list[Tensor]) -> _History | None:
        if name in _SHAPES and tensors:
            return self._past(tensors[0]) if id(tensors[0]) in self._known else None
        if name in _TIMES or name in _OVER:
            number = next((n for value in args if (n := self._number(value)) is not None), None)
            followed = [tensor for tensor in tensors if self._number(tensor) is None]
            if number is not None and followed:
                upside_down = name in _OVER and self._number(args[0]) is not None
                if upside_down or number == 0:
                    return None
                return self._past(followed[0]).scaled(1 / number if name in _OVER else number)
            if name in _TIMES and len(followed) == 2:
                return self._past(followed[0]).times(self._past(followed[1]))
            if name in _OVER and followed:
                return self._past(followed[0])
        return None

    def _meet(self, name: str, tensors: list[Tensor]) -> None:
        factors = tensors[1:3] if name in ("addmm", "baddbmm", "addmv") else tensors[:2]
        pasts = [self._past(tensor) for tensor in factors]
        for index, past in enumerate(pasts):
            if past.key is not None and past.key not in self.seen:
                other = pasts[1 - index] if len(pasts) == 2 else _History()
                since = past.within * other.within
                owner = self._owner.get(past.key)
                sure = owner is not None and self._inside and self._inside[-1] is owner
                found = {since} if sure else {past.own, past.within, since, past.all * other.all}
                self.seen[past.key] = Meeting(len(self.seen), frozenset(found))

    def _past(self, tensor: Tensor) -> _History:
        known = self._known.get(id(tensor))
        return _History() if known is None else known[1]

    def _number(self, value: Any) -> float | None:  # noqa: ANN401 - whatever is multiplied
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, Tensor) and id(value) in self._numbers:
            return float(value)
        return None


def _flat(values: list[Any]) -> list[Any]:
    return [item for value in values for item in (value if isinstance(value, list | tuple) else [value])]
