r"""What may be wrong with a photo, said so that it can be done to any picture: the known damage of restoration.

A photo is D(x) of a whole picture x that nobody has. The generator's picture G that explains it best is the one with
D(G) like the photo (MyStyle, Nitzan et al., 2022, arXiv 2203.17272, section 5). D done twice is as if done once, so
whatever stands where the photo tells nothing takes no part. What it does tell is put back over G in the end:

    Hole      pixels are missing       back comes everything else, bit for bit
    Coarse    too few pixels           back comes what surrounds the subject, enlarged, where that is known
    Grey      colours are missing      back comes the luminance

Shapes: N photos, B batch, C channels, R image side, S any side.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from gpk.album import resize
from gpk.errors import InputError
from gpk.loss import Rows

REC_709 = (0.2126, 0.7152, 0.0722)
"""Shares of red, green and blue in luminance (ITU-R BT.709), applied to sRGB's coded values."""


class Damage(abc.ABC):
    """A degradation of N photos, which may differ from photo to photo. Abstract; every subclass is final."""

    @abc.abstractmethod
    def __call__(self, image: Tensor, rows: Rows = slice(None)) -> Tensor:
        """What is left of pictures [B, 3, S, S] of the photos `rows`, at the same side; differentiable."""

    @abc.abstractmethod
    def mended(self, photos: Tensor, render: Tensor) -> Tensor:
        """Restored pictures [N, 3, R, R]: over `render` [N, 3, R, R] what the damaged `photos` [N, 3, R, R] tell."""

    def at(self, rows: slice) -> Damage:
        """The damage of these photos alone."""
        return self


@dataclass(frozen=True)
class Hole(Damage):
    """Pixels are missing: where `missing` [N, 1, R, R], or [1, 1, R, R] for all photos alike, is true.

    The render goes over into the photo within `feather` pixels around the hole; 0 leaves the photo there bit for bit.
    Raises InputError for a mask of another shape or type, and for a `feather` below 0.
    """

    missing: Tensor
    feather: int = 0

    def __post_init__(self) -> None:
        if self.missing.ndim != 4 or self.missing.shape[1] != 1 or self.missing.dtype != torch.bool:
            raise InputError(f"a mask is true or false [N, 1, R, R], not {self.missing.dtype} {[*self.missing.shape]}")
        if self.feather < 0:
            raise InputError(f"feather must be at least 0 pixels, not {self.feather}")

    def __call__(self, image: Tensor, rows: Rows = slice(None)) -> Tensor:
        """Mid-grey in the hole. At a smaller side a pixel is missing where any of what it is made from is."""
        missing = self.missing if len(self.missing) == 1 else self.missing[rows]
        return torch.where(resize(missing.to(image), image.shape[-1]) > 0, torch.zeros_like(image), image)

    def mended(self, photos: Tensor, render: Tensor) -> Tensor:
        """The render in the hole, the photo elsewhere."""
        share = self.missing.to(render)
        if self.feather:
            # The mean of the holes grown by 0, 1, … pixels falls in a straight line, and is 0 beyond the last.
            grown = (F.max_pool2d(share, 2 * by + 1, stride=1, padding=by) for by in range(self.feather + 1))
            share = torch.stack(list(grown)).mean(0)
        return torch.where(share == 0, photos, torch.where(share == 1, render, photos + share * (render - photos)))

    def at(self, rows: slice) -> Hole:
        """The holes of these photos alone."""
        return self if len(self.missing) == 1 else replace(self, missing=self.missing[rows])


@dataclass(frozen=True)
class Coarse(Damage):
    """The photo has only `side` x `side` pixels, each the mean of those that it stands for.

    Where the subject is known, `subject` [N, 1, R, R] or [1, 1, R, R] in [0, 1], the rest comes from the photo.
    """

    side: int
    subject: Tensor | None = None

    def __call__(self, image: Tensor, rows: Rows = slice(None)) -> Tensor:
        """As many pixels as before, in blocks of one colour."""
        return in_blocks(coarsened(image, self.side), image.shape[-1])

    def mended(self, photos: Tensor, render: Tensor) -> Tensor:
        """The render; around a known subject the photo, enlarged by Lanczos' filter as the paper does."""
        if self.subject is None:
            return render
        background = lanczos(coarsened(photos, self.side), render.shape[-1]).clamp(-1, 1)
        return background + self.subject.to(render) * (render - background)

    def at(self, rows: slice) -> Coarse:
        """The damage of these photos alone."""
        return self if self.subject is None or len(self.subject) == 1 else replace(self, subject=self.subject[rows])


@dataclass(frozen=True)
class Grey(Damage):
    """The colours are missing; `keep` puts the photo's own luminance back under the render's."""

    keep: bool = True

    def __call__(self, image: Tensor, rows: Rows = slice(None)) -> Tensor:
        """The luminance on all three channels."""
        return luminance(image).expand_as(image)

    def mended(self, photos: Tensor, render: Tensor) -> Tensor:
        """The render's colours at the photo's luminance, as strong as the range of colours allows there."""
        if not self.keep:
            return render
        render = render.clamp(-1, 1)
        light, tint = luminance(photos.clamp(-1, 1)), render - luminance(render)
        room = torch.where(tint > 0, 1 - light, 1 + light) / tint.abs().clamp_min(1e-6)
        return light + room.amin(1, keepdim=True).clamp(0, 1) * tint


@dataclass(frozen=True)
class Together(Damage):
    """Several damages, one after the other."""

    damages: tuple[Damage, ...]

    def __call__(self, image: Tensor, rows: Rows = slice(None)) -> Tensor:
        """What all of them leave."""
        for damage in self.damages:
            image = damage(image, rows)
        return image

    def mended(self, photos: Tensor, render: Tensor) -> Tensor:
        """The last damage is mended first: that gives the photo as the one before has left it."""
        for damage in reversed(self.damages):
            photos = damage.mended(photos, render)
        return photos

    def at(self, rows: slice) -> Together:
        """The damages of these photos alone."""
        return Together(tuple(damage.at(rows) for damage in self.damages))


def square_hole(side: int, share: float = 0.5) -> Tensor:
    """A mask [1, 1, side, side]: a square in the middle whose side is `share` of the picture's, 0.5 in the paper.

    Raises InputError as `box_hole` does.

    >>> square_hole(4)[0, 0].int().tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    rest = (1 - share) / 2
    return box_hole(side, (rest, rest, share, share))


def box_hole(side: int, box: tuple[float, ...]) -> Tensor:
    """A mask [1, 1, side, side]: the box x, y, width, height in shares of the side, to the nearest pixel.

    Raises InputError for a box that is not in the picture, has no pixel, or is the whole picture.
    """
    x, y, width, height = box
    if not (min(x, y) >= 0 and min(width, height) > 0 and max(x + width, y + height) <= 1 + 1e-9):
        told = ",".join(f"{number:g}" for number in box)
        raise InputError(f"the box {told} is not in the picture: give x,y,width,height in shares of its side, 0 to 1")
    left, right, top, bottom = (round(edge * side) for edge in (x, x + width, y, y + height))
    missing = torch.zeros(1, 1, side, side, dtype=torch.bool)
    missing[..., top:bottom, left:right] = True
    if not missing.any() or missing.all():
        what = "no pixel" if not missing.any() else "all"
        raise InputError(f"this hole is {what} of a picture of {side}x{side}: give another one")
    return missing


def luminance(image: Tensor) -> Tensor:
    """Rec. 709 luminance [B, 1, R, R] of pictures [B, 3, R, R], in the same range."""
    return (image * image.new_tensor(REC_709)[:, None, None]).sum(1, keepdim=True)


def coarsened(image: Tensor, side: int) -> Tensor:
    """Pictures [B, C, side, side]: means over areas; the input itself where it is no larger."""
    return image if image.shape[-1] <= side else F.interpolate(image, (side, side), mode="area")


def in_blocks(image: Tensor, side: int) -> Tensor:
    """Pictures [B, C, side, side]: every pixel of `image` a block of one colour."""
    return image if image.shape[-1] == side else F.interpolate(image, (side, side), mode="nearest")


def lanczos(image: Tensor, side: int) -> Tensor:
    """Pictures [B, C, S, S] enlarged to [B, C, side, side] by Lanczos' filter of three lobes; may overshoot."""
    before = image.shape[-1]
    if before == side:
        return image
    centres = (torch.arange(side, dtype=torch.float64) + 0.5) * before / side
    away = torch.arange(before, dtype=torch.float64) + 0.5 - centres[:, None]
    weights = torch.sinc(away) * torch.sinc(away / 3) * (away.abs() < 3)
    weights = (weights / weights.sum(1, keepdim=True)).to(image)
    return weights @ image @ weights.mT
