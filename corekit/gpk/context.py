"""What a task is handed: the generator, the photos, the networks that judge, the logger.

Shapes: N photographs, L latent layers, D latent width.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import Tensor, nn

from gpk.album import Album
from gpk.attach import attached
from gpk.errors import InputError
from gpk.generator import Generator, fingerprint
from gpk.judges import Attributes, Distance
from gpk.latents import anchors_as_ws
from gpk.logger import Logger
from gpk.persona import Origin, Persona
from gpk.plugin import Backend, Card
from gpk.recipe import Recipe


@dataclass(frozen=True)
class Context:
    """Everything a task works with: the generator with its backend and card, the networks that look at its pictures,
    the photos, the logger and, where a subject is known already, its persona.

    `distance` is in the loss; `reporting`, where there is one, is a distance that no loss has seen; `judge` gives the
    features that tell who is seen; `attributes` tells in numbers what a picture shows. `album` are the photos to work
    on; it is empty for a task that needs none.
    """

    backend: Backend
    card: Card
    generator: Generator
    distance: Distance
    album: Album
    logger: Logger
    judge: nn.Module | None = None
    reporting: Distance | None = None
    persona: Persona | None = None
    attributes: Attributes | None = None

    @contextmanager
    def personalized(self) -> Iterator[Generator]:
        """The generator with the persona attached, inside the block; as it is, where there is no persona."""
        if self.persona is None:
            yield self.generator
        else:
            with attached(self.generator, self.persona) as generator:
                yield generator

    def untrained(
        self, recipe: Recipe, anchors: Tensor, *, images_seen: int = 0, rng: torch.Generator | None = None
    ) -> Persona:
        """A persona of the album that changes nothing yet, with a copy of the anchors [N, D] or [N, L, D], from here
        and of so many `images_seen`; raises as `Persona.create` does.
        """
        origin = Origin(
            backend=self.backend.name,
            card=self.card.name,
            base=fingerprint(self.generator),
            licence=self.card.licence,
            album_size=len(self.album),
            images_seen=images_seen,
            versions={"gpk": version("gpk"), "torch": torch.__version__, "python": platform.python_version()},
        )
        cameras = None if self.album.cameras is None else self.album.cameras.label()
        copy = anchors.detach().clone()
        return Persona.create(self.generator, recipe, origin=origin, anchors=copy, cameras=cameras, rng=rng)

    def anchors(self) -> Tensor:
        """The persona's anchors as the generator takes them, [N, num_ws, D]; raises InputError without a persona."""
        if self.persona is None:
            raise InputError("this needs a subject's anchors: give a persona, or the run that made it")
        return anchors_as_ws(self.persona.anchors, self.generator.latent.num_ws)
