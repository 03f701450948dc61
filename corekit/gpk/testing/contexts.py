"""What a task is handed when it is tried: a small generator, a persona and photos of it, and networks that look.

The photos are the generator's own pictures, and the networks are plain arithmetic: what a task finds out by them means
nothing, but it finds it out.

Shapes: B batch, R image side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gpk.album import Album
from gpk.context import Context
from gpk.recipe import Recipe
from gpk.testing.personas import learned
from gpk.testing.specimen import Specimen


@final
class Folder:
    """A run in a folder: it keeps what it is told, and saves its state in memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pictures = directory / "pictures"
        self.pictures.mkdir(parents=True)
        self.events: list[tuple[str, Mapping[str, object]]] = []
        self._state: tuple[dict[str, Tensor], dict[str, Any]] | None = None

    def record(self, event: str, facts: Mapping[str, object]) -> None:
        """Keeps one event."""
        self.events.append((event, facts))

    def progress(self, stage: str, done: int, total: int, figures: Mapping[str, float]) -> None:
        """Shows nothing."""

    def load_state(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was saved last, or None."""
        return self._state

    def save_state(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Keeps a copy."""
        self._state = {name: tensor.detach().clone() for name, tensor in tensors.items()}, dict(position)


@final
class Pixels(nn.Module):
    """A distance: mean squared difference, of 8 x 8 places and of all."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """How far apart each pair is, [B]."""
        return self.between(self.features(a), self.features(b))

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """Places [B, 3, 8, 8] and pixels [B, 3, R, R]."""
        return [F.adaptive_avg_pool2d(images, 8), images]

    def between(self, a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
        """The distances [B]."""
        return torch.stack([(x - y).square().mean((1, 2, 3)) for x, y in zip(a, b, strict=True)]).sum(0)


@final
class Places(nn.Module):
    """A judge: the colours of 4 x 4 places, of unit length."""

    def forward(self, images: Tensor) -> Tensor:
        """Unit features [B, 48]."""
        return F.normalize(F.adaptive_avg_pool2d(images, 4).flatten(1), dim=1)


@final
class Colours(nn.Module):
    """Attributes: how red, green and blue a picture is."""

    names: tuple[str, ...] = ("red", "green", "blue")

    def forward(self, images: Tensor) -> Tensor:
        """The mean colours [B, 3]."""
        return images.mean((2, 3))


def context(specimen: Specimen, logger: Folder, *, persona: bool, photos: bool, side: int | None = None) -> Context:
    """A context with a persona of three anchors and three photos of it, as far as they are wanted.

    `side` is the photos', in pixels, the generator's own where None.
    """
    generator = specimen.generator
    own = learned(specimen, Recipe()) if persona else None
    cameras, shown = specimen.views(3), generator.resolution if side is None else side
    with torch.no_grad():
        pictures = generator(specimen.codes(3), cameras).image.clamp(-1, 1)
    if own is not None and cameras is not None:
        own.cameras = cameras.label()
    album = Album(pictures, ("0.png", "1.png", "2.png"), cameras).resized(shown)
    none = Album(torch.empty(0, 3, shown, shown), ())
    return Context(
        specimen.backend, specimen.card, generator, Pixels(), album if photos else none, logger, judge=Places(),
        reporting=Pixels(), persona=own, attributes=Colours(),
    )  # fmt: skip
