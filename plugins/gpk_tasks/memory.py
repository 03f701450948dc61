"""How many photos are rendered at once, so that a step stays within the memory it is given.

The arithmetic of a step does not depend on it: a batch's gradient is the sum of its parts'. What autograd keeps of one
photo is counted, in bytes, so that the same run takes the same parts on every machine with the same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

CPU_GIB = 8.0
"""What a step may take on a CPU where nothing is said."""
GPU_SHARE = 0.8
"""The same on a GPU, of its memory."""
RUNTIME = 2**29
"""Bytes of Python, torch and its libraries."""
PASSING = 2.0
"""Bytes at the peak per byte kept: 1.3 on EG3D-FFHQ for what comes and goes, 2 with the gaps of a heap that is kept."""


@contextmanager
def counting(own: Iterable[Tensor]) -> Iterator[list[int]]:
    """Counts what autograd keeps of the block, `own` tensors left out: the one number of the list, in bytes."""
    kept: dict[int, int] = {}
    total = [0]
    known = {tensor.untyped_storage()._cdata for tensor in own}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage.nbytes()
        return tensor.detach()  # an output that kept itself would never be freed

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield total
    total[0] = sum(kept.values())


def budget(gib: float | None, device: torch.device) -> int:
    """Bytes that a step may take: `gib`, or what fits the device where None."""
    if gib is None and device.type == "cuda":
        return int(GPU_SHARE * torch.cuda.get_device_properties(device).total_memory)
    return int((CPU_GIB if gib is None else gib) * 2**30)


def standing(weights: int, tuned: int = 0) -> int:
    """Bytes that a step takes for any number of photos: those of the `weights`, and for `tuned` numbers of Adam.

    Tuning takes the weights, their changed copies and their gradients; per number a gradient and Adam's moments.
    """
    return (3 if tuned else 1) * weights + 16 * tuned


def peak(*, fixed: int, kept: int, at_once: int) -> int:
    """Bytes of a step with `at_once` photos, `kept` by autograd for each, beside `fixed` ones."""
    return RUNTIME + fixed + int(PASSING * at_once * kept)


def fitting(bytes_given: int, *, fixed: int, kept: int, most: int) -> int:
    """How many of `most` photos fit at once, one at least: `fixed` bytes for all, `kept` by autograd for each."""
    room = bytes_given - RUNTIME - fixed
    return max(1, min(most, int(room / (PASSING * max(kept, 1)))))


def photos_at_once(
    one: Callable[[], Tensor], generator: torch.nn.Module, gib: float | None, *, most: int, tuned: int = 0
) -> int:
    """How many of a batch of `most` photos a step takes at once; `one` gives the loss of a single photo.

    `tuned` is how many numbers Adam works on. Runs `one` once, forward, where the answer is open.
    """
    if most == 1:
        return 1
    parameters = list(generator.parameters())
    weights = sum(p.numel() * p.element_size() for p in parameters)
    with counting(parameters) as kept:
        one()
    return fitting(budget(gib, parameters[0].device), fixed=standing(weights, tuned), kept=kept[0], most=most)
