"""The networks that measure: judges of identity, distances, a reader of attributes; and those that are not to be had.

Shapes: N pictures, M references, R image side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gpk.album import resize
from gpk.judges import Distance
from gpk.metrics import diversity, identity_similarity, psnr, ssim
from gpk.seeding import in_parts
from gpk_tasks.renders import AT_ONCE
from gpk_tasks.scores import grain

Figures = dict[str, float]


@dataclass(frozen=True)
class Instruments:
    """Judges and distances by name, what reads attributes where there is one; `absent` tells by name why a network is
    not here, and `digests` the sha256 of each one's weights.
    """

    judges: Mapping[str, nn.Module]
    distances: Mapping[str, Distance]
    attributes: Any = None
    absent: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def against(self, images: Tensor, photos: Tensor) -> Figures:
        """How near images [N, 3, R, R] come to their photos: PSNR in dB, SSIM, each distance, and realism."""
        photos = resize(photos, images.shape[-1])
        figures = {"PSNR": psnr(images, photos).mean().item(), "SSIM": ssim(images, photos).mean().item()}
        for name, distance in self.distances.items():
            figures[name] = in_parts(distance, images, photos, size=AT_ONCE).mean().item()
        return figures | grain(images, photos)

    def likeness(self, images: Tensor, references: Tensor) -> Figures:
        """Mean ID_sim (Eq. 2) of images [N, 3, R, R] to the references [M, 3, R, R], by each judge."""
        return {name: each.mean().item() for name, each in self.likenesses(images, references).items()}

    @torch.no_grad()
    def likenesses(self, images: Tensor, references: Tensor) -> dict[str, Tensor]:
        """ID_sim [N] of each image [N, 3, R, R] to the references [M, 3, R, R], by each judge."""
        return {
            _called("ID_sim", name, self.judges): identity_similarity(_seen(judge, images), _seen(judge, references))
            for name, judge in self.judges.items()
        }

    def diversity(self, images: Tensor, references: Tensor) -> Figures:
        """Intra-cluster diversity (`gpk.metrics.diversity`) of images [N, 3, R, R] around the references [M, 3, R, R],
        by each distance; left out where no cluster is large enough.
        """
        each = {
            _called("diversity", name, self.distances): diversity(images, references, distance).item()
            for name, distance in self.distances.items()
        }
        return {name: value for name, value in each.items() if value == value}


def _seen(judge: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return in_parts(judge, images, size=AT_ONCE)


def _called(figure: str, network: str, among: Mapping[str, object]) -> str:
    """The figure's name; with the network's, where it is one of several."""
    return figure if len(among) == 1 else f"{figure} ({network})"
