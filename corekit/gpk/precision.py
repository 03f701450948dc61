r"""How exactly numbers are calculated with: products on a GPU, and the smallest numbers on a CPU.

TensorFloat-32 keeps float32's range and 10 bits of its mantissa in products, sums them in float32, and is several
times faster on NVIDIA's GPUs since Ampere. torch allows it to convolutions by default and not to matrix products,
such as the decoder's and the mapping's: half an allowance, for nearly all of a generator's products are convolutions.

torch 2.9 brought a second set of names (`fp32_precision`). Where they are set, torch refuses to read the older ones,
as its own compiler does; where the older ones are set, both read alike, without a warning in 2.11, 2.13 and 2.15.

Denormal numbers, those below 1.2e-38, cost a CPU a hundred cycles each. What lies behind a surface has a weight of
exp(-80) and less, so the gradients of a trained field are full of them; flushed to zero, a step of the embedded prior
takes half the time (docs/performance.md, "Denormals").
"""

from __future__ import annotations

import torch


def allow_tf32(device: torch.device) -> None:
    """Lets this process multiply matrices and convolve in TensorFloat-32, if `device` is CUDA's; else does nothing."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True


def flush_denormals() -> bool:
    """Lets this thread, and those that it starts later, take denormal numbers for zero; False where the CPU cannot.

    To be called before torch's first large operation: its threads inherit the mode at birth, and keep theirs.
    """
    return torch.set_flush_denormal(True)
