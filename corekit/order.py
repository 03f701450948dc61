"""Randomness that depends on a seed and a place in the work, never on what ran before: so work can resume anywhere."""

from __future__ import annotations

import hashlib

import torch


def seeded(seed: int, *place: object) -> torch.Generator:
    """A generator of random numbers of its own for one place in the work, on the CPU."""
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
