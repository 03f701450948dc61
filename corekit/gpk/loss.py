r"""Eq. 1 of My3DGen: how far a render is from its photo, on every level of the pyramid.

    L_rec = sum over levels of  perceptual * d(G, x) + l2 * mean((G - x)^2)

The paper writes a norm; its release computes the mean square, and so does this.

Where a mask m tells that part of a photo is made up, beyond the edge of what was photographed, that part says nothing:
the mean is over the others, and d sees m G + (1 - m) x, the render with the photo's own pixels there (My3DGen leaves
this open, and names it as a limitation).

Shapes: N photos, B batch, R image side, S any side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gpk.album import resize
from gpk.generator import Render
from gpk.judges import Distance, FeatureDistance

Rows = Tensor | slice
"""Which of the N photos: their places, or a slice."""
Degrade = Callable[[Tensor, Rows], Tensor]
"""Images [B, 3, S, S], and of which photos they are → what a known damage leaves of them, in the same shape;
differentiable.
"""
MOST = 2 * 2**30
"""Bytes of the photos' features that are kept; beyond it they are computed at every step."""


class Loss(NamedTuple):
    """The weighted sum, and its two terms without their weights, each [B] and summed over the levels."""

    total: Tensor
    l2: Tensor
    perceptual: Tensor


class _Level(NamedTuple):
    """The photos at one side, their masks, and what tells how far images are from rows of them."""

    photos: Tensor
    masks: Tensor | None
    apart: Callable[[Tensor, Rows], Tensor]


class Reconstruction:
    """Eq. 1 against photos [N, 3, R, R] in [-1, 1], which are resized, and looked at by the distance, only once.

    With `degrade` the renders and the photos are compared as it leaves them, at every level: where a photo is damaged
    in a known way, only what is left of it says anything (MyStyle, arXiv 2203.17272, section 4). `masks` [N, 1, R, R]
    in [0, 1] are 1 where a photo is real; no gradient flows to where one is 0. `l2` and `perceptual` are the weights of
    Eq. 1; a `distance` of weight 0 is not asked.
    """

    def __init__(
        self,
        photos: Tensor,
        distance: Distance,
        *,
        l2: float = 1.0,
        perceptual: float = 1.0,
        degrade: Degrade | None = None,
        masks: Tensor | None = None,
    ) -> None:
        self.photos, self.distance = photos, distance
        self.l2, self.perceptual, self.degrade = l2, perceptual, degrade
        self.masks = None if masks is None or bool((masks == 1).all()) else masks
        self._levels: dict[int, _Level] = {}

    def __call__(self, render: Render, rows: Rows = slice(None)) -> Loss:
        """The loss of a render [B, 3, …] of each of the photos `rows`."""
        terms = []
        for level in render.pyramid:
            image = level.float() if self.degrade is None else self.degrade(level.float(), rows)
            photos, masks, apart = self._level(image.shape[-1])
            squares = (image - photos[rows]).square()
            if masks is None:
                squares = squares.mean((1, 2, 3))
            else:
                mask = masks[rows]
                # At least one pixel's worth: of a photo with nothing real in it there is nothing to say.
                squares = (mask * squares).mean(1).sum((1, 2)) / mask.sum((1, 2, 3)).clamp_min(1)
                image = torch.lerp(photos[rows], image, mask)
            terms.append((squares, apart(image, rows)))
        squares, apart = (torch.stack(term).sum(0) for term in zip(*terms, strict=True))
        return Loss(self.l2 * squares + self.perceptual * apart, squares, apart)

    @torch.no_grad()
    def _level(self, side: int) -> _Level:
        """What renders of this side are compared with."""
        if side not in self._levels:
            photos, masks = resize(self.photos, side), self.masks
            if masks is not None:
                masks, real = resize(masks, side), resize(self.photos * masks, side)
                # A small pixel that is partly real is the mean of its real part.
                photos = torch.where(masks > 0, real / masks.clamp_min(1e-6), photos)
            if self.degrade is not None:
                photos = self.degrade(photos, slice(None))
            self._levels[side] = _Level(photos, masks, self._apart(photos))
        return self._levels[side]

    def _apart(self, photos: Tensor) -> Callable[[Tensor, Rows], Tensor]:
        distance = self.distance
        if not self.perceptual:
            return lambda image, rows: image.new_zeros(len(image))
        if isinstance(distance, FeatureDistance):
            each = [distance.features(photos[:1])]
            if sum(level.numel() * level.element_size() for level in each[0]) * len(photos) <= MOST:
                each += [distance.features(photo[None]) for photo in photos[1:]]
                seen = tuple(torch.cat(level) for level in zip(*each, strict=True))
                return lambda image, rows: distance.between(distance.features(image), [level[rows] for level in seen])
        return lambda image, rows: distance(image, photos[rows])
