"""What comes when: randomness and order that depend on a seed and a place in the work, never on what ran before, so
that work can resume anywhere; and work in parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def seeded(seed: int, *place: object) -> torch.Generator:
    """A generator of random numbers of its own for one place in the work, told by its `repr`, on the CPU."""
    digest = hashlib.sha256(repr((seed, *place)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def batch_at(position: int, *, size: int, count: int, seed: int) -> list[int]:
    """Which of `count` photos the next `size` are after `position` seen: every epoch a new shuffle, none left out.

    >>> sorted(batch_at(0, size=3, count=3, seed=7))
    [0, 1, 2]
    """
    chosen = []
    for index in range(position, position + size):
        epoch, place = divmod(index, count)
        chosen.append(int(torch.randperm(count, generator=seeded(seed, "order", epoch))[place]))
    return chosen


def parts(count: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that cover `count`.

    >>> list(parts(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(begin, min(begin + size, count)) for begin in range(0, count, size))


def in_parts(function: Callable[..., Tensor], *batches: Tensor, size: int) -> Tensor:
    """`function` of batches of equal length, `size` rows at a time, so that its memory does not grow with them.

    >>> in_parts(lambda a, b: a + b, torch.arange(3), torch.ones(3), size=2)
    tensor([1., 2., 3.])
    """
    rows = parts(len(batches[0]), size)
    return torch.cat([function(*(batch[part] for batch in batches)) for part in rows])
