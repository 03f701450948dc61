"""Networks that look at pictures: what a distance, a judge of identity and a reader of attributes are to gpk.

Shapes: B pictures, R image side, F features, K attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images [B, 3, R, R] in [-1, 1] → how far apart each pair looks [B]; differentiable."""


@runtime_checkable
class FeatureDistance(Protocol):
    """A `Distance` that compares what it sees in each picture, so that photos need to be looked at only once."""

    def __call__(self, a: Tensor, b: Tensor, /) -> Tensor:
        """`between(features(a), features(b))`."""
        ...

    def features(self, images: Tensor, /) -> Sequence[Tensor]:
        """What is seen in images [B, 3, R, R]: tensors [B, …]."""
        ...

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor], /) -> Tensor:
        """How far apart what was seen is [B]."""
        ...


Judge = Callable[[Tensor], Tensor]
"""Images [B, 3, R, R] in [-1, 1] → unit features [B, F]."""


@runtime_checkable
class Attributes(Protocol):
    """What can be said of a picture in numbers, such as how open a mouth is: K of them, by name."""

    names: tuple[str, ...]

    def __call__(self, images: Tensor, /) -> Tensor:
        """The attributes [B, K] of images [B, 3, R, R] in [-1, 1], in the order of `names`; differentiable."""
        ...
