"""What may happen to a picture, from what nobody sees to what spoils it: pure functions of images [B, 3, R, R] in
[-1, 1].

Each has one number for how strong it is, and 0 changes nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Blurred by a Gaussian of `sigma` pixels; the border goes on outside."""
    if sigma == 0:
        return image
    reach = max(1, math.ceil(3 * sigma))
    ticks = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    window = torch.softmax(-ticks.square() / (2 * sigma**2), 0).expand(3, 1, 1, -1)
    wide = F.pad(image, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(wide, window, groups=3), window.mT, groups=3)


def noisy(image: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    """With Gaussian noise of `sigma`, where the whole range is 2."""
    noise = torch.randn(image.shape, generator=rng, dtype=image.dtype).to(image.device)
    return (image + sigma * noise).clamp(-1, 1)


def shifted(image: Tensor, pixels: float) -> Tensor:
    """Moved to the right and down by so many pixels along the diagonal, parts of a pixel too (bicubic, so hardly
    blurred).
    """
    step = math.sqrt(0.5) * 2 * pixels / image.shape[-1]
    place = torch.eye(2, 3, dtype=image.dtype, device=image.device)
    place[:, 2] = -step
    grid = F.affine_grid(place.expand(len(image), 2, 3), list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False).clamp(-1, 1)


def brighter(image: Tensor, amount: float) -> Tensor:
    """All light multiplied by 1 + `amount`."""
    return ((image + 1) * (1 + amount) - 1).clamp(-1, 1)


def warmer(image: Tensor, amount: float) -> Tensor:
    """Red multiplied by 1 + `amount` and blue by 1 - `amount`."""
    gain = image.new_tensor([1 + amount, 1.0, 1 - amount])[:, None, None]
    return ((image + 1) * gain - 1).clamp(-1, 1)


def turned(image: Tensor, degrees: float) -> Tensor:
    """Every hue turned by so many degrees around the grey axis (Rodrigues' rotation)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    even, odd = (1 - c) / 3, s / math.sqrt(3)
    rotation = image.new_tensor(
        [
            [c + even, even - odd, even + odd],
            [even + odd, c + even, even - odd],
            [even - odd, even + odd, c + even],
        ]
    )
    return torch.einsum("ij,bjhw->bihw", rotation, image).clamp(-1, 1)


def quantised(image: Tensor, step: float) -> Tensor:
    """As JPEG does it: cosine coefficients of blocks of 8 x 8 pixels rounded to multiples of `step`, in a range of 2.

    Raises ValueError where the side is no multiple of 8.
    """
    if step == 0:
        return image
    side = image.shape[-1]
    if side % 8:
        raise ValueError(f"a picture of {side} by {side} cannot be cut into blocks of 8 by 8")
    k = torch.arange(8, dtype=image.dtype, device=image.device)
    cosines = torch.cos(math.pi / 8 * (k + 0.5) * k[:, None]) * torch.where(k > 0, 0.5, math.sqrt(1 / 8))[:, None]
    blocks = image.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    rounded = ((cosines @ blocks @ cosines.mT) / step).round() * step
    return (cosines.mT @ rounded @ cosines).transpose(3, 4).flatten(4).flatten(2, 3).clamp(-1, 1)


def worn(image: Tensor, rng: torch.Generator) -> Tensor:
    """Each picture as a hasty copy of itself: a little blur, a little noise, moved by up to two pixels.

    For training: what generators draw is rarely as sharp as what they learn from.
    """
    size = len(image)
    soft = torch.rand(size, 1, 1, 1, generator=rng).clamp_min(0.4).sub(0.4) / 0.6
    image = image + soft.to(image) * (blurred(image, 1.0) - image)
    noise = torch.randn(image.shape, generator=rng) * torch.rand(size, 1, 1, 1, generator=rng) * 0.06
    moves = torch.randint(0, 5, (size, 2), generator=rng).tolist()
    wide, side = F.pad(image + noise.to(image), (2,) * 4, mode="replicate"), image.shape[-1]
    return torch.stack([picture[:, y : y + side, x : x + side] for picture, (y, x) in zip(wide, moves, strict=True)])
