"""Third-party networks that look at pictures: LPIPS on AlexNet and on VGG-16.

Light: what a card offers is imported when it is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from corekit.plugin import JudgeCard, hookimpl

if TYPE_CHECKING:
    from torch import nn

__all__ = ["gpk_judges", "load_lpips"]

gpk_api = 1


def load_lpips(net: Literal["alex", "vgg"], weights: Path | None = None) -> nn.Module:
    """LPIPS on the named backbone, a distance: (a, b) both [B, 3, R, R] in [-1, 1] → [B].

    `weights` is the backbone's ImageNet state dict; None looks in torch hub's cache, then downloads.
    Raises ExtraError where a package or the weights are absent, WeightsError where the file is of something else.
    """
    from gpk_judges.perceptual import load

    return load(net, weights)


@hookimpl
def gpk_judges() -> Sequence[JudgeCard]:
    """The distances offered here."""
    return [
        JudgeCard(
            name="lpips-alex",
            kind="distance",
            summary="LPIPS on AlexNet: sharp and quick, the distance of the official backends",
            load=partial(load_lpips, "alex"),
        ),
        JudgeCard(
            name="lpips-vgg",
            kind="distance",
            summary="LPIPS on VGG-16: smoother textures, about twenty times the work",
            load=partial(load_lpips, "vgg"),
        ),
    ]
