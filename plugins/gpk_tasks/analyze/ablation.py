r"""What each block of a persona does for the picture: its changes taken away, and its changes alone.

The size of a change is a proxy for what it does: a large one may move what nobody sees. So the subject is shown with
all changes but a block's, and with none but a block's, and compared with what all of them show: by a perceptual
distance, and by how alike the subject still is (ID_sim, Eq. 2 of My3DGen) to photos of it, or, where there are none, to
what the whole persona shows.

Shapes: N anchors, n photos, P pictures, F features, R image side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gpk.attach import attached
from gpk.context import Context
from gpk.latents import anchors_as_ws
from gpk.metrics import identity_similarity
from gpk.persona import Persona
from gpk.seeding import in_parts
from gpk_tasks.renders import AT_ONCE, rendered


@dataclass(frozen=True)
class Effect:
    """What a set of changes is worth: the mean distance of what it shows to what the whole persona shows, and its
    ID_sim, None without a judge.
    """

    distance: float
    id_sim: float | None


class Ablator:
    """Shows `count` of a persona's anchors, evenly chosen, from each of the yaws, in radians (in 2D once), with more or
    less of the persona. References are what a judge sees in photos of the subject [n, F], or None.
    """

    def __init__(
        self, context: Context, persona: Persona, *, count: int, yaw: Sequence[float], references: Tensor | None = None
    ) -> None:
        self.context = context
        self.persona = persona
        generator = context.generator
        anchors = anchors_as_ws(persona.anchors, generator.latent.num_ws)
        self.w = anchors[torch.linspace(0, len(anchors) - 1, min(count, len(anchors))).round().long()]
        self.cameras = generator.orbit(torch.tensor(list(yaw)))
        self.whole = self._shown(persona)
        self.references = references
        if references is None and context.judge is not None:
            self.references = self._features(self.whole)

    def effect(self, keys: Collection[str] | None = None) -> Effect:
        """What the changes at these sites show, those of all sites where None."""
        shown = self.whole if keys is None else self._shown(self.persona.only(keys))
        with torch.no_grad():
            apart = in_parts(self.context.reporting or self.context.distance, shown, self.whole, size=AT_ONCE)
        alike = None
        if self.references is not None:
            alike = identity_similarity(self._features(shown), self.references).mean().item()
        return Effect(apart.mean().item(), alike)

    def _shown(self, persona: Persona) -> Tensor:
        """Pictures [P, 3, R, R]: every view of an anchor, then those of the next."""
        with attached(self.context.generator, persona) as generator:
            return torch.cat([render.image for render in rendered(generator, self.w, self.cameras)])

    @torch.no_grad()
    def _features(self, images: Tensor) -> Tensor:
        assert self.context.judge is not None
        return in_parts(self.context.judge, images, size=AT_ONCE)


def blocks_of(persona: Persona, context: Context) -> Mapping[str, tuple[str, ...]]:
    """The keys that the persona changes in each block of the generator, vectors included, in execution order."""
    blocks: dict[str, tuple[str, ...]] = {}
    for site in context.generator.sites():
        if site.key in persona.changes:
            blocks[site.block] = (*blocks.get(site.block, ()), site.key)
    return blocks
